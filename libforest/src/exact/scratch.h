/* SPDX-License-Identifier: MIT */
/* scratch.h -- memory that is kept from tree to tree. Each part only ever grows. */
#ifndef SCRATCH_H
#define SCRATCH_H

#include "base/gain_heap.h"
#include "grower.h"
#include "sort_few.h"

struct arena {
    void *memory;
    size_t bytes;
};

struct grow_scratch {
    struct arena block;      /* the rows of a small tree, or of a subtree */
    struct arena slots;      /* of a small tree: by row of the data set */
    struct arena large;      /* the rows of a large tree */
    struct arena features;   /* what has a size per feature */
    struct arena pending;    /* nodes */
    struct arena candidates; /* nodes, best first, */
    struct gain_heap heap;   /* by gain */
    uint32_t rows_most;      /* for tests: limits the next two */
    uint32_t block_rows;     /* how many a block may have */
    uint32_t narrow_rows;    /* how many are sorted by names of 16 bits */
    const struct kernels *kernels;
    bool has_few; /* what follows was made */
    struct few_sorts few;
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

/* Memory for a block; `close` is where b->close points. -ENOMEM. block.c */
int block_reserve(struct grower *g, uint32_t rows, struct block *b, uint32_t **close);
/* Fill b->worth and what belongs to it, or say that there is none. block.c */
void block_pack(struct block *b, bool whole);
/* The block of a whole tree, of a data set with orders. -ENOMEM. block.c */
int block_of_rows(struct grower *g, const struct rows *r, struct block *b);

#endif
