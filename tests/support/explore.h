/* SPDX-License-Identifier: MIT */
/*
 * explore.h -- walk through every state of a small model.
 *
 * A model is a state of a few bytes and a function that gives all successors of one. The walk
 * visits each reachable state once. Interleavings are sequentially consistent; what weaker
 * orders allow is argued at the edges in the sources.
 */
#ifndef TEST_EXPLORE_H
#define TEST_EXPLORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct explorer;

/* Emit every successor of `state`; call explore_fail() if the state breaks an invariant. */
typedef void explore_step(struct explorer *e, const void *state);

/* How many states there are; 0 if some broke an invariant (said on stderr unless `quiet`). */
uint64_t explore(const void *initial, size_t size, explore_step *step, bool quiet);
void explore_emit(struct explorer *e, const void *state);
void explore_fail(struct explorer *e, const char *what);

#endif
