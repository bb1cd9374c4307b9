/* SPDX-License-Identifier: MIT */
/*
 * timeline_svg.c -- the timeline as a picture: a lane per worker, a bar per attempt, tasks that ran
 * inside a waiting one below it, a colour per kernel, a red cross where a worker died. Without
 * scripts or anything from elsewhere; a browser shows what a bar is when the pointer rests on it.
 *
 * Its size follows from its width, not from the number of tasks: neighbours that are too narrow to
 * be told apart are drawn as one bar, which says how many it stands for.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "timeline.h"

#define WIDTH 1200
#define LEFT 160
#define RIGHT 24
#define TOP 74
#define PLOT (WIDTH - LEFT - RIGHT)
#define GAP 10 /* between lanes */
#define ONE_LEVEL 30
#define LEVEL 17
#define LEVELS_MAX 8u
#define AXIS 34
#define NARROW 0.5 /* pixels: what is drawn together */
#define LEGEND_MAX 64u
#define NAME_SHOWN 15 /* characters of a lane's name: what there is room for */

static const char style[] =
    "<style>"
    "svg{background:#fff;font:12px system-ui,-apple-system,'Segoe UI',sans-serif;fill:#334155}"
    ".t{font-size:17px;font-weight:600;fill:#0f172a}.s{fill:#64748b}.l{font-weight:600}"
    ".g{stroke:#e2e8f0}.r{fill:#f8fafc}.x{stroke:#dc2626;stroke-width:2.5;fill:none}"
    ".d{opacity:.35}.f{stroke:#dc2626;stroke-dasharray:3 2}.o{opacity:.6}"
    ".z{fill:#0f172a;pointer-events:none}.b:hover{stroke:#0f172a;stroke-width:1.5}"
    "@media(prefers-color-scheme:dark){svg{background:#0f172a;fill:#cbd5e1}.t{fill:#f8fafc}"
    ".s{fill:#94a3b8}.g{stroke:#334155}.r{fill:#1e293b}.x{stroke:#f87171}.f{stroke:#f87171}"
    ".z{fill:#f8fafc}.b:hover{stroke:#f8fafc}}"
    "</style>\n";

static const char *const classes[] = { "b", "b f", "b d", "b o" }; /* as enum bar_end */
static const char *const remarks[] = { "", "&#10;failed", "&#10;the worker died here",
                                       "&#10;running when this was drawn" };

struct picture {
    const struct timeline *t;
    FILE *out;
    struct lane {
        int y;
        uint32_t levels;
    } lanes[TIMELINE_WORKERS_MAX + 1]; /* the last one: where they end */
    uint32_t levels;                   /* of the deepest lane */
    int level;                         /* its height */
};

static double x_of(const struct timeline *t, uint64_t ns)
{
    uint64_t length = t->end_ns > t->start_ns ? t->end_ns - t->start_ns : 1;
    return LEFT + PLOT * (double)(ns - t->start_ns) / (double)length;
}

static int y_of(const struct picture *p, uint32_t worker)
{
    return p->lanes[worker].y;
}

/* Labels are anybody's bytes. */
static void put_text(FILE *out, const char *text)
{
    for (; *text; text++) {
        if (strchr("<>&\"'", *text))
            fprintf(out, "&#%d;", *text);
        else
            putc((unsigned char)*text < 0x20 || (unsigned char)*text > 0x7e ? '?' : *text, out);
    }
}

static void put_lane_name(const struct picture *p, uint32_t worker)
{
    char name[TIMELINE_NAME];

    timeline_lane(p->t, worker, name);
    put_text(p->out, name);
}

/* "2.5 ms": with what digits there are. */
static void put_time(FILE *out, double ns)
{
    static const char *const units[] = { "ns", "us", "ms", "s" };
    int unit = ns < 1e3 ? 0 : ns < 1e6 ? 1 : ns < 1e9 ? 2 : 3;

    fprintf(out, "%.*f %s", unit ? 2 : 0, ns / pow(1e3, unit), units[unit]);
}

/* ---- bars ---------------------------------------------------------------------------------- */

static void put_rect(const struct picture *p, const struct bar *b, double x, double width)
{
    char fill[8];
    int y = y_of(p, b->worker) + GAP / 2 + (int)b->depth * p->level;

    timeline_colour(p->t, b->group, fill);
    width = width > 2 ? width - 0.6 : width; /* neighbours of one colour stay apart */
    fprintf(
        p->out,
        "<rect class=\"%s\" x=\"%.2f\" y=\"%d\" width=\"%.2f\" height=\"%d\" fill=\"%s\"><title>",
        classes[b->end], x, y, width < 0.4 ? 0.4 : width, p->levels > 1 ? p->level - 1 : p->level,
        fill);
}

