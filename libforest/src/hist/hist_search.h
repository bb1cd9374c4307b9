/* SPDX-License-Identifier: MIT */
/*
 * hist_search.h -- the best cut of one feature in one node.
 *
 * A cut is judged by gain = (sl * w - s * wl)^2 / (wl * wr), where s, w are the node's sum and
 * weight and sl, wl, wr those of the sides: up to a factor of the node, the decrease of squared
 * error. Two cuts are compared crosswise, without a division. Of equal cuts the first feature
 * looked at wins, then the lowest threshold.
 */
#ifndef HIST_SEARCH_H
#define HIST_SEARCH_H

#include <stdbool.h>
#include <stdint.h>

#include "data/bins.h"
#include "exact/block.h"

/*
 * What some rows add up to: [0] the sum of weight times target, in units; [1] the weight in units
 * in the upper half, the number of rows in the lower. Both stay below 2^31.
 */
typedef int64_t parcel __attribute__((vector_size(16)));

static inline double parcel_sum(parcel p)
{
    return (double)p[0];
}
static inline double parcel_weight(parcel p)
{
    return (double)(p[1] >> 32);
}
static inline uint32_t parcel_rows(parcel p)
{
    return (uint32_t)p[1];
}

/* Rows by number: their codes, and what each is worth. */
struct hist_rows {
    const uint8_t *codes;
    size_t stride;
    const parcel *worth;
};

/* A row is fetched so many rows before it is needed: one after the other they would be waited for. */
#define HIST_AHEAD 24u

static inline void hist_fetch(const struct hist_rows *of, uint32_t row)
{
    __builtin_prefetch(of->codes + row * of->stride);
    __builtin_prefetch(&of->worth[row]);
}

/* A node whose cut is looked for. */
struct hist_node {
    const struct hist_rows *of;
    const uint32_t *rows;
    uint32_t n;
    parcel all;
    uint32_t min_rows; /* on each side, at least 1 */
    int64_t min_weight;
};

struct hist_cut {
    double gain_top, gain_bottom; /* the gain as a fraction; 0 / 1: nothing found */
    uint32_t feature;
    uint32_t code; /* rows up to this code go left */
};

/* Is `top / bottom` more than the best so far? */
static inline bool cut_is_better(const struct hist_cut *best, double top, double bottom)
{
    return top * best->gain_bottom > best->gain_top * bottom;
}

/*
 * The threshold lies half-way between the last bin on the left and the first one on the right that
 * have rows in this node, as it would between values; NaNs are parted from everything else.
 */
static inline uint32_t cut_code(uint32_t left, uint32_t right)
{
    return right == BIN_NAN ? BIN_NAN - 1 : (left + right) / 2;
}

/*
 * Improve on `best` among the cuts of one feature; false: the feature is constant here. All rows of
 * the feature are in `bin`.
 */
bool hist_search_bins(const struct hist_node *node, const parcel *bin, uint32_t feature,
                      struct hist_cut *best);
/* The same from the rows themselves; `bin` is all zero, and will be again. */
bool hist_search_rows(const struct hist_node *node, parcel *bin, uint32_t feature,
                      struct hist_cut *best);

/* Add rows to the histograms of all features, BINS_MAX parcels each. */
void hist_add_rows(const struct hist_rows *of, const uint32_t *rows, uint32_t n, uint32_t features,
                   parcel *bins);

#endif
