/* SPDX-License-Identifier: MIT */
/* kit.h -- kernels and helpers that the tests of libsched share. */
#ifndef SCHED_KIT_H
#define SCHED_KIT_H

#include "test.h"
#include "wsched.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/types.h>

/* A gate that kernels wait at: closed until kit_gate_open(); pipes, so no sleeping. */
struct gate {
    int arrived[2]; /* a byte for each kernel that has arrived: its pid */
    int opened[2];  /* end of file: open */
};
extern struct gate gate;
void gate_make(void);     /* before wsched_open() */
pid_t gate_arrival(void); /* waits until a kernel has arrived: its worker's pid */
void gate_open(void);
void gate_free(void);

/*
 * Kernels: "add" sums the longs of its payload; "fail" returns the int of its payload; "wait" waits
 * at the gate, then returns its attempt; "die" is killed by the signal in its payload (int) while
 * its attempt is at most the second int; "exit" exits likewise; "fib" is recursive; "pid";
 * "cancelled" waits at the gate and then until it is asked to stop; "chain" submits a task that
 * submits a task; "nothing".
 */
extern const struct wsched_kernel kit_kernels[];
extern const size_t kit_kernel_count;

struct wsched *kit_open(uint32_t workers, uint32_t capacity);
struct wsched *kit_open_with(const struct wsched_options *o, const struct wsched_kernel *kernels,
                             size_t count);
void kit_expect_sound(struct wsched *pool); /* wsched_verify() finds nothing */
void kit_close(struct wsched *pool);        /* which is sound */
struct wsched_spec kit_spec(const char *kernel, const void *payload, size_t size);
struct wsched_future kit_submit(struct wsched *pool, const char *kernel, const void *payload,
                                size_t size);
struct wsched_future kit_submit_after(struct wsched *pool, const char *kernel, const void *payload,
                                      size_t size, const struct wsched_future *after,
                                      uint32_t count);
struct wsched_future kit_submit_retried(struct wsched *pool, const char *kernel,
                                        const void *payload, size_t size, int32_t max_retries);
struct wsched_future kit_submit_spec(struct wsched *pool, const struct wsched_spec *spec);
int kit_wait(struct wsched *pool, struct wsched_future f);  /* for ever; its wsched_result() */
long kit_long(struct wsched *pool, struct wsched_future f); /* waits; the result; releases */
long kit_fib(int n);
/* Memory that all processes share which are forked from here. */
void *kit_share(size_t size);
/* The pid of the worker in a seat, when it is in it: never 0, which kill() takes for all of us. */
pid_t kit_worker_pid(const struct wsched *pool, uint32_t seat);
/* Tasks that can be made now. */
uint32_t kit_slots_free(const struct wsched *pool);
/* How many sleep on the bell of lookout.c, as a requeue onto itself tells; and until one does. */
long kit_bell_sleepers(struct wsched *pool);
void kit_await_lookout(struct wsched *pool);

#endif
