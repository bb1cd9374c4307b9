/* SPDX-License-Identifier: MIT */
/*
 * sweep.c -- what a dead worker left, put right by the supervisor.
 *
 * The worker is confirmed dead (waitpid), and its seat is not filled again before the sweep is
 * over, so every word that names the seat is a dead one's.
 *
 *   1  At once, from the notes in seat.running: the tasks on its stack run again, or fail with the
 *      true cause. Blamed is the task on top and those above it in the tree that stand on the same
 *      stack; others that the worker had merely stacked below run again without being charged.
 *      Nobody is blamed if the supervisor killed it for the sake of a task to be stopped (timer.c).
 *      A task that may run once only (max_retries -1) fails in any case: it has run.
 *   2  Its bits as sleeper and searcher go, header.lost is raised, all who sleep are woken.
 *   3  Blocks it had taken and not linked, or not yet freed.
 *   4  The whole table: slots it was making become free, what it was failing fails, who waits for
 *      what it ended is told, blocked tasks whose dependencies are over are unblocked, and what
 *      the dead attempts had submitted is cancelled and released: nobody holds those futures.
 *
 * Every step may be done twice. If the supervisor dies in the middle, the next one starts again
 * from the notes: an entry is marked "died" before its task is taken further, and stays until step
 * 4 has cancelled its children (W1).
 */
#include "actor.h"
#include "events.h"

#include <string.h>
#include <sys/wait.h>

#include "identity.h"
#include "stream.h"

#define UNKNOWN_STATUS (-1) /* of a process that is not our child: neither exit nor signal */

struct casualty {
    uint64_t future;
    uint32_t attempt;
    bool is_charged;
    bool is_beside; /* it waited beside the stack */
};

struct sweep {
    uint64_t seats[MASK_WORDS]; /* that are dead */
    uint64_t foreign; /* it was at a stolen job of this task: none of its own is to blame */
    uint32_t count;
    struct casualty dead[DEPTH_MAX + STREAMS_MAX];
};

/* ---- the tasks it was running ------------------------------------------------------------ */

/* memory.c killed it. */
static bool was_too_big(const struct wsched *p, uint32_t seat, int status)
{
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL &&
           au64_load_acquire(&p->seats[seat].memory);
}

static void fill_cause(struct wsched *p, struct task *t, uint64_t word, pid_t pid, int status)
{
    task_detail(p, t)->cause = (struct cause){
        .pid = pid,
        .signal = (int16_t)(WIFSIGNALED(status) ? WTERMSIG(status) : 0),
        .exit_code = (int16_t)(WIFEXITED(status) ? WEXITSTATUS(status) : -1),
        .kernel = (uint16_t)task_kernel(t),
        .attempts = (uint8_t)word_attempt(word),
        .attempts_max = t->attempts_max,
        .flags = (uint8_t)(was_too_big(p, word_seat(word), status) ? CAUSE_MEMORY : 0),
        .actor = (uint8_t)t->place,
    };
    if (t->place && !actor_will_restart(p, t->place - 1))
        call_blame(p, t);
}

/* A task that the dead seat was running goes on: again, or not. */
static void settle(struct wsched *p, uint32_t index, uint64_t word, bool is_charged, pid_t pid,
                   int status)
{
    struct task *t = task_at(p, index);
    uint32_t seat = word_seat(word), attempt = word_attempt(word);
    uint64_t future = future_make(index, word_generation(word));

    event_put(p, seat_can_run(p, seat) ? seat : p->seat, WSCHED_EVENT_DIED, ticks_now(p), future,
              attempt, task_kernel(t), pid, task_label(p, t));
    if (!is_charged && !t->place && t->attempts_max > 1 && t->attempts_max < ATTEMPT_LIMIT)
        t->attempts_max++;
    POINT("sweep: about to settle a task");
    if ((word & WORD_CANCEL) && terms_are_late(p, index, word)) {
        fill_cause(p, t, word, pid, status);
        task_detail(p, t)->cause.late = LATE_KILLED;
        task_end_dead(p, index, word, TASK_FAILED, ETIMEDOUT);
    } else if (word & WORD_CANCEL) {
        task_end_dead(p, index, word, TASK_CANCELLED, ECANCELED);
    } else if (attempt < t->attempts_max && (!t->place || actor_will_restart(p, t->place - 1))) {
        if (!task_again(p, index, word)) {
            settle(p, index, au64_load_acquire(&t->word), true, pid,
                   status); /* cancelled meanwhile */
            return;
        }
        stat_add(&p->seats[p->seat].retried, 1);
        POINT("sweep: pending again, no hint pushed");
        if (!t->place) /* a call is still the first in its mailbox */
            hint_push(p, future);
    } else {
        fill_cause(p, t, word, pid, status);
        POINT("sweep: cause written, task not failed");
        task_end_dead(p, index, word, TASK_FAILED,
                      was_too_big(p, seat, status) ? ENOMEM : EOWNERDEAD);
    }
    park_wake_one(p);
}

