/* SPDX-License-Identifier: MIT */
/*
 * A worker whose stack of tasks is full, and that waits for room in a mailbox: it can run nothing
 * else, so neither work nor what waits beside the stack may keep it from sleeping.
 */
#define _GNU_SOURCE
#include "kit.h"
#include "pool.h"

#include <sched.h>
#include <sys/mman.h>
#include <time.h>

static struct shared {
    struct au32 is_deep, ticks;
    struct wsched_actor actor;
    struct wsched_future held; /* the call that it serves */
} * shared;

/* Submits itself and waits, until that is too deep; then it makes the call for which there is no room. */
static int digs(struct wsched_task *task, void *ctx)
{
    struct wsched *pool = wsched_task_pool(task);
    struct wsched_spec s = { .kernel = "digs" };
    struct wsched_future f;
    int err = wsched_submit(pool, &s, &f);

    (void)ctx;
    if (err)
        return err;
    err = wsched_wait(pool, &f, 1, 1, -1, NULL);
    if (err == -EDEADLK) {
        REQUIRE_OK(wsched_cancel(pool, f));
        wsched_release(pool, f);
        au32_store_release(&shared->is_deep, 1);
        s.kernel = "nothing";
        err = wsched_actor_call(pool, shared->actor, &s, &f);
    }
    if (err >= 0)
        wsched_release(pool, f);
    return err < 0 ? err : 0;
}

/* A stream that waits again and again, for a moment. */
static int ticks(struct wsched_task *task, void *ctx)
{
    struct wsched *pool = wsched_task_pool(task);
    struct wsched_spec s = { .kernel = "nothing", .after = &shared->held, .after_count = 1 };
    struct wsched_future f;
    int err = wsched_submit(pool, &s, &f);

    (void)ctx;
    while (!err || err == -ETIMEDOUT) {
        err = wsched_wait(pool, &f, 1, 1, 1, NULL);
        au32_add_acq_rel(&shared->ticks, 1);
    }
    wsched_release(pool, f);
    return err < 0 ? err : 0;
}

static struct wsched *open_deep(void)
{
    static struct wsched_kernel kernels[20] = { { "digs", digs, NULL }, { "ticks", ticks, NULL } };
    const struct wsched_actor_spec spec = { .name = "busy", .mailbox_capacity = 1 };
    struct wsched_options o = WSCHED_OPTIONS_INIT;

    memcpy(kernels + 2, kit_kernels, kit_kernel_count * sizeof *kernels);
    gate_make();
    shared = kit_share(sizeof *shared);
    o.workers = 1;
    o.task_capacity = 2 * DEPTH_MAX;
    struct wsched *pool = kit_open_with(&o, kernels, 2 + kit_kernel_count);
    REQUIRE_OK(wsched_actor_new(pool, &spec, &shared->actor));
    struct wsched_spec s = { .kernel = "wait" };
    REQUIRE_OK(wsched_actor_call(pool, shared->actor, &s, &shared->held));
    gate_arrival();
    return pool;
}

static int64_t time_of_worker(const struct wsched *pool)
{
    struct timespec t;
    clockid_t clock;

    REQUIRE(!clock_getcpuclockid(kit_worker_pid(pool, 0), &clock));
    REQUIRE(!clock_gettime(clock, &t));
    return t.tv_sec * NS_PER_S + t.tv_nsec;
}

static void expect_rest(struct wsched *pool)
{
    const struct timespec span = { 0, 200000000 };

    while (!au32_load_acquire(&shared->is_deep))
        sched_yield();
    nanosleep(&(struct timespec){ 0, span.tv_nsec / 10 }, NULL); /* short spins are over */
    int64_t before = time_of_worker(pool);
    nanosleep(&span, NULL);
    int64_t used = time_of_worker(pool) - before;
    CHECK(used < span.tv_nsec / 8);
    if (used >= span.tv_nsec / 8)
        fprintf(stderr, "%.1f ms of CPU time while waiting\n", (double)used / 1e6);
}

/* All of them end, and the pool. */
static void close_deep(struct wsched *pool, struct wsched_future f, struct wsched_future g)
{
    gate_open();
    CHECK_EQ(kit_long(pool, shared->held), 1);
    CHECK_EQ(kit_wait(pool, f), 0);
    CHECK_EQ(kit_wait(pool, g), 0);
    wsched_release(pool, f);
    wsched_release(pool, g);
    kit_close(pool);
    gate_free();
    munmap(shared, sizeof *shared);
}

/* ---- what there is that it cannot do --------------------------------------------------------- */

static void work(void)
{
    struct wsched *pool = open_deep();
    struct wsched_future f = kit_submit(pool, "digs", NULL, 0), more;

    while (!au32_load_acquire(&shared->is_deep))
        sched_yield();
    more = kit_submit(pool, "nothing", NULL, 0);
    expect_rest(pool);
    close_deep(pool, f, more);
}

static void what_waits_beside(void)
{
    struct wsched *pool = open_deep();
    struct wsched_future g =
        kit_submit_spec(pool, &(struct wsched_spec){ .kernel = "ticks", .stream = 1 });

    while (au32_load_acquire(&shared->ticks) < 2)
        sched_yield();
    struct wsched_future f = kit_submit(pool, "digs", NULL, 0);
    expect_rest(pool);
    close_deep(pool, f, g);
}

TESTS("wsched: a worker whose stack is full", { "there is work", work },
      { "a stream waits beside it", what_waits_beside })
