/* SPDX-License-Identifier: MIT */
/*
 * A pool without room, of whatever kind: who submits waits for it, and neither it nor the workers,
 * which have nothing to do, take any CPU time for that.
 */
#define _GNU_SOURCE
#include "kit.h"
#include "pool.h"

#include <pthread.h>
#include <sched.h>
#include <time.h>

#define CAPACITY 64u
#define WORKERS 2u

static struct wsched *pool;

static void open_small(void)
{
    struct wsched_options o = WSCHED_OPTIONS_INIT;

    o.workers = WORKERS;
    o.task_capacity = CAPACITY;
    o.streams = 1;
    pool = kit_open_with(&o, kit_kernels, kit_kernel_count);
}

/* ---- somebody who submits -------------------------------------------------------------------- */

struct submitter {
    struct wsched_spec spec;
    struct wsched_future future;
    int err;
};

static void *submits(void *arg)
{
    struct submitter *s = arg;

    s->err = wsched_submit(pool, &s->spec, &s->future);
    return NULL;
}

static int64_t clock_now(clockid_t clock)
{
    struct timespec t;

    REQUIRE(!clock_gettime(clock, &t));
    return t.tv_sec * NS_PER_S + t.tv_nsec;
}

/* CPU time of the thread that waits and of the workers. */
static int64_t time_used(pthread_t thread)
{
    clockid_t clock;

    REQUIRE(!pthread_getcpuclockid(thread, &clock));
    int64_t sum = clock_now(clock);
    for (uint32_t i = 0; i < WORKERS; i++) {
        REQUIRE(!clock_getcpuclockid(kit_worker_pid(pool, i), &clock));
        sum += clock_now(clock);
    }
    return sum;
}

/* It waits, for as long as we look; then, when this future is given back, there is room. 0: when the
 * gate is opened. */
static void expect_rest(const struct wsched_spec *spec, struct wsched_future room)
{
    const struct timespec span = { 0, 200000000 };
    struct submitter s = { .spec = *spec, .err = 1 };
    pthread_t thread;

    REQUIRE(!pthread_create(&thread, NULL, submits, &s));
    while (!au64_load_acquire(&pool->header->room_waiters))
        sched_yield();
    nanosleep(&(struct timespec){ 0, span.tv_nsec / 10 }, NULL); /* short spins are over */
    int64_t before = time_used(thread);
    nanosleep(&span, NULL);
    int64_t used = time_used(thread) - before;
    CHECK(used < span.tv_nsec / 8);
    if (used >= span.tv_nsec / 8)
        fprintf(stderr, "%.1f ms of CPU time while waiting\n", (double)used / 1e6);
    CHECK_EQ(s.err, 1);
    if (room.v)
        wsched_release(pool, room);
    else
        gate_open();
    pthread_join(thread, NULL);
    REQUIRE_OK(s.err);
    REQUIRE(wsched_wait(pool, &s.future, 1, 1, -1, NULL) == 1);
    wsched_release(pool, s.future);
}

/* ---- what there is no room of ---------------------------------------------------------------- */

/* All are over, and kept. */
static void no_slots(void)
{
    const struct wsched_spec s = { .kernel = "nothing" };
    struct wsched_future f[CAPACITY];

    open_small();
    for (uint32_t i = 0; i < CAPACITY; i++)
        REQUIRE_OK(wsched_submit(pool, &s, &f[i]));
    REQUIRE(wsched_wait(pool, f, CAPACITY, CAPACITY, -1, NULL) == (int)CAPACITY);
    expect_rest(&s, f[0]);
    wsched_release_many(pool, f + 1, CAPACITY - 1);
    kit_close(pool);
}

static void no_streams(void)
{
    const struct wsched_spec s = { .kernel = "nothing", .stream = 1 };

    open_small();
    struct wsched_future f = kit_submit_spec(pool, &s);
    REQUIRE(wsched_wait(pool, &f, 1, 1, -1, NULL) == 1);
    expect_rest(&s, f);
    kit_close(pool);
}

/* They are taken by tasks that wait, each for the same one, many times. */
static void no_blocks(void)
{
    struct wsched_future after[1000], f[CAPACITY], first;
    struct wsched_spec s = { .kernel = "nothing", .after = after, .after_count = 1000 };
    uint32_t n = 0;

    gate_make();
    open_small();
    first = kit_submit(pool, "wait", NULL, 0);
    gate_arrival();
    for (uint32_t i = 0; i < s.after_count; i++)
        after[i] = first;
    s.flags = WSCHED_NO_WAIT;
    while (wsched_submit(pool, &s, &f[n]) == 0)
        n++;
    REQUIRE(n > 0 && n < CAPACITY / 2 + CAPACITY / 4); /* there are slots */
    s.flags = 0;
    expect_rest(&s, (struct wsched_future){ 0 });
    REQUIRE(wsched_wait(pool, f, n, n, -1, NULL) == (int)n);
    wsched_release_many(pool, f, n);
    CHECK_EQ(kit_long(pool, first), 1);
    kit_close(pool);
    gate_free();
}

TESTS("wsched: a pool without room", { "no slots", no_slots }, { "no streams", no_streams },
      { "no blocks", no_blocks })