static bool is_ancestor(struct wsched *p, uint64_t of, uint64_t candidate)
{
    uint32_t index;
    uint64_t word;

    for (uint32_t n = 0; n < DEPTH_MAX && future_look(p, of, &index, &word); n++) {
        of = au64_load_relaxed(&task_at(p, index)->parent); /* relaxed: E1 */
        if (of == candidate)
            return true;
    }
    return false;
}

/* The notes of the dead worker; marks them as died. */
static void read_notes(struct wsched *p, struct sweep *s, uint32_t seat)
{
    struct seat *dead = &p->seats[seat];

    s->foreign = 0;
    uint32_t depth = au32_load_acquire(&dead->depth); /* W1 */

    depth = depth < DEPTH_MAX ? depth : DEPTH_MAX;
    /* First what waited beside the stack; what is on top of it comes last. */
    for (uint32_t i = 0; i < STREAMS_MAX + depth && s->count < DEPTH_MAX + STREAMS_MAX; i++) {
        bool is_beside = i < STREAMS_MAX;
        struct au64 *at = is_beside ? &dead->fibers[i] : &dead->running[i - STREAMS_MAX];
        uint64_t note = au64_load_relaxed(at); /* relaxed: W1 */
        if (!note)
            continue;
        uint32_t index = ((uint32_t)note & 0x1fffff) - 1, attempt = (uint32_t)(note >> 21) & 0xff;
        uint32_t generation = (uint32_t)(note >> 32);
        if (index >= p->task_count)
            continue;
        uint64_t word = au64_load_acquire(&task_at(p, index)->word);
        bool runs = word_state(word) == TASK_RUNNING && word_seat(word) == seat &&
                    word_generation(word) == generation && word_attempt(word) == attempt;
        if (!is_beside)
            s->foreign = note & RUNNING_JOB && !runs ? future_make(index, generation) : 0;
        if (note & RUNNING_JOB || (!runs && !(note & RUNNING_DIED)))
            continue; /* another's task; or noted, not claimed */
        au64_store_release(at, note | RUNNING_DIED);
        s->dead[s->count++] = (struct casualty){ future_make(index, generation), attempt, false,
                                                 is_beside };
    }
}

static void settle_notes(struct wsched *p, struct sweep *s, uint32_t first, uint32_t seat,
                         pid_t pid, int status, uint64_t culprit)
{
    uint32_t top = s->count;

    for (uint32_t i = s->count; i-- > first;) {
        struct casualty *c = &s->dead[i];
        uint32_t index;
        uint64_t word;
        if (!future_look(p, c->future, &index, &word) || word_state(word) != TASK_RUNNING ||
            word_seat(word) != seat || word_attempt(word) != c->attempt)
            continue; /* settled by a supervisor that died */
        if ((top == s->count && !c->is_beside) || c->future == culprit)
            top = i;
        c->is_charged = !culprit && top < s->count &&
                        (i == top || is_ancestor(p, s->dead[top].future, c->future));
    }
    const struct task *running =
        top < s->count ? task_at(p, future_index(s->dead[top].future)) : NULL;
    if (pid && (running || seat_is_crew(p, seat))) /* a guest that runs nothing is no worker */
        death_put(p, seat, pid, status, running);
    for (uint32_t i = first; i < s->count; i++) {
        struct casualty *c = &s->dead[i];
        uint32_t index;
        uint64_t word;
        if (future_look(p, c->future, &index, &word) && word_state(word) == TASK_RUNNING &&
            word_seat(word) == seat && word_attempt(word) == c->attempt)
            settle(p, index, word, c->is_charged, pid, status);
    }
}

