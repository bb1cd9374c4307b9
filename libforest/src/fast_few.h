/* SPDX-License-Identifier: MIT */
/*
 * fast_few.h -- subtrees of up to 64 rows of a block, whose lists are one register each.
 *
 * A row is called by its place among the root's, ascending; a feature's list is a name a byte, and
 * so is its table of ranks by name. Units, and what rows are worth, are those of the block: the
 * tree is what it would be if the block went on. As in tiny subtrees, the lists of a node that
 * waits stay where its parent's were, and those of the left child go one level up.
 */
#ifndef FAST_FEW_H
#define FAST_FEW_H

#include "fast_grower.h"

#define FEW_ROWS 64u
#define FEW_FEATURES 128u /* with more, the lists of those who wait are too much memory */
#define FEW_LEVELS (FEW_ROWS - FAST_TINY_ROWS + 1) /* nodes that wait, and the one at hand */

struct fast_few {
    struct fast_grower *g;
    const struct fast_block *b;
    uint32_t features;
    uint8_t (*ranks)[FEW_ROWS]; /* by feature, then name */
    uint8_t (*lists)[FEW_ROWS]; /* by level, then feature */
    uint64_t *fresh; /* by feature, of the node at hand: places whose value is not that before */
    float (*rates)[FEW_ROWS]; /* by number of the feature in a search, then place */
    uint32_t slot[FEW_ROWS];  /* by name; and as in the block: */
    int32_t rough[FEW_ROWS];
    fast_worth worth[FEW_ROWS];
    double y[FEW_ROWS];
};

static inline const uint8_t (*few_lists(const struct fast_few *t, uint32_t level))[FEW_ROWS]
{
    return (const uint8_t(*)[FEW_ROWS])t->lists + (size_t)level * t->features;
}

/* Memory of both kinds of subtrees, at fast_block.tiny. fast_few_avx512.c */
size_t fast_few_bytes_avx512(uint32_t features);
/* The subtree of a node that is no leaf, of FAST_TINY_ROWS + 1..FEW_ROWS rows; b->rough is there. */
int fast_grow_few_avx512(struct fast_grower *g, const struct fast_block *b,
                         const struct fast_node *node);
/* That of a tiny node inside: `names` are its rows, the lists are those of `level`. */
int fast_grow_tiny_of_few_avx512(const struct fast_few *t, const struct fast_node *node,
                                 uint64_t names, uint32_t level);

#endif
