/* SPDX-License-Identifier: MIT */
/* cmd_ls.c -- the pools of the user. */
#include "cmd.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "emit.h"
#include "pool.h"
#include "pools.h"
#include "tool.h"

/* One pool; of one that cannot be opened, why. */
static int emit_pool(const char *where, void *ctx)
{
    struct emit *e = ctx;
    struct wsched_info i = { 0 };
    struct wsched *pool;
    char text[POOL_TEXT_MAX];
    int err = wsched_look(where, &pool);

    if (err == -ENOENT)
        return 0; /* gone since we looked */
    if (!err) {
        err = wsched_info(pool, &i);
        wsched_close(pool);
    }
    emit_row(e);
    emit_string(e, "pool", "pool", where);
    emit_string(e, "state", "state",
                err             ? "unreadable"
                : i.is_dead     ? "dead"
                : i.broken      ? "broken"
                : i.is_stopping ? "closing"
                                : "open");
    emit_uint(e, "workers", "workers", i.workers);
    emit_uint(e, "running", "running", i.running);
    emit_uint(e, "pending", "pending", i.pending + i.blocked);
    emit_uint(e, "kept", "kept", i.done + i.failed + i.cancelled);
    emit_string(e, "error", "",
                err == -EPROTO ? pool_wrong_layout(where, text)
                : err          ? wsched_strerror(err)
                               : "");
    emit_row_end(e);
    return 0;
}

int cmd_ls(int argc, char **argv)
{
    bool json = false;
    const struct arg_option table[] = {
        OPT_FLAG("json", 'j', &json, "one JSON object a line"),
        { .kind = ARG_END },
    };
    struct arg_command command = {
        .usage = "[options]",
        .text =
            "List your pools: those that have names, in /dev/shm/wsched-<uid>, and those without,\n"
            "by the pid of the process that opened them.\n",
        .options = table,
    };
    struct emit e;
    int code = args_parse(argc, argv, &command);
    if (code != ARGS_RUN)
        return code;
    emit_start(&e, stdout, json ? EMIT_JSON : EMIT_TEXT, false);
    emit_list(&e, NULL);
    int err = pools_visit(emit_pool, &e);
    bool is_empty = !json && e.rows == 0;
    emit_list_end(&e);
    if (err) {
        complain(NULL, "cannot list the pools (%s)", strerror(-err));
        return EXIT_CANNOT;
    }
    if (is_empty)
        complain(NULL, "no pools");
    return EXIT_OK;
}
