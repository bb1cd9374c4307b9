/* SPDX-License-Identifier: MIT */
/* cmd_deaths.c -- which workers died, of what, and what they were running. */
#include "cmd.h"

#include "emit.h"
#include "pool.h"
#include "show.h"
#include "tool.h"

int cmd_deaths(int argc, char **argv)
{
    const char *where = NULL;
    bool json = false;
    const struct arg_option table[] = {
        OPT_FLAG("json", 'j', &json, "one JSON object a line"),
        { .kind = ARG_END },
    };
    struct arg_command command = {
        .usage = "[options] POOL",
        .text =
            "List the unexpected ends of workers, oldest first: signal or exit code, and what was\n"
            "running. The last 1024 are kept.\n",
        .options = table,
        .words = &where,
        .words_min = 1,
        .words_max = 1,
    };
    int code = args_parse(argc, argv, &command);
    if (code != ARGS_RUN)
        return code;
    struct wsched_death death;
    struct wsched *pool;
    struct emit e;
    uint64_t cursor = 0, count = 0, now = show_now_ns();
    int r;
    code = pool_open(where, &pool);
    if (code)
        return code;
    emit_start(&e, stdout, json ? EMIT_JSON : EMIT_TEXT, false);
    emit_list(&e, NULL);
    for (; (r = wsched_next_death(pool, &cursor, &death)) == 1; count++)
        show_death(&e, pool, &death, now);
    emit_list_end(&e);
    wsched_close(pool);
    if (r < 0)
        return pool_cannot(where, "cannot read the deaths", r);
    if (!count && !json)
        complain(where, "no worker died");
    return EXIT_OK;
}
