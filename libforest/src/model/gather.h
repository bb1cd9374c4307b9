/* SPDX-License-Identifier: MIT */
/*
 * gather.h -- the trees of a forest on their way into one model.
 *
 * A model has its trees in order. A tree whose turn it is goes to its place at once; what comes
 * early waits. So there are seldom two of any, and what a tree grew in serves for the next. Large
 * trees are handed over instead of copied, and all wait: by the time they are put together the
 * memory that training takes is free.
 *
 * Trees may come from several threads at once.
 */
#ifndef GATHER_H
#define GATHER_H

#include <pthread.h>

#include "forest.h"
#include "layout.h"

#define GATHER_LARGE ((size_t)4 << 20) /* bytes from which on a tree is large */

struct gather {
    pthread_mutex_t lock;        /* of all that follows */
    uint32_t count, next;        /* those before `next` are in the block */
    struct forest_tree *trees;   /* that wait; of those in the block the headers alone */
    struct tree_header *headers; /* are kept here */
    char *block;
    size_t capacity, end;
};

/* Needs a release in any case. -ENOMEM */
int gather_start(struct gather *g, uint32_t count);
void gather_release(struct gather *g);

/* A tree, which is copied. One that has come before is not wanted again. -ENOMEM */
int gather_copy(struct gather *g, uint32_t index, const void *tree, size_t bytes);
/* A large tree, from now on the gatherer's to free. */
void gather_take(struct gather *g, uint32_t index, void *tree, size_t bytes);

/*
 * When all have come, and nobody else calls any more: the model, for free(). NULL: no executor
 *   -EINVAL  a tree has not come     -ENOMEM     and the executor's errors
 */
int gather_finish(struct gather *g, const struct forest_params *params, uint64_t features,
                  const struct forest_executor *executor, void **model, size_t *bytes);

#endif
