/* SPDX-License-Identifier: MIT */
/*
 * terms.c -- what few tasks have: a deadline, being run again after errors, being stopped by force.
 *
 * A task's terms stand in a line of their own, which means something if the task has the flag
 * KERNEL_TERMS, or, for words that carry a generation, if that is the task's.
 *
 *   stop    generation:29 << 33 | late:1 << 32 | when to kill:32. The time is in milliseconds since
 *           the pool was opened, modulo 2^32; 0: do not kill. Late: asked to stop because its
 *           deadline has passed, so it fails with -ETIMEDOUT instead of being cancelled.
 *
 * Who watches the clock   The supervisor, with a timeout of its poll(): timer.c. Nobody else does,
 *   and nothing ticks while no task has a time. Who gives a task one calls the supervisor:
 *
 *   K1  write the terms         (a deadline: before the task is published)
 *   K2  WORD_CANCEL by CAS      wsched_kill() only
 *   K3  the task's bit in the call map, then header.called, then a look at header.next_due: if the
 *       supervisor sleeps longer than this task can wait, a SIGCHLD, which wakes it and which any
 *       other process would ignore, should the pid not be the supervisor's any more.
 *
 *   The supervisor writes next_due, then looks at header.called again, then sleeps: both sides
 *   write, fence, read (C1), so one of them sees the other.
 *
 * Deaths  Of the caller after K1: the terms ask for what nobody asked for by the word: no effect.
 *   After K2: the task is cancelled as by wsched_cancel(), which is all that a call that has not
 *   returned may promise. A worker's death wakes the supervisor anyhow. Of the supervisor: the next
 *   one looks through the table (timer_begin()): terms are the truth, the call map is a hint.
 *
 * A task that is late and has not started is failed by whoever sees it first: the supervisor, or
 * the worker that was about to start it; T4 of task.c makes one of them the only one.
 */
#include "events.h"
#include "stream.h"

#include <signal.h>

#define STOP_LATE (1ull << 32)
#define STOP_GENERATION_SHIFT 33

static uint32_t ms_of(const struct wsched *p, int64_t ns) /* never 0 */
{
    uint32_t ms = (uint32_t)((ns - (int64_t)p->clock_ns) / NS_PER_MS);

    return ms ? ms : 1;
}

/* The moment of `ms`, which is less than 24 days from `now`. */
static int64_t ns_of(const struct wsched *p, uint32_t ms, int64_t now)
{
    return now + (int32_t)(ms - ms_of(p, now)) * NS_PER_MS;
}

static bool stop_is_of(uint64_t stop, uint32_t generation)
{
    return stop >> STOP_GENERATION_SHIFT == generation;
}

/* Add to what the task's stop word says: an earlier time, or that it is late. */
static void stop_add(struct wsched *p, uint32_t index, uint32_t generation, bool is_late,
                     int64_t kill_ns)
{
    struct au64 *word = &terms_at(p, index)->stop;
    uint64_t stop = au64_load_acquire(word), next;

    do {
        if (word_generation(au64_load_acquire(&task_at(p, index)->word)) != generation)
            return; /* a slow caller; `stop` was read before, so we do not overwrite a newer one */
        uint32_t ms = kill_ns == INT64_MAX ? 0 : ms_of(p, kill_ns);
        next = (uint64_t)generation << STOP_GENERATION_SHIFT | (is_late ? STOP_LATE : 0) | ms;
        if (stop_is_of(stop, generation)) {
            uint32_t old = (uint32_t)stop;
            if (old && (!ms || (int32_t)(old - ms) < 0))
                next = (next & ~0xffffffffull) | old;
            next |= stop & STOP_LATE;
        }
    } while (!au64_cas_acq_rel(word, &stop, next)); /* K1 */
}

/* When the worker of this task, which was asked to stop, is to be killed; INT64_MAX: never. */
int64_t terms_kill_due(const struct wsched *p, uint32_t index, uint64_t word, int64_t now)
{
    uint64_t stop = au64_load_acquire(&terms_at(p, index)->stop);

    if (!(word & WORD_CANCEL) || !stop_is_of(stop, word_generation(word)) || !(uint32_t)stop)
        return INT64_MAX;
    return ns_of(p, (uint32_t)stop, now);
}

bool terms_are_late(const struct wsched *p, uint32_t index, uint64_t word)
{
    uint64_t stop = au64_load_acquire(&terms_at(p, index)->stop);

    return stop_is_of(stop, word_generation(word)) && (stop & STOP_LATE);
}

/* ---- what a task was submitted with --------------------------------------------------------- */

bool spec_has_terms(const struct wsched_spec *s)
{
    return s->deadline_ms || s->priority || s->cpus || s->resource_count ||
           (s->flags & WSCHED_RETRY_ERRORS) || s->stream;
}

