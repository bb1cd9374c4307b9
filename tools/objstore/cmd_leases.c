/* SPDX-License-Identifier: MIT */
#include "cmd.h"

#include <stdio.h>

#include "args.h"
#include "emit.h"
#include "process.h"
#include "store.h"
#include "tool.h"

static int show(const struct objstore_lease *lease, void *ctx)
{
    struct emit *e = ctx;
    process_emit(e, lease);
    emit_uint(e, "start_time", NULL, lease->start_time);
    if (lease->alive)
        emit_duration(e, "running_seconds", "running", process_seconds(lease));
    else
        emit_string(e, NULL, "running", "");
    emit_row_end(e);
    return 0;
}

int cmd_leases(int argc, char **argv)
{
    const char *where = NULL;
    bool json = false;
    const struct arg_option table[] = {
        OPT_FLAG("json", 'j', &json, "one JSON object a line"),
        { .kind = ARG_END },
    };
    struct arg_command command = {
        .usage = "[options] STORE",
        .text =
            "List the processes that are attached, with the objects that each views (pins) and\n"
            "writes (unsealed). The dead among them are cleaned up after by whoever comes next,\n"
            "or by 'objstore doctor --repair'.\n",
        .options = table,
        .words = &where,
        .words_min = 1,
        .words_max = 1,
    };
    int code = args_parse(argc, argv, &command);
    if (code != ARGS_RUN)
        return code;
    struct objstore *store;
    struct emit e;
    code = store_open(where, OBJSTORE_READ_ONLY, &store);
    if (code)
        return code;
    emit_start(&e, stdout, json ? EMIT_JSON : EMIT_TEXT, false);
    emit_list(&e, NULL);
    int err = objstore_leases(store, show, &e);
    bool is_empty = e.rows == 0;
    emit_list_end(&e);
    objstore_close(store);
    if (err)
        return store_cannot(where, "cannot list the processes", err);
    if (is_empty && !json)
        complain(where, "no process is attached");
    return EXIT_OK;
}
