/* SPDX-License-Identifier: MIT */
/*
 * grown.h -- a tree as the general grower makes it: nodes in scikit-learn's order, linked both ways
 * by number. From there it may be pruned (prune.c), and becomes a block (flatten.c).
 */
#ifndef GROWN_H
#define GROWN_H

#include <stdbool.h>
#include <stdint.h>

#include "flat.h"
#include "tree.h"

struct grown_node {
    uint32_t left, right; /* 0: a leaf, as no child is the root */
    uint32_t feature;
    uint32_t rows;
    double threshold, impurity, weight;
    double value; /* regression: the mean; classification: which row of `weights` */
};

/* Arrays that only ever grow; classes 0: regression. */
struct grown {
    uint32_t count, capacity;
    uint32_t weights_count, weights_capacity; /* in rows of `classes` doubles */
    uint32_t classes;
    struct grown_node *nodes;
    double *weights; /* of each class, in the nodes whose value says so */
    void *room;      /* for whoever works on the tree */
    size_t room_bytes;
};
#define GROWN_NO_WEIGHTS (-1.0) /* as a value: an inner node, whose weights nobody wants */

void grown_start(struct grown *grown, uint32_t classes);
void grown_release(struct grown *grown);
/* Append a node, all zero; its number goes to *id. -ENOMEM */
int grown_add(struct grown *grown, uint32_t *id);
/* Room to work in, until it is asked for again; NULL: no memory. */
void *grown_room(struct grown *grown, size_t bytes);
/* Keep the classes' weights of the node, times `unit`. -ENOMEM */
int grown_keep_weights(struct grown *grown, uint32_t id, const double *weights, double unit);

static inline const double *grown_weights(const struct grown *grown, uint32_t id)
{
    return grown->weights + (size_t)grown->nodes[id].value * grown->classes;
}

/* What a regression tree with statistics says. -ENOMEM */
int grown_unpack(const struct tree *tree, struct grown *out);

/* Minimal cost-complexity pruning, 0 < alpha. -ENOMEM */
int grown_prune(struct grown *grown, double alpha);

/* A block of memory that is kept from tree to tree. */
struct flat_buffer {
    void *block;
    size_t bytes;
};
/* Write the tree as a block into the buffer, which keeps it. -ENOMEM */
int grown_flatten(struct grown *grown, const struct flat_identity *identity,
                  struct flat_buffer *buffer, const void **block, size_t *bytes);

#endif
