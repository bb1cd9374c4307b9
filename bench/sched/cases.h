/* SPDX-License-Identifier: MIT */
/* cases.h -- the work that libsched and its peers do, and how a round's figure is told. */
#ifndef BENCH_SCHED_CASES_H
#define BENCH_SCHED_CASES_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static inline int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Of the latest figures, if it was measured: line.h. */
static double line_ns;

static inline void say(const char *impl, const char *name, const char *metric, const char *unit,
                       const char *better, double v)
{
    char line[40] = "";

    if (line_ns > 0)
        snprintf(line, sizeof line, "\"line_ns\":%.0f", line_ns);
    printf("{\"suite\":\"sched\",\"case\":\"%s\",\"params\":{%s},\"impl\":\"%s\",\"metric\":\"%s\","
           "\"unit\":\"%s\",\"better\":\"%s\",\"median\":%.4g,\"min\":%.4g,\"max\":%.4g,"
           "\"rounds\":1}\n",
           name, line, impl, metric, unit, better, v, v, v);
    fflush(stdout);
}

static inline int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* p50 and p99 of `count` round trips in us; sorts them. */
static inline void say_trips(const char *impl, const char *name, double *us, int count)
{
    qsort(us, (size_t)count, sizeof *us, by_value);
    say(impl, name, "p50", "us", "lower", us[(count - 1) / 2]);
    say(impl, name, "p99", "us", "lower", us[(size_t)((double)(count - 1) * 0.99)]);
}

#define CASE_EMPTY "empty tasks, one client, one by one"
#define CASE_HOT "round trip, hot"
#define CASE_COLD "round trip after 3 ms"
#define CASE_FIB_1 "fib(27), 1 worker"
#define CASE_FIB_2 "fib(27), 2 workers"
#define CASE_FAN "fan-out and fan-in of 10,000"
#define CASE_MILLION "1,000,000 queued tasks, used memory"
#define CASE_UNEVEN "uneven tasks, 3 us to 2 ms"
#define CASE_QUEENS "12 queens, tasks of the first 3 rows"
#define CASE_UTS "unbalanced tree, a task a node"
#define CASE_FOR "parallel for, 1,000,000 short bodies"
#define CASE_IDLE "idle"
#define CASE_TICK "a task per ms"
#define CASE_OPEN "open to first task done, 2 workers"
#define CASE_DEATH "death to next attempt"

#define FIB_CALLS 635621 /* of fib(27): 2 fib(28) - 1 */
#define FIB_RESULT 196418
#define FAN 10000

/* ---- uneven: 2,000 tasks of a Pareto distribution's lengths -----------------------------------
 */

#define UNEVEN_TASKS 2000

static inline uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static inline int64_t uneven_ns(uint32_t i)
{
    double u = ((double)(mix(i + 1) >> 11) + 1) / 9007199254740993.0, x = 3000;

    while (u < 0.5 && x < 2000000) /* each half of what is left takes 1.8 times as long */
        u *= 2, x *= 1.8;
    return x * (2 - u) < 2000000 ? (int64_t)(x * (2 - u)) : 2000000;
}

static inline double uneven_sum_ns(void)
{
    double sum = 0;

    for (uint32_t i = 0; i < UNEVEN_TASKS; i++)
        sum += (double)uneven_ns(i);
    return sum;
}

static inline void uneven_work(uint32_t i)
{
    int64_t end = now_ns() + uneven_ns(i);

    while (now_ns() < end)
        ;
}

/* ---- queens ------------------------------------------------------------------------------------
 */

#define QUEENS 12
#define QUEENS_RESULT 14200
#define QUEENS_ROWS 3

struct queens {
    uint32_t row, columns, left, right; /* taken: columns, and both diagonals */
};

/* The free places of a row, and the board with a queen on the lowest of them. */
static inline uint32_t queens_free(const struct queens *q)
{
    return ~(q->columns | q->left | q->right) & ((1u << QUEENS) - 1);
}

static inline struct queens queens_put(const struct queens *q, uint32_t bit)
{
    const struct queens next = { q->row + 1, q->columns | bit, (q->left | bit) << 1,
                                 (q->right | bit) >> 1 };

    return next;
}

static inline struct queens queens_root(void)
{
    const struct queens root = { 0, 0, 0, 0 };

    return root;
}

static inline long queens_count(struct queens q)
{
    long n = 0;

    if (q.row == QUEENS)
        return 1;
    for (uint32_t f = queens_free(&q); f; f &= f - 1)
        n += queens_count(queens_put(&q, f & (~f + 1)));
    return n;
}

/* ---- an unbalanced tree: the root has many children, another node 4 or none
 * ---------------------- */

#define UTS_ROOT 1500u
#define UTS_CHILDREN 4u
#define UTS_NODES 121065

static inline uint32_t uts_children(uint64_t node)
{
    return mix(node) % 10000 < 2450 ? UTS_CHILDREN : 0;
}

static inline uint64_t uts_child(uint64_t node, uint32_t i)
{
    return mix(node * 8 + i + 0x9e3779b97f4a7c15u);
}

/* ---- parallel for ------------------------------------------------------------------------------
 */

#define FOR_COUNT 1000000u
#define FOR_RESULT 1999998

static inline uint64_t for_body(uint32_t i)
{
    return (uint64_t)i * i % 7;
}

static inline uint64_t for_range(uint32_t begin, uint32_t end)
{
    uint64_t sum = 0;

    for (uint32_t i = begin; i < end; i++)
        sum += for_body(i);
    return sum;
}

static inline void check(const char *name, long got, long expected)
{
    if (got == expected)
        return;
    fprintf(stderr, "%s: %ld instead of %ld\n", name, got, expected);
    exit(1);
}

#endif
