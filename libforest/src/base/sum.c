/* SPDX-License-Identifier: MIT */
/*
 * sum.c -- numpy's order of summation.
 *
 * A long array is added in runs of 8192 elements, the size of numpy's buffer, one after the other.
 * A run is summed pairwise: cut in two at a multiple of eight until no more than 128 elements are
 * left, and those go to eight partial sums in turn.
 */
#include "sum.h"

#include <math.h>
#include <stddef.h>

#include "forest.h"

#define RUN 8192
#define PAIRWISE_MIN 128

/* One term: x[i], or with p the square of the difference. */
static inline double term(const double *x, const double *p, uint64_t i)
{
    double d = p ? x[i] - p[i] : x[i];

    return p ? d * d : d;
}

static inline double sum_block(const double *x, const double *p, uint64_t n)
{
    double part[8], sum = -0.0; /* the neutral element: 0.0 would make 0.0 of -0.0 */
    uint64_t i = 0;

    if (n >= 8) {
        for (; i < 8; i++)
            part[i] = term(x, p, i);
        for (; i + 8 <= n; i += 8)
            for (unsigned k = 0; k < 8; k++)
                part[k] += term(x, p, i + k);
        sum = ((part[0] + part[1]) + (part[2] + part[3])) +
              ((part[4] + part[5]) + (part[6] + part[7]));
    }
    for (; i < n; i++)
        sum += term(x, p, i);
    return sum;
}

/* n <= RUN, so this is at most seven calls deep. */
static double sum_pairwise(const double *x, const double *p, uint64_t n)
{
    if (n <= PAIRWISE_MIN)
        return p ? sum_block(x, p, n) : sum_block(x, NULL, n);
    uint64_t half = n / 2;
    half -= half % 8;
    return sum_pairwise(x, p, half) + sum_pairwise(x + half, p ? p + half : NULL, n - half);
}

static double sum_runs(const double *x, const double *p, uint64_t n)
{
    double sum = 0.0;

    for (uint64_t i = 0; i < n; i += RUN)
        sum += sum_pairwise(x + i, p ? p + i : NULL, n - i < RUN ? n - i : RUN);
    return sum;
}

double numpy_sum(const double *x, uint64_t n)
{
    return sum_runs(x, NULL, n);
}

/* The sum of the squared distances from one number. */
static double sum_around(const double *x, double center, uint64_t n)
{
    double centers[RUN], sum = 0.0;

    for (uint64_t i = 0; i < RUN && i < n; i++)
        centers[i] = center;
    for (uint64_t i = 0; i < n; i += RUN)
        sum += sum_pairwise(x + i, centers, n - i < RUN ? n - i : RUN);
    return sum;
}

double forest_r2_score(const double *y, const double *p, uint64_t n)
{
    if (n < 2)
        return (double)NAN;
    double errors = sum_runs(y, p, n);
    double deviations = sum_around(y, numpy_sum(y, n) / (double)n, n);
    if (deviations == 0.0)
        return errors == 0.0 ? 1.0 : 0.0;
    return 1.0 - errors / deviations;
}

double forest_accuracy(const double *y, const double *p, uint64_t n)
{
    uint64_t right = 0;

    for (uint64_t i = 0; i < n; i++)
        right += y[i] == p[i];
    return n ? (double)right / (double)n : (double)NAN;
}

double forest_mean_squared_error(const double *y, const double *p, uint64_t n)
{
    return n ? sum_runs(y, p, n) / (double)n : (double)NAN;
}
