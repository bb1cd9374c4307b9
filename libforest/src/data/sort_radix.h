/* SPDX-License-Identifier: MIT */
/* sort_radix.h -- a stable sort of floats, as whole numbers, with a number beside each. */
#ifndef SORT_RADIX_H
#define SORT_RADIX_H

#include <stdint.h>
#include <string.h>

struct item {
    uint32_t key, slot;
};

/* Unsigned numbers in the order of the floats. There is no -0 and no NaN among these. */
static inline uint32_t sort_key(float v)
{
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

static inline float key_value(uint32_t key)
{
    uint32_t bits = key & 0x80000000u ? key ^ 0x80000000u : ~key;
    float v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

/*
 * Sort a[0..n) by key, equal ones as they were; b has room for as many. `varying` has at least
 * those bits set in which keys differ. Returns where the result is: a or b.
 */
struct item *radix_sort(struct item *a, struct item *b, uint32_t n, uint32_t varying);

/* The same for keys alone. */
uint32_t *radix_sort_keys(uint32_t *a, uint32_t *b, uint32_t n, uint32_t varying);

#endif
