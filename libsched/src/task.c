/* SPDX-License-Identifier: MIT */
/*
 * task.c -- the life of one task: who may do what with it, and when.
 *
 * A task is one control word and the bytes it governs. The word packs generation, errno, seat,
 * attempt, flags and state and changes only by compare-and-swap (CAS), but for a word in MAKING,
 * which its maker alone may change and may store to. So a task's history is one total order.
 *
 *   T1  FREE            -> MAKING(self)     refill()            into our private stock of slots
 *   T2  MAKING(self)    -> PENDING, BLOCKED task_publish()      BLOCKED: has dependencies
 *   T3  BLOCKED         -> PENDING          task_unblock()      all its dependencies are done
 *   T4  BLOCKED         -> FAILING(self)    task_fail_dependent()  one failed
 *       BLOCKED, PENDING -> FAILING(self)   task_fail_late()    its deadline has passed
 *   T5  PENDING         -> RUNNING(self)    task_claim()        pool.h
 *   T6  RUNNING(self)   -> DONE, FAILED     task_end(), task_end_alone()  the "seal"
 *       FAILING(self)   -> FAILED           task_end()
 *       BLOCKED, PENDING -> CANCELLED       task_cancel()
 *   T7  over            -> over + TOLD      task_tell()         those who wait have been told
 *   T8  over + TOLD + RELEASED -> MAKING(self), generation + 1  whoever sets the last of the two
 *   T9  MAKING(self)    -> FREE             task_recycle(), when the stock is full
 *   T10 RUNNING(dead)   -> PENDING, attempt + 1; FAILED or CANCELLED, attempt + 1    sweep.c
 *       FAILING(dead)   -> FAILED;  MAKING(dead) -> FREE;  over(dead) -> told        sweep.c
 *
 * "Over" is DONE, FAILED or CANCELLED. Flags are set by CAS at any time before T8: WAITED (only
 * before it is over) says that somebody stands in `waiters` or `successors`; a task nobody waits
 * for goes through T6 and T7 (and T8, when RELEASED) in one CAS.
 *
 * Invariants
 *   I1  A word in MAKING, RUNNING or FAILING, and one that is over but not TOLD, names one seat,
 *       and only that seat's process, or the supervisor after its death, takes it further. (In
 *       the first three the CAS of others may only add flags.) So each task ends exactly once,
 *       and a result is written by one process only: a dead worker cannot write, and nobody else
 *       takes a task from a worker that is not confirmed dead.
 *   I2  A task that is BLOCKED has a bit for each dependency that was not over when last looked
 *       at; each such dependency is WAITED and has an entry that leads to the bit, or the process
 *       that made the task is still registering it.
 *   I3  A slot is reused (T8) only when its future was given back and nobody is to be told.
 *   I4  A future or hint of an older generation matches no word.
 *
 * Ordering
 *   E1  T2 release -> T5 acquire.  The worker sees the payload.
 *   E2  T6 release -> acquire in future_look().  Whoever sees that it is over sees the result.
 *   E3  WAITED by CAS (acq_rel) -> T6 acquire.  Who ends a task knows that there are entries or
 *       bits to look at. Which ones: D1 of deps.c, P2 of park.c.
 *   E4  T8 acq_rel -> T2 of the next task in the slot: all reads of the old one come before.
 *   E5  bit in the free map, fence, map_filled read (and set)  |  map_filled cleared, fence, map
 *       read (and map_filled set again if there is a bit). So while it is 0 every bit's giver is
 *       still to set it, and nobody looks through the map of a large pool for nothing.
 *
 * Crashes  After a death the supervisor takes every word of the dead seat further (T10), redoes
 *   T7 for what was over and not told (telling is repeatable: bits are cleared by CAS, wakes may
 *   be spurious), and raises header.lost: a PENDING task may be in no queue, because its hint
 *   went with the dead. A slot in the dead process's stock is in MAKING(dead). Bits of the free
 *   map that went with the dead are set again. A death in E5 may leave bits and map_filled 0: then
 *   slots that were never used are taken first, until somebody gives another; when there are none
 *   left, the map is looked through whatever map_filled says. If the supervisor dies, so do all
 *   workers; the next one sweeps all seats.
 * Progress  Lock-free: a CAS fails only because another one succeeded.
 * Limits   A generation recurs after 2^29 uses of a slot.
 */
