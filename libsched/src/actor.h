/* SPDX-License-Identifier: MIT */
/* actor.h -- what the modules of actors share; actor.c explains. */
#ifndef WSCHED_ACTOR_H
#define WSCHED_ACTOR_H

#include "mailbox.h"
#include "pool.h"

/* ---- words and handles --------------------------------------------------------------------- */

static inline enum actor_state actor_state(uint64_t w)
{
    return (enum actor_state)(w & ACTOR_STATE);
}
static inline uint32_t actor_generation(uint64_t w)
{
    return (uint32_t)(w >> ACTOR_GENERATION_SHIFT);
}
static inline uint32_t actor_maker(uint64_t w)
{
    return (uint32_t)(w >> ACTOR_SEAT_SHIFT) & 0xffff;
}
static inline uint64_t actor_word(uint32_t generation, enum actor_state state, uint32_t maker)
{
    return (uint64_t)generation << ACTOR_GENERATION_SHIFT | (uint64_t)maker << ACTOR_SEAT_SHIFT |
           (uint64_t)state;
}
static inline uint64_t actor_turn(uint64_t w, enum actor_state state)
{
    return (w & ~ACTOR_STATE) | (uint64_t)state;
}
static inline struct actor *actor_at(const struct wsched *p, uint32_t index)
{
    return &p->actors[index];
}
static inline uint32_t actor_of_seat(const struct wsched *p, uint32_t seat)
{
    return seat - actor_seat(p, 0);
}
static inline struct mailbox actor_mailbox(const struct wsched *p, uint32_t index)
{
    return (struct mailbox){ &actor_at(p, index)->mailbox,
                             p->mailboxes + (uint64_t)index * MAILBOX_SLOTS };
}
static inline unsigned char *actor_payload(const struct wsched *p, uint32_t index)
{
    return p->actor_payloads + (uint64_t)index * actor_payload_stride(p);
}

/* The actor that a handle names. -EINVAL: none ever; -EOWNERDEAD: it has ended. */
int actor_look(const struct wsched *p, struct wsched_actor actor, uint32_t *index, uint64_t *word);
void actor_name(const struct actor *a, char name[NAME_BYTES]);

/* ---- actor.c ------------------------------------------------------------------------------- */

/* For the supervisor. */
void actor_has_died(struct wsched *p, uint32_t index, pid_t pid, int status);
bool actor_restart(struct wsched *p, uint32_t index); /* count it; false: it may not */
bool actor_will_restart(const struct wsched *p, uint32_t index);
void actor_end(struct wsched *p, uint32_t index); /* it has no process and will have none */
/* A process that is dead made records, or actors that go with it. */
void actors_sweep_seat(struct wsched *p, uint32_t seat, pid_t pid);
/* After any death: a call may be in no mailbox. */
void actors_look_for_lost(struct wsched *p);

/* ---- call.c -------------------------------------------------------------------------------- */

int call_check(const struct wsched *p, struct wsched_actor actor); /* may it be called? */
/* Has the mailbox room, or has the actor ended? Else wait for that. */
bool call_has_room(struct wsched *p, uint32_t place);
int call_wait_for_room(struct wsched *p, struct wsched_actor actor);
/* A call that is PENDING: into its mailbox; then, without the lock, wake its actor. True:
 * it slept. */
void call_push(struct wsched *p, uint32_t index, uint64_t future);
bool call_wake(struct wsched *p, struct wsched_actor actor, const struct wsched_future *futures,
               size_t n);
void call_deliver(struct wsched *p, uint32_t index, uint64_t future);
/* The actor has ended: a call of it that is PENDING fails. */
void call_fail(struct wsched *p, uint32_t index, uint64_t word);
void call_blame(struct wsched *p, struct task *t); /* its cause is that of the actor's end */
/* Does an actor's call, perhaps, wait for this task? */
static inline bool call_holds(const struct wsched *p, const struct wsched_task *task)
{
    return p->place ||
           (task->index < p->task_count && (task_at(p, task->index)->kernel & KERNEL_HELD));
}

/* ---- circle.c ------------------------------------------------------------------------------ */

/* We are about to sleep until all of these are over, or there is room in a mailbox. -EDEADLK: that
 * would never be. */
int circle_await(struct wsched *p, const struct wanted *w);
int circle_await_room(struct wsched *p, uint32_t place);
void circle_leave(struct wsched *p); /* we sleep no more */

/* ---- wsched_error.c ------------------------------------------------------------------------ */

/* What a task failed with, in words: of the library's own errors its words, else errno's. */
const char *task_strerror(int error);

/* ---- look.c -------------------------------------------------------------------------------- */

#define FAILURE_TEXT 192u
/* In words; `born`: when the task that failed was submitted. */
void cause_describe(const struct wsched *p, const struct cause *c, int error, uint64_t born,
                    char text[FAILURE_TEXT]);

/* ---- actor_main.c -------------------------------------------------------------------------- */

int actor_main(struct wsched *p); /* returns the exit code */

#endif
