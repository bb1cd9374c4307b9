/* SPDX-License-Identifier: MIT */
/* cmd_serve.c -- open a pool whose kernels come from a plug-in, for clients of other programs. */
#include "cmd.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "plugin.h"
#include "pool.h"
#include "tool.h"

/* Until we are asked to end. A SIGCHLD says that the supervisor died: the next call of the library
 * starts another, and a submission of nothing is one. */
static int serve(const char *name, struct wsched *pool)
{
    struct wsched_future none;
    const struct wsched_spec nothing = { 0 };

    while (signals_next() == SIGCHLD) {
        int err = wsched_submit_many(pool, &nothing, 0, &none);
        if (err)
            return pool_cannot(name, "its workers cannot be started", err);
    }
    return EXIT_OK;
}

int cmd_serve(int argc, char **argv)
{
    const char *name = NULL, *plugin = NULL;
    struct wsched_options o = WSCHED_OPTIONS_INIT;
    const struct arg_option table[] = {
        { "plugin", 'p', ARG_TEXT, &plugin, "LIB.so", "where its kernels are", 0, 0, NULL, true },
        { "workers", 'w', ARG_U32, &o.workers, "N", "worker processes (a CPU each)", 1, 256, NULL,
          false },
        { "guests", 'g', ARG_U32, &o.guests, "N", "clients and workers that may join (16)", 1, 64,
          NULL, false },
        { "capacity", 'c', ARG_U32, &o.task_capacity, "N", "tasks at once (65536)", 1, 1000000,
          NULL, false },
        { "payload", 0, ARG_U32, &o.payload_max, "BYTES", "of a task's payload at most (64)", 1,
          1u << 20, NULL, false },
        { "result", 0, ARG_U32, &o.result_max, "BYTES", "of a task's result at most (64)", 1,
          1u << 20, NULL, false },
        { .kind = ARG_END },
    };
    struct arg_command command = {
        .usage = "[options] --plugin LIB.so NAME",
        .text =
            "Open a pool of that name (or path, if there is a '/' in it) whose workers run the "
            "kernels\n"
            "of a plug-in; programs join it with wsched_join(), workers with 'sched worker'. It\n"
            "ends with SIGINT or SIGTERM. The plug-in exports 'const struct wsched_kernel\n"
            "wsched_plugin_kernels[]', which ends with a name that is NULL.\n",
        .options = table,
        .words = &name,
        .words_min = 1,
        .words_max = 1,
    };
    int code = args_parse(argc, argv, &command);
    if (code != ARGS_RUN)
        return code;
    const struct wsched_kernel *kernels;
    size_t count;
    struct wsched *pool;
    code = plugin_load(plugin, &kernels, &count);
    if (code)
        return code;
    o.name = name;
    int err = wsched_open(&o, kernels, count, &pool);
    if (err == -EEXIST)
        complain(name, "a pool of this name lives, or it is a file of something else");
    else if (err == -EINVAL)
        complain(name, "no name for a pool, or bad kernels: names are 1 to 31 bytes, each once");
    else if (err)
        return pool_cannot(name, "cannot open a pool", err);
    if (err)
        return EXIT_CANNOT;
    signals_begin();
    printf("%s: open, %u workers\n", name, wsched_workers(pool));
    fflush(stdout);
    code = serve(name, pool);
    wsched_close(pool);
    return code;
}
