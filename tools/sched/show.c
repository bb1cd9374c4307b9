/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* sigdescr_np */
#include "show.h"

#include "human.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* By what `sched ps --state` takes; the library numbers them with gaps. */
const char *const show_task_states[] = { "blocked", "pending",   "running", "done",
                                         "failed",  "cancelled", NULL };

uint64_t show_now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

const char *show_task_state(uint32_t state)
{
    switch (state) {
    case WSCHED_TASK_BLOCKED:
        return "blocked";
    case WSCHED_TASK_PENDING:
        return "pending";
    case WSCHED_TASK_RUNNING:
        return "running";
    case WSCHED_TASK_DONE:
        return "done";
    case WSCHED_TASK_FAILED:
        return "failed";
    case WSCHED_TASK_CANCELLED:
        return "cancelled";
    default:
        return "unknown";
    }
}

static const char *worker_state(uint32_t state)
{
    static const char *const names[] = { "unknown", "starting", "idle",  "running",
                                         "stopped", "dead",     "joined" };

    return names[state < sizeof names / sizeof *names ? state : 0];
}

static const char *worker_kind(uint32_t kind)
{
    static const char *const names[] = { "unknown", "worker", "driver", "client",
                                         "process", "thread", "actor" };

    return names[kind < sizeof names / sizeof *names ? kind : 0];
}

/* How long ago; nothing where it is not known. */
static void emit_since(struct emit *e, const char *key, const char *title, uint64_t ns,
                       uint64_t now)
{
    if (ns)
        emit_duration(e, key, title, now > ns ? (double)(now - ns) * 1e-9 : 0);
    else
        emit_string(e, NULL, title, "");
}

static void emit_task_id(struct emit *e, const char *key, const char *title, uint64_t future)
{
    char text[20] = "";

    if (future)
        snprintf(text, sizeof text, "%llx", (unsigned long long)future);
    emit_string(e, key, title, text);
}

/* "cpu 2, gpu 1"; in brackets while it waits for them. */
static void put_needs(struct wsched *pool, const struct wsched_task_info *t, char text[256])
{
    struct wsched_resource_info r;
    size_t n = 0;

    text[0] = 0;
    for (uint32_t i = 0; i < 8 && wsched_resource_info(pool, i, &r) == 0; i++)
        if (t->needs[i] && n < 256 - 48)
            n += (size_t)snprintf(text + n, 256 - n, "%s%s %u",
                                  n              ? ", "
                                  : t->is_parked ? "("
                                                 : "",
                                  r.name, t->needs[i]);
    if (n && t->is_parked)
        snprintf(text + n, 256 - n, ")");
}

static const char *priority_name(int32_t priority)
{
    return priority > 0 ? "high" : priority < 0 ? "low" : "normal";
}

/* What a task was submitted with, in a column each. */
static void emit_terms(struct emit *e, struct wsched *pool, const struct wsched_task_info *t,
                       uint64_t now)
{
    char needs[256];

    put_needs(pool, t, needs);
    emit_string(e, "needs", "needs", needs);
    emit_string(e, "priority", "priority", priority_name(t->priority));
    if (t->deadline_ns)
        emit_duration(e, "deadline_seconds", "deadline",
                      ((double)t->deadline_ns - (double)now) * 1e-9);
    else
        emit_string(e, NULL, "deadline", "");
}

/* The same of the task that somebody runs, if it has any; in one column of the text. */
static void emit_terms_briefly(struct emit *e, struct wsched *pool, struct wsched_future task,
                               uint64_t now)
{
    struct wsched_task_info t;
    char needs[256], left[HUMAN_TEXT] = "", text[400] = "";

    if (task.v && wsched_task_info(pool, task, &t) == 0) {
        double seconds = ((double)t.deadline_ns - (double)now) * 1e-9;
        put_needs(pool, &t, needs);
        if (needs[0])
            emit_string(e, "needs", NULL, needs);
        emit_string(e, "priority", NULL, priority_name(t.priority));
        if (t.deadline_ns) {
            emit_duration(e, "deadline_seconds", NULL, seconds);
            human_duration(seconds, left);
        }
        snprintf(text, sizeof text, "%s%s%s%s%s%s", t.priority ? priority_name(t.priority) : "",
                 t.priority && t.deadline_ns ? ", " : "", left, t.deadline_ns ? " left" : "",
                 needs[0] && (t.priority || t.deadline_ns) ? ", " : "", needs);
    }
    emit_string(e, NULL, "terms", text);
}

static void show_worker(struct emit *e, struct wsched *pool, const struct wsched_worker_info *w,
                        uint64_t now)
{
    emit_row(e);
    emit_string(e, "name", "who", w->name);
    if (w->worker != UINT32_MAX)
        emit_uint(e, "worker", NULL, w->worker);
    emit_string(e, "kind", "kind", worker_kind(w->kind));
    emit_int(e, "pid", "pid", w->pid);
    emit_string(e, "state", "state", worker_state(w->state));
    emit_int(e, "tid", NULL, w->tid);
    emit_string(e, "kernel", "kernel", w->kernel);
    emit_string(e, "label", "label", w->label);
    emit_since(e, "running_seconds", "for", w->task.v ? w->started_ns : 0, now);
    emit_uint(e, "attempt", "attempt", w->task.v ? w->attempt : 0);
    emit_task_id(e, "task", NULL, w->task.v);
    emit_bool(e, "is_job", NULL, w->is_job);
    emit_uint(e, "depth", "depth", w->depth);
    emit_uint(e, "queued", "queued", w->queued);
    emit_uint(e, "submitted", "submitted", w->submitted);
    emit_uint(e, "finished", "finished", w->finished);
    emit_uint(e, "failed", "failed", w->failed);
    emit_uint(e, "cancelled", NULL, w->cancelled);
    emit_uint(e, "stolen", "stolen", w->stolen);
    emit_terms_briefly(e, pool, w->task, now);
    emit_row_end(e);
}

