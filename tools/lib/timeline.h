/* SPDX-License-Identifier: MIT */
/*
 * timeline.h -- which worker ran what, and when: from the events of a pool to a picture.
 *
 *     timeline_begin -> wsched_events(pool, timeline_event, &t), timeline_death() for each death
 *     -> timeline_finish -> timeline_write -> timeline_free
 *
 * A file name that ends in .json gets a Chrome trace, which https://ui.perfetto.dev and
 * chrome://tracing open; .html a page to zoom and search in; any other an SVG. Page and picture
 * need nothing from elsewhere.
 */
#ifndef TIMELINE_H
#define TIMELINE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "wsched.h"

#define TIMELINE_TEXT 32           /* of a label, of a group's name */
#define TIMELINE_NAME 48           /* of a lane */
#define TIMELINE_RESOURCES 8u
#define TIMELINE_WORKERS_MAX 1024u /* what is said of others is left out: a pool may be damaged */

enum bar_end { BAR_DONE, BAR_FAILED, BAR_DIED, BAR_RUNNING };
extern const char *const bar_ends[];

/* What a task was submitted with. */
struct bar_terms {
    uint64_t deadline_ns; /* 0: none */
    int32_t priority;     /* enum wsched_priority */
    uint16_t needs[TIMELINE_RESOURCES];
};

/* One attempt at a task; or a job of it that another worker has stolen. */
struct bar {
    uint64_t start_ns, end_ns;
    uint64_t submitted_ns; /* 0: not known */
    uint64_t task;
    uint32_t worker;
    uint32_t attempt;
    int32_t pid;
    uint32_t depth; /* inside how many others: a kernel that waits runs other tasks meanwhile */
    uint32_t group; /* what has the same colour */
    enum bar_end end;
    bool is_stolen; /* the task */
    bool is_job;
    struct bar_terms terms;
    char label[TIMELINE_TEXT]; /* the task's, or its kernel's name */
};

/* A worker's unexpected end. */
struct bar_death {
    uint64_t time_ns;
    uint32_t worker;
    int32_t pid, signal, exit_code;
    char kernel[TIMELINE_TEXT];
};

struct timeline_event;
struct timeline {
    /* The caller's, before timeline_begin(); zero will do. */
    const char *legend;                                                       /* what a group is */
    void (*group_of)(const struct wsched_event *e, char name[TIMELINE_TEXT]); /* its kernel */
    bool is_scale; /* groups are numbers: colours are a scale */

    char resources[TIMELINE_RESOURCES][TIMELINE_TEXT]; /* timeline_resource(); else their numbers */
    char (*names)[TIMELINE_NAME]; /* of lanes: timeline_name(); "": worker n */
    uint32_t name_count;

    struct bar *bars; /* by worker, then by start */
    size_t count, job_count; /* so many of them are jobs */
    struct bar_death *deaths;
    size_t death_count;
    char (*groups)[TIMELINE_TEXT]; /* in the order of the legend */
    uint32_t group_count;
    uint32_t workers;
    uint64_t start_ns, end_ns;
    uint64_t events_lost; /* the caller's, to be told of */

    /* While it is gathered. */
    struct timeline_event *events;
    size_t event_count, event_capacity, death_capacity;
    uint32_t group_capacity, last_group;
};

void timeline_begin(struct timeline *timeline);
/* What a lane (the `worker` of events) is called. 0 or -ENOMEM. */
int timeline_name(struct timeline *timeline, uint32_t worker, const char *name);
void timeline_resource(struct timeline *timeline, uint32_t number, const char *name);
/* For wsched_events(): ctx is the timeline. 0 or -ENOMEM. */
int timeline_event(const struct wsched_event *event, void *timeline);
int timeline_death(struct timeline *timeline, const struct wsched_death *death);
/* Make bars of events. 0 or -ENOMEM. */
int timeline_finish(struct timeline *timeline);
void timeline_free(struct timeline *timeline);

/* Does the path end in .svg, .html or .json? (One without an ending will be a picture.) */
bool timeline_knows(const char *path);
/* Write it to `path` ("-": standard output, as a trace), whole or not at all. `title` is the
 * headline. Complains on stderr. */
int timeline_write(const struct timeline *timeline, const char *path, const char *title);

void timeline_trace(const struct timeline *timeline, const char *title, FILE *out);
void timeline_svg(const struct timeline *timeline, const char *title, FILE *out);
void timeline_html(const struct timeline *timeline, const char *title, FILE *out);

/* The name of a lane. */
void timeline_lane(const struct timeline *timeline, uint32_t worker, char name[TIMELINE_NAME]);
/* What is to be said of a bar's terms, and whether it is a job, in one line; or "". */
#define TIMELINE_REMARK 512
void timeline_remark(const struct timeline *timeline, const struct bar *bar,
                     char text[TIMELINE_REMARK]);

/* "#rrggbb" of a group. */
void timeline_colour(const struct timeline *timeline, uint32_t group, char text[8]);

#endif
