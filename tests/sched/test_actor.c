/* SPDX-License-Identifier: MIT */
/* Actors: state, the order of calls, bounds, names, ends of all kinds, what can be seen of them. */
#include "actor_kit.h"

#include <sched.h>
#include <signal.h>

/* ---- kernels ------------------------------------------------------------------------------- */

/* Payload: caller, number. -EILSEQ: not the next one of this caller. */
static int counter_order(struct wsched_task *task, void *ctx)
{
    struct counter *c = wsched_task_actor_state(task);
    const long *v = wsched_task_payload(task, NULL);

    (void)ctx;
    if (c->last[v[0]] + 1 != v[1])
        return -EILSEQ;
    c->last[v[0]] = v[1];
    return 0;
}

/* A worker's: calls the actor a hundred times in order, as caller *v; then waits for all. */
static int caller(struct wsched_task *task, void *ctx)
{
    struct wsched *p = wsched_task_pool(task);
    long v[2] = { *(const long *)wsched_task_payload(task, NULL), 0 };
    struct wsched_future f[100];
    struct wsched_actor actor;
    int err = wsched_actor_find(p, "order", &actor);

    (void)ctx;
    for (int i = 0; i < 100 && !err; i++) {
        v[1]++;
        struct wsched_spec s = kit_spec("c_order", v, sizeof v);
        err = wsched_actor_call(p, actor, &s, &f[i]);
    }
    if (!err)
        err = wsched_wait(p, f, 100, 100, -1, NULL);
    for (int i = 0; i < 100 && err >= 0; i++) {
        err = wsched_result(p, f[i], NULL, 0, NULL);
        wsched_release(p, f[i]);
    }
    return err < 0 ? err : 0;
}

static int stop_itself(struct wsched_task *task, void *ctx)
{
    const long *how = wsched_task_payload(task, NULL);

    (void)ctx;
    return wsched_actor_stop(wsched_task_pool(task), wsched_task_actor(task), (uint32_t)*how);
}

static int not_in_an_actor(struct wsched_task *task, void *ctx)
{
    (void)ctx;
    return wsched_task_set_actor_state(task, &pool) != -EINVAL || wsched_task_actor_state(task) ||
                   wsched_task_actor(task).v
               ? -EDOM
               : 0;
}

/* A constructor that has another do its work; its state is the result. */
static int new_by_task(struct wsched_task *task, void *ctx)
{
    static struct counter c;
    struct wsched *p = wsched_task_pool(task);
    long v[] = { 3, 4 };
    struct wsched_spec s = kit_spec("add", v, sizeof v);
    struct wsched_future f;
    int err = wsched_submit(p, &s, &f);

    (void)ctx;
    if (!err)
        err = wsched_wait(p, &f, 1, 1, -1, NULL);
    if (err >= 0)
        err = wsched_result(p, f, &c.value, sizeof c.value, NULL);
    wsched_release(p, f);
    return err ? err : wsched_task_set_actor_state(task, &c);
}

static void double_it(struct wsched_fork *w, void *args)
{
    (void)w;
    *(long *)args *= 2;
}

/* Its jobs are run here or by workers. */
static int new_by_jobs(struct wsched_task *task, void *ctx)
{
    static struct counter c;
    struct wsched_fork *w = wsched_task_fork(task);
    long v[100];

    for (long i = 0; i < 100; i++) {
        v[i] = i;
        w = wsched_spawn(w, double_it, &v[i], sizeof v[i]);
    }
    for (long i = 100; i-- > (ctx ? 1 : 0);) { /* `ctx`: it forgets one */
        w = wsched_sync(w);
        c.value += v[i];
    }
    return wsched_task_set_actor_state(task, &c);
}

static void open_pool(uint32_t workers, uint32_t actors)
{
    static const struct wsched_kernel own[] = {
        { "c_order", counter_order, NULL }, { "caller", caller, NULL },
        { "a_stop", stop_itself, NULL },    { "no_actor", not_in_an_actor, NULL },
        { "c_by_task", new_by_task, NULL }, { "c_by_jobs", new_by_jobs, NULL },
        { "c_forgets", new_by_jobs, &pool }, WSCHED_JOB("double_it", double_it),
    };

    actor_open(workers, actors, own, sizeof own / sizeof *own);
}

