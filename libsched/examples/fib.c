/* SPDX-License-Identifier: MIT */
/* fib.c -- fork and join: the naive Fibonacci numbers, a job per call, over all workers. */
#include <stdio.h>
#include <stdlib.h>
#include <wsched.h>

struct fib {
    long n; /* the argument, then the result */
};

static void fib(struct wsched_fork *w, void *args)
{
    struct fib *f = args;

    if (f->n < 2)
        return;
    struct fib a = { f->n - 1 }, b = { f->n - 2 };
    w = wsched_spawn(w, fib, &a, sizeof a); /* another worker may take it from here on */
    fib(w, &b);
    w = wsched_sync(w); /* or we run it now */
    f->n = a.n + b.n;
}

int main(int argc, char **argv)
{
    static const struct wsched_kernel kernels[] = { WSCHED_JOB("fib", fib) };
    struct fib f = { argc > 1 ? atol(argv[1]) : 30 };
    long n = f.n;
    struct wsched *pool;
    struct wsched_future future;

    int err = wsched_open(NULL, kernels, 1, &pool);
    if (err) {
        fprintf(stderr, "fib: %s\n", wsched_strerror(err));
        return 1;
    }
    struct wsched_spec spec = { .kernel = "fib", .payload = &f, .payload_size = sizeof f };
    err = wsched_submit(pool, &spec, &future);
    if (!err)
        err = wsched_wait(pool, &future, 1, 1, -1, NULL);
    if (err >= 0)
        err = wsched_result(pool, future, &f, sizeof f, NULL);
    if (err < 0)
        fprintf(stderr, "fib: %s\n", wsched_strerror(err));
    else
        printf("fib(%ld) = %ld, by %u workers\n", n, f.n, wsched_workers(pool));
    wsched_close(pool);
    return err < 0;
}