/* ---- the table --------------------------------------------------------------------------- */

static void cancel_orphan(struct wsched *p, const struct sweep *s, uint32_t index, uint64_t word)
{
    struct task *t = task_at(p, index);
    uint64_t parent = au64_load_acquire(&t->parent), /* before the second look at the word */
        future = future_make(index, word_generation(word));
    uint32_t attempt = t->parent_attempt;

    /* Is it still that task? Its state may have changed: somebody runs it or ends it meanwhile. */
    uint64_t now = au64_load_acquire(&t->word);
    if (!parent || word_generation(now) != word_generation(word) || word_state(now) <= TASK_MAKING)
        return;
    for (uint32_t i = 0; i < s->count; i++)
        if (s->dead[i].future == parent && s->dead[i].attempt == attempt) {
            (void)!task_cancel(p, future); /* -EALREADY: it is over */
            POINT("sweep: orphan cancelled, not released");
            task_release(p, &(struct wsched_future){ future }, 1);
            return;
        }
}

static void sweep_task(struct wsched *p, const struct sweep *s, uint32_t index, uint64_t word,
                       int status)
{
    struct task *t = task_at(p, index);
    bool is_dead = seats_have(s->seats, word_seat(word));
    uint64_t next;

    switch (word_state(word)) {
    case TASK_FREE:
        break;
    case TASK_MAKING:
        next = word_make(word_generation(word) + 1, TASK_FREE, 0, 0, 0);
        if (is_dead && au64_cas_acq_rel(&t->word, &word, next))
            free_map_give(p, index);
        break;
    case TASK_RUNNING:
        if (is_dead)
            settle(p, index, word, true, 0, status);
        break;
    case TASK_FAILING:
        if (is_dead && t->place && !(task_detail(p, t)->cause.flags & CAUSE_DEPENDENCY))
            call_blame(p, t);
        if (is_dead)
            task_end(p, index, word, TASK_FAILED, word_errno(word));
        break;
    case TASK_BLOCKED:
        if (deps_all_over(p, t))
            task_unblock(p, index, word);
        break;
    case TASK_PENDING:
        break;
    case TASK_DONE:
    case TASK_FAILED:
    case TASK_CANCELLED:
        if (is_dead && !(word & WORD_TOLD))
            task_tell(p, index);
        break;
    }
    word = au64_load_acquire(&t->word);
    if (s->count && word_state(word) > TASK_MAKING)
        cancel_orphan(p, s, index, word);
    owner_settle(p, s->seats, index);
}

static void sweep_table(struct wsched *p, const struct sweep *s, int status)
{
    uint32_t used = au32_load_acquire(&p->header->tasks_used);

    used = used > p->task_count ? p->task_count : used;
    for (uint32_t i = 0; i < used; i++) {
        uint64_t word = au64_load_acquire(&task_at(p, i)->word);
        if (word_state(word) == TASK_FREE) { /* its bit may have gone with the dead */
            if (!(au64_load_relaxed(&p->free_map[i / 64]) >> i % 64 & 1)) /* relaxed: a hint */
                free_map_give(p, i);
        } else {
            sweep_task(p, s, i, word, status);
        }
    }
}

/*
 * Whose bits the dead one had taken, of those who wait for room in the pool or in a mailbox, and not
 * yet woken, is written nowhere. So all are woken: they look around, and sleep again.
 */
static void wake_in_its_place(struct wsched *p)
{
    au32_store_release(&p->header->lost, 1);
    park_wake_all(p);
}

void sweep_stopped(struct wsched *p, uint32_t seat)
{
    park_forget(p, seat);
    wake_in_its_place(p);
}

