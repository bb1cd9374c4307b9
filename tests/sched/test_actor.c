/* SPDX-License-Identifier: MIT */
/*
 * Actors: their state, the order of calls, bounds, names, ends of all kinds, restarts and retries,
 * calls that call, circles, what can be seen of them; every documented error.
 */
#include "kit.h"
#include "actor.h"

#include <sched.h>
#include <signal.h>
#include <sys/wait.h>

static struct wsched *pool;

/* ---- kernels ------------------------------------------------------------------------------- */

struct counter {
    long value, calls, incarnation, last[8];
};

static int counter_new(struct wsched_task *task, void *ctx)
{
    static struct counter c;
    size_t size;
    const long *start = wsched_task_payload(task, &size);

    (void)ctx;
    c = (struct counter){ .value = size ? *start : 0, .incarnation = wsched_task_attempt(task) };
    return wsched_task_set_actor_state(task, &c);
}

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

/* Payload: what to add. Result: value, calls of this incarnation, incarnation. */
static int counter_add(struct wsched_task *task, void *ctx)
{
    struct counter *c = wsched_task_actor_state(task);
    long result[3];

    (void)ctx;
    if (!c || wsched_task_worker(task) < wsched_workers(wsched_task_pool(task)) ||
        !wsched_task_actor(task).v)
        return -EDOM;
    c->value += *(const long *)wsched_task_payload(task, NULL);
    result[0] = c->value, result[1] = ++c->calls, result[2] = c->incarnation;
    return wsched_task_result(task, result, sizeof result);
}

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

/* Dies if its attempt is at most the payload's. Result: attempt. */
static int die_in_actor(struct wsched_task *task, void *ctx)
{
    long attempt = wsched_task_attempt(task);

    (void)ctx;
    if (attempt <= *(const long *)wsched_task_payload(task, NULL))
        kill(getpid(), SIGKILL);
    return wsched_task_result(task, &attempt, sizeof attempt);
}

static int stop_itself(struct wsched_task *task, void *ctx)
{
    const long *how = wsched_task_payload(task, NULL);

    (void)ctx;
    return wsched_actor_stop(wsched_task_pool(task), wsched_task_actor(task), (uint32_t)*how);
}

struct relay {
    char name[16];
    char kernel[16];
    long value;
    char next[16]; /* and that one calls this */
};

static long call_and_wait(struct wsched *p, const char *name, const char *kernel,
                          const void *payload, size_t size)
{
    struct wsched_spec s = kit_spec(kernel, payload, size);
    struct wsched_actor actor;
    struct wsched_future f;
    long v = 0;
    int err = wsched_actor_find(p, name, &actor);

    if (!err)
        err = wsched_actor_call(p, actor, &s, &f);
    if (err)
        return err;
    err = wsched_wait(p, &f, 1, 1, -1, NULL);
    if (err == 1)
        err = wsched_result(p, f, &v, sizeof v, NULL);
    wsched_release(p, f);
    return err ? err : v;
}

/* Calls the actor `name`, which adds, or relays to `next`. */
static int relay(struct wsched_task *task, void *ctx)
{
    const struct relay *r = wsched_task_payload(task, NULL);
    struct relay on = *r;
    long v;

    (void)ctx;
    memcpy(on.name, r->next, sizeof on.name);
    v = strcmp(r->kernel, "relay")
            ? call_and_wait(wsched_task_pool(task), r->name, r->kernel, &r->value, sizeof r->value)
            : call_and_wait(wsched_task_pool(task), r->name, "relay_add", &on, sizeof on);
    return v < 0 ? (int)v : wsched_task_result(task, &v, sizeof v);
}

static int relay_add(struct wsched_task *task, void *ctx)
{
    struct relay r = *(const struct relay *)wsched_task_payload(task, NULL);
    long v = call_and_wait(wsched_task_pool(task), r.name, "c_add", &r.value, sizeof r.value);

    (void)ctx;
    return v < 0 ? (int)v : wsched_task_result(task, &v, sizeof v);
}

