/* SPDX-License-Identifier: MIT */
/*
 * fork.c -- spawn and sync: fork-join inside a task, over all workers of the pool.
 *
 * A worker keeps what it spawns on a private stack: a function and a pointer to its arguments in
 * the spawner's frame, no more. Sync pops it and calls it: nothing of this is shared, so it needs
 * no atomic operation and no death can matter. Only a few of the oldest, which are the biggest, are
 * shared: copied by value to the worker's board in shared memory, from which others steal.
 *
 *     private stack   [ shared | shared | fetched | shared | private | private ]  <- spawn, sync
 *                        |        |                   |     ^floor           ^top
 *     board              slot 0   slot 1              slot 3
 *
 * The owner shares the older half of what is private when nothing on its board is open (a thief
 * took the last, or it was taken back), and when less than half of the stack has been shared. It
 * looks at every spawn and sync; so a thief need not ask. This is the split deque of Lace (van Dijk
 * and van de Pol, 2014) with the private part moved out of shared memory, where a thief that
 * may die could not be let near it.
 *
 * A slot's word is state:3 | waited:1 | seat:9 (of the thief).
 *
 *   F1  FREE          -> OPEN           owner, publish()      job and arguments written before
 *   F2  OPEN          -> FREE           owner, take_back()    and runs it itself
 *   F3  OPEN          -> STOLEN(thief)  thief, steal()
 *   F4  STOLEN(self)  -> DONE           thief, finish()       result written over the arguments
 *   F5  DONE          -> FREE           owner, fetch()        result copied before
 *   F6  STOLEN(dead)  -> LOST           supervisor, fork_sweep(); or the thief: it has no memory
 *   F7  LOST          -> FREE           owner                 and runs it itself, from its own copy
 *   F8  the owner's task is over (it did not sync), or the owner is dead (supervisor):
 *         OPEN, DONE, LOST -> FREE;  STOLEN(thief) -> ORPHAN(thief);  STOLEN(dead) -> FREE
 *         and a guest's, when the pool is over while it waits for a thief
 *   F9  ORPHAN(self)  -> FREE           thief, finish()       the result is for nobody
 *       ORPHAN(dead)  -> FREE           supervisor
 *   WAITED is added to STOLEN by the owner before it sleeps, and kept in DONE.
 *
 * Invariants
 *   I1  In STOLEN and ORPHAN the thief in the word alone touches the slot's bytes; in FREE the
 *       board's owner alone; in DONE nobody writes. So no late thief, of a dead owner or not, ever
 *       writes where somebody else reads.
 *   I2  The owner takes each job's result once: by F5, or by running it itself after F2 or F7,
 *       which exclude each other. A thief that is taken for dead is confirmed dead: what it wrote
 *       is not used.
 *   I3  The arguments in the spawner's frame do not change until the job is settled; so a job can
 *       be run again. Bytes read back from the slot are used as a result only, never as what to
 *       do: a damaged board yields wrong results at worst.
 *   board.open has a bit for each slot that is OPEN, as a hint: a bit may be missing (the owner
 *   will run the job), or stay when the job is gone (a thief that finds that clears it).
 *
 * Waiting   The owner of a stolen job runs what its thief has open (Wagner and Calder's
 * leapfrogging, 1993), or others', then tasks. A job waits only for jobs that were spawned after it
 * began, so there is no circle of waiting (worker.c). If there is nothing, it sleeps on its park
 * word.
 *
 * Ordering
 *   J1  F1 release -> F3 acquire.  The thief sees the job.
 *   J2  F4 release -> F5 acquire.  The owner sees the result.
 *   J3  F9 release -> acquire in find_slots(): the thief's writes come before the next owner's.
 *   J4  WAITED by CAS, park word, fence, word read  |  F4, fence, park word read (P2 of park.c).
 *   P1 (park.c) for a worker that sleeps while a job becomes open.
 *
 * Crashes   Thief: F6, and the owner runs the job. It is not offered to a second thief as it is: a
 *   job that kills whoever runs it soon meets its owner, whose task is then retried, and charged.
 *   After DEATHS_MAX such deaths the owner shares nothing any more in this task. Owner: F8; its
 *   task is retried by sweep.c, thieves of its jobs work for nothing. Between F4 and its wake: the
 *   sweep wakes the owner of each slot that is DONE and WAITED, or LOST. All of the sweep may be
 *   repeated. A stopped thief delays whoever needs its job; a stopped owner nobody.
 *
 * Progress  Owner and thieves are lock-free, but that a stolen job must be waited for.
 */
