/* SPDX-License-Identifier: MIT */
/*
 * timeline_svg.c -- the timeline as a picture: one row per worker, one bar per task, one colour per
 * model, a red cross where a worker died. Without scripts or anything from elsewhere; a browser
 * shows what a bar is when the pointer rests on it.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "timeline.h"

#define WIDTH 1200
#define LEFT 118
#define RIGHT 24
#define TOP 74
#define ROW 40
#define BAR 30
#define AXIS 34
#define LEGEND 46
#define PLOT (WIDTH - LEFT - RIGHT)

static const char style[] =
    "<style>"
    "svg{background:#fff;font:12px system-ui,-apple-system,'Segoe UI',sans-serif;fill:#334155}"
    ".t{font-size:17px;font-weight:600;fill:#0f172a}.s{fill:#64748b}.l{font-weight:600}"
    ".g{stroke:#e2e8f0}.r{fill:#f8fafc}.x{stroke:#dc2626;stroke-width:2.5;fill:none}"
    ".d{opacity:.35}.b:hover{stroke:#0f172a;stroke-width:1.5}"
    "@media(prefers-color-scheme:dark){svg{background:#0f172a;fill:#cbd5e1}.t{fill:#f8fafc}"
    ".s{fill:#94a3b8}.g{stroke:#334155}.r{fill:#1e293b}.x{stroke:#f87171}"
    ".b:hover{stroke:#f8fafc}}"
    "</style>\n";

/* A ramp that reads in grey as well: dark violet, blue, green, yellow. `x` in [0, 1]. */
static void colour(double x, char text[8])
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

struct groups {
    uint32_t *at; /* ascending, each once */
    uint32_t count;
};

static int by_value(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

static struct groups find_groups(const struct timeline *t)
{
    struct groups g = { calloc(t->count + 1, sizeof *g.at), 0 };
    if (!g.at)
        return g; /* then all have one colour */
    for (uint32_t i = 0; i < t->count; i++)
        g.at[i] = t->bars[i].group;
    qsort(g.at, t->count, sizeof *g.at, by_value);
    for (uint32_t i = 0; i < t->count; i++)
        if (g.count == 0 || g.at[g.count - 1] != g.at[i])
            g.at[g.count++] = g.at[i];
    return g;
}

static void group_colour(const struct groups *g, uint32_t group, char text[8])
{
    uint32_t *at = g->count ? bsearch(&group, g->at, g->count, sizeof *g->at, by_value) : NULL;
    colour(at && g->count > 1 ? (double)(at - g->at) / (g->count - 1) : 0.25, text);
}

static double x_of(const struct timeline *t, uint64_t ns)
{
    uint64_t length = t->end_ns > t->start_ns ? t->end_ns - t->start_ns : 1;
    return LEFT + PLOT * (double)(ns - t->start_ns) / (double)length;
}

static int y_of(uint32_t worker)
{
    return TOP + (int)worker * ROW;
}

static void put_text(FILE *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '<' || *text == '>' || *text == '&')
            fprintf(out, "&#%d;", *text);
        else
            putc((unsigned char)*text < 0x20 ? '?' : *text, out);
    }
}

static void put_bar(const struct timeline *t, const struct groups *g, const struct bar *b,
                    FILE *out)
{
    char fill[8];
    double x = x_of(t, b->start_ns), width = x_of(t, b->end_ns) - x;
    int y = y_of(b->worker) + (ROW - BAR) / 2;
    group_colour(g, b->group, fill);
    fprintf(
        out,
        "<rect class=\"b%s\" x=\"%.2f\" y=\"%d\" width=\"%.2f\" height=\"%d\" fill=\"%s\"><title>",
        b->end == BAR_DONE ? "" : " d", x, y, width < 0.4 ? 0.4 : width, BAR, fill);
    put_text(out, b->label);
    fprintf(out,
            "&#10;worker %u, pid %d, attempt %u&#10;%.3f s to %.3f s: %.2f ms%s</title></rect>\n",
            b->worker, b->pid, b->attempt, (double)(b->start_ns - t->start_ns) * 1e-9,
            (double)(b->end_ns - t->start_ns) * 1e-9, (double)(b->end_ns - b->start_ns) * 1e-6,
            b->end == BAR_DIED     ? "&#10;the worker died here; the task ran again"
            : b->end == BAR_FAILED ? "&#10;failed"
                                   : "");
    if (b->end == BAR_DIED)
        fprintf(out,
                "<path class=\"x\" d=\"M%.2f %dl10 10m0 -10l-10 10\"><title>worker %u, pid %d "
                "died</title></path>\n",
                x + width - 5, y + BAR / 2 - 5, b->worker, b->pid);
}

