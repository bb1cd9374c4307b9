/* SPDX-License-Identifier: MIT */
/* Fork-join between threads of one process: guests that work, while the crew is kept busy. */
#include "fork_jobs.h"
#include "kit.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>

#define THREADS 3u

static _Atomic int *held; /* 1: the crew's worker is in "hold"; 2: it may go; of all processes */

static int hold(struct wsched_task *task, void *ctx)
{
    (void)task;
    (void)ctx;
    atomic_store(held, 1);
    while (atomic_load(held) != 2)
        sched_yield();
    return 0;
}

struct fib {
    long n, by; /* by: a bit for each worker that took part */
};

static void fib(struct wsched_fork *w, void *args)
{
    struct fib *f = args;

    f->by = 1l << wsched_fork_worker(w);
    if (f->n < 2)
        return;
    struct fib a = { f->n - 1, 0 }, b = { f->n - 2, 0 };
    w = wsched_spawn(w, fib, &a, sizeof a);
    fib(w, &b);
    w = wsched_sync(w);
    f->n = a.n + b.n;
    f->by |= a.by | b.by;
}

static const struct wsched_kernel kernels[] = {
    { "hold", hold, NULL },
    WSCHED_JOB("fib", fib),
    FORK_JOBS,
};
#define KERNELS (sizeof kernels / sizeof *kernels)

static void *work(void *guest)
{
    return (void *)(intptr_t)wsched_work(guest, -1);
}

static void run_fib(struct wsched *pool, struct fib *args)
{
    struct wsched_future f = kit_submit(pool, "fib", args, sizeof *args);

    REQUIRE_OK(wsched_wait(pool, &f, 1, 1, -1, NULL));
    REQUIRE_OK(wsched_result(pool, f, args, sizeof *args, NULL));
    wsched_release(pool, f);
}

static void threads(void)
{
    struct wsched_options o = WSCHED_OPTIONS_INIT;
    struct wsched *pool, *guests[THREADS];
    pthread_t t[THREADS];
    char name[64];
    long by = 0;

    held = kit_share(sizeof *held);
    snprintf(name, sizeof name, "fork-threads-%d", (int)getpid());
    o.workers = 1;
    o.name = name;
    REQUIRE_OK(wsched_open(&o, kernels, KERNELS, &pool));
    struct wsched_future holds = kit_submit(pool, "hold", NULL, 0);
    while (atomic_load(held) != 1)
        sched_yield();
    for (uint32_t i = 0; i < THREADS; i++) {
        REQUIRE_OK(wsched_join(name, kernels, KERNELS, NULL, &guests[i]));
        REQUIRE(!pthread_create(&t[i], NULL, work, guests[i]));
    }
    for (int i = 0; i < 30 || !(by & (by - 1)); i++) { /* until somebody has stolen something */
        struct fib f = { 16 + i % 8, 0 };
        const struct wsched_range range = { 0, 100000, i % 2 ? 0 : 64 };
        run_fib(pool, &f);
        CHECK_EQ(f.n, kit_fib(16 + i % 8));
        CHECK(!(f.by & 1)); /* the crew was busy */
        by = f.by;
        CHECK_EQ(kit_long(pool, kit_submit(pool, "loop", &range, sizeof range)),
                 100000l * 99999 / 2);
    }
    atomic_store(held, 2);
    CHECK_EQ(kit_wait(pool, holds), 0);
    wsched_release(pool, holds);
    for (uint32_t i = 0; i < THREADS; i++) {
        void *err;
        CHECK_EQ(wsched_leave(guests[i]), 0);
        REQUIRE(!pthread_join(t[i], &err));
        CHECK_EQ((intptr_t)err, 0);
        wsched_close(guests[i]);
    }
    kit_close(pool);
    munmap(held, sizeof *held);
}

TESTS("wsched: fork and join between threads", { "guests of one process", threads })
