/* SPDX-License-Identifier: MIT */
/* block.c -- the memory of blocks, and the block of a whole tree. */
#include "block.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "kernels.h"
#include "scratch.h"

#define PACKED_WEIGHT_MOST 0x1p22 /* leaves 40 bits for targets */

/* Cut the next array out of the arena; with a null base, only its size is counted. */
static void *take(char *base, size_t *used, size_t bytes)
{
    void *at = base ? base + *used : NULL;
    *used += (bytes + 63) & ~(size_t)63;
    return at;
}

static size_t lay_out(struct block *b, char *base, uint32_t **close, size_t small)
{
    size_t used = 0, per = b->stride;
    b->order = take(base, &used, per * sizeof *b->order);
    b->temp = take(base, &used, per * sizeof *b->temp);
    b->temp2 = take(base, &used, (per + 2 * BLOCK_PAD) * sizeof *b->temp2);
    b->temp3 = take(base, &used, per * sizeof *b->temp3);
    b->lists = take(base, &used, b->features * per * sizeof *b->lists);
    b->ranks = take(base, &used, b->features * per * sizeof *b->ranks);
    b->near = take(base, &used, b->features * b->near_words * sizeof *b->near);
    b->ties = take(base, &used, (per / 64 + 2) * sizeof *b->ties);
    b->wy = take(base, &used, per * sizeof *b->wy);
    b->w = take(base, &used, per * sizeof *b->w);
    b->wyy = take(base, &used, per * sizeof *b->wyy);
    b->worth = take(base, &used, per * sizeof *b->worth);
    b->row = take(base, &used, per * sizeof *b->row);
    b->small = take(base, &used, small);
    *close = take(base, &used, b->features * sizeof **close);
    b->close = *close;
    return used;
}

/* Ranks by data set: its rows are as many as a rank may count, so it need not be dense. */
static bool keeps_ranks(const struct prep *p)
{
    return p->orders && p->rows <= BLOCK_ROWS_MAX;
}

int block_reserve(struct grower *g, uint32_t rows, struct block *b, uint32_t **close)
{
    struct arena *arena = &g->scratch->block;
    size_t small = g->kernels->small_bytes ? g->kernels->small_bytes(g->features_count) : 0;
    *b = (struct block){
        .prep = g->prep, .rows = rows, .features = g->features_count, .few = &g->scratch->few
    };
    b->stride = ((size_t)rows + BLOCK_PAD + 63) & ~(size_t)63;
    b->near_words = prep_near_words(keeps_ranks(g->prep) ? g->prep->rows : rows);
    if (arena_reserve(arena, lay_out(b, NULL, close, small)))
        return -ENOMEM;
    lay_out(b, arena->memory, close, small);
    return 0;
}

void block_pack(struct block *b, bool whole)
{
    double sum = 0.0, weight = 0.0, size = 0.0;
    for (uint32_t i = 0; i < b->rows; i++) {
        sum += b->wy[i];
        weight += b->w[i];
    }
    b->unit = 0.0;
    if (!whole || weight >= PACKED_WEIGHT_MOST) {
        b->worth = NULL;
        return;
    }
    b->center = sum / weight;
    b->weight_bits = 64 - (uint32_t)__builtin_clzll((uint64_t)weight);
    for (uint32_t i = 0; i < b->rows; i++)
        size += fabs(b->wy[i] - b->w[i] * b->center);
    int exponent;
    frexp(size, &exponent); /* size < 2^exponent */
    exponent -= 62 - (int)b->weight_bits;
    b->unit = ldexp(1.0, exponent < -400 ? -400 : exponent);
    double scale = 1.0 / b->unit;
    for (uint32_t i = 0; i < b->rows; i++) {
        double y = (b->wy[i] - b->w[i] * b->center) * scale;
        b->worth[i] = (int64_t)y * ((int64_t)1 << b->weight_bits) + (int64_t)b->w[i];
    }
}

/* Slots are the rows that take part, ascending: that is the samples' order to begin with. */
static void fill_rows(struct block *b, const struct rows *r, uint32_t *slots)
{
    uint32_t slot = 0;
    for (uint32_t i = 0; i < b->prep->rows; i++) {
        slots[i] = NO_SLOT;
        if (r->w[i] == 0.0)
            continue;
        double wy = r->w[i] * r->y[i];
        b->w[slot] = r->w[i];
        b->wy[slot] = wy;
        b->wyy[slot] = wy * r->y[i];
        b->row[slot] = i;
        b->order[slot] = slot;
        slots[i] = slot++;
    }
}

int block_of_rows(struct grower *g, const struct rows *r, struct block *b)
{
    uint32_t *close, *slots;
    struct arena *arena = &g->scratch->slots;
    if (block_reserve(g, r->count, b, &close) ||
        arena_reserve(arena, b->prep->rows * sizeof *slots))
        return -ENOMEM;
    slots = arena->memory;
    b->close = b->prep->close;
    fill_rows(b, r, slots);
    block_pack(b, r->whole);
    for (uint32_t f = 0; f < b->features; f++)
        g->kernels->fill_list(b, slots, f);
    return 0;
}
