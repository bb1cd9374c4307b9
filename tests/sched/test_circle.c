/* SPDX-License-Identifier: MIT */
/*
 * What looks like a circle of waits, and is none: its words were true one after another. Whoever
 * looks for a circle is held between two reads until the words that it will read have changed, so
 * that one look alone sees a circle, for certain.
 *
 * The scene: an outer task submits a middle one and waits for it, asleep. The middle one, elsewhere,
 * submits an inner one, which the outer one's worker runs on top of it, and waits for that. While
 * the middle one looks (inner, runs in a seat; that seat awaits ...) the inner one ends, and the
 * seat awaits the middle one again.
 */
#include "kit.h"
#include "pool.h"

#include <sched.h>
#include <sys/mman.h>

static struct shared {
    struct au32 armed; /* the pid of who is held when it looks */
    struct au32 middle_runs, inner_runs, inner_may_end, held;
    struct au32 outer_seat;
    struct au64 middle; /* future */
} * shared;

static struct wsched *here; /* of the process that is held */

static void until(struct au32 *word)
{
    while (!au32_load_acquire(word))
        sched_yield();
}

/* Until the outer task's worker sleeps, for the middle one. */
static void until_outer_sleeps(const struct wsched *p)
{
    const struct seat *s = &p->seats[au32_load_acquire(&shared->outer_seat)];

    while (au64_load_acquire(&s->awaits) != au64_load_acquire(&shared->middle) ||
           !au32_load_acquire(&s->park.word))
        sched_yield();
}

static void at_point(const char *name)
{
    if (au32_load_acquire(&shared->armed) != (uint32_t)getpid() ||
        strcmp(name, "circle: a seat found, what it awaits not read"))
        return;
    au32_store_release(&shared->armed, 0);
    au32_store_release(&shared->inner_may_end, 1);
    until_outer_sleeps(here); /* again */
    au32_store_release(&shared->held, 1);
}

static int inner(struct wsched_task *task, void *ctx)
{
    (void)task;
    (void)ctx;
    au32_store_release(&shared->inner_runs, 1);
    until(&shared->inner_may_end);
    return 0;
}

/* As its result: what waiting for the inner one answers. */
static int middle(struct wsched_task *task, void *ctx)
{
    struct wsched *p = wsched_task_pool(task);
    struct wsched_spec s = kit_spec("inner", NULL, 0);
    struct wsched_future f;

    (void)ctx;
    au32_store_release(&shared->middle_runs, 1);
    until_outer_sleeps(p);
    int err = wsched_submit(p, &s, &f);
    if (err)
        return err;
    until(&shared->inner_runs);
    here = p;
    au32_store_release(&shared->armed, (uint32_t)getpid());
    long answer = wsched_wait(p, &f, 1, 1, -1, NULL);
    if (answer == 1)
        wsched_release(p, f);
    else
        au32_store_release(&shared->inner_may_end, 1);
    return wsched_task_result(task, &answer, sizeof answer);
}

static int outer(struct wsched_task *task, void *ctx)
{
    struct wsched *p = wsched_task_pool(task);
    struct wsched_spec s = kit_spec("middle", NULL, 0);
    struct wsched_future f;
    long answer = 0;

    (void)ctx;
    if (wsched_task_payload(task, NULL))
        s.actor = *(const struct wsched_actor *)wsched_task_payload(task, NULL);
    au32_store_release(&shared->outer_seat, p->seat);
    int err = wsched_submit(p, &s, &f);
    if (err)
        return err;
    au64_store_release(&shared->middle, f.v);
    until(&shared->middle_runs);
    err = wsched_wait(p, &f, 1, 1, -1, NULL);
    if (err != 1)
        return err < 0 ? err : -EIO;
    err = wsched_result(p, f, &answer, sizeof answer, NULL);
    wsched_release(p, f);
    return err ? err : wsched_task_result(task, &answer, sizeof answer);
}

static const struct wsched_kernel kernels[] = {
    { "inner", inner, NULL }, { "middle", middle, NULL }, { "outer", outer, NULL }
};

static void is_no_circle(bool with_actor)
{
    struct wsched_options o = WSCHED_OPTIONS_INIT;
    struct wsched_actor_spec spec = { .max_restarts = 0 };
    struct wsched_actor actor = { 0 };
    struct wsched *pool = NULL;

    shared = kit_share(sizeof *shared);
    o.workers = with_actor ? 1 : 2;
    test_point = at_point;
    REQUIRE_OK(wsched_open(&o, kernels, 3, &pool));
    if (with_actor)
        REQUIRE_OK(wsched_actor_new(pool, &spec, &actor));
    struct wsched_future f =
        kit_submit(pool, "outer", with_actor ? &actor : NULL, with_actor ? sizeof actor : 0);
    CHECK_EQ(kit_long(pool, f), 1);
    CHECK_EQ(au32_load_acquire(&shared->held), 1); /* or we tried nothing */
    CHECK_EQ(wsched_verify(pool, NULL), 0);
    wsched_close(pool);
    test_point = NULL;
    munmap(shared, sizeof *shared);
}

static void of_workers(void)
{
    is_no_circle(false);
}

static void with_an_actor(void)
{
    is_no_circle(true);
}

TESTS("wsched: circles", { "workers that help each other while they wait", of_workers },
      { "a worker and an actor", with_an_actor })
