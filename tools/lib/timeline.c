/* SPDX-License-Identifier: MIT */
#include "timeline.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "outfile.h"
#include "tool.h"

const char *const bar_ends[] = { "done", "failed", "worker died", "running" };

/* ---- gathering ------------------------------------------------------------------------- */

struct timeline_event {
    uint64_t time_ns, task;
    uint32_t kind, worker, attempt, group;
    int32_t pid;
    uint32_t number; /* in the order in which they came: that of each ring */
    union {
        char label[TIMELINE_TEXT];
        struct bar_terms terms; /* of WSCHED_EVENT_TERMS */
    };
};

/* Room for one more. */
static int make_room(void **at, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity)
        return 0;
    size_t more = *capacity ? 2 * *capacity : 256;
    void *grown = realloc(*at, more * size);
    if (!grown)
        return -ENOMEM;
    *at = grown;
    *capacity = more;
    return 0;
}

void timeline_begin(struct timeline *t)
{
    *t = (struct timeline){ .legend = t->legend ? t->legend : "kernel",
                            .group_of = t->group_of,
                            .is_scale = t->is_scale };
}

int timeline_name(struct timeline *t, uint32_t worker, const char *name)
{
    if (worker >= TIMELINE_WORKERS_MAX)
        return 0;
    if (!t->names)
        t->names = calloc(TIMELINE_WORKERS_MAX, sizeof *t->names);
    if (!t->names)
        return -ENOMEM;
    snprintf(t->names[worker], TIMELINE_NAME, "%s", name);
    t->name_count = worker >= t->name_count ? worker + 1 : t->name_count;
    return 0;
}

void timeline_resource(struct timeline *t, uint32_t number, const char *name)
{
    if (number < TIMELINE_RESOURCES)
        snprintf(t->resources[number], TIMELINE_TEXT, "%s", name);
}

static int find_group(struct timeline *t, const char *name, uint32_t *group)
{
    if (t->last_group < t->group_count && !strcmp(t->groups[t->last_group], name)) {
        *group = t->last_group;
        return 0;
    }
    uint32_t i = 0;
    while (i < t->group_count && strcmp(t->groups[i], name))
        i++;
    if (i == t->group_count) {
        void *at = t->groups;
        size_t capacity = t->group_capacity;
        if (make_room(&at, i, &capacity, sizeof *t->groups))
            return -ENOMEM;
        t->groups = at;
        t->group_capacity = (uint32_t)capacity;
        snprintf(t->groups[t->group_count++], TIMELINE_TEXT, "%s", name);
    }
    *group = t->last_group = i;
    return 0;
}

static bool is_start(uint32_t kind)
{
    return kind == WSCHED_EVENT_STARTED || kind == WSCHED_EVENT_JOB_STARTED;
}

int timeline_event(const struct wsched_event *e, void *ctx)
{
    struct timeline *t = ctx;
    char name[TIMELINE_TEXT] = "";
    void *at = t->events;
    int err = make_room(&at, t->event_count, &t->event_capacity, sizeof *t->events);

    t->events = at;
    if (err)
        return err;
    struct timeline_event *to = &t->events[t->event_count];
    *to = (struct timeline_event){ .time_ns = e->time_ns,
                                   .task = e->task.v,
                                   .kind = e->kind,
                                   .worker = e->worker,
                                   .attempt = e->attempt,
                                   .pid = e->pid,
                                   .number = (uint32_t)t->event_count };
    if (e->kind == WSCHED_EVENT_TERMS) {
        to->terms = (struct bar_terms){ .deadline_ns = e->deadline_ns, .priority = e->priority };
        memcpy(to->terms.needs, e->needs, sizeof to->terms.needs);
        t->event_count++;
        return 0;
    }
    snprintf(to->label, sizeof to->label, "%s", e->label[0] ? e->label : e->kernel);
    if (t->group_of)
        t->group_of(e, name);
    else
        snprintf(name, sizeof name, "%s", e->kernel);
    /* Only what becomes a bar needs a colour. */
    err = is_start(e->kind) ? find_group(t, name, &to->group) : 0;
    if (!err)
        t->event_count++;
    return err;
}

