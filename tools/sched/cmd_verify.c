/* SPDX-License-Identifier: MIT */
/* cmd_verify.c -- is a pool sound? */
#include "cmd.h"

#include <errno.h>
#include <stdio.h>

#include "emit.h"
#include "pool.h"
#include "tool.h"

int cmd_verify(int argc, char **argv)
{
    const char *where = NULL;
    bool json = false;
    const struct arg_option table[] = {
        OPT_FLAG("json", 'j', &json, "as a JSON object"),
        { .kind = ARG_END },
    };
    struct arg_command command = {
        .usage = "[options] POOL",
        .text = "Check a whole pool: tasks, queues, jobs, workers, events, actors. It may go on "
                "working\n"
                "meanwhile. Exit code 1: damaged.\n",
        .options = table,
        .words = &where,
        .words_min = 1,
        .words_max = 1,
    };
    int code = args_parse(argc, argv, &command);
    if (code != ARGS_RUN)
        return code;
    char text[256] = "";
    struct wsched_info info = { 0 };
    struct wsched *pool;
    code = pool_open(where, &pool);
    if (code)
        return code;
    int err = wsched_verify(pool, text);
    if (!err)
        err = wsched_info(pool, &info);
    wsched_close(pool);
    if (err == -EBADMSG)
        complain(where, "%s", text);
    else if (err)
        return pool_cannot(where, "cannot check it", err);
    uint64_t tasks =
        info.blocked + info.pending + info.running + info.done + info.failed + info.cancelled;
    if (json) {
        struct emit e;
        emit_start(&e, stdout, EMIT_JSON, false);
        emit_object(&e, NULL);
        emit_string(&e, "pool", NULL, where);
        emit_bool(&e, "sound", NULL, !err);
        if (err)
            emit_string(&e, "problem", NULL, text);
        else
            emit_uint(&e, "tasks", NULL, tasks);
        emit_object_end(&e);
    } else if (!err) {
        printf("%s: sound; %llu task%s\n", where, (unsigned long long)tasks, tasks == 1 ? "" : "s");
    }
    return err ? EXIT_ANSWER_NO : EXIT_OK;
}