/* Submits tasks, one after another two, and waits for them; the deepest of fib(n) tasks too. */
static int family(struct wsched_task *task, void *ctx)
{
    struct wsched *p = wsched_task_pool(task);
    struct wsched_future f[4];
    long v[2] = { 1, 2 }, sum = 0, part;
    int n = 8, err = 0;

    (void)ctx;
    for (int i = 0; i < 4 && !err; i++) {
        struct wsched_spec s =
            i == 3 ? kit_spec("fib", &n, sizeof n) : kit_spec("add", v, sizeof v);
        s.after = f;
        s.after_count = i == 2 ? 2 : 0;
        err = wsched_submit(p, &s, &f[i]);
    }
    if (!err)
        err = wsched_wait(p, f, 4, 4, -1, NULL);
    for (int i = 0; i < 4 && err >= 0; i++) {
        err = wsched_result(p, f[i], &part, sizeof part, NULL);
        sum += part;
        wsched_release(p, f[i]);
    }
    return err < 0 ? err : wsched_task_result(task, &sum, sizeof sum);
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

/* Calls the actor "a", which has no room, and does not wait for the call. */
static int calls_full(struct wsched_task *task, void *ctx)
{
    struct wsched *p = wsched_task_pool(task);
    struct wsched_spec s = kit_spec("nothing", NULL, 0);
    struct wsched_actor actor;
    struct wsched_future f;
    int err = wsched_actor_find(p, "a", &actor);

    (void)ctx;
    if (!err)
        err = wsched_actor_call(p, actor, &s, &f);
    if (!err)
        wsched_release(p, f);
    return err;
}

static int not_in_an_actor(struct wsched_task *task, void *ctx)
{
    (void)ctx;
    return wsched_task_set_actor_state(task, &pool) != -EINVAL || wsched_task_actor_state(task) ||
                   wsched_task_actor(task).v
               ? -EDOM
               : 0;
}

static int fails_twice(struct wsched_task *task, void *ctx);
static int leaves_futures(struct wsched_task *task, void *ctx);

static struct wsched_kernel kernels[40];
static size_t kernel_count;
static const char *pool_name; /* of the next one; NULL: none */

static void open_pool(uint32_t workers, uint32_t actors)
{
    static const struct wsched_kernel own[] = {
        { "c_new", counter_new, NULL },
        { "c_fails", counter_fails, NULL },
        { "c_dies", counter_dies, NULL },
        { "c_add", counter_add, NULL },
        { "c_order", counter_order, NULL },
        { "a_die", die_in_actor, NULL },
        { "a_stop", stop_itself, NULL },
        { "relay", relay, NULL },
        { "relay_add", relay_add, NULL },
        { "family", family, NULL },
        { "caller", caller, NULL },
        { "maker", maker, NULL },
        { "calls_full", calls_full, NULL },
        { "no_actor", not_in_an_actor, NULL },
        { "fails_twice", fails_twice, NULL },
        { "leaves", leaves_futures, NULL },
    };
    struct wsched_options o = WSCHED_OPTIONS_INIT;

    memcpy(kernels, kit_kernels, kit_kernel_count * sizeof *kernels);
    memcpy(kernels + kit_kernel_count, own, sizeof own);
    kernel_count = kit_kernel_count + sizeof own / sizeof *own;
    o.workers = workers;
    o.actors = actors;
    o.payload_max = 128;
    o.task_capacity = 4096;
    o.name = pool_name;
    REQUIRE_OK(wsched_open(&o, kernels, kernel_count, &pool));
}

static void close_pool(void)
{
    char text[256] = "";

    if (wsched_verify(pool, text))
        fprintf(stderr, "%s\n", text);
    CU_ASSERT_STRING_EQUAL(text, "");
    wsched_close(pool);
}

/* ---- helpers ------------------------------------------------------------------------------- */

static struct wsched_actor new_actor(const char *name, const char *constructor, long start,
                                     int32_t max_restarts, uint32_t capacity)
{
    struct wsched_actor_spec s = { .name = name,
                                   .constructor = constructor,
                                   .payload = &start,
                                   .payload_size = sizeof start,
                                   .max_restarts = max_restarts,
                                   .mailbox_capacity = capacity };
    struct wsched_actor actor = { 0 };

    REQUIRE_OK(wsched_actor_new(pool, &s, &actor));
    return actor;
}

static struct wsched_future call(struct wsched_actor actor, const char *kernel, const void *payload,
                                 size_t size, int32_t max_retries)
{
    struct wsched_spec s = kit_spec(kernel, payload, size);
    struct wsched_future f = { 0 };

    s.max_retries = max_retries;
    REQUIRE_OK(wsched_actor_call(pool, actor, &s, &f));
    return f;
}

static struct wsched_future call_long(struct wsched_actor actor, const char *kernel, long v)
{
    return call(actor, kernel, &v, sizeof v, 0);
}

/* The value, and if asked for how many calls this incarnation has served, and which it is. */
static long counted(struct wsched_future f, long *calls, long *incarnation)
{
    long result[3] = { 0, 0, 0 };

    REQUIRE_OK(wsched_wait(pool, &f, 1, 1, -1, NULL));
    REQUIRE_OK(wsched_result(pool, f, result, sizeof result, NULL));
    wsched_release(pool, f);
    if (calls)
        *calls = result[1];
    if (incarnation)
        *incarnation = result[2];
    return result[0];
}

static int ends_with(struct wsched_future f, const char *text)
{
    struct wsched_failure why = { 0 };

    REQUIRE_OK(wsched_wait(pool, &f, 1, 1, -1, NULL));
    int err = wsched_result(pool, f, NULL, 0, NULL);
    if (text) {
        REQUIRE_OK(wsched_failure(pool, f, &why));
        CU_ASSERT_STRING_EQUAL(why.text, text);
        if (strcmp(why.text, text))
            fprintf(stderr, "%s\nnot %s\n", why.text, text);
    }
    wsched_release(pool, f);
    return err;
}

/* Until the actor's calls are answered with -EOWNERDEAD, which comes by itself. */
static void expect_end(struct wsched_actor actor)
{
    struct wsched_actor_info info;
    struct wsched_spec s = kit_spec("nothing", NULL, 0);
    struct wsched_future f;
    int err;

    while (!(err = wsched_actor_info(pool, actor, &info)) && info.state != WSCHED_ACTOR_ENDED)
        sched_yield();
    CHECK(!err || err == -EOWNERDEAD);
    CHECK_EQ(wsched_actor_call(pool, actor, &s, &f), -EOWNERDEAD);
    CHECK_EQ(wsched_actor_stop(pool, actor, WSCHED_ACTOR_KILL), -EOWNERDEAD);
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
    close_pool();
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
    close_pool();
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
    close_pool();
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
    close_pool();
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
    close_pool();
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
    close_pool();
    gate_free();
}

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
    close_pool();
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
    close_pool();
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
    close_pool();
    gate_free();
}

