/* SPDX-License-Identifier: MIT */
/*
 * fast_few.h -- subtrees of up to 64 rows of a block of the fast mode: see few.h.
 *
 * A name is a place among the root's rows, ascending. Units, and what rows are worth, are those of
 * the block: the tree is what it would be if the block went on.
 */
#ifndef FAST_FEW_H
#define FAST_FEW_H

#include "fast_grower.h"
#include "exact/few.h"

struct fast_few {
    struct few_lists l;
    struct fast_grower *g;
    const struct fast_block *b;
    uint32_t slot[FEW_ROWS]; /* by name; and as in the block: */
    int32_t rough[FEW_ROWS];
    fast_worth worth[FEW_ROWS];
    double y[FEW_ROWS];
};

/* Memory of both kinds of subtrees, at fast_block.tiny. fast_few_avx512.c */
size_t fast_few_bytes_avx512(uint32_t features);
/* The subtree of a node that is no leaf, of FAST_TINY_ROWS + 1..FEW_ROWS rows; b->rough is there. */
int fast_grow_few_avx512(struct fast_grower *g, const struct fast_block *b,
                         const struct fast_node *node);
/* That of a tiny node inside: `names` are its rows, the lists are those of `level`. */
int fast_grow_tiny_of_few_avx512(const struct fast_few *t, const struct fast_node *node,
                                 uint64_t names, uint32_t level);

#endif
