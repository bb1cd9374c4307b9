/* SPDX-License-Identifier: MIT */
/* fork_steal.c -- the other side of fork.c: thieves, the sweep after a death, the life of a stack.
 */
#include "jobs.h"

#include "events.h"

#include <stdlib.h>
#include <string.h>

/* ---- thieves --------------------------------------------------------------------------------- */

/* F4 or F9: a job that we stole is over. */
static void finish(struct wsched *p, uint32_t victim, struct job *job, const void *result,
                   uint32_t size)
{
    uint32_t word = job_word(JOB_STOLEN, p->seat);

    if (result)
        memcpy(job->args, result, size);
    POINT("fork: result written, job not done");
    for (;;) { /* only WAITED, or F8, can come between */
        enum job_state next = !result ? JOB_LOST : JOB_DONE;
        if (job_state(word) == JOB_ORPHAN)
            next = JOB_FREE;
        if (job_state(word) != JOB_ORPHAN && job_state(word) != JOB_STOLEN)
            return; /* damaged */
        if (au32_cas_acq_rel(&job->word, &word,
                             job_word(next, 0) | (word & JOB_WAITED))) /* J2, J3 */
            break;
    }
    POINT("fork: job done, owner not woken");
    if (word & JOB_WAITED) {
        fence_seq_cst(); /* J4 */
        park_wake_seat(p, victim);
    }
}

static void note(struct wsched *p, uint32_t depth, const struct job *job)
{
    au64_store_relaxed(&p->seats[p->seat].running[depth], /* relaxed: W1 */
                       (job->root >> 32) << 32 | RUNNING_JOB |
                           (uint64_t)(job->root_attempt & 0xff) << 21 |
                           ((uint32_t)job->root & 0x1fffff));
}

static void run_stolen(struct wsched *p, uint32_t victim, struct job *job)
{
    _Alignas(16) unsigned char args[JOB_ARGS];
    const uint32_t kernel = job->kernel, size = job->size;
    wsched_job_fn fn = kernel == KERNEL_RANGE
                           ? range_run
                           : (wsched_job_fn)fork_function(p, wsched_run_job, kernel);
    struct wsched_task task = { .pool = p,
                                .outer = p->current,
                                .future = job->root,
                                .index = future_index(job->root),
                                .attempt = job->root_attempt,
                                .kernel = (uint16_t)kernel,
                                .is_job = true };

    if (!fn || size > JOB_ARGS) { /* damaged: its owner knows better */
        finish(p, victim, job, NULL, 0);
        return;
    }
    memcpy(args, job->args, size);
    const uint32_t number = kernel == KERNEL_RANGE ? range_kernel(args) : kernel;
    search_end(p);
    stat_add(&p->seats[p->seat].stolen, 1);
    p->last_end = 0;
    p->current = &task;
    const uint32_t depth = p->depth;
    struct fork_mark mark;
    bool can_run = !fork_enter(p, &mark);
    if (depth < DEPTH_MAX) { /* who looks sees what we do; who sweeps blames nothing below it */
        note(p, depth, job);
        worker_set_depth(p, depth + 1);
    }
    POINT("fork: job stolen, not run");
    if (can_run) {
        event_put(p, p->seat, WSCHED_EVENT_JOB_STARTED, ticks_now(p), task.future, task.attempt,
                  number, p->pid, NULL);
        fn(p->fork->top, args);
        fork_leave(p, &mark);
        event_put(p, p->seat, WSCHED_EVENT_JOB_ENDED, ticks_now(p), task.future, task.attempt,
                  number, p->pid, NULL);
    }
    worker_set_depth(p, depth);
    p->current = task.outer;
    finish(p, victim, job, can_run ? args : NULL, size);
}

bool fork_steal(struct wsched *p, uint32_t victim)
{
    struct board *b = board_of(p, victim);
    uint64_t open = au64_load_relaxed(&b->open); /* relaxed: a hint */

    for (; open; open &= open - 1) {
        uint32_t slot = (uint32_t)__builtin_ctzll(open);
        uint32_t word = job_word(JOB_OPEN, 0);
        bool is_ours =
            au32_cas_acq_rel(&b->jobs[slot].word, &word, job_word(JOB_STOLEN, p->seat)); /* J1 */
        if (is_ours)
            POINT("fork: job stolen, still on the list");
        au64_and_acq_rel(&b->open, ~(1ull << slot));
        if (is_ours) {
            run_stolen(p, victim, &b->jobs[slot]);
            return true;
        }
    }
    return false;
}

bool fork_help(struct wsched *p)
{
    const uint32_t guests = guests_used(p), actors = actors_used(p);
    const uint32_t end = actors ? actor_seat(p, actors) : guest_seat(p, guests);
    uint32_t victim = p->seat;

    if (p->place)
        return false;
    /* The next neighbour first, ourselves not at all. */
    for (uint32_t n = p->workers + guests + actors; n > 0; n--) {
        victim++;
        victim = victim == p->workers ? guest_seat(p, 0) : victim;
        victim = victim == guest_seat(p, guests) ? actor_seat(p, 0) : victim;
        victim = victim >= end ? 0 : victim;
        if (victim != p->seat && fork_is_open(p, victim) && fork_steal(p, victim))
            return true;
    }
    return false;
}

/* ---- deaths ---------------------------------------------------------------------------------- */