static struct relay relay_to(const char *name, const char *kernel, const char *next, long value)
{
    struct relay r = { .value = value };

    snprintf(r.name, sizeof r.name, "%s", name);
    snprintf(r.kernel, sizeof r.kernel, "%s", kernel);
    snprintf(r.next, sizeof r.next, "%s", next);
    return r;
}

static void calls_that_call(void)
{
    open_pool(1, 0);
    struct wsched_actor a = new_actor("a", "c_new", 0, 0, 0);
    struct wsched_actor b = new_actor("b", "c_new", 0, 0, 0);
    new_actor("c", "c_new", 0, 0, 0);
    struct relay r = relay_to("b", "relay", "c", 7);
    CHECK_EQ(kit_long(pool, call(a, "relay", &r, sizeof r, 0)), 7); /* a, b, c */
    r = relay_to("c", "c_add", "", 1);
    CHECK_EQ(kit_long(pool, kit_submit(pool, "relay", &r, sizeof r)), 8); /* from a worker */
    CHECK_EQ(kit_long(pool, call(b, "family", NULL, 0, 0)), 3 + 3 + 3 + kit_fib(8));
    r = relay_to("a", "c_add", "", 1); /* itself */
    CHECK_EQ(ends_with(call(a, "relay", &r, sizeof r, 0), NULL), -EDEADLK);
    r = relay_to("b", "relay", "a", 1); /* a, b, a */
    CHECK_EQ(ends_with(call(a, "relay", &r, sizeof r, 0), NULL), -EDEADLK);
    close_pool();
}

/* A call that waits for room in a mailbox waits for its actor, too. */
static void full_in_a_circle(void)
{
    open_pool(1, 0);
    struct wsched_actor a = new_actor("a", "c_new", 0, 0, 1);
    new_actor("b", "c_new", 0, 0, 0);
    struct relay r = relay_to("b", "calls_full", "", 0);
    CHECK_EQ(ends_with(call(a, "calls_full", NULL, 0, 0), NULL), -EDEADLK); /* itself */
    CHECK_EQ(ends_with(call(a, "relay", &r, sizeof r, 0), NULL), -EDEADLK); /* a, b, a */
    CHECK_EQ(kit_wait(pool, call(a, "nothing", NULL, 0, 0)), 0); /* and it goes on */
    CHECK_EQ(kit_wait(pool, kit_submit(pool, "calls_full", NULL, 0)), 0); /* no circle: it waits */
    close_pool();
}

