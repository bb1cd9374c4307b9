/* SPDX-License-Identifier: MIT */
/*
 * actor.c -- the life of an actor: a process of its own, with a name, a state and a mailbox.
 *
 * A record in a table, a seat of its own (record i has seat actor_seat(i)), a mailbox (mailbox.c).
 * The record's word packs generation:32 | maker's seat:16 | flags:8 | state:8 and changes by CAS.
 *
 *   A1  FREE, DEAD    -> MAKING(self), generation + 1    wsched_actor_new()
 *   A2  MAKING(self)  -> NAMING(self)        record filled in; the name can be seen
 *   A3  NAMING(other) -> REFUSED(other)      by a maker of the same name with a lower index
 *   A4  NAMING(self)  -> ALIVE               the name is ours
 *       NAMING, REFUSED (self) -> FREE       it is not: -EEXIST
 *   A5  ALIVE         -> ALIVE + STOP...     wsched_actor_stop(); flags are only added
 *   A6  ALIVE         -> ENDING              the supervisor: its process is dead, no other comes
 *   A7  ENDING        -> DEAD                the supervisor: all calls it had are failed
 *   A8  MAKING, NAMING, REFUSED (dead) -> FREE     the supervisor's sweep
 *
 * The supervisor forks a process for every ALIVE record that has none. That builds the state (the
 * constructor), then takes call after call from the mailbox (actor_main.c). A call is a task of
 * the task table, T1 to T10 of task.c, with a place: its hint goes into this mailbox and nowhere
 * else, and only the process in this seat claims it. So results, waiting, cancelling, causes and
 * dependencies of calls are those of tasks (call.c).
 *
 * Names     A name belongs to at most one ALIVE record. Makers of the same name see each other,
 *   for each makes its own visible (A2, seq_cst) before it looks at all others: the later of two
 *   sees the earlier. It gives way to one that is ALIVE, and in NAMING to the lower index; the
 *   lower index sends the higher one away (A3), which loses only if it has not passed A4: then the
 *   lower one sees ALIVE, and gives way. A maker that is stopped in NAMING bars nobody for ever: of
 *   two, the lower index goes on; one with a higher index gets -EEXIST until the stopped one does.
 *
 * Invariants
 *   I1  Calls of one generation of a record are PENDING, BLOCKED or RUNNING only while it is ALIVE
 *       or ENDING, or while somebody is about to fail them: who made a call PENDING looks at the
 *       word afterwards (E1); who sets ENDING looks at all tasks afterwards.
 *   I2  A RUNNING call stays first in its mailbox until it is over (mailbox.c, M3): one that runs
 *       again keeps its place. One is claimed at stack depth 0 only, so an actor never runs a call
 *       while it runs, or waits in, another.
 *   I3  record.restarts, cause, ended are the supervisor's while ALIVE or ENDING.
 *
 * Ordering
 *   E1  call PENDING, in the mailbox, fence -> word read | A6, fence -> tasks read. Either the
 *       caller sees that the actor ends, or the supervisor sees the call. Both may fail it: T4.
 *   E2  mailbox slot full (M1), fence -> park word read | park word set, fence -> slot read. The
 *       caller sees the sleeper, or that sees the call.
 *   E3  room_waiters set, then head read | head moved (M4), fence -> room_waiters read.
 *   E4  A4 (release) -> acquire of the supervisor and of callers: they see the record filled in.
 *
 * Deaths
 *   the maker      before A4: A8. After it: the actor lives, and is found by its name, or went with
 *                  its maker if that was asked for (WSCHED_ACTOR_WITH_CREATOR).
 *   a caller       before the task is PENDING: as of any submission. Then, before the hint is in the
 *                  mailbox: a PENDING call in no mailbox. Its sweep raises record.lost of all actors;
 *                  each then looks through the task table (actor_main.c). In the mailbox, actor not
 *                  woken: the sweep wakes all actors, too.
 *   the actor      the supervisor settles what it ran: a call fails with the cause, or is PENDING
 *                  again if it may run more often. Then the record gets another process, or ENDING.
 *                  Calls that wait are not touched by a restart.
 *   the supervisor the kernel kills all actors with the workers. Its successor treats each as one
 *                  that died of signal 9: an actor that may not be restarted ends.
 */
