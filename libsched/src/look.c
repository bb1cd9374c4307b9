/* SPDX-License-Identifier: MIT */
/* look.c -- what one can see of a pool: statistics, causes of failures. */
#define _GNU_SOURCE /* sigdescr_np */
#include "actor.h"

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

static const char *kernel_or(const struct wsched *p, const struct cause *c, const char *other)
{
    return c->kernel < p->kernel_count ? p->kernels[c->kernel].name : other;
}

/* "actor counter: ". The record may be another's by now: then it is younger than the task. */
static void actor_prefix(const struct wsched *p, const struct cause *c, uint64_t born,
                         char text[NAME_BYTES + 16])
{
    char name[NAME_BYTES] = "";

    text[0] = 0;
    if (!c->actor || c->actor > p->actors_max)
        return;
    if (actor_at(p, c->actor - 1u)->born <= born)
        actor_name(actor_at(p, c->actor - 1u), name);
    snprintf(text, NAME_BYTES + 16, "actor%s%s: ", name[0] ? " " : "", name);
}

/* ", attempt 2 of 3", ", restart 1 of 2"; only from the `from`th attempt on. */
static void count_suffix(const struct cause *c, uint32_t from, char text[48])
{
    text[0] = 0;
    if (!(c->flags & CAUSE_ACTOR_ENDED) && c->attempts >= from)
        snprintf(text, 48, ", attempt %u of %u", c->attempts, c->attempts_max);
    if ((c->flags & CAUSE_ACTOR_ENDED) && c->attempts_max)
        snprintf(text, 48, ", restart %u of %u", c->restarts, c->attempts_max);
}

/* What is said of a task that failed by itself, or was never run. */
static void describe_error(const struct wsched *p, const struct cause *c, int error,
                           const char *before, char text[FAILURE_TEXT])
{
    static const char *const words[] = { "", "had not started by its deadline",
                                         "was stopped at its deadline",
                                         "did not stop at its deadline and was killed" };
    const char *kernel = kernel_or(p, c, NULL);
    char again[48];

    count_suffix(c, 2, again);
    if (c->flags &
        CAUSE_ACTOR_ENDED) /* a constructor said no: that has nothing to do with restarts */
        again[0] = 0;
    if (!kernel && (c->flags & CAUSE_ACTOR_ENDED))
        snprintf(text, FAILURE_TEXT, "%shas ended", before);
    else if (c->late > NOT_LATE && c->late <= LATE_KILLED)
        snprintf(text, FAILURE_TEXT, "%s%s %s%s", before, kernel ? kernel : "", words[c->late],
                 again);
    else
        snprintf(text, FAILURE_TEXT, "%s%s failed: %s%s", before, kernel ? kernel : "",
                 task_strerror(error), again);
}

void cause_describe(const struct wsched *p, const struct cause *c, int error, uint64_t born,
                    char text[FAILURE_TEXT])
{
    const char *kernel = kernel_or(p, c, "");
    const char *running = kernel[0] ? " while running " : "";
    const char *name = c->signal ? sigdescr_np(c->signal) : NULL;
    char before[NAME_BYTES + 48], actor[NAME_BYTES + 16], count[48];

    actor_prefix(p, c, born, actor);
    snprintf(before, sizeof before, "%s%s",
             c->flags & CAUSE_DEPENDENCY ? "a task it depends on: " : "", actor);
    count_suffix(c, 0, count);
    if (c->flags & CAUSE_MEMORY && c->signal)
        snprintf(text, FAILURE_TEXT, "%skilled at over %u MiB of memory%s%s%s", before,
                 (uint32_t)(p->header->memory_max >> 20), running, kernel, count);
    else if (error == -EOWNERDEAD && !c->signal && c->exit_code < 0 && c->attempts && !c->flags)
        snprintf(text, FAILURE_TEXT, "%sits worker died while running %s%s", before, kernel, count);
    else if (c->late || (!c->signal && c->exit_code < 0 && error != -ECANCELED))
        describe_error(p, c, error, before, text);
    else if (c->signal)
        snprintf(text, FAILURE_TEXT, "%skilled by signal %d (%s)%s%s%s", before, c->signal,
                 name ? name : "?", running, kernel, count);
    else if (c->exit_code >= 0)
        snprintf(text, FAILURE_TEXT, "%s%sexited with code %d%s%s%s", before,
                 actor[0] ? "" : "worker ", c->exit_code, running, kernel, count);
    else
        snprintf(text, FAILURE_TEXT, "%s%s was cancelled", before, kernel);
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
        .attempts = c.flags & CAUSE_ACTOR_ENDED ? 0 : c.attempts,
        .attempts_max = c.flags & CAUSE_ACTOR_ENDED ? 0 : c.attempts_max,
    };
    if (c.kernel < p->kernel_count)
        snprintf(f.kernel, sizeof f.kernel, "%s", p->kernels[c.kernel].name);
    cause_describe(p, &c, f.error, t->born, f.text);
    *out = f;
    return 0;
}
