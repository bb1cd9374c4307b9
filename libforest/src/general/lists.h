/* SPDX-License-Identifier: MIT */
/*
 * lists.h -- fast classifiers of not too many features: all rows of a node sorted by each feature,
 * in lists that splits part and keep sorted. Of nodes of up to FAST_BLOCK_ROWS rows, with all
 * below.
 *
 * A row of the block is a slot: the place in samples and tags, which are not parted as long as
 * there is a block. Lists are as those of struct fast_block: an entry is a rank and a slot, a node
 * is a range of all lists, a list of equal ranks in a node is not kept up below it.
 */
#ifndef LISTS_H
#define LISTS_H

#include "data/sort_radix.h"
#include "splitter.h"

struct lists {
    uint32_t start, end; /* the block, as places in samples; empty: there is none */
    uint32_t features;
    size_t stride;
    uint32_t *lists; /* features x stride */
    uint32_t *order; /* slots */
    uint32_t *spare;
    uint8_t *side;     /* by slot */
    uint32_t *slot_of; /* by row, or NO_SLOT */
    struct item *items;
    char *memory;
    size_t bytes;
};

/* Row i of the node at hand: its place in samples and tags. */
static inline uint32_t lists_place(const struct splitter *s, uint32_t i)
{
    const struct lists *l = s->lists;

    return s->in_lists ? l->start + l->order[s->criterion.start - l->start + i]
                       : s->criterion.start + i;
}

/* Has the feature a list? Those of few values do better without. */
static inline bool lists_have_feature(const struct splitter *s, uint32_t feature)
{
    return !s->codes || !s->codes[feature].are_few;
}

/* Are lists the faster way for this tree? */
bool lists_pay(const struct splitter *s);
/* Room for the lists of the largest block of `rows` rows. -ENOMEM */
int lists_reserve(struct lists *lists, const struct prep *prep, uint32_t rows);
/* Make a block of the node; of the one before nothing is left. */
void lists_take(struct splitter *s, uint32_t start, uint32_t end);

static inline bool lists_have(const struct lists *lists, uint32_t start, uint32_t end)
{
    return start >= lists->start && end <= lists->end;
}

/* What splitter.h says of look_whole_counts() and splitter_node(). */
bool look_list(struct splitter *s, uint32_t feature, struct cut *best);
void lists_node(struct splitter *s, uint32_t start, uint32_t end);
/* Say of all slots on which side of the cut they are; finds its threshold, and s->left. */
void lists_mark(struct splitter *s, struct cut *cut);
/* Part the node by that; the impurities of both sides are in the cut. */
void lists_part(struct splitter *s, const struct cut *cut);

#endif
