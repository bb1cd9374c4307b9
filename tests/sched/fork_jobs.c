/* SPDX-License-Identifier: MIT */
#include "fork_jobs.h"

void job_fib(struct wsched_fork *w, void *args)
{
    struct job_fib *f = args;

    if (f->n < 2)
        return;
    struct job_fib a = { f->n - 1 }, b = { f->n - 2 };
    w = wsched_spawn(w, job_fib, &a, sizeof a);
    job_fib(w, &b);
    wsched_sync(w);
    f->n = a.n + b.n;
}

void job_sum_part(struct wsched_fork *w, void *args)
{
    struct job_sum *s = args;

    (void)w;
    for (uint64_t i = s->range.begin; i < s->range.end; i++)
        s->sum += i;
}

void job_sum_join(void *into, const void *from)
{
    ((struct job_sum *)into)->sum += ((const struct job_sum *)from)->sum;
}

int job_loop(struct wsched_task *task, void *ctx)
{
    struct job_sum s = { *(const struct wsched_range *)wsched_task_payload(task, NULL), 0 };
    int err = wsched_parallel_for(wsched_task_fork(task), job_sum_part, &s, sizeof s, job_sum_join);

    (void)ctx;
    return err ? err : wsched_task_result(task, &s.sum, sizeof s.sum);
}
