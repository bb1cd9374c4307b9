/* SPDX-License-Identifier: MIT */
/*
 * block.h -- a set of rows under work: a whole tree, or a subtree small enough for short names.
 *
 * The rows of a block are called slots, 0..rows-1. An entry is a feature's rank and a slot in
 * one word, the rank on top, so that comparing entries compares ranks first. Ranks are dense
 * or at least ascending, and equal exactly where the feature's values are. A narrow block has at
 * most 65,536 rows and 32-bit entries, a wide one 64-bit entries.
 *
 * A node is a range [start, end) of
 *   order      its entries in the order that the rules give its samples; ranks there mean nothing
 *   lists[f]   its entries by ascending rank of feature f
 * Invariants
 *   B1  order and all lists whose ranks differ somewhere hold the same slots. (A list of equal
 *       ranks is never read beyond its first and last rank, so it is not kept up.)
 *   B2  Arrays end in BLOCK_PAD entries that may be read, and overwritten with anything.
 */
#ifndef BLOCK_H
#define BLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "prep.h"

#define NARROW_ROWS_MAX 65536u
#define BLOCK_PAD 64u
#define NO_SLOT UINT32_MAX

struct grower;
struct pending;

struct block {
    const struct prep *prep;
    uint32_t rows, features;
    uint32_t narrow_rows; /* subtrees of so many go to a narrow block, if this is a wide one */
    size_t stride;        /* entries from one list to the next: rows + BLOCK_PAD */
    void *order;          /* entries */
    void *lists;          /* features x stride entries */
    void *ranks;          /* features x stride: rank of each slot, half an entry wide */
    void *temp, *temp2, *temp3; /* stride entries each */
    uint64_t
        *near; /* features x near_words: by rank, as prep_near() by value; of `close` features */
    size_t near_words;
    uint64_t *ties; /* a bit per position of the list at hand: its rank is that of the one before */
    double *wy, *w; /* by slot: weight times target, weight */
    double *wyy;    /* (w * y) * y */
    uint32_t *row;  /* by slot: row of the data set */
    uint32_t *slots; /* of a wide block: by slot, that of the narrow block at hand */
    void *small;     /* for subtrees of a few rows */
};

/* What a split search needs to know of a node, and what it finds. */
struct search {
    uint32_t start, n;
    const uint32_t *features; /* visited and not constant, in the order they were drawn */
    uint32_t count;
    uint32_t min_samples_leaf;
    double min_weight_leaf;
    double sum, sumsq, weight;
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
 *     weight: 2^-52 * sqrt(wl / wr) of m^2 and itself;
 *   - the rounding of sl and wl, which may have been added up in another order than the rules
 *     would: of n numbers of absolute sum A that is n * 2^-53 * A, and A^2 <= weight * sumsq.
 * Each is taken several times larger than that.
 */
static inline double estimate_error(const struct search *s, double best)
{
    double ratio = s->weight / s->weight_min, n = s->n, mean = s->sum / s->weight;
    double own = (0x1p-24 + (s->whole ? 0.0 : 0x1p-50 * n * ratio)) * best;
    double formula = 0x1p-50 * __builtin_sqrt(ratio) * (mean * mean + best);
    double sum = 0x1p-49 * n * __builtin_sqrt(s->weight * s->sumsq);
    double sides = s->weight_min * s->weight * 0.5; /* wl * wr at the least */
    return own + formula + 2 * __builtin_sqrt(best / sides) * sum + sum * sum / sides;
}

struct found {
    uint32_t feature;
    uint32_t pos; /* rows that go left; 0: nothing found */
};

/* A cut of a node of n: the `left` entries of ranks up to `last_rank` of `feature` go left. */
struct cut {
    uint32_t feature, n, left, last_rank;
};

/* Sums over one node in the order of its samples. */
struct sums {
    double sum, sumsq, weight;
};

/* The inner loops, for one width of entry and one kind of processor. All give equal bits. */
struct kernels {
    bool wide; /* for blocks with entries of 64 bits */
    /* List, ranks and near bits of a feature; slot_of says, by row, the slot or NO_SLOT. */
    void (*fill_list)(const struct block *b, const uint32_t *slot_of, uint32_t feature);
    /* Fill b->ties for n entries; false if there are none. */
    bool (*find_ties)(const struct block *b, const void *list, uint32_t n);
    /* Reorder the ties of `list` as the rules' sort would, which sees the samples as `from`. */
    void (*sort_ties)(const struct block *b, uint32_t feature, const void *from, void *list,
                      uint32_t n);
    /* The best cut if it is clear without the order of ties; else pos is 0. May be NULL. */
    struct found (*estimate)(const struct block *b, const struct search *s);
    /* The best cut as the rules find it. Ties must be in order. */
    struct found (*rate)(const struct block *b, const struct search *s);
    /* Copy `from` to `order`, parted by the cut as the rules do. */
    void (*split_order)(const struct block *b, const struct cut *c, const void *from, void *order);
    /* Part the list; both sides keep their order. */
    void (*split_list)(const struct block *b, const struct cut *c, void *list);
    /* Sums of both children, and what is left of the parent's after taking the right's away. */
    void (*sum_children)(const struct block *b, const struct cut *c, const void *order,
                         struct sums child[2], struct sums *rest);
    /* Subtrees of up to so many rows may be handed over, if no feature is `close`. */
    uint32_t small_rows;
    size_t (*small_bytes)(uint32_t features);
    int (*grow_small)(struct grower *g, const struct block *b, const struct pending *root);
};

#endif
