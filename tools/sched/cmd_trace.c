/* SPDX-License-Identifier: MIT */
/* cmd_trace.c -- the events that a pool remembers, as a picture, a page, or a Chrome trace. */
#include "cmd.h"

#include <stdio.h>

#include "pool.h"
#include "timeline.h"
#include "tool.h"

static int gather(struct timeline *t, struct wsched *pool)
{
    struct wsched_stats stats;
    struct wsched_death death;
    uint64_t cursor = 0;
    int err = wsched_stats(pool, &stats);

    timeline_begin(t);
    if (!err)
        err = wsched_events(pool, timeline_event, t);
    while (!err && (err = wsched_next_death(pool, &cursor, &death)) == 1)
        err = timeline_death(t, &death);
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