/* Steps of 1, 2 or 5 times a power of ten, about eight of them. */
static void put_axis(const struct timeline *t, FILE *out)
{
    double length = (double)(t->end_ns - t->start_ns) * 1e-9;
    double step = pow(10, floor(log10(length > 1e-6 ? length / 8 : 1e-6)));
    step *= length / step > 40 ? 5 : length / step > 16 ? 2 : 1;
    int bottom = y_of(t->workers), digits = step >= 1 ? 0 : (int)ceil(-log10(step) - 1e-9);
    for (int i = 0; i * step <= length * (1 + 1e-9); i++) {
        double x = LEFT + (length > 0 ? PLOT * i * step / length : 0);
        fprintf(out,
                "<line class=\"g\" x1=\"%.2f\" y1=\"%d\" x2=\"%.2f\" y2=\"%d\"/>"
                "<text class=\"s\" x=\"%.2f\" y=\"%d\" text-anchor=\"middle\">%.*f s</text>\n",
                x, TOP - 4, x, bottom + 4, x, bottom + 20, digits, i * step);
    }
}

/* A worker's row: its name, the process that it last was, and how busy it has been. */
static void put_row(const struct timeline *t, uint32_t worker, FILE *out)
{
    int32_t pid = 0;
    uint32_t processes = 0;
    double busy = 0;
    for (uint32_t i = 0; i < t->count; i++) {
        const struct bar *b = &t->bars[i];
        if (b->worker != worker)
            continue;
        busy += (double)(b->end_ns - b->start_ns);
        processes += b->pid != pid;
        pid = b->pid;
    }
    int y = y_of(worker);
    fprintf(out,
            "<rect class=\"r\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"/>"
            "<text class=\"l\" x=\"12\" y=\"%d\">worker %u</text>"
            "<text class=\"s\" x=\"12\" y=\"%d\">pid %d",
            LEFT, y + (ROW - BAR) / 2, PLOT, BAR, y + 17, worker, y + 32, pid);
    if (processes > 1)
        fprintf(out, " (no. %u)", processes);
    fputs("</text>\n", out);
    if (t->end_ns > t->start_ns)
        fprintf(out, "<text class=\"s\" x=\"%d\" y=\"%d\" text-anchor=\"end\">%.0f %%</text>\n",
                LEFT - 8, y + 17, 100 * busy / (double)(t->end_ns - t->start_ns));
}

static void put_legend(const struct groups *g, int y, FILE *out)
{
    char fill[8];
    double width = g->count ? (double)PLOT / g->count : PLOT;
    width = width > 60 ? 60 : width;
    fprintf(out, "<text class=\"s\" x=\"12\" y=\"%d\">n_estimators</text>\n", y + 12);
    /* Numbers stand where there is room for them. */
    uint32_t every = width > 0 ? (uint32_t)(32 / width) + 1 : 1;
    for (uint32_t i = 0; i < g->count; i++) {
        group_colour(g, g->at[i], fill);
        fprintf(out, "<rect x=\"%.2f\" y=\"%d\" width=\"%.2f\" height=\"10\" fill=\"%s\"/>",
                LEFT + i * width, y, width, fill);
        if (i % every == 0)
            fprintf(out, "<text class=\"s\" x=\"%.2f\" y=\"%d\" text-anchor=\"middle\">%u</text>",
                    LEFT + (i + 0.5) * width, y + 24, g->at[i]);
    }
    putc('\n', out);
}

void timeline_svg(const struct timeline *t, const char *title, FILE *out)
{
    struct groups g = find_groups(t);
    int height = y_of(t->workers) + AXIS + LEGEND;
    uint32_t deaths = 0;
    for (uint32_t i = 0; i < t->count; i++)
        deaths += t->bars[i].end == BAR_DIED;
    fprintf(out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" "
            "height=\"%d\">\n%s"
            "<text class=\"t\" x=\"12\" y=\"30\">",
            WIDTH, height, WIDTH, height, style);
    put_text(out, title);
    fprintf(out, "</text>\n<text class=\"s\" x=\"12\" y=\"50\">%u tasks on %u workers in %.3f s",
            t->count, t->workers, (double)(t->end_ns - t->start_ns) * 1e-9);
    if (deaths)
        fprintf(out, "; %u killed on the way", deaths);
    fputs("</text>\n", out);
    for (uint32_t w = 0; w < t->workers; w++)
        put_row(t, w, out);
    put_axis(t, out);
    for (uint32_t i = 0; i < t->count; i++)
        put_bar(t, &g, &t->bars[i], out);
    put_legend(&g, y_of(t->workers) + AXIS, out);
    fputs("</svg>\n", out);
    free(g.at);
}
