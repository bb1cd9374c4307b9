/* SPDX-License-Identifier: MIT */
/* tree.c -- the memory of a growing tree: header | nodes | statistics, each from a multiple of 64.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "tree.h"

#define PIECE 4096u /* nodes whose memory is made at once */

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
    if (capacity <= tree->capacity && keep_stats == (tree->stats != NULL)) {
        tree->count = tree->depth = 0;
        return 0;
    }
    tree_release(tree);
    if (capacity < INT32_MAX - capacity / 64)
        capacity += capacity / 64; /* the next one may need a few more */
    size_t nodes = ((size_t)capacity * sizeof(struct node) + 63) & ~(size_t)63, bytes;
    size_t stats =
        keep_stats ? ((size_t)capacity * sizeof(struct node_stats) + 63) & ~(size_t)63 : 0;
    if (__builtin_add_overflow(nodes, stats + sizeof(struct tree_header), &bytes))
        return -ENOMEM;
    char *block = memory_reserve(bytes);
    if (!block)
        return -ENOMEM;
    tree->block = block;
    tree->nodes = (struct node *)(void *)(block + sizeof(struct tree_header));
    if (keep_stats)
        tree->stats = (struct node_stats *)(void *)((char *)tree->nodes + nodes);
    tree->capacity = capacity;
    return 0;
}

int tree_reserve_more(struct tree *tree, uint32_t more)
{
    uint32_t from = tree->ready, to = tree->count + more;

    if (more > tree->capacity - tree->count)
        return -ENOMEM;
    to = to > from + PIECE ? to : from + PIECE;
    tree->ready = to < tree->capacity ? to : tree->capacity;
    memory_populate(tree->nodes + from, (tree->ready - from) * sizeof *tree->nodes);
    if (tree->stats)
        memory_populate(tree->stats + from, (tree->ready - from) * sizeof *tree->stats);
    return 0;
}