#include "actor.h"
#include "events.h"

#include <string.h>
#include <sys/wait.h>

#include "identity.h"

#define CAPACITY_DEFAULT 1024u

/* ---- names --------------------------------------------------------------------------------- */

void actor_name(const struct actor *a, char name[NAME_BYTES])
{
    for (size_t i = 0; i < NAME_BYTES / 8; i++) {
        uint64_t word = au64_load_relaxed(&a->name[i]); /* relaxed: the word's generation tells */
        memcpy(name + i * 8, &word, 8);
    }
    name[NAME_BYTES - 1] = 0;
}

static void set_name(struct actor *a, const char *name)
{
    char bytes[NAME_BYTES] = "";

    memcpy(bytes, name, strnlen(name, NAME_BYTES - 1));
    for (size_t i = 0; i < NAME_BYTES / 8; i++) {
        uint64_t word;
        memcpy(&word, bytes + i * 8, 8);
        au64_store_relaxed(&a->name[i], word); /* relaxed: A2 */
    }
}

/* Does this record have that name? *word becomes what its word was throughout. */
static bool has_name(const struct actor *a, const char *wanted, uint64_t *word)
{
    char name[NAME_BYTES];

    do {
        *word = au64_load_seq_cst(&a->word);
        if (actor_state(*word) != ACTOR_NAMING && actor_state(*word) != ACTOR_ALIVE)
            return false;
        actor_name(a, name);
        atomic_thread_fence(memory_order_acquire);
    } while (au64_load_relaxed(&a->word) != *word); /* relaxed: the fence orders it */
    return !strcmp(name, wanted);
}

/* A2 to A4. */
static int take_name(struct wsched *p, uint32_t index, const char *name)
{
    struct actor *a = actor_at(p, index);
    uint64_t mine = au64_load_relaxed(&a->word), naming = actor_turn(mine, ACTOR_NAMING); /* ours */
    uint64_t alive = actor_word(actor_generation(mine), ACTOR_ALIVE, 0);
    bool lost = false;

    au64_xchg_seq_cst(&a->word, naming); /* A2 */
    POINT("actor: name visible, others not looked at");
    for (uint32_t i = 0; name[0] && !lost && i < actors_used(p); i++) {
        uint64_t word;
        while (i != index && !lost && has_name(actor_at(p, i), name, &word)) {
            lost = actor_state(word) == ACTOR_ALIVE || i < index;
            if (!lost && au64_cas_seq_cst(&actor_at(p, i)->word, &word,
                                          actor_turn(word, ACTOR_REFUSED))) /* A3 */
                break;
        }
    }
    POINT("actor: name looked for, not ours");
    if (!lost && au64_cas_seq_cst(&a->word, &naming, alive)) /* A4, E4 */
        return 0;
    au64_store_release(&a->word, actor_word(actor_generation(mine), ACTOR_FREE, 0));
    return -EEXIST;
}

/* ---- beginning ----------------------------------------------------------------------------- */

static int spec_check(const struct wsched *p, const struct wsched_actor_spec *s, uint32_t *kernel)
{
    const uint32_t known = WSCHED_ACTOR_WITH_CREATOR;

    if (!s || s->max_restarts < -1 || s->max_restarts > RESTARTS_LIMIT ||
        s->mailbox_capacity > MAILBOX_MAX || (s->flags & ~known) ||
        (s->payload_size && !s->payload) ||
        (s->name && (!s->name[0] || strnlen(s->name, NAME_BYTES) == NAME_BYTES)))
        return -EINVAL;
    if (s->payload_size > p->payload_max)
        return -E2BIG;
    *kernel = UINT16_MAX;
    for (uint32_t i = 0; s->constructor && i < p->kernel_count && *kernel == UINT16_MAX; i++)
        if (!strcmp(p->kernels[i].name, s->constructor))
            *kernel = i;
    return s->constructor && *kernel == UINT16_MAX ? -ENOENT : 0;
}

