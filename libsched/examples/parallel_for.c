/* SPDX-License-Identifier: MIT */
/* parallel_for.c -- a sum over a range that is split when a worker has nothing to do. */
#include <math.h>
#include <stdio.h>
#include <wsched.h>

#define TERMS 50000000

struct sum {
    struct wsched_range range; /* comes first */
    double sum;
};

/* Adds a part of 4 * (1 - 1/3 + 1/5 - ...). */
static void add_terms(struct wsched_fork *w, void *args)
{
    struct sum *s = args;

    (void)w;
    for (uint64_t i = s->range.begin; i < s->range.end; i++)
        s->sum += (i % 2 ? -4.0 : 4.0) / (double)(2 * i + 1);
}

static void join_sums(void *into, const void *from)
{
    ((struct sum *)into)->sum += ((const struct sum *)from)->sum;
}

static int estimate_pi(struct wsched_task *task, void *ctx)
{
    struct sum s = { .range = { 0, TERMS, 0 } }; /* grain 0: measured */
    int err = wsched_parallel_for(wsched_task_fork(task), add_terms, &s, sizeof s, join_sums);

    (void)ctx;
    return err ? err : wsched_task_result(task, &s.sum, sizeof s.sum);
}

int main(void)
{
    static const struct wsched_kernel kernels[] = {
        { "estimate_pi", estimate_pi, NULL },
        WSCHED_JOB("add_terms", add_terms),
        WSCHED_JOIN("join_sums", join_sums),
    };
    struct wsched_spec spec = { .kernel = "estimate_pi" };
    struct wsched_future future;
    struct wsched *pool;
    double pi = 0;

    int err = wsched_open(NULL, kernels, sizeof kernels / sizeof *kernels, &pool);
    if (err) {
        fprintf(stderr, "parallel_for: %s\n", wsched_strerror(err));
        return 1;
    }
    err = wsched_submit(pool, &spec, &future);
    if (!err)
        err = wsched_wait(pool, &future, 1, 1, -1, NULL);
    if (err >= 0)
        err = wsched_result(pool, future, &pi, sizeof pi, NULL);
    if (err < 0)
        fprintf(stderr, "parallel_for: %s\n", wsched_strerror(err));
    else
        printf("pi is about %.7f\n", pi);
    wsched_close(pool);
    return err < 0 || fabs(pi - 3.1415926) > 1e-5;
}
