/* SPDX-License-Identifier: MIT */
/* Deadlines, and running again after errors. */
#define _GNU_SOURCE /* MAP_ANONYMOUS */
#include "kit.h"
#include "pool.h"

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>

static struct shared {
    struct au32 starts[8];
} * shared;

/* Payload: its number, then how many attempts fail; until it is asked to stop, if that is -1, or
 * until it is killed, if it is -2. */
static int act(struct wsched_task *task, void *ctx)
{
    const int *v = wsched_task_payload(task, NULL);
    long attempt = wsched_task_attempt(task);

    (void)ctx;
    au32_add_acq_rel(&shared->starts[v[0]], 1);
    while (v[1] == -2 || (v[1] == -1 && !wsched_task_cancelled(task)))
        sched_yield();
    if (v[1] < 0)
        return -ECANCELED;
    int err = wsched_task_result(task, &attempt, attempt == 1 ? sizeof attempt : 0);
    return attempt <= v[1] ? -EDOM : err;
}

static const struct wsched_kernel kernels[] = { { "act", act, NULL } };

static struct wsched *open_pool(void)
{
    struct wsched_options o = WSCHED_OPTIONS_INIT;
    struct wsched *pool = NULL;

    shared = kit_share(sizeof *shared);
    o.workers = 1;
    REQUIRE_OK(wsched_open(&o, kernels, 1, &pool));
    return pool;
}

static void close_pool(struct wsched *pool)
{
    CHECK_EQ(wsched_verify(pool, NULL), 0);
    wsched_close(pool);
    munmap(shared, sizeof *shared);
}

static struct wsched_future start(struct wsched *pool, int number, int what, uint32_t deadline_ms,
                                  uint32_t flags, const struct wsched_future *after)
{
    int v[] = { number, what };
    struct wsched_spec s = kit_spec("act", v, sizeof v);
    struct wsched_future f = { 0 };

    s.deadline_ms = deadline_ms;
    s.flags = flags;
    s.after = after;
    s.after_count = after != NULL;
    REQUIRE_OK(wsched_submit(pool, &s, &f));
    return f;
}

static void await_start(struct wsched *pool, uint32_t number)
{
    while (!au32_load_acquire(&shared->starts[number])) {
        (void)!supervisor_check(pool);
        sched_yield();
    }
}

static void fails_with(struct wsched *pool, struct wsched_future f, int error, const char *text)
{
    struct wsched_failure failure;

    CHECK_EQ(kit_wait(pool, f), error);
    REQUIRE_OK(wsched_failure(pool, f, &failure));
    CU_ASSERT_STRING_EQUAL(failure.text, text);
    CHECK_EQ(failure.error, error);
}

/* The only worker is busy all the time: none of these needs one. */
static void late_before_the_start(void)
{
    struct wsched *pool = open_pool();
    struct wsched_future busy = start(pool, 0, -1, 0, 0, NULL);
    await_start(pool, 0);
    struct wsched_future far = start(pool, 1, 0, 1000000, 0, NULL);
    struct wsched_future queued = start(pool, 1, 0, 20, 0, NULL);
    struct wsched_future blocked = start(pool, 1, 0, 5, 0, &busy);
    struct wsched_future child = start(pool, 1, 0, 0, 0, &blocked);

    fails_with(pool, queued, -ETIMEDOUT, "act had not started by its deadline");
    fails_with(pool, blocked, -ETIMEDOUT, "act had not started by its deadline");
    fails_with(pool, child, -ETIMEDOUT,
               "a task it depends on: act had not started by its deadline");
    CHECK_EQ(wsched_wait(pool, &far, 1, 1, 0, NULL), -ETIMEDOUT);
    REQUIRE_OK(wsched_cancel(pool, busy));
    CHECK_EQ(kit_wait(pool, far), 0);
    CHECK_EQ(kit_wait(pool, busy), -ECANCELED);
    CHECK_EQ(au32_load_acquire(&shared->starts[1]), 1);
    close_pool(pool);
}

