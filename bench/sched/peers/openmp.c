/* SPDX-License-Identifier: MIT */
/* openmp.c -- one round on OpenMP's tasks, of gcc or of LLVM as it was linked: threads, no
 * processes.
 *
 *     openmp NAME
 */
#define _GNU_SOURCE
#include <omp.h>
#include <sys/resource.h>

#include "../cases.h"

#define EMPTY 1000000
#define TRIPS 20000
#define COLD_TRIPS 100

static const char *impl;
static double us[TRIPS];

static long fib(int n)
{
    long a, b;

    if (n < 2)
        return n;
#pragma omp task shared(a) firstprivate(n)
    a = fib(n - 1);
#pragma omp task shared(b) firstprivate(n)
    b = fib(n - 2);
#pragma omp taskwait
    return a + b;
}

static void fib_case(const char *name, int threads)
{
    int64_t begin = now_ns();
    long result = 0;

#pragma omp parallel num_threads(threads)
#pragma omp single
    result = fib(27);
    check(name, result, FIB_RESULT);
    say(impl, name, "time per spawn", "ns", "lower", (double)(now_ns() - begin) / FIB_CALLS);
}

static double empty_tasks_ns(int count)
{
    static int sink;
    int64_t begin = now_ns();

#pragma omp parallel num_threads(2)
#pragma omp single
    {
        for (int i = 0; i < count; i++) {
#pragma omp task firstprivate(i)
            __atomic_store_n(&sink, i, __ATOMIC_RELAXED);
        }
#pragma omp taskwait
    }
    return (double)(now_ns() - begin);
}

/* The other thread runs the task: we look only at whether it is done. */
static void trips(const char *name, int count, long gap_ns)
{
    static int done;

#pragma omp parallel num_threads(2)
#pragma omp single
    for (int i = 0; i < count; i++) {
        if (gap_ns)
            nanosleep(&(struct timespec){ 0, gap_ns }, NULL);
        int64_t begin = now_ns();
        __atomic_store_n(&done, 0, __ATOMIC_RELEASE);
#pragma omp task
        __atomic_store_n(&done, 1, __ATOMIC_RELEASE);
        while (!__atomic_load_n(&done, __ATOMIC_ACQUIRE))
            ;
        us[i] = (double)(now_ns() - begin) / 1e3;
    }
    say_trips(impl, name, us, count);
}

static void uneven_case(void)
{
    int64_t begin = now_ns();

#pragma omp parallel num_threads(2)
#pragma omp single
    for (uint32_t i = 0; i < UNEVEN_TASKS; i++) {
#pragma omp task firstprivate(i)
        uneven_work(i);
    }
    say(impl, CASE_UNEVEN, "efficiency", "%", "higher",
        uneven_sum_ns() / 2 / (double)(now_ns() - begin) * 100);
}

static long queens(struct queens q)
{
    long sum[QUEENS] = { 0 }, all = 0;
    int n = 0;

    if (q.row >= QUEENS_ROWS)
        return queens_count(q);
    for (uint32_t f = queens_free(&q); f; f &= f - 1, n++) {
        struct queens next = queens_put(&q, f & -f);
#pragma omp task shared(sum) firstprivate(next, n)
        sum[n] = queens(next);
    }
#pragma omp taskwait
    for (int i = 0; i < n; i++)
        all += sum[i];
    return all;
}

static long node(uint64_t self, uint32_t children)
{
    long all = 1, *sum = calloc(children + 1, sizeof *sum);

    for (uint32_t i = 0; i < children; i++) {
        uint64_t child = uts_child(self, i);
#pragma omp task firstprivate(child, i)
        sum[i] = node(child, uts_children(child));
    }
#pragma omp taskwait
    for (uint32_t i = 0; i < children; i++)
        all += sum[i];
    free(sum);
    return all;
}

static void jobs(void)
{
    long n = 0;
    int64_t begin = now_ns();

#pragma omp parallel num_threads(2)
#pragma omp single
    n = queens((struct queens){ 0 });
    check(CASE_QUEENS, n, QUEENS_RESULT);
    say(impl, CASE_QUEENS, "time", "ms", "lower", (double)(now_ns() - begin) / 1e6);
    begin = now_ns();
#pragma omp parallel num_threads(2)
#pragma omp single
    n = node(1, UTS_ROOT);
    check(CASE_UTS, n, UTS_NODES);
    say(impl, CASE_UTS, "time", "ms", "lower", (double)(now_ns() - begin) / 1e6);
    begin = now_ns();
    uint64_t sum = 0;
#pragma omp parallel for num_threads(2) reduction(+ : sum)
    for (uint32_t i = 0; i < FOR_COUNT; i++)
        sum += for_body(i);
    check(CASE_FOR, (long)sum, FOR_RESULT);
    say(impl, CASE_FOR, "time", "us", "lower", (double)(now_ns() - begin) / 1e3);
}

/* The CPU that threads without work take while the one that has some sleeps for a second. */
static void idle(void)
{
    struct rusage before, after;

#pragma omp parallel num_threads(2)
#pragma omp single
    {
        getrusage(RUSAGE_SELF, &before);
        nanosleep(&(struct timespec){ 1, 0 }, NULL);
        getrusage(RUSAGE_SELF, &after);
    }
    say(impl, CASE_IDLE, "CPU of the pool", "%", "lower",
        (double)(after.ru_utime.tv_sec - before.ru_utime.tv_sec) * 100 +
            (double)(after.ru_utime.tv_usec - before.ru_utime.tv_usec) / 1e4);
}

int main(int argc, char **argv)
{
    impl = argc > 1 ? argv[1] : "OpenMP";
    fib_case(CASE_FIB_1, 1);
    fib_case(CASE_FIB_2, 2);
    say(impl, CASE_EMPTY, "throughput", "M/s", "higher", EMPTY / empty_tasks_ns(EMPTY) * 1e3);
    say(impl, CASE_MILLION, "time", "s", "lower", empty_tasks_ns(1000000) / 1e9);
    say(impl, CASE_FAN, "time", "us", "lower", empty_tasks_ns(FAN) / 1e3);
    trips(CASE_HOT, TRIPS, 0);
    trips(CASE_COLD, COLD_TRIPS, 3000000);
    uneven_case();
    jobs();
    idle();
    return 0;
}
