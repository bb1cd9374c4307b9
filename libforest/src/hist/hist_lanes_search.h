/* SPDX-License-Identifier: MIT */
/*
 * hist_lanes_search.h -- the search of hist_lanes.h, so many features at a time as fit a register.
 *
 * For files that define WIDTH, and are compiled for registers of so many 32-bit lanes: wider
 * vectors are taken apart by the compiler, and not well. Lanes have nothing to do with each other,
 * so that the width does not show in what is found.
 */
#ifndef HIST_LANES_SEARCH_H
#define HIST_LANES_SEARCH_H

#include <string.h>

#include "hist_lanes.h"

/* How vectors are passed does not matter: everything here is inlined. */
#pragma GCC diagnostic ignored "-Wpsabi"

typedef uint8_t bytes __attribute__((vector_size(WIDTH), may_alias, aligned(1)));
typedef uint16_t shorts __attribute__((vector_size(2 * WIDTH)));
typedef int32_t lanes __attribute__((vector_size(4 * WIDTH), may_alias));
typedef float floats __attribute__((vector_size(4 * WIDTH), may_alias));

#define INLINE static inline __attribute__((always_inline))

/* `a` where the mask is set, otherwise `b`. */
INLINE lanes pick(lanes mask, lanes a, lanes b)
{
#if WIDTH == 8
    return (lanes)_mm256_blendv_epi8((__m256i)b, (__m256i)a, (__m256i)mask);
#else
    return (mask & a) | (~mask & b);
#endif
}

/* The best so far of each lane, and what is the same for all cuts of the node. */
struct best {
    lanes code;
    floats top, bottom;
    float sum, weight, scale;
};

INLINE void best_start(const struct hist_some *some, struct best *b)
{
    const lanes none = { 0 };

    b->code = none - 1;
    b->top = (floats)none - 1.0f; /* any cut is more, also one that gains nothing */
    b->bottom = (floats)none + 1.0f;
    b->scale = hist_weight_scale(some->all_weight);
    b->sum = (float)some->all_sum * 0x1p-31f;
    b->weight = (float)some->all_weight * b->scale;
}

/* Try cuts: what goes left, and the codes they are at. */
INLINE void best_try(struct best *b, const lanes *sum, const lanes *weight, const lanes *code)
{
    floats wl = __builtin_convertvector(*weight, floats) * b->scale;
    floats d = __builtin_convertvector(*sum, floats) * 0x1p-31f * b->weight - b->sum * wl;
    floats top = d * d, bottom = wl * (b->weight - wl);
    lanes better = top * b->bottom > b->top * bottom; /* all on one side: both 0, never better */

    b->top = (floats)pick(better, (lanes)top, (lanes)b->top);
    b->bottom = (floats)pick(better, (lanes)bottom, (lanes)b->bottom);
    b->code = pick(better, *code, b->code);
}

INLINE void best_end(const struct best *b, uint32_t lane, struct hist_lane_cuts *out)
{
    memcpy(out->gain_top + lane, &b->top, sizeof b->top);
    memcpy(out->gain_bottom + lane, &b->bottom, sizeof b->bottom);
    memcpy(out->code + lane, &b->code, sizeof b->code);
}

INLINE void search_pairs(const struct hist_some *some, uint32_t first, uint32_t lane,
                         struct hist_lane_cuts *out)
{
    const lanes none = { 0 };
    lanes code[HIST_FEW_ROWS + 1];
    struct best b;

    for (uint32_t i = 0; i < some->n; i++)
        code[i] = __builtin_convertvector(
            __builtin_convertvector(*(const bytes *)(some->codes[i] + first + lane), shorts),
            lanes);
    code[some->n] = code[0]; /* should their number be odd: the same cut again is not better */
    best_start(some, &b);
    for (uint32_t i = 0; i < some->n; i += 2) {
        lanes sum0 = none, sum1 = none, weight0 = none, weight1 = none;
        for (uint32_t j = 0; j < some->n; j++) {
            lanes left0 = code[j] <= code[i], left1 = code[j] <= code[i + 1];
            sum0 += left0 & (none + some->sum[j]);
            sum1 += left1 & (none + some->sum[j]);
            weight0 += left0 & (none + some->weight[j]);
            weight1 += left1 & (none + some->weight[j]);
        }
        best_try(&b, &sum0, &weight0, &code[i]);
        best_try(&b, &sum1, &weight1, &code[i + 1]);
    }
    best_end(&b, lane, out);
}

/* Add up the rows by code, of up to HIST_LANES features. */
INLINE void fill_cells(const struct hist_some *some, uint32_t first, struct hist_cells *cells)
{
    uint32_t features = some->features - first < HIST_LANES ? some->features - first : HIST_LANES;

    for (uint32_t i = 0; i < some->n; i++) {
        const uint8_t *codes = some->codes[i] + first;
        for (uint32_t f = 0; f < features; f++) {
            cells->sum[codes[f]][f] += some->sum[i];
            cells->weight[codes[f]][f] += some->weight[i];
        }
    }
}

INLINE void search_cells(const struct hist_some *some, uint32_t lane, struct hist_cells *cells,
                         struct hist_lane_cuts *out)
{
    const lanes none = { 0 };
    lanes sum = none, weight = none, code = none;
    struct best b;

    best_start(some, &b);
    for (uint32_t i = 0; i < BINS_MAX; i++) {
        lanes *sum_here = (lanes *)(cells->sum[i] + lane);
        lanes *weight_here = (lanes *)(cells->weight[i] + lane);
        sum += *sum_here;
        weight += *weight_here;
        *sum_here = none;
        *weight_here = none;
        best_try(&b, &sum, &weight, &code);
        code += 1;
    }
    best_end(&b, lane, out);
}

/* A hist_lanes_search. */
static void search(const struct hist_some *some, uint32_t first, struct hist_cells *cells,
                   struct hist_lane_cuts *out)
{
    bool is_few = some->n <= HIST_FEW_ROWS;

    if (!is_few)
        fill_cells(some, first, cells);
    for (uint32_t lane = 0; lane < HIST_LANES && first + lane < some->features; lane += WIDTH)
        if (is_few)
            search_pairs(some, first, lane, out);
        else
            search_cells(some, lane, cells, out);
}

#endif