/* ---- tests --------------------------------------------------------------------------------- */

static void state_and_order(void)
{
    struct wsched_future f[200];
    long calls, incarnation;

    open_pool(2, 0);
    struct wsched_actor a = new_actor("counter", "c_new", 100, 0, 0), b;
    REQUIRE_OK(wsched_actor_find(pool, "counter", &b));
    CHECK_EQ(a.v, b.v);
    for (int i = 0; i < 200; i++)
        f[i] = call_long(a, "c_add", 1);
    for (int i = 0; i < 200; i++) {
        CHECK_EQ(counted(f[i], &calls, &incarnation), 101 + i);
        CHECK_EQ(calls, i + 1);
        CHECK_EQ(incarnation, 1);
    }
    struct wsched_actor unnamed = new_actor(NULL, NULL, 0, 0, 0);
    long v[] = { 3, 4 };
    CHECK_EQ(kit_long(pool, call(unnamed, "add", v, sizeof v, 0)), 7); /* any kernel is a method */
    CHECK_EQ(kit_wait(pool, kit_submit(pool, "no_actor", NULL, 0)), 0);
    kit_close(pool);
}

static void constructor_waits(void)
{
    open_pool(2, 0);
    CHECK_EQ(counted(call_long(new_actor(NULL, "c_by_task", 0, 0, 0), "c_add", 1), NULL, NULL), 8);
    struct wsched_spec urgent = { .kernel = "no_actor", .priority = WSCHED_PRIORITY_HIGH };
    struct wsched_future f;
    REQUIRE_OK(wsched_submit(pool, &urgent, &f)); /* from here on levels are looked at */
    CHECK_EQ(kit_wait(pool, f), 0);
    CHECK_EQ(counted(call_long(new_actor(NULL, "c_by_task", 0, 0, 0), "c_add", 1), NULL, NULL), 8);
    kit_close(pool);
}

static void constructor_spawns(void)
{
    open_pool(2, 0);
    struct wsched_actor a = new_actor(NULL, "c_by_jobs", 0, 0, 0);
    CHECK_EQ(counted(call_long(a, "c_add", 1), NULL, NULL), 100 * 99 + 1);
    CHECK_EQ(kit_wait(pool, call_long(new_actor(NULL, "c_forgets", 0, 0, 0), "c_add", 1)), -EPROTO);
    kit_close(pool);
}

static void many_callers(void)
{
    struct wsched_future f[8];

    open_pool(3, 0);
    struct wsched_actor a = new_actor("order", "c_new", 0, 0, 16); /* callers wait for room */
    for (long i = 0; i < 8; i++)
        f[i] = kit_submit(pool, "caller", &i, sizeof i);
    for (int i = 0; i < 8; i++)
        CHECK_EQ(kit_wait(pool, f[i]), 0);
    CHECK_EQ(wsched_actor_stop(pool, a, WSCHED_ACTOR_FINISH), 0);
    expect_end(a);
    kit_close(pool);
}

static void bounded(void)
{
    struct wsched_future f[4], more;
    struct wsched_spec s = kit_spec("nothing", NULL, 0);

    gate_make();
    open_pool(1, 0);
    struct wsched_actor a = new_actor("full", NULL, 0, 0, 3);
    f[0] = call(a, "wait", NULL, 0, 0);
    gate_arrival();
    for (int i = 1; i < 3; i++)
        f[i] = call(a, "nothing", NULL, 0, 0); /* the one that runs counts, too */
    s.flags = WSCHED_NO_WAIT;
    CHECK_EQ(wsched_actor_call(pool, a, &s, &more), -EAGAIN);
    gate_open();
    s.flags = 0;
    for (int i = 0; i < 50; i++) { /* waits for room */
        REQUIRE_OK(wsched_actor_call(pool, a, &s, &more));
        wsched_release(pool, more);
    }
    for (int i = 0; i < 3; i++)
        CHECK_EQ(kit_wait(pool, f[i]), 0);
    kit_close(pool);
    gate_free();
}

