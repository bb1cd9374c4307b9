/* SPDX-License-Identifier: MIT */
/* fiber.h -- tasks that run on stacks of their own, and can be left and entered; fiber.c explains. */
#ifndef WSCHED_FIBER_H
#define WSCHED_FIBER_H

#include "pool.h"

/* Run a task that was claimed, until it ends or waits. False: no memory for a stack. */
bool fiber_run(struct wsched *p, const struct wsched_task *task, uint64_t word, bool stolen);
/* In one: leave it until may_go_on(), the deadline, or the end of the pool. */
void fiber_wait(struct wsched *p, bool (*may_go_on)(void *), void *arg, int64_t deadline);
/* Enter one that may go on, again until it ends or waits. False: there is none. */
bool fiber_resume(struct wsched *p);
bool fibers_are_ready(const struct wsched *p); /* it would enter one */
int64_t fibers_deadline(const struct wsched *p); /* until which nothing else makes it do so */
void fibers_finish(struct wsched *p); /* nothing new is run: until all have ended */
void fibers_free(struct wsched *p);

#endif
