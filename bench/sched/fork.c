/* SPDX-License-Identifier: MIT */
/*
 * fork.c -- fork-join of libsched, on worker processes and on threads (guests), and without: one
 * round of each case, one JSON object a line. fork.sh runs it and its peers in turn.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <wsched.h>

#include "trees.h"

static void must(int result, const char *what)
{
    if (result >= 0)
        return;
    fprintf(stderr, "fork: %s: %s\n", what, wsched_strerror(result));
    exit(1);
}

static void check(int64_t is, int64_t should, const char *what)
{
    if (is == should)
        return;
    fprintf(stderr, "fork: %s: %lld, not %lld\n", what, (long long)is, (long long)should);
    exit(1);
}

/* ---- jobs -------------------------------------------------------------------------------- */

struct fib {
    int64_t n;
};

static void fib(struct wsched_fork *w, void *args)
{
    struct fib *f = args;

    if (f->n < 2)
        return;
    struct fib a = { f->n - 1 }, b = { f->n - 2 };
    w = wsched_spawn(w, fib, &a, sizeof a);
    fib(w, &b);
    wsched_sync(w);
    f->n = a.n + b.n;
}

static __attribute__((noipa)) int64_t fib_alone(int64_t n)
{
    return n < 2 ? n : fib_alone(n - 1) + fib_alone(n - 2);
}

static void queens(struct wsched_fork *w, void *args)
{
    struct queens *q = args, next[QUEENS_N];
    uint32_t n = 0;

    if (q->row == QUEENS_N) {
        q->found = 1;
        return;
    }
    for (uint32_t bits = queens_free(q); bits; bits &= bits - 1, n++) {
        next[n] = queens_place(q, bits & -bits);
        w = wsched_spawn(w, queens, &next[n], sizeof next[n]);
    }
    while (n-- > 0) {
        w = wsched_sync(w);
        q->found += next[n].found;
    }
}

static __attribute__((noipa)) uint64_t queens_alone(const struct queens *q)
{
    uint64_t found = q->row == QUEENS_N;

    for (uint32_t bits = found ? 0 : queens_free(q); bits; bits &= bits - 1) {
        struct queens next = queens_place(q, bits & -bits);
        found += queens_alone(&next);
    }
    return found;
}

struct sum {
    struct wsched_range range;
    double sum;
};

static void add(struct wsched_fork *w, void *args)
{
    struct sum *s = args;
    double sum = 0;

    (void)w;
    for (uint64_t i = s->range.begin; i < s->range.end; i++)
        sum += term(i);
    s->sum += sum;
}

static void join(void *into, const void *from)
{
    ((struct sum *)into)->sum += ((const struct sum *)from)->sum;
}

static int loop(struct wsched_task *task, void *ctx)
{
    struct sum s = { { 0, LOOP_N, 0 }, 0 };
    int err = wsched_parallel_for(wsched_task_fork(task), add, &s, sizeof s, join);

    (void)ctx;
    return err ? err : wsched_task_result(task, &s, sizeof s);
}

/* Keeps the crew's only worker from the work of the threads. */
static _Atomic int *held; /* of all processes */
static int hold(struct wsched_task *task, void *ctx)
{
    (void)task;
    (void)ctx;
    atomic_store(held, 1);
    while (atomic_load(held) == 1)
        usleep(20000);
    return 0;
}

static const struct wsched_kernel kernels[] = {
    WSCHED_JOB("fib", fib),    WSCHED_JOB("queens", queens), WSCHED_JOB("add", add),
    WSCHED_JOIN("join", join), { "loop", loop, NULL },       { "hold", hold, NULL },
};
#define KERNELS (sizeof kernels / sizeof *kernels)

/* ---- cases ------------------------------------------------------------------------------- */

static double run(struct wsched *pool, const char *kernel, void *args, size_t size)
{
    struct wsched_spec spec = { .kernel = kernel, .payload = args, .payload_size = (uint32_t)size };
    struct wsched_future f;
    double begin = seconds();

    must(wsched_submit(pool, &spec, &f), "submit");
    must(wsched_wait(pool, &f, 1, 1, -1, NULL), "wait");
    double took = seconds() - begin;
    must(wsched_result(pool, f, args, size, NULL), "result");
    wsched_release(pool, f);
    return took * 1e9;
}

static void cases(struct wsched *pool, const char *who)
{
    struct fib warm = { 27 }, f = { FIB_N };
    struct queens q = { 0 };
    struct sum s = { { 0 }, 0 };
    char impl[64];

    snprintf(impl, sizeof impl, "ours, %s", who);
    run(pool, "fib", &warm, sizeof warm);
    say(impl, "fib(35)", run(pool, "fib", &f, sizeof f) / FIB_SPAWNS);
    check(f.n, FIB_RESULT, "fib");
    say(impl, "12 queens", run(pool, "queens", &q, sizeof q) / QUEENS_TASKS);
    check((int64_t)q.found, QUEENS_RESULT, "queens");
    say(impl, "loop of 10^8", run(pool, "loop", &s, sizeof s) / LOOP_N);
    check((int64_t)s.sum, 18, "loop");
}

static void on_processes(uint32_t workers, const char *who)
{
    struct wsched_options o = WSCHED_OPTIONS_INIT;
    struct wsched *pool;

    o.workers = workers;
    must(wsched_open(&o, kernels, KERNELS, &pool), "open");
    cases(pool, who);
    wsched_close(pool);
}

static void *work(void *guest)
{
    must(wsched_work(guest, -1), "work");
    return NULL;
}

static void on_threads(void)
{
    struct wsched_options o = WSCHED_OPTIONS_INIT;
    struct wsched_spec spec = { .kernel = "hold" };
    struct wsched *pool, *guests[2];
    struct wsched_future f;
    pthread_t t[2];
    char name[64];

    held = mmap(NULL, sizeof *held, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    must(held == MAP_FAILED ? -1 : 0, "mmap");
    snprintf(name, sizeof name, "bench-fork-%d", (int)getpid());
    o.workers = 1;
    o.name = name;
    must(wsched_open(&o, kernels, KERNELS, &pool), "open");
    must(wsched_submit(pool, &spec, &f), "submit");
    while (!atomic_load(held))
        usleep(1000);
    for (int i = 0; i < 2; i++) {
        must(wsched_join(name, kernels, KERNELS, NULL, &guests[i]), "join");
        must(-pthread_create(&t[i], NULL, work, guests[i]), "thread");
    }
    cases(pool, "2 threads");
    atomic_store(held, 2);
    for (int i = 0; i < 2; i++) {
        must(wsched_leave(guests[i]), "leave");
        pthread_join(t[i], NULL);
        wsched_close(guests[i]);
    }
    wsched_close(pool);
}

static void alone(void)
{
    const struct queens q = { 0 };
    double begin = seconds(), sum = 0;

    check(fib_alone(FIB_N), FIB_RESULT, "fib");
    say("plain C", "fib(35)", (seconds() - begin) * 1e9 / FIB_SPAWNS);
    begin = seconds();
    check((int64_t)queens_alone(&q), QUEENS_RESULT, "queens");
    say("plain C", "12 queens", (seconds() - begin) * 1e9 / QUEENS_TASKS);
    begin = seconds();
    for (uint64_t i = 0; i < LOOP_N; i++)
        sum += term(i);
    check((int64_t)sum, 18, "loop");
    say("plain C", "loop of 10^8", (seconds() - begin) * 1e9 / LOOP_N);
}

int main(void)
{
    alone();
    on_processes(1, "1 process");
    on_processes(2, "2 processes");
    on_threads();
    return 0;
}
