/* SPDX-License-Identifier: MIT */
#include "hist_lanes.h"

#include <stdlib.h>
#include <string.h>

#include "exact/kernels.h"

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
    int shift = hist_lanes_shift(most);
    some->all_sum = 0;
    for (uint32_t i = 0; i < node->n; i++) {
        some->sum[i] = (int32_t)(part[i] >> shift);
        some->all_sum += some->sum[i];
    }
    return most != 0;
}

hist_lanes_search *hist_lanes_of(enum kernels_level level)
{
    level = kernels_level_of(level);
#ifdef HAVE_AVX512
    if (level == KERNELS_AVX512)
        return hist_lanes_avx512;
#endif
#ifdef HAVE_AVX2
    if (level == KERNELS_AVX2)
        return hist_lanes_avx2;
#endif
    return level == KERNELS_PLAIN ? hist_lanes_plain : NULL;
}
