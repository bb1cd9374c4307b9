/* SPDX-License-Identifier: MIT */
/* codes.c -- see codes.h. */
#include "codes.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "edges.h"

#define LINE 64u

static void fill(const float *column, uint32_t rows, uint8_t *of, size_t step, float *least,
                 float *most, struct codes *codes)
{
    float edges[CODES_MAX];
    uint32_t count = edges_choose(column, NULL, rows, edges);
    bool are_few = count <= CODES_FEW;

    for (uint32_t i = 0; i < CODES_MAX; i++) {
        least[i] = INFINITY;
        most[i] = -INFINITY;
    }
    edges_fill_of(KERNELS_BEST)(edges, column, rows, of, step);
    for (uint32_t i = 0; i < rows; i++) {
        float value = column[i];
        uint8_t code = of[i * step];
        least[code] = value < least[code] ? value : least[code];
        most[code] = value > most[code] ? value : most[code];
    }
    for (uint32_t i = 0; i < count; i++)
        are_few &= least[i] >= most[i];
    *codes = (struct codes){ count, are_few, of, step, least, most };
}

/*
 * Few codes of a row lie side by side, so that a node of few rows reads the same lines for all its
 * features; of many features that would be no gain, and a loss to nodes of many rows.
 */
struct codes *codes_make(const struct prep *prep)
{
    size_t n = prep->features, limits = 2 * CODES_MAX * sizeof(float);
    size_t step = n <= LINE ? n : 1, next = n <= LINE ? 1 : prep->rows;
    struct codes *codes = memory_make(n * (sizeof *codes + limits + prep->rows));

    if (!codes)
        return NULL;
    float *limit = (float *)(void *)(codes + n);
    uint8_t *of = (uint8_t *)(limit + n * 2 * CODES_MAX);
    for (uint32_t f = 0; f < n; f++, limit += 2 * CODES_MAX, of += next)
        fill(prep_column(prep, f), prep->rows, of, step, limit, limit + CODES_MAX, &codes[f]);
    return codes;
}
