/* SPDX-License-Identifier: MIT */
/* look.c -- what one can see of a pool: statistics, causes of failures, its health. */
#define _GNU_SOURCE /* strsignal, strerrordesc_np */
#include "pool.h"

#include <stdio.h>
#include <string.h>

int wsched_stats(struct wsched *p, struct wsched_stats *out)
{
    int err = pool_check(p);
    struct wsched_stats s = { 0 };

    if (err || !out)
        return err ? err : -EINVAL;
    for (uint32_t i = 0; i < p->seat_count; i++) {
        const struct seat *seat = &p->seats[i]; /* relaxed: statistics */
        uint64_t events = au64_load_relaxed(&seat->events);
        s.submitted += au64_load_relaxed(&seat->submitted);
        s.finished += au64_load_relaxed(&seat->finished);
        s.failed += au64_load_relaxed(&seat->failed);
        s.cancelled += au64_load_relaxed(&seat->cancelled);
        s.retried += au64_load_relaxed(&seat->retried);
        s.stolen += au64_load_relaxed(&seat->stolen);
        s.events_lost += events > p->event_capacity ? events - p->event_capacity : 0;
    }
    s.worker_deaths = au64_load_acquire(&p->header->deaths);
    s.wakes = au64_load_relaxed(&p->header->wakes);
    *out = s;
    return 0;
}

/* ---- failures ---------------------------------------------------------------------------- */

/* What is said of a task that failed by itself. */
static void describe_error(struct wsched_failure *f, const char *before, enum late late)
{
    static const char *const words[] = { "", "had not started by its deadline",
                                         "was stopped at its deadline",
                                         "did not stop at its deadline and was killed" };
    char again[48] = "";

    if (f->attempts > 1)
        snprintf(again, sizeof again, ", attempt %u of %u", f->attempts, f->attempts_max);
    if (late)
        snprintf(f->text, sizeof f->text, "%s%s %s%s", before, f->kernel, words[late], again);
    else
        snprintf(f->text, sizeof f->text, "%s%s failed: %s%s", before, f->kernel,
                 wsched_strerror(f->error), again);
}

static void describe(struct wsched_failure *f, bool is_dependency, enum late late)
{
    const char *before = is_dependency ? "a task it depends on: " : "";

    late = late > LATE_KILLED ? NOT_LATE : late; /* damaged */
    if (late) {
        describe_error(f, before, late);
    } else if (f->signal) {
        const char *name = sigdescr_np(f->signal);
        snprintf(f->text, sizeof f->text,
                 "%skilled by signal %d (%s) while running %s, attempt %u of %u", before, f->signal,
                 name ? name : "?", f->kernel, f->attempts, f->attempts_max);
    } else if (f->exit_code >= 0) {
        snprintf(f->text, sizeof f->text,
                 "%sworker exited with code %d while running %s, attempt %u of %u", before,
                 f->exit_code, f->kernel, f->attempts, f->attempts_max);
    } else if (f->error == -EOWNERDEAD && f->attempts) {
        snprintf(f->text, sizeof f->text, "%sits worker died while running %s, attempt %u of %u",
                 before, f->kernel, f->attempts, f->attempts_max);
    } else if (f->error == -ECANCELED) {
        snprintf(f->text, sizeof f->text, "%s%s was cancelled", before, f->kernel);
    } else {
        describe_error(f, before, NOT_LATE);
    }
}

int wsched_failure(struct wsched *p, struct wsched_future future, struct wsched_failure *out)
{
    int err = pool_check(p);
    uint32_t index;
    uint64_t word;

    if (!err && (!out || !future_held(p, future.v, &index, &word)))
        err = -EINVAL;
    if (err)
        return err;
    if (word_state(word) != TASK_FAILED && word_state(word) != TASK_CANCELLED)
        return -ENOENT;
    const struct task *t = task_at(p, index);
    bool is_cancelled = word_state(word) == TASK_CANCELLED;
    const struct cause none = { .exit_code = -1, .kernel = (uint16_t)task_kernel(t) };
    const struct cause c = is_cancelled ? none : task_detail(p, t)->cause;
    struct wsched_failure f = {
        .error = is_cancelled ? -ECANCELED : -word_errno(word),
        .pid = c.pid,
        .signal = c.signal,
        .exit_code = c.exit_code,
        .attempts = c.attempts,
        .attempts_max = c.attempts_max,
    };
    if (c.kernel < p->kernel_count)
        snprintf(f.kernel, sizeof f.kernel, "%s", p->kernels[c.kernel].name);
    describe(&f, c.is_dependency, (enum late)c.late);
    *out = f;
    return 0;
}

/* ---- verify ------------------------------------------------------------------------------ */

static const char *verify_task(const struct wsched *p, const struct task *t, uint64_t word)
{
    enum task_state state = word_state(word);

    if (state > TASK_CANCELLED)
        return "unknown state";
    if (state <= TASK_MAKING)
        return state == TASK_FREE &&
                       (word & (WORD_WAITED | WORD_CANCEL | WORD_RELEASED | WORD_TOLD))
                   ? "a free slot with flags"
                   : NULL;
    if (word_seat(word) >= p->seat_count)
        return "a seat that does not exist";
    if (state == TASK_RUNNING && !seat_can_run(p, word_seat(word)))
        return "run by somebody who is no worker";
    if ((word & WORD_TOLD) && !word_is_over(word))
        return "told, but not over";
    if ((word & WORD_TOLD) && (word & WORD_RELEASED))
        return "over, told and released, but not free";
    if ((state == TASK_FAILED) !=
        (state != TASK_CANCELLED && state != TASK_FAILING && word_errno(word) != 0))
        return "state and errno do not agree";
    if (task_kernel(t) >= p->kernel_count)
        return "a kernel that does not exist";
    if (t->payload_size > p->payload_max)
        return "payload too big";
    if (state == TASK_DONE && t->result_size > p->result_max)
        return "result too big";
    return NULL;
}

int wsched_verify(struct wsched *p, char *text)
{
    int err = pool_check(p);
    char found[256] = "";

    if (err)
        return err;
    if (p->header->magic != LAYOUT_MAGIC || p->header->layout_version != LAYOUT_VERSION ||
        p->header->workers != p->workers)
        snprintf(found, sizeof found, "header: damaged");
    uint32_t used = au32_load_acquire(&p->header->tasks_used);
    for (uint32_t i = 0; i < used && i < p->task_count && !found[0]; i++) {
        const struct task *t = task_at(p, i);
        uint64_t word = au64_load_acquire(&t->word);
        const char *what = verify_task(p, t, word);
        if (what && au64_load_acquire(&t->word) == word) /* else it changed while we looked */
            snprintf(found, sizeof found, "task %u (word %016llx): %s", i, (unsigned long long)word,
                     what);
    }
    const char *what = NULL;
    if (!found[0] && deps_verify(p, &what))
        snprintf(found, sizeof found, "blocks: %s", what);
    for (uint32_t i = 0; i < p->seat_count && !found[0]; i++)
        if (au32_load_acquire(&p->seats[i].depth) > DEPTH_MAX)
            snprintf(found, sizeof found, "seat %u: stack depth out of range", i);
    for (uint32_t i = p->workers; i < p->seat_count && !found[0]; i++)
        if (queue_is_damaged(p, i))
            snprintf(found, sizeof found, "queue %u: head and tail do not agree", i - p->workers);
    if (text && found[0])
        memcpy(text, found, sizeof found);
    return found[0] ? -EBADMSG : 0;
}