int timeline_death(struct timeline *t, const struct wsched_death *d)
{
    if (d->worker >= TIMELINE_WORKERS_MAX)
        return 0;
    void *at = t->deaths;
    int err = make_room(&at, t->death_count, &t->death_capacity, sizeof *t->deaths);

    t->deaths = at;
    if (err)
        return err;
    struct bar_death *to = &t->deaths[t->death_count++];
    *to = (struct bar_death){ .time_ns = d->time_ns,
                              .worker = d->worker,
                              .pid = d->pid,
                              .signal = d->signal,
                              .exit_code = d->exit_code };
    snprintf(to->kernel, sizeof to->kernel, "%s", d->kernel);
    return 0;
}

void timeline_free(struct timeline *t)
{
    free(t->bars);
    free(t->deaths);
    free(t->groups);
    free(t->names);
    free(t->events);
    *t = (struct timeline){ .legend = t->legend, .group_of = t->group_of, .is_scale = t->is_scale };
}

/* ---- from events to bars ----------------------------------------------------------------- */

/* Of an attempt: stolen, started, its end. */
static int rank(uint32_t kind)
{
    return kind == WSCHED_EVENT_STOLEN ? 0 : kind == WSCHED_EVENT_STARTED ? 1 : 2;
}

/* A task is submitted, has terms, and then come its attempts. */
static int stage(uint32_t kind)
{
    return kind == WSCHED_EVENT_SUBMITTED ? 0 : kind == WSCHED_EVENT_TERMS ? 1 : 2;
}

/* Jobs and constructors are no attempts at a task: they are told by their place in a ring alone. */
static bool is_nested(const struct timeline_event *e)
{
    return e->kind == WSCHED_EVENT_JOB_STARTED || e->kind == WSCHED_EVENT_JOB_ENDED || !e->task;
}

/* What is nested comes first, ring by ring. */
static int by_attempt(const void *a, const void *b)
{
    const struct timeline_event *x = a, *y = b;
    bool is_x_nested = is_nested(x), is_y_nested = is_nested(y);

    if (is_x_nested != is_y_nested)
        return is_x_nested ? -1 : 1;
    if (is_x_nested && x->worker != y->worker)
        return x->worker < y->worker ? -1 : 1;
    if (is_x_nested)
        return x->number < y->number ? -1 : x->number > y->number;
    if (x->task != y->task)
        return x->task < y->task ? -1 : 1;
    if (stage(x->kind) != stage(y->kind))
        return stage(x->kind) - stage(y->kind);
    if (x->attempt != y->attempt)
        return x->attempt < y->attempt ? -1 : 1;
    if (rank(x->kind) != rank(y->kind))
        return rank(x->kind) - rank(y->kind);
    return x->time_ns < y->time_ns ? -1 : x->time_ns > y->time_ns;
}

static int by_place(const void *a, const void *b)
{
    const struct bar *x = a, *y = b;

    if (x->worker != y->worker)
        return x->worker < y->worker ? -1 : 1;
    if (x->start_ns != y->start_ns)
        return x->start_ns < y->start_ns ? -1 : 1;
    return x->end_ns > y->end_ns ? -1 : x->end_ns < y->end_ns; /* the outer one first */
}

static const struct bar_death *find_death(const struct timeline *t,
                                          const struct timeline_event *start)
{
    for (size_t i = 0; i < t->death_count; i++)
        if (t->deaths[i].worker == start->worker && t->deaths[i].pid == start->pid &&
            t->deaths[i].time_ns >= start->time_ns)
            return &t->deaths[i];
    return NULL;
}

