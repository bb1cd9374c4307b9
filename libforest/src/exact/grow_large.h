/* SPDX-License-Identifier: MIT */
/*
 * grow_large.h -- nodes with too many rows for a block: one feature at hand at a time.
 *
 * The rows of the tree are parted with its nodes: a node is a range of all arrays here. Within it
 * rows are ascending and are called slots, 0..n-1, so that a column is read from front to back, and
 * what belongs to a slot lies close together. A feature that was drawn is sorted on the spot, and
 * forgotten when the next one is. That takes 40 bytes a row, however many features there are.
 */
#ifndef GROW_LARGE_H
#define GROW_LARGE_H

#include "grower.h"
#include "scratch.h"
#include "data/sort_radix.h"

#define LARGE_PAD 64u

/* A row's target and weight, which are needed at the same time. */
struct target {
    double y, w;
};

struct large {
    uint32_t n;                  /* rows of the node at hand */
    const uint32_t *row;         /* by slot, ascending */
    const struct target *target; /* by slot */
    uint32_t *order;             /* slots in the order of the samples */
    uint32_t *keys;              /* of the feature at hand, ascending: sort_key() */
    uint32_t *slots;      /* and whose they are; LARGE_PAD more may be read, and overwritten */
    uint64_t *ties;       /* a bit a place: that key equals the one before; two words more */
    uint32_t *names;      /* n and LARGE_PAD more to work with */
    uint32_t *temp;       /* n and 2 * LARGE_PAD more */
    void *sort_room;      /* large_sort_bytes() */
    uint32_t narrow_rows; /* ranges of so many may be sorted by names of 16 bits */
    const struct few_sorts *few; /* sort_few.h, or NULL */
};

/* What sort_large needs beyond that. */
size_t large_sort_bytes(uint32_t rows);

/* slots[low + i] = slots[names[i]] for n names of these very places. */
void reorder_slots(uint32_t *slots, uint32_t low, const uint32_t *names, uint32_t n,
                   uint32_t *temp);

void sort_large_plain(const struct large *l);
void rate_large_plain(const struct large *l, const struct search *s, struct rated_cut *best);

/*
 * The order of the samples by names: the places of their slots in l->slots. Fills l->names, and
 * uses l->temp.
 */
static inline void large_name_samples(const struct large *l)
{
    for (uint32_t i = 0; i < l->n; i++)
        l->temp[l->slots[i]] = i;
    for (uint32_t i = 0; i < l->n; i++)
        l->names[i] = l->temp[l->order[i]];
}

/* The tree of r, all of it. -ENOMEM */
int grow_large(struct grower *g, const struct rows *r);

#endif
