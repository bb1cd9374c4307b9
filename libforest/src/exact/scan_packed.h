/* SPDX-License-Identifier: MIT */
/*
 * scan_packed.h -- sums of packed whole numbers, see struct block, on the way through lists.
 *
 * Weight and target of a row are one number, so that a feature's sums take one load and one
 * addition a row; they go to memory, some hundred at a time, and are then rated eight places at
 * once.
 */
#ifndef SCAN_PACKED_H
#define SCAN_PACKED_H

#include "scan.h"

#define LANES 8u
#define PLACES 256u /* at a time: of eight features they fit the first-level cache */

/* One feature's way through its list. */
struct strand {
    const uint32_t *list;
    uint64_t sum;
    uint64_t before[PLACES]; /* sums of the rows before each place */
};

/* The list may be read up to the next multiple of LANES; sums beyond its end may wrap, and are not
 * used. */
static inline void add_up(struct strand *t, const int64_t *worth, uint32_t n)
{
    const uint32_t *list = t->list;
    uint64_t sum = t->sum;
    for (uint32_t i = 0; i < n; i += LANES) {
#pragma GCC unroll 8
        for (uint32_t k = 0; k < LANES; k++) {
            t->before[i + k] = sum;
            sum += (uint64_t)worth[list[i + k] & 0xffff];
        }
    }
    t->sum = sum;
}

#endif
