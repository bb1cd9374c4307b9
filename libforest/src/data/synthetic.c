/* SPDX-License-Identifier: MIT */
/*
 * synthetic.c -- made data: those of sklearn.datasets, drawn in numpy's order from its legacy
 * generator. Normal numbers are G. Marsaglia's polar method ("A convenient method for generating
 * normal variables", SIAM Review 6, 1964), two at a time.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "forest.h"
#include "base/rng.h"

#define PI 3.141592653589793
#define ROWS_MAX UINT32_MAX

struct source {
    struct mt19937 mt;
    double kept; /* the other number of a pair */
    bool has_kept;
};

/* RandomState.random_sample(): 53 bits. */
static double uniform(struct source *s)
{
    uint32_t high = mt_next(&s->mt) >> 5, low = mt_next(&s->mt) >> 6;

    return (high * 67108864.0 + low) / 9007199254740992.0;
}

/* RandomState.standard_normal() */
static double normal(struct source *s)
{
    double a, b, square;

    if (s->has_kept) {
        s->has_kept = false;
        return s->kept;
    }
    do {
        a = 2.0 * uniform(s) - 1.0;
        b = 2.0 * uniform(s) - 1.0;
        square = a * a + b * b;
    } while (square >= 1.0 || square == 0.0);
    double f = sqrt(-2.0 * log(square) / square);
    s->kept = f * a;
    s->has_kept = true;
    return f * b;
}

static struct source *source_new(uint32_t seed)
{
    struct source *s = calloc(1, sizeof *s);

    if (s)
        mt_seed(&s->mt, seed);
    return s;
}

/* Are there cells, and so few that they can be? */
static bool table_possible(uint64_t rows, uint64_t features, uint64_t least)
{
    size_t bytes;

    return rows > 0 && rows <= ROWS_MAX && features >= least && features <= INT32_MAX &&
           !__builtin_mul_overflow(rows * sizeof(double), features, &bytes);
}

int forest_make_friedman1(uint64_t rows, uint64_t features, double noise, uint32_t seed, double *x,
                          double *y)
{
    if (!x || !y || !table_possible(rows, features, 5) || !isfinite(noise))
        return -EINVAL;
    struct source *s = source_new(seed);
    if (!s)
        return -ENOMEM;
    for (uint64_t i = 0; i < rows * features; i++)
        x[i] = uniform(s);
    for (uint64_t i = 0; i < rows; i++) {
        const double *v = x + i * features;
        double from_half = v[2] - 0.5;
        y[i] = 10.0 * sin(PI * v[0] * v[1]) + 20.0 * (from_half * from_half) + 10.0 * v[3] +
               5.0 * v[4] + noise * normal(s);
    }
    free(s);
    return 0;
}

/* Rows in the order of their centres: those of the first `rows` % `centers` have one more. */
static void draw_blobs(struct source *s, const struct forest_blobs *b, const double *center,
                       double *x, double *y)
{
    uint64_t row = 0;

    for (uint32_t c = 0; c < b->centers; c++) {
        uint64_t count = b->rows / b->centers + (c < b->rows % b->centers);
        for (uint64_t i = 0; i < count; i++, row++) {
            for (uint64_t j = 0; j < b->features; j++)
                x[row * b->features + j] = center[c * b->features + j] + b->deviation * normal(s);
            y[row] = (double)c;
        }
    }
}

/* Row i becomes what was row order[i]: along each cycle, with one row aside. */
static void reorder(uint32_t *order, uint64_t rows, uint64_t features, double *x, double *y,
                    double *aside)
{
    size_t bytes = features * sizeof *x;

    for (uint64_t start = 0; start < rows; start++) {
        if (order[start] == start)
            continue;
        double y_aside = y[start];
        memcpy(aside, x + start * features, bytes);
        uint64_t at = start;
        while (order[at] != start) {
            uint64_t from = order[at];
            memcpy(x + at * features, x + from * features, bytes);
            y[at] = y[from];
            order[at] = (uint32_t)at;
            at = from;
        }
        memcpy(x + at * features, aside, bytes);
        y[at] = y_aside;
        order[at] = (uint32_t)at;
    }
}

int forest_make_blobs(const struct forest_blobs *blobs, double *x, double *y)
{
    size_t cells;

    if (!blobs || !x || !y || !table_possible(blobs->rows, blobs->features, 1) ||
        blobs->centers == 0 || blobs->centers > blobs->rows || !isfinite(blobs->deviation) ||
        blobs->deviation < 0.0)
        return -EINVAL;
    if (__builtin_mul_overflow((uint64_t)blobs->centers + 1, blobs->features, &cells))
        return -ENOMEM;
    struct source *s = source_new(blobs->seed);
    double *center = malloc(cells * sizeof *center);
    uint32_t *order = malloc(blobs->rows * sizeof *order);
    if (s && center && order) {
        size_t count = blobs->centers * blobs->features;
        for (size_t i = 0; i < count; i++)
            center[i] = -10.0 + 20.0 * uniform(s);
        draw_blobs(s, blobs, center, x, y);
        mt_permutation(&s->mt, order, blobs->rows);
        reorder(order, blobs->rows, blobs->features, x, y, center + count);
    }
    bool done = s && center && order;
    free(s);
    free(center);
    free(order);
    return done ? 0 : -ENOMEM;
}
