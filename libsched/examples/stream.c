/* SPDX-License-Identifier: MIT */
/*
 * stream.c -- a pipeline of tasks that yield: numbers, those of them that are prime, and a reader who
 * has enough after some. No stage runs further ahead than its ring allows, and none holds a worker
 * while it waits: all of it also works with one.
 */
#include <stdio.h>
#include <wsched.h>

static int numbers(struct wsched_task *task, void *ctx)
{
    int err = 0;

    (void)ctx;
    for (long i = 2; !err; i++)
        err = wsched_yield(task, &i, sizeof i); /* until nobody wants more */
    return err;
}

static int primes(struct wsched_task *task, void *ctx)
{
    struct wsched *pool = wsched_task_pool(task);
    struct wsched_spec spec = { .kernel = "numbers", .stream = 64 };
    struct wsched_future stream;
    long n;
    int err = wsched_submit(pool, &spec, &stream);

    (void)ctx;
    if (err)
        return err;
    while (!err && (err = wsched_next(pool, stream, &n, sizeof n, NULL, -1)) == 1) {
        bool is_prime = true;
        for (long d = 2; d * d <= n && is_prime; d++)
            is_prime = n % d != 0;
        err = is_prime ? wsched_yield(task, &n, sizeof n) : 0;
    }
    wsched_release(pool, stream); /* it gets -EPIPE */
    return err;
}

static const struct wsched_kernel kernels[] = {
    { "numbers", numbers, NULL },
    { "primes", primes, NULL },
};

int main(void)
{
    struct wsched_options options = WSCHED_OPTIONS_INIT;
    struct wsched_spec spec = { .kernel = "primes", .stream = 8 };
    struct wsched *pool;
    struct wsched_future stream;
    long prime = 0, count = 0;

    options.workers = 1;
    int err = wsched_open(&options, kernels, sizeof kernels / sizeof *kernels, &pool);
    if (err) {
        fprintf(stderr, "stream: cannot open a pool (%s)\n", wsched_strerror(err));
        return 1;
    }
    err = wsched_submit(pool, &spec, &stream);
    while (!err && count < 1000) {
        int got = wsched_next(pool, stream, &prime, sizeof prime, NULL, -1);
        err = got == 1 ? 0 : got == 0 ? wsched_result(pool, stream, NULL, 0, NULL) : got;
        count++;
    }
    if (err)
        fprintf(stderr, "stream: %s\n", wsched_strerror(err));
    else
        printf("the %ldth prime is %ld\n", count, prime);
    wsched_release(pool, stream);
    wsched_close(pool);
    return err || prime != 7919;
}
