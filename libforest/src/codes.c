/* SPDX-License-Identifier: MIT */
/* codes.c -- see codes.h. */
#include "codes.h"

#include <math.h>
#include <stdlib.h>

#include "sort_radix.h"

#define LINE 64u
#define SAMPLE 4096u /* values that bins are chosen by */

/* The least values of bins 1.., and infinities behind them; returns how many bins there are. */
static uint32_t choose_edges(const float *column, uint32_t rows, float *edges)
{
    struct item items[2 * SAMPLE], *sorted;
    uint32_t n = rows < SAMPLE ? rows : SAMPLE, varying = 0, distinct = 1, count = 0;

    for (uint32_t i = 0; i < n; i++) {
        items[i] = (struct item){ sort_key(column[(uint64_t)i * rows / n]), 0 };
        varying |= items[i].key ^ items[0].key;
    }
    sorted = radix_sort(items, items + SAMPLE, n, varying);
    for (uint32_t i = 1; i < n; i++)
        distinct += sorted[i].key != sorted[i - 1].key;
    uint32_t steps = distinct <= CODES_MAX ? n : CODES_MAX, last = sorted[0].key;
    for (uint32_t i = 1; i < steps; i++) {
        uint32_t key = sorted[(uint64_t)i * n / steps].key;
        if (key != last)
            edges[count++] = key_value(key);
        last = key;
    }
    for (uint32_t i = count; i < CODES_MAX; i++)
        edges[i] = INFINITY;
    return count + 1;
}

/* How many edges are not above the value. */
static inline uint32_t code_of(const float *edges, float value)
{
    uint32_t code = 0;

    for (uint32_t step = CODES_MAX / 2; step > 0; step /= 2)
        code += edges[code + step - 1] <= value ? step : 0;
    return code;
}

static void fill(const float *column, uint32_t rows, uint8_t *of, size_t step, float *least,
                 float *most, struct codes *codes)
{
    float edges[CODES_MAX];
    uint32_t count = choose_edges(column, rows, edges);
    bool are_few = count <= CODES_FEW;

    for (uint32_t i = 0; i < CODES_MAX; i++) {
        least[i] = INFINITY;
        most[i] = -INFINITY;
    }
    for (uint32_t i = 0; i < rows; i++) {
        float value = column[i];
        uint32_t code = code_of(edges, value);
        of[i * step] = (uint8_t)code;
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
    struct codes *codes = malloc(n * (sizeof *codes + limits + prep->rows));

    if (!codes)
        return NULL;
    float *limit = (float *)(void *)(codes + n);
    uint8_t *of = (uint8_t *)(limit + n * 2 * CODES_MAX);
    for (uint32_t f = 0; f < n; f++, limit += 2 * CODES_MAX, of += next)
        fill(prep_column(prep, f), prep->rows, of, step, limit, limit + CODES_MAX, &codes[f]);
    return codes;
}
