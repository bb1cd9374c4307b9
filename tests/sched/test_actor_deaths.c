/* SPDX-License-Identifier: MIT */
/*
 * Actors that die, or whose calls fail: restarts and retries; what goes with them, and with whom
 * they go.
 */
#include "actor_kit.h"
#include "pool.h"

#include <signal.h>

/* ---- kernels ------------------------------------------------------------------------------- */

static int counter_fails(struct wsched_task *task, void *ctx)
{
    (void)ctx;
    return wsched_task_result(task, "", 0) == -EINVAL ? -ENXIO : 0; /* it has no result */
}

static int counter_dies(struct wsched_task *task, void *ctx)
{
    (void)ctx;
    (void)task;
    kill(getpid(), SIGKILL);
    return 0;
}

/* Makes an actor that goes with this process, then dies at the gate's opening. */
static int maker(struct wsched_task *task, void *ctx)
{
    const long *flags = wsched_task_payload(task, NULL);
    struct wsched_actor_spec s = { .name = "child",
                                   .constructor = "c_new",
                                   .flags = (uint32_t)*flags };
    struct wsched_actor actor;
    int err = wsched_actor_new(wsched_task_pool(task), &s, &actor);
    pid_t me = getpid();
    char byte;

    (void)ctx;
    if (err)
        return err;
    if (write(gate.arrived[1], &me, sizeof me) != sizeof me || read(gate.opened[0], &byte, 1) != 1)
        return -EIO;
    kill(getpid(), SIGKILL);
    return 0;
}

static int fails_twice(struct wsched_task *task, void *ctx)
{
    long attempt = wsched_task_attempt(task);

    (void)ctx;
    return attempt < 3 ? -EIO : wsched_task_result(task, &attempt, sizeof attempt);
}

static int leaves_futures(struct wsched_task *task, void *ctx)
{
    struct wsched *p = wsched_task_pool(task);
    struct wsched_spec s = kit_spec("nothing", NULL, 0);
    struct wsched_future f[3];
    int err = 0;

    (void)ctx;
    for (int i = 0; i < 3 && !err; i++)
        err = wsched_submit(p, &s, &f[i]);
    return err ? err : wsched_task_result(task, f, sizeof f);
}

static void open_pool(uint32_t workers, uint32_t actors)
{
    static const struct wsched_kernel own[] = {
        { "c_fails", counter_fails, NULL }, { "c_dies", counter_dies, NULL },
        { "maker", maker, NULL },           { "fails_twice", fails_twice, NULL },
        { "leaves", leaves_futures, NULL },
    };

    actor_open(workers, actors, own, sizeof own / sizeof *own);
}

/* ---- tests --------------------------------------------------------------------------------- */

static void restarts(void)
{
    struct wsched_future f[6];
    long calls, incarnation;

    open_pool(1, 0);
    struct wsched_actor a = new_actor("counter", "c_new", 10, 2, 0);
    f[0] = call_long(a, "c_add", 1);
    f[1] = call_long(a, "a_die", 9); /* fails: it is not to be run again */
    f[2] = call_long(a, "c_add", 1); /* stays in line */
    long one = 1;
    f[3] = call(a, "a_die", &one, sizeof one, 3); /* runs again, before */
    f[4] = call_long(a, "c_add", 5);
    CHECK_EQ(counted(f[0], NULL, NULL), 11);
    CHECK_EQ(ends_with(f[1], "actor counter: killed by signal 9 (Killed) while running a_die, "
                             "attempt 1 of 1"),
             -EOWNERDEAD);
    CHECK_EQ(counted(f[2], &calls, &incarnation), 11); /* the state was built anew */
    CHECK_EQ(calls, 1);
    CHECK_EQ(incarnation, 2);
    CHECK_EQ(kit_long(pool, f[3]), 2);
    CHECK_EQ(counted(f[4], &calls, &incarnation), 15);
    CHECK_EQ(calls, 1);
    CHECK_EQ(incarnation, 3);
    f[0] = call_long(a, "a_die", 9);
    f[1] = call_long(a, "c_add", 1);
    struct wsched_future after = { 0 };
    after = kit_submit_after(pool, "nothing", NULL, 0, &f[1], 1);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(ends_with(f[i], "actor counter: killed by signal 9 (Killed) while running a_die, "
                                 "restart 2 of 2"),
                 -EOWNERDEAD);
    CHECK_EQ(ends_with(after, "a task it depends on: actor counter: killed by signal 9 (Killed) "
                              "while running a_die, restart 2 of 2"),
             -EOWNERDEAD);
    expect_end(a);
    kit_close(pool);
}

