// SPDX-License-Identifier: MIT
// fork_tbb.cc -- fork.c's cases with oneTBB, two threads.
#include <cstdlib>
#include <tbb/blocked_range.h>
#include <tbb/global_control.h>
#include <tbb/parallel_reduce.h>
#include <tbb/task_group.h>

#include "../trees.h"

static int64_t fib(int64_t n)
{
    if (n < 2)
        return n;
    int64_t a, b;
    tbb::task_group g;
    g.run([&a, n] { a = fib(n - 1); });
    b = fib(n - 2);
    g.wait();
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
    tbb::task_group g;
    for (uint32_t bits = queens_free(q); bits; bits &= bits - 1, n++) {
        next[n] = queens_place(q, bits & -bits);
        g.run([p = &next[n]] { queens(p); });
    }
    g.wait();
    while (n-- > 0)
        q->found += next[n].found;
}

int main()
{
    tbb::global_control two(tbb::global_control::max_allowed_parallelism, 2);
    if (fib(27) != 196418)
        return 1;
    double begin = seconds();
    if (fib(FIB_N) != FIB_RESULT)
        return 1;
    say("oneTBB", "fib(35)", (seconds() - begin) * 1e9 / FIB_SPAWNS);
    struct queens q = {};
    begin = seconds();
    queens(&q);
    if (q.found != QUEENS_RESULT)
        return 1;
    say("oneTBB", "12 queens", (seconds() - begin) * 1e9 / QUEENS_TASKS);
    begin = seconds();
    double sum = tbb::parallel_reduce(
        tbb::blocked_range<uint64_t>(0, LOOP_N), 0.0,
        [](const tbb::blocked_range<uint64_t> &r, double s) {
            for (uint64_t i = r.begin(); i < r.end(); i++)
                s += term(i);
            return s;
        },
        [](double a, double b) { return a + b; });
    if (static_cast<int>(sum) != 18)
        return 1;
    say("oneTBB", "loop of 10^8", (seconds() - begin) * 1e9 / LOOP_N);
    return 0;
}
