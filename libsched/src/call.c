/* SPDX-License-Identifier: MIT */
/*
 * call.c -- calls of actors: into the mailbox, waiting for room in it, failing when the actor ends.
 *
 * A call is a task with a place: record + generation of the actor in its line. It goes through the
 * states of task.c, but its hint goes into the actor's mailbox as soon as it is PENDING, and from
 * there only the actor takes it. One more edge: T4 also leads from PENDING to FAILING(self), for a
 * call whose actor has ended.
 *
 * Room      A caller looks before it makes the task, and then pushes in any case: the ring has
 * twice as many slots as a mailbox may have calls (MAILBOX_MAX). So a mailbox can be over its bound
 * by as many calls as there are threads that call in the same moment, and by calls that waited for
 *   dependencies. When even the ring is full, record.lost is raised, as for any call in no mailbox.
 */
#include "actor.h"
#include "fiber.h"

#include <string.h>

/* ---- making one ---------------------------------------------------------------------------- */

int call_check(const struct wsched *p, struct wsched_actor actor)
{
    uint32_t index;
    uint64_t word;
    int err = actor_look(p, actor, &index, &word);

    return !err && (word & ACTOR_STOPPING) ? -EOWNERDEAD : err;
}

bool call_has_room(struct wsched *p, uint32_t place)
{
    const struct actor *a = actor_at(p, place - 1);
    struct mailbox m = actor_mailbox(p, place - 1);
    uint32_t capacity = a->capacity < MAILBOX_MAX ? a->capacity : MAILBOX_MAX;

    return mailbox_has_room(&m, capacity, &p->heads_seen[place - 1]);
}

/* ---- room -------------------------------------------------------------------------------- */

/* Does an actor's call, perhaps, wait for what runs here? Then nothing foreign is stacked on it. */
static bool is_held(const struct wsched *p)
{
    return p->current && call_holds(p, p->current);
}

struct room {
    struct wsched *p;
    uint32_t place, generation;
};

static bool room_or_end(void *arg)
{
    const struct room *r = arg;
    const struct actor *a = actor_at(r->p, r->place - 1);
    uint64_t word = au64_load_seq_cst(&a->word);

    /* E3. Without our bit nobody would wake us: an actor took it that had made room before. */
    return actor_generation(word) != r->generation || actor_state(word) != ACTOR_ALIVE ||
           call_has_room(r->p, r->place) || !(au64_load_seq_cst(&a->room_waiters) & park_bit(r->p));
}

int call_wait_for_room(struct wsched *p, struct wsched_actor actor)
{
    struct room r = { p, (uint32_t)actor.v, (uint32_t)(actor.v >> 32) };
    int err = call_check(p, actor);

    if (err)
        return err;
    au64_or_seq_cst(&actor_at(p, r.place - 1)->room_waiters, park_bit(p)); /* E3 */
    POINT("call: room is waited for, not asleep");
    if (p->role != ROLE_WORKER)
        return client_sleep(p, room_or_end, &r, INT64_MAX);
    const bool is_beside = p->current && p->current->fiber && fork_is_clean(p, &p->current->mark);
    if (!is_beside && (fiber_resume(p) || (!is_held(p) && worker_help(p))))
        return 0;
    err = circle_await_room(p, r.place);
    if (!err && worker_pool_is_over(p))
        err = -ESHUTDOWN;
    if (!err && is_beside)
        fiber_wait(p, room_or_end, &r, INT64_MAX);
    else if (!err)
        worker_rest(p, !p->is_guest && !p->place && p->depth < DEPTH_MAX && !is_held(p),
                    room_or_end, &r, INT64_MAX);
    search_end(p);
    circle_leave(p);
    return err;
}

void call_push(struct wsched *p, uint32_t index, uint64_t future)
{
    uint32_t place = task_at(p, index)->place;

    if (!place || place > p->actors_max)
        return; /* damaged */
    struct mailbox m = actor_mailbox(p, place - 1);
    if (!mailbox_push(&m, future, MAILBOX_SLOTS, &p->heads_seen[place - 1]))
        au32_store_release(&actor_at(p, place - 1)->lost, 1);
    POINT("call: in the mailbox, actor not woken");
}

bool call_wake(struct wsched *p, struct wsched_actor actor, const struct wsched_future *futures,
               size_t n)
{
    uint32_t place = (uint32_t)actor.v;

    if (!place || place > p->actors_max)
        return false; /* damaged */
    fence_seq_cst();  /* E1, E2 */
    uint64_t word = au64_load_acquire(&actor_at(p, place - 1)->word), task;
    if (actor_generation(word) == actor.v >> 32 && actor_state(word) == ACTOR_ALIVE) {
        uint32_t seat = actor_seat(p, place - 1);
        const struct park *park = park_of(p, seat);
        bool sleeps = au32_load_seq_cst(&park->word); /* E2 */
        if (sleeps)
            park_wake_seat(p, seat);
        else if (park_is_here(park))              /* it waits for our CPU */
            au32_store_relaxed(&p->woke_here, 1); /* relaxed: a hint */
        return sleeps;
    }
    for (size_t i = 0; i < n; i++) {
        uint32_t index;
        if (future_look(p, futures[i].v, &index, &task))
            call_fail(p, index, task);
    }
    return false;
}

void call_deliver(struct wsched *p, uint32_t index, uint64_t future)
{
    const struct task *t = task_at(p, index);
    struct wsched_actor actor = { (uint64_t)t->place_generation << 32 | t->place };

    call_push(p, index, future);
    (void)call_wake(p, actor, &(struct wsched_future){ future }, 1);
}

/* ---- failing ------------------------------------------------------------------------------- */

/* Of what a call's actor has ended, as far as is known; and the error. */
static int find_cause(struct wsched *p, const struct task *t, struct cause *out)
{
    struct cause cause = { .exit_code = -1,
                           .kernel = UINT16_MAX,
                           .actor = (uint8_t)t->place,
                           .flags = CAUSE_ACTOR_ENDED };
    int error = EOWNERDEAD;

    if (t->place && t->place <= p->actors_max) {
        const struct actor *a = actor_at(p, t->place - 1);
        uint64_t word = au64_load_acquire(&a->word); /* A6 */
        /* A dead actor's cause was written before its running call is settled. */
        uint32_t failed = au32_load_relaxed(&a->error);
        struct cause its = a->cause;
        atomic_thread_fence(memory_order_acquire);
        bool is_same = actor_generation(au64_load_relaxed(&a->word)) == t->place_generation &&
                       (actor_state(word) >= ACTOR_ENDING ||
                        p->role == ROLE_SUPERVISOR); /* relaxed: the fence orders it */
        if (is_same)
            cause = its;
        if (is_same && failed && failed <= WORD_ERRNO_MASK)
            error = (int)failed;
    }
    *out = cause;
    return error;
}

void call_blame(struct wsched *p, struct task *t)
{
    (void)find_cause(p, t, &task_detail(p, t)->cause);
}

void call_fail(struct wsched *p, uint32_t index, uint64_t word)
{
    struct cause cause;
    int error = find_cause(p, task_at(p, index), &cause);

    task_fail_unstarted(p, index, word, false, error, &cause);
}

int wsched_actor_call(struct wsched *p, struct wsched_actor actor, const struct wsched_spec *spec,
                      struct wsched_future *out)
{
    if (!spec || !actor.v)
        return -EINVAL;
    struct wsched_spec s = *spec;
    s.actor = actor;
    return wsched_submit(p, &s, out);
}
