/* SPDX-License-Identifier: MIT */
/*
 * sides.h -- what a cut of the fast mode leaves on its sides, by class, and what the cut is worth.
 *
 * Weights are whole numbers, and so are the sums that are kept up to date as rows change sides: of
 * squares (Gini), or of logs_at() (entropy). So a cut is worth the same however it was come by,
 * also with the sides exchanged. Functions are inlined once per criterion.
 */
#ifndef SIDES_H
#define SIDES_H

#include "list_loops.h"
#include "data/sort_radix.h"
#include "splitter.h"

#define SIDES_INLINE static inline __attribute__((always_inline))
#define SIDES_SLACK 0x1p-40 /* more than roundings of a bound */

struct sides {
    const struct splitter *s;
    int64_t *left;        /* by class; what is not left is right */
    const int64_t *total; /* likewise */
    int64_t weight_left, weight_right;
    int64_t of_left, of_right; /* the sums */
    double least_weight;       /* a cut leaves no less on a side, */
    uint32_t n, least_rows;    /* and no fewer rows of the n */
    double enough;             /* what is worth less is not the best */
};

/* Everything is on the right. */
SIDES_INLINE void sides_start(struct sides *p, const struct splitter *s, bool is_gini)
{
    const struct criterion *c = &s->criterion;

    *p = (struct sides){ .s = s,
                         .left = s->left,
                         .total = s->right,
                         .weight_right = (int64_t)c->weight,
                         .least_weight = s->limits->min_weight_leaf,
                         .n = c->end - c->start,
                         .least_rows = s->limits->min_samples_leaf };
    for (uint32_t k = 0; k < c->classes; k++) {
        int64_t all = (int64_t)c->total[k];
        s->left[k] = 0;
        s->right[k] = all;
        p->of_right += is_gini ? all * all : logs_at(s->whole_logs, (uint64_t)all);
    }
}

/* Rows of class k and of weight w change sides. */
SIDES_INLINE void sides_pass(struct sides *p, uint32_t k, int64_t w, bool is_gini)
{
    int64_t l = p->left[k], r = p->total[k] - l;

    p->left[k] = l + w;
    if (is_gini) {
        p->of_left += w * (2 * l + w);
        p->of_right -= w * (2 * r - w);
    } else {
        const struct logs *logs = p->s->whole_logs;
        p->of_left += logs_at(logs, (uint64_t)(l + w)) - logs_at(logs, (uint64_t)l);
        p->of_right += logs_at(logs, (uint64_t)(r - w)) - logs_at(logs, (uint64_t)r);
    }
    p->weight_left += w;
    p->weight_right -= w;
}

/* How many rows the cut leaves on the left is allowed. */
SIDES_INLINE bool sides_may_be(const struct sides *p, uint32_t rows)
{
    return rows >= p->least_rows && p->n - rows >= p->least_rows &&
           (double)p->weight_left >= p->least_weight && (double)p->weight_right >= p->least_weight;
}

/* Gini: sum of squares over weight, of both sides; entropy: its negative times weight. */
SIDES_INLINE double sides_worth(const struct sides *p, bool is_gini)
{
    double wl = (double)p->weight_left, wr = (double)p->weight_right;
    const struct logs *logs = p->s->whole_logs;

    if (is_gini)
        return ((double)p->of_left * wr + (double)p->of_right * wl) / (wl * wr);
    return (double)(p->of_left - logs_at(logs, (uint64_t)p->weight_left) + p->of_right -
                    logs_at(logs, (uint64_t)p->weight_right));
}

/* Is it worth less than `enough`, beyond doubt? Without a division. */
SIDES_INLINE bool sides_too_little(const struct sides *p, bool is_gini)
{
    double wl = (double)p->weight_left, wr = (double)p->weight_right;

    return is_gini && (double)p->of_left * wr + (double)p->of_right * wl < p->enough * (wl * wr);
}

/* The best so far; of Gini's worth, which is positive, somewhat less. */
SIDES_INLINE void sides_know(struct sides *p, double best, bool is_gini)
{
    p->enough = is_gini && best > 0.0 ? best * (1.0 - SIDES_SLACK) : best;
}

SIDES_INLINE uint32_t sorted_tag(const struct sorted *o, uint32_t i, bool has_keys)
{
    return has_keys ? (uint32_t)o->keys[i] : o->tags[o->list[i] & FAST_SLOTS];
}

/* Does the value differ from the next? */
SIDES_INLINE bool sorted_differs(const struct sorted *o, uint32_t i, bool has_keys)
{
    return has_keys ? (o->keys[i] ^ o->keys[i + 1]) >> 32 != 0
                    : (o->list[i] ^ o->list[i + 1]) > FAST_SLOTS;
}

