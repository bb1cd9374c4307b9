/* SPDX-License-Identifier: MIT */
/* errors_jobs.c -- the errors of fork and join inside a kernel. */
#include "errors.h"

static void unknown(struct wsched_fork *w, void *args)
{
    (void)w;
    (void)args;
}

static int job_too_big(void)
{
    static char big[WSCHED_JOB_MAX + 1];

    CHECK_EQ(given_end(kit_submit(given.pool, "job", big, RESULT_MAX + 1)), -E2BIG);
    return given_end(kit_submit(given.pool, "job", big, sizeof big));
}

static int waits(struct wsched *pool)
{
    return wsched_wait(pool, NULL, 0, 0, 0, NULL);
}
static int wait_in_job(void)
{
    return given_in_thief(waits);
}

static int forgets(struct wsched_task *task, uint64_t arg)
{
    static char byte[1];

    (void)arg;
    return wsched_spawn(wsched_task_fork(task), given_job, byte, 1) ? 0 : -EFAULT;
}
static int sync_forgotten(void)
{
    return given_end(given_submit(forgets, 0, 0));
}

enum wrong { BACKWARDS, COARSE, SMALL, BIG, UNKNOWN_BODY, UNKNOWN_JOIN };

static void join(void *into, const void *from)
{
    (void)into;
    (void)from;
}
static int loops(struct wsched_task *task, uint64_t wrong)
{
    struct {
        struct wsched_range range;
        char more[WSCHED_RANGE_MAX];
    } args = { { 3, 4, 0 }, "" };
    size_t size = sizeof args.range;

    if (wrong == BACKWARDS)
        args.range.begin = 5;
    if (wrong == COARSE)
        args.range.grain = 1ull << 32;
    size = wrong == SMALL ? size - 1 : wrong == BIG ? WSCHED_RANGE_MAX + 1 : size;
    return wsched_parallel_for(wsched_task_fork(task), wrong == UNKNOWN_BODY ? unknown : given_job,
                               &args, size, wrong == UNKNOWN_JOIN ? join : NULL);
}
static int loop_backwards(void)
{
    return given_inside(loops, BACKWARDS);
}
static int loop_too_coarse(void)
{
    return given_inside(loops, COARSE);
}
static int loop_too_small(void)
{
    return given_inside(loops, SMALL);
}
static int loop_too_big(void)
{
    return given_inside(loops, BIG);
}
static int loop_of_unknown(void)
{
    return given_inside(loops, UNKNOWN_BODY);
}
static int loop_with_unknown_join(void)
{
    return given_inside(loops, UNKNOWN_JOIN);
}

const struct error_row errors_jobs[] = {
    { "struct wsched_fork", E2BIG, job_too_big },
    { "struct wsched_fork", EPERM, wait_in_job },
    { "wsched_sync", EPROTO, sync_forgotten },
    { "wsched_parallel_for", EINVAL, loop_backwards },
    { "wsched_parallel_for", EINVAL, loop_too_coarse },
    { "wsched_parallel_for", EINVAL, loop_too_small },
    { "wsched_parallel_for", E2BIG, loop_too_big },
    { "wsched_parallel_for", ENOENT, loop_of_unknown },
    { "wsched_parallel_for", ENOENT, loop_with_unknown_join },
    { NULL, 0, NULL },
};