struct rows {
    struct emit *e;
    struct wsched *pool;
    uint64_t now;
};

static int show_member(const struct wsched_worker_info *w, void *ctx)
{
    struct rows *r = ctx;

    show_worker(r->e, r->pool, w, r->now);
    return 0;
}

int show_workers(struct wsched *pool, struct emit *e, const char *key)
{
    struct rows rows = { e, pool, show_now_ns() };

    emit_list(e, key);
    int err = wsched_members(pool, show_member, &rows);
    emit_list_end(e);
    return err;
}

void show_next_deadline(struct emit *e, const struct wsched_info *i, uint64_t now)
{
    if (i->next_deadline_ns)
        emit_duration(e, "next_deadline_seconds", "next deadline in",
                      ((double)i->next_deadline_ns - (double)now) * 1e-9);
}

void show_resources(struct emit *e, struct wsched *pool)
{
    struct wsched_resource_info r;

    emit_list(e, "resources");
    for (uint32_t i = 0; wsched_resource_info(pool, i, &r) == 0; i++) {
        emit_row(e);
        emit_string(e, "name", "resource", r.name);
        emit_uint(e, "total", "total", r.total);
        emit_uint(e, "held", "held", r.held);
        emit_row_end(e);
    }
    emit_list_end(e);
}

void show_task(struct emit *e, struct wsched *pool, const struct wsched_task_info *t, uint64_t now)
{
    struct wsched_failure failure = { .text = "" };

    if (t->error && wsched_failure(pool, t->task, &failure)) /* it was given back this moment */
        snprintf(failure.text, sizeof failure.text, "%s", wsched_strerror(t->error));
    emit_row(e);
    emit_task_id(e, "task", "task", t->task.v);
    emit_string(e, "state", "state", show_task_state(t->state));
    emit_string(e, "kernel", "kernel", t->kernel);
    emit_string(e, "label", "label", t->label);
    if (t->worker != UINT32_MAX)
        emit_uint(e, "worker", "worker", t->worker);
    else
        emit_string(e, NULL, "worker", "");
    emit_uint(e, "attempt", "attempt", t->attempt);
    emit_uint(e, "attempts_max", "of", t->attempts_max);
    emit_since(e, "age_seconds", "age", t->submitted_ns, now);
    emit_terms(e, pool, t, now);
    emit_size(e, "payload_bytes", "payload", t->payload_size);
    emit_size(e, "result_bytes", "result", t->result_size);
    emit_task_id(e, "parent", "parent", t->parent.v);
    emit_string(e, "error", "error", failure.text);
    emit_bool(e, "asked_to_stop", NULL, t->is_asked_to_stop);
    emit_bool(e, "released", NULL, t->is_released);
    emit_row_end(e);
}

void show_actor(struct emit *e, const struct wsched_actor_info *a)
{
    static const char *const states[] = {
        "unknown", "starting", "idle", "running", "ended", "dead"
    };
    char of[16] = "any";

    if (a->max_restarts >= 0)
        snprintf(of, sizeof of, "%d", (int)a->max_restarts);
    emit_row(e);
    emit_task_id(e, "actor", "actor", a->actor.v);
    emit_string(e, "name", "name", a->name);
    emit_int(e, "pid", "pid", a->pid);
    emit_string(e, "state", "state", states[a->state < 6 ? a->state : 0]);
    emit_string(e, "kernel", "kernel", a->kernel);
    emit_uint(e, "queued", "queued", a->queued);
    emit_uint(e, "mailbox_capacity", NULL, a->mailbox_capacity);
    emit_uint(e, "served", "served", a->served);
    emit_uint(e, "restarts", "restarts", a->restarts);
    emit_string(e, NULL, "of", of);
    emit_int(e, "max_restarts", NULL, a->max_restarts);
    emit_bool(e, "stopping", NULL, a->is_stopping);
    emit_task_id(e, "task", NULL, a->task.v);
    emit_string(e, "cause", "cause", a->cause);
    emit_row_end(e);
}

void show_death(struct emit *e, struct wsched *pool, const struct wsched_death *d, uint64_t now)
{
    char cause[80] = "", name[WSCHED_WORKER_NAME_MAX + 1] = "";

    if (d->memory)
        snprintf(cause, sizeof cause, "over worker_memory_max: %llu MiB",
                 (unsigned long long)(d->memory >> 20));
    else if (d->signal)
        snprintf(cause, sizeof cause, "signal %d (%s)", d->signal,
                 sigdescr_np(d->signal) ? sigdescr_np(d->signal) : "?");
    else if (d->exit_code >= 0)
        snprintf(cause, sizeof cause, "exit code %d", d->exit_code);
    emit_row(e);
    emit_since(e, "ago_seconds", "ago", d->time_ns, now);
    (void)!wsched_worker_name(pool, d->worker, name);
    emit_string(e, "name", "who", name);
    emit_uint(e, "worker", NULL, d->worker);
    emit_int(e, "pid", "pid", d->pid);
    emit_string(e, "cause", "cause", cause);
    emit_int(e, "signal", NULL, d->signal);
    emit_int(e, "exit_code", NULL, d->exit_code);
    emit_uint(e, "memory", NULL, d->memory);
    emit_string(e, "kernel", "kernel", d->kernel);
    emit_string(e, "label", "label", d->label);
    emit_uint(e, "time_ns", NULL, d->time_ns);
    emit_row_end(e);
}
