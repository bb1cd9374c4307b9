/* SPDX-License-Identifier: MIT */
/* errors_actors.c -- the errors of actors and of calls. */
#include "errors.h"

#include <sched.h>
#include <signal.h>

static struct wsched_actor new_actor(const char *name, uint32_t mailbox_capacity)
{
    struct wsched_actor_spec s = { .name = name, .mailbox_capacity = mailbox_capacity };
    struct wsched_actor a = { 0 };

    REQUIRE_OK(wsched_actor_new(given.pool, &s, &a));
    return a;
}

static int make(struct wsched *pool, struct wsched_actor_spec s)
{
    struct wsched_actor untouched = { 42 };
    int err = wsched_actor_new(pool, &s, &untouched);

    CHECK(err >= 0 || untouched.v == 42);
    return err;
}

static int call(struct wsched_actor a, const char *kernel, uint32_t flags, struct wsched_future *out)
{
    struct wsched_spec s = kit_spec(kernel, NULL, 0);

    s.flags = flags;
    return wsched_actor_call(given.pool, a, &s, out);
}

static struct wsched_future called(struct wsched_actor a, const char *kernel)
{
    struct wsched_future f = { 0 };

    REQUIRE_OK(call(a, kernel, 0, &f));
    return f;
}

/* In an actor: what fn says. */
static int inside_actor(uint32_t mailbox_capacity, given_fn fn)
{
    const struct given_call what = { fn, 0 };
    struct wsched_spec s = given_spec(&what);
    struct wsched_future f;

    REQUIRE_OK(wsched_actor_call(given.pool, new_actor("a", mailbox_capacity), &s, &f));
    CHECK_EQ(given_end(f), 0);
    return given.shared->error;
}

static struct wsched_actor ended(const char *name)
{
    struct wsched_actor a = new_actor(name, 0);
    struct wsched_actor_info info;

    REQUIRE_OK(wsched_actor_stop(given.pool, a, WSCHED_ACTOR_FINISH));
    do {
        REQUIRE_OK(wsched_actor_info(given.pool, a, &info));
        sched_yield();
    } while (info.state != WSCHED_ACTOR_ENDED);
    return a;
}

/* ---- making and finding --------------------------------------------------------------------- */

static int new_twin(void)
{
    new_actor("a", 0);
    return make(given.pool, (struct wsched_actor_spec){ .name = "a" });
}
static int new_unknown(void)
{
    return make(given.pool, (struct wsched_actor_spec){ .constructor = "no such kernel" });
}
static int new_too_many(void)
{
    for (uint32_t i = 0; i < ACTORS; i++)
        new_actor(NULL, 0);
    return make(given.pool, (struct wsched_actor_spec){ .name = NULL });
}
static int new_too_big(void)
{
    static char big[PAYLOAD_MAX + 1];

    return make(given.pool, (struct wsched_actor_spec){ .payload = big, .payload_size = sizeof big });
}
static int new_bad_value(void)
{
    CHECK_EQ(make(given.pool, (struct wsched_actor_spec){ .name = "" }), -EINVAL);
    CHECK_EQ(make(given.pool, (struct wsched_actor_spec){ .max_restarts = -2 }), -EINVAL);
    return make(given.pool, (struct wsched_actor_spec){ .max_restarts = 251 });
}
static int new_when_closed(void)
{
    return make(given_closed(), (struct wsched_actor_spec){ .name = "a" });
}
static int find_none(void)
{
    struct wsched_actor a;

    return wsched_actor_find(given.pool, "a", &a);
}

/* ---- calling -------------------------------------------------------------------------------- */

static int call_full(void)
{
    struct wsched_actor a = new_actor("a", 1);
    struct wsched_future running = called(a, "wait"), f;

    gate_arrival();
    int err = call(a, "nothing", WSCHED_NO_WAIT, &f);
    gate_open();
    CHECK_EQ(given_end(running), 0);
    return err;
}
static int call_ended(void)
{
    struct wsched_future f;

    return call(ended("a"), "nothing", 0, &f);
}
static int call_none(void)
{
    struct wsched_future f;

    CHECK_EQ(call((struct wsched_actor){ 0 }, "nothing", 0, &f), -EINVAL);
    return call((struct wsched_actor){ (uint64_t)7 << 32 | 1 }, "nothing", 0, &f);
}

