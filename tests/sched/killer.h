/* SPDX-License-Identifier: MIT */
/*
 * killer.h -- one process of a pool is killed at the k-th step (common/point.h) that it passes.
 *
 *     static bool run(uint32_t k, const void *ctx)
 *     {
 *         killer_begin(KILLER_CHILD, k);
 *         open a pool, do a job, check that all is as if nothing had happened
 *         return killer_end();
 *     }
 *     killer_everywhere(run, ctx, 30);    k = 1, 2, ... until nobody was killed any more
 *
 * The driver, which calls this, is never killed.
 */
#ifndef SCHED_KILLER_H
#define SCHED_KILLER_H

#include "kit.h"

enum killer_victim {
    KILLER_NOBODY,
    KILLER_CHILD, /* a worker, or an actor */
    KILLER_SUPERVISOR,
    KILLER_GUEST, /* who called killer_be_guest() */
};

/* From now on; the processes that are forked after this know of it. */
void killer_begin(enum killer_victim victim, uint32_t k);
/* From now on it is this one's turn. */
void killer_aim(enum killer_victim victim);
/* In a child of the driver that is no supervisor. */
void killer_be_guest(void);
/* Nobody is killed from now on. Was somebody? */
bool killer_end(void);
bool killer_has_killed(void);
/* Calls run(k) until it says that nobody was killed, or something is wrong: then the step is told. At
 * least so many steps there must be. VERBOSE in the environment: each is told. */
void killer_everywhere(bool (*run)(uint32_t k, const void *ctx), const void *ctx, uint32_t least);

#endif
