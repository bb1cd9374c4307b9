/* SPDX-License-Identifier: MIT */
/* errors.h of the pool: what its errors are provoked on, and the tables of test_errors.c. */
#ifndef SCHED_TEST_ERRORS_H
#define SCHED_TEST_ERRORS_H

#include "../support/errors.h"
#include "kit.h"

#include <stdatomic.h>

#define PAYLOAD_MAX 256u
#define RESULT_MAX 64u
#define ACTORS 2u

/* Made anew for each row. */
extern struct given {
    struct wsched *pool, *guest, *look; /* a driver's handle on a pool of one worker, and others on it */
    struct wsched_future over, none;    /* of a task that is done; of one that was given back */
    char name[64];                      /* of the pool */
    char file[128];                     /* where the pool's memory is */
    char path[80];                      /* where there is nothing yet */
    struct shared {
        _Atomic int error;   /* what a call in another process said */
        _Atomic int started; /* it is about to be made */
    } * shared;
} given;

/* The kernels of the pool: those of the kit, and what given_inside() and given_in_thief() run. */
extern const struct wsched_kernel *given_kernels;
extern size_t given_kernel_count;

void given_set_up(void);
void given_tear_down(void);
/* Another pool in its place, of so many workers; `o` may be NULL. */
void given_open(uint32_t workers, const struct wsched_options *o);
/* The pool is closed; its guest, which is returned, is still there. */
struct wsched *given_closed(void);

/* A function that runs inside a kernel; what it returns goes to shared->error, the kernel ends well. */
typedef int (*given_fn)(struct wsched_task *task, uint64_t arg);
struct given_call {
    given_fn fn;
    uint64_t arg;
};
struct wsched_spec given_spec(const struct given_call *call);
struct wsched_future given_submit(given_fn fn, uint64_t arg, uint32_t stream);
void given_await_start(void);
int given_await_error(void);              /* shared->error, when there is one */
int given_inside(given_fn fn, uint64_t arg); /* in the worker: what fn says */
int given_in_child(int (*call)(void));       /* in a child of ours: what it says */
int given_in_thief(int (*call)(struct wsched *pool)); /* in a stolen job: what it says */
/* A job that is registered, and does nothing. */
void given_job(struct wsched_fork *w, void *args);
/* In a kernel or here: what the task ended with. It is given back. */
int given_end(struct wsched_future f);
/* Nothing of this resource (RLIMIT_...) any more, for the rest of this child. */
void given_limit(int resource);
/* A user whom root can become for the rest of a child; everybody else stays who he is. */
uid_t given_another(void);
bool given_be_another(void);
/* given.path becomes a file of these bytes, and zeros up to `size`. */
void given_write(const void *data, size_t length, size_t size);

extern const struct error_row errors_pools[], errors_guests[], errors_tasks[], errors_ends[],
    errors_streams[], errors_actors[], errors_jobs[], errors_look[];

#endif
