/* SPDX-License-Identifier: MIT */
/* errors_streams.c -- the errors of yielding and of taking. */
#include "errors.h"

#include <sys/resource.h>

static int yields_on(struct wsched_task *task, uint64_t arg)
{
    int err;

    (void)arg;
    while (!(err = wsched_yield(task, "", 1)))
        ;
    return err;
}

static struct wsched_future endless(void)
{
    struct wsched_future f = given_submit(yields_on, 0, 4);

    given_await_start();
    return f;
}

static int yield_when_cancelled(void)
{
    struct wsched_future f = endless();

    REQUIRE_OK(wsched_cancel(given.pool, f));
    int err = given_await_error();
    wsched_release(given.pool, f);
    return err;
}
static int yield_for_nobody(void)
{
    wsched_release(given.pool, endless());
    return given_await_error();
}
static int yield_when_closed(void)
{
    (void)endless();
    (void)given_closed();
    return given_await_error();
}

static int yields_too_much(struct wsched_task *task, uint64_t arg)
{
    static const char big[RESULT_MAX + 1];

    (void)arg;
    return wsched_yield(task, big, sizeof big);
}
static int yield_too_big(void)
{
    CHECK_EQ(given_end(given_submit(yields_too_much, 0, 4)), 0);
    return given.shared->error;
}

static int yields_with_jobs(struct wsched_task *task, uint64_t arg)
{
    char byte[1] = { 0 };
    struct wsched_fork *w = wsched_spawn(wsched_task_fork(task), given_job, byte, 1);
    int err = wsched_yield(task, "", 1);

    (void)arg;
    wsched_sync(w);
    return err;
}
static int yield_with_jobs(void)
{
    CHECK_EQ(given_end(given_submit(yields_with_jobs, 0, 4)), 0);
    return given.shared->error;
}
static int fills_memory(struct wsched_task *task, uint64_t arg)
{
    (void)task;
    (void)arg;
    given_limit(RLIMIT_AS); /* stacks are mapped */
    return 0;
}
static int yield_without_stack(void)
{
    CHECK_EQ(given_end(given_submit(fills_memory, 0, 0)), 0);
    struct wsched_future f = endless();
    int err = given_await_error();
    wsched_release(given.pool, f);
    return err;
}
static int yield_in_no_stream(void)
{
    return given_inside(yields_on, 0);
}

/* ---- taking --------------------------------------------------------------------------------- */

static int yields_long(struct wsched_task *task, uint64_t arg)
{
    return wsched_yield(task, &arg, sizeof arg);
}
static int next_too_long(void)
{
    struct wsched_future f = given_submit(yields_long, 77, 4);
    uint64_t item = 0;
    size_t size = 5;
    int err = wsched_next(given.pool, f, &item, sizeof item - 1, &size, -1);

    CHECK_EQ(size, 5);
    CHECK_EQ(wsched_next(given.pool, f, &item, sizeof item, &size, -1), 1); /* it has stayed */
    CHECK_EQ(item, 77);
    CHECK_EQ(given_end(f), 0);
    return err;
}
static int next_of_none(void)
{
    char item;

    CHECK_EQ(wsched_next(given.pool, given.none, &item, 1, NULL, 0), -EINVAL);
    return wsched_next(given.pool, given.over, &item, 1, NULL, 0);
}

/* A stream that does not start: the only worker runs another task. */
static struct wsched_future behind_another(struct wsched *who, const char *other)
{
    const struct given_call call = { yields_long, 77 };
    struct wsched_spec s = given_spec(&call);
    struct wsched_future f = { 0 };

    wsched_release(who, kit_submit(who, other, NULL, 0));
    gate_arrival();
    s.stream = 4;
    REQUIRE_OK(wsched_submit(who, &s, &f));
    return f;
}
static int next_late(void)
{
    struct wsched_future f = behind_another(given.pool, "wait");
    char item[8];

    CHECK_EQ(wsched_next(given.pool, f, item, sizeof item, NULL, -2), -EINVAL);
    CHECK_EQ(wsched_next(given.pool, f, item, sizeof item, NULL, 0), -ETIMEDOUT);
    int err = wsched_next(given.pool, f, item, sizeof item, NULL, 1);
    gate_open();
    CHECK_EQ(wsched_next(given.pool, f, item, sizeof item, NULL, -1), 1);
    CHECK_EQ(given_end(f), 0);
    return err;
}
static int next_when_closed(void)
{
    struct wsched_future f = behind_another(given.guest, "cancelled");
    char item[8];

    return wsched_next(given_closed(), f, item, sizeof item, NULL, -1);
}

static int takes_from(struct wsched_task *task, uint64_t future)
{
    const struct wsched_future f = { future };
    char item[8];

    return wsched_next(wsched_task_pool(task), f, item, sizeof item, NULL, -1);
}
static int never_yields(struct wsched_task *task, uint64_t arg)
{
    (void)arg;
    while (!wsched_task_cancelled(task))
        ;
    return 0;
}
static int next_of_older(void)
{
    given_open(2, NULL);
    struct wsched_future f = given_submit(never_yields, 0, 4);
    given_await_start();
    CHECK_EQ(given_end(given_submit(takes_from, f.v, 0)), 0);
    int err = given.shared->error;
    REQUIRE_OK(wsched_cancel(given.pool, f));
    CHECK_EQ(given_end(f), 0);
    return err;
}

const struct error_row errors_streams[] = {
    { "wsched_yield", ECANCELED, yield_when_cancelled },
    { "wsched_yield", EPIPE, yield_for_nobody },
    { "wsched_yield", E2BIG, yield_too_big },
    { "wsched_yield", EPERM, yield_with_jobs },
    { "wsched_yield", ENOMEM, yield_without_stack },
    { "wsched_yield", EINVAL, yield_in_no_stream },
    { "wsched_yield", ESHUTDOWN, yield_when_closed },
    { "wsched_next", EMSGSIZE, next_too_long },
    { "wsched_next", EINVAL, next_of_none },
    { "wsched_next", ETIMEDOUT, next_late },
    { "wsched_next", ESHUTDOWN, next_when_closed },
    { "wsched_next", EDEADLK, next_of_older },
    { NULL, 0, NULL },
};
