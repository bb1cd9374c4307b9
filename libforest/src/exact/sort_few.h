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
#define SORT_FEW_CASES 3125u /* SORT_FEW digits, each less than that */
#define SORT_FEW_DIVISIONS 2 /* that it takes at the most: no heap sort must come before */

/* For two samples on, by digits: which sample comes to each place, four bits a place. */
struct few_sorts {
    uint32_t order[SORT_FEW - 1][SORT_FEW_CASES];
};

void few_sorts_make(struct few_sorts *t);

/* For n from 2 to SORT_FEW, by the sum of digit i times SORT_FEW to the power of i. */
static inline uint32_t few_sort_of(const struct few_sorts *t, uint32_t index, uint32_t n)
{
    return t->order[n - 2][index];
}

static inline uint32_t few_sort(const struct few_sorts *t, const uint32_t *digit, uint32_t n)
{
    uint32_t index = 0;
    for (uint32_t i = n; i-- > 0;)
        index = index * SORT_FEW + digit[i];
    return few_sort_of(t, index, n);
}

#endif
