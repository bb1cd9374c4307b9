/* SPDX-License-Identifier: MIT */
/* Priorities: order, starvation, lending; and the rings of levels.c as threads, and with deaths. */
#define _GNU_SOURCE /* MAP_ANONYMOUS */
#include "kit.h"
#include "point.h"
#include "pool.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <sys/mman.h>
#include <sys/wait.h>

static struct shared {
    struct au32 started, order[1024];
} * shared;

/* Payload: what to note. */
static int note(struct wsched_task *task, void *ctx)
{
    int v = *(const int *)wsched_task_payload(task, NULL);

    (void)ctx;
    au32_store_relaxed(&shared->order[au32_add_acq_rel(&shared->started, 1)], (uint32_t)v);
    return 0;
}

/* Submits a low one (payload 1) and waits for it. */
static int waits(struct wsched_task *task, void *ctx)
{
    struct wsched *pool = wsched_task_pool(task);
    int one = 1;
    struct wsched_spec s = kit_spec("note", &one, sizeof one);
    struct wsched_future f;

    (void)ctx;
    s.priority = WSCHED_PRIORITY_LOW;
    int err = wsched_submit(pool, &s, &f);
    if (!err)
        err = wsched_wait(pool, &f, 1, 1, -1, NULL);
    return err < 0 ? err : note(task, NULL);
}

static int hold(struct wsched_task *task, void *ctx)
{
    const struct wsched_kernel *k = &kit_kernels[3]; /* "wait" */

    (void)ctx;
    return k->fn(task, k->ctx);
}

static const struct wsched_kernel kernels[] = { { "note", note, NULL },
                                                { "waits", waits, NULL },
                                                { "hold", hold, NULL } };

static struct wsched *open_held(struct wsched_future *held)
{
    struct wsched_options o = WSCHED_OPTIONS_INIT;
    struct wsched *pool = NULL;

    shared = kit_share(sizeof *shared);
    gate_make();
    o.workers = 1;
    REQUIRE_OK(wsched_open(&o, kernels, 3, &pool));
    *held = kit_submit(pool, "hold", NULL, 0);
    gate_arrival();
    return pool;
}

static void close_pool(struct wsched *pool)
{
    CHECK_EQ(wsched_verify(pool, NULL), 0);
    wsched_close(pool);
    gate_free();
    munmap(shared, sizeof *shared);
}

static struct wsched_future submit(struct wsched *pool, const char *kernel, int what,
                                   int32_t priority, const struct wsched_future *after)
{
    struct wsched_spec s = kit_spec(kernel, &what, sizeof what);
    struct wsched_future f = { 0 };

    s.priority = priority;
    s.after = after;
    s.after_count = after != NULL;
    REQUIRE_OK(wsched_submit(pool, &s, &f));
    return f;
}

static uint32_t place_of(uint32_t what)
{
    for (uint32_t i = 0; i < 1024; i++)
        if (au32_load_acquire(&shared->order[i]) == what)
            return i;
    return UINT32_MAX;
}

static void higher_ones_first(void)
{
    struct wsched_future held, f[30];
    struct wsched *pool = open_held(&held);
    struct wsched_spec s = kit_spec("note", NULL, 0);

    for (int i = 0; i < 30; i++)
        f[i] = submit(pool, "note", 100 + i, i % 3 - 1, NULL);
    s.priority = 2;
    CHECK_EQ(wsched_submit(pool, &s, &f[0]), -EINVAL);
    gate_open();
    CHECK_EQ(wsched_wait(pool, f, 30, 30, -1, NULL), 30);
    /* At most two may go out of turn. */
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < 30; i++) {
        uint32_t what = au32_load_acquire(&shared->order[i]) - 100;
        wrong += what % 3 != 2 - i / 10;
    }
    CHECK(wrong <= 4);
    CHECK(place_of(102) < place_of(105) && place_of(105) < place_of(108)); /* in order */
    close_pool(pool);
}

static void nobody_starves(void)
{
    enum { N = 400 };
    static struct wsched_future f[N];
    struct wsched_future held;
    struct wsched *pool = open_held(&held);
    struct wsched_future low = submit(pool, "note", 7, WSCHED_PRIORITY_LOW, NULL);
    struct wsched_future normal = submit(pool, "note", 8, WSCHED_PRIORITY_NORMAL, NULL);

    for (int i = 0; i < N; i++)
        f[i] = submit(pool, "note", 1000, WSCHED_PRIORITY_HIGH, NULL);
    gate_open();
    CHECK_EQ(wsched_wait(pool, f, N, N, -1, NULL), N);
    CHECK_EQ(kit_wait(pool, low), 0);
    CHECK_EQ(kit_wait(pool, normal), 0);
    CHECK(place_of(7) < 150 && place_of(8) < 150);
    close_pool(pool);
}

