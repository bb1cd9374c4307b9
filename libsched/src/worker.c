/* SPDX-License-Identifier: MIT */
/*
 * worker.c -- what a worker does all day: find a task, run it, sleep when there is none.
 *
 * Tasks come, in this order, from the own deque (newest first), the supervisor's queue (tasks that
 * run again), the driver's queue, the other workers' deques (oldest first), and, when there is
 * nothing and header.lost is raised, from the table itself. Now and then the outer queues come
 * first, so that a worker that feeds itself does not starve them.
 *
 * Waiting inside a kernel runs other tasks meanwhile: own ones, then what is waited for, wherever
 * its hint is (the table is asked, not the queues), then anything. This never deadlocks, because a
 * kernel may only wait for what was submitted after it started: a task is under another one on a
 * stack only if it started earlier, so in a circle of tasks, each waiting for one that is under
 * the next, each would have started before the next. (For an older task that is not over
 * worker_wait() answers -EDEADLK.) Anything else is run only down to HELP_DEPTH, unless what we
 * wait for is BLOCKED, or a stream, which runs nothing while it waits, and may need just that.
 *
 * Before a task is claimed the worker notes it in seat.running, so that the supervisor knows at
 * once what a dead worker was at, and what was on top.
 */
#define _GNU_SOURCE
#include "events.h"
#include "actor.h"
#include "fiber.h"
#include "output.h"
#include "stream.h"

#include <sched.h>
#include <string.h>
#include <unistd.h>

#define SPIN_MAX 1500u  /* rounds of about 30 ns: twice what waking a sleeper costs */
#define LULL_MIN 3u     /* of them, before the first look: look_away() */
#define LULL_MAX 96u
#define SPIN_MIN 32u    /* at first */
#define SOON_TICKS (1 << 17) /* some 40 us: about as long as the longest spin */
#define SHORT_TICKS 10000u   /* tasks shorter than some microseconds are stolen in batches */
#define OUTER_FIRST_EVERY 61u
#define FLOW 256u /* tasks between two sleeps */

/* ---- finding ----------------------------------------------------------------------------- */

/* Keep the first hint, put the others where they can be stolen; the owner takes them in order. */
static uint64_t keep_first(struct wsched *p, uint64_t *hints, uint32_t n, uint64_t flag)
{
    for (uint32_t i = 0; i < n; i++) {
        uint32_t index = future_index(hints[i]);
        if (index < p->task_count)
            line_want(task_at(p, index));
        hints[i] |= flag;
    }
    if (n > 1 && deque_push_reversed(p, hints + 1, n - 1) < n - 1)
        au32_store_release(&p->header->lost, 1);
    return hints[0];
}

static uint64_t next_random(struct wsched *p)
{
    p->random ^= p->random << 13;
    p->random ^= p->random >> 7;
    p->random ^= p->random << 17;
    return p->random;
}

static bool from_queues(struct wsched *p, uint64_t *hint)
{
    uint64_t hints[STEAL_MAX];
    uint32_t n = 0, used = guests_used(p);

    if (queue_size(p, supervisor_seat(p)))
        n = queue_pop(p, supervisor_seat(p), 1, hints);
    for (uint32_t i = 0; !n && i <= used; i++) { /* each has its turn */
        uint32_t client = used ? (p->tick + i) % (used + 1) : 0;
        uint32_t seat = client ? guest_seat(p, client - 1) : driver_seat(p);
        if (queue_size(p, seat))
            n = queue_pop(p, seat, p->batch, hints);
    }
    if (!n)
        return false;
    p->is_fed = !used;
    *hint = keep_first(p, hints, n, 0);
    return true;
}

static bool from_others(struct wsched *p, uint64_t *hint)
{
    uint32_t first = p->workers > 1 ? (uint32_t)(next_random(p) % p->workers) : 0;

    for (uint32_t i = 0; i < p->workers; i++) {
        uint32_t victim = (first + i) % p->workers;
        uint64_t hints[STEAL_MAX];
        bool is_empty = victim == p->seat || !deque_size(p, victim);
        uint32_t n = is_empty ? 0 : deque_steal(p, victim, p->batch, hints);
        if (n) {
            *hint = keep_first(p, hints, n, HINT_STOLEN);
            return true;
        }
    }
    return false;
}

