/* SPDX-License-Identifier: MIT */
/* edges.c -- see edges.h. */
#include "edges.h"

#include <math.h>

#include "sort_radix.h"

#define SAMPLE 4096u

uint32_t edges_choose(const float *column, const uint32_t *row, uint32_t rows, float *edges)
{
    uint32_t keys[2 * SAMPLE], *sorted;
    uint32_t n = rows < SAMPLE ? rows : SAMPLE, varying = 0, distinct = 1, count = 0;

    for (uint32_t i = 0; i < n; i++) {
        uint64_t at = (uint64_t)i * rows / n;
        keys[i] = sort_key(column[row ? row[at] : at]);
        varying |= keys[i] ^ keys[0];
    }
    sorted = radix_sort_keys(keys, keys + SAMPLE, n, varying);
    for (uint32_t i = 1; i < n; i++)
        distinct += sorted[i] != sorted[i - 1];
    uint32_t steps = distinct <= EDGES_BINS ? n : EDGES_BINS, last = sorted[0];
    for (uint32_t i = 1; i < steps; i++) {
        uint32_t key = sorted[(uint64_t)i * n / steps];
        if (key != last)
            edges[count++] = key_value(key);
        last = key;
    }
    for (uint32_t i = count; i < EDGES_BINS; i++)
        edges[i] = INFINITY;
    return count + 1;
}

void edges_fill_plain(const float *edges, const float *values, uint32_t n, uint8_t *codes,
                      size_t step)
{
    for (uint32_t i = 0; i < n; i++)
        codes[i * step] = (uint8_t)edges_code(edges, values[i]);
}

edges_fill *edges_fill_of(enum kernels_level level)
{
    level = kernels_level_of(level);
#ifdef HAVE_AVX512
    if (level == KERNELS_AVX512)
        return edges_fill_avx512;
#endif
#ifdef HAVE_AVX2
    if (level == KERNELS_AVX2)
        return edges_fill_avx2;
#endif
    return level == KERNELS_PLAIN ? edges_fill_plain : NULL;
}
