/* SPDX-License-Identifier: MIT */
/* leaf.h -- one row's way down a tree. */
#ifndef LEAF_H
#define LEAF_H

#include "model/layout.h"

/* From an inner node to the child that the row goes to. */
static inline uint32_t leaf_step(const struct node *tree, uint32_t at, const float *row)
{
    return (double)row[tree[at].feature] <= tree[at].number ? at + 1 : tree[at].right;
}

/* The number of the leaf that a row of float32 ends in. */
static inline uint32_t leaf_of(const struct node *tree, const float *row)
{
    uint32_t at = 0;

    while (!node_is_leaf(&tree[at]))
        at = leaf_step(tree, at, row);
    return at;
}

#endif
