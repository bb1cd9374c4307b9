/* SPDX-License-Identifier: MIT */
/* scratch.h -- memory that is kept from tree to tree. Each part only ever grows. */
#ifndef SCRATCH_H
#define SCRATCH_H

#include "grower.h"

struct arena {
    void *memory;
    size_t bytes;
};

struct grow_scratch {
    struct arena block;    /* the rows of a tree */
    struct arena inner;    /* those of a subtree, in a narrow block of its own */
    struct arena features; /* what has a size per feature */
    struct arena pending;  /* nodes */
    uint32_t narrow_rows;  /* how many a narrow block may have */
    bool plain;
};

/* At least `bytes`, aligned to 64; what was there is lost. -ENOMEM. grow.c */
int arena_reserve(struct arena *a, size_t bytes);

/* The rows of a tree, as they were given. */
struct rows {
    const double *y, *w;
    uint32_t count;    /* that take part */
    double weight_min; /* see struct search, also for the next */
    bool whole;
};

/* The block of a whole tree. -ENOMEM. block.c */
int block_of_rows(struct grower *g, const struct rows *r, const struct kernels *k, struct block *b);

#endif