/* A1. A record that was never used, or was given back; else the one that ended longest ago. */
static int take_record(struct wsched *p, uint32_t *index)
{
    for (;;) {
        uint32_t best = UINT32_MAX, used;
        uint64_t best_word = 0, best_ended = UINT64_MAX;
        for (uint32_t i = 0; i < p->actors_max && best_ended; i++) {
            uint64_t word = au64_load_acquire(&actor_at(p, i)->word);
            uint64_t ended = actor_state(word) == ACTOR_FREE ? 0
                             : actor_state(word) == ACTOR_DEAD
                                 ? au64_load_relaxed(&actor_at(p, i)->ended) /* relaxed: a hint */
                                 : UINT64_MAX;
            if (ended < best_ended)
                best = i, best_word = word, best_ended = ended;
        }
        if (best == UINT32_MAX)
            return -ENOSPC;
        used = au32_load_relaxed(&p->header->actors_used); /* relaxed: the CAS decides */
        while (used < best + 1 && !au32_cas_acq_rel(&p->header->actors_used, &used, best + 1))
            ;
        uint64_t next = actor_word(actor_generation(best_word) + 1, ACTOR_MAKING, p->seat);
        if (au64_cas_acq_rel(&actor_at(p, best)->word, &best_word, next)) { /* A1 */
            *index = best;
            return 0;
        }
    }
}

static void fill(struct wsched *p, uint32_t index, const struct wsched_actor_spec *s,
                 uint32_t kernel)
{
    struct actor *a = actor_at(p, index);

    au64_store_relaxed(&a->room_waiters, 0); /* relaxed here and below: E4 */
    au32_store_relaxed(&a->lost, 0);
    au32_store_relaxed(&a->restarts, 0);
    au32_store_relaxed(&a->error, 0);
    au64_store_relaxed(&a->served, 0);
    au64_store_relaxed(&a->ended, 0);
    a->capacity = s->mailbox_capacity ? s->mailbox_capacity : CAPACITY_DEFAULT;
    a->max_restarts = s->max_restarts;
    a->flags = s->flags;
    a->kernel = (uint16_t)kernel;
    a->payload_size = s->payload_size;
    a->born = ticks_now(p);
    a->creator_seat = (uint16_t)p->seat;
    a->creator = (uint64_t)identity_pid(au64_load_acquire(&p->seats[p->seat].identity));
    a->cause = (struct cause){ .exit_code = -1, .kernel = UINT16_MAX };
    set_name(a, s->name ? s->name : "");
    if (s->payload_size)
        memcpy(actor_payload(p, index), s->payload, s->payload_size);
}

int wsched_actor_new(struct wsched *p, const struct wsched_actor_spec *s, struct wsched_actor *out)
{
    int err = pool_check_part(p);
    uint32_t index, kernel;

    if (!err && !out)
        err = -EINVAL;
    if (!err)
        err = spec_check(p, s, &kernel);
    if (!err)
        err = supervisor_check(p);
    if (!err)
        err = take_record(p, &index);
    if (err)
        return err;
    POINT("actor: record taken, not filled in");
    uint32_t generation =
        actor_generation(au64_load_relaxed(&actor_at(p, index)->word)); /* relaxed: ours */
    fill(p, index, s, kernel);
    err = take_name(p, index, s->name ? s->name : "");
    if (err)
        return err;
    POINT("actor: alive, supervisor not told");
    out->v = (uint64_t)generation << 32 | (index + 1);
    (void)!supervisor_tell(p); /* what it does not hear, it sees when it looks */
    return 0;
}

/* ---- finding and stopping ------------------------------------------------------------------- */

