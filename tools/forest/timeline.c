/* SPDX-License-Identifier: MIT */
#include "timeline.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "outfile.h"
#include "tool.h"

/* ---- gathering ------------------------------------------------------------------------- */

struct event {
    uint64_t time_ns, task;
    uint32_t kind, worker, attempt;
    int32_t pid;
    char label[32];
};

struct events {
    struct event *at;
    size_t count, capacity;
    uint32_t workers;
};

static int keep(const struct wsched_event *e, void *ctx)
{
    struct events *all = ctx;
    if (e->kind != WSCHED_EVENT_STARTED && e->kind != WSCHED_EVENT_FINISHED &&
        e->kind != WSCHED_EVENT_FAILED && e->kind != WSCHED_EVENT_DIED)
        return 0;
    if (all->count == all->capacity) {
        size_t capacity = all->capacity ? 2 * all->capacity : 1024;
        struct event *at = realloc(all->at, capacity * sizeof *at);
        if (!at)
            return -ENOMEM;
        all->at = at;
        all->capacity = capacity;
    }
    struct event *to = &all->at[all->count++];
    *to = (struct event){ e->time_ns, e->task.v, e->kind, e->worker, e->attempt, e->pid, "" };
    memcpy(to->label, e->label, sizeof to->label);
    to->label[sizeof to->label - 1] = 0;
    if (e->worker != UINT32_MAX && e->worker >= all->workers)
        all->workers = e->worker + 1;
    return 0;
}

/* By attempt, its start before its end. */
static int by_attempt(const void *a, const void *b)
{
    const struct event *x = a, *y = b;
    if (x->task != y->task)
        return x->task < y->task ? -1 : 1;
    if (x->attempt != y->attempt)
        return x->attempt < y->attempt ? -1 : 1;
    bool is_x_end = x->kind != WSCHED_EVENT_STARTED, is_y_end = y->kind != WSCHED_EVENT_STARTED;
    if (is_x_end != is_y_end)
        return is_x_end ? 1 : -1;
    return x->time_ns < y->time_ns ? -1 : x->time_ns > y->time_ns;
}

static int by_start(const void *a, const void *b)
{
    const struct bar *x = a, *y = b;
    return x->start_ns < y->start_ns ? -1 : x->start_ns > y->start_ns;
}

static uint32_t group_of(const char *label)
{
    return !strncmp(label, "n=", 2) ? (uint32_t)strtoul(label + 2, NULL, 10) : 0;
}

static void make_bar(struct bar *bar, const struct event *start, const struct event *end)
{
    *bar = (struct bar){
        .start_ns = start->time_ns,
        .end_ns = end && end->time_ns > start->time_ns ? end->time_ns : start->time_ns,
        .task = start->task,
        .worker = start->worker,
        .attempt = start->attempt,
        .pid = start->pid,
        /* Without an end, a death has not even been noticed. */
        .end = !end || end->kind == WSCHED_EVENT_DIED ? BAR_DIED
               : end->kind == WSCHED_EVENT_FAILED     ? BAR_FAILED
                                                      : BAR_DONE,
        .group = group_of(start->label),
    };
    memcpy(bar->label, start->label, sizeof bar->label);
}

int timeline_collect(struct timeline *t, struct wsched *pool)
{
    struct events all = { NULL, 0, 0, 0 };
    *t = (struct timeline){ .start_ns = UINT64_MAX };
    int err = wsched_events(pool, keep, &all);
    if (!err && all.count > 0) {
        qsort(all.at, all.count, sizeof *all.at, by_attempt);
        t->bars = calloc(all.count, sizeof *t->bars);
        err = t->bars ? 0 : -ENOMEM;
    }
    for (size_t i = 0; i < all.count && !err; i++) {
        const struct event *start = &all.at[i], *end = NULL;
        if (start->kind != WSCHED_EVENT_STARTED || start->worker == UINT32_MAX)
            continue; /* an end whose start fell out of its ring */
        if (i + 1 < all.count && all.at[i + 1].task == start->task &&
            all.at[i + 1].attempt == start->attempt)
            end = &all.at[i + 1];
        struct bar *bar = &t->bars[t->count++];
        make_bar(bar, start, end);
        t->start_ns = bar->start_ns < t->start_ns ? bar->start_ns : t->start_ns;
        t->end_ns = bar->end_ns > t->end_ns ? bar->end_ns : t->end_ns;
    }
    t->workers = all.workers;
    if (t->count == 0)
        t->start_ns = t->end_ns = 0;
    else
        qsort(t->bars, t->count, sizeof *t->bars, by_start);
    free(all.at);
    if (err)
        timeline_free(t);
    return err;
}

void timeline_free(struct timeline *t)
{
    free(t->bars);
    *t = (struct timeline){ .count = 0 };
}

/* ---- Chrome trace ------------------------------------------------------------------------ */

/* Labels are our own and plain; but a pool's memory is anybody's. */
static void put_plain(FILE *out, const char *text)
{
    for (; *text; text++)
        putc(*text < 0x20 || *text > 0x7e || strchr("\"\\<>&'", *text) ? '?' : *text, out);
}

static const char *const bar_ends[] = { "done", "failed", "worker died" };

void timeline_trace(const struct timeline *t, const char *title, FILE *out)
{
    fputs("{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n"
          "{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":1,\"args\":{\"name\":\"",
          out);
    put_plain(out, title);
    fputs("\"}}", out);
    for (uint32_t w = 0; w < t->workers; w++)
        fprintf(out,
                ",\n{\"name\":\"thread_name\",\"ph\":\"M\",\"pid\":1,\"tid\":%u,"
                "\"args\":{\"name\":\"worker %u\"}}",
                w, w);
    for (uint32_t i = 0; i < t->count; i++) {
        const struct bar *b = &t->bars[i];
        fputs(",\n{\"name\":\"", out);
        put_plain(out, b->label);
        fprintf(out,
                "\",\"cat\":\"task\",\"ph\":\"X\",\"pid\":1,\"tid\":%u,\"ts\":%.3f,\"dur\":%.3f,"
                "\"args\":{\"pid\":%d,\"attempt\":%u,\"end\":\"%s\"}}",
                b->worker, (double)(b->start_ns - t->start_ns) * 1e-3,
                (double)(b->end_ns - b->start_ns) * 1e-3, b->pid, b->attempt, bar_ends[b->end]);
    }
    fputs("\n]}\n", out);
}

/* ---- the file ------------------------------------------------------------------------------ */

int timeline_write(const struct timeline *t, const char *path, const char *title)
{
    struct outfile out;
    struct diag diag;
    size_t length = strlen(path);
    int err = outfile_open(&out, path, &diag);
    if (!err) {
        if (length > 5 && !strcmp(path + length - 5, ".json"))
            timeline_trace(t, title, out.stream);
        else
            timeline_svg(t, title, out.stream);
        err = outfile_commit(&out, &diag);
    }
    if (err)
        complain(path, "%s", diag.text);
    return err;
}