static bool from_guests(struct wsched *p, uint64_t *hint)
{
    for (uint32_t i = 0, used = guests_used(p); i < used; i++) {
        uint32_t victim = guest_seat(p, i);
        uint64_t hints[STEAL_MAX];
        uint32_t n = victim == p->seat ? 0 : deque_steal(p, victim, p->batch, hints);
        if (n) {
            *hint = keep_first(p, hints, n, HINT_STOLEN);
            return true;
        }
    }
    return false;
}

static bool from_actors(struct wsched *p, uint64_t *hint)
{
    for (uint32_t i = 0, used = actors_used(p); i < used; i++) {
        uint64_t hints[STEAL_MAX];
        uint32_t n = deque_steal(p, actor_seat(p, i), p->batch, hints);
        if (n) {
            *hint = keep_first(p, hints, n, HINT_STOLEN);
            return true;
        }
    }
    return false;
}

/* The queues may have lost something: look through the table. */
static bool from_table(struct wsched *p, uint64_t *hint)
{
    uint32_t used = au32_load_acquire(&p->header->tasks_used);
    bool found = false;

    if (!au32_load_acquire(&p->header->lost) || !au32_xchg_acq_rel(&p->header->lost, 0))
        return false;
    POINT("worker: looking for lost tasks");
    for (uint32_t i = 0; i < used && i < p->task_count; i++) {
        uint64_t w = au64_load_acquire(&task_at(p, i)->word);
        if (word_state(w) != TASK_PENDING || task_at(p, i)->place)
            continue;
        uint64_t h = future_make(i, word_generation(w));
        if (!found)
            *hint = h;
        else if (level_push(p, h))
            continue;
        else if (!deque_push(p, h)) {
            au32_store_release(&p->header->lost, 1); /* more than fit: look again later */
            break;
        }
        found = true;
    }
    return found;
}

static bool find(struct wsched *p, uint64_t *hint)
{
    const bool levels = levels_used(p);
    uint32_t turn = ++p->tick % OUTER_FIRST_EVERY;

    if (turn == 0 &&
        ((levels && level_pop(p, LEVEL_LOW, hint)) || from_queues(p, hint) || from_table(p, hint)))
        return true;
    if (levels && turn != 1 && level_pop(p, LEVEL_HIGH, hint))
        return true;
    return deque_take(p, hint) || from_queues(p, hint) || from_others(p, hint) ||
           from_guests(p, hint) || from_actors(p, hint) || from_table(p, hint) ||
           (levels && (level_pop(p, LEVEL_HIGH, hint) || level_pop(p, LEVEL_LOW, hint)));
}

/* ---- running ----------------------------------------------------------------------------- */

void worker_set_depth(struct wsched *p, uint32_t depth)
{
    p->depth = depth;
    au32_store_release(&p->seats[p->seat].depth, depth); /* W1: pairs with sweep.c, after a death */
}

static void blame_kernel(struct wsched *p, struct task *t, const struct wsched_task *task,
                         enum late late)
{
    task_detail(p, t)->cause = (struct cause){ .pid = p->pid,
                                               .exit_code = -1,
                                               .kernel = task->kernel,
                                               .attempts = (uint8_t)task->attempt,
                                               .attempts_max = t->attempts_max,
                                               .late = (uint8_t)late,
                                               .actor = (uint8_t)t->place };
}

/* It says that it was cancelled. That its guest closes is no reason to: others run it. */
static bool was_cancelled(const struct wsched_task *task)
{
    const struct wsched *p = task->pool;

    return wsched_task_cancelled(task) &&
           (!p->is_closing || au64_load_acquire(&task_at(p, task->index)->word) & WORD_CANCEL);
}

/* The kernel failed, but may be run again: then the task is anybody's. */
static bool try_again(struct wsched *p, const struct wsched_task *task, uint64_t word)
{
    struct task *t = task_at(p, task->index);

    if (p->is_closing && t->attempts_max > 1 && t->attempts_max < ATTEMPT_LIMIT)
        t->attempts_max++; /* this one is not charged: as when it stands beside a death (sweep.c) */
    if (!terms_try_again(p, task->index, task->attempt, p->is_closing) ||
        !task_again(p, task->index, word))
        return false; /* or it was asked to stop meanwhile */
    POINT("worker: failed, pending again, no hint pushed");
    stat_add(&p->seats[p->seat].retried, 1);
    if (!t->place) /* a call is still the first in its mailbox */
        hint_push(p, task->future);
    return true;
}