#include "jobs.h"

#include "actor.h"
#include "fiber.h"

#include <string.h>

#define HELP_MAX 32u   /* nested helps that are not leapfrogging */
#define WAIT_SPINS 64u /* looks at the word, before anything slower is done */
#define DEATHS_MAX 8u
#define LIMIT_SLACK 8u
#define RETRY_SLACK 64u

/* ---- names of functions --------------------------------------------------------------------- */

int fork_number(struct stack *s, wsched_fn marker, uintptr_t fn)
{
    const struct wsched *p = s->pool;

    for (uint32_t i = 0; i < p->kernel_count; i++) {
        uint32_t k = (s->last_kernel + i) % p->kernel_count;
        if (p->kernels[k].fn == marker && (uintptr_t)p->kernels[k].ctx == fn)
            return (int)(s->last_kernel = k);
    }
    return -ENOENT;
}

uintptr_t fork_function(const struct wsched *p, wsched_fn marker, uint32_t number)
{
    return number < p->kernel_count && p->kernels[number].fn == marker
               ? (uintptr_t)p->kernels[number].ctx
               : 0;
}

/* ---- sharing: the owner --------------------------------------------------------------------- */

static void set_limit(struct stack *s)
{
    size_t shared = (size_t)(s->floor - s->jobs);
    size_t limit = shared ? 2 * shared + LIMIT_SLACK : 0;

    if (s->deaths >= DEATHS_MAX || limit > STACK_JOBS)
        limit = STACK_JOBS;
    s->limit = s->jobs + limit;
}

static void give_slot(struct stack *s, uint32_t slot)
{
    au32_store_release(&s->board->jobs[slot].word, JOB_FREE);
    s->taken &= ~(1ull << slot);
}

static void fetch(struct stack *s, struct wsched_fork *e) /* F5 */
{
    if (e->size) /* else they may be NULL */
        memcpy(e->args, s->board->jobs[e->slot].args, e->size);
    POINT("fork: result fetched, slot not free");
    give_slot(s, e->slot);
    e->slot = SLOT_OVER;
}

/* Slots that nobody has, when results that are there have given back ours. */
static uint64_t find_slots(struct stack *s)
{
    uint64_t found = 0;

    for (uint32_t i = 0; i < BOARD_JOBS; i++) {
        bool is_ours = s->taken >> i & 1;
        enum job_state state = job_state(au32_load_acquire(&s->board->jobs[i].word)); /* J2, J3 */
        if (state != (is_ours ? JOB_DONE : JOB_FREE))
            continue;
        if (is_ours)
            fetch(s, s->job_of[i]);
        found |= 1ull << i;
    }
    return found;
}

/* The next above those in use, so that a lower bit is an older job; else any. BOARD_JOBS: none. */
static uint32_t take_slot(struct stack *s)
{
    uint32_t next = s->taken ? BOARD_JOBS - (uint32_t)__builtin_clzll(s->taken) : 0;

    if (next == BOARD_JOBS ||
        job_state(au32_load_acquire(&s->board->jobs[next].word)) != JOB_FREE) { /* J3 */
        uint64_t found = find_slots(s);
        uint64_t above = next < BOARD_JOBS ? found >> next << next : 0;
        if (!found)
            return BOARD_JOBS;
        next = (uint32_t)__builtin_ctzll(above ? above : found);
    }
    if (au32_load_relaxed(&s->board->used) <= next) /* relaxed: ours; the sweep knows us dead */
        au32_store_release(&s->board->used, next + 1);
    return next;
}

