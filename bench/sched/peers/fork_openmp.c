/* SPDX-License-Identifier: MIT */
/* fork_openmp.c -- fork.c's cases with OpenMP's tasks and loops, two threads. */
#include <omp.h>
#include <stdint.h>
#include <stdlib.h>

#include "../trees.h"

static int64_t fib(int64_t n)
{
    int64_t a, b;

    if (n < 2)
        return n;
#pragma omp task shared(a) firstprivate(n)
    a = fib(n - 1);
    b = fib(n - 2);
#pragma omp taskwait
    return a + b;
}

static void queens(struct queens *q)
{
    struct queens next[QUEENS_N];
    uint32_t n = 0;

    if (q->row == QUEENS_N) {
        q->found = 1;
        return;
    }
    for (uint32_t bits = queens_free(q); bits; bits &= bits - 1, n++) {
        next[n] = queens_place(q, bits & -bits);
#pragma omp task firstprivate(n) shared(next)
        queens(&next[n]);
    }
#pragma omp taskwait
    while (n-- > 0)
        q->found += next[n].found;
}

static void check(double is, double should)
{
    if (is != should)
        exit(1);
}

int main(void)
{
    struct queens q = { 0 };
    double begin = seconds(), sum = 0;
    int64_t result = 0;

    omp_set_num_threads(2);
#pragma omp parallel
#pragma omp single
    result = fib(FIB_N);
    say("OpenMP", "fib(35)", (seconds() - begin) * 1e9 / FIB_SPAWNS);
    check((double)result, FIB_RESULT);
    begin = seconds();
#pragma omp parallel
#pragma omp single
    queens(&q);
    say("OpenMP", "12 queens", (seconds() - begin) * 1e9 / QUEENS_TASKS);
    check((double)q.found, QUEENS_RESULT);
    begin = seconds();
#pragma omp parallel for reduction(+ : sum)
    for (uint64_t i = 0; i < LOOP_N; i++)
        sum += term(i);
    say("OpenMP", "loop of 10^8", (seconds() - begin) * 1e9 / LOOP_N);
    check((int)sum, 18);
    return 0;
}