#include "stream.h"

#include <string.h>

static void count(struct wsched *p, enum task_state state)
{
    struct seat *s = &p->seats[p->seat];
    struct au64 *c = state == TASK_DONE     ? &s->finished
                     : state == TASK_FAILED ? &s->failed
                                            : &s->cancelled;

    if (has_threads(p))
        au64_add_relaxed(c, 1); /* relaxed: a statistic, of several threads */
    else
        stat_add(c, 1);
}

/* ---- slots ------------------------------------------------------------------------------- */

void free_map_give(struct wsched *p, uint32_t index)
{
    au64_or_acq_rel(&p->free_map[index / 64], 1ull << index % 64);
    POINT("task: bit in the free map, which is said to be empty");
    fence_seq_cst();                                   /* E5 */
    if (!au32_load_relaxed(&p->header->map_filled))    /* relaxed: the fence orders it */
        au32_store_relaxed(&p->header->map_filled, 1); /* relaxed: the bit is what counts */
}

/* T1. False: the hint was wrong. */
static bool take_slot(struct wsched *p, uint32_t index)
{
    struct au64 *word = &task_at(p, index)->word;
    uint64_t w = au64_load_relaxed(word); /* relaxed: the CAS decides */

    if (word_state(w) != TASK_FREE)
        return false;
    if (!au64_cas_acq_rel(word, &w, word_make(word_generation(w), TASK_MAKING, p->seat, 0, 0)))
        return false;
    POINT("task: slot taken, not yet in our stock");
    p->free_slots[p->free_count++] = index;
    return true;
}

/* False: there was no bit. */
static bool take_from_map(struct wsched *p, uint32_t want)
{
    uint32_t used = au32_load_relaxed(&p->header->tasks_used); /* relaxed: E5, or we saw it full */
    uint32_t words = ((used < p->task_count ? used : p->task_count) + 63) / 64;
    uint32_t from = p->map_cursor;
    bool any = false;

    for (uint32_t n = 0; n < words && p->free_count < want; n++) {
        uint32_t at = (from + n) % words;
        uint64_t bits = au64_load_relaxed(&p->free_map[at]); /* relaxed: the AND decides */
        uint64_t mine = 0;
        any |= bits != 0;
        for (uint32_t i = p->free_count; bits && i < want; i++) {
            mine |= bits & -bits;
            bits &= bits - 1;
        }
        if (!mine)
            continue;
        mine &= au64_and_acq_rel(&p->free_map[at], ~mine);
        POINT("task: bits taken from the free map, slots not yet");
        for (; mine; mine &= mine - 1) {
            uint32_t index = at * 64 + (uint32_t)__builtin_ctzll(mine);
            if (index < p->task_count)
                take_slot(p, index);
        }
        p->map_cursor = at;
    }
    return any;
}

/* If the map is empty, say so: until somebody gives a slot nobody looks again. */
static void take_if_filled(struct wsched *p, uint32_t want)
{
    struct au32 *filled = &p->header->map_filled;

    if (!au32_load_relaxed(filled) || take_from_map(p, want)) /* relaxed: a hint */
        return;
    POINT("task: free map empty, not said to be");
    au32_store_relaxed(filled, 0); /* relaxed: the fence orders it */
    fence_seq_cst();               /* E5 */
    POINT("task: free map said to be empty, not looked at again");
    if (take_from_map(p, want))
        au32_store_relaxed(filled, 1); /* relaxed: the bits are what counts */
}

