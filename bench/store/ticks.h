/* SPDX-License-Identifier: MIT */
/*
 * ticks.h -- the processor's time stamp, which is cheaper than a clock, and quantiles of times taken
 * with it. A virtual machine's may step by 10 ns and more, not always a whole number of ticks, and
 * reading it takes as long: so a reading stands for all that is as near to it as to the next, and
 * what reading costs is taken off.
 */
#ifndef BENCH_STORE_TICKS_H
#define BENCH_STORE_TICKS_H

#include <stdint.h>
#include <stdlib.h>

#include "futex.h"

static double ns_per_tick = 1.0;
static double tick_cost;       /* of one reading, in ticks */
static double tick_step = 1.0; /* it goes up by multiples of this, rounded */

static inline int64_t ticks(void)
{
#if defined(__x86_64__)
    unsigned int aux;

    return (int64_t)__builtin_ia32_rdtscp(&aux);
#else
    return monotonic_ns();
#endif
}

static inline int ticks_order(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

/* Are two readings the same number of steps? */
static inline bool ticks_alike(int64_t x, int64_t y)
{
    return x == y || (tick_step > 3.0 && llabs(x - y) <= 1);
}

/* Of sorted readings, in ticks: those that are alike lie evenly over one step. */
static inline double ticks_quantile(const int64_t *sorted, size_t n, double q)
{
    size_t at = (size_t)((double)(n - 1) * q), first = at, end = at + 1;
    double sum = 0.0;

    while (first > 0 && ticks_alike(sorted[first - 1], sorted[at]))
        first--;
    while (end < n && ticks_alike(sorted[end], sorted[at]))
        end++;
    for (size_t i = first; i < end; i++)
        sum += (double)sorted[i];
    double count = (double)(end - first), before = (double)(at - first);
    return sum / count + tick_step * ((before + 0.5) / count - 0.5);
}

/*
 * The step, from sorted readings of nothing: the least gap between groups that are alike. Where it
 * is no whole number of ticks a group has two neighbouring values; more than that are no group.
 */
static inline double ticks_find_step(const int64_t *sorted, size_t n)
{
    double step = 0.0, last = 0.0;

    for (size_t i = 0, end; i < n; i = end) {
        double sum = (double)sorted[i];
        for (end = i + 1; end < n && sorted[end] - sorted[end - 1] <= 1; end++)
            sum += (double)sorted[end];
        if (sorted[end - 1] - sorted[i] > 1)
            return 1.0;
        if (end - i < n / 1000) /* something came between */
            continue;
        double mean = sum / (double)(end - i), gap = mean - last;
        step = last > 0.0 && (step == 0.0 || gap < step) ? gap : step;
        last = mean;
    }
    return step > 0.0 ? step : 1.0;
}

static inline void ticks_calibrate(void)
{
    static int64_t cost[10000];
    const size_t n = sizeof cost / sizeof *cost;
    int64_t ns = monotonic_ns(), t = ticks(), now;

    while ((now = monotonic_ns()) < ns + 20 * NS_PER_MS)
        ;
    ns_per_tick = (double)(now - ns) / (double)(ticks() - t);
    for (size_t i = 0; i < n; i++) {
        t = ticks();
        cost[i] = ticks() - t;
    }
    qsort(cost, n, sizeof *cost, ticks_order);
    tick_step = ticks_find_step(cost, n);
    tick_cost = ticks_quantile(cost, n, 0.5);
}

/* What a reading of a pair of stamps says of the time between. */
static inline double ticks_to_ns(double reading)
{
    double ns = (reading - tick_cost) * ns_per_tick;

    return ns > 0.1 ? ns : 0.1;
}

#endif
