/* SPDX-License-Identifier: MIT */
/*
 * Waiting for several futures: whatever ends between two steps of a waiter on its way to sleep, it
 * is woken when it has what it needs. Tasks end when the test says so, at a named step.
 */
#define _GNU_SOURCE /* MAP_ANONYMOUS */
#include "kit.h"
#include "point.h"
#include "pool.h"

#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>

#define TASKS 3

static struct au32 *may_end; /* by task, shared with the workers */
static struct wsched *pool;
static struct wsched_future held[TASKS];
static const char *step; /* where `ends_first` ends */
static uint32_t ends_first, ends_last;
static bool all_end_first;
static struct au32 first_ended;

static int hold(struct wsched_task *task, void *ctx)
{
    const uint32_t *i = wsched_task_payload(task, NULL);

    (void)ctx;
    while (!au32_load_acquire(&may_end[*i]))
        sched_yield();
    return 0;
}

static const struct wsched_kernel kernels[] = { { "hold", hold, NULL } };

static bool is_over(uint32_t task)
{
    uint32_t index;
    uint64_t word;

    return future_look(pool, held[task].v, &index, &word) && (word & WORD_TOLD);
}

static void end_first(const char *name)
{
    if (pool->role != ROLE_DRIVER || strcmp(name, step) || au32_load_relaxed(&first_ended))
        return;
    for (uint32_t i = 0; i < TASKS; i++) {
        if (i != ends_first && !all_end_first)
            continue;
        au32_store_release(&may_end[i], 1);
        while (!is_over(i))
            sched_yield();
    }
    au32_store_release(&first_ended, 1);
}

/* The last one ends when the waiter has said that it sleeps, after the first one ended. */
static void *end_last(void *arg)
{
    bool sleeps = false;

    (void)arg;
    while (!au32_load_acquire(&first_ended) || !(sleeps || all_end_first)) {
        for (uint32_t i = 0; i < CLIENT_PARKS; i++)
            sleeps |= au32_load_acquire(&pool->header->client_park[i].word) != 0;
        sched_yield();
    }
    au32_store_release(&may_end[ends_last], 1);
    return NULL;
}

static void wait_while_they_end(const char *at, uint32_t first, uint32_t last)
{
    struct wsched_options o = WSCHED_OPTIONS_INIT;
    pthread_t thread;

    may_end = kit_share(sizeof *may_end);
    o.workers = TASKS;
    REQUIRE_OK(wsched_open(&o, kernels, 1, &pool));
    for (uint32_t i = 0; i < TASKS; i++)
        held[i] = kit_submit(pool, "hold", &i, sizeof i);
    for (uint32_t i = 0; i < TASKS; i++)
        if (i != first && i != last)
            au32_store_release(&may_end[i], 1);
    step = at;
    ends_first = first;
    ends_last = last;
    au32_store_relaxed(&first_ended, 0);
    test_point = end_first;
    REQUIRE(!pthread_create(&thread, NULL, end_last, NULL));
    CHECK_EQ(wsched_wait(pool, held, TASKS, TASKS, -1, NULL), TASKS);
    pthread_join(thread, NULL);
    test_point = NULL;
    for (uint32_t i = 0; i < TASKS; i++)
        wsched_release(pool, held[i]);
    wsched_close(pool);
    munmap(may_end, 4096);
}

static void all_orders(void)
{
    static const char *const steps[] = { "wait: counted, none marked",
                                         "wait: bit set, task not marked as waited for",
                                         "wait: marked, park word not set",
                                         "client: about to sleep" };
    for (size_t s = 0; s < sizeof steps / sizeof *steps; s++)
        for (uint32_t first = 0; first < TASKS; first++)
            for (uint32_t last = 0; last < TASKS; last++) {
                all_end_first = first == last;
                wait_while_they_end(steps[s], first, last);
            }
}

TESTS("wsched: wait", { "one ends while the waiter goes to sleep", all_orders })