/* `end` may be NULL: it runs still, or its end was never written, for its worker died. */
static void make_bar(const struct timeline *t, const struct timeline_event *start,
                     const struct timeline_event *end, struct bar *bar)
{
    const struct bar_death *death = end ? NULL : find_death(t, start);
    uint64_t end_ns = end ? end->time_ns : death ? death->time_ns : t->end_ns;

    *bar = (struct bar){
        .start_ns = start->time_ns,
        .end_ns = end_ns > start->time_ns ? end_ns : start->time_ns,
        .task = start->task,
        .worker = start->worker,
        .attempt = start->attempt,
        .pid = start->pid,
        .group = start->group,
        .end = end     ? (end->kind == WSCHED_EVENT_DIED     ? BAR_DIED
                          : end->kind == WSCHED_EVENT_FAILED ? BAR_FAILED
                                                             : BAR_DONE)
               : death ? BAR_DIED
                       : BAR_RUNNING,
    };
    memcpy(bar->label, start->label, sizeof bar->label);
}

static struct bar *add_bar(struct timeline *t, const struct timeline_event *start,
                           const struct timeline_event *end)
{
    struct bar *bar = &t->bars[t->count++];

    make_bar(t, start, end, bar);
    if (bar->worker >= t->workers)
        t->workers = bar->worker + 1;
    return bar;
}

#define NESTED_MAX 1024u /* of libsched's stack of tasks */

static void add_nested(struct timeline *t, const struct timeline_event *start,
                       const struct timeline_event *end)
{
    struct bar *bar = add_bar(t, start, end);

    bar->is_job = start->kind == WSCHED_EVENT_JOB_STARTED;
    t->job_count += bar->is_job;
}

/* Of one ring: events[0 .. n). An end belongs to the last start that is open. */
static void make_nested(struct timeline *t, const struct timeline_event *e, size_t n)
{
    const struct timeline_event *open[NESTED_MAX];
    uint32_t depth = 0;

    for (size_t i = 0; i < n && e->worker < TIMELINE_WORKERS_MAX; i++) {
        while (depth && open[depth - 1]->pid != e[i].pid) /* it died: another one is there */
            add_nested(t, open[--depth], NULL);
        if (is_start(e[i].kind) && depth < NESTED_MAX)
            open[depth++] = &e[i];
        else if (!is_start(e[i].kind) && depth) /* else its start fell out of the ring */
            depth--, add_nested(t, open[depth], &e[i]);
    }
    while (depth)
        add_nested(t, open[--depth], NULL);
}

/* Of one task: events[0 .. n). */
static void make_bars(struct timeline *t, const struct timeline_event *e, size_t n)
{
    const struct timeline_event *terms = NULL;
    uint64_t submitted = e[0].kind == WSCHED_EVENT_SUBMITTED ? e[0].time_ns : 0;

    for (size_t i = 0; i < n && i < 2; i++)
        terms = e[i].kind == WSCHED_EVENT_TERMS ? &e[i] : terms;
    for (size_t i = 0; i < n; i++) {
        const struct timeline_event *start = &e[i], *end = NULL;
        if (start->kind != WSCHED_EVENT_STARTED || start->worker >= TIMELINE_WORKERS_MAX)
            continue; /* or an end whose start fell out of its ring */
        if (i + 1 < n && e[i + 1].attempt == start->attempt && rank(e[i + 1].kind) == 2)
            end = &e[i + 1];
        struct bar *bar = add_bar(t, start, end);
        bar->submitted_ns = submitted;
        bar->terms = terms ? terms->terms : bar->terms;
        bar->is_stolen =
            i > 0 && e[i - 1].kind == WSCHED_EVENT_STOLEN && e[i - 1].attempt == start->attempt;
    }
}

/* What a process started before it ended something else is inside that. Bars are by_place(). */
static int find_depths(struct timeline *t)
{
    const struct bar **open = calloc(t->count + 1, sizeof(const struct bar *));
    uint32_t depth = 0;

    if (!open)
        return -ENOMEM;
    for (size_t i = 0; i < t->count; i++) {
        struct bar *b = &t->bars[i];
        while (depth > 0 &&
               (open[depth - 1]->worker != b->worker || open[depth - 1]->pid != b->pid ||
                open[depth - 1]->end_ns <= b->start_ns))
            depth--;
        b->depth = depth;
        open[depth++] = b;
    }
    free(open);
    return 0;
}