static void names(void)
{
    struct wsched_actor_spec s = { .name = "twin" };
    struct wsched_actor a, b;

    open_pool(1, 2);
    CHECK_EQ(wsched_actor_find(pool, "twin", &a), -ENOENT);
    REQUIRE_OK(wsched_actor_new(pool, &s, &a));
    CHECK_EQ(wsched_actor_new(pool, &s, &b), -EEXIST);
    s.name = NULL;
    REQUIRE_OK(wsched_actor_new(pool, &s, &b));
    CHECK_EQ(wsched_actor_new(pool, &s, &b), -ENOSPC);
    CHECK_EQ(wsched_actor_stop(pool, a, WSCHED_ACTOR_FINISH), 0);
    expect_end(a);
    CHECK_EQ(wsched_actor_find(pool, "twin", &b), -ENOENT);
    s.name = "twin";
    REQUIRE_OK(wsched_actor_new(pool, &s, &b)); /* the name is free, and so is the record */
    CHECK(a.v != b.v);
    expect_end(a); /* the old handle is no other's */
    CHECK_EQ(kit_wait(pool, call(b, "nothing", NULL, 0, 0)), 0);
    kit_close(pool);
}

static void wrong_arguments(void)
{
    struct wsched_actor_spec s = { .name = "x" };
    struct wsched_actor a = { 0 }, none = { 0 }, future_one = { (uint64_t)7 << 32 | 1 };
    struct wsched_actor_info info;
    struct wsched_spec call_spec = kit_spec("nothing", NULL, 0);
    struct wsched_options o = WSCHED_OPTIONS_INIT;
    struct wsched_future f;

    o.actors = 129;
    CHECK_EQ(wsched_open(&o, kit_kernels, kit_kernel_count, &pool), -EINVAL);
    open_pool(1, 0);
    CHECK_EQ(wsched_actor_new(NULL, &s, &a), -EINVAL);
    CHECK_EQ(wsched_actor_new(pool, NULL, &a), -EINVAL);
    CHECK_EQ(wsched_actor_new(pool, &s, NULL), -EINVAL);
    s.constructor = "nobody";
    CHECK_EQ(wsched_actor_new(pool, &s, &a), -ENOENT);
    s = (struct wsched_actor_spec){ .name = "" };
    CHECK_EQ(wsched_actor_new(pool, &s, &a), -EINVAL);
    s = (struct wsched_actor_spec){ .name = "a name that has thirty-two bytes" };
    CHECK_EQ(wsched_actor_new(pool, &s, &a), -EINVAL);
    s = (struct wsched_actor_spec){ .max_restarts = -2 };
    CHECK_EQ(wsched_actor_new(pool, &s, &a), -EINVAL);
    s = (struct wsched_actor_spec){ .mailbox_capacity = 2049 };
    CHECK_EQ(wsched_actor_new(pool, &s, &a), -EINVAL);
    s = (struct wsched_actor_spec){ .flags = 2 };
    CHECK_EQ(wsched_actor_new(pool, &s, &a), -EINVAL);
    s = (struct wsched_actor_spec){ .payload_size = 1 };
    CHECK_EQ(wsched_actor_new(pool, &s, &a), -EINVAL);
    s = (struct wsched_actor_spec){ .payload = &o, .payload_size = 129 };
    CHECK_EQ(wsched_actor_new(pool, &s, &a), -E2BIG);
    CHECK_EQ(a.v, 0);
    CHECK_EQ(wsched_actor_find(pool, "", &a), -EINVAL);
    CHECK_EQ(wsched_actor_find(pool, NULL, &a), -EINVAL);
    CHECK_EQ(wsched_actor_find(pool, "x", NULL), -EINVAL);
    CHECK_EQ(wsched_actor_call(pool, none, &call_spec, &f), -EINVAL);
    CHECK_EQ(wsched_actor_call(pool, future_one, &call_spec, &f), -EINVAL);
    CHECK_EQ(wsched_actor_stop(pool, none, WSCHED_ACTOR_KILL), -EINVAL);
    CHECK_EQ(wsched_actor_info(pool, none, &info), -EINVAL);
    CHECK_EQ(wsched_actors(pool, NULL, NULL), -EINVAL);
    a = new_actor("x", NULL, 0, 0, 0);
    CHECK_EQ(wsched_actor_call(pool, a, NULL, &f), -EINVAL);
    CHECK_EQ(wsched_actor_info(pool, a, NULL), -EINVAL);
    CHECK_EQ(wsched_actor_stop(pool, a, 0), -EINVAL);
    CHECK_EQ(wsched_actor_stop(pool, a, 4), -EINVAL);
    call_spec.kernel = "nobody";
    CHECK_EQ(wsched_actor_call(pool, a, &call_spec, &f), -ENOENT);
    kit_close(pool);
}

