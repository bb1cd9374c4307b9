/* SPDX-License-Identifier: MIT */
/* kill_a_worker.c -- a task whose worker is killed runs again; one that always kills it fails. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <wsched.h>

/* Kills its own worker in the first `deaths` attempts. */
static int unlucky(struct wsched_task *task, void *ctx)
{
    const unsigned deaths = *(const unsigned *)wsched_task_payload(task, NULL);
    unsigned attempt = wsched_task_attempt(task);

    (void)ctx;
    if (attempt <= deaths)
        kill(getpid(), SIGKILL);
    return wsched_task_result(task, &attempt, sizeof attempt);
}

int main(void)
{
    static const struct wsched_kernel kernels[] = { { "unlucky", unlucky, NULL } };
    unsigned deaths[] = { 1, 100 }, attempt = 0;
    struct wsched_future futures[2];
    struct wsched_failure failure;
    struct wsched_death death;
    struct wsched *pool;
    uint64_t cursor = 0;

    int err = wsched_open(NULL, kernels, 1, &pool);
    if (err) {
        fprintf(stderr, "kill_a_worker: %s\n", wsched_strerror(err));
        return 1;
    }
    for (int i = 0; i < 2 && !err; i++) {
        struct wsched_spec spec = { .kernel = "unlucky",
                                    .payload = &deaths[i],
                                    .payload_size = sizeof deaths[i],
                                    .max_retries = 2 };
        err = wsched_submit(pool, &spec, &futures[i]);
    }
    if (!err)
        err = wsched_wait(pool, futures, 2, 2, -1, NULL);
    if (err == 2) {
        err = wsched_result(pool, futures[0], &attempt, sizeof attempt, NULL);
        printf("first task: %s in attempt %u\n", err ? wsched_strerror(err) : "done", attempt);
        err = wsched_failure(pool, futures[1], &failure);
        printf("second task: %s\n", err ? wsched_strerror(err) : failure.text);
    }
    while (!err && wsched_next_death(pool, &cursor, &death) == 1)
        printf("worker %u (pid %d) died of signal %d in %s\n", death.worker, (int)death.pid,
               (int)death.signal, death.kernel);
    wsched_close(pool);
    return err != 0 || attempt != 2;
}