/* F6, F8, F9 for one slot; true: its owner may have to be woken. */
static bool sweep_job(const uint64_t dead[MASK_WORDS], struct job *job, bool is_owner_dead)
{
    uint32_t word = au32_load_acquire(&job->word);

    for (;;) {
        enum job_state state = job_state(word), next = state;
        uint32_t thief = job_thief(word);
        bool has_thief = state == JOB_STOLEN || state == JOB_ORPHAN;
        bool is_thief_dead = has_thief && (thief >= SEATS_MAX || seats_have(dead, thief));

        if (state == JOB_ORPHAN || is_owner_dead)
            next = has_thief && !is_thief_dead ? JOB_ORPHAN : JOB_FREE;
        else if (is_thief_dead)
            next = JOB_LOST;
        if (next == state)
            break;
        if (au32_cas_acq_rel(&job->word, &word,
                             next == JOB_ORPHAN ? job_word(next, thief) : job_word(next, 0)))
            return next == JOB_LOST;
    }
    return job_state(word) == JOB_LOST ||
           (job_state(word) == JOB_DONE &&
            word & JOB_WAITED); /* its thief may not have come to it */
}

static void sweep_board(struct wsched *p, const uint64_t dead[MASK_WORDS], uint32_t seat)
{
    struct board *b = board_of(p, seat);
    uint32_t used = au32_load_acquire(&b->used);
    bool is_owner_dead = seats_have(dead, seat), must_wake = false;

    for (uint32_t i = 0; i < used && i < BOARD_JOBS; i++) {
        must_wake |= sweep_job(dead, &b->jobs[i], is_owner_dead);
        POINT("sweep: one job of a board swept");
    }
    if (is_owner_dead)
        au64_store_release(&b->open, 0);
    else if (must_wake)
        park_wake_seat(p, seat);
}

void fork_sweep(struct wsched *p, const uint64_t dead[MASK_WORDS])
{
    for (uint32_t seat = 0, end = actor_seat(p, actors_used(p)); seat < end; seat++)
        if (seat_can_run(p, seat))
            sweep_board(p, dead, seat);
}

/* ---- the life of a stack --------------------------------------------------------------------- */

static int begin(struct wsched *p)
{
    struct stack *s = aligned_alloc(STACK_BYTES, STACK_BYTES);

    if (!s)
        return -ENOMEM;
    memset(s, 0, offsetof(struct stack, jobs));
    s->pool = p;
    s->board = board_of(p, p->seat);
    s->open = &s->board->open;
    s->top = s->floor = s->limit = s->base = s->jobs;
    p->fork = s;
    return 0;
}

int fork_enter(struct wsched *p, struct fork_mark *mark)
{
    int err = p->fork ? 0 : begin(p);

    if (err)
        return err;
    struct stack *s = p->fork;
    *mark = (struct fork_mark){ s->base, s->top, s->beyond };
    s->base = s->top;
    if (s->top == s->jobs)
        s->deaths = 0;
    return 0;
}

/* F8, by the owner: what it did not sync is for nobody. */
static void cut(struct stack *s, struct wsched_fork *e)
{
    struct job *job = e->slot < BOARD_JOBS ? &s->board->jobs[e->slot] : NULL;
    uint32_t word = job ? au32_load_acquire(&job->word) : 0;

    if (!job)
        return;
    for (bool is_cut = false; !is_cut;) {
        bool is_stolen = job_state(word) == JOB_STOLEN;
        is_cut = au32_cas_acq_rel(&job->word, &word,
                                  is_stolen ? job_word(JOB_ORPHAN, job_thief(word))
                                            : job_word(JOB_FREE, 0));
    }
    au64_and_acq_rel(&s->board->open, ~(1ull << e->slot));
    s->taken &= ~(1ull << e->slot);
}

bool fork_is_clean(const struct wsched *p, const struct fork_mark *mark)
{
    return p->fork->top == mark->top && p->fork->beyond == mark->beyond;
}

bool fork_leave(struct wsched *p, const struct fork_mark *mark)
{
    struct stack *s = p->fork;
    bool is_clean = fork_is_clean(p, mark);

    if (!is_clean) {
        if (s->beyond && !mark->beyond)
            s->floor = s->true_floor;
        s->beyond = mark->beyond;
        for (; s->top > mark->top; s->top--)
            if (!s->beyond && s->top - 1 < s->floor)
                cut(s, s->top - 1);
        if (!s->beyond && s->floor > s->top)
            s->floor = s->top;
        s->limit = s->jobs; /* the next spawn sets it */
    }
    s->base = mark->base;
    return is_clean;
}

/* ---- the public side of it ------------------------------------------------------------------- */

struct wsched_fork *wsched_task_fork(const struct wsched_task *task)
{
    return task->pool->fork->top;
}

uint32_t wsched_fork_worker(struct wsched_fork *w)
{
    const struct wsched *p = stack_of(w)->pool;

    return worker_number(p, p->seat);
}

bool wsched_fork_cancelled(struct wsched_fork *w)
{
    struct wsched *p = stack_of(w)->pool;
    const struct wsched_task *task = p->current;
    uint32_t index;
    uint64_t word;

    if (worker_pool_is_over(p))
        return true;
    if (!task || !task->future)
        return false;
    return !future_look(p, task->future, &index, &word) || word & WORD_CANCEL ||
           word_state(word) != TASK_RUNNING || word_attempt(word) != task->attempt;
}

int wsched_run_job(struct wsched_task *task, void *ctx)
{
    _Alignas(16) unsigned char args[WSCHED_JOB_MAX];
    wsched_job_fn fn = (wsched_job_fn)(uintptr_t)ctx;
    size_t size;
    const void *payload = wsched_task_payload(task, &size);

    if (!fn)
        return -EINVAL;
    if (size > sizeof args)
        return -E2BIG;
    memcpy(args, payload, size);
    fn(task->pool->fork->top, args);
    return wsched_task_result(task, args, size);
}

int wsched_run_join(struct wsched_task *task, void *ctx)
{
    (void)task;
    (void)ctx;
    return -EINVAL;
}
