/* SPDX-License-Identifier: MIT */
/* stream_kit.h -- what the tests of streams share. */
#ifndef SCHED_STREAM_KIT_H
#define SCHED_STREAM_KIT_H

#include "kit.h"

#include <stdatomic.h>

/* What processes of a test tell each other. */
extern struct shared {
    _Atomic long yielded, ended, error, go, held;
} * shared;
extern char name[64]; /* of the pool */

/* The payload of kernel "counts", which yields the numbers from 0 on. */
struct plan {
    long count;
    int error;     /* that the kernel returns */
    int die_after; /* this many items, in attempts up to `deaths`; -1: not */
    int deaths;
    bool resumes;
};

/* Its kernels are "counts", "adds_one" (to its payload, a long), "holds" (says shared->held, until
 * shared->go), and the test's own. */
struct wsched *stream_open(uint32_t workers, uint32_t streams, const struct wsched_kernel *own,
                           size_t count);
int stream_join(struct wsched **guest); /* wsched_join() with all these kernels */
void close_pool(struct wsched *pool);
struct wsched_future submit(struct wsched *pool, const char *kernel, const void *payload,
                            size_t size, uint32_t stream);
struct wsched_future count_to(struct wsched *pool, long count, uint32_t stream);
/* Takes all of it: the numbers from `first` to `end` - 1, and then the end. */
void expect_numbers(struct wsched *pool, struct wsched_future f, long first, long end);

#endif
