/* SPDX-License-Identifier: MIT */
/*
 * edges.h -- values of a feature in up to 256 bins of about equally many rows: where bins begin.
 * Which values make bins must not matter to a tree.
 */
#ifndef EDGES_H
#define EDGES_H

#include <stddef.h>
#include <stdint.h>

#include "base/level.h"

#define EDGES_BINS 256u

/*
 * The least values of bins 1.., ascending, then infinities, EDGES_BINS in all, from a sample of the
 * rows row[0..rows), or, if that is NULL, 0..rows-1. If the sample has few values, each has a bin.
 * Returns how many bins there are.
 */
uint32_t edges_choose(const float *column, const uint32_t *row, uint32_t rows, float *edges);

/* The bin of a value: how many edges are not above it. A NaN's is the last. */
static inline uint32_t edges_code(const float *edges, float value)
{
    uint32_t code = 0;

    for (uint32_t step = EDGES_BINS / 2; step > 0; step /= 2)
        code += !(value < edges[code + step - 1]) ? step : 0;
    return code;
}

/* The bins of n values go to codes[0], codes[step], ... */
typedef void edges_fill(const float *edges, const float *values, uint32_t n, uint8_t *codes,
                        size_t step);
/* That of a kind of processor, all with equal results; those that this build has. */
edges_fill edges_fill_plain, edges_fill_avx2, edges_fill_avx512;
/* NULL: the processor does not have what it needs. */
edges_fill *edges_fill_of(enum kernels_level level);

#endif