static int calls_itself(struct wsched_task *task, uint64_t arg)
{
    struct wsched_spec s = kit_spec("nothing", NULL, 0);
    struct wsched *pool = wsched_task_pool(task);
    struct wsched_future f;
    int err = wsched_actor_call(pool, wsched_task_actor(task), &s, &f);

    (void)arg;
    if (err)
        return err == -EDEADLK ? -EXFULL : err; /* that would be of the call, not of the wait */
    err = wsched_wait(pool, &f, 1, 1, -1, NULL);
    wsched_release(pool, f);
    return err;
}
static int wait_for_itself(void)
{
    return inside_actor(0, calls_itself);
}

static int calls_itself_when_full(struct wsched_task *task, uint64_t arg)
{
    struct wsched_spec s = kit_spec("nothing", NULL, 0);
    struct wsched_future f;

    (void)arg;
    return wsched_actor_call(wsched_task_pool(task), wsched_task_actor(task), &s, &f);
}
static int call_itself_when_full(void)
{
    return inside_actor(1, calls_itself_when_full);
}

/* ---- ends ----------------------------------------------------------------------------------- */

static int call_when_it_dies(void)
{
    struct wsched_future f = called(new_actor("a", 0), "wait");

    kill(gate_arrival(), SIGKILL);
    return given_end(f);
}
static int call_when_it_leaves(void)
{
    struct wsched_actor a = new_actor("a", 0);
    struct wsched_future running = called(a, "wait"), next = called(a, "nothing");

    gate_arrival();
    REQUIRE_OK(wsched_actor_stop(given.pool, a, WSCHED_ACTOR_LEAVE));
    gate_open();
    CHECK_EQ(given_end(running), 0);
    return given_end(next);
}
static int call_when_it_is_killed(void)
{
    struct wsched_actor a = new_actor("a", 0);
    struct wsched_future running = called(a, "wait"), next = called(a, "nothing");

    gate_arrival();
    REQUIRE_OK(wsched_actor_stop(given.pool, a, WSCHED_ACTOR_KILL));
    CHECK_EQ(given_end(running), -EOWNERDEAD);
    return given_end(next);
}
static int stop_ended(void)
{
    return wsched_actor_stop(given.pool, ended("a"), WSCHED_ACTOR_KILL);
}
static int stop_none(void)
{
    return wsched_actor_stop(given.pool, (struct wsched_actor){ 0 }, WSCHED_ACTOR_KILL);
}
static int stop_somehow(void)
{
    return wsched_actor_stop(given.pool, new_actor("a", 0), 0);
}
static int stop_when_closed(void)
{
    struct wsched_actor a = new_actor("a", 0);

    return wsched_actor_stop(given_closed(), a, WSCHED_ACTOR_KILL);
}

/* ---- state and looking ---------------------------------------------------------------------- */

static int sets_state(struct wsched_task *task, uint64_t arg)
{
    (void)arg;
    return wsched_task_set_actor_state(task, &given);
}
static int state_in_no_actor(void)
{
    return given_inside(sets_state, 0);
}

/* Its record is used for another. */
static int info_of_forgotten(void)
{
    struct wsched_actor a = ended("a");
    struct wsched_actor_info info;

    for (uint32_t i = 0; i < ACTORS; i++)
        new_actor(NULL, 0);
    return wsched_actor_info(given.pool, a, &info);
}

const struct error_row errors_actors[] = {
    { "wsched_actor_new", EEXIST, new_twin },
    { "wsched_actor_new", ENOENT, new_unknown },
    { "wsched_actor_new", ENOSPC, new_too_many },
    { "wsched_actor_new", E2BIG, new_too_big },
    { "wsched_actor_new", EINVAL, new_bad_value },
    { "wsched_actor_new", ESHUTDOWN, new_when_closed },
    { "wsched_actor_find", ENOENT, find_none },
    { "wsched_actor_call", EAGAIN, call_full },
    { "wsched_actor_call", EOWNERDEAD, call_ended },
    { "wsched_actor_call", EINVAL, call_none },
    { "wsched_actor_call", EDEADLK, call_itself_when_full },
    { "enum wsched_actor_flag", EDEADLK, wait_for_itself },
    { "enum wsched_actor_flag", EOWNERDEAD, call_when_it_dies },
    { "enum wsched_actor_how", EOWNERDEAD, call_when_it_leaves },
    { "enum wsched_actor_how", EOWNERDEAD, call_when_it_is_killed },
    { "wsched_actor_stop", EOWNERDEAD, stop_ended },
    { "wsched_actor_stop", EINVAL, stop_none },
    { "wsched_actor_stop", EINVAL, stop_somehow },
    { "wsched_actor_stop", ESHUTDOWN, stop_when_closed },
    { "wsched_task_set_actor_state", EINVAL, state_in_no_actor },
    { "wsched_actor_info", EOWNERDEAD, info_of_forgotten },
    { NULL, 0, NULL },
};
