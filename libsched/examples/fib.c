/* SPDX-License-Identifier: MIT */
/* fib.c -- tasks that submit tasks: the naive Fibonacci numbers, one task per call. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wsched.h>

static int fib(struct wsched_task *task, void *ctx)
{
    struct wsched *pool = wsched_task_pool(task);
    const int n = *(const int *)wsched_task_payload(task, NULL);
    int first = n - 1, second = n - 2;
    long a = n, b = 0;

    (void)ctx;
    if (n < 2)
        return wsched_task_result(task, &a, sizeof a);
    struct wsched_spec specs[] = {
        { .kernel = "fib", .payload = &first, .payload_size = sizeof first },
        { .kernel = "fib", .payload = &second, .payload_size = sizeof second },
    };
    struct wsched_future parts[2];
    int err = wsched_submit_many(pool, specs, 2, parts);
    if (err < 0)
        return err;
    err = wsched_wait(pool, parts, 2, 2, -1, NULL); /* runs them, or others, meanwhile */
    if (err >= 0)
        err = wsched_result(pool, parts[0], &a, sizeof a, NULL);
    if (err >= 0)
        err = wsched_result(pool, parts[1], &b, sizeof b, NULL);
    wsched_release(pool, parts[0]);
    wsched_release(pool, parts[1]);
    a += b;
    return err < 0 ? err : wsched_task_result(task, &a, sizeof a);
}

int main(int argc, char **argv)
{
    static const struct wsched_kernel kernels[] = { { "fib", fib, NULL } };
    int n = argc > 1 ? atoi(argv[1]) : 20;
    struct wsched *pool;
    struct wsched_future future;
    long result;

    int err = wsched_open(NULL, kernels, 1, &pool);
    if (err) {
        fprintf(stderr, "fib: %s\n", wsched_strerror(err));
        return 1;
    }
    struct wsched_spec spec = { .kernel = "fib", .payload = &n, .payload_size = sizeof n };
    err = wsched_submit(pool, &spec, &future);
    if (!err)
        err = wsched_wait(pool, &future, 1, 1, -1, NULL);
    if (err >= 0)
        err = wsched_result(pool, future, &result, sizeof result, NULL);
    if (err < 0)
        fprintf(stderr, "fib: %s\n", wsched_strerror(err));
    else
        printf("fib(%d) = %ld, by %u workers\n", n, result, wsched_workers(pool));
    wsched_close(pool);
    return err < 0;
}
