/* SPDX-License-Identifier: MIT */
/*
 * event.c -- what a trace event costs: a stamp and a record in a ring, which comes round again and
 * again. No call of the API writes just that, so the library's own inline functions are timed.
 *
 *     event [--rounds N]      one JSON object a line: ns an event, with the stamp and without
 */
#include "../../libsched/src/events.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EVENTS 65536u /* kept, as by default */
#define COUNT 20000000u
#define ROUNDS_MAX 101

void events_ahead(struct wsched *p, uint32_t seat, uint32_t place, uint64_t number)
{
    (void)p, (void)seat, (void)place, (void)number;
    abort(); /* all pages are there */
}

static double event_ns(struct wsched *p, bool has_stamp)
{
    int64_t begin = monotonic_ns();
    uint64_t ticks = ticks_now(p);

    for (uint32_t i = 0; i < COUNT; i++)
        event_put(p, 0, WSCHED_EVENT_FINISHED, has_stamp ? ticks_now(p) : ticks + i, i, 1, 0,
                  p->pid, NULL);
    return (double)(monotonic_ns() - begin) / COUNT;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void report(struct wsched *p, const char *name, bool has_stamp, int rounds)
{
    double v[ROUNDS_MAX];

    for (int i = 0; i < rounds; i++)
        v[i] = event_ns(p, has_stamp);
    qsort(v, (size_t)rounds, sizeof *v, by_value);
    printf("{\"suite\": \"sched\", \"case\": \"%s\", \"params\": {}, \"impl\": \"ours\", "
           "\"metric\": \"time\", \"unit\": \"ns\", \"better\": \"lower\", \"median\": %.4g, "
           "\"min\": %.4g, \"max\": %.4g, \"rounds\": %d}\n",
           name, v[rounds / 2], v[0], v[rounds - 1], rounds);
}

int main(int argc, char **argv)
{
    static struct seat seat;
    struct wsched p = { .seats = &seat,
                        .event_places = EVENTS + 1,
                        .event_ready = UINT64_MAX,
                        .has_tsc = true,
                        .pid = 1 };
    int rounds = 5;

    if (argc == 3 && !strcmp(argv[1], "--rounds"))
        rounds = atoi(argv[2]);
    if (rounds < 1 || rounds > ROUNDS_MAX || (argc != 1 && argc != 3)) {
        fprintf(stderr, "usage: event [--rounds N]\n");
        return 2;
    }
    p.events = aligned_alloc(CACHE_LINE, (EVENTS + 2) * sizeof *p.events);
    if (!p.events)
        return 1;
    event_ns(&p, false); /* touches the ring */
    report(&p, "a trace event, stamp and record", true, rounds);
    report(&p, "a trace event, record alone", false, rounds);
    free(p.events);
    return 0;
}
