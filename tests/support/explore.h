/* SPDX-License-Identifier: MIT */
/*
 * explore.h -- walk through every state of a small model.
 *
 * A model is a state of a few bytes and a function that gives all successors of one. The walk
 * visits each reachable state once. Interleavings are sequentially consistent; what weaker
 * orders allow is argued at the edges in the sources.
 *
 * Two tests make a program of it: that no state breaks an invariant, and that some state does as
 * soon as the model makes a mistake, such as to leave out a rule, one of its list:
 *
 *     enum { RIGHT, OMIT_LOOK, OMIT_TAG, MISTAKES };
 *     static const struct model model = { sizeof(struct state), begin, step, 1000 };
 *
 *     static void holds(void) { explore_holds(&model, 2); }
 *     static void breaks(void) { explore_breaks(&model, 2, MISTAKES); }
 */
#ifndef TEST_EXPLORE_H
#define TEST_EXPLORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct explorer;

/* Emit every successor of `state`; call explore_fail() if the state breaks an invariant. */
typedef void explore_step(struct explorer *e, const void *state);

struct model {
    size_t size;                          /* of a state */
    void (*begin)(void *state, size_t n); /* fill in the n-th state to begin with; it is zeros */
    explore_step *step;
    uint64_t least; /* states from any beginning: fewer are a walk that got stuck */
};

extern int mistake; /* that the model is to make, for explore_breaks(); 0: none */

void explore_emit(struct explorer *e, const void *state);
void explore_fail(struct explorer *e, const char *what);

/*
 * Check that no state breaks on a walk from each of the first `count` beginnings. Prints how many
 * states there are, and returns it, or 0 where walks are in vain (ThreadSanitizer).
 */
uint64_t explore_holds(const struct model *m, size_t count);

/* Check, for each mistake below `mistakes`, that a state breaks from one of the beginnings. */
void explore_breaks(const struct model *m, size_t count, int mistakes);

/* MODEL=large in the environment: for those with minutes. */
bool explore_is_large(void);

#endif