static void waiting_lends(void)
{
    enum { N = 40 };
    struct wsched_future held, f[N];
    struct wsched *pool = open_held(&held);
    struct wsched_future low = submit(pool, "note", 5, WSCHED_PRIORITY_LOW, NULL);

    for (int i = 0; i < N; i++)
        f[i] = submit(pool, "note", 1000, WSCHED_PRIORITY_NORMAL, NULL);
    struct wsched_future after = submit(pool, "note", 6, WSCHED_PRIORITY_HIGH, &low);
    struct wsched_future waiting = submit(pool, "waits", 2, WSCHED_PRIORITY_HIGH, NULL);
    gate_open();
    CHECK_EQ(kit_wait(pool, after), 0);
    CHECK_EQ(kit_wait(pool, waiting), 0);
    CHECK_EQ(wsched_wait(pool, f, N, N, -1, NULL), N);
    CHECK(place_of(5) < 5); /* a normal one may go out of turn */
    CHECK(place_of(6) < 6);
    CHECK(place_of(1) < 6 && place_of(2) < 7);
    close_pool(pool);
}

/* ---- the ring ---------------------------------------------------------------------------- */

#define ITEMS 20000u
static struct wsched *ring_pool;
static struct au32 *seen; /* by item */
static struct au32 stop_at, steps;

static void ring_step(const char *name)
{
    if (strncmp(name, "levels: ", 8) == 0 &&
        au32_add_relaxed(&steps, 1) + 1 == au32_load_relaxed(&stop_at))
        kill(getpid(), SIGKILL);
}

/* Items from..to through a ring of 64 cells, as one that pushes and pops. */
static void work(uint32_t from, uint32_t to)
{
    uint64_t future;

    for (uint32_t i = from; i < to;) {
        terms_at(ring_pool, i % 32)->level = LEVEL_HIGH;
        ring_pool->tasks[i % 32].kernel = KERNEL_TERMS;
        au32_store_relaxed(&ring_pool->header->lost, 0);
        level_push(ring_pool, future_make(i % 32, i));
        if (!au32_load_relaxed(&ring_pool->header->lost))
            i++;
        if (level_pop(ring_pool, LEVEL_HIGH, &future))
            au32_add_acq_rel(&seen[future_generation(future)], 1);
    }
    while (level_pop(ring_pool, LEVEL_HIGH, &future))
        au32_add_acq_rel(&seen[future_generation(future)], 1);
}

static void *work_as_thread(void *arg)
{
    uint32_t n = *(const uint32_t *)arg;
    uint64_t future;

    if (n == 0)
        work(0, ITEMS);
    else
        for (uint32_t i = 0; i < ITEMS; i++)
            if (level_pop(ring_pool, LEVEL_HIGH, &future))
                au32_add_acq_rel(&seen[future_generation(future)], 1);
    return NULL;
}

/* As much of a pool as a ring needs. */
static void *shared_memory(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    REQUIRE(p != MAP_FAILED);
    return p;
}

static void ring_begin(void)
{
    ring_pool = calloc(1, sizeof *ring_pool);
    REQUIRE(ring_pool != NULL);
    ring_pool->task_count = 32;
    ring_pool->level_capacity = 64;
    ring_pool->header = shared_memory(sizeof *ring_pool->header);
    ring_pool->terms = shared_memory(32 * sizeof *ring_pool->terms);
    ring_pool->tasks = shared_memory(32 * sizeof *ring_pool->tasks);
    ring_pool->level_cells = shared_memory(128 * sizeof *ring_pool->level_cells);
    seen = shared_memory(ITEMS * sizeof *seen);
    levels_begin(ring_pool);
}

static void ring_end(void)
{
    munmap(ring_pool->header, sizeof *ring_pool->header);
    munmap(ring_pool->terms, 32 * sizeof *ring_pool->terms);
    munmap(ring_pool->tasks, 32 * sizeof *ring_pool->tasks);
    munmap(ring_pool->level_cells, 128 * sizeof *ring_pool->level_cells);
    munmap(seen, ITEMS * sizeof *seen);
    free(ring_pool);
}

static void ring_of_threads(void)
{
    pthread_t t[3];
    uint32_t numbers[] = { 0, 1, 2 };

    ring_begin();
    for (int i = 0; i < 3; i++)
        REQUIRE(!pthread_create(&t[i], NULL, work_as_thread, &numbers[i]));
    for (int i = 0; i < 3; i++)
        pthread_join(t[i], NULL);
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < ITEMS; i++)
        wrong += au32_load_acquire(&seen[i]) != 1;
    CHECK_EQ(wrong, 0);
    ring_end();
}