static void constructors_that_fail(void)
{
    open_pool(1, 0);
    struct wsched_actor a = new_actor("no", "c_fails", 0, 5, 0);
    struct wsched_spec s = kit_spec("nothing", NULL, 0);
    struct wsched_future f;
    int err = wsched_actor_call(pool, a, &s, &f);
    if (!err)
        CHECK_EQ(ends_with(f, "actor no: c_fails failed: No such device or address"), -ENXIO);
    CHECK(!err || err == -EOWNERDEAD);
    expect_end(a);
    struct wsched_actor b = new_actor("dies", "c_dies", 0, 2, 0);
    err = wsched_actor_call(pool, b, &s, &f);
    if (!err)
        CHECK_EQ(ends_with(f, "actor dies: killed by signal 9 (Killed) while running c_dies, "
                              "restart 2 of 2"),
                 -EOWNERDEAD);
    expect_end(b);
    kit_close(pool);
}

/* One that may be run again after an error keeps its place, in the same process. */
static void again_after_errors(void)
{
    struct wsched_future f[2];
    long v = 1;

    open_pool(1, 0);
    struct wsched_actor a = new_actor("a", "c_new", 0, 0, 0);
    struct wsched_spec s = kit_spec("fails_twice", NULL, 0);
    s.max_retries = 2;
    s.flags = WSCHED_RETRY_ERRORS;
    REQUIRE_OK(wsched_actor_call(pool, a, &s, &f[0]));
    f[1] = call(a, "c_add", &v, sizeof v, 0);
    CHECK_EQ(kit_long(pool, f[0]), 3);
    CHECK_EQ(counted(f[1], NULL, NULL), 1);
    kit_close(pool);
}

static void fate(long flags, bool lives)
{
    struct wsched_actor child;

    gate_make();
    open_pool(1, 0);
    struct wsched_spec s = kit_spec("maker", &flags, sizeof flags);
    struct wsched_future f;
    s.max_retries = -1;
    REQUIRE_OK(wsched_submit(pool, &s, &f));
    gate_arrival();
    REQUIRE_OK(wsched_actor_find(pool, "child", &child));
    gate_open();
    CHECK_EQ(kit_wait(pool, f), -EOWNERDEAD);
    if (lives)
        CHECK_EQ(counted(call_long(child, "c_add", 2), NULL, NULL), 2);
    else
        expect_end(child);
    kit_close(pool);
    gate_free();
}

static void with_its_creator(void)
{
    fate(WSCHED_ACTOR_WITH_CREATOR, false);
    fate(0, true);
}

/* What it submitted in calls that are over goes with its process, but for what was adopted. */
static void futures_go_with_it(void)
{
    struct wsched_future left[3] = { { 0 }, { 0 }, { 0 } };

    open_pool(1, 0);
    struct wsched_actor a = new_actor("a", "c_new", 0, 0, 0);
    struct wsched_future f = call(a, "leaves", NULL, 0, 0);
    REQUIRE_OK(wsched_wait(pool, &f, 1, 1, -1, NULL));
    REQUIRE_OK(wsched_result(pool, f, left, sizeof left, NULL));
    wsched_release(pool, f);
    CHECK_EQ(kit_wait(pool, left[0]), 0);
    REQUIRE_OK(wsched_adopt(pool, left[1]));
    REQUIRE_OK(wsched_actor_stop(pool, a, WSCHED_ACTOR_FINISH));
    expect_end(a);
    CHECK_EQ(wsched_wait(pool, &left[0], 1, 1, 0, NULL), -EINVAL);
    CHECK_EQ(kit_wait(pool, left[1]), 0);
    CHECK_EQ(wsched_wait(pool, &left[2], 1, 1, 0, NULL), -EINVAL);
    wsched_release(pool, left[1]);
    kit_close(pool);
}

/* The supervisor is killed: actors are, too; those that may are restarted. */
static void without_its_supervisor(void)
{
    open_pool(2, 0);
    struct wsched_actor a = new_actor("again", "c_new", 5, 1, 0);
    struct wsched_actor b = new_actor("once", "c_new", 5, 0, 0);
    CHECK_EQ(counted(call_long(a, "c_add", 1), NULL, NULL), 6);
    CHECK_EQ(counted(call_long(b, "c_add", 1), NULL, NULL), 6);
    kill(pool->supervisor, SIGKILL);
    struct wsched_spec s = kit_spec("nothing", NULL, 0);
    struct wsched_future f;
    long v = 1;
    s.payload = &v, s.payload_size = sizeof v, s.kernel = "c_add";
    s.actor = a;
    s.max_retries = 3;
    REQUIRE_OK(wsched_submit(pool, &s, &f));
    CHECK(counted(f, NULL, NULL) >= 6);
    while (!wsched_actor_call(pool, b, &s, &f)) { /* until it is known */
        REQUIRE_OK(wsched_wait(pool, &f, 1, 1, -1, NULL));
        wsched_release(pool, f);
    }
    expect_end(b);
    kit_close(pool);
}

TESTS("wsched: actors that die",
      { "a restart: state anew, calls that wait stay, the cause is told", restarts },
      { "constructors that fail", constructors_that_fail },
      { "a call that failed runs again in its place", again_after_errors },
      { "with its creator, or not", with_its_creator },
      { "futures go with the actor that submitted", futures_go_with_it },
      { "the supervisor dies", without_its_supervisor })