int actor_look(const struct wsched *p, struct wsched_actor actor, uint32_t *index, uint64_t *word)
{
    uint32_t generation = (uint32_t)(actor.v >> 32);

    *index = (uint32_t)actor.v - 1;
    if (*index >= p->actors_max || !generation)
        return -EINVAL;
    *word = au64_load_acquire(&actor_at(p, *index)->word); /* E4 */
    if ((int32_t)(actor_generation(*word) - generation) < 0)
        return -EINVAL;
    return actor_generation(*word) != generation || actor_state(*word) != ACTOR_ALIVE ? -EOWNERDEAD
                                                                                      : 0;
}

int wsched_actor_find(struct wsched *p, const char *name, struct wsched_actor *out)
{
    int err = pool_check(p);

    if (err || !name || !name[0] || !out)
        return err ? err : -EINVAL;
    for (uint32_t i = 0; i < actors_used(p); i++) {
        uint64_t word;
        if (has_name(actor_at(p, i), name, &word) && actor_state(word) == ACTOR_ALIVE) {
            out->v = (uint64_t)actor_generation(word) << 32 | (i + 1);
            return 0;
        }
    }
    return -ENOENT;
}

int wsched_actor_stop(struct wsched *p, struct wsched_actor actor, uint32_t how)
{
    int err = pool_check_part(p);
    uint64_t flag = how == WSCHED_ACTOR_KILL     ? ACTOR_KILL
                    : how == WSCHED_ACTOR_FINISH ? ACTOR_STOP
                    : how == WSCHED_ACTOR_LEAVE  ? ACTOR_STOP_NOW
                                                 : 0;
    uint32_t index;
    uint64_t word;

    if (!err && !flag)
        err = -EINVAL;
    if (!err)
        err = supervisor_check(p);
    while (!err && !(err = actor_look(p, actor, &index, &word)))
        if (au64_cas_seq_cst(&actor_at(p, index)->word, &word, word | flag)) { /* A5, E2 */
            POINT("actor: to be stopped, not woken");
            park_wake_seat(p, actor_seat(p, index));
            return supervisor_tell(p); /* also if it has no process now */
        }
    return err;
}

/* ---- the end, in the supervisor ------------------------------------------------------------- */

bool actor_will_restart(const struct wsched *p, uint32_t index)
{
    const struct actor *a = actor_at(p, index);
    uint32_t restarts = au32_load_relaxed(&a->restarts); /* relaxed: ours */

    return !(au64_load_acquire(&a->word) & (ACTOR_STOPPING | ACTOR_FAILED)) &&
           (a->max_restarts < 0 || restarts < (uint32_t)a->max_restarts);
}

bool actor_restart(struct wsched *p, uint32_t index)
{
    struct au32 *restarts = &actor_at(p, index)->restarts;
    uint32_t n = au32_load_relaxed(restarts); /* relaxed: ours */

    if (!actor_will_restart(p, index))
        return false;
    au32_store_relaxed(restarts, n < UINT8_MAX ? n + 1 : n); /* relaxed: fork orders it */
    return true;
}

/* Its process is dead: remember of what. Before what it was running is settled. */
void actor_has_died(struct wsched *p, uint32_t index, pid_t pid, int status)
{
    struct actor *a = actor_at(p, index);
    const struct seat *s = &p->seats[actor_seat(p, index)];
    uint64_t word = au64_load_acquire(&a->word);
    uint32_t depth = au32_load_acquire(&s->depth), kernel = UINT16_MAX; /* W1 */
    bool is_exit = WIFEXITED(status) && !WEXITSTATUS(status) && (word & ACTOR_STOPPING);

    if (depth && depth <= DEPTH_MAX) {
        uint32_t task = ((uint32_t)au64_load_relaxed(&s->running[0]) & 0x1fffff) - 1; /* W1 */
        kernel = task < p->task_count ? task_kernel(task_at(p, task)) : UINT16_MAX;
    } else if (!au32_load_acquire(&s->ready) || (word & ACTOR_FAILED)) {
        kernel = a->kernel; /* the constructor's doing */
    }
    a->cause = (struct cause){
        .pid = pid,
        .signal = (int16_t)(WIFSIGNALED(status) ? WTERMSIG(status) : 0),
        .exit_code =
            (int16_t)(WIFEXITED(status) && !is_exit && !(word & ACTOR_FAILED) ? WEXITSTATUS(status)
                                                                              : -1),
        .kernel = (uint16_t)kernel,
        .actor = (uint8_t)(index + 1),
        .flags = (uint8_t)(CAUSE_ACTOR_ENDED | (au64_load_acquire(&s->memory) ? CAUSE_MEMORY : 0)),
        .restarts = (uint8_t)au32_load_relaxed(&a->restarts), /* relaxed: ours */
        .attempts_max = (uint8_t)(a->max_restarts < 0 ? 0 : a->max_restarts),
    };
}