/* F1. False: it cannot be shared, now or ever; then e->slot says which. */
static bool publish(struct stack *s, struct wsched_fork *e)
{
    int number =
        e->fn == range_run ? (int)KERNEL_RANGE : fork_number(s, wsched_run_job, (uintptr_t)e->fn);

    e->slot = SLOT_NONE;
    if (number < 0 || e->size > WSCHED_JOB_MAX)
        return false;
    uint32_t slot = take_slot(s);
    if (slot == BOARD_JOBS) {
        e->slot = slot;
        return false;
    }
    struct job *job = &s->board->jobs[slot];
    job->kernel = (uint16_t)number;
    job->size = (uint16_t)e->size;
    job->root = e >= s->base && s->pool->current ? s->pool->current->future : 0;
    job->root_attempt = e >= s->base && s->pool->current ? s->pool->current->attempt : 0;
    if (e->size)
        memcpy(job->args, e->args, e->size);
    e->slot = slot;
    s->job_of[slot] = e;
    s->taken |= 1ull << slot;
    POINT("fork: job written, not open");
    au32_store_release(&job->word, JOB_OPEN); /* J1 */
    POINT("fork: job open, not on the list");
    au64_or_acq_rel(&s->board->open, 1ull << slot);
    return true;
}

/* Share the older half of what is private, at least one. */
static void share(struct stack *s)
{
    struct wsched_fork *to = s->floor + (s->top - s->floor + 1) / 2;
    bool is_shared = false;

    if (s->deaths >= DEATHS_MAX)
        return;
    for (; s->floor < to; s->floor++) {
        is_shared |= publish(s, s->floor);
        if (s->floor->slot == BOARD_JOBS) /* the board is full */
            break;
    }
    set_limit(s);
    if (s->floor < to && s->limit < s->top + RETRY_SLACK)
        s->limit = s->top + RETRY_SLACK < s->jobs + STACK_JOBS ? s->top + RETRY_SLACK
                                                               : s->jobs + STACK_JOBS;
    if (is_shared) {
        POINT("fork: jobs shared, nobody woken");
        park_wake_one(s->pool);
    }
}

/* F2, F7: a job that was shared is ours again, to be run. */
static bool take_back(struct stack *s, struct wsched_fork *e, uint32_t word)
{
    struct job *job = &s->board->jobs[e->slot];

    if (job_state(word) == JOB_OPEN) {
        if (!au32_cas_acq_rel(&job->word, &word, JOB_FREE))
            return false;
        POINT("fork: job taken back, still on the list");
        au64_and_acq_rel(&s->board->open, ~(1ull << e->slot));
    } else if (job_state(word) == JOB_LOST) {
        s->deaths++;
    }
    give_slot(s, e->slot);
    return true;
}

/* ---- waiting --------------------------------------------------------------------------------- */

static bool is_settled(void *arg)
{
    const struct job *job = arg;

    return job_state(au32_load_acquire(&job->word)) != JOB_STOLEN; /* J2, J4 */
}

/* Run something else while a thief has the job: jobs are harmless, for tasks see worker_wait(). */
static void wait_a_little(struct stack *s, struct job *job, uint32_t word)
{
    struct wsched *p = s->pool;
    bool may_help = s->helping < HELP_MAX, has_helped = false;
    bool may_run_tasks = may_help && p->depth < HELP_DEPTH && !p->is_closing &&
                         !(p->current && call_holds(p, p->current));

    if (job_thief(word) != p->seat && seat_can_run(p, job_thief(word)) &&
        fork_steal(p, job_thief(word)))
        return;
    s->helping++;
    for (uint32_t i = 0; i < WAIT_SPINS && !has_helped && !is_settled(job); i++) {
        has_helped = may_help && fork_help(p);
        cpu_pause();
    }
    has_helped |= is_settled(job) || (may_run_tasks ? worker_help(p) : fiber_resume(p));
    s->helping--;
    if (has_helped || !au32_cas_acq_rel(&job->word, &word, word | JOB_WAITED)) /* J4 */
        return;
    POINT("fork: job waited for, about to sleep");
    if (!p->is_guest && pool_is_over(p)) /* nothing is begun any more, but the job is to be ended */
        park_until(p, is_settled, job);
    else
        worker_rest(p, may_run_tasks, is_settled, job, INT64_MAX);
}

