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
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CAPACITY 64u
#define WORKERS 2u

#ifdef __SANITIZE_THREAD__
#define PART 1 /* a look takes twenty times as long */
#else
#define PART 8
#endif

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
    struct au32 is_over;
};

static void *submits(void *arg)
{
    struct submitter *s = arg;

    s->err = wsched_submit(pool, &s->spec, &s->future);
    au32_store_release(&s->is_over, 1);
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
    struct submitter s = { .spec = *spec };
    pthread_t thread;

    REQUIRE(!pthread_create(&thread, NULL, submits, &s));
    while (!au64_load_acquire(&pool->header->room_waiters))
        sched_yield();
    nanosleep(&(struct timespec){ 0, span.tv_nsec / 10 }, NULL); /* short spins are over */
    int64_t before = time_used(thread);
    nanosleep(&span, NULL);
    int64_t used = time_used(thread) - before;
    CHECK(used < span.tv_nsec / PART);
    if (used >= span.tv_nsec / PART)
        fprintf(stderr, "%.1f ms of CPU time while waiting\n", (double)used / 1e6);
    CHECK_EQ(au32_load_acquire(&s.is_over), 0);
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

/* ---- a submission that fails ----------------------------------------------------------------- */

struct counts {
    struct wsched_stats stats;
    uint32_t blocks, slots;
    uint64_t events;
};

static struct counts counts_now(void)
{
    struct counts c = { .blocks = deps_blocks_free(pool), .slots = kit_slots_free(pool) };

    CHECK_EQ(wsched_stats(pool, &c.stats), 0);
    c.events = au64_load_acquire(&pool->seats[driver_seat(pool)].events);
    return c;
}

/* Blocks until there are `left`: tasks after `first`, each of which needs many. */
static uint32_t take_blocks(struct wsched_future first, uint32_t left, struct wsched_future f[])
{
    static struct wsched_future after[2000];
    struct wsched_spec s = { .kernel = "nothing", .after = after, .flags = WSCHED_NO_WAIT };
    uint32_t n = 0, most = 2000;

    for (uint32_t i = 0; i < most; i++)
        after[i] = first;
    while (most && n < CAPACITY / 2) {
        s.after_count = most;
        uint32_t blocks = deps_blocks_free(pool);
        if (blocks < left + most / 6 + 4 || wsched_submit(pool, &s, &f[n]))
            most /= 2;
        else
            n++;
    }
    return n;
}

/* Again and again, of each kind, and then nothing has changed: there are as many slots and blocks, no
 * statistic and no event tells of it, and what was there before goes on. */
static void fails_without_a_trace(void)
{
    enum { MANY = 900 };
    struct wsched_future f[CAPACITY], after[MANY], first, other[2];
    struct wsched_spec s = { .kernel = "nothing", .after = after, .flags = WSCHED_NO_WAIT };

    gate_make();
    open_small();
    first = kit_submit(pool, "wait", NULL, 0);
    gate_arrival();
    for (int i = 0; i < 2; i++)
        other[i] = kit_submit_after(pool, "nothing", NULL, 0, &first, 1);
    uint32_t n = take_blocks(first, 40, f);
    struct counts before = counts_now();
    CHECK(before.blocks >= 40 && before.blocks < MANY / 6 && before.slots > 8);
    for (int k = 0; k < 4; k++) {
        for (uint32_t i = 0; i < MANY; i++)
            after[i] = k == 0 ? first : k == 1 ? other[i % 2] : i % 3 ? other[i % 3 - 1] : first;
        s.stream = k == 3;
        s.deadline_ms = k == 3 ? 3600000 : 0;
        s.after_count = MANY;
        for (int i = 0; i < 1000; i++) {
            struct wsched_future none = { 42 };
            CHECK_EQ(wsched_submit(pool, &s, &none), -EAGAIN);
            CHECK_EQ(none.v, 42);
        }
        struct counts now = counts_now();
        CHECK_EQ(now.blocks, before.blocks);
        CHECK_EQ(now.slots, before.slots);
        CHECK_EQ(now.events, before.events);
        CHECK(!memcmp(&now.stats, &before.stats, sizeof now.stats));
    }
    s.after_count = 60; /* which fit */
    struct wsched_future last = kit_submit_spec(pool, &s);
    gate_open();
    CHECK_EQ(kit_wait(pool, last), 0);
    CHECK_EQ(wsched_wait(pool, f, n, n, -1, NULL), n);
    wsched_release_many(pool, f, n);
    wsched_release_many(pool, other, 2);
    wsched_release(pool, last);
    CHECK_EQ(kit_long(pool, first), 1);
    while (deps_blocks_free(pool) != pool->block_count) /* the last may be with a worker still */
        sched_yield();
    kit_close(pool);
    gate_free();
}

/* Threads take each other's room away between two looks. */
struct rival {
    pthread_t thread;
    struct wsched_future after[4];
    uint32_t done, refused;
};
static void *competes(void *arg)
{
    struct rival *r = arg;
    struct wsched_future all[6], after[64];
    struct wsched_spec s = { .kernel = "nothing", .after = after, .flags = WSCHED_NO_WAIT };

    for (uint32_t round = 0; round < 300; round++) {
        uint32_t n = 0;
        for (uint32_t i = 0; i < 64; i++)
            after[i] = r->after[(i * 7 + round) % 4];
        for (uint32_t i = 0; i < 6; i++) {
            s.after_count = 1 + (round * 5 + i * 11) % 64;
            int err = wsched_submit(pool, &s, &all[n]);
            CHECK(!err || err == -EAGAIN);
            n += !err;
            r->refused += err == -EAGAIN;
        }
        for (uint32_t i = 0; i < n; i++)
            CHECK_EQ(wsched_cancel(pool, all[i]), 0);
        wsched_release_many(pool, all, n);
        r->done += n;
    }
    return NULL;
}

static void rivals(void)
{
    enum { RIVALS = 3 };
    struct rival r[RIVALS] = { 0 };
    struct wsched_future f[CAPACITY], others[4], first;
    uint32_t done = 0, refused = 0;

    gate_make();
    open_small();
    first = kit_submit(pool, "wait", NULL, 0);
    gate_arrival();
    for (int i = 0; i < 4; i++)
        others[i] = kit_submit_after(pool, "nothing", NULL, 0, &first, 1);
    uint32_t n = take_blocks(first, 1000, f);
    for (int i = 0; i < RIVALS; i++) {
        memcpy(r[i].after, others, sizeof others);
        REQUIRE(!pthread_create(&r[i].thread, NULL, competes, &r[i]));
    }
    for (int i = 0; i < RIVALS; i++) {
        pthread_join(r[i].thread, NULL);
        done += r[i].done;
        refused += r[i].refused;
    }
    CHECK(done > 0 && refused > 0);
    kit_expect_sound(pool);
    gate_open();
    CHECK_EQ(wsched_wait(pool, f, n, n, -1, NULL), n);
    CHECK_EQ(wsched_wait(pool, others, 4, 4, -1, NULL), 4);
    wsched_release_many(pool, f, n);
    wsched_release_many(pool, others, 4);
    CHECK_EQ(kit_long(pool, first), 1);
    while (deps_blocks_free(pool) != pool->block_count) /* the last may be with a worker still */
        sched_yield();
    kit_close(pool);
    gate_free();
}

/* One that needs more blocks than the pool has waits, and takes no time, until its dependencies are
 * over. */
static void more_than_there_are(void)
{
    enum { ALL = 65536 };
    struct wsched_future *after = calloc(ALL, sizeof *after);
    struct wsched_spec s = { .kernel = "nothing", .after = after, .after_count = ALL };

    REQUIRE(after != NULL);
    gate_make();
    open_small();
    struct wsched_future first = kit_submit(pool, "wait", NULL, 0);
    gate_arrival();
    for (uint32_t i = 0; i < ALL; i++)
        after[i] = first;
    REQUIRE(ALL / 6 > pool->block_count);
    expect_rest(&s, (struct wsched_future){ 0 });
    CHECK_EQ(kit_long(pool, first), 1);
    kit_close(pool);
    gate_free();
    free(after);
}

TESTS("wsched: a pool without room", { "no slots", no_slots }, { "no streams", no_streams },
      { "no blocks", no_blocks }, { "fails without a trace", fails_without_a_trace },
      { "rivals for the last blocks", rivals }, { "more than there ever are", more_than_there_are })
