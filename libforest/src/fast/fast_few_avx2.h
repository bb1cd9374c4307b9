/* SPDX-License-Identifier: MIT */
/*
 * fast_few_avx2.h -- subtrees of up to 64 rows of a block of the fast mode, with AVX2.
 *
 * A name is a place among the root's rows, ascending, and a byte. Each feature has a list of names
 * by ascending rank, and beside it the ranks, which are those among the root's rows. Of a node's
 * children the left one's lists stay where the node's were, the right one's go behind all that
 * wait. Units, and what rows are worth, are those of the block: the tree is what it would be if the
 * block went on.
 */
#ifndef FAST_FEW_AVX2_H
#define FAST_FEW_AVX2_H

#include "fast_grower.h"

#define FAST_FEW_NAMES 64u
#define FAST_FEW_FEATURES 128u /* with more, the lists are too much memory */
/* A list: of the root, and of up to as many that wait, each with room behind; and some to read. */
#define FAST_FEW_LIST (2 * FAST_FEW_NAMES + 16 * FAST_FEW_NAMES + 64)

struct fast_few_avx2 {
    struct fast_grower *g;
    const struct fast_block *b;
    uint32_t features, rows;
    uint8_t (*columns)[FAST_FEW_NAMES];                       /* by feature, then name: ranks */
    uint8_t (*names)[FAST_FEW_LIST], (*ranks)[FAST_FEW_LIST]; /* by feature */
    uint32_t slot[FAST_FEW_NAMES];                            /* by name; and as in the block: */
    fast_worth worth[FAST_FEW_NAMES];
    double y[FAST_FEW_NAMES];
    int32_t rough[FAST_FEW_NAMES];
    uint64_t cells[FAST_FEW_NAMES]; /* of the node at hand: rough sum below, weight above */
    float (*rates)[8];              /* by group of features and place, then lane */
};

/* Memory of both kinds of subtrees, at fast_block.tiny. */
size_t fast_few_bytes_avx2(uint32_t features);
/* The subtree of a node that is no leaf, of FAST_TINY_ROWS + 1..FAST_FEW_NAMES rows; b->rough is there. */
int fast_grow_few_avx2(struct fast_grower *g, const struct fast_block *b,
                       const struct fast_node *node);
/* That of a tiny node inside, whose lists are at `at`. fast_tiny_avx2.c */
int fast_grow_tiny_of_few_avx2(const struct fast_few_avx2 *t, const struct fast_node *node,
                               uint64_t names, uint32_t at);

#endif