static void put_bar(const struct picture *p, const struct bar *b)
{
    const struct timeline *t = p->t;
    double x = x_of(t, b->start_ns), width = x_of(t, b->end_ns) - x;
    int y = y_of(p, b->worker) + GAP / 2 + (int)b->depth * p->level;

    put_rect(p, b, x, width);
    char remark[TIMELINE_REMARK];
    timeline_remark(t, b, remark);
    put_text(p->out, b->label);
    fputs("&#10;", p->out);
    put_lane_name(p, b->worker);
    fprintf(p->out, ", pid %d, attempt %u%s&#10;%.3f s to %.3f s: ", b->pid, b->attempt,
            b->is_stolen ? ", stolen" : "", (double)(b->start_ns - t->start_ns) * 1e-9, (double)(b->end_ns - t->start_ns) * 1e-9);
    put_time(p->out, (double)(b->end_ns - b->start_ns));
    fputs(remark[0] ? "&#10;" : "", p->out);
    put_text(p->out, remark);
    fprintf(p->out, "%s</title></rect>\n", remarks[b->end]);
    if ((b->is_stolen || b->is_job) && width >= 4)
        fprintf(p->out, "<path class=\"z\" d=\"M%.2f %dh5l-5 5z\"/>\n", x, y);
}

/* Neighbours of one colour that are drawn as one. */
struct run {
    const struct bar *first;
    uint64_t end_ns, busy_ns;
    size_t count;
};

static void put_run(const struct picture *p, struct run *r)
{
    if (r->count == 1)
        put_bar(p, r->first);
    if (r->count > 1) {
        double x = x_of(p->t, r->first->start_ns);
        put_rect(p, r->first, x, x_of(p->t, r->end_ns) - x);
        fprintf(p->out, "%zu %s: ", r->count, r->first->is_job ? "stolen jobs" : "tasks");
        put_text(p->out, p->t->groups[r->first->group]);
        fputs("&#10;", p->out);
        put_lane_name(p, r->first->worker);
        fputs("&#10;", p->out);
        put_time(p->out, (double)r->busy_ns / (double)r->count);
        fputs(" each</title></rect>\n", p->out);
    }
    r->count = 0;
}

/* One worker's bars, of which all of a level are in order. */
static size_t put_lane(const struct picture *p, const struct bar *bars, size_t count)
{
    struct run runs[LEVELS_MAX] = { { NULL, 0, 0, 0 } };
    size_t n = 0;

    for (; n < count && bars[n].worker == bars->worker; n++) {
        const struct bar *b = &bars[n];
        if (b->depth >= p->levels)
            continue;
        struct run *r = &runs[b->depth];
        bool is_narrow =
            b->end == BAR_DONE && x_of(p->t, b->end_ns) - x_of(p->t, b->start_ns) < NARROW;
        bool is_near = r->count && x_of(p->t, b->start_ns) - x_of(p->t, r->end_ns) < NARROW;
        if (r->count && !(is_narrow && is_near && b->group == r->first->group &&
              b->is_job == r->first->is_job))
            put_run(p, r);
        if (!is_narrow) {
            put_bar(p, b);
            continue;
        }
        *r = (struct run){ .first = r->count ? r->first : b,
                           .end_ns = b->end_ns,
                           .busy_ns = (r->count ? r->busy_ns : 0) + (b->end_ns - b->start_ns),
                           .count = r->count + 1 };
    }
    for (uint32_t i = 0; i < LEVELS_MAX; i++)
        put_run(p, &runs[i]);
    return n;
}

static void put_cross(const struct picture *p, uint32_t worker, uint64_t ns, int32_t pid,
                      const struct bar_death *d)
{
    fprintf(p->out,
            "<path class=\"x\" d=\"M%.2f %dl10 10m0 -10l-10 10\"><title>", x_of(p->t, ns) - 5,
            y_of(p, worker) + GAP / 2 + (p->level - 10) / 2);
    put_lane_name(p, worker);
    fprintf(p->out, ", pid %d died", pid);
    if (d && d->signal)
        fprintf(p->out, "&#10;killed by signal %d", d->signal);
    else if (d && d->exit_code >= 0)
        fprintf(p->out, "&#10;exited with code %d", d->exit_code);
    fputs("</title></path>\n", p->out);
}

static size_t put_deaths(const struct picture *p)
{
    const struct timeline *t = p->t;
    size_t deaths = t->death_count;

    for (size_t i = 0; i < t->death_count; i++)
        put_cross(p, t->deaths[i].worker, t->deaths[i].time_ns, t->deaths[i].pid, &t->deaths[i]);
    for (size_t i = 0; i < t->count; i++) { /* one that is in no list of deaths */
        const struct bar *b = &t->bars[i];
        bool is_known = b->end != BAR_DIED;
        for (size_t j = 0; j < t->death_count && !is_known; j++)
            is_known = t->deaths[j].pid == b->pid && t->deaths[j].worker == b->worker;
        if (is_known)
            continue;
        put_cross(p, b->worker, b->end_ns, b->pid, NULL);
        deaths += b->depth == 0;
    }
    return deaths;
}

