/* SPDX-License-Identifier: MIT */
/*
 * few.h -- subtrees of up to 64 rows of a block, whose lists are one register each.
 *
 * A row is called by a name, 0..63; a feature's list is a name a byte, and so is its table of ranks
 * by name. The lists of a node that waits stay where its parent's were, and those of the left
 * child go one level up. Nodes of up to 16 rows are handed over, with the lists they need. The
 * exact mode's are in few_avx512.c, those of the fast mode in fast_few_avx512.c.
 */
#ifndef FEW_H
#define FEW_H

#include "small.h"

#define FEW_ROWS 64u
#define FEW_FEATURES 128u /* with more, the lists of those who wait are too much memory */
#define FEW_LEVELS (FEW_ROWS - SMALL_ROWS + 1) /* nodes that wait, and the one at hand */

/* Lists and what goes with them, of either mode. */
struct few_lists {
    uint32_t features;
    uint8_t (*ranks)[FEW_ROWS]; /* by feature, then name */
    uint8_t (*lists)[FEW_ROWS]; /* by level, then feature */
    uint64_t *fresh; /* by feature, of the node at hand: places whose value is not that before */
    float (*rates)[FEW_ROWS]; /* by number of the feature in a search, then place */
};

static inline uint8_t (*few_lists(const struct few_lists *l, uint32_t level))[FEW_ROWS]
{
    return l->lists + (size_t)level * l->features;
}

static inline size_t few_bytes(uint32_t features)
{
    return (size_t)features *
           (FEW_ROWS * (1 + FEW_LEVELS) + sizeof(float[FEW_ROWS]) + sizeof(uint64_t));
}

static inline struct few_lists few_lay_out(char *memory, uint32_t features)
{
    struct few_lists l = { .features = features, .ranks = (uint8_t(*)[FEW_ROWS])memory };
    l.lists = l.ranks + features;
    l.rates = (float(*)[FEW_ROWS])(void *)(l.lists + (size_t)features * FEW_LEVELS);
    l.fresh = (uint64_t *)(void *)(l.rates + features);
    return l;
}

/* A subtree of the exact mode. A name is a place in the order of the root's samples. */
struct few {
    struct few_lists l;
    struct grower *g;
    const struct block *b;
    struct addends addends[FEW_ROWS];
    double wy[FEW_ROWS], w[FEW_ROWS];
    int32_t rough[FEW_ROWS]; /* see rough.h, in these units: */
    double unit;
    uint32_t row[FEW_ROWS];
};

/* few_avx512.c: of SMALL_ROWS + 1..FEW_ROWS rows, in a block with packed targets. */
int grow_few_avx512(struct grower *g, const struct block *b, const struct pending *root);
/* small_avx512.c: where its memory is, b->small; and a node of such a subtree. `order` are its samples. */
char *few_memory_avx512(const struct block *b);
int grow_small_of_few_avx512(const struct few *f, const struct pending *root, const uint8_t *order,
                             uint32_t level);

#endif
