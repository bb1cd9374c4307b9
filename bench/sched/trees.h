/* SPDX-License-Identifier: MIT */
/* trees.h -- the work of the fork-join bench, the same for all who run it. */
#ifndef BENCH_TREES_H
#define BENCH_TREES_H

#include <stdint.h>
#include <stdio.h>
#include <time.h>

#define FIB_N 35
#define FIB_RESULT 9227465
#define FIB_SPAWNS 14930352.0 /* inner nodes */
#define QUEENS_N 12
#define QUEENS_RESULT 14200
#define QUEENS_TASKS 856188.0 /* safe placements */
#define LOOP_N 100000000u

static inline double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static inline void say(const char *impl, const char *name, double value)
{
    printf("{\"suite\":\"sched\",\"case\":\"%s\",\"params\":{},\"impl\":\"%s\",\"metric\":\"time "
           "per spawn\","
           "\"unit\":\"ns\",\"better\":\"lower\",\"median\":%.4g,\"min\":%.4g,\"max\":%.4g,"
           "\"rounds\":1}\n",
           name, impl, value, value, value);
    fflush(stdout);
}

/* A board of n queens' first rows: a bit for each column and diagonal that is taken. */
struct queens {
    uint32_t columns, left, right, row;
    uint64_t found;
};

static inline uint32_t queens_free(const struct queens *q)
{
    return ~(q->columns | q->left | q->right) & ((1u << QUEENS_N) - 1);
}

static inline struct queens queens_place(const struct queens *q, uint32_t bit)
{
    return (struct queens){ q->columns | bit, (q->left | bit) << 1, (q->right | bit) >> 1,
                            q->row + 1, 0 };
}

static inline double term(uint64_t i)
{
    return 1.0 / (double)(i + 1);
}

#endif