/* Its successor runs nothing, and waits for nothing, yet. */
static void forget_notes(struct wsched *p, uint32_t seat)
{
    for (uint32_t i = 0; i < STREAMS_MAX; i++)
        if (au64_load_relaxed(&p->seats[seat].fibers[i])) /* relaxed: W1 */
            au64_store_release(&p->seats[seat].fibers[i], 0);
    au32_store_release(&p->seats[seat].depth, 0);
    au64_store_release(&p->seats[seat].awaits, 0);
}

/* The tasks that the dead ran are settled: now what else they left in the pool. */
static void sweep_pool(struct wsched *p, struct sweep *s, int status)
{
    fork_sweep(p, s->seats);
    POINT("sweep: tasks settled, table not swept");
    deps_sweep(p, s->seats);
    POINT("sweep: blocks swept, table not");
    sweep_table(p, s, status);
    streams_sweep(p);
}

void sweep_seat(struct wsched *p, uint32_t seat, pid_t pid, int status, uint64_t culprit)
{
    static struct sweep s; /* the supervisor has one thread */

    memset(s.seats, 0, sizeof s.seats);
    seats_add(s.seats, seat);
    s.count = 0;
    read_notes(p, &s, seat);
    park_forget(p, seat);
    settle_notes(p, &s, 0, seat, pid, status, culprit ? culprit : s.foreign);
    wake_in_its_place(p);
    sweep_pool(p, &s, status);
    forget_notes(p, seat);
    actors_sweep_seat(p, seat, pid);
    actors_look_for_lost(p);
    if (au64_load_seq_cst(&p->header->room_waiters)) /* P3: slots came back */
        park_wake_room(p);
}

void sweep_guest(struct wsched *p, uint32_t seat, pid_t pid)
{
    sweep_seat(p, seat, pid, UNKNOWN_STATUS, 0);
}

/* A supervisor died and all workers with it: `pids` of those, 0: none. */
void sweep_everything(struct wsched *p, const pid_t *pids, const uint64_t guests[MASK_WORDS])
{
    static struct sweep s;
    const int status = 9; /* as of waitpid(): they are killed when their supervisor dies */

    memcpy(s.seats, guests, sizeof s.seats);
    seats_add(s.seats, supervisor_seat(p));
    for (uint32_t seat = 0; seat < p->workers; seat++)
        seats_add(s.seats, seat);
    for (uint32_t i = 0; i < actors_used(p); i++) {
        seats_add(s.seats, actor_seat(p, i));
        if (pids[actor_seat(p, i)])
            actor_has_died(p, i, pids[actor_seat(p, i)], status);
    }
    s.count = 0;
    for (uint32_t seat = 0; seat < p->seat_count; seat++) {
        uint32_t first = s.count;
        bool is_crew = seat_is_forked(p, seat);
        if (!seats_have(s.seats, seat) || !seat_can_run(p, seat))
            continue;
        read_notes(p, &s, seat);
        park_forget(p, seat);
        settle_notes(p, &s, first, seat,
                     is_crew ? pids[seat]
                             : identity_pid(au64_load_acquire(&p->seats[seat].identity)),
                     is_crew ? status : UNKNOWN_STATUS, s.foreign);
    }
    sweep_pool(p, &s, status);
    for (uint32_t seat = 0; seat < p->seat_count; seat++)
        if (seats_have(s.seats, seat)) {
            forget_notes(p, seat);
            actors_sweep_seat(p, seat,
                              seat_is_forked(p, seat)
                                  ? pids[seat]
                                  : identity_pid(au64_load_acquire(&p->seats[seat].identity)));
        }
    for (uint32_t i = 0; i < actors_used(p); i++)
        if (actor_state(au64_load_acquire(&actor_at(p, i)->word)) == ACTOR_ENDING ||
            (pids[actor_seat(p, i)] && !actor_restart(p, i)))
            actor_end(p, i);
    actors_look_for_lost(p);
    wake_in_its_place(p);
    if (au64_load_seq_cst(&p->header->room_waiters)) /* P3 */
        park_wake_room(p);
}
