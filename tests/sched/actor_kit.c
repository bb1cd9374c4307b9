/* SPDX-License-Identifier: MIT */
#include "actor_kit.h"

#include <sched.h>
#include <signal.h>

struct wsched *pool;
const char *pool_name;

/* ---- kernels ------------------------------------------------------------------------------- */

static int counter_new(struct wsched_task *task, void *ctx)
{
    static struct counter c;
    size_t size;
    const long *start = wsched_task_payload(task, &size);

    (void)ctx;
    c = (struct counter){ .value = size ? *start : 0, .incarnation = wsched_task_attempt(task) };
    return wsched_task_set_actor_state(task, &c);
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

/* Dies if its attempt is at most the payload's. Result: attempt. */
static int die_in_actor(struct wsched_task *task, void *ctx)
{
    long attempt = wsched_task_attempt(task);

    (void)ctx;
    if (attempt <= *(const long *)wsched_task_payload(task, NULL))
        kill(getpid(), SIGKILL);
    return wsched_task_result(task, &attempt, sizeof attempt);
}

/* ---- a pool -------------------------------------------------------------------------------- */

static struct wsched_kernel kernels[40];

void actor_open(uint32_t workers, uint32_t actors, const struct wsched_kernel *own, size_t count)
{
    static const struct wsched_kernel shared[] = {
        { "c_new", counter_new, NULL },
        { "c_add", counter_add, NULL },
        { "a_die", die_in_actor, NULL },
    };
    const size_t of_kit = kit_kernel_count, of_all = of_kit + sizeof shared / sizeof *shared;
    struct wsched_options o = WSCHED_OPTIONS_INIT;

    REQUIRE(of_all + count <= sizeof kernels / sizeof *kernels);
    memcpy(kernels, kit_kernels, of_kit * sizeof *kernels);
    memcpy(kernels + of_kit, shared, sizeof shared);
    memcpy(kernels + of_all, own, count * sizeof *kernels);
    o.workers = workers;
    o.actors = actors;
    o.payload_max = 128;
    o.task_capacity = 4096;
    o.name = pool_name;
    pool = kit_open_with(&o, kernels, of_all + count);
}

/* ---- actors and calls ---------------------------------------------------------------------- */

struct wsched_actor new_actor(const char *name, const char *constructor, long start,
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

struct wsched_future call(struct wsched_actor actor, const char *kernel, const void *payload,
                          size_t size, int32_t max_retries)
{
    struct wsched_spec s = kit_spec(kernel, payload, size);
    struct wsched_future f = { 0 };

    s.max_retries = max_retries;
    REQUIRE_OK(wsched_actor_call(pool, actor, &s, &f));
    return f;
}

struct wsched_future call_long(struct wsched_actor actor, const char *kernel, long v)
{
    return call(actor, kernel, &v, sizeof v, 0);
}

/* The value, and if asked for how many calls this incarnation has served, and which it is. */
long counted(struct wsched_future f, long *calls, long *incarnation)
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

int ends_with(struct wsched_future f, const char *text)
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
void expect_end(struct wsched_actor actor)
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
