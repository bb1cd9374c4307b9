/* SPDX-License-Identifier: MIT */
/* block.c -- blocks from the rows of a tree, and narrow ones from nodes of wide ones. */
#include "block.h"

#include <errno.h>
#include <string.h>

#include "kernels.h"
#include "scratch.h"

/* Cut the next array out of the arena; with a null base, only its size is counted. */
static void *take(char *base, size_t *used, size_t bytes)
{
    void *at = base ? base + *used : NULL;
    *used += (bytes + 63) & ~(size_t)63;
    return at;
}

/* temp3 of a wide block also holds what sorting 65,536 samples takes. */
static size_t lay_out(struct block *b, char *base, size_t entry, size_t small)
{
    size_t used = 0, per = b->stride;
    b->order = take(base, &used, per * entry);
    b->temp = take(base, &used, per * entry);
    b->temp2 = take(base, &used, (per + 2 * BLOCK_PAD) * entry);
    b->temp3 = take(base, &used, per * entry + (entry > sizeof(uint32_t) ? NARROW_ROWS_MAX : 0));
    b->lists = take(base, &used, b->features * per * entry);
    b->ranks = take(base, &used, b->features * per * entry / 2);
    b->near_words = prep_near_words(b->prep->rows < NARROW_ROWS_MAX ? b->prep->rows : b->rows);
    b->near = take(base, &used, b->features * b->near_words * sizeof *b->near);
    b->ties = take(base, &used, (per / 64 + 2) * sizeof *b->ties);
    b->wy = take(base, &used, per * sizeof *b->wy);
    b->w = take(base, &used, per * sizeof *b->w);
    b->wyy = take(base, &used, per * sizeof *b->wyy);
    b->row = take(base, &used, per * sizeof *b->row);
    b->small = take(base, &used, small);
    return used;
}

/* Slots are the rows that take part, ascending: that is the samples' order to begin with. */
static void fill_rows(struct block *b, const struct rows *r, const struct kernels *k)
{
    uint32_t slot = 0;
    for (uint32_t i = 0; i < b->prep->rows; i++) {
        b->slots[i] = NO_SLOT;
        if (r->w[i] == 0.0)
            continue;
        double wy = r->w[i] * r->y[i];
        b->w[slot] = r->w[i];
        b->wy[slot] = wy;
        b->wyy[slot] = wy * r->y[i];
        b->row[slot] = i;
        if (!k->wide)
            ((uint32_t *)b->order)[slot] = slot;
        else
            ((uint64_t *)b->order)[slot] = slot;
        b->slots[i] = slot++;
    }
    for (uint32_t f = 0; f < b->features; f++)
        k->fill_list(b, b->slots, f);
}

int block_of_rows(struct grower *g, const struct rows *r, const struct kernels *k, struct block *b)
{
    struct grow_scratch *scratch = g->scratch;
    size_t entry = k->wide ? sizeof(uint64_t) : sizeof(uint32_t);
    *b = (struct block){ .prep = g->prep,
                         .rows = r->count,
                         .features = g->features_count,
                         .narrow_rows = scratch->narrow_rows };
    b->stride = ((size_t)r->count + BLOCK_PAD + 63) & ~(size_t)63;
    size_t small = k->small_bytes ? k->small_bytes(b->features) : 0;
    size_t bytes = lay_out(b, NULL, entry, small), slots = g->prep->rows * sizeof(uint32_t);
    if (arena_reserve(&scratch->block, bytes + slots))
        return -ENOMEM;
    char *base = scratch->block.memory;
    lay_out(b, base, entry, small);
    b->slots = (uint32_t *)(void *)(base + bytes);
    fill_rows(b, r, k);
    return 0;
}

/* ---- a narrow block of a wide one's node --------------------------------------------------- */

static void take_slots(struct block *b, const struct block *wide, const uint64_t *order)
{
    uint32_t *to = b->order;
    for (uint32_t i = 0; i < b->rows; i++) {
        uint32_t slot = (uint32_t)order[i];
        wide->slots[slot] = i;
        to[i] = i;
        b->wy[i] = wide->wy[slot];
        b->w[i] = wide->w[slot];
        b->wyy[i] = wide->wyy[slot];
        b->row[i] = wide->row[slot];
    }
}

/* Whether the value of an entry is as near to that of another as to matter. */
static bool is_near(const struct block *wide, uint32_t feature, uint64_t entry, uint64_t before)
{
    uint32_t rank = (uint32_t)(entry >> 32);
    const float *column = prep_column(wide->prep, feature);
    return wide->near[feature * wide->near_words + rank / 64] >> rank % 64 & 1 &&
           column[wide->row[(uint32_t)entry]] <= column[wide->row[(uint32_t)before]] + PREP_APART;
}

/* The near bits are made anew: with fewer rows, few of the wide block's are left. */
static void take_list(struct block *b, const struct block *wide, uint32_t feature, uint32_t start)
{
    const uint64_t *from = (const uint64_t *)wide->lists + feature * wide->stride + start;
    uint32_t *list = (uint32_t *)b->lists + feature * b->stride, rank = 0;
    uint16_t *ranks = (uint16_t *)b->ranks + feature * b->stride;
    uint64_t *bits = b->near + feature * b->near_words;
    bool all_equal = from[0] >> 32 == from[b->rows - 1] >> 32;
    memset(bits, 0, b->near_words * sizeof *bits);
    for (uint32_t i = 0; i < b->rows; i++) {
        if (all_equal) { /* then its slots may be those of other nodes (B1) */
            list[i] = i;
            ranks[i] = 0;
            continue;
        }
        uint32_t slot = wide->slots[(uint32_t)from[i]];
        if (i > 0 && from[i] >> 32 != from[i - 1] >> 32) {
            rank++;
            if (wide->prep->close[feature])
                bits[rank / 64] |= (uint64_t)is_near(wide, feature, from[i], from[i - 1])
                                   << rank % 64;
        }
        list[i] = rank << 16 | slot;
        ranks[slot] = (uint16_t)rank;
    }
    memset(list + b->rows, 0, BLOCK_PAD * sizeof *list);
}

/* Bytes of the largest narrow block there may be. */
static size_t narrow_bytes(const struct block *like, size_t small)
{
    struct block b = { .prep = like->prep,
                       .rows = NARROW_ROWS_MAX,
                       .features = like->features,
                       .stride = NARROW_ROWS_MAX + BLOCK_PAD };
    return lay_out(&b, NULL, sizeof(uint32_t), small);
}

int block_of_node(struct grower *g, const struct block *wide, const struct pending *node,
                  struct block *b)
{
    uint32_t n = node->end - node->start;
    size_t small = g->narrow->small_bytes ? g->narrow->small_bytes(wide->features) : 0;
    *b = (struct block){ .prep = wide->prep, .rows = n, .features = wide->features };
    b->stride = ((size_t)n + BLOCK_PAD + 63) & ~(size_t)63;
    if (arena_reserve(&g->scratch->inner, narrow_bytes(wide, small)))
        return -ENOMEM;
    lay_out(b, g->scratch->inner.memory, sizeof(uint32_t), small);
    take_slots(b, wide, (const uint64_t *)wide->order + node->start);
    for (uint32_t f = 0; f < b->features; f++)
        take_list(b, wide, f, node->start);
    return 0;
}
