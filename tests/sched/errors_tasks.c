/* SPDX-License-Identifier: MIT */
/* errors_tasks.c -- the errors of submitting, waiting, and sets. */
#define _GNU_SOURCE
#include "errors.h"

#include <sys/resource.h>

static struct wsched_future f;

static int submit(struct wsched *pool, struct wsched_spec s)
{
    struct wsched_future untouched = { 42 };
    int err = wsched_submit(pool, &s, &untouched);

    CHECK(err >= 0 || untouched.v == 42);
    return err;
}

static int submit_unknown(void)
{
    CHECK_EQ(submit(given.pool, kit_spec(NULL, NULL, 0)), -ENOENT);
    return submit(given.pool, kit_spec("no such kernel", NULL, 0));
}
static int submit_too_big(void)
{
    static char big[PAYLOAD_MAX + 1];

    return submit(given.pool, kit_spec("add", big, sizeof big));
}
static int submit_after_none(void)
{
    struct wsched_spec s = kit_spec("add", NULL, 0);

    s.after = &given.none;
    s.after_count = 1;
    return submit(given.pool, s);
}
static int submit_bad_value(void)
{
    struct wsched_spec s = kit_spec("add", NULL, 0);

    s.max_retries = -2;
    CHECK_EQ(submit(given.pool, s), -EINVAL);
    s.max_retries = WSCHED_RETRIES_MAX + 1;
    CHECK_EQ(submit(given.pool, s), -EINVAL);
    s.max_retries = INT32_MAX;
    return submit(given.pool, s);
}
static int submit_too_much(void)
{
    const struct wsched_resource three = { "gpu", 3 };
    struct wsched_options o = WSCHED_OPTIONS_INIT;
    struct wsched_spec s = kit_spec("nothing", NULL, 0);

    o.resource_count = 1;
    o.resources = &(const struct wsched_resource){ "gpu", 2 };
    given_open(1, &o);
    s.resource_count = 1;
    s.resources = &three;
    return submit(given.pool, s);
}

/* Until the pool takes no more. */
static int submit_when_full(void)
{
    struct wsched_future all[200];
    struct wsched_spec s = kit_spec("nothing", NULL, 0);
    int n = 0, err = 0;

    s.flags = WSCHED_NO_WAIT;
    while (n < 200 && !(err = wsched_submit(given.pool, &s, &all[n])))
        n++;
    CHECK(n >= 15); /* and given.over */
    wsched_release_many(given.pool, all, (size_t)n);
    return err;
}

static int fill(struct wsched_task *task, uint64_t arg)
{
    struct wsched *pool = wsched_task_pool(task);
    struct wsched_spec s = kit_spec("nothing", NULL, 0);
    struct wsched_future all[200];
    int n = 0, err = 0;

    (void)arg;
    while (n < 200 && !(err = wsched_submit(pool, &s, &all[n])))
        n++;
    wsched_release_many(pool, all, (size_t)n);
    return err;
}
static int submit_when_full_inside(void)
{
    return given_inside(fill, 0);
}

static int submit_when_closed(void)
{
    return submit(given_closed(), kit_spec("nothing", NULL, 0));
}

static int never_starts(void *ctx)
{
    (void)ctx;
    return 1;
}

/* No worker of the pool can start; its driver's calls say so when that is known. */
static int submit_when_broken(void)
{
    struct wsched_options o = WSCHED_OPTIONS_INIT;
    struct wsched_spec s = kit_spec("nothing", NULL, 0);
    struct wsched *broken;
    int err;

    o.workers = 1;
    o.worker_start = never_starts;
    REQUIRE_OK(wsched_open(&o, given_kernels, given_kernel_count, &broken));
    do {
        err = wsched_submit(broken, &s, &f);
        if (!err)
            err = wsched_wait(broken, &f, 1, 1, 1, NULL);
        wsched_release(broken, f);
    } while (err == -ETIMEDOUT);
    CHECK_EQ(wsched_submit(broken, &s, &f), err);
    wsched_close(broken);
    return err;
}

static int submits(struct wsched *pool)
{
    struct wsched_spec s = kit_spec("nothing", NULL, 0);
    struct wsched_future g;

    return wsched_submit(pool, &s, &g);
}
static int submit_in_job(void)
{
    return given_in_thief(submits);
}

static int runs_late(void)
{
    struct wsched_spec s = kit_spec("nothing", NULL, 0);
    struct wsched_future busy = kit_submit(given.pool, "wait", NULL, 0);

    gate_arrival();
    s.deadline_ms = 1;
    REQUIRE_OK(wsched_submit(given.pool, &s, &f));
    int err = given_end(f);
    gate_open();
    CHECK_EQ(given_end(busy), 0);
    return err;
}

/* ---- waiting -------------------------------------------------------------------------------- */

static int wait_late(void)
{
    bool done[2] = { false, true };
    struct wsched_future both[] = { given.over, kit_submit(given.pool, "wait", NULL, 0) };

    CHECK_EQ(wsched_wait(given.pool, both, 2, 2, 0, NULL), -ETIMEDOUT);
    int err = wsched_wait(given.pool, both, 2, 2, 1, done);
    CHECK(done[0] && !done[1]);
    gate_open();
    CHECK_EQ(given_end(both[1]), 0);
    return err;
}
static int wait_for_none(void)
{
    return wsched_wait(given.pool, &given.none, 1, 1, 0, NULL);
}
static int wait_for_too_many(void)
{
    return wsched_wait(given.pool, &given.over, 1, 2, 0, NULL);
}

