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
    uint32_t ready; /* so many nodes have memory that was made: see memory.h */
    struct node *nodes;
    struct node_stats *stats; /* NULL: not kept */
    void *block;              /* with room for a header before the nodes */
};

/* An empty tree; needs no release until something was grown into it. */
void tree_init(struct tree *tree);
void tree_release(struct tree *tree);
/* Empty the tree, and make room for `capacity` nodes; what is not filled costs nothing. -ENOMEM */
int tree_start(struct tree *tree, uint32_t capacity, bool keep_stats);

/* As tree_reserve(), which see. */
int tree_reserve_more(struct tree *tree, uint32_t more);
/* Before some more nodes are added. -ENOMEM: there is no room */
static inline int tree_reserve(struct tree *tree, uint32_t more)
{
    return more <= tree->ready - tree->count ? 0 : tree_reserve_more(tree, more);
}

#endif
