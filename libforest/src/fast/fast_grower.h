/* SPDX-License-Identifier: MIT */
/*
 * fast_grower.h -- the state of one tree of the fast mode while it grows, shared by its parts.
 *
 * Nodes of up to FAST_TINY_ROWS are grown, with all that is below them, in a few registers
 * (fast_tiny*.c), subtrees of up to FAST_BLOCK_ROWS in a block (fast_block.c), larger nodes from
 * bins that narrow down where the best cut is (fast_large.c). Each of these subtrees has units of its own,
 * so which is which shows in the tree, and must depend on nothing but the rows of the node. Inside
 * a block there may be a narrow one, of up to FAST_NARROW_ROWS, whose units are the same.
 */
#ifndef FAST_GROWER_H
#define FAST_GROWER_H

#include "data/edges.h"
#include "fast.h"
#include "fast_units.h"
#include "exact/grower.h"
#include "general/list_loops.h"
#include "exact/scratch.h"

#define FAST_TINY_ROWS 16u
#define FAST_NARROW_ROWS 1024u /* a bit for each fits two registers */

/*
 * Some rows, with all features at hand. A row is a slot here; slots ascend with rows. An entry of a
 * list is a rank, in the upper half, and a slot; ranks differ exactly where values do. A node is
 * a range of all lists. A list of a feature that is constant in a node is not kept up below it.
 */
struct fast_block {
    uint32_t rows, features;
    size_t stride;   /* of lists */
    uint32_t *lists; /* features x stride: by ascending rank, then slot */
    uint32_t *order; /* ascending slots */
    uint32_t *spare; /* stride; twice if there is `rough` */
    uint8_t *side;   /* by slot: 1 if it goes left; and names of tiny subtrees */
    fast_worth *worth;
    int32_t *rough; /* as lists, of each entry; NULL: not kept. See fast_rough.h */
    int32_t *rough_worth;
    float *rates;         /* by feature: what a rough search finds */
    uint32_t rough_shift; /* sums are less exact by so many bits */
    double *y, *w;        /* by slot: as in struct fast_grower */
    uint32_t *row;        /* by slot: where its values are in each column */
    const float *columns;
    float *own_columns; /* NULL, or memory of `features` x stride for them */
    size_t column_stride;
    struct fast_units units;
    double weight_least; /* of a child, in units */
    double weight_all;   /* of the tree, in units */
    void *tiny;
};

/* A node that waits for its turn. */
struct fast_node {
    uint32_t start, end, depth;
    uint32_t constants;
    int32_t parent; /* -1: root */
    bool is_left, is_leaf;
    fast_worth all;
};

struct fast_grower {
    struct grower g; /* what draws features, and the tree */
    struct fast_scratch *scratch;
    const struct fast_kernels *kernels;
    double y_unit, w_unit; /* powers of two: targets and weights are divided by them */
    bool whole;            /* weights are whole numbers, w_unit is 1 */
    double weight_all;     /* so divided */
    double weight_least;   /* of a child, so divided */
};

/* A node that is searched. */
struct fast_search {
    uint32_t start, n, min_rows;
    uint32_t bits;
    fast_worth all;
    double weight_least;
    const uint32_t *features; /* in the order they were drawn */
    uint32_t count;
};

/*
 * The best cut. Cuts of one feature are compared crosswise, without a division, from the lowest
 * threshold up; the best of each by their quotients, in the order of features.
 */
struct fast_cut {
    double gain;
    uint32_t pos; /* rows that go left; 0: none */
    uint32_t feature;
    fast_worth left;
};

/* The bins of a feature's values. */
struct fast_coding {
    const float *edges;  /* EDGES_BINS: see edges.h */
    float *least, *most; /* by bin, of the values in it */
    uint8_t *codes;
    size_t stride; /* of codes */
};

/* The inner loops, for one kind of processor. All give equal bits. */
struct fast_kernels {
    /* Entries of the feature's rows that have a slot; returns how many there are. */
    void (*fill_list)(const struct prep *prep, uint32_t feature, const uint32_t *slot_of,
                      uint32_t *list);
    struct fast_cut (*search)(const struct fast_block *b, const struct fast_search *s);
    /* The code of each of n rows: how many edges are not above its value. Notes least and most. */
    void (*fill_codes)(const struct fast_coding *c, const float *column, const uint32_t *row,
                       uint32_t n);
    /* Part n entries by the sides of their slots; both sides keep their order. */
    void (*part)(uint32_t *list, uint32_t n, const uint8_t *side, uint32_t *spare);
    /* The same, and with them what is kept of each beside it; NULL: no use is made of that. */
    void (*part_rough)(uint32_t *list, int32_t *rough, uint32_t n, const uint8_t *side,
                       uint32_t *spare);
    /* Part n entries from `start` on of all lists but this one, and `order`, of a block of up to
     * FAST_NARROW_ROWS; NULL: these are as all others. */
    void (*part_narrow)(const struct fast_block *b, uint32_t start, uint32_t n, uint32_t feature);
    /* The subtree of a node that is no leaf, of 2..FAST_TINY_ROWS rows. */
    size_t (*tiny_bytes)(uint32_t features);
    int (*grow_tiny)(struct fast_grower *g, const struct fast_block *b,
                     const struct fast_node *node);
    /* Likewise of up to few_rows rows, in the units of the block, if b->rough is kept and there are
     * up to few_features. */
    uint32_t few_rows, few_features;
    int (*grow_few)(struct fast_grower *g, const struct fast_block *b,
                    const struct fast_node *node);
};