static int call(struct wsched *p, struct wsched_task *task)
{
    int err = task->kernel < p->kernel_count ? fork_enter(p, &task->mark) : -EBADMSG;

    if (err)
        return err;
    if (p->options.output_fd && task->outer)
        output_mark(p, task->outer->kernel);
    err = p->kernels[task->kernel].fn(task, p->kernels[task->kernel].ctx);
    if (!fork_leave(p, &task->mark) && !err)
        err = -EPROTO;
    if (p->options.output_fd)
        output_mark(p, task->kernel);
    return err > 0 || err < -(int)WORD_ERRNO_MASK ? -EPROTO : err;
}

void worker_run_claimed(struct wsched *p, struct wsched_task *task, uint64_t word, bool stolen)
{
    struct task *t = task_at(p, task->index);
    struct seat *s = &p->seats[p->seat];
    const char *label = task_label(p, t);
    const uint64_t what = event_what(p->pid, task_kernel(t), task->attempt, label);

    /* We had nothing to do, so its submitter may well be waiting for just this one. Relaxed: E1. */
    const bool is_awaited = !p->last_end && !au64_load_relaxed(&t->parent);
    task->kernel = (uint16_t)task_kernel(t);
    if (task->attempt > 1)
        t->result_size = 0; /* of the attempt before */
    /* A stamp takes as long as much else: the end of the task before will do, unless this one was
     * submitted only then. */
    task->started = p->last_end > t->born ? p->last_end : ticks_now(p);
    p->last_end = 0;
    if (stolen) {
        stat_add(&s->stolen, 1);
        event_write(p, p->seat, WSCHED_EVENT_STOLEN, task->started, task->future, what, label);
    }
    event_write(p, p->seat, WSCHED_EVENT_STARTED, task->started, task->future, what, label);
    p->current = task;
    POINT("worker: task claimed, kernel not started");
    int err = call(p, task);
    POINT("worker: kernel finished, task not sealed");
    p->current = task->outer;
    uint64_t now = ticks_now(p);
    p->last_end = now;
    p->runs_again = false;
    event_write(p, p->seat, err ? WSCHED_EVENT_FAILED : WSCHED_EVENT_FINISHED, now, task->future,
                what, label);
    p->batch = now - task->started > SHORT_TICKS ? 1
               : p->batch < STEAL_MAX            ? p->batch * 2
                                                 : STEAL_MAX;
    if (!err && !(t->kernel & KERNEL_TERMS) && task_end_alone(p, t, word)) {
        if (is_awaited)
            line_give(t);
        stat_add(&s->finished, 1);
        return;
    }
    enum task_state state = !err ? TASK_DONE : TASK_FAILED;
    enum late late = NOT_LATE;
    if (err == -ECANCELED && was_cancelled(task)) {
        late = terms_are_late(p, task->index, word) ? LATE_STOPPED : NOT_LATE;
        err = late ? -ETIMEDOUT : err;
        state = late ? TASK_FAILED : TASK_CANCELLED;
    }
    if (err)
        blame_kernel(p, t, task, late);
    p->runs_again = state == TASK_FAILED && try_again(p, task, word);
    if (!p->runs_again)
        task_end(p, task->index, word, state, -err);
}

uint64_t worker_note_of(const struct wsched_task *task)
{
    return (uint64_t)future_generation(task->future) << 32 | (uint64_t)task->attempt << 21 |
           (task->index + 1);
}

static void note(struct wsched *p, uint32_t depth, const struct wsched_task *task)
{
    au64_store_relaxed(&p->seats[p->seat].running[depth], worker_note_of(task)); /* relaxed: W1 */
}

/* Only workers run these, on stacks of their own; an actor only when it is called. */
static bool runs_beside(const struct wsched *p, uint32_t index)
{
    return stream_of(p, index) && !task_at(p, index)->place;
}

/* A guest takes the hint from where it stands after the task, or when it is stale: so it never has
 * in its hands alone what others could run (guest.c). */