static void late_while_it_runs(void)
{
    struct wsched *pool = open_pool();

    fails_with(pool, start(pool, 0, -1, 10, 0, NULL), -ETIMEDOUT,
               "act was stopped at its deadline");
    fails_with(pool, start(pool, 1, -2, 10, WSCHED_KILL_LATE, NULL), -ETIMEDOUT,
               "act did not stop at its deadline and was killed");
    CHECK_EQ(au32_load_acquire(&shared->starts[1]), 1); /* late is late: it does not run again */
    struct wsched_future f = start(pool, 2, -1, 1000000, 0, NULL);
    await_start(pool, 2);
    REQUIRE_OK(wsched_cancel(pool, f));
    fails_with(pool, f, -ECANCELED, "act was cancelled");
    close_pool(pool);
}

/* A supervisor that is killed leaves its clock to the next one. */
static void deadlines_survive_the_supervisor(void)
{
    struct wsched *pool = open_pool();
    struct wsched_future f = start(pool, 0, -1, 300, 0, NULL), g = start(pool, 1, 0, 200, 0, NULL);

    await_start(pool, 0);
    REQUIRE(!kill(pool->supervisor, SIGKILL));
    CHECK_EQ(kit_wait(pool, g), -ETIMEDOUT); /* the other runs again */
    CHECK_EQ(kit_wait(pool, f), -ETIMEDOUT);
    CHECK_EQ(au32_load_acquire(&shared->starts[1]), 0);
    close_pool(pool);
}

/* Thousands of times, most of which are over before they are due. */
static void many_deadlines(void)
{
    enum { N = 5000 };
    static struct wsched_future f[N];
    struct wsched *pool = open_pool();
    uint64_t random = test_seed;

    for (int i = 0; i < N; i++)
        f[i] = start(pool, 0, 0, 1 + (uint32_t)(test_random(&random) % 300), 0, NULL);
    for (int i = 0; i < N; i++) {
        int err = kit_wait(pool, f[i]);
        CHECK(err == 0 || err == -ETIMEDOUT);
        wsched_release(pool, f[i]);
    }
    fails_with(pool, start(pool, 1, -1, 5, 0, NULL), -ETIMEDOUT, "act was stopped at its deadline");
    close_pool(pool);
}

static void errors_are_retried(void)
{
    struct wsched *pool = open_pool();
    struct wsched_stats stats;
    struct wsched_future f = start(pool, 0, 2, 0, WSCHED_RETRY_ERRORS, NULL);
    size_t size = 77;

    CHECK_EQ(kit_wait(pool, f), 0);
    REQUIRE_OK(wsched_result(pool, f, NULL, 0, &size));
    CHECK_EQ(size, 0); /* what the first attempt set is not the third one's */
    CHECK_EQ(au32_load_acquire(&shared->starts[0]), 3);
    fails_with(pool, start(pool, 1, 9, 0, WSCHED_RETRY_ERRORS, NULL), -EDOM,
               "act failed: Numerical argument out of domain, attempt 4 of 4");
    CHECK_EQ(au32_load_acquire(&shared->starts[1]), 4);
    fails_with(pool, start(pool, 2, 9, 0, 0, NULL), -EDOM,
               "act failed: Numerical argument out of domain");
    CHECK_EQ(au32_load_acquire(&shared->starts[2]), 1);
    int v[] = { 3, 9 };
    struct wsched_spec s = kit_spec("act", v, sizeof v);
    s.max_retries = -1;
    s.flags = WSCHED_RETRY_ERRORS;
    REQUIRE_OK(wsched_submit(pool, &s, &f));
    CHECK_EQ(kit_wait(pool, f), -EDOM);
    CHECK_EQ(au32_load_acquire(&shared->starts[3]), 1);
    REQUIRE_OK(wsched_stats(pool, &stats));
    CHECK_EQ(stats.retried, 2 + 3);
    s.deadline_ms = 1u << 31;
    CHECK_EQ(wsched_submit(pool, &s, &f), -EINVAL);
    close_pool(pool);
}

TESTS("wsched: terms",
      { "a task that has not started by its deadline fails", late_before_the_start },
      { "one that runs is stopped, by force if asked", late_while_it_runs },
      { "deadlines survive the supervisor", deadlines_survive_the_supervisor },
      { "many deadlines", many_deadlines }, { "errors are retried if asked", errors_are_retried })
