/* SPDX-License-Identifier: MIT */
/*
 * hist_scan.h -- the best cuts of several features of a node, whose rows are sorted by each: see
 * hist_few.h. Features go side by side, one a lane, from place to place in their lists.
 */
#ifndef HIST_SCAN_H
#define HIST_SCAN_H

#include <stdbool.h>
#include <stdint.h>

#include "hist_lanes.h"

/* What a row is worth in the node at hand: target in the lower half, weight in the upper. */
typedef uint64_t hist_cell;

struct hist_scan {
    const uint8_t *names[HIST_LANES], *codes[HIST_LANES]; /* beyond `lanes`: those of lane 0 */
    const hist_cell *cells;                               /* by name */
    uint32_t n, lanes;
    float sum, weight, scale; /* see hist_lanes_search.h */
};

/*
 * Where the order in which cuts are tried is another, the same one is the best unless another is
 * about as good; within NEAR of it, rounding may decide, and among cuts below LEAST, too.
 */
#define HIST_SCAN_NEAR 0x1p-18f
#define HIST_SCAN_LEAST 0x1p-60f

/*
 * The best cut of each lane, by its last place on the left, -1: none; those from `lane` on of `cuts`,
 * and as many as the register has. Returns the lanes in doubt; none where the order is the same.
 */
typedef uint32_t hist_scan_lanes(const struct hist_scan *c, bool in_order,
                                 struct hist_lane_cuts *cuts, uint32_t lane);

#define HIST_SCAN_TIES 32u /* places whose ties are known at a time */

hist_scan_lanes hist_scan_avx2;         /* 8 lanes */
hist_scan_lanes hist_scan_avx512;       /* 16 */
hist_scan_lanes hist_scan_eight_avx512; /* the first 8 of 16 */

#endif
