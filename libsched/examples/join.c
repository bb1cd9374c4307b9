/* SPDX-License-Identifier: MIT */
/*
 * join.c -- two programs that know of each other only a name: one opens a pool, the other joins it,
 * has something computed there, and works for it, too.
 *
 *     $ join
 *     the client got 42
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "wsched.h"

static int twice(struct wsched_task *task, void *ctx)
{
    int n = 2 * *(const int *)wsched_task_payload(task, NULL);

    (void)ctx;
    return wsched_task_result(task, &n, sizeof n);
}

static const struct wsched_kernel kernels[] = { { "twice", twice, NULL } };

static void check(const char *what, int err)
{
    if (err >= 0)
        return;
    fprintf(stderr, "join: %s: %s\n", what, wsched_strerror(err));
    exit(1);
}

/* As another program would: by name, and without the kernels, for it only submits. */
static void client(const char *name)
{
    struct wsched_future future;
    struct wsched *pool;
    int n = 21;
    struct wsched_spec spec = { .kernel = "twice", .payload = &n, .payload_size = sizeof n };

    check("join", wsched_join(name, NULL, 0, NULL, &pool));
    check("submit", wsched_submit(pool, &spec, &future));
    check("wait", wsched_wait(pool, &future, 1, 1, -1, NULL));
    check("result", wsched_result(pool, future, &n, sizeof n, NULL));
    printf("the client got %d\n", n);
    fflush(stdout);
    wsched_close(pool); /* its futures go with it */
}

/* With the kernels it may work: here until there was nothing to do for a tenth of a second. */
static void worker(const char *name)
{
    struct wsched *pool;

    check("join", wsched_join(name, kernels, 1, NULL, &pool));
    (void)!wsched_work(pool, 100);
    wsched_close(pool);
}

int main(void)
{
    struct wsched_options opts = WSCHED_OPTIONS_INIT;
    struct wsched *pool;
    char name[32];
    int status = 0, failed = 0;

    snprintf(name, sizeof name, "join-%d", (int)getpid());
    opts.name = name;
    opts.workers = 1;
    check("open", wsched_open(&opts, kernels, 1, &pool));
    for (int i = 0; i < 2; i++)
        if (fork() == 0) {
            if (i == 0)
                client(name);
            else
                worker(name);
            _exit(0);
        }
    for (int i = 0; i < 2; i++)
        failed |= wait(&status) < 0 || status != 0;
    wsched_close(pool);
    return failed;
}
