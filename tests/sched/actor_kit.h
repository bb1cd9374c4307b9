/* SPDX-License-Identifier: MIT */
/* actor_kit.h -- what the tests of actors share. */
#ifndef SCHED_ACTOR_KIT_H
#define SCHED_ACTOR_KIT_H

#include "kit.h"

extern struct wsched *pool;   /* of the test that runs */
extern const char *pool_name; /* of the next one; NULL: none */

/*
 * Kernels, beside those of the kit and the test's own: "c_new" makes a counter, which starts with the
 * payload; "c_add" adds the payload to it; "a_die" dies if its attempt is at most the payload's, else
 * its result is the attempt.
 */
void actor_open(uint32_t workers, uint32_t actors, const struct wsched_kernel *own, size_t count);

/* What a counter is, for kernels that are a test's own. */
struct counter {
    long value, calls, incarnation, last[8];
};

struct wsched_actor new_actor(const char *name, const char *constructor, long start,
                              int32_t max_restarts, uint32_t capacity);
struct wsched_future call(struct wsched_actor actor, const char *kernel, const void *payload,
                          size_t size, int32_t max_retries);
struct wsched_future call_long(struct wsched_actor actor, const char *kernel, long v);
/* Of a "c_add": the value, and if asked for how many calls this incarnation has served, and which it
 * is. */
long counted(struct wsched_future f, long *calls, long *incarnation);
/* Its error, and CHECK that its failure says `text` (NULL: whatever). It is given back. */
int ends_with(struct wsched_future f, const char *text);
/* Until the actor's calls are answered with -EOWNERDEAD, which comes by itself. */
void expect_end(struct wsched_actor actor);

#endif
