/* SPDX-License-Identifier: MIT */
/*
 * actor_main.c -- what an actor's process does: build the state, then call after call, in order.
 *
 * The call at the head of the mailbox is run where tasks are run (worker.c), at stack depth 0;
 * above that only tasks without a place are taken: what the call waits for, if nobody runs it yet,
 * and what it submitted itself. Nothing else: an actor that waits would run a stranger's task on
 * top of a call that others wait for.
 *
 * Waiting for calls it spins for a moment, then sleeps on its park word (E2 of actor.c). It spins
 * shorter each time it was in vain, and as long as ever once it slept but a moment: a caller that
 * waits for each answer and an actor that sleeps until each call would else stay so for ever. Nor
 * does it spin on a CPU on which the caller that it woke waits to go on: park.c.
 */
#include "actor.h"
#include "events.h"

#include <unistd.h>

#define SPIN_MAX 1500u /* rounds of about 30 ns */
#define SPIN_MIN 32u
#define SOON_TICKS (1 << 18) /* some 100 us */
#define ROOM_EVERY 32u
#define LONG_TICKS 100000u

/* E3. */
static void give_room(struct wsched *p, struct actor *a)
{
    fence_seq_cst();
    if (au64_load_relaxed(&a->room_waiters)) /* relaxed: the fence orders it */
        park_wake_bits(p, au64_xchg_seq_cst(&a->room_waiters, 0));
}

/* Is it a call of this actor, of this generation, that waits? */
static bool is_ours(const struct wsched *p, const struct actor *a, uint64_t future)
{
    uint32_t index;
    uint64_t word;

    return future_look(p, future, &index, &word) && word_state(word) == TASK_PENDING &&
           task_at(p, index)->place == p->place &&
           task_at(p, index)->place_generation == actor_generation(au64_load_relaxed(&a->word));
}

/* ---- calls in no mailbox ------------------------------------------------------------------- */

static bool is_in_mailbox(const struct mailbox *m, uint64_t future)
{
    uint32_t n = mailbox_size(m);

    for (uint32_t i = 0; i <= n; i++)
        if (mailbox_peek(m, i) == future)
            return true;
    return false;
}

/*
 * Into the mailbox with them. One whose caller is about to push it may come to stand there twice:
 * the second time it is not PENDING any more. It stands behind all that its caller pushed before,
 * so calls stay in order.
 */
static void find_lost(struct wsched *p, struct actor *a, const struct mailbox *m)
{
    uint32_t used = au32_load_acquire(&p->header->tasks_used);
    struct au64 seen = { 0 };

    if (!au32_xchg_acq_rel(&a->lost, 0))
        return;
    fence_seq_cst();
    POINT("actor: looking for lost calls");
    for (uint32_t i = 0; i < used && i < p->task_count; i++) {
        uint64_t word = au64_load_acquire(&task_at(p, i)->word);
        uint64_t future = future_make(i, word_generation(word));
        if (!is_ours(p, a, future) || is_in_mailbox(m, future))
            continue;
        if (!mailbox_push(m, future, MAILBOX_SLOTS, &seen)) {
            au32_store_release(&a->lost, 1);
            return;
        }
    }
}

/* ---- having nothing to do ------------------------------------------------------------------ */

struct ear {
    struct wsched *p;
    struct actor *a;
    const struct mailbox *m;
    uint64_t word;
};

static bool must_wake(void *arg)
{
    const struct ear *e = arg;
    uint64_t future;

    return mailbox_first(e->m, &future) || /* E2 */
           au64_load_seq_cst(&e->a->word) != e->word || au32_load_acquire(&e->a->lost) ||
           au32_load_acquire(&e->p->header->stopping);
}

static void rest(struct ear *e)
{
    struct wsched *p = e->p;

    p->last_end = 0;
    park_say_cpu(park_of(p, p->seat));
    for (uint32_t i = 0; p->cpus > 1 && !au32_load_relaxed(&p->woke_here) && i < p->spin_rounds;
         i++) {
        if (must_wake(e)) {
            p->spin_rounds = SPIN_MAX;
            return;
        }
        cpu_pause();
    }
    p->spin_rounds = p->spin_rounds / 2 > SPIN_MIN ? p->spin_rounds / 2 : SPIN_MIN;
    au32_store_relaxed(&p->woke_here, 0);
    uint64_t asleep = ticks_now(p);
    park_worker(p, false, must_wake, e, INT64_MAX);
    if (ticks_now(p) - asleep < SOON_TICKS)
        p->spin_rounds = SPIN_MAX;
}

