/* SPDX-License-Identifier: MIT */
/* cmd_worker.c -- work for a pool that another program opened, with kernels from a plug-in. */
#include "cmd.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "plugin.h"
#include "pool.h"
#include "tool.h"

#define THREADS_MAX 64

struct worker {
    struct wsched *pool;
    pthread_t thread;
    int idle_ms, err;
};

static void *work(void *arg)
{
    struct worker *w = arg;

    __atomic_store_n(&w->err, wsched_work(w->pool, w->idle_ms), __ATOMIC_RELEASE);
    kill(getpid(), SIGCHLD); /* our main thread waits for signals */
    return NULL;
}

static int join_complain(const char *where, int err)
{
    uint32_t found, known;

    if (err == -EPROTO && wsched_layout_version(where, &found, &known) == 0 && found == known)
        complain(where, "its kernels are not the plug-in's; 'sched stat' lists them");
    else if (err == -EUSERS)
        complain(where, "all its seats for guests are taken; open it with more "
                        "(wsched_options.guests, or 'sched serve --guests')");
    else if (err == -ESHUTDOWN)
        complain(where, "it is closing, or the program that opened it is dead; see 'sched doctor'");
    else if (err == -EXDEV)
        complain(where, "it lives in another PID namespace; start the worker there");
    else
        return pool_complain(where, err);
    return EXIT_CANNOT;
}

/* Until the first of them ends by itself, or we are asked to. */
static void await_end(const struct worker *workers, uint32_t count)
{
    while (signals_next() == SIGCHLD)
        for (uint32_t i = 0; i < count; i++)
            if (__atomic_load_n(&workers[i].err, __ATOMIC_ACQUIRE) != 1)
                return;
}

static int run(const char *where, const struct wsched_kernel *kernels, size_t kernel_count,
               struct worker *workers, uint32_t threads)
{
    uint32_t joined = 0, started = 0;
    int err = 0, code = EXIT_OK;

    for (; joined < threads && !err; joined += !err)
        err = wsched_join(where, kernels, kernel_count, NULL, &workers[joined].pool);
    if (err)
        code = join_complain(where, err);
    for (; !err && started < threads; started += !err) {
        workers[started].err = 1;
        err = -pthread_create(&workers[started].thread, NULL, work, &workers[started]);
    }
    if (err && code == EXIT_OK)
        code = pool_cannot(where, "cannot start a thread", err);
    if (!err)
        await_end(workers, threads);
    for (uint32_t i = 0; i < started; i++)
        (void)wsched_leave(workers[i].pool);
    for (uint32_t i = 0; i < started; i++)
        pthread_join(workers[i].thread, NULL);
    for (uint32_t i = 0; i < joined; i++)
        wsched_close(workers[i].pool);
    return code;
}

int cmd_worker(int argc, char **argv)
{
    const char *where = NULL, *plugin = NULL;
    uint32_t threads = 1, idle = 0;
    const struct arg_option table[] = {
        { "pool", 'P', ARG_TEXT, &where, "POOL", "whose tasks to run", 0, 0, NULL, true },
        { "plugin", 'p', ARG_TEXT, &plugin, "LIB.so", "where its kernels are", 0, 0, NULL, true },
        { "threads", 't', ARG_U32, &threads, "N", "work with so many threads (1)", 1, THREADS_MAX,
          NULL, false },
        { "idle", 'i', ARG_U32, &idle, "SECONDS", "leave when there is nothing to do for so long",
          1, 1000000, NULL, false },
        { .kind = ARG_END },
    };
    struct arg_command command = {
        .usage = "[options] --pool POOL --plugin LIB.so",
        .text = "Join a pool as a worker, beside its own and others, and run its tasks until it\n"
                "ends, or until SIGINT or SIGTERM: then the running tasks are finished first. The\n"
                "plug-in exports its kernels as 'const struct wsched_kernel\n"
                "wsched_plugin_kernels[]', which ends with a name that is NULL; they must be the\n"
                "pool's, by name.\n",
        .options = table,
    };
    int code = args_parse(argc, argv, &command);
    if (code != ARGS_RUN)
        return code;
    const struct wsched_kernel *kernels;
    size_t count;
    struct worker workers[THREADS_MAX] = { 0 };
    code = plugin_load(plugin, &kernels, &count);
    if (code)
        return code;
    for (uint32_t i = 0; i < threads; i++)
        workers[i].idle_ms = idle ? (int)idle * 1000 : -1;
    signals_begin();
    return run(where, kernels, count, workers, threads);
}