/* Pass over up to CHUNK_CUTS rows from `from` on. */
SIDES_INLINE void sides_chunk(struct sides *p, const struct sorted *o, uint32_t from, uint32_t n,
                              bool has_keys, bool is_gini, struct chunk *chunk)
{
    uint32_t bits = p->s->class_bits, mask = (1u << bits) - 1, i = 0;
    struct sides q = *p; /* so that it is in registers */

    for (; i < n; i++) {
        uint32_t tag = sorted_tag(o, from + i, has_keys);
        sides_pass(&q, tag & mask, tag >> bits, is_gini);
        chunk->weight[i] = q.weight_left;
        chunk->left[i] = q.of_left;
        chunk->right[i] = q.of_right;
    }
    *p = q;
    for (; i % 8 != 0; i++)
        chunk->weight[i] = chunk->left[i] = chunk->right[i] = 0;
}

/* The same with weights packed, if that is possible: else bits is 0. */
SIDES_INLINE struct packed sides_pack(const struct sides *p, bool is_gini)
{
    uint32_t classes = p->s->criterion.classes;
    int64_t all = p->weight_left + p->weight_right;
    struct packed packed = { .bits = classes <= 4 && all < 1 << 15    ? 16
                                     : classes == 2 && all < 1l << 31 ? 32
                                                                      : 0 };

    if (!is_gini || !p->s->loops->pass)
        packed.bits = 0;
    for (uint32_t k = 0; packed.bits && k < classes; k++) {
        packed.left |= (uint64_t)p->left[k] << packed.bits * k;
        packed.total |= (uint64_t)p->total[k] << packed.bits * k;
    }
    return packed;
}

SIDES_INLINE void sides_unpack(struct sides *p, const struct packed *packed,
                               const struct chunk *chunk, uint32_t last)
{
    int64_t all = p->weight_left + p->weight_right;

    for (uint32_t k = 0; k < p->s->criterion.classes; k++)
        p->left[k] = (int64_t)(packed->left >> packed->bits * k & ((1ul << packed->bits) - 1));
    p->weight_left = chunk->weight[last];
    p->weight_right = all - p->weight_left;
    p->of_left = chunk->left[last];
    p->of_right = chunk->right[last];
}

/* The cuts of a chunk, one by one, those that may be the best. */
SIDES_INLINE void sides_choose(struct sides *p, const struct sorted *o, uint32_t from,
                               uint64_t good, const struct chunk *chunk, uint32_t before,
                               bool has_keys, bool is_gini, struct cut *best)
{
    struct sides at = *p;
    int64_t all = p->weight_left + p->weight_right;

    for (; good; good &= good - 1) {
        uint32_t i = (uint32_t)__builtin_ctzll(good), rows = before + from + i + 1;
        at.weight_left = chunk->weight[i];
        at.weight_right = all - chunk->weight[i];
        at.of_left = chunk->left[i];
        at.of_right = chunk->right[i];
        if (!sorted_differs(o, from + i, has_keys) || !sides_may_be(&at, rows))
            continue;
        double worth = sides_worth(&at, is_gini);
        if (!(worth > best->proxy))
            continue;
        *best = (struct cut){ .found = true, .pos = p->s->criterion.start + rows, .proxy = worth };
        sides_know(p, worth, is_gini);
    }
}

/*
 * Pass over n rows, before which are others that are passed already, and note cuts between them;
 * whose feature and threshold they are of is up to the caller.
 */
SIDES_INLINE void sides_scan(struct sides *p, const struct sorted *o, uint32_t n, uint32_t before,
                             bool has_keys, bool is_gini, struct cut *best)
{
    struct packed packed = sides_pack(p, is_gini);
    double all = (double)(p->weight_left + p->weight_right);
    uint32_t count = 0;
    struct chunk chunk;

    for (uint32_t from = 0; from + 1 < n; from += CHUNK_CUTS) {
        count = n - 1 - from < CHUNK_CUTS ? n - 1 - from : CHUNK_CUTS;
        uint64_t good = UINT64_MAX;
        if (packed.bits)
            good = p->s->loops->pass(o, from, count, &packed, all, p->enough, &chunk);
        else
            sides_chunk(p, o, from, count, has_keys, is_gini, &chunk);
        if (is_gini && !packed.bits)
            good = p->s->loops->rate(&chunk, count, all, p->enough);
        good &= count < CHUNK_CUTS ? ((uint64_t)1 << count) - 1 : UINT64_MAX;
        sides_choose(p, o, from, good, &chunk, before, has_keys, is_gini, best);
    }
    if (packed.bits && count)
        sides_unpack(p, &packed, &chunk, count - 1);
}

#endif
