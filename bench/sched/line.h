/* SPDX-License-Identifier: MIT */
/* line.h -- how far apart the CPUs are, and whether both are ours. */
#ifndef BENCH_SCHED_LINE_H
#define BENCH_SCHED_LINE_H

#include <pthread.h>
#include <stdatomic.h>

#include "cases.h"

#define LINE_SAMPLES 200
#define LINE_TURNS 50
#define LINE_END UINT32_MAX
static _Atomic uint32_t ball;

static inline void *return_ball(void *arg)
{
    for (uint32_t seen = 0;;) {
        uint32_t i = atomic_load_explicit(&ball, memory_order_acquire);
        if (i == LINE_END)
            return arg;
        if (i != seen && i % 2)
            atomic_store_explicit(&ball, seen = i + 1, memory_order_release);
    }
}

/* The median of short samples, and no longer than 50 ms: who is put aside in one spoils that one.
 */
static inline double line_latency_ns(void)
{
    const int64_t end = now_ns() + 50000000;
    double v[LINE_SAMPLES];
    uint32_t turn = 0;
    size_t n = 0;
    pthread_t t;

    atomic_store(&ball, 0);
    if (pthread_create(&t, NULL, return_ball, NULL))
        return 0;
    while (n < LINE_SAMPLES && (n == 0 || now_ns() < end)) {
        int64_t begin = now_ns();
        for (int i = 0; i < LINE_TURNS; i++, turn += 2) {
            atomic_store_explicit(&ball, turn + 1, memory_order_release);
            while (atomic_load_explicit(&ball, memory_order_acquire) != turn + 2)
                ;
        }
        v[n++] = (double)(now_ns() - begin) / (2 * LINE_TURNS);
    }
    atomic_store(&ball, LINE_END);
    pthread_join(t, NULL);
    qsort(v, n, sizeof *v, by_value);
    return v[n / 2];
}

#endif