/* A process dies at its k-th step in the ring; others go on, and miss what it had in hand only. */
static void ring_with_deaths(void)
{
    for (uint32_t k = 1; k <= 300; k++) {
        ring_begin();
        pid_t child = fork();
        if (child == 0) {
            au32_store_relaxed(&stop_at, k);
            test_point = ring_step;
            work(0, 200);
            _exit(0);
        }
        int status = 0;
        REQUIRE(waitpid(child, &status, 0) == child);
        CHECK(WIFSIGNALED(status));
        work(200, 600);
        uint32_t lost = 0, twice = 0;
        for (uint32_t i = 200; i < 600; i++)
            lost += au32_load_acquire(&seen[i]) == 0;
        for (uint32_t i = 0; i < 600; i++)
            twice += au32_load_acquire(&seen[i]) > 1;
        CHECK_EQ(lost, 0);
        CHECK_EQ(twice, 0);
        CHECK_EQ(level_size(ring_pool, LEVEL_HIGH), 0);
        ring_end();
    }
}

/* ---- damage ------------------------------------------------------------------------------------ */

static void push(uint32_t item)
{
    terms_at(ring_pool, item)->level = LEVEL_HIGH;
    ring_pool->tasks[item].kernel = KERNEL_TERMS;
    CHECK(level_push(ring_pool, future_make(item, 1)));
}

/* Whatever stands in the first cell, what is behind it is found, and the table looked at. */
static void a_cell_is_damaged(void)
{
    const uint64_t bad[] = { 0, 5ull << 50, 3ull << 50 | 77, UINT64_MAX };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint64_t future = 0;
        ring_begin();
        for (uint32_t k = 0; k < 3; k++)
            push(k);
        CHECK_EQ(au32_load_relaxed(&ring_pool->header->lost), 0);
        au64_store_relaxed(&ring_pool->level_cells[ring_pool->level_capacity], bad[i]);
        CHECK(level_pop(ring_pool, LEVEL_HIGH, &future) && future == future_make(1, 1));
        CHECK(level_pop(ring_pool, LEVEL_HIGH, &future) && future == future_make(2, 1));
        CHECK(!level_pop(ring_pool, LEVEL_HIGH, &future));
        CHECK_EQ(level_size(ring_pool, LEVEL_HIGH), 0);
        CHECK_EQ(au32_load_relaxed(&ring_pool->header->lost), 1);
        work(4, 400); /* it goes on */
        CHECK_EQ(level_size(ring_pool, LEVEL_HIGH), 0);
        ring_end();
    }
}

/* The tail says that there is something, the cells that there is nothing: nobody looks for ever. */
static void a_tail_is_damaged(void)
{
    for (uint64_t by = 1; by <= 70; by++) {
        uint64_t future, position;
        ring_begin();
        au64_store_relaxed(&ring_pool->header->level[1].tail, by);
        CHECK(by % 2 ? !level_pop(ring_pool, LEVEL_HIGH, &future)
                     : !level_peek(ring_pool, LEVEL_HIGH, &future, &position));
        CHECK_EQ(level_size(ring_pool, LEVEL_HIGH), 0);
        ring_end();
    }
}

/* The same in a pool: its worker sleeps, and works. */
static void damage_costs_no_time(void)
{
    struct wsched_future held;
    struct wsched *pool = open_held(&held);
    clockid_t clock;
    struct timespec before, after;

    struct wsched_future first = submit(pool, "note", 1, WSCHED_PRIORITY_HIGH, NULL);

    gate_open();
    CHECK_EQ(kit_wait(pool, first), 0);
    REQUIRE(!clock_getcpuclockid(kit_worker_pid(pool, 0), &clock));
    for (int i = 0; i < 2; i++)
        au64_add_acq_rel(&pool->header->level[i].tail, 9);
    struct wsched_future f = submit(pool, "note", 2, WSCHED_PRIORITY_NORMAL, NULL); /* wakes it */
    CHECK_EQ(kit_wait(pool, f), 0);
    nanosleep(&(struct timespec){ 0, 20000000 }, NULL);
    REQUIRE(!clock_gettime(clock, &before));
    nanosleep(&(struct timespec){ 0, 100000000 }, NULL);
    REQUIRE(!clock_gettime(clock, &after));
    CHECK((after.tv_sec - before.tv_sec) * 1000000000 + after.tv_nsec - before.tv_nsec < 20000000);
    f = submit(pool, "note", 3, WSCHED_PRIORITY_HIGH, NULL);
    CHECK_EQ(kit_wait(pool, f), 0);
    CHECK_EQ(kit_wait(pool, held), 0);
    close_pool(pool);
}

TESTS("wsched: priorities", { "higher ones start first, in order", higher_ones_first },
      { "nobody starves", nobody_starves }, { "who waits lends its level", waiting_lends },
      { "a ring under three threads", ring_of_threads },
      { "a ring in which a process dies at every step", ring_with_deaths },
      { "a cell is damaged", a_cell_is_damaged }, { "a tail is damaged", a_tail_is_damaged },
      { "damage costs no time", damage_costs_no_time })
