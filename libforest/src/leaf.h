/* SPDX-License-Identifier: MIT */
/* leaf.h -- one row's way down a tree. */
#ifndef LEAF_H
#define LEAF_H

#include "layout.h"

/* The number of the leaf that a row of float32 ends in. */
static inline uint32_t leaf_of(const struct node *tree, const float *row)
{
    uint32_t at = 0;

    while (!node_is_leaf(&tree[at]))
        at = (double)row[tree[at].feature] <= tree[at].number ? at + 1 : tree[at].right;
    return at;
}

#endif
