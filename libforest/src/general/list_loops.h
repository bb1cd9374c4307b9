/* SPDX-License-Identifier: MIT */
/* list_loops.h -- sorted lists of the rows of a block, which fast mode grows trees from. */
#ifndef LIST_LOOPS_H
#define LIST_LOOPS_H

#include "exact/grow.h"

#define FAST_BLOCK_ROWS 65536u
#define FAST_PAD 64u /* entries behind a list that may be read and overwritten */
#define FAST_SLOTS \
    0xffffu /* of an entry, whose upper half is a rank: they differ where values do */

/* Rows sorted by a feature's value: keys, a value above a tag, or entries of a list. */
struct sorted {
    const uint64_t *keys; /* NULL: */
    const uint32_t *list, *tags;
    uint32_t class_bits; /* of a tag, which is a weight above a class */
};

#define CHUNK_CUTS 64u

/* Cuts one behind the other: what is left of each, and the sums of squares on both sides. */
struct chunk {
    int64_t weight[CHUNK_CUTS], left[CHUNK_CUTS], right[CHUNK_CUTS];
};

/* Weights by class, so few and so small that they fit a word: what is left of a cut, and in all. */
struct packed {
    uint64_t left, total;
    uint32_t bits; /* of each: 16 or 32; the highest is not used */
};

/* The loops of fast classifiers, for one kind of processor. All give equal trees. */
struct list_loops {
    /* The feature's rows that have a slot, by ascending rank, then slot. No slot: all bits set. */
    void (*fill)(const struct prep *prep, uint32_t feature, const uint32_t *slot_of,
                 uint32_t *list);
    /* Part n entries by the sides of their slots; both sides keep their order. */
    void (*part)(uint32_t *list, uint32_t n, const uint8_t *side, uint32_t *spare);
    /*
     * Of n cuts of a chunk, a bit each: by Gini it is worth (sides_worth()) no less than `enough`,
     * roughly. There may be bits behind them.
     */
    uint64_t (*rate)(const struct chunk *chunk, uint32_t n, double weight, double enough);
    /* The same, and fill the chunk: pass over n rows from `from` on. NULL: there is none */
    uint64_t (*pass)(const struct sorted *rows, uint32_t from, uint32_t n, struct packed *packed,
                     double weight, double enough, struct chunk *chunk);
};

/* NULLs: the processor does not have what they need. fast.c */
struct list_loops list_loops_of(enum kernels_level level);

uint64_t chunk_rate_plain(const struct chunk *chunk, uint32_t n, double weight, double enough);
uint64_t chunk_rate_avx512(const struct chunk *chunk, uint32_t n, double weight, double enough);
uint64_t chunk_pass_avx512(const struct sorted *rows, uint32_t from, uint32_t n,
                           struct packed *packed, double weight, double enough,
                           struct chunk *chunk);

#endif
