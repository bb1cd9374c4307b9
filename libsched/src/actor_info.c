/* SPDX-License-Identifier: MIT */
/* actor_info.c -- looking at actors while they work, or after: as inspect.c looks at tasks. */
#include "actor.h"

#include <string.h>

#include "identity.h"

/* What runs in it, if that did not change while we looked. */
static void look_at_call(const struct wsched *p, uint32_t index, struct wsched_actor_info *out)
{
    const struct seat *s = &p->seats[actor_seat(p, index)];
    uint64_t entry = au64_load_acquire(&s->running[0]); /* W1 */
    uint32_t at = (uint32_t)(entry & 0x1fffff) - 1;

    if (!au32_load_acquire(&s->depth) || at >= p->task_count)
        return;
    const struct task *t = task_at(p, at);
    uint64_t word = au64_load_acquire(&t->word);
    const char *kernel = wsched_kernel_name(p, task_kernel(t));
    atomic_thread_fence(memory_order_acquire);
    if (word_state(word) != TASK_RUNNING || word_generation(word) != entry >> 32 ||
        au64_load_relaxed(&t->word) != word) /* relaxed: the fence orders it */
        return;
    out->task.v = future_make(at, word_generation(word));
    out->kernel = kernel ? kernel : "";
    out->state = WSCHED_ACTOR_RUNNING;
}

/* False: there is none in this record. */
static bool look_at(const struct wsched *p, uint32_t index, double rate,
                    struct wsched_actor_info *out)
{
    const struct actor *a = actor_at(p, index);
    const struct seat *s = &p->seats[actor_seat(p, index)];
    const struct mailbox m = actor_mailbox(p, index);
    uint64_t word = au64_load_acquire(&a->word); /* E4 */

    if (actor_state(word) < ACTOR_ALIVE || actor_state(word) > ACTOR_DEAD)
        return false;
    struct cause cause = a->cause;
    *out = (struct wsched_actor_info){
        .actor = { (uint64_t)actor_generation(word) << 32 | (index + 1) },
        .pid = (int32_t)identity_pid(au64_load_acquire(&s->identity)),
        .restarts = au32_load_relaxed(&a->restarts), /* relaxed here and below: statistics */
        .max_restarts = a->max_restarts,
        .queued = mailbox_size(&m),
        .mailbox_capacity = a->capacity,
        .is_stopping = word & ACTOR_STOPPING,
        .served = au64_load_relaxed(&a->served),
        .created_ns = ticks_to_ns(p, a->born, rate),
        .kernel = "",
    };
    actor_name(a, out->name);
    out->state = actor_state(word) != ACTOR_ALIVE           ? WSCHED_ACTOR_ENDED
                 : au32_load_acquire(&s->ready) && out->pid ? WSCHED_ACTOR_IDLE
                                                            : WSCHED_ACTOR_STARTING;
    if (out->state != WSCHED_ACTOR_ENDED && out->pid &&
        identity_is_dead(au64_load_acquire(&s->identity)))
        out->state = WSCHED_ACTOR_DEAD;
    if (out->state == WSCHED_ACTOR_IDLE)
        look_at_call(p, index, out);
    if (out->state == WSCHED_ACTOR_ENDED && cause.pid)
        out->pid = cause.pid;
    if (cause.flags || out->state == WSCHED_ACTOR_ENDED) {
        int error = (int)au32_load_relaxed(&a->error);
        cause.flags |= CAUSE_ACTOR_ENDED;
        cause.actor = 0; /* the name stands beside it */
        cause_describe(p, &cause, error ? -error : -EOWNERDEAD, a->born, out->cause);
    }
    atomic_thread_fence(memory_order_acquire);
    return actor_generation(au64_load_relaxed(&a->word)) ==
           actor_generation(word); /* relaxed: fence */
}

int wsched_actor_info(struct wsched *p, struct wsched_actor actor, struct wsched_actor_info *out)
{
    int err = pool_check(p);
    uint32_t index;
    uint64_t word;
    struct wsched_actor_info info;

    if (err || !out)
        return err ? err : -EINVAL;
    err = actor_look(p, actor, &index, &word);
    if (err == -EINVAL)
        return err;
    if (actor_generation(word) != actor.v >> 32 || !look_at(p, index, tick_rate(p), &info) ||
        info.actor.v != actor.v)
        return -EOWNERDEAD;
    *out = info;
    return 0;
}

int wsched_actors(struct wsched *p, int (*visit)(const struct wsched_actor_info *actor, void *ctx),
                  void *ctx)
{
    int err = pool_check(p);

    if (err || !visit)
        return err ? err : -EINVAL;
    double rate = tick_rate(p);
    for (uint32_t i = 0; i < actors_used(p) && !err; i++) {
        struct wsched_actor_info info;
        if (look_at(p, i, rate, &info))
            err = visit(&info, ctx);
    }
    return err;
}