/* ---- groups -------------------------------------------------------------------------------- */

struct named {
    char name[TIMELINE_TEXT];
    uint32_t was;
};

static int by_name(const void *a, const void *b)
{
    const struct named *x = a, *y = b;

    return strcmp(x->name, y->name);
}

static int by_number(const void *a, const void *b)
{
    const struct named *x = a, *y = b;
    unsigned long m = strtoul(x->name, NULL, 10), n = strtoul(y->name, NULL, 10);

    return m < n ? -1 : m > n;
}

static int sort_groups(struct timeline *t)
{
    struct named *all = calloc(t->group_count + 1, sizeof *all);
    uint32_t *now = calloc(t->group_count + 1, sizeof *now);
    int err = all && now ? 0 : -ENOMEM;

    for (uint32_t i = 0; i < t->group_count && !err; i++) {
        memcpy(all[i].name, t->groups[i], TIMELINE_TEXT);
        all[i].was = i;
    }
    if (!err && t->group_count)
        qsort(all, t->group_count, sizeof *all, t->is_scale ? by_number : by_name);
    for (uint32_t i = 0; i < t->group_count && !err; i++) {
        memcpy(t->groups[i], all[i].name, TIMELINE_TEXT);
        now[all[i].was] = i;
    }
    for (size_t i = 0; i < t->count && !err; i++)
        t->bars[i].group = now[t->bars[i].group];
    free(all);
    free(now);
    return err;
}

int timeline_finish(struct timeline *t)
{
    size_t n;

    t->bars = calloc(t->event_count + 1, sizeof *t->bars);
    if (!t->bars)
        return -ENOMEM;
    if (t->event_count)
        qsort(t->events, t->event_count, sizeof *t->events, by_attempt);
    t->start_ns = UINT64_MAX;
    for (size_t i = 0; i < t->event_count; i++) {
        const struct timeline_event *e = &t->events[i];
        t->end_ns = e->time_ns > t->end_ns ? e->time_ns : t->end_ns;
        if (is_start(e->kind) && e->time_ns < t->start_ns)
            t->start_ns = e->time_ns;
    }
    size_t at = 0;
    for (; at < t->event_count && is_nested(&t->events[at]); at += n) {
        for (n = 1; at + n < t->event_count && is_nested(&t->events[at + n]) &&
                    t->events[at + n].worker == t->events[at].worker;)
            n++;
        make_nested(t, t->events + at, n);
    }
    for (; at < t->event_count; at += n) {
        for (n = 1; at + n < t->event_count && t->events[at + n].task == t->events[at].task;)
            n++;
        make_bars(t, t->events + at, n);
    }
    for (size_t i = 0; i < t->death_count; i++) {
        const struct bar_death *d = &t->deaths[i];
        t->workers = d->worker >= t->workers ? d->worker + 1 : t->workers;
        t->start_ns = d->time_ns < t->start_ns ? d->time_ns : t->start_ns;
        t->end_ns = d->time_ns > t->end_ns ? d->time_ns : t->end_ns;
    }
    free(t->events);
    t->events = NULL;
    t->event_count = t->event_capacity = 0;
    if (t->count == 0 && t->death_count == 0)
        t->start_ns = t->end_ns = 0;
    qsort(t->bars, t->count, sizeof *t->bars, by_place);
    int err = find_depths(t);
    return err ? err : sort_groups(t);
}

/* ---- words ----------------------------------------------------------------------------------- */

void timeline_lane(const struct timeline *t, uint32_t worker, char name[TIMELINE_NAME])
{
    if (worker < t->name_count && t->names[worker][0])
        snprintf(name, TIMELINE_NAME, "%s", t->names[worker]);
    else
        snprintf(name, TIMELINE_NAME, "worker %u", worker);
}