void terms_fill(struct wsched *p, uint32_t index, const struct wsched_spec *s)
{
    struct terms *t = terms_at(p, index);
    int64_t deadline = s->deadline_ms ? monotonic_ns() + s->deadline_ms * NS_PER_MS : 0;

    au64_store_relaxed(&t->deadline_ns, (uint64_t)deadline); /* relaxed: E1 of task.c */
    t->grace_ms = s->grace_ms;
    t->flags = s->flags;
    t->has_needs = s->cpus || s->resource_count;
    if (t->has_needs)
        (void)!grant_needs(p, s, t->needs); /* it was looked at before */
    t->level = (uint16_t)(s->priority + LEVEL_NORMAL);
    if (!s->stream) /* else stream_reserve() */
        t->stream = 0;
    if (s->priority)
        levels_begin(p);
}

/* For those who look at what happened; under the lock, after the event of its submission. */
void terms_event(struct wsched *p, uint32_t index, uint64_t future, uint32_t kernel, uint64_t ticks)
{
    const struct terms *t = terms_at(p, index);
    struct event_terms e = { .deadline_ns = au64_load_relaxed(&t->deadline_ns), /* relaxed: ours */
                             .level = t->level };

    if (t->has_needs)
        memcpy(e.needs, t->needs, sizeof e.needs);
    event_put(p, p->seat, WSCHED_EVENT_TERMS, ticks, future, 1, kernel, p->pid, &e);
}

int64_t terms_deadline(const struct wsched *p, uint32_t index) /* INT64_MAX: none */
{
    int64_t ns = 0;

    if (task_at(p, index)->kernel & KERNEL_TERMS) /* relaxed: E1 */
        ns = (int64_t)au64_load_relaxed(&terms_at(p, index)->deadline_ns);
    return ns > 0 ? ns : INT64_MAX;
}

void terms_begin(struct wsched *p, uint32_t index)
{
    int64_t deadline = terms_deadline(p, index);

    if (deadline != INT64_MAX)
        supervisor_call(p, index, deadline); /* K3 */
}

void terms_over(struct wsched *p, uint32_t index)
{
    if (terms_at(p, index)->has_needs)
        grant_over(p, index);
}

bool terms_may_start(struct wsched *p, uint32_t index, uint64_t word)
{
    int64_t deadline = terms_deadline(p, index);

    if (deadline == INT64_MAX || monotonic_ns() < deadline)
        return grant_may_start(p, index, word);
    task_fail_late(p, index, word);
    return false;
}

bool terms_try_again(const struct wsched *p, uint32_t index, uint32_t attempt, bool any)
{
    const struct task *t = task_at(p, index);

    return (t->kernel & KERNEL_TERMS) &&
           (any || (terms_at(p, index)->flags & WSCHED_RETRY_ERRORS)) && attempt < t->attempts_max;
}

void terms_late(struct wsched *p, uint32_t index, uint64_t word)
{
    const struct terms *t = terms_at(p, index);
    struct au64 *at = &task_at(p, index)->word;
    uint32_t generation = word_generation(word);
    int64_t kill_ns = INT64_MAX;

    if (word_state(word) != TASK_RUNNING) {
        task_fail_late(p, index, word);
        return;
    }
    if (t->flags & WSCHED_KILL_LATE)
        kill_ns = monotonic_ns() + t->grace_ms * NS_PER_MS;
    stop_add(p, index, generation, true, kill_ns);
    POINT("terms: late, not asked to stop");
    while (word_state(word) == TASK_RUNNING && word_generation(word) == generation &&
           !(word & WORD_CANCEL))
        if (au64_cas_acq_rel(at, &word, word | WORD_CANCEL)) { /* K2 */
            POINT("terms: late and asked to stop, not told");
            stream_stop(p, index, word);
            break;
        }
}

/* ---- calling the supervisor ----------------------------------------------------------------- */

/* Something about the task is the supervisor's business, at `due_ns` at the latest. */
void supervisor_call(struct wsched *p, uint32_t index, int64_t due_ns)
{
    struct header *h = p->header;

    au64_or_acq_rel(&p->call_map[index / 64], 1ull << index % 64);
    POINT("terms: bit set in the call map, nobody called");
    au32_store_release(&h->called, 1);
    fence_seq_cst(); /* C1 */
    if (due_ns >= (int64_t)au64_load_relaxed(&h->next_due) || p->role == ROLE_SUPERVISOR)
        return; /* relaxed: the fence orders it */
    uint32_t supervisor = au32_load_acquire(&h->supervisor);
    if (supervisor && !(supervisor & ~(uint32_t)FUTEX_TID_MASK))
        kill((pid_t)supervisor, SIGCHLD); /* dead: its successor looks through the table */
}

int task_kill(struct wsched *p, uint64_t future, int grace_ms)
{
    uint32_t index;
    uint64_t word;

    if (!future_look(p, future, &index, &word))
        return -EINVAL;
    int64_t due = monotonic_ns() + grace_ms * NS_PER_MS;
    stop_add(p, index, future_generation(future), false, due); /* K1 */
    POINT("terms: time to kill written, task not cancelled");
    int err = task_cancel(p, future); /* K2 */
    POINT("terms: cancelled, supervisor not called");
    if (!err)
        supervisor_call(p, index, due); /* K3 */
    return err;
}
