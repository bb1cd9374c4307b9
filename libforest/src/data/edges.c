/* SPDX-License-Identifier: MIT */
/* edges.c -- see edges.h. */
#include "edges.h"

#include <math.h>

#include "sort_radix.h"

#define SAMPLE 4096u

uint32_t edges_choose(const float *column, const uint32_t *row, uint32_t rows, float *edges)
{
    struct item items[2 * SAMPLE], *sorted;
    uint32_t n = rows < SAMPLE ? rows : SAMPLE, varying = 0, distinct = 1, count = 0;

    for (uint32_t i = 0; i < n; i++) {
        uint64_t at = (uint64_t)i * rows / n;
        items[i] = (struct item){ sort_key(column[row ? row[at] : at]), 0 };
        varying |= items[i].key ^ items[0].key;
    }
    sorted = radix_sort(items, items + SAMPLE, n, varying);
    for (uint32_t i = 1; i < n; i++)
        distinct += sorted[i].key != sorted[i - 1].key;
    uint32_t steps = distinct <= EDGES_BINS ? n : EDGES_BINS, last = sorted[0].key;
    for (uint32_t i = 1; i < steps; i++) {
        uint32_t key = sorted[(uint64_t)i * n / steps].key;
        if (key != last)
            edges[count++] = key_value(key);
        last = key;
    }
    for (uint32_t i = count; i < EDGES_BINS; i++)
        edges[i] = INFINITY;
    return count + 1;
}