/* ---- what stands around them --------------------------------------------------------------- */

/* Steps of 1, 2 or 5 times a power of ten, about eight of them. */
static void put_axis(const struct picture *p)
{
    const struct timeline *t = p->t;
    static const char *const units[] = { "s", "ms", "us" };
    double length = (double)(t->end_ns - t->start_ns) * 1e-9;
    int unit = length >= 0.2 ? 0 : length >= 2e-4 ? 1 : 2;

    length *= pow(1e3, unit);
    double step = pow(10, floor(log10(length > 1e-6 ? length / 8 : 1e-6)));
    step *= length / step > 40 ? 5 : length / step > 16 ? 2 : 1;
    int bottom = y_of(p, t->workers), digits = step >= 1 ? 0 : (int)ceil(-log10(step) - 1e-9);
    for (int i = 0; i * step <= length * (1 + 1e-9); i++) {
        double x = LEFT + (length > 0 ? PLOT * i * step / length : 0);
        fprintf(p->out,
                "<line class=\"g\" x1=\"%.2f\" y1=\"%d\" x2=\"%.2f\" y2=\"%d\"/>"
                "<text class=\"s\" x=\"%.2f\" y=\"%d\" text-anchor=\"middle\">%.*f %s</text>\n",
                x, TOP - 4, x, bottom + 4, x, bottom + 20, digits, i * step, units[unit]);
    }
}

/* A worker's name, the process that it last was, and how busy it has been. */
static size_t put_name(const struct picture *p, uint32_t worker, const struct bar *bars,
                       size_t count)
{
    const struct timeline *t = p->t;
    char name[TIMELINE_NAME];
    uint32_t processes = 0;
    int32_t pid = 0;
    double busy = 0;
    size_t n = 0;

    for (; n < count && bars[n].worker == worker; n++) {
        busy += bars[n].depth == 0 ? (double)(bars[n].end_ns - bars[n].start_ns) : 0;
        processes += bars[n].pid != pid;
        pid = bars[n].pid;
    }
    int y = y_of(p, worker);
    fprintf(p->out,
            "<rect class=\"r\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"/>"
            "<text class=\"l\" x=\"12\" y=\"%d\">",
            LEFT, y + GAP / 2, PLOT, p->lanes[worker + 1].y - y - GAP, y + 17);
    timeline_lane(t, worker, name);
    if (strlen(name) > NAME_SHOWN) {
        fputs("<title>", p->out);
        put_text(p->out, name);
        fputs("</title>", p->out);
        name[NAME_SHOWN - 1] = 0;
        put_text(p->out, name);
        fputs("&#8230;</text>", p->out);
    } else {
        put_text(p->out, name);
        fputs("</text>", p->out);
    }
    if (pid)
        fprintf(p->out, "<text class=\"s\" x=\"12\" y=\"%d\">pid %d", y + 32, pid);
    if (processes > 1)
        fprintf(p->out, " (no. %u)", processes);
    fputs(pid ? "</text>\n" : "\n", p->out);
    if (t->end_ns > t->start_ns)
        fprintf(p->out, "<text class=\"s\" x=\"%d\" y=\"%d\" text-anchor=\"end\">%.0f %%</text>\n",
                LEFT - 8, y + 17, 100 * busy / (double)(t->end_ns - t->start_ns));
    return n;
}

/* A strip of the scale; numbers stand where there is room for them. */
static int put_scale(const struct picture *p, int y)
{
    const struct timeline *t = p->t;
    double width = t->group_count ? (double)PLOT / t->group_count : PLOT;
    char fill[8];

    width = width > 60 ? 60 : width;
    uint32_t every = width > 0 ? (uint32_t)(32 / width) + 1 : 1;
    for (uint32_t i = 0; i < t->group_count; i++) {
        timeline_colour(t, i, fill);
        fprintf(p->out, "<rect x=\"%.2f\" y=\"%d\" width=\"%.2f\" height=\"10\" fill=\"%s\"/>",
                LEFT + i * width, y, width, fill);
        if (i % every)
            continue;
        fprintf(p->out, "<text class=\"s\" x=\"%.2f\" y=\"%d\" text-anchor=\"middle\">",
                LEFT + (i + 0.5) * width, y + 24);
        put_text(p->out, t->groups[i]);
        fputs("</text>", p->out);
    }
    return y + 46;
}

