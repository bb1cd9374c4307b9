// SPDX-License-Identifier: MIT
// tbb.cc -- one round on oneTBB: two threads that work for one outside, no processes.
#include <sys/resource.h>
#include <tbb/tbb.h>

#include <atomic>
#include <vector>

#include "../cases.h"

static const char *const impl = "oneTBB";

static long fib(int n)
{
    long a, b;

    if (n < 2)
        return n;
    tbb::task_group g;
    g.run([&a, n] { a = fib(n - 1); });
    g.run([&b, n] { b = fib(n - 2); });
    g.wait();
    return a + b;
}

static void fib_case(const char *name, int threads)
{
    tbb::task_arena arena(threads);
    int64_t begin = now_ns();
    long result = 0;

    arena.execute([&] { result = fib(27); });
    check(name, result, FIB_RESULT);
    say(impl, name, "time per spawn", "ns", "lower", (double)(now_ns() - begin) / FIB_CALLS);
}

// Two workers, none of which is the thread that asks: as ours.
static tbb::task_arena &outside()
{
    static tbb::task_arena arena(2, 0);
    return arena;
}

static double enqueue_ns(int count)
{
    static std::atomic<int> done;
    int64_t begin = now_ns();

    done = 0;
    for (int i = 0; i < count; i++)
        outside().enqueue([] { done.fetch_add(1, std::memory_order_release); });
    while (done.load(std::memory_order_acquire) < count)
        ;
    return (double)(now_ns() - begin);
}

static void trips(const char *name, int count, long gap_ns)
{
    std::vector<double> us((size_t)count);
    static std::atomic<bool> done;

    for (int i = 0; i < count; i++) {
        if (gap_ns) {
            struct timespec gap = { 0, gap_ns };
            nanosleep(&gap, nullptr);
        }
        int64_t begin = now_ns();
        done.store(false, std::memory_order_release);
        outside().enqueue([] { done.store(true, std::memory_order_release); });
        while (!done.load(std::memory_order_acquire))
            ;
        us[(size_t)i] = (double)(now_ns() - begin) / 1e3;
    }
    say_trips(impl, name, us.data(), count);
}

static long queens(struct queens q)
{
    std::atomic<long> sum{ 0 };
    tbb::task_group g;

    if (q.row >= QUEENS_ROWS)
        return queens_count(q);
    for (uint32_t f = queens_free(&q); f; f &= f - 1) {
        struct queens next = queens_put(&q, f & -f);
        g.run([&sum, next] { sum += queens(next); });
    }
    g.wait();
    return sum;
}

static long node(uint64_t self, uint32_t children)
{
    std::atomic<long> sum{ 1 };
    tbb::task_group g;

    for (uint32_t i = 0; i < children; i++) {
        uint64_t child = uts_child(self, i);
        g.run([&sum, child] { sum += node(child, uts_children(child)); });
    }
    g.wait();
    return sum;
}

static double ms_since(int64_t begin)
{
    return (double)(now_ns() - begin) / 1e6;
}

static void jobs()
{
    tbb::task_arena arena(2);
    long n = 0;
    int64_t begin = now_ns();

    arena.execute([&] { n = queens(queens_root()); });
    check(CASE_QUEENS, n, QUEENS_RESULT);
    say(impl, CASE_QUEENS, "time", "ms", "lower", ms_since(begin));
    begin = now_ns();
    arena.execute([&] { n = node(1, UTS_ROOT); });
    check(CASE_UTS, n, UTS_NODES);
    say(impl, CASE_UTS, "time", "ms", "lower", ms_since(begin));
    begin = now_ns();
    arena.execute([&] {
        n = (long)tbb::parallel_reduce(
            tbb::blocked_range<uint32_t>(0, FOR_COUNT), (uint64_t)0,
            [](const tbb::blocked_range<uint32_t> &r, uint64_t sum) {
                return sum + for_range(r.begin(), r.end());
            },
            [](uint64_t a, uint64_t b) { return a + b; });
    });
    check(CASE_FOR, n, FOR_RESULT);
    say(impl, CASE_FOR, "time", "us", "lower", ms_since(begin) * 1e3);
    begin = now_ns();
    arena.execute([] {
        tbb::task_group g;
        for (uint32_t i = 0; i < UNEVEN_TASKS; i++)
            g.run([i] { uneven_work(i); });
        g.wait();
    });
    say(impl, CASE_UNEVEN, "efficiency", "%", "higher",
        uneven_sum_ns() / 2 / (ms_since(begin) * 1e6) * 100);
}

static void cpu(const char *name, long gap_ns)
{
    struct rusage a, b;
    int64_t begin = now_ns();

    getrusage(RUSAGE_SELF, &a);
    while (now_ns() - begin < 1000000000) {
        struct timespec gap = { gap_ns ? 0 : 1, gap_ns };
        nanosleep(&gap, nullptr);
        if (gap_ns)
            outside().enqueue([] {});
    }
    getrusage(RUSAGE_SELF, &b);
    say(impl, name, "CPU of the pool", "%", "lower",
        (double)(b.ru_utime.tv_sec - a.ru_utime.tv_sec + b.ru_stime.tv_sec - a.ru_stime.tv_sec) *
                100 +
            (double)(b.ru_utime.tv_usec - a.ru_utime.tv_usec + b.ru_stime.tv_usec -
                     a.ru_stime.tv_usec) /
                1e4);
}

int main()
{
    tbb::global_control threads(tbb::global_control::max_allowed_parallelism, 3);
    int64_t begin = now_ns();

    enqueue_ns(1);
    say(impl, CASE_OPEN, "time", "us", "lower", ms_since(begin) * 1e3);
    fib_case(CASE_FIB_1, 1);
    fib_case(CASE_FIB_2, 2);
    say(impl, CASE_EMPTY, "throughput", "M/s", "higher", 1e9 / enqueue_ns(1000000));
    say(impl, CASE_MILLION, "time", "s", "lower", enqueue_ns(1000000) / 1e9);
    say(impl, CASE_FAN, "time", "us", "lower", enqueue_ns(FAN) / 1e3);
    trips(CASE_HOT, 20000, 0);
    trips(CASE_COLD, 100, 3000000);
    jobs();
    cpu(CASE_IDLE, 0);
    cpu(CASE_TICK, 1000000);
    return 0;
}