static bool is_room_waited_for(struct wsched_actor a)
{
    return au64_load_acquire(&actor_at(pool, (uint32_t)a.v - 1)->room_waiters);
}

/* A guest finds the actor, calls it, and is told when the pool ends while it waits for room. */
static void guests_call(void)
{
    char name[64];
    int status = -1;

    snprintf(name, sizeof name, "test-actor-guest-%d", (int)getpid());
    gate_make();
    pool_name = name;
    open_pool(1, 0);
    pool_name = NULL;
    struct wsched_actor a = new_actor("a", "c_new", 40, 0, 1);
    pid_t pid = fork();
    if (pid == 0) {
        struct wsched_spec add = kit_spec("c_add", &(long){ 2 }, sizeof(long));
        struct wsched_spec wait = kit_spec("wait", NULL, 0), more = kit_spec("nothing", NULL, 0);
        struct wsched_actor actor;
        struct wsched_future f;
        struct wsched *guest;
        long v[3] = { 0, 0, 0 };
        CHILD_CHECK(!wsched_join(name, NULL, 0, NULL, &guest));
        CHILD_CHECK(wsched_actor_find(guest, "nobody", &actor) == -ENOENT);
        CHILD_CHECK(!wsched_actor_find(guest, "a", &actor));
        CHILD_CHECK(!wsched_actor_call(guest, actor, &add, &f));
        CHILD_CHECK(wsched_wait(guest, &f, 1, 1, -1, NULL) == 1);
        CHILD_CHECK(!wsched_result(guest, f, v, sizeof v, NULL) && v[0] == 42);
        wsched_release(guest, f);
        CHILD_CHECK(!wsched_actor_call(guest, actor, &wait, &f)); /* holds the actor */
        more.flags = WSCHED_NO_WAIT;
        CHILD_CHECK(wsched_actor_call(guest, actor, &more, &f) == -EAGAIN);
        more.flags = 0;
        CHILD_CHECK(wsched_actor_call(guest, actor, &more, &f) == -ESHUTDOWN);
        wsched_close(guest);
        _exit(0);
    }
    gate_arrival();
    while (!is_room_waited_for(a))
        sched_yield();
    wsched_close(pool);
    REQUIRE(waitpid(pid, &status, 0) == pid);
    CHECK_EQ(status, 0);
    gate_free();
}

/* No worker is free: each task is run by whoever waits for it. */
static void an_actor_helps_itself(void)
{
    gate_make();
    open_pool(1, 0);
    struct wsched_future blocker = kit_submit(pool, "wait", NULL, 0);
    gate_arrival();
    struct wsched_actor a = new_actor("a", "c_new", 0, 0, 0);
    CHECK_EQ(kit_long(pool, call(a, "family", NULL, 0, 0)), 3 + 3 + 3 + kit_fib(8));
    gate_open();
    CHECK_EQ(kit_wait(pool, blocker), 0);
    close_pool();
    gate_free();
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
    close_pool();
    gate_free();
}

static void with_its_creator(void)
{
    fate(WSCHED_ACTOR_WITH_CREATOR, false);
    fate(0, true);
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
    close_pool();
    gate_free();
}

static int fails_twice(struct wsched_task *task, void *ctx)
{
    long attempt = wsched_task_attempt(task);

    (void)ctx;
    return attempt < 3 ? -EIO : wsched_task_result(task, &attempt, sizeof attempt);
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
    close_pool();
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
    close_pool();
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
    close_pool();
}

TESTS("wsched: actors", { "a state, and calls in order", state_and_order },
      { "many callers, each in its order, through a small mailbox", many_callers },
      { "a mailbox is bounded", bounded }, { "a name is one actor's at a time", names },
      { "wrong arguments", wrong_arguments }, { "ends of all kinds", ends },
      { "a restart: state anew, calls that wait stay, the cause is told", restarts },
      { "constructors that fail", constructors_that_fail },
      { "calls are cancelled, and follow tasks", cancel_and_after },
      { "calls that call and wait; in a circle: -EDEADLK", calls_that_call },
      { "a full mailbox in a circle: -EDEADLK", full_in_a_circle },
      { "guests call actors", guests_call },
      { "an actor that waits runs what it waits for", an_actor_helps_itself },
      { "with its creator, or not", with_its_creator },
      { "what can be seen of an actor", what_can_be_seen },
      { "a call that failed runs again in its place", again_after_errors },
      { "futures go with the actor that submitted", futures_go_with_it },
      { "the supervisor dies", without_its_supervisor })