static void refill(struct wsched *p)
{
    uint32_t want = p->free_max / 2;

    want = want < 1 ? 1 : want > 64 ? 64 : want;
    take_if_filled(p, want);
    while (!p->free_count && au32_load_relaxed(&p->header->tasks_used) < p->task_count) {
        uint32_t first = au32_add_acq_rel(&p->header->tasks_used, want);
        POINT("task: unused slots counted as used, not taken");
        for (uint32_t i = first; i < first + want && i < p->task_count; i++)
            take_slot(p, i);
    }
    if (!p->free_count)
        (void)take_from_map(p, want);
}

/* What is in our stock was ours when it came there; a sweep may have taken it from a dead us. */
int task_refill(struct wsched *p, uint32_t *index)
{
    while (p->free_count || (refill(p), p->free_count)) {
        uint32_t i = p->free_slots[--p->free_count];
        uint64_t w = au64_load_relaxed(&task_at(p, i)->word); /* relaxed: ours since T1 or T8 */
        if (word_state(w) == TASK_MAKING && word_seat(w) == p->seat) {
            *index = i;
            return 0;
        }
    }
    return -EAGAIN;
}

void task_give(struct wsched *p, uint32_t index)
{
    struct task *t = task_at(p, index);
    uint64_t w = au64_load_relaxed(&t->word); /* relaxed: ours */

    au64_store_release(&t->word, word_make(word_generation(w), TASK_FREE, 0, 0, 0)); /* T9 */
    POINT("task: slot free, free map does not say so");
    free_map_give(p, index);
}

/* Keep a slot in MAKING(self) for the next task, or hand it to all. */
static void keep_slot(struct wsched *p, uint32_t index)
{
    bool is_wanted = au64_load_seq_cst(&p->header->room_waiters) != 0; /* P3 */

    if (p->free_count < p->free_max && !is_wanted) {
        p->free_slots[p->free_count++] = index;
        return;
    }
    task_give(p, index);
    if (is_wanted)
        park_wake_room(p);
}

void task_untake(struct wsched *p, uint32_t index)
{
    keep_slot(p, index);
}

/* Of the task that was in this slot before; most have none. */
static void free_blocks(struct wsched *p, uint32_t index)
{
    struct task *t = task_at(p, index);
    uint64_t w = au64_load_relaxed(&t->word); /* relaxed: ours */

    POINT("task: slot is ours again, its blocks are not free");
    if ((uint32_t)au64_load_relaxed(&t->successors) || t->kernel & KERNEL_AFTER)
        deps_free(p, index, (word_generation(w) - 1) & GENERATION_MASK);
    if (t->kernel & KERNEL_TERMS)
        stream_free(p, index, (word_generation(w) - 1) & GENERATION_MASK);
}

void task_recycle(struct wsched *p, uint32_t index)
{
    free_blocks(p, index);
    pool_lock(p);
    keep_slot(p, index);
    pool_unlock(p);
}

/* ---- beginning --------------------------------------------------------------------------- */

void task_unblock(struct wsched *p, uint32_t index, uint64_t word)
{
    uint64_t future = future_make(index, word_generation(word));

    while (word_state(word) == TASK_BLOCKED && word_generation(word) == future_generation(future)) {
        uint64_t next = word_turn(word, TASK_PENDING, 0, 0);
        if (au64_cas_acq_rel(&task_at(p, index)->word, &word, next)) { /* T3 */
            POINT("task: pending, no hint pushed");
            hint_push(p, future);
            POINT("task: hint pushed, nobody woken");
            park_wake_one(p);
            return;
        }
    }
}

/* ---- the end ----------------------------------------------------------------------------- */

/*
 * A thread that ends a task may thereby end those that depend on it, and so on: they stand in a
 * list instead of on the stack. The list is lost with the process; T10 finds its tasks again.
 */
static __thread uint32_t todo_first;
static __thread bool is_telling;