/* A square and a name for each, in as many lines as it takes. */
static int put_names(const struct picture *p, int y)
{
    const struct timeline *t = p->t;
    uint32_t shown = t->group_count > LEGEND_MAX ? LEGEND_MAX : t->group_count;
    char fill[8];
    int x = LEFT;

    for (uint32_t i = 0; i < shown; i++) {
        int width = 34 + 7 * (int)strlen(t->groups[i]);
        if (x + width > WIDTH - RIGHT && x > LEFT) {
            x = LEFT;
            y += 20;
        }
        timeline_colour(t, i, fill);
        fprintf(p->out,
                "<rect x=\"%d\" y=\"%d\" width=\"12\" height=\"12\" rx=\"2\" fill=\"%s\"/>"
                "<text x=\"%d\" y=\"%d\">",
                x, y, fill, x + 17, y + 11);
        put_text(p->out, t->groups[i]);
        fputs("</text>", p->out);
        x += width;
    }
    if (shown < t->group_count)
        fprintf(p->out, "<text class=\"s\" x=\"%d\" y=\"%d\">and %u more</text>", LEFT, y + 31,
                t->group_count - shown);
    return y + (shown < t->group_count ? 48 : 32);
}

/* The whole picture; returns its height. */
static int put_all(const struct picture *p, const char *title)
{
    const struct timeline *t = p->t;
    size_t deep = 0;

    for (size_t i = 0; i < t->count; i++)
        deep += t->bars[i].depth >= p->levels;
    for (size_t i = 0, w = 0; w < t->workers; w++)
        i += put_name(p, (uint32_t)w, t->bars + i, t->count - i);
    put_axis(p);
    for (size_t i = 0; i < t->count;)
        i += put_lane(p, t->bars + i, t->count - i);
    size_t deaths = put_deaths(p);
    fputs("<text class=\"t\" x=\"12\" y=\"30\">", p->out);
    put_text(p->out, title);
    fprintf(p->out,
            "</text>\n<text class=\"s\" x=\"12\" y=\"50\">%zu attempts at tasks", t->count - t->job_count);
    if (t->job_count)
        fprintf(p->out, " and %zu stolen jobs", t->job_count);
    fprintf(p->out, " on %u workers in ", t->workers);
    put_time(p->out, (double)(t->end_ns - t->start_ns));
    if (deaths)
        fprintf(p->out, "; %zu worker%s died", deaths, deaths == 1 ? "" : "s");
    if (deep)
        fprintf(p->out, "; %zu deeper than %u levels not shown", deep, p->levels);
    if (t->events_lost)
        fprintf(p->out, "; %llu older events were overwritten", (unsigned long long)t->events_lost);
    fputs("</text>\n", p->out);
    int y = y_of(p, t->workers) + AXIS;
    fprintf(p->out, "<text class=\"s\" x=\"12\" y=\"%d\">", y + 11);
    put_text(p->out, t->legend);
    fputs("</text>\n", p->out);
    y = t->is_scale ? put_scale(p, y) : put_names(p, y);
    return y;
}

/* As high as what ran inside each other. */
static void place_lanes(struct picture *p)
{
    const struct timeline *t = p->t;
    int y = TOP;

    for (size_t i = 0; i < t->count; i++) {
        struct lane *lane = &p->lanes[t->bars[i].worker];
        uint32_t levels = t->bars[i].depth < LEVELS_MAX ? t->bars[i].depth + 1 : LEVELS_MAX;
        lane->levels = levels > lane->levels ? levels : lane->levels;
        p->levels = levels > p->levels ? levels : p->levels;
    }
    p->level = p->levels > 1 ? LEVEL : ONE_LEVEL;
    for (uint32_t w = 0; w <= t->workers; w++) {
        int height = p->level * (int)p->lanes[w].levels;
        p->lanes[w].y = y;
        y += (height > ONE_LEVEL ? height : ONE_LEVEL) + GAP;
    }
}

void timeline_svg(const struct timeline *t, const char *title, FILE *out)
{
    struct picture p = { .t = t, .levels = 1 };
    char *body = NULL;
    size_t size = 0;

    place_lanes(&p);
    p.out = open_memstream(&body, &size); /* the height is known last, and stands first */
    int height = p.out ? put_all(&p, title) : 0;
    bool is_whole = p.out && !ferror(p.out);
    is_whole = p.out && !fclose(p.out) && is_whole;
    fprintf(out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" "
            "height=\"%d\">\n%s",
            WIDTH, height, WIDTH, height, style);
    if (is_whole)
        fwrite(body, 1, size, out);
    else
        fputs("<text x=\"12\" y=\"30\">not enough memory to draw it</text>\n", out);
    fputs("</svg>\n", out);
    free(body);
}
