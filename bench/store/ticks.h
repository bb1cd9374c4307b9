/* SPDX-License-Identifier: MIT */
/*
 * ticks.h -- the processor's time stamp, which is cheaper than a clock, and quantiles of times taken
 * with it. A virtual machine's may step by 10 ns and more, and reading it takes as long: so a
 * reading stands for all that is as near to it as to the next, and what reading costs is taken off.
 */
#ifndef BENCH_STORE_TICKS_H
#define BENCH_STORE_TICKS_H

#include <stdint.h>
#include <stdlib.h>

#include "futex.h"

static double ns_per_tick = 1.0;
static double tick_cost;      /* of one reading, in ticks */
static int64_t tick_step = 1; /* it goes up by multiples of this */

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

/* Of sorted readings, in ticks: those that are alike lie evenly over one step. */
static inline double ticks_quantile(const int64_t *sorted, size_t n, double q)
{
    size_t at = (size_t)((double)(n - 1) * q), first = at, end = at + 1;

    while (first > 0 && sorted[first - 1] == sorted[at])
        first--;
    while (end < n && sorted[end] == sorted[at])
        end++;
    return (double)sorted[at] +
           (double)tick_step * (((double)(at - first) + 0.5) / (double)(end - first) - 0.5);
}

static inline void ticks_calibrate(void)
{
    static int64_t cost[10000];
    const size_t n = sizeof cost / sizeof *cost;
    int64_t ns = monotonic_ns(), t = ticks(), now;

    while ((now = monotonic_ns()) < ns + 20 * NS_PER_MS)
        ;
    ns_per_tick = (double)(now - ns) / (double)(ticks() - t);
    tick_step = 0;
    for (size_t i = 0; i < n; i++) {
        t = ticks();
        cost[i] = ticks() - t;
        for (int64_t a = cost[i], rest; a; a = rest) { /* the greatest common divisor of all */
            rest = tick_step % a;
            tick_step = a;
        }
    }
    qsort(cost, n, sizeof *cost, ticks_order);
    tick_cost = ticks_quantile(cost, n, 0.5);
}

/* What a reading of a pair of stamps says of the time between. */
static inline double ticks_to_ns(double reading)
{
    double ns = (reading - tick_cost) * ns_per_tick;

    return ns > 0.1 ? ns : 0.1;
}

#endif