static void hint_drop(struct wsched *p, const struct source *from)
{
    uint64_t hint;

    POINT("worker: task claimed, its hint not taken");
    if (from->kind == FROM_OWN)
        (void)deque_take(p, &hint);
    else if (from->kind == FROM_DEQUE)
        deque_drop(p, from->seat, from->at);
    else if (from->kind == FROM_LEVEL)
        level_drop(p, (enum level_name)from->seat, from->at);
    else
        queue_drop(p, from->seat, from->at);
}

/* False: the hint was stale. */
bool worker_run(struct wsched *p, uint64_t hint, const struct source *from)
{
    struct wsched_task task = { .pool = p, .outer = p->current, .future = hint & ~HINT_STOLEN };
    uint32_t depth = p->depth;
    uint64_t word;

    bool is_pending =
        future_look(p, task.future, &task.index, &word) && word_state(word) == TASK_PENDING;
    struct task *t = is_pending ? task_at(p, task.index) : NULL;
    const bool has_terms = is_pending && t->kernel & KERNEL_TERMS;
    /* An actor takes its calls at the base, and above that what is not one; workers only that. */
    if (!is_pending || (has_terms && !terms_may_start(p, task.index, word)) ||
        t->place != (p->current ? 0 : p->place)) {
        if (from)
            hint_drop(p, from);
        return false;
    }
    bool is_beside = has_terms && runs_beside(p, task.index); /* a stream is a term */
    if (is_beside && p->place)
        return false;
    task.attempt = word_attempt(word);
    note(p, depth, &task);
    worker_set_depth(p, depth + 1);
    POINT("worker: task noted, not claimed");
    bool is_mine = has_terms ? grant_claim(p, task.index, &word) : task_claim(p, t, &word);
    if (from)
        hint_drop(p, from);
    if (is_mine) {
        if (word_attempt(word) != task.attempt) { /* it died elsewhere between the two looks */
            task.attempt = word_attempt(word);
            note(p, depth, &task);
        }
        search_end(p);
        if (!is_beside || !fiber_run(p, &task, word, hint & HINT_STOLEN))
            worker_run_claimed(p, &task, word, hint & HINT_STOLEN);
    }
    worker_set_depth(p, depth);
    return is_mine;
}

/* A task from anywhere, or else a job that somebody spawned. A guest that closes begins nothing. */
bool worker_help(struct wsched *p)
{
    uint64_t hint;

    if (p->depth >= DEPTH_MAX || p->is_closing || pool_is_over(p))
        return false;
    /* After each task, or after some short ones. */
    if (p->fiber_count && p->tick % p->batch == 0 && fiber_resume(p))
        return true;
    if (p->is_guest)
        return guest_help(p) || fiber_resume(p) || fork_help(p);
    if (p->place)
        return false;
    if (!find(p, &hint))
        return fiber_resume(p) || fork_help(p);
    worker_run(p, hint, NULL);
    return true;
}

/* ---- having nothing to do ---------------------------------------------------------------- */

/* What wakes a worker that has tasks beside its stack. */
struct ears {
    struct wsched *p;
    bool (*must_wake)(void *);
    void *arg;
};

static bool is_called(void *arg)
{
    const struct ears *e = arg;

    return fibers_are_ready(e->p) || (e->must_wake && e->must_wake(e->arg));
}

/* What comes next takes these lines one after the other, each from another CPU. */
static void lines_want(struct wsched *p)
{
    queue_want(p, driver_seat(p));
    search_want(p);
}

/*
 * Who wakes us in a flow of short tasks had better go on: where the kernel has us run on his CPU, in
 * his place, he loses more than we bring. A worker of policy SCHED_BATCH waits for its turn. Not so
 * when tasks come one by one: then somebody waits for us.
 */
static void sleep_lightly(struct wsched *p)
{
    const bool is_flow = p->tick - p->tick_awake >= FLOW && p->batch == STEAL_MAX;
    const int is = p->is_patient ? SCHED_BATCH : SCHED_OTHER;
    const int wanted = is_flow ? SCHED_BATCH : SCHED_OTHER;

    p->tick_awake = p->tick;
    if (wanted == is || sched_getscheduler(0) != is) /* or a kernel has set another */
        return;
    if (!sched_setscheduler(0, wanted, &(struct sched_param){ 0 }))
        p->is_patient = is_flow;
}

