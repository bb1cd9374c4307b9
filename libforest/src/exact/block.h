/* SPDX-License-Identifier: MIT */
/*
 * block.h -- a set of rows with all their features at hand: a small tree, or a subtree of a large.
 *
 * The rows of a block are called slots, 0..rows-1. An entry is a feature's rank and a slot in
 * one word of 32 bits, the rank on top, so that comparing entries compares ranks first. Ranks are
 * dense or at least ascending, and equal exactly where the feature's values are.
 *
 * A node is a range [start, end) of
 *   order      its entries in the order that the rules give its samples; ranks there mean nothing
 *   lists[f]   its entries by ascending rank of feature f
 * Invariants
 *   B1  order and all lists whose ranks differ somewhere hold the same slots. (A list of equal
 *       ranks is never read beyond its first and last rank, so it is not kept up.)
 *   B2  Arrays end in BLOCK_PAD entries that may be read, and overwritten with anything. The entry
 *       before a list may be read, too.
 */
#ifndef BLOCK_H
#define BLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "data/prep.h"
#include "merit.h"

#define BLOCK_ROWS_MAX ((uint32_t)PREP_BLOCK_ROWS_MAX)
#define BLOCK_PAD 64u
#define NO_SLOT UINT32_MAX

struct few_sorts;
struct grower;
struct large;
struct pending;

struct block {
    const struct prep *prep;
    uint32_t rows, features;
    size_t stride; /* entries from one list to the next: rows + BLOCK_PAD */
    uint32_t *order;
    uint32_t *lists;                /* features x stride */
    uint16_t *ranks;                /* features x stride: rank of each slot */
    uint32_t *temp, *temp2, *temp3; /* stride entries each, and temp2 2 * BLOCK_PAD more */
    const uint32_t *close;          /* by feature: 1 if some values differ, but not by PREP_APART */
    /* features x near_words: by rank, as prep_near() by value; of `close` features */
    uint64_t *near;
    size_t near_words;
    uint64_t *ties; /* a bit per position of the list at hand: its rank is that of the one before */
    double *wy, *w; /* by slot: weight times target, weight */
    double *wyy;    /* (w * y) * y */
    /*
     * By slot, if weights are whole numbers and small, else NULL: w * (y - center) / unit as a whole
     * number, shifted up by weight_bits, plus w. Such numbers add up without rounding, so that
     * sums of both are at hand in one; they do for estimates. `unit` is a power of two.
     */
    int64_t *worth;
    uint32_t weight_bits;
    double center, unit;
    uint32_t *row; /* by slot: row of the data set */
    void *small;   /* for subtrees of a few rows */
    const struct few_sorts *few;
};

/* What a split search needs to know of a node, and what it finds. */
struct search {
    uint32_t start, n;
    const uint32_t *features; /* visited and not constant, in the order they were drawn */
    uint32_t count;
    uint32_t min_samples_leaf;
    double min_weight_leaf;
    bool is_friedman;
    double sum, sumsq, weight;
    double unit;       /* of the block, if it has packed targets; else 0 */
    double weight_min; /* of any row of the tree; 0: do not estimate, numbers may be out of hand */
    bool whole;        /* weights are whole numbers, so that their sums are exact */
    bool tied;         /* some of these features have ties in this node */
    bool close; /* some may have values too close to tell apart: look at values, not at ranks */
};

/*
 * How far apart two estimates of cuts must be to tell which is better. An estimate is
 *     (sl - m * wl)^2 / (wl * wr),   sl, wl, wr: sum and weights of the sides, m: mean of the node
 * which, up to a factor and a constant of the node, is what the rules compare. It is off by
 *   - its own arithmetic, 2^-27 of itself at most, and the rounding of wl and wr;
 *   - the rounding of m and of the rules' formula, which counts as often as the sides differ in
 *     weight: 2^-52 * sqrt(wl / wr) of m^2 and itself; that of Friedman's formula, in which
 *     wr * sl - wl * sr is off by 2^-53 * (3 |u| w + 4 |m| wl * wr), u = sl - m * wl, is no more;
 *   - the rounding of sl and wl, which may have been added up in another order than the rules
 *     would: of n numbers of absolute sum A that is n * 2^-53 * A, and A^2 <= weight * sumsq;
 *   - that of packed targets: a unit for each row at most, as often in m.
 * Each is taken several times larger than that.
 */
