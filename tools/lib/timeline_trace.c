/* SPDX-License-Identifier: MIT */
/*
 * timeline_trace.c -- the timeline as a Chrome trace: the JSON object form of the Trace Event
 * Format. One thread of one process stands for each worker; a complete event ("X") is an attempt
 * or a stolen job, an instant event ("i") a death or a steal, and a counter ("C") tells how many tasks ran and how
 * many were submitted and not started. Times are microseconds from the first event.
 */
#include <stdlib.h>

#include "emit.h"
#include "timeline.h"

static double us(const struct timeline *t, uint64_t ns)
{
    return ns > t->start_ns ? (double)(ns - t->start_ns) * 1e-3 : 0;
}

static void put_names(const struct timeline *t, const char *title, FILE *out)
{
    fputs("{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":1,\"args\":{\"name\":", out);
    emit_json_string(out, title);
    fputs("}}", out);
    for (uint32_t w = 0; w < t->workers; w++) {
        char name[TIMELINE_NAME];
        timeline_lane(t, w, name);
        fprintf(out,
                ",\n{\"name\":\"thread_name\",\"ph\":\"M\",\"pid\":1,\"tid\":%u,"
                "\"args\":{\"name\":",
                w);
        emit_json_string(out, name);
        fprintf(out,
                "}},\n{\"name\":\"thread_sort_index\",\"ph\":\"M\",\"pid\":1,\"tid\":%u,"
                "\"args\":{\"sort_index\":%u}}",
                w, w);
    }
}

static void put_terms(const struct timeline *t, const struct bar *b, FILE *out)
{
    const struct bar_terms *terms = &b->terms;
    bool has_needs = false;

    if (terms->priority)
        fprintf(out, ",\"priority\":\"%s\"", terms->priority > 0 ? "high" : "low");
    if (terms->deadline_ns)
        fprintf(out, ",\"deadline_us\":%.3f,\"late\":%s", us(t, terms->deadline_ns),
                b->end_ns > terms->deadline_ns ? "true" : "false");
    for (uint32_t i = 0; i < TIMELINE_RESOURCES; i++) {
        char number[16];
        if (!terms->needs[i])
            continue;
        snprintf(number, sizeof number, "%u", i);
        fputs(has_needs ? "," : ",\"needs\":{", out);
        emit_json_string(out, t->resources[i][0] ? t->resources[i] : number);
        fprintf(out, ":%u", terms->needs[i]);
        has_needs = true;
    }
    fputs(has_needs ? "}" : "", out);
}

static void put_bar(const struct timeline *t, const struct bar *b, FILE *out)
{
    fputs(",\n{\"name\":", out);
    emit_json_string(out, b->label);
    fputs(",\"cat\":", out);
    emit_json_string(out, t->groups[b->group][0] ? t->groups[b->group] : "task");
    fprintf(out,
            ",\"ph\":\"X\",\"pid\":1,\"tid\":%u,\"ts\":%.3f,\"dur\":%.3f,"
            "\"args\":{\"pid\":%d,\"attempt\":%u,\"end\":\"%s\",\"task\":\"%016llx\",\"stolen\":%s",
            b->worker, us(t, b->start_ns), (double)(b->end_ns - b->start_ns) * 1e-3, b->pid,
            b->attempt, bar_ends[b->end], (unsigned long long)b->task,
            b->is_stolen ? "true" : "false");
    if (b->attempt == 1 && b->submitted_ns && b->submitted_ns <= b->start_ns)
        fprintf(out, ",\"queued_us\":%.3f", (double)(b->start_ns - b->submitted_ns) * 1e-3);
    if (b->is_job)
        fputs(",\"job\":true", out);
    put_terms(t, b, out);
    fputs("}}", out);
    if (b->is_stolen)
        fprintf(out,
                ",\n{\"name\":\"stolen\",\"cat\":\"steal\",\"ph\":\"i\",\"s\":\"t\",\"pid\":1,"
                "\"tid\":%u,\"ts\":%.3f}",
                b->worker, us(t, b->start_ns));
}

static void put_death(const struct timeline *t, const struct bar_death *d, FILE *out)
{
    fprintf(
        out,
        ",\n{\"name\":\"worker died\",\"cat\":\"death\",\"ph\":\"i\",\"s\":\"t\",\"pid\":1,"
        "\"tid\":%u,\"ts\":%.3f,\"args\":{\"pid\":%d,\"signal\":%d,\"exit_code\":%d,\"kernel\":",
        d->worker, us(t, d->time_ns), d->pid, d->signal, d->exit_code);
    emit_json_string(out, d->kernel);
    fputs("}}", out);
}

/* ---- counters ------------------------------------------------------------------------------ */

struct change {
    uint64_t time_ns;
    int queued, running;
};

static int by_time(const void *a, const void *b)
{
    const struct change *x = a, *y = b;

    return x->time_ns < y->time_ns ? -1 : x->time_ns > y->time_ns;
}

/* Without memory for it the counters are left out: the rest of the trace is worth having. */
static void put_counters(const struct timeline *t, FILE *out)
{
    struct change *all = calloc(3 * t->count + 1, sizeof *all);
    size_t n = 0;
    int queued = 0, running = 0;

    for (size_t i = 0; i < t->count && all; i++) {
        const struct bar *b = &t->bars[i];
        bool is_queued = b->attempt == 1 && b->submitted_ns && b->submitted_ns <= b->start_ns;
        if (b->is_job)
            continue;
        if (is_queued)
            all[n++] = (struct change){ b->submitted_ns, 1, 0 };
        all[n++] = (struct change){ b->start_ns, is_queued ? -1 : 0, 1 };
        if (b->end != BAR_RUNNING)
            all[n++] = (struct change){ b->end_ns, 0, -1 };
    }
    if (all)
        qsort(all, n, sizeof *all, by_time);
    for (size_t i = 0; i < n; i++) {
        queued += all[i].queued;
        running += all[i].running;
        if (i + 1 < n && us(t, all[i + 1].time_ns) - us(t, all[i].time_ns) < 0.001)
            continue; /* one value for one moment */
        fprintf(out,
                ",\n{\"name\":\"tasks\",\"ph\":\"C\",\"pid\":1,\"ts\":%.3f,"
                "\"args\":{\"running\":%d,\"queued\":%d}}",
                us(t, all[i].time_ns), running, queued);
    }
    free(all);
}

void timeline_trace(const struct timeline *t, const char *title, FILE *out)
{
    fprintf(
        out,
        "{\"displayTimeUnit\":\"ms\",\"otherData\":{\"events_lost\":\"%llu\"},\"traceEvents\":[\n",
        (unsigned long long)t->events_lost);
    put_names(t, title, out);
    for (size_t i = 0; i < t->count; i++)
        put_bar(t, &t->bars[i], out);
    for (size_t i = 0; i < t->death_count; i++)
        put_death(t, &t->deaths[i], out);
    put_counters(t, out);
    fputs("\n]}\n", out);
}
