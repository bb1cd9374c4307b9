/* SPDX-License-Identifier: MIT */
/* whole.c -- see whole.h. */
#include "whole.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/memory.h"

#define TARGETS_WEIGHT_MOST 0x1p27
#define STEP_LEAST (-1020) /* as a power of two */

static int reserve(struct whole *o, uint32_t rows, bool has_targets)
{
    size_t count = (size_t)rows * (has_targets ? 2 : 1);

    if (count > o->capacity) {
        double *memory = memory_make(count * sizeof *memory);
        if (!memory)
            return -ENOMEM;
        free(o->memory);
        o->memory = memory;
        o->capacity = count;
    }
    o->w = o->memory;
    o->y = has_targets ? o->memory + rows : NULL;
    return 0;
}

/*
 * How many units all weights are together, if they are not whole. What bits they take targets do
 * not have, so a thousand a row must do where there are any.
 */
static double units_for(uint32_t count, bool has_targets)
{
    double some = (double)count * 1024.0;

    if (!has_targets)
        return WHOLE_WEIGHT_MOST;
    return some < TARGETS_WEIGHT_MOST ? some : TARGETS_WEIGHT_MOST;
}

/* A unit that all weights are multiples of, or nearly so. Sums here are of whole numbers, too. */
static int choose_unit(struct whole *o, const double *w, uint32_t rows, double most,
                       bool has_targets)
{
    double heaviest = 0.0, sum = 0.0;
    uint64_t shares = 0;
    bool is_whole = true;

    o->count = 0;
    for (uint32_t i = 0; i < rows; i++) {
        if (!(w[i] >= 0.0 && w[i] <= DBL_MAX))
            return -EINVAL;
        o->count += w[i] > 0.0;
        heaviest = w[i] > heaviest ? w[i] : heaviest;
        is_whole &= w[i] <= most && w[i] == (double)(uint32_t)w[i];
        sum += is_whole ? w[i] : 0.0;
    }
    if (!o->count)
        return -EINVAL;
    o->unit = 1.0;
    if (is_whole && sum <= WHOLE_WEIGHT_MOST)
        return 0;
    for (uint32_t i = 0; i < rows; i++)
        shares += (uint64_t)ceil(w[i] / heaviest * 0x1p31);
    double all = (double)shares / 0x1p31 / units_for(o->count, has_targets);
    o->unit = heaviest * (all > 1.0 / (most - 1.0) ? all : 1.0 / (most - 1.0));
    o->unit = o->unit > DBL_MIN ? o->unit : DBL_MIN;
    return 0;
}

static void fill_weights(struct whole *o, const double *w, uint32_t rows)
{
    o->weight = 0.0;
    for (uint32_t i = 0; i < rows; i++) {
        double units = rint(w[i] / o->unit);
        o->w[i] = units < 1.0 && w[i] > 0.0 ? 1.0 : units;
        o->weight += o->w[i];
    }
}

static void fill_targets(struct whole *o, const double *y, uint32_t rows)
{
    double least = HUGE_VAL, most = -HUGE_VAL;
    int range, all;

    for (uint32_t i = 0; i < rows; i++) {
        if (o->w[i] == 0.0)
            continue;
        least = y[i] < least ? y[i] : least;
        most = y[i] > most ? y[i] : most;
    }
    o->centre = least / 2.0 + most / 2.0;
    frexp(most / 2.0 - least / 2.0, &range);
    frexp(o->weight, &all);
    range = range + all > STEP_LEAST + 52 ? range : STEP_LEAST + 52 - all;
    o->step = ldexp(1.0, range + all - 52);
    double per = ldexp(1.0, 52 - range - all);
    for (uint32_t i = 0; i < rows; i++)
        o->y[i] = o->w[i] > 0.0 ? rint((y[i] - o->centre) * per) : 0.0;
}

int whole_fill(struct whole *o, const double *y, const double *w, uint32_t rows, double most)
{
    int err = choose_unit(o, w, rows, most, y != NULL);

    if (!err)
        err = reserve(o, rows, y != NULL);
    if (err)
        return err;
    fill_weights(o, w, rows);
    if (y)
        fill_targets(o, y, rows);
    return 0;
}