static bool is_call_of(const struct task *t, uint32_t index, uint32_t generation)
{
    return t->place == index + 1 && t->place_generation == generation;
}

static void fail_calls(struct wsched *p, uint32_t index, uint32_t generation)
{
    uint32_t used = au32_load_acquire(&p->header->tasks_used);

    for (uint32_t i = 0; i < used && i < p->task_count; i++) {
        uint64_t word = au64_load_acquire(&task_at(p, i)->word);
        if (word_state(word) == TASK_PENDING && is_call_of(task_at(p, i), index, generation)) {
            POINT("actor: ending, about to fail a call");
            call_fail(p, i, word);
        }
    }
}

void actor_end(struct wsched *p, uint32_t index)
{
    struct actor *a = actor_at(p, index);
    uint64_t word = au64_load_acquire(&a->word), future;
    struct mailbox m = actor_mailbox(p, index);

    au64_store_relaxed(&a->ended, ticks_now(p)); /* relaxed: A6 */
    while (actor_state(word) == ACTOR_ALIVE &&
           !au64_cas_seq_cst(&a->word, &word, actor_turn(word, ACTOR_ENDING))) /* A6, E1 */
        ;
    fence_seq_cst(); /* E1 */
    POINT("actor: ending, calls not failed");
    fail_calls(p, index, actor_generation(word));
    for (uint32_t i = 0; i < MAILBOX_SLOTS && mailbox_first(&m, &future); i++)
        mailbox_pop(&m);
    POINT("actor: calls failed, not dead");
    word = au64_load_acquire(&a->word);
    if (actor_state(word) == ACTOR_ENDING)
        au64_cas_seq_cst(&a->word, &word, actor_turn(word, ACTOR_DEAD)); /* A7 */
    fence_seq_cst();                                                     /* E3 */
    park_wake_bits(p, au64_xchg_seq_cst(&a->room_waiters, 0));
}

void actors_sweep_seat(struct wsched *p, uint32_t seat, pid_t pid)
{
    for (uint32_t i = 0; i < actors_used(p); i++) {
        struct actor *a = actor_at(p, i);
        uint64_t word = au64_load_acquire(&a->word);
        switch (actor_state(word)) {
        case ACTOR_MAKING:
        case ACTOR_NAMING:
        case ACTOR_REFUSED:
            if (actor_maker(word) == seat) /* A8 */
                au64_store_release(&a->word, actor_word(actor_generation(word), ACTOR_FREE, 0));
            break;
        case ACTOR_ALIVE:
            while ((a->flags & WSCHED_ACTOR_WITH_CREATOR) && a->creator_seat == seat && pid &&
                   a->creator == (uint64_t)pid && actor_state(word) == ACTOR_ALIVE &&
                   !au64_cas_seq_cst(&a->word, &word, word | ACTOR_KILL)) /* A5 */
                ;
            break;
        case ACTOR_FREE:
        case ACTOR_ENDING:
        case ACTOR_DEAD:
            break;
        }
    }
}

void actors_look_for_lost(struct wsched *p)
{
    for (uint32_t i = 0; i < actors_used(p); i++)
        if (actor_state(au64_load_acquire(&actor_at(p, i)->word)) == ACTOR_ALIVE) {
            au32_store_release(&actor_at(p, i)->lost, 1);
            fence_seq_cst(); /* E2 */
            park_wake_seat(p, actor_seat(p, i));
        }
}
