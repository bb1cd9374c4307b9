/* SPDX-License-Identifier: MIT */
/* Who calls actors: actors that wait for each other, also in a circle, workers, guests. */
#include "actor_kit.h"
#include "actor.h"
#include "point.h"

#include <sched.h>
#include <sys/wait.h>

/* ---- kernels ------------------------------------------------------------------------------- */

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

static void open_pool(uint32_t workers, uint32_t actors)
{
    static const struct wsched_kernel own[] = {
        { "relay", relay, NULL },
        { "relay_add", relay_add, NULL },
        { "family", family, NULL },
        { "calls_full", calls_full, NULL },
    };

    actor_open(workers, actors, own, sizeof own / sizeof *own);
}

/* ---- tests --------------------------------------------------------------------------------- */

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
    kit_close(pool);
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
    CHECK_EQ(kit_wait(pool, call(a, "nothing", NULL, 0, 0)), 0);            /* and it goes on */
    CHECK_EQ(kit_wait(pool, kit_submit(pool, "calls_full", NULL, 0)), 0); /* no circle: it waits */
    kit_close(pool);
}

/* The actor gives the room of a call before, which somebody else has taken, just to who is about to sleep. */
static int passes;

static void give_old_room(const char *point)
{
    if (strcmp(point, "call: room is waited for, not asleep"))
        return;
    if (!passes++)
        park_wake_bits(pool, au64_xchg_seq_cst(&actor_at(pool, 0)->room_waiters, 0));
    else
        gate_open(); /* it waits anew: now there will be some */
}

static void room_of_before(void)
{
    gate_make();
    open_pool(1, 0);
    struct wsched_actor a = new_actor("a", "c_new", 0, 0, 1);
    struct wsched_future f = call(a, "wait", NULL, 0, 0);
    gate_arrival();
    passes = 0;
    test_point = give_old_room;
    CHECK_EQ(kit_wait(pool, call(a, "nothing", NULL, 0, 0)), 0);
    test_point = NULL;
    CHECK(passes >= 2);
    CHECK_EQ(kit_long(pool, f), 1);
    kit_close(pool);
    gate_free();
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
    kit_close(pool);
    gate_free();
}

TESTS("wsched: calls that call",
      { "calls that call and wait; in a circle: -EDEADLK", calls_that_call },
      { "a full mailbox in a circle: -EDEADLK", full_in_a_circle },
      { "whose room was given before it slept waits anew", room_of_before },
      { "guests call actors", guests_call },
      { "an actor that waits runs what it waits for", an_actor_helps_itself })
