/* SPDX-License-Identifier: MIT */
/*
 * hist_lanes.h -- the best cut of each feature in a node of some rows, in 16 lanes that are
 * features.
 *
 * In a node of few rows every row's code is tried as a cut: what goes left is found by comparing
 * all codes with it. With more rows there is a histogram, and all codes are tried. Sums are 32-bit
 * whole numbers (targets less the node's mean, as fine as these allow), gains are floats formed
 * from them by the same operations on every processor. Of equal cuts of a feature the first that
 * was tried wins.
 */
#ifndef HIST_LANES_H
#define HIST_LANES_H

#include <string.h>

#include "exact/grow.h"
#include "hist_search.h"

#define HIST_FEW_ROWS 32u
#define HIST_LANES_ROWS 384u
#define HIST_LANES 16u
#define HIST_SUM_BITS 22 /* of a row's: HIST_LANES_ROWS of them stay below 2^31 */

/* A node: min_rows is 1, min_weight 0. */
struct hist_some {
    uint32_t n, features;
    int32_t all_sum, all_weight;
    const uint8_t *codes[HIST_LANES_ROWS];
    int32_t sum[HIST_LANES_ROWS], weight[HIST_LANES_ROWS];
};

/* The best cuts of 16 features. */
struct hist_lane_cuts {
    float gain_top[HIST_LANES], gain_bottom[HIST_LANES]; /* as in struct hist_cut */
    int32_t code[HIST_LANES]; /* -1: the feature is constant in this node */
};

/* What the search works in, aligned to 64; all zero, and will be again. */
struct hist_cells {
    int32_t sum[BINS_MAX][HIST_LANES], weight[BINS_MAX][HIST_LANES];
};

/* By how much what is less than `most` is shifted to fit HIST_SUM_BITS. */
static inline int hist_lanes_shift(uint64_t most)
{
    return most >> HIST_SUM_BITS ? 64 - HIST_SUM_BITS - __builtin_clzll(most) : 0;
}

/* 2^-k for the least k such that `weight` is less than 2^k. */
static inline float hist_weight_scale(int32_t weight)
{
    uint32_t bits = (127u - (uint32_t)(32 - __builtin_clz((uint32_t)weight))) << 23;
    float scale;

    memcpy(&scale, &bits, sizeof scale);
    return scale;
}

/* False: all targets are equal. */
bool hist_some_load(const struct hist_node *node, struct hist_some *some);

typedef void hist_lanes_search(const struct hist_some *some, uint32_t first_feature,
                               struct hist_cells *cells, struct hist_lane_cuts *out);
/* For 4, 8 and 16 features at a time; those that this build has. */
extern hist_lanes_search *const hist_lanes_plain, *const hist_lanes_avx2, *const hist_lanes_avx512;
/* The loops for a kind of processor, KERNELS_BEST for this one; NULL: it does not have it. */
hist_lanes_search *hist_lanes_of(enum kernels_level level);

#endif
