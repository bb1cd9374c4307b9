/* SPDX-License-Identifier: MIT */
/* levels.c -- see levels.h. */
#include "levels.h"

#include "base/memory.h"

/* How many values there are, or LEVELS_MOST + 1 if more than that. */
static uint32_t count_levels(const uint32_t *order, uint32_t rows)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < rows && count <= LEVELS_MOST; i++)
        count += !(order[i] & PREP_TIE);
    return count;
}

static void fill(const struct prep *prep, uint32_t feature, uint8_t *of, float *values)
{
    const uint32_t *order = prep_order(prep, feature);
    const float *column = prep_column(prep, feature);
    uint32_t level = 0;

    for (uint32_t i = 0; i < prep->rows; i++) {
        uint32_t row = order[i] & PREP_ROW;
        level += i && !(order[i] & PREP_TIE);
        of[row] = (uint8_t)level;
        values[level] = column[row];
    }
}

struct levels *levels_make(const struct prep *prep)
{
    uint32_t n = prep->features, few = 0;
    size_t values = LEVELS_MOST * sizeof(float);

    if (!prep->orders)
        return NULL;
    for (uint32_t f = 0; f < n; f++)
        few += count_levels(prep_order(prep, f), prep->rows) <= LEVELS_MOST;
    struct levels *levels = memory_make(n * sizeof *levels + few * (values + prep->rows));
    if (!levels)
        return NULL;
    float *value = (float *)(void *)(levels + n);
    uint8_t *of = (uint8_t *)(value + (size_t)few * LEVELS_MOST);
    for (uint32_t f = 0; f < n; f++) {
        uint32_t count = count_levels(prep_order(prep, f), prep->rows);
        levels[f] = (struct levels){ count <= LEVELS_MOST ? count : 0, of, value };
        if (!levels[f].count)
            continue;
        fill(prep, f, of, value);
        of += prep->rows;
        value += LEVELS_MOST;
    }
    return levels;
}