void timeline_remark(const struct timeline *t, const struct bar *b, char text[TIMELINE_REMARK])
{
    size_t n = 0;

    text[0] = 0;
    if (b->is_job)
        n += (size_t)snprintf(text + n, TIMELINE_REMARK - n, "a stolen job of task %llx",
                              (unsigned long long)b->task);
    if (b->terms.priority)
        n += (size_t)snprintf(text + n, TIMELINE_REMARK - n, "%spriority %s", n ? "; " : "",
                              b->terms.priority > 0 ? "high" : "low");
    if (b->terms.deadline_ns)
        n += (size_t)snprintf(text + n, TIMELINE_REMARK - n, "%sdeadline %.3f ms after its start%s",
                              n ? "; " : "",
                              ((double)b->terms.deadline_ns - (double)b->start_ns) * 1e-6,
                              b->end_ns > b->terms.deadline_ns ? ": missed" : "");
    for (uint32_t i = 0; i < TIMELINE_RESOURCES; i++)
        if (b->terms.needs[i] && n < TIMELINE_REMARK - 64)
            n += (size_t)snprintf(text + n, TIMELINE_REMARK - n, "%s%s %u", n ? "; " : "",
                                  t->resources[i][0] ? t->resources[i] : "resource",
                                  b->terms.needs[i]);
}

/* ---- colours --------------------------------------------------------------------------------- */

/* A ramp that reads in grey as well: dark violet, blue, green, yellow. `x` in [0, 1]. */
static void ramp(double x, char text[8])
{
    static const double stops[][3] = {
        { 72, 33, 115 }, { 59, 82, 139 }, { 33, 145, 140 }, { 94, 201, 98 }, { 242, 205, 60 },
    };
    double at = x * 4;
    int i = at >= 4 ? 3 : (int)at;
    unsigned rgb[3];
    for (int c = 0; c < 3; c++)
        rgb[c] = (unsigned)(stops[i][c] + (stops[i + 1][c] - stops[i][c]) * (at - i) + 0.5);
    snprintf(text, 8, "#%02x%02x%02x", rgb[0] & 255, rgb[1] & 255, rgb[2] & 255);
}

void timeline_colour(const struct timeline *t, uint32_t group, char text[8])
{
    /* Told apart on white and on dark blue; no red, which is for deaths. */
    static const char *const colours[] = { "#3b82c4", "#e08a2e", "#3f9e5f", "#8b6fc9", "#c9a227",
                                           "#23a3a3", "#c46a9b", "#7a8ba3", "#8aa83a", "#a5734d" };

    if (t->is_scale)
        ramp(t->group_count > 1 ? (double)group / (t->group_count - 1) : 0.25, text);
    else
        snprintf(text, 8, "%s", colours[group % (sizeof colours / sizeof *colours)]);
}

/* ---- the file ------------------------------------------------------------------------------ */

static bool ends_in(const char *path, const char *end)
{
    size_t length = strlen(path), n = strlen(end);

    return length > n && !strcmp(path + length - n, end);
}

bool timeline_knows(const char *path)
{
    const char *slash = strrchr(path, '/'), *dot = strrchr(slash ? slash : path, '.');

    return !dot || ends_in(path, ".svg") || ends_in(path, ".html") || ends_in(path, ".json");
}

int timeline_write(const struct timeline *t, const char *path, const char *title)
{
    struct outfile out;
    struct diag diag;
    int err = outfile_open(&out, path, &diag);

    if (!err) {
        if (ends_in(path, ".json") || !strcmp(path, "-"))
            timeline_trace(t, title, out.stream);
        else if (ends_in(path, ".html"))
            timeline_html(t, title, out.stream);
        else
            timeline_svg(t, title, out.stream);
        err = outfile_commit(&out, &diag);
    }
    if (err)
        complain(outfile_name(path), "%s", diag.text);
    return err;
}