static int waits_for(struct wsched_task *task, uint64_t future)
{
    return wsched_wait(wsched_task_pool(task), &(struct wsched_future){ future }, 1, 1, -1, NULL);
}
static int wait_for_older(void)
{
    given_open(2, NULL);
    struct wsched_future older = kit_submit(given.pool, "wait", NULL, 0);
    gate_arrival();
    int err = given_inside(waits_for, older.v);
    gate_open();
    CHECK_EQ(given_end(older), 0);
    return err;
}
static int wait_too_deep(void)
{
    struct wsched *pool = kit_open(1, 0);
    int depth = 1100, err = kit_wait(pool, kit_submit(pool, "chain", &depth, sizeof depth));

    wsched_close(pool);
    return err;
}

/* A task that nothing starts any more: the only worker runs another until the pool is closed. */
static struct wsched_future behind_another(void)
{
    kit_submit(given.guest, "cancelled", NULL, 0);
    gate_arrival();
    return kit_submit(given.guest, "nothing", NULL, 0);
}
static int wait_when_closed(void)
{
    f = behind_another();
    return wsched_wait(given_closed(), &f, 1, 1, -1, NULL);
}

/* ---- sets ----------------------------------------------------------------------------------- */

static struct wsched_set *set;

static int set_add_none(void)
{
    REQUIRE_OK(wsched_set_new(given.pool, &set));
    int err = wsched_set_add(set, &given.none, 1);
    CHECK_EQ(wsched_set_size(set), 0);
    wsched_set_free(set);
    return err;
}
static int set_wait_nowhere(void)
{
    REQUIRE_OK(wsched_set_new(given.pool, &set));
    CHECK_EQ(wsched_set_wait(set, 0, &f, 0), -EINVAL);
    int err = wsched_set_wait(set, 0, NULL, 1);
    wsched_set_free(set);
    return err;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CAN_FAIL false /* the sanitizer has its own malloc, and ends a program for which it has nothing */
#else
#define CAN_FAIL true
#endif

static void no_more_memory(void)
{
    given_limit(RLIMIT_AS);
    errors_use_up_memory();
}

/* In a child that is a guest of its own. */
static int set_new_without_memory(void)
{
    struct wsched *guest;

    CHILD_CHECK(!wsched_join(given.name, NULL, 0, NULL, &guest));
    no_more_memory();
    return wsched_set_new(guest, &set);
}
static int set_new_no_memory(void)
{
    return CAN_FAIL ? given_in_child(set_new_without_memory) : ERRORS_NOT_HERE;
}

static int set_add_without_memory(void)
{
    enum { MANY = 1 << 20 };
    static struct wsched_future many[MANY];
    struct wsched_spec s = kit_spec("nothing", NULL, 0);
    struct wsched *guest;

    CHILD_CHECK(!wsched_join(given.name, NULL, 0, NULL, &guest));
    CHILD_CHECK(!wsched_submit(guest, &s, &f) && !wsched_set_new(guest, &set));
    for (int i = 0; i < MANY; i++)
        many[i] = f;
    no_more_memory();
    int err = wsched_set_add(set, many, MANY);
    CHILD_CHECK(wsched_set_size(set) == 0);
    return err;
}
static int set_add_no_memory(void)
{
    return CAN_FAIL ? given_in_child(set_add_without_memory) : ERRORS_NOT_HERE;
}

const struct error_row errors_tasks[] = {
    { "wsched_submit", ENOENT, submit_unknown },
    { "wsched_submit", E2BIG, submit_too_big },
    { "wsched_submit", EINVAL, submit_after_none },
    { "wsched_submit", EINVAL, submit_bad_value },
    { "struct wsched_spec", EINVAL, submit_too_much },
    { "struct wsched_spec", ETIMEDOUT, runs_late },
    { "enum wsched_submit_flag", EAGAIN, submit_when_full },
    { "wsched_submit", EAGAIN, submit_when_full },
    { "wsched_submit", EAGAIN, submit_when_full_inside },
    { "wsched_submit", ESHUTDOWN, submit_when_closed },
    { "wsched_submit", ESHUTDOWN, submit_when_broken },
    { "wsched_submit", EPERM, submit_in_job },
    { "wsched_wait", ETIMEDOUT, wait_late },
    { "wsched_wait", EINVAL, wait_for_none },
    { "wsched_wait", EINVAL, wait_for_too_many },
    { "wsched_wait", EDEADLK, wait_for_older },
    { "wsched_wait", EDEADLK, wait_too_deep },
    { "wsched_wait", ESHUTDOWN, wait_when_closed },
    { "struct wsched_set", ENOMEM, set_new_no_memory },
    { "wsched_set_add", EINVAL, set_add_none },
    { "wsched_set_add", ENOMEM, set_add_no_memory },
    { "wsched_set_wait", EINVAL, set_wait_nowhere },
    { NULL, 0, NULL },
};