extern const struct fast_kernels fast_kernels_plain, fast_kernels_avx2, fast_kernels_avx512;

void fast_fill_list_plain(const struct prep *prep, uint32_t feature, const uint32_t *slot_of,
                          uint32_t *list);
void fast_search_one_plain(const struct fast_block *b, const struct fast_search *s,
                           uint32_t feature, struct fast_cut *best);
struct fast_cut fast_search_plain(const struct fast_block *b, const struct fast_search *s);
void fast_fill_codes_plain(const struct fast_coding *c, const float *column, const uint32_t *row,
                           uint32_t n);
size_t fast_tiny_bytes_plain(uint32_t features);
int fast_grow_tiny_plain(struct fast_grower *g, const struct fast_block *b,
                         const struct fast_node *node);
int fast_grow_tiny_avx2(struct fast_grower *g, const struct fast_block *b,
                        const struct fast_node *node);
int fast_grow_tiny_avx512(struct fast_grower *g, const struct fast_block *b,
                          const struct fast_node *node);

/* The gain of a cut, see fast_units.h. */
static inline void fast_gain(double s, double w, double sl, double wl, double *top, double *bottom)
{
    double d = sl * w - s * wl;
    *top = d * d;
    *bottom = wl * (w - wl);
}

/* How much the cut lowers the impurity of the tree, in squares of y_unit. */
static inline double fast_decrease(const struct fast_units *u, double weight_all, double w,
                                   double gain)
{
    return gain / w / weight_all / u->scale / u->scale;
}

/* `weight` in units. */
static inline bool fast_is_leaf(const struct grow_limits *m, uint32_t n, uint32_t depth,
                                double weight, double weight_least)
{
    return n < 2 || depth >= m->max_depth || n < m->min_samples_split ||
           n < 2 * (uint64_t)m->min_samples_leaf || weight < 2 * weight_least;
}

static inline bool fast_is_worth_it(const struct fast_grower *g, const struct fast_units *u,
                                    double weight_all, double w, double gain)
{
    double least = g->g.limits->min_impurity_decrease;
    if (least <= 0.0)
        return true;
    double decrease = fast_decrease(u, weight_all, w, gain) * g->y_unit * g->y_unit;
    return decrease + GROW_EPSILON >= least;
}

/* The units of a set of rows, and with them its worth. Fills the last fields of b. fast_block.c */
void fast_block_measure(const struct fast_grower *g, struct fast_block *b);
/* A feature's list was filled: fill what is beside it. fast_block.c */
void fast_block_take(const struct fast_block *b, uint32_t feature);
/* Memory for a block of so many rows. -ENOMEM. fast_block.c */
int fast_block_reserve(struct fast_grower *g, uint32_t rows, bool own_columns,
                       struct fast_block *b);
/* Grow the subtree of node, which is all of the block. `bottom` pending nodes are not its own. */
int fast_grow_block(struct fast_grower *g, const struct fast_block *b, const struct fast_node *node,
                    size_t bottom);

/* All entries of a list are of one rank. */
static inline bool fast_are_ties(const uint32_t *list, uint32_t n)
{
    return list[0] >> 16 == list[n - 1] >> 16;
}

static inline const float *fast_column(const struct fast_block *b, uint32_t feature)
{
    return b->columns + feature * b->column_stride;
}

/* The tree of all rows that weigh something, whatever their number. -ENOMEM. fast_large.c */
int fast_grow_large(struct fast_grower *g, const double *y, const double *w, uint32_t count);

/* A node of b whose rows, and what they are worth, are given. fast_block.c */
struct fast_node fast_child(const struct fast_grower *g, const struct fast_block *b, uint32_t start,
                            uint32_t end, uint32_t depth, fast_worth all);

/* All rows of b. fast_block.c */
struct fast_node fast_root(const struct fast_grower *g, const struct fast_block *b);

/* Room for a count of waiting nodes. -ENOMEM. fast.c */
int fast_reserve_nodes(struct fast_scratch *s, size_t count, struct fast_node **nodes);

struct fast_scratch {
    struct arena block, narrow, slots, large, items, features, nodes;
    const struct fast_kernels *kernels;
    uint32_t block_rows; /* FAST_BLOCK_ROWS, but in tests */
};

#endif