static void ends(void)
{
    struct wsched_future f[4];
    long how = WSCHED_ACTOR_FINISH;

    gate_make();
    open_pool(1, 0);
    struct wsched_actor a = new_actor("finish", "c_new", 0, 3, 0);
    f[0] = call(a, "wait", NULL, 0, 0);
    gate_arrival();
    f[1] = call_long(a, "c_add", 1);
    REQUIRE_OK(wsched_actor_stop(pool, a, WSCHED_ACTOR_FINISH));
    struct wsched_actor b = new_actor("leave", "c_new", 0, 3, 0);
    f[2] = call(b, "wait", NULL, 0, 0);
    gate_arrival();
    f[3] = call_long(b, "c_add", 1);
    REQUIRE_OK(wsched_actor_stop(pool, b, WSCHED_ACTOR_LEAVE));
    gate_open();
    CHECK_EQ(kit_wait(pool, f[0]), 0);
    CHECK_EQ(counted(f[1], NULL, NULL), 1);
    CHECK_EQ(kit_wait(pool, f[2]), 0);
    CHECK_EQ(ends_with(f[3], "actor leave: has ended"), -EOWNERDEAD);
    expect_end(a);
    expect_end(b);

    a = new_actor("itself", "c_new", 0, 3, 0);
    f[0] = call(a, "a_stop", &how, sizeof how, 0);
    CHECK_EQ(kit_wait(pool, f[0]), 0);
    expect_end(a);

    gate_free();
    wsched_close(pool);
    gate_make();
    open_pool(1, 0);
    a = new_actor("victim", "c_new", 0, 3, 0);
    f[0] = call(a, "wait", NULL, 0, 0);
    gate_arrival();
    f[1] = call_long(a, "c_add", 1);
    REQUIRE_OK(wsched_actor_stop(pool, a, WSCHED_ACTOR_KILL));
    CHECK_EQ(ends_with(f[0], "actor victim: killed by signal 9 (Killed) while running wait, "
                             "restart 0 of 3"),
             -EOWNERDEAD);
    CHECK_EQ(ends_with(f[1], "actor victim: killed by signal 9 (Killed) while running wait, "
                             "restart 0 of 3"),
             -EOWNERDEAD);
    expect_end(a);
    kit_close(pool);
    gate_free();
}