/* A guest whose pool is over, with nobody left to sweep it, does without its thief. As F8. */
static bool take_from_thief(struct stack *s, struct wsched_fork *e, uint32_t word)
{
    struct job *job = &s->board->jobs[e->slot];

    if (!s->pool->is_guest || !guest_pool_is_over(s->pool) ||
        !au32_cas_acq_rel(&job->word, &word, job_word(JOB_ORPHAN, job_thief(word))))
        return false;
    s->taken &= ~(1ull << e->slot);
    return true;
}

/* The newest entry, which was shared. True: it is to be run. */
static bool settle(struct stack *s, struct wsched_fork *e)
{
    struct job *job = e->slot < BOARD_JOBS ? &s->board->jobs[e->slot] : NULL;

    if (!job)
        return e->slot == SLOT_NONE;
    for (;;) {
        uint32_t word = au32_load_acquire(&job->word); /* J2 */
        switch (job_state(word)) {
        case JOB_STOLEN:
            if (take_from_thief(s, e, word))
                return true;
            wait_a_little(s, job, word);
            if (e->slot == SLOT_OVER) /* fetched meanwhile, to make room */
                return false;
            break;
        case JOB_DONE:
            fetch(s, e);
            search_end(s->pool);
            return false;
        case JOB_FREE:
        case JOB_OPEN:
        case JOB_LOST:
        case JOB_ORPHAN:
        default:
            if (take_back(s, e, word)) {
                search_end(s->pool);
                return true;
            }
        }
    }
}

/* ---- spawn and sync -------------------------------------------------------------------------- */

/* Returns the place for the next. */
static __attribute__((noinline)) struct wsched_fork *spawn_slowly(struct wsched_fork *w)
{
    struct stack *s = stack_of(w);

    if (w < &s->jobs[STACK_JOBS]) {
        share(s);
        return w + 1;
    }
    s->top = w; /* full: run it now, the sync will find nothing to do */
    w->fn(w, w->args);
    if (!s->beyond++) {
        s->true_floor = s->floor;
        s->floor = &s->jobs[STACK_JOBS] + 1;
    }
    return w;
}

struct wsched_fork *wsched_spawn(struct wsched_fork *w, wsched_job_fn fn, void *args, size_t size)
{
    struct stack *s = stack_of(w);

    w->fn = fn;
    w->args = args;
    w->size = (uint32_t)size;
    s->top = w + 1;
    if (__builtin_expect(w >= s->limit || fork_is_bare(s), 0))
        return spawn_slowly(w);
    return w + 1;
}

static __attribute__((noinline)) struct wsched_fork *sync_slowly(struct wsched_fork *w)
{
    struct stack *s = stack_of(w);

    if (s->beyond) {
        if (!--s->beyond)
            s->floor = s->true_floor;
        return w;
    }
    if (w <= s->base) /* nothing was spawned */
        return w;
    w--;
    bool is_ours = w >= s->floor || settle(s, w);
    s->top = w;
    if (s->floor > w) {
        s->floor = w;
        set_limit(s);
    } else if (fork_is_bare(s) && s->floor < w) {
        share(s);
    }
    if (is_ours)
        w->fn(w, w->args);
    return w;
}

/*
 * The place is an argument and a result, not a field: a field would be written and read again by
 * each of these calls, and that way through memory took longer than all the rest. `top` is only
 * written here.
 */
struct wsched_fork *wsched_sync(struct wsched_fork *w)
{
    struct stack *s = stack_of(w);

    if (__builtin_expect(w - 1 < s->floor || fork_is_bare(s), 0))
        return sync_slowly(w);
    w--;
    s->top = w;
    w->fn(w, w->args);
    return w;
}
