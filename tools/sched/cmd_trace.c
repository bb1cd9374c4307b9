/* SPDX-License-Identifier: MIT */
/* cmd_trace.c -- the events that a pool remembers, as a picture, a page, or a Chrome trace. */
#include "cmd.h"

#include <stdio.h>

#include "pool.h"
#include "timeline.h"
#include "tool.h"

/* Guests and actors have numbers above the workers', with gaps where nobody ever was: they get the
 * lanes below the workers' in the order in which they are met. */
struct lanes {
    struct timeline *timeline;
    uint32_t workers, count;
    uint32_t numbers[512];
};

static uint32_t lane_of(struct lanes *l, uint32_t number)
{
    uint32_t i = 0;

    if (number < l->workers || number == UINT32_MAX)
        return number;
    while (i < l->count && l->numbers[i] != number)
        i++;
    if (i == sizeof l->numbers / sizeof *l->numbers)
        return UINT32_MAX;
    if (i == l->count)
        l->numbers[l->count++] = number;
    return l->workers + i;
}

static int take_event(const struct wsched_event *event, void *ctx)
{
    struct lanes *l = ctx;
    struct wsched_event e = *event;

    e.worker = lane_of(l, e.worker);
    return timeline_event(&e, l->timeline);
}

static int gather(struct timeline *t, struct wsched *pool)
{
    struct wsched_stats stats;
    struct lanes lanes = { .timeline = t, .workers = wsched_workers(pool) };
    struct wsched_resource_info resource;
    struct wsched_death death;
    uint64_t cursor = 0;
    int err = wsched_stats(pool, &stats);

    timeline_begin(t);
    if (!err)
        err = wsched_events(pool, take_event, &lanes);
    while (!err && (err = wsched_next_death(pool, &cursor, &death)) == 1) {
        death.worker = lane_of(&lanes, death.worker);
        err = timeline_death(t, &death);
    }
    for (uint32_t i = 0; !err && i < lanes.workers + lanes.count; i++) {
        char name[WSCHED_WORKER_NAME_MAX + 1];
        uint32_t number = i < lanes.workers ? i : lanes.numbers[i - lanes.workers];
        if (wsched_worker_name(pool, number, name) == 0) /* else it is damaged */
            err = timeline_name(t, i, name);
    }
    for (uint32_t i = 0; !err && wsched_resource_info(pool, i, &resource) == 0; i++)
        timeline_resource(t, i, resource.name);
    if (!err)
        err = timeline_finish(t);
    t->events_lost = stats.events_lost;
    return err;
}

int cmd_trace(int argc, char **argv)
{
    struct timeline timeline = { .legend = "kernel" };
    const char *where = NULL, *file = "-", *title = NULL;
    char own_title[256];
    const struct arg_option table[] = {
        OPT_TEXT("output", 'o', &file, "FILE",
                 ".svg, .html, or .json for Perfetto; -: JSON to stdout"),
        OPT_TEXT("title", 't', &title, "TEXT", "the headline"),
        { .kind = ARG_END },
    };
    struct arg_command command = {
        .usage = "[options] POOL",
        .text = "Write which worker ran what, and when: a picture (.svg), a page to zoom and "
                "search in\n"
                "(.html), or a Chrome trace (.json), which https://ui.perfetto.dev opens. The pool "
                "may\n"
                "be at work, or its processes all dead. Each worker remembers its last events.\n",
        .options = table,
        .words = &where,
        .words_min = 1,
        .words_max = 1,
    };
    int code = args_parse(argc, argv, &command);
    if (code != ARGS_RUN)
        return code;
    if (!timeline_knows(file))
        return args_complain("--output: '%s' ends in none of .svg, .html, .json", file);
    struct wsched *pool;
    code = pool_open(where, &pool);
    if (code)
        return code;
    snprintf(own_title, sizeof own_title, "pool %s", where);
    int err = gather(&timeline, pool);
    if (err)
        code = pool_cannot(where, "cannot gather the events", err);
    else if (timeline_write(&timeline, file, title ? title : own_title))
        code = EXIT_CANNOT;
    timeline_free(&timeline);
    wsched_close(pool);
    return code;
}
