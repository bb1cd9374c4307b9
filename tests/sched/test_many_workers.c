/* SPDX-License-Identifier: MIT */
/* A pool of far more workers than there are CPUs: all take part, and deaths among them cost
 * nothing. */
#include "kit.h"

#include <sched.h>
#include <signal.h>

#define WORKERS 64
#define TASKS 10000
#define VICTIMS 8

/* Every worker has a task at the gate at once, some are killed there. */
static void all_at_once(void)
{
    struct wsched_future f[WORKERS];
    pid_t pids[WORKERS];
    long attempts = 0;

    gate_make();
    struct wsched *pool = kit_open(WORKERS, 0);
    CHECK_EQ(wsched_workers(pool), WORKERS);
    for (int i = 0; i < WORKERS; i++)
        f[i] = kit_submit(pool, "wait", NULL, 0);
    for (int i = 0; i < WORKERS; i++) {
        pids[i] = gate_arrival();
        for (int k = 0; k < i; k++)
            CHECK(pids[k] != pids[i]);
    }
    for (int i = 0; i < VICTIMS; i++)
        REQUIRE(!kill(pids[i * (WORKERS / VICTIMS)], SIGKILL));
    for (int i = 0; i < VICTIMS; i++)
        (void)gate_arrival(); /* of a second attempt */
    gate_open();
    for (int i = 0; i < WORKERS; i++)
        attempts += kit_long(pool, f[i]);
    CHECK_EQ(attempts, WORKERS + VICTIMS);
    REQUIRE_OK(wsched_verify(pool, NULL));
    wsched_close(pool);
    gate_free();
}

/* Who ended a task may still be on the way to say so, and to take its slot back. */
static void await_nothing_left(struct wsched *pool)
{
    struct wsched_stats stats;
    struct wsched_info info;

    do {
        sched_yield();
        REQUIRE_OK(wsched_stats(pool, &stats));
        REQUIRE_OK(wsched_info(pool, &info));
    } while (info.pending + info.running + info.done || stats.finished < stats.submitted);
    CHECK_EQ(stats.finished, stats.submitted);
}

static void many_tasks(void)
{
    static struct wsched_future f[TASKS];
    static struct wsched_spec specs[TASKS];
    static long values[TASKS];
    struct wsched *pool = kit_open(WORKERS, 0);
    long sum = 0, part;
    int n = 15;

    for (int i = 0; i < TASKS; i++) {
        values[i] = i;
        specs[i] = kit_spec("add", &values[i], sizeof values[i]);
    }
    struct wsched_future nested = kit_submit(pool, "fib", &n, sizeof n);
    CHECK_EQ(wsched_submit_many(pool, specs, TASKS, f), TASKS);
    CHECK_EQ(wsched_wait(pool, f, TASKS, TASKS, -1, NULL), TASKS);
    for (int i = 0; i < TASKS; i++) {
        REQUIRE_OK(wsched_result(pool, f[i], &part, sizeof part, NULL));
        sum += part;
    }
    CHECK_EQ(sum, (long)TASKS * (TASKS - 1) / 2);
    CHECK_EQ(kit_long(pool, nested), kit_fib(n));
    wsched_release_many(pool, f, TASKS);
    await_nothing_left(pool);
    REQUIRE_OK(wsched_verify(pool, NULL));
    wsched_close(pool);
}

TESTS("wsched: 64 workers", { "all have a task at once, eight are killed", all_at_once },
      { "ten thousand tasks, and some that wait for others", many_tasks })
