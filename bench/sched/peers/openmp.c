/* SPDX-License-Identifier: MIT */
/* openmp.c -- one round of the cases that OpenMP's tasks can do: threads, no processes. */
#include <omp.h>
#include <stdio.h>

static void say(const char *name, const char *metric, const char *unit, const char *better,
                double v)
{
    printf(
        "{\"suite\":\"sched\",\"case\":\"%s\",\"params\":{},\"impl\":\"OpenMP\",\"metric\":\"%s\","
        "\"unit\":\"%s\",\"better\":\"%s\",\"median\":%.4g,\"min\":%.4g,\"max\":%.4g,\"rounds\":1}"
        "\n",
        name, metric, unit, better, v, v, v);
}

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
    const double calls = 832040; /* of fib(27), as micro counts them */
    double begin = omp_get_wtime();
    long result = 0;

#pragma omp parallel num_threads(threads)
#pragma omp single
    result = fib(27);
    if (result == 196418)
        say(name, "time per spawn", "ns", "lower", (omp_get_wtime() - begin) / calls * 1e9);
    else
        fprintf(stderr, "openmp: fib(27) is not %ld\n", result);
}

int main(void)
{
    fib_case("fib(27), 1 worker", 1);
    fib_case("fib(27), 2 workers", 2);
    return 0;
}