static inline double estimate_error(const struct search *s, double best)
{
    double ratio = s->weight / s->weight_min, n = s->n, mean = s->sum / s->weight;
    double own = (0x1p-24 + (s->whole ? 0.0 : 0x1p-50 * n * ratio)) * best;
    double formula = 0x1p-50 * __builtin_sqrt(ratio) * (mean * mean + best);
    double sum = 0x1p-49 * n * __builtin_sqrt(s->weight * s->sumsq) + 4 * n * s->unit;
    double sides = s->weight_min * s->weight * 0.5; /* wl * wr at the least */
    return own + formula + 2 * __builtin_sqrt(best / sides) * sum + sum * sum / sides;
}

struct found {
    uint32_t feature;
    uint32_t pos; /* rows that go left; 0: nothing found */
};

/* The best cut so far of a feature or of several. */
struct rated_cut {
    double proxy;
    uint32_t pos; /* 0: none */
};

/* A cut of a node of n: the `left` entries of ranks up to `last_rank` of `feature` go left. */
struct cut {
    uint32_t feature, n, left, last_rank;
};

/* Sums over one node in the order of its samples. */
struct sums {
    double sum, sumsq, weight;
};

/* The inner loops, for one kind of processor. All give equal bits. */
struct kernels {
    /* List, ranks and near bits of a feature; slot_of says, by row, the slot or NO_SLOT. */
    void (*fill_list)(const struct block *b, const uint32_t *slot_of, uint32_t feature);
    /* Fill b->ties for n entries; false if there are none. */
    bool (*find_ties)(const struct block *b, const uint32_t *list, uint32_t n);
    /* Reorder the ties of `list` as the rules' sort would, which sees the samples as `from`. */
    void (*sort_ties)(const struct block *b, uint32_t feature, const uint32_t *from, uint32_t *list,
                      uint32_t n);
    /* The best cut if it is clear without the order of ties; else pos is 0. May be NULL. */
    struct found (*estimate)(const struct block *b, const struct search *s);
    /* The best cut as the rules find it. Ties must be in order. */
    struct found (*rate)(const struct block *b, const struct search *s);
    /* Copy `from` to `order`, a range of b->order, parted by the cut as the rules do. */
    void (*split_order)(const struct block *b, const struct cut *c, const uint32_t *from,
                        uint32_t *order);
    /* Part a list but that of the cut's feature, after split_order(); both sides keep their order. */
    void (*split_list)(const struct block *b, const struct cut *c, uint32_t *list);
    /* Sums of both children, and what is left of the parent's after taking the right's away. */
    void (*sum_children)(const struct block *b, const struct cut *c, const uint32_t *order,
                         struct sums child[2], struct sums *rest);
    /* Subtrees of up to so many rows may be handed over, if no feature is `close`. */
    uint32_t small_rows;
    size_t (*small_bytes)(uint32_t features);
    int (*grow_small)(struct grower *g, const struct block *b, const struct pending *root);
    /* Likewise of up to few_rows, if there are packed targets and up to few_features features;
     * -EAGAIN: not these rows. */
    uint32_t few_rows, few_features;
    int (*grow_few)(struct grower *g, const struct block *b, const struct pending *root);
    /* Of nodes that are too large for a block, see grow_large.h: */
    /* Reorder the ties of l->slots as the rules' sort would, which sees the samples as l->order. */
    void (*sort_large)(const struct large *l);
    /* Improve on the best cut among those of one feature, sorted. */
    void (*rate_large)(const struct large *l, const struct search *s, struct rated_cut *best);
};

#endif
