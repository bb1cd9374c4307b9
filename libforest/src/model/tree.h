/* SPDX-License-Identifier: MIT */
/* tree.h -- a tree while it grows. */
#ifndef TREE_H
#define TREE_H

#include <stdbool.h>
#include <stdint.h>

#include "layout.h"

/*
 * A tree as it grows, in the memory that is its block in the end: see flat.h. Nodes are in
 * preorder, the root first.
 */
struct tree {
    uint32_t count, capacity, depth;
    struct node *nodes;
    struct node_stats *stats; /* NULL: not kept */
    void *block;              /* with room for a header before the nodes */
};

/* An empty tree; needs no release until something was grown into it. */
void tree_init(struct tree *tree);
void tree_release(struct tree *tree);
/* Empty the tree, and make room for `capacity` nodes; what is not filled costs nothing. -ENOMEM */
int tree_start(struct tree *tree, uint32_t capacity, bool keep_stats);

#endif
