/* SPDX-License-Identifier: MIT */
/*
 * timeline.h -- which worker ran what, and when: from the events of a pool to a picture.
 *
 * A name that ends in .json gets a Chrome trace, which https://ui.perfetto.dev and chrome://tracing
 * open; any other an SVG that needs nothing else.
 */
#ifndef TIMELINE_H
#define TIMELINE_H

#include <stdint.h>
#include <stdio.h>

#include "wsched.h"

enum bar_end { BAR_DONE, BAR_FAILED, BAR_DIED };

/* One attempt at a task. */
struct bar {
    uint64_t start_ns, end_ns;
    uint64_t task;
    uint32_t worker;
    uint32_t attempt;
    int32_t pid;
    enum bar_end end;
    uint32_t group; /* what has the same colour: the number after "n=" in the label */
    char label[32];
};

struct timeline {
    struct bar *bars; /* by start */
    uint32_t count;
    uint32_t workers;
    uint64_t start_ns, end_ns;
};

/* Gather what the pool remembers. -ENOMEM, or wsched_events()' errors. */
int timeline_collect(struct timeline *timeline, struct wsched *pool);
void timeline_free(struct timeline *timeline);

/* Write it to `path`, whole or not at all. `title` is the headline. Complains on stderr. */
int timeline_write(const struct timeline *timeline, const char *path, const char *title);

void timeline_svg(const struct timeline *timeline, const char *title, FILE *out);
void timeline_trace(const struct timeline *timeline, const char *title, FILE *out);

#endif