static void tell_later(struct wsched *p, uint32_t index)
{
    task_detail(p, task_at(p, index))->todo = todo_first;
    todo_first = index + 1;
    if (is_telling)
        return;
    is_telling = true;
    while (todo_first && todo_first <= p->task_count) {
        uint32_t first = todo_first - 1;
        todo_first = task_detail(p, task_at(p, first))->todo;
        task_tell(p, first);
    }
    todo_first = 0;
    is_telling = false;
}

/* T6, with T7 and T8 when nobody waits. False: the word is no longer in the same state. */
static bool end(struct wsched *p, uint32_t index, uint64_t word, enum task_state state, int error,
                uint64_t attempts_more)
{
    struct task *t = task_at(p, index);
    const uint64_t same = ~(WORD_WAITED | WORD_CANCEL | WORD_RELEASED);
    const uint64_t begin = word & same;
    const bool has_terms = t->kernel & KERNEL_TERMS;
    uint64_t next;

    do {
        if ((word & same) != begin)
            return false;
        next = word_turn(word, state, p->seat, error) + (attempts_more << WORD_ATTEMPT_SHIFT);
        if (!(word & WORD_WAITED))
            next |= WORD_TOLD;
        if ((next & WORD_TOLD) && (word & WORD_RELEASED))
            next = word_make(word_generation(word) + 1, TASK_MAKING, p->seat, 0, 0);
    } while (!au64_cas_acq_rel(&t->word, &word, next)); /* T6, E2, E3 */
    count(p, state);
    POINT("task: over, nobody told");
    if (has_terms)
        terms_over(p, index);
    if (word_state(next) == TASK_MAKING)
        task_recycle(p, index);
    else if (!(next & WORD_TOLD))
        tell_later(p, index);
    return true;
}

void task_end(struct wsched *p, uint32_t index, uint64_t word, enum task_state state, int error)
{
    end(p, index, word, state, error, 0); /* false only if the word is damaged */
}

void task_end_dead(struct wsched *p, uint32_t index, uint64_t word, enum task_state state,
                   int error)
{
    end(p, index, word, state, error, 1);
}

/* False: it was cancelled meanwhile. */
bool task_again(struct wsched *p, uint32_t index, uint64_t word)
{
    const uint64_t begin = word & ~(WORD_WAITED | WORD_RELEASED);
    uint64_t next;

    do {
        if ((word & ~(WORD_WAITED | WORD_RELEASED)) != begin)
            return false;
        next = word_turn(word, TASK_PENDING, 0, 0) + (1ull << WORD_ATTEMPT_SHIFT);
    } while (!au64_cas_acq_rel(&task_at(p, index)->word, &word, next)); /* T10 */
    return true;
}

/* T7 and, when RELEASED, T8. */
void task_tell(struct wsched *p, uint32_t index)
{
    struct task *t = task_at(p, index);
    uint64_t word = au64_load_acquire(&t->word), next;

    if (!word_is_over(word) || (word & WORD_TOLD))
        return;
    fence_seq_cst(); /* D1, P2: the end of the task before the look at entries, bits and parks */
    deps_tell(p, index, word);
    POINT("task: dependents told, waiters not");
    park_wake_bits(p, au64_load_relaxed(&t->waiters)); /* relaxed: E3 orders it */
    POINT("task: all told, the word does not say so");
    do {
        if (!word_is_over(word) || (word & WORD_TOLD))
            return;
        next = word | WORD_TOLD;
        if (word & WORD_RELEASED)
            next = word_make(word_generation(word) + 1, TASK_MAKING, p->seat, 0, 0);
    } while (!au64_cas_acq_rel(&t->word, &word, next)); /* T7, T8, E4 */
    if (word_state(next) == TASK_MAKING)
        task_recycle(p, index);
}

