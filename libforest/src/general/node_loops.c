/* SPDX-License-Identifier: MIT */
/* node_loops.c -- plain C, and which loops a processor gets. */
#include "node_loops.h"

#include <stddef.h>

static struct value_range gather(const float *column, const uint32_t *samples, uint32_t n,
                                 float *values)
{
    struct value_range range = { column[samples[0]], column[samples[0]] };

    for (uint32_t i = 0; i < n; i++) {
        float v = column[samples[i]];
        values[i] = v;
        range.least = v < range.least ? v : range.least;
        range.most = v > range.most ? v : range.most;
    }
    return range;
}

static uint32_t part(uint32_t *samples, const float *values, uint32_t n, double threshold,
                     uint32_t *spare)
{
    float *v = (float *)spare; /* goes with the samples */
    uint32_t p = 0, end = n;

    for (uint32_t i = 0; i < n; i++)
        v[i] = values[i];
    while (p < end) {
        if ((double)v[p] <= threshold) {
            p++;
            continue;
        }
        end--;
        uint32_t sample = samples[p];
        samples[p] = samples[end];
        samples[end] = sample;
        v[p] = v[end]; /* who is behind is not looked at again */
    }
    return end;
}

const struct node_loops node_loops_plain = { gather, part };

const struct node_loops *node_loops_of(enum kernels_level level)
{
    switch (kernels_level_of(level)) {
    case KERNELS_PLAIN:
        return &node_loops_plain;
#ifdef HAVE_AVX512
    case KERNELS_AVX2:
        return &node_loops_avx2;
    case KERNELS_AVX512:
        return &node_loops_avx512;
#endif
    default:
        return NULL;
    }
}
