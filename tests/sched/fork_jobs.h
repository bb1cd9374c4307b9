/* SPDX-License-Identifier: MIT */
/* fork_jobs.h -- jobs (fork and join) that tests share: a tree, and a loop that adds up. */
#ifndef SCHED_FORK_JOBS_H
#define SCHED_FORK_JOBS_H

#include "wsched.h"

struct job_fib {
    long n; /* and then the number */
};
void job_fib(struct wsched_fork *w, void *args);

/* Adds up the numbers of the range. */
struct job_sum {
    struct wsched_range range;
    uint64_t sum;
};
void job_sum_part(struct wsched_fork *w, void *args);
void job_sum_join(void *into, const void *from);
/* A kernel. Payload: a struct wsched_range. Result: the sum, a uint64_t. */
int job_loop(struct wsched_task *task, void *ctx);

#define FORK_JOBS                                               \
    { "loop", job_loop, NULL }, WSCHED_JOB("job_fib", job_fib), \
        WSCHED_JOB("job_sum_part", job_sum_part), WSCHED_JOIN("job_sum_join", job_sum_join)

#endif
