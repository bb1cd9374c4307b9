/* SPDX-License-Identifier: MIT */
/* live.h -- a picture of something that changes, once or again and again. */
#ifndef LIVE_H
#define LIVE_H

#include <stdbool.h>
#include <stdio.h>

#include "args.h"

struct live {
    bool once, json; /* json: one object a picture, each a line */
    uint32_t count;  /* pictures; 0: on a terminal and as JSON no end, else one */
    double interval; /* seconds */
};
#define LIVE_INIT          \
    {                      \
        false, false, 0, 1 \
    }

/* Rows for a table of struct arg_option. */
#define LIVE_OPTION_ROWS(l)                                                                      \
    OPT_FLAG("once", '1', &(l)->once, "the same as --count 1"),                                  \
        { "count", 'n', ARG_U32, &(l)->count, "N",                                               \
          "end after N pictures (no end; without a terminal and --json: 1)", .min = 1 },         \
        { "interval", 'i', ARG_DOUBLE, &(l)->interval, "SECONDS",                                \
          "between two pictures (default: 1)", .min = 0 },                                       \
        OPT_FLAG("json", 'j', &(l)->json, "one JSON object a picture, each a line")

/*
 * Draw with `picture`, which returns an exit code and complains itself, until there were as many as
 * asked for, a signal comes, the reader of stdout goes or a picture fails. Each is put together in memory and written at once, on a
 * terminal as much of it as there is room for. Returns the exit code.
 */
int live_run(const struct live *live, int (*picture)(FILE *out, void *ctx), void *ctx);

#endif
