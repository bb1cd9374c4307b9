/* SPDX-License-Identifier: MIT */
/* errors_ends.c -- the errors of results, failures, cancelling and killing. */
#define _GNU_SOURCE
#include "errors.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>

static int result(struct wsched_future f)
{
    size_t size = 77;
    long untouched = 78;
    int err = wsched_result(given.pool, f, &untouched, sizeof untouched, &size);

    CHECK(err == 0 || (size == 77 && untouched == 78));
    return err;
}

static int result_not_done(void)
{
    struct wsched_future f = kit_submit(given.pool, "wait", NULL, 0);
    int err = result(f);

    gate_open();
    CHECK_EQ(given_end(f), 0);
    return err;
}

/* Its kernel sees it, and says so. */
static int result_cancelled(void)
{
    struct wsched_future f = kit_submit(given.pool, "cancelled", NULL, 0);

    gate_arrival();
    REQUIRE_OK(wsched_cancel(given.pool, f));
    CHECK_EQ(kit_wait(given.pool, f), -ECANCELED);
    int err = result(f);
    wsched_release(given.pool, f);
    return err;
}

static int result_of_none(void)
{
    return result(given.none);
}

static int result_of_dead(void)
{
    const int always[] = { SIGKILL, 100 };
    struct wsched_future f = kit_submit(given.pool, "die", always, sizeof always);

    CHECK_EQ(wsched_wait(given.pool, &f, 1, 1, -1, NULL), 1);
    int err = result(f);
    wsched_release(given.pool, f);
    return err;
}

#define LIMIT ((size_t)32 << 20)

/* Twice its limit, which the kernel writes: a sanitizer keeps no books on that. */
static int takes_too_much(struct wsched_task *task, uint64_t arg)
{
    char *m = mmap(NULL, 2 * LIMIT, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);

    (void)arg;
    for (size_t done = 0; done < 2 * LIMIT;) {
        long n = syscall(SYS_read, fd, m + done, 2 * LIMIT - done);
        if (m == MAP_FAILED || n <= 0)
            return -EIO;
        done += (size_t)n;
    }
    while (!wsched_task_cancelled(task)) /* it is looked at as it uses the CPU */
        ;
    return 0;
}

static int result_over_memory(void)
{
    struct wsched_options o = WSCHED_OPTIONS_INIT;

    o.worker_memory_max = LIMIT;
    given_open(1, &o);
    return given_end(given_submit(takes_too_much, 0, 0));
}

static int result_late(void)
{
    struct wsched_spec s = kit_spec("cancelled", NULL, 0);
    struct wsched_future f;

    s.deadline_ms = 10;
    REQUIRE_OK(wsched_submit(given.pool, &s, &f));
    return given_end(f);
}

static int failure_of_done(void)
{
    struct wsched_failure why;

    return wsched_failure(given.pool, given.over, &why);
}

static int cancel_done(void)
{
    return wsched_cancel(given.pool, given.over);
}
static int cancel_none(void)
{
    return wsched_cancel(given.pool, given.none);
}
static int kill_done(void)
{
    return wsched_kill(given.pool, given.over, 0);
}
static int kill_none(void)
{
    return wsched_kill(given.pool, given.none, 0);
}
static int kill_before_now(void)
{
    struct wsched_future f = kit_submit(given.pool, "wait", NULL, 0);
    int err = wsched_kill(given.pool, f, -1);

    gate_open();
    CHECK_EQ(given_end(f), 0);
    return err;
}

static int returns_too_much(struct wsched_task *task, uint64_t arg)
{
    static const char big[RESULT_MAX + 1];

    (void)arg;
    return wsched_task_result(task, big, sizeof big);
}
static int result_too_big(void)
{
    return given_inside(returns_too_much, 0);
}

/* Any call on the handle of another process. */
static int calls_on_our_handle(void)
{
    struct wsched_spec s = kit_spec("nothing", NULL, 0);
    struct wsched_future f;
    struct wsched_stats stats;

    CHILD_CHECK(wsched_submit(given.pool, &s, &f) == -ECHILD);
    CHILD_CHECK(wsched_submit(given.guest, &s, &f) == -ECHILD);
    CHILD_CHECK(wsched_stats(given.look, &stats) == -ECHILD);
    return wsched_wait(given.pool, &given.over, 1, 1, 0, NULL);
}
static int call_in_child(void)
{
    return given_in_child(calls_on_our_handle);
}

/* Every call that takes a timeout, of what is over. */
static int before_now(void)
{
    const int timeouts[] = { -2, -1000, INT_MIN };
    struct wsched_set *set = NULL;
    struct wsched_future f;
    char item;
    int same = -EINVAL;

    REQUIRE_OK(wsched_set_new(given.pool, &set));
    REQUIRE_OK(wsched_set_add(set, &given.over, 1));
    for (size_t i = 0; i < sizeof timeouts / sizeof *timeouts; i++) {
        const int t = timeouts[i];
        bool done = false;
        const int said[] = {
            wsched_wait(given.pool, &given.over, 1, 1, t, &done),
            wsched_set_wait(set, t, &f, 1),
            wsched_next(given.pool, given.over, &item, 1, NULL, t),
            wsched_work(given.guest, t),
        };
        for (size_t k = 0; k < sizeof said / sizeof *said; k++) {
            CHECK_EQ(said[k], -EINVAL);
            same = said[k] == -EINVAL ? same : 0;
        }
        CHECK(!done);
    }
    CHECK_EQ(wsched_set_size(set), 1);
    wsched_set_free(set);
    return same;
}

const struct error_row errors_ends[] = {
    { "every call", EINVAL, before_now },
    { "every call", ECHILD, call_in_child },
    { "every call", ECANCELED, result_cancelled },
    { "wsched_result", EINPROGRESS, result_not_done },
    { "wsched_result", ECANCELED, result_cancelled },
    { "wsched_result", EINVAL, result_of_none },
    { "wsched_result", EOWNERDEAD, result_of_dead },
    { "wsched_result", ENOMEM, result_over_memory },
    { "struct wsched_options", ENOMEM, result_over_memory },
    { "wsched_result", ETIMEDOUT, result_late },
    { "wsched_failure", ENOENT, failure_of_done },
    { "wsched_cancel", EALREADY, cancel_done },
    { "wsched_cancel", EINVAL, cancel_none },
    { "wsched_kill", EALREADY, kill_done },
    { "wsched_kill", EINVAL, kill_none },
    { "wsched_kill", EINVAL, kill_before_now },
    { "wsched_task_result", E2BIG, result_too_big },
    { NULL, 0, NULL },
};
