/* SPDX-License-Identifier: MIT */
/* report.h -- series of measurements: medians, ratios, a table and JSON lines. */
#ifndef REPORT_H
#define REPORT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS_MAX 64
#define SERIES_MAX 10

struct series {
    const char *impl;
    double value[ROUNDS_MAX];
    int rounds;
};

/* One case and metric, and everybody's series; the first is ours. */
struct comparison {
    const char *suite, *name, *params, *metric, *unit, *better;
    struct series series[SERIES_MAX];
    int count;
};

/* Where and when this was measured, and what else the machine did: the head of every table. */
static inline void report_machine(void)
{
    char model[128] = "a processor", line[256], load[64] = "unknown", date[32];
    time_t now = time(NULL);
    FILE *f = fopen("/proc/cpuinfo", "r");

    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "model name%*[ \t:]%127[^\n]", model) == 1)
            break;
    if (f)
        fclose(f);
    f = fopen("/proc/loadavg", "r");
    if (f && fscanf(f, "%63[0-9. ]", load) == 1)
        load[strcspn(load, " ")] = 0; /* of the last minute */
    if (f)
        fclose(f);
    strftime(date, sizeof date, "%Y-%m-%d %H:%M", localtime(&now));
    printf("%ld x %s, %s, load %s\n", sysconf(_SC_NPROCESSORS_ONLN), model, date, load);
    fflush(stdout);
}

static inline int series_order(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static inline void series_add(struct series *s, double value)
{
    if (s->rounds < ROUNDS_MAX && value > 0.0)
        s->value[s->rounds++] = value;
}

/* Sorts the values. 0 if there are none. */
static inline double series_median(struct series *s)
{
    int n = s->rounds;

    if (n == 0)
        return 0.0;
    qsort(s->value, (size_t)n, sizeof *s->value, series_order);
    return n % 2 ? s->value[n / 2] : (s->value[n / 2 - 1] + s->value[n / 2]) / 2.0;
}

/* A line for each series that was measured. */
static inline void comparison_write(struct comparison *c, FILE *jsonl)
{
    for (int i = 0; i < c->count; i++) {
        struct series *s = &c->series[i];
        double median = series_median(s);

        if (s->rounds == 0)
            continue;
        fprintf(jsonl,
                "{\"suite\":\"%s\",\"case\":\"%s\",\"params\":\"%s\",\"impl\":\"%s\","
                "\"metric\":\"%s\",\"unit\":\"%s\",\"better\":\"%s\",\"median\":%.9g,"
                "\"min\":%.9g,\"max\":%.9g,\"rounds\":%d}\n",
                c->suite, c->name, c->params, s->impl, c->metric, c->unit, c->better, median,
                s->value[0], s->value[s->rounds - 1], s->rounds);
    }
}

static inline void comparison_report(struct comparison *c, FILE *jsonl)
{
    double ours = series_median(&c->series[0]);

    printf("\n%s (%s), %s in %s, %s is better\n", c->name, c->params, c->metric, c->unit,
           c->better);
    printf("  %-24s %11s %11s %11s %7s  %s\n", "", "median", "min", "max", "rounds", "ours is");
    for (int i = 0; i < c->count; i++) {
        struct series *s = &c->series[i];
        double median = series_median(s);
        if (s->rounds == 0) {
            printf("  %-24s not measured\n", s->impl);
            continue;
        }
        printf("  %-24s %11.3f %11.3f %11.3f %7d", s->impl, median, s->value[0],
               s->value[s->rounds - 1], s->rounds);
        if (i && ours > 0.0)
            printf("  %.2f times as fast", c->better[0] == 'l' ? median / ours : ours / median);
        printf("\n");
    }
    comparison_write(c, jsonl);
    fflush(stdout);
}

#endif