/* ---- a life -------------------------------------------------------------------------------- */

/* 0, or the constructor's error. */
static int construct(struct wsched *p, const struct actor *a)
{
    struct wsched_task task = { .pool = p,
                                .index = UINT32_MAX,
                                .attempt = au32_load_acquire(&a->restarts) + 1,
                                .started = ticks_now(p),
                                .kernel = a->kernel };
    /* From here on task.kernel: the actor's may be damaged after it was looked at. */
    char name[NAME_BYTES];
    int err = -EBADMSG;

    if (task.kernel == UINT16_MAX)
        return 0;
    actor_name(a, name);
    event_put(p, p->seat, WSCHED_EVENT_STARTED, task.started, 0, task.attempt, task.kernel, p->pid,
              name);
    p->current = &task;
    POINT("actor: constructor not started");
    if (task.kernel < p->kernel_count)
        err = fork_enter(p, &task.mark);
    if (!err)
        err = p->kernels[task.kernel].fn(&task, p->kernels[task.kernel].ctx);
    if (p->fork && !fork_leave(p, &task.mark) && !err)
        err = -EPROTO;
    p->current = NULL;
    event_put(p, p->seat, err ? WSCHED_EVENT_FAILED : WSCHED_EVENT_FINISHED, ticks_now(p), 0,
              task.attempt, task.kernel, p->pid, name);
    POINT("actor: constructor finished, not ready");
    return err > 0 || err < -(int)WORD_ERRNO_MASK ? -EPROTO : err;
}

/* Its constructor said no: that is final. */
static void give_up(struct actor *a, int err)
{
    uint64_t word = au64_load_acquire(&a->word);

    au32_store_relaxed(&a->error, (uint32_t)-err); /* relaxed: the word publishes it */
    while (!au64_cas_acq_rel(&a->word, &word, word | ACTOR_FAILED))
        ;
}

static void serve(struct wsched *p, struct actor *a, const struct mailbox *m)
{
    uint32_t since_room = 0;
    uint64_t future;

    while (!au32_load_acquire(&p->header->stopping)) {
        uint64_t word = au64_load_acquire(&a->word);
        if (word & (ACTOR_STOP_NOW | ACTOR_KILL))
            return;
        if (au32_load_acquire(&a->lost) && mailbox_size(m) <= MAILBOX_MAX)
            find_lost(p, a, m);
        if (mailbox_first(m, &future)) {
            uint64_t before = p->last_end;
            task_want(p, future);
            bool has_run = is_ours(p, a, future) && worker_run(p, future, NULL);
            if (has_run)
                stat_add(&a->served, 1);
            POINT("actor: call is over, still in the mailbox");
            /* It failed, and runs again: it keeps its place. One that is over has its caller's eye
             * on its line: we look no more. */
            if ((!has_run || p->runs_again) && is_ours(p, a, future))
                continue;
            mailbox_pop(m);
            if (++since_room == ROOM_EVERY || p->last_end - before > LONG_TICKS) {
                give_room(p, a);
                since_room = 0;
            }
            continue;
        }
        give_room(p, a);
        since_room = 0;
        if (word & ACTOR_STOP)
            return;
        struct ear ear = { p, a, m, word };
        rest(&ear);
    }
}

int actor_main(struct wsched *p)
{
    uint32_t index = actor_of_seat(p, p->seat);
    struct actor *a = actor_at(p, index);
    struct mailbox m = actor_mailbox(p, index);

    worker_begin(p);
    p->place = index + 1;
    p->spin_rounds = SPIN_MAX;
    p->free_max = p->free_max < ACTOR_STOCK ? p->free_max : ACTOR_STOCK;
    if (p->options.worker_start && p->options.worker_start(p->options.worker_ctx))
        return 1;
    int err = construct(p, a);
    if (err) {
        give_up(a, err);
        return 0;
    }
    au32_store_release(&p->seats[p->seat].ready, 1); /* W2 */
    serve(p, a, &m);
    if (p->options.worker_stop)
        p->options.worker_stop(p->options.worker_ctx);
    return 0;
}