static void cancel_and_after(void)
{
    struct wsched_future f[4];
    long v[2] = { 1, 2 };

    gate_make();
    open_pool(1, 0);
    struct wsched_actor a = new_actor("a", "c_new", 0, 0, 0);
    f[0] = call(a, "wait", NULL, 0, 0);
    gate_arrival();
    f[1] = call_long(a, "c_add", 1);
    f[2] = call_long(a, "c_add", 2);
    REQUIRE_OK(wsched_cancel(pool, f[1]));
    struct wsched_spec s = kit_spec("c_add", v, sizeof v[0]);
    struct wsched_future dep = kit_submit(pool, "add", v, sizeof v);
    s.after = &dep;
    s.after_count = 1;
    REQUIRE_OK(wsched_actor_call(pool, a, &s, &f[3]));
    gate_open();
    CHECK_EQ(kit_wait(pool, f[0]), 0);
    CHECK_EQ(kit_wait(pool, f[1]), -ECANCELED);
    CHECK_EQ(counted(f[2], NULL, NULL) + counted(f[3], NULL, NULL), 5); /* 2, 3 or 1, 3 + ... */
    CHECK_EQ(kit_long(pool, dep), 3);
    f[0] = call(a, "cancelled", NULL, 0, 0); /* a running one sees it */
    gate_arrival();
    REQUIRE_OK(wsched_cancel(pool, f[0]));
    CHECK_EQ(kit_wait(pool, f[0]), -ECANCELED);
    kit_close(pool);
    gate_free();
}

static int collect(const struct wsched_actor_info *info, void *ctx)
{
    struct wsched_actor_info *seen = ctx;

    if (seen->state)
        return 1;
    *seen = *info;
    return 0;
}

static void what_can_be_seen(void)
{
    struct wsched_actor_info info, seen = { 0 };

    gate_make();
    open_pool(1, 0);
    struct wsched_actor a = new_actor("seen", "c_new", 0, 2, 5);
    CHECK_EQ(counted(call_long(a, "c_add", 1), NULL, NULL), 1);
    struct wsched_future f = call(a, "wait", NULL, 0, 0);
    pid_t pid = gate_arrival();
    wsched_release(pool, call_long(a, "c_add", 1));
    REQUIRE_OK(wsched_actor_info(pool, a, &info));
    CHECK_EQ(info.state, WSCHED_ACTOR_RUNNING);
    CHECK_EQ(info.pid, pid);
    CHECK_EQ(info.served, 1);
    CHECK_EQ(info.queued, 2);
    CHECK_EQ(info.mailbox_capacity, 5);
    CHECK_EQ(info.max_restarts, 2);
    CHECK_EQ(info.task.v, f.v);
    CU_ASSERT_STRING_EQUAL(info.kernel, "wait");
    CU_ASSERT_STRING_EQUAL(info.name, "seen");
    CU_ASSERT_STRING_EQUAL(info.cause, "");
    CHECK_EQ(wsched_actors(pool, collect, &seen), 0);
    CHECK_EQ(seen.actor.v, a.v);
    CHECK_EQ(wsched_actors(pool, collect, &seen), 1);
    kill(pid, SIGKILL);
    CHECK_EQ(kit_wait(pool, f), -EOWNERDEAD);
    CHECK_EQ(counted(call_long(a, "c_add", 1), NULL, NULL), 2);
    REQUIRE_OK(wsched_actor_info(pool, a, &info));
    CHECK_EQ(info.restarts, 1);
    CU_ASSERT_STRING_EQUAL(info.cause, "killed by signal 9 (Killed) while running wait, "
                                       "restart 0 of 2");
    REQUIRE_OK(wsched_actor_stop(pool, a, WSCHED_ACTOR_LEAVE));
    expect_end(a);
    REQUIRE_OK(wsched_actor_info(pool, a, &info));
    CHECK_EQ(info.state, WSCHED_ACTOR_ENDED);
    CU_ASSERT_STRING_EQUAL(info.cause, "has ended");
    kit_close(pool);
    gate_free();
}

TESTS("wsched: actors", { "a state, and calls in order", state_and_order },
      { "a constructor waits for a task", constructor_waits },
      { "a constructor spawns jobs", constructor_spawns },
      { "many callers, each in its order, through a small mailbox", many_callers },
      { "a mailbox is bounded", bounded }, { "a name is one actor's at a time", names },
      { "wrong arguments", wrong_arguments }, { "ends of all kinds", ends },
      { "calls are cancelled, and follow tasks", cancel_and_after },
      { "what can be seen of an actor", what_can_be_seen })