void task_fail_unstarted(struct wsched *p, uint32_t index, uint64_t word, bool is_blocked,
                         int error, const struct cause *cause)
{
    struct task *t = task_at(p, index);
    uint32_t generation = word_generation(word);
    uint64_t next;

    do {
        bool may =
            word_state(word) == TASK_BLOCKED || (!is_blocked && word_state(word) == TASK_PENDING);
        if (!may || word_generation(word) != generation)
            return;
        next = word_turn(word, TASK_FAILING, p->seat, error);
    } while (!au64_cas_acq_rel(&t->word, &word, next)); /* T4 */
    POINT("task: failing, no cause written");
    task_detail(p, t)->cause = *cause;
    POINT("task: failing, cause written");
    task_end(p, index, next, TASK_FAILED, error);
}

void task_fail_dependent(struct wsched *p, uint32_t index, uint64_t word, uint32_t culprit,
                         uint64_t culprit_word)
{
    struct task *c = task_at(p, culprit);
    int error = word_errno(culprit_word) ? word_errno(culprit_word) : ECANCELED;
    struct cause cause = { .exit_code = -1, .kernel = (uint16_t)task_kernel(c) };

    if (word_state(culprit_word) == TASK_FAILED)
        cause = task_detail(p, c)->cause;
    cause.flags |= CAUSE_DEPENDENCY;
    task_fail_unstarted(p, index, word, true, error, &cause);
}

void task_fail_late(struct wsched *p, uint32_t index, uint64_t word)
{
    const struct task *t = task_at(p, index);
    struct cause cause = { .exit_code = -1,
                           .kernel = (uint16_t)task_kernel(t),
                           .attempts = (uint8_t)(word_attempt(word) - 1),
                           .attempts_max = t->attempts_max,
                           .late = LATE_UNSTARTED };

    task_fail_unstarted(p, index, word, false, ETIMEDOUT, &cause);
}

int task_cancel(struct wsched *p, uint64_t future)
{
    uint32_t index;
    uint64_t word;

    for (;;) {
        if (!future_look(p, future, &index, &word))
            return -EINVAL;
        if (word_is_over(word) || word_state(word) == TASK_FAILING)
            return -EALREADY;
        if (word_state(word) == TASK_RUNNING) {
            if (au64_cas_acq_rel(&task_at(p, index)->word, &word, word | WORD_CANCEL)) {
                POINT("task: asked to stop, not told");
                stream_stop(p, index, word);
                return 0;
            }
        } else if (end(p, index, word, TASK_CANCELLED, ECANCELED, 0)) {
            return 0;
        }
    }
}

/* T8 of one. False: it is not over, and goes when it is; or there is no such task. */
static bool release(struct wsched *p, uint64_t future, uint32_t *index)
{
    uint64_t word, next;

    if (!future_look(p, future, index, &word))
        return false;
    do {
        if (word_generation(word) != future_generation(future))
            return false;
        next = word | WORD_RELEASED;
        if (word & WORD_TOLD)
            next = word_make(word_generation(word) + 1, TASK_MAKING, p->seat, 0, 0);
    } while (!au64_cas_acq_rel(&task_at(p, *index)->word, &word, next)); /* T8, E4 */
    POINT("task: released, not told");
    stream_stop(p, *index, next);
    return word_state(next) == TASK_MAKING;
}

void task_release(struct wsched *p, const struct wsched_future *futures, size_t n)
{
    pool_lock(p);
    if (n == 1 && has_threads(p) && future_index(futures[0].v) < p->task_count)
        line_want(task_at(p, p->taken_later[future_index(futures[0].v)]));
    for (size_t i = 0; i < n; i++) {
        uint32_t index;
        if (i + SLOTS_AHEAD < n &&
            (index = future_index(futures[i + SLOTS_AHEAD].v)) < p->task_count)
            line_want(task_at(p, index));
        if (!release(p, futures[i].v, &index))
            continue;
        free_blocks(p, index);
        keep_slot(p, index);
    }
    pool_unlock(p);
}
