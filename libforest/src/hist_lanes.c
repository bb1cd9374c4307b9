/* SPDX-License-Identifier: MIT */
#include "hist_lanes.h"

#include <stdlib.h>
#include <string.h>

#include "kernels.h"

#define SUM_BITS 22 /* of a row's: HIST_LANES_ROWS of them stay below 2^31 */

typedef uint8_t bytes16 __attribute__((vector_size(16), may_alias, aligned(1)));
typedef uint16_t shorts16 __attribute__((vector_size(32)));
typedef int32_t lanes __attribute__((vector_size(64), may_alias));
typedef float floats __attribute__((vector_size(64), may_alias));

bool hist_some_load(const struct hist_node *node, struct hist_some *some)
{
    int64_t part[HIST_LANES_ROWS], mean = node->all[0] / (node->all[1] >> 32);
    uint64_t most = 0;

    some->n = node->n;
    some->all_weight = (int32_t)(node->all[1] >> 32);
    for (uint32_t i = 0; i < node->n; i++) {
        parcel worth = node->of->worth[node->rows[i]];
        some->codes[i] = node->of->codes + node->rows[i] * node->of->stride;
        some->weight[i] = (int32_t)(worth[1] >> 32);
        part[i] = worth[0] - (worth[1] >> 32) * mean;
        most |= (uint64_t)(part[i] < 0 ? -part[i] : part[i]);
    }
    int shift = most >> SUM_BITS ? 64 - SUM_BITS - __builtin_clzll(most) : 0;
    some->all_sum = 0;
    for (uint32_t i = 0; i < node->n; i++) {
        some->sum[i] = (int32_t)(part[i] >> shift);
        some->all_sum += some->sum[i];
    }
    return most != 0;
}

/* 2^-k for the least k such that `weight` is less than 2^k. */
static inline float weight_scale(int32_t weight)
{
    uint32_t bits = (127u - (uint32_t)(32 - __builtin_clz((uint32_t)weight))) << 23;
    float scale;

    memcpy(&scale, &bits, sizeof scale);
    return scale;
}

/* The best so far of each lane, and what is the same for all cuts of the node. */
struct best {
    lanes code;
    floats top, bottom;
    float sum, weight, scale;
};

#define INLINE static inline __attribute__((always_inline))

INLINE void best_start(const struct hist_some *some, struct best *b)
{
    const lanes none = { 0 };

    b->code = none - 1;
    b->top = (floats)none - 1.0f; /* any cut is more, also one that gains nothing */
    b->bottom = (floats)none + 1.0f;
    b->scale = weight_scale(some->all_weight);
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

    b->top = (floats)((better & (lanes)top) | (~better & (lanes)b->top));
    b->bottom = (floats)((better & (lanes)bottom) | (~better & (lanes)b->bottom));
    b->code = (better & *code) | (~better & b->code);
}

INLINE void best_end(const struct best *b, struct hist_lane_cuts *out)
{
    memcpy(out->gain_top, &b->top, sizeof b->top);
    memcpy(out->gain_bottom, &b->bottom, sizeof b->bottom);
    memcpy(out->code, &b->code, sizeof b->code);
}

INLINE void search_pairs(const struct hist_some *some, uint32_t first, struct hist_lane_cuts *out)
{
    const lanes none = { 0 };
    lanes code[HIST_FEW_ROWS + 1];
    struct best b;

    for (uint32_t i = 0; i < some->n; i++)
        code[i] = __builtin_convertvector(
            __builtin_convertvector(*(const bytes16 *)(some->codes[i] + first), shorts16), lanes);
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
    best_end(&b, out);
}

INLINE void search_cells(const struct hist_some *some, uint32_t first, struct hist_cells *cells,
                         struct hist_lane_cuts *out)
{
    const lanes none = { 0 };
    lanes sum = none, weight = none, code = none;
    uint32_t features = some->features - first < HIST_LANES ? some->features - first : HIST_LANES;
    struct best b;

    for (uint32_t i = 0; i < some->n; i++) {
        const uint8_t *codes = some->codes[i] + first;
        for (uint32_t f = 0; f < features; f++) {
            cells->sum[codes[f]][f] += some->sum[i];
            cells->weight[codes[f]][f] += some->weight[i];
        }
    }
    best_start(some, &b);
    for (uint32_t i = 0; i < BINS_MAX; i++) {
        sum += *(lanes *)cells->sum[i];
        weight += *(lanes *)cells->weight[i];
        *(lanes *)cells->sum[i] = none;
        *(lanes *)cells->weight[i] = none;
        best_try(&b, &sum, &weight, &code);
        code += 1;
    }
    best_end(&b, out);
}

INLINE void search(const struct hist_some *some, uint32_t first, struct hist_cells *cells,
                   struct hist_lane_cuts *out)
{
    if (some->n <= HIST_FEW_ROWS)
        search_pairs(some, first, out);
    else
        search_cells(some, first, cells, out);
}

static void search_plain(const struct hist_some *some, uint32_t first, struct hist_cells *cells,
                         struct hist_lane_cuts *out)
{
    search(some, first, cells, out);
}

#ifdef HAVE_AVX512
static __attribute__((target("avx2"))) void search_avx2(const struct hist_some *some,
                                                        uint32_t first, struct hist_cells *cells,
                                                        struct hist_lane_cuts *out)
{
    search(some, first, cells, out);
}

static __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq"))) void
search_avx512(const struct hist_some *some, uint32_t first, struct hist_cells *cells,
              struct hist_lane_cuts *out)
{
    search(some, first, cells, out);
}
#endif

hist_lanes_search *hist_lanes_of(enum kernels_level level)
{
    level = kernels_level_of(level);
#ifdef HAVE_AVX512
    if (level == KERNELS_AVX512)
        return search_avx512;
    if (level == KERNELS_AVX2)
        return search_avx2;
#endif
    return level == KERNELS_PLAIN ? search_plain : NULL;
}
