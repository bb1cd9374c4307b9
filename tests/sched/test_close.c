/* SPDX-License-Identifier: MIT */
/* Closing a pool while its workers are at something. */
#define _GNU_SOURCE
#include "kit.h"
#include "pool.h"

#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

static struct shared {
    struct au32 stolen, synced;
    struct au64 used_ns; /* CPU time of who waited for its thief */
} * shared;

struct lasting {
    int32_t spawner;
};

/* In a thief: goes on for a while after the pool was closed. */
static void lasts(struct wsched_fork *w, void *args)
{
    const struct lasting *job = args;

    if (job->spawner == (int32_t)getpid())
        return; /* nobody has stolen it */
    au32_store_release(&shared->stolen, 1);
    while (!wsched_fork_cancelled(w))
        sched_yield();
    nanosleep(&(struct timespec){ 0, 400000000 }, NULL);
}

static int64_t cpu_ns(void)
{
    return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

static int spawns(struct wsched_task *task, void *ctx)
{
    struct lasting job = { (int32_t)getpid() };
    struct wsched_fork *w = wsched_spawn(wsched_task_fork(task), lasts, &job, sizeof job);

    (void)ctx;
    while (!au32_load_acquire(&shared->stolen)) {
        w = wsched_spawn(w, lasts, &job, sizeof job); /* looks whether somebody wants one */
        w = wsched_sync(w);
        sched_yield();
    }
    while (!wsched_task_cancelled(task))
        sched_yield();
    int64_t before = cpu_ns();
    wsched_sync(w);
    au64_store_release(&shared->used_ns, (uint64_t)(cpu_ns() - before));
    au32_store_release(&shared->synced, 1);
    return 0;
}

static const struct wsched_kernel kernels[] = { { "spawns", spawns, NULL },
                                                WSCHED_JOB("lasts", lasts) };

/* Who waits for a thief sleeps until that is done, and comes to its end as anybody. */
static void waits_for_its_thief_asleep(void)
{
    struct wsched_options o = WSCHED_OPTIONS_INIT;

    shared = kit_share(sizeof *shared);
    o.workers = 2;
    struct wsched *pool = kit_open_with(&o, kernels, sizeof kernels / sizeof *kernels);
    kit_submit(pool, "spawns", NULL, 0);
    while (!au32_load_acquire(&shared->stolen))
        sched_yield();
    wsched_close(pool);
    CHECK_EQ(au32_load_acquire(&shared->synced), 1);
    CHECK(au64_load_acquire(&shared->used_ns) < 60000000);
    munmap(shared, sizeof *shared);
}

TESTS("wsched: closing a pool", { "who waits for its thief sleeps", waits_for_its_thief_asleep })