/*
 * A look at a queue takes its line from who is about to submit, and he has to take it back. Where
 * we live on what the driver submits and it waits for nothing, we look less and less often, and find
 * several tasks at a time: twice as many a second, when the CPUs are far apart.
 */
static void look_away(struct wsched *p, bool may_take_long)
{
    uint64_t awaited = au64_load_relaxed(&p->seats[driver_seat(p)].awaited); /* relaxed: a hint */

    if (!may_take_long || !p->is_fed || awaited != p->awaited)
        p->lull = LULL_MIN;
    else if (p->lull < LULL_MAX)
        p->lull *= 2;
    p->is_fed = false;
    p->awaited = awaited;
    for (uint32_t i = 0; i < p->lull; i++)
        cpu_pause();
}

/* Spin a little, if not enough others do, then sleep. */
void worker_rest(struct wsched *p, bool wants_work, bool (*must_wake)(void *), void *arg,
                 int64_t deadline)
{
    struct ears ears = { p, must_wake, arg };

    p->last_end = 0;
    if (p->fiber_count) {
        must_wake = is_called;
        arg = &ears;
        deadline = fibers_deadline(p) < deadline ? fibers_deadline(p) : deadline;
    }
    if (p->is_guest) {
        (void)guest_rest(p, wants_work, must_wake, arg, deadline); /* the caller looks again */
        return;
    }
    if (p->cpus > 1 && !au32_load_relaxed(&p->woke_here) &&
        (p->place || p->is_searching || search_begin(p))) {
        look_away(p, must_wake == NULL);
        for (uint32_t i = 0; i < p->spin_rounds; i++) {
            if ((wants_work && work_is_visible(p)) || (must_wake && must_wake(arg)) ||
                au32_load_relaxed(&p->header->stopping)) { /* relaxed: looked at again */
                lines_want(p); /* there is something to be done: we shall need them */
                p->spin_rounds = SPIN_MAX;
                return;
            }
            cpu_pause();
        }
        p->spin_rounds = p->spin_rounds > 1 ? p->spin_rounds / 2 : 1;
    }
    au32_store_relaxed(&p->woke_here, 0);
    sleep_lightly(p);
    uint64_t asleep = ticks_now(p);
    park_worker(p, wants_work, must_wake, arg, deadline);
    if (ticks_now(p) - asleep < SOON_TICKS) /* the longest spin would have saved the sleep */
        p->spin_rounds = SPIN_MAX;
}

/* Run one of those we wait for, the newest first. *blocked: one of them is. */
static bool run_awaited(struct wsched *p, const struct wanted *w, bool *blocked)
{
    for (size_t i = w->left; i-- > 0;) {
        uint32_t index;
        uint64_t word;
        if (!future_look(p, w->futures[i].v, &index, &word))
            continue;
        if (word_state(word) == TASK_PENDING && worker_run(p, w->futures[i].v, NULL))
            return true;
        *blocked |= word_state(word) == TASK_BLOCKED ||
                    (word_state(word) == TASK_RUNNING && runs_beside(p, index)) ||
                    (task_at(p, index)->place && !call_holds(p, p->current));
    }
    return false;
}

static bool run_any_own(struct wsched *p)
{
    uint64_t hint;

    while (deque_take(p, &hint))
        if (worker_run(p, hint, NULL))
            return true;
    return false;
}

/* From our own deque: above HELP_DEPTH anything, below it only what the current task submitted. */
static bool run_own(struct wsched *p)
{
    const struct source own = { FROM_OWN, p->seat, 0 };
    uint64_t hint, word;
    uint32_t index;

    if (!p->is_guest && !p->place && p->depth < HELP_DEPTH && !call_holds(p, p->current))
        return run_any_own(p);
    while (deque_newest(p, &hint)) {
        bool is_pending =
            future_look(p, hint & ~HINT_STOLEN, &index, &word) && word_state(word) == TASK_PENDING;
        if (is_pending && (p->depth >= HELP_DEPTH || call_holds(p, p->current)) && /* relaxed: E1 */
            au64_load_relaxed(&task_at(p, index)->parent) != p->current->future)
            return false;
        if (is_pending && p->place && runs_beside(p, index))
            return false; /* for who steals it */
        if (!p->is_guest && !deque_take(p, &hint))
            return false;
        if (worker_run(p, hint, p->is_guest ? &own : NULL))
            return true;
    }
    return false;
}

