/* SPDX-License-Identifier: MIT */
/* tree.c -- the memory of a growing tree: header | nodes | statistics, each from a multiple of 64.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/huge.h"
#include "tree.h"

void tree_init(struct tree *tree)
{
    memset(tree, 0, sizeof *tree);
}

void tree_release(struct tree *tree)
{
    free(tree->block);
    tree_init(tree);
}

int tree_start(struct tree *tree, uint32_t capacity, bool keep_stats)
{
    size_t nodes = ((size_t)capacity * sizeof(struct node) + 63) & ~(size_t)63, bytes;
    size_t stats =
        keep_stats ? ((size_t)capacity * sizeof(struct node_stats) + 63) & ~(size_t)63 : 0;
    if (capacity <= tree->capacity && keep_stats == (tree->stats != NULL)) {
        tree->count = tree->depth = 0;
        return 0;
    }
    tree_release(tree);
    if (__builtin_add_overflow(nodes, stats + sizeof(struct tree_header), &bytes))
        return -ENOMEM;
    char *block = huge_alloc(bytes);
    if (!block)
        return -ENOMEM;
    tree->block = block;
    tree->nodes = (struct node *)(void *)(block + sizeof(struct tree_header));
    if (keep_stats)
        tree->stats = (struct node_stats *)(void *)((char *)tree->nodes + nodes);
    tree->capacity = capacity;
    return 0;
}
