/* SPDX-License-Identifier: MIT */
/*
 * sort_few.h -- what the rules' sort makes of up to five samples, looked up.
 *
 * The order that results depends on nothing but how the values compare. A sample's digit is how
 * many of the others are less; the digits make an index.
 */
#ifndef SORT_FEW_H
#define SORT_FEW_H

#include <stdint.h>

#define SORT_FEW 5u

/* For each number of samples, by digits: which sample comes to each place, three bits a place. */
struct few_sorts {
    uint16_t of2[4], of3[27], of4[256], of5[3125];
};

void few_sorts_make(struct few_sorts *t);

/* For n from 2 to SORT_FEW. Dividing has to be possible n times yet. */
static inline uint32_t few_sort(const struct few_sorts *t, const uint32_t *digit, uint32_t n)
{
    if (n == 2)
        return t->of2[digit[0] * 2 + digit[1]];
    if (n == 3)
        return t->of3[(digit[0] * 3 + digit[1]) * 3 + digit[2]];
    if (n == 4)
        return t->of4[((digit[0] * 4 + digit[1]) * 4 + digit[2]) * 4 + digit[3]];
    return t->of5[(((digit[0] * 5 + digit[1]) * 5 + digit[2]) * 5 + digit[3]) * 5 + digit[4]];
}

#endif