static bool has_older(struct wsched *p, const struct wanted *w)
{
    for (size_t i = 0; i < w->n; i++) {
        uint32_t index;
        uint64_t word;
        if (future_look(p, w->futures[i].v, &index, &word) && !word_is_over(word) &&
            task_at(p, index)->born < p->current->started)
            return true;
    }
    return false;
}

/* What we wait for is as urgent as we are; an actor's constructor, which is no task, is as most are. */
static void lend_level(struct wsched *p, const struct wanted *w)
{
    uint64_t own = p->current->future;

    for (size_t i = 0; own && levels_used(p) && i < w->n; i++)
        level_lend(p, w->futures[i].v, level_of(p, future_index(own), future_generation(own)));
}

int worker_wait(struct wanted *w, int64_t deadline)
{
    struct wsched *p = w->p;
    int err = 0;

    if (has_older(p, w) && !(p->place && p->depth <= 1)) /* nothing lies under an actor's call */
        return -EDEADLK;
    const bool is_beside = p->current->fiber;
    if (is_beside && !fork_is_clean(p, &p->current->mark))
        return -EPERM;
    p->last_end = 0;
    lend_level(p, w);
    while (!wanted_look(w)) {
        bool blocked = false;
        if (worker_pool_is_over(p))
            err = -ESHUTDOWN;
        else if (p->depth >= DEPTH_MAX)
            err = -EDEADLK;
        else if (deadline != INT64_MAX && monotonic_ns() >= deadline)
            err = -ETIMEDOUT;
        if (err)
            break;
        if (is_beside) {
            wanted_register(w);
            err = circle_await(p, w);
            if (err)
                break;
            fiber_wait(p, wanted_is_called, w, deadline); /* others run what it waits for */
            circle_leave(p);
            continue;
        }
        if ((p->fiber_count && fiber_resume(p)) || run_own(p) || run_awaited(p, w, &blocked))
            continue;
        bool wants_work =
            !p->place && ((p->depth < HELP_DEPTH && !call_holds(p, p->current)) || blocked);
        if (wants_work && worker_help(p))
            continue;
        wanted_register(w);
        err = circle_await(p, w);
        if (err)
            break;
        worker_rest(p, wants_work, wanted_is_called, w, deadline);
        circle_leave(p);
    }
    search_end(p);
    return err;
}

/* ---- a worker's life --------------------------------------------------------------------- */

void worker_begin(struct wsched *p)
{
    p->pid = getpid();
    p->free_count = 0;
    p->free_max = p->worker_free_max;
    p->current = NULL;
    p->batch = 1;
    p->lull = LULL_MIN;
    p->is_fed = false;
    p->spin_rounds = SPIN_MIN; /* who opened the pool wants a CPU now, too */
    p->is_patient = false;
    p->tick_awake = p->tick;
    p->random = (uint64_t)p->pid * 0x9e3779b97f4a7c15u | 1;
    p->map_cursor = p->seat * 7;
    p->place = 0;
    p->event_mapped = 0; /* what the driver had is not there in its children */
    p->event_ready = 0;
    circle_leave(p);
    worker_set_depth(p, 0);
}

/* Who has no work yet makes now what its first task would wait for: some ten pages. */
static void warm_up(struct wsched *p)
{
    struct fork_mark mark;

    if (!fork_enter(p, &mark))
        (void)fork_leave(p, &mark);
    (void)event_place(p, p->seat, au64_load_relaxed(&p->seats[p->seat].events)); /* relaxed: ours */
    (void)ticks_now(p);
}

/* Returns the exit code. */
int worker_main(struct wsched *p)
{
    worker_begin(p);
    if (p->options.worker_start && p->options.worker_start(p->options.worker_ctx))
        return 1;
    au32_store_release(&p->seats[p->seat].ready, 1); /* W2: pairs with supervisor.c */
    if (!work_is_visible(p))
        warm_up(p);
    while (!au32_load_acquire(&p->header->stopping))
        if (!worker_help(p))
            worker_rest(p, true, NULL, NULL, INT64_MAX);
    fibers_finish(p);
    if (p->options.worker_stop)
        p->options.worker_stop(p->options.worker_ctx);
    return 0;
}
