/* SPDX-License-Identifier: MIT */
/*
 * scan_vector.h -- estimating cuts with the compiler's vectors, four features in each.
 *
 * For files compiled for registers of 256 bits. See scan_avx512.c, which does the
 * same with eight, for what is estimated and why. Two vectors are scanned side by side: additions
 * to one sum wait for each other.
 */
#ifndef SCAN_VECTOR_H
#define SCAN_VECTOR_H

#include "scan.h"

/* How vectors are passed does not matter: everything here is inlined. */
#pragma GCC diagnostic ignored "-Wpsabi"

typedef double vector __attribute__((vector_size(32)));
typedef int64_t vector_mask __attribute__((vector_size(32)));

struct vector_lanes {
    const uint32_t *list[4];
    vector sum, weight, best, second;
    vector_mask pos, before; /* of the best; ranks at the place before */
    vector_mask used;
};

static inline __attribute__((always_inline)) vector pick(vector_mask mask, vector a, vector b)
{
    return (vector)((mask & (vector_mask)a) | (~mask & (vector_mask)b));
}

static inline __attribute__((always_inline)) vector all_of(double x)
{
    return (vector){ x, x, x, x };
}

struct vector_node {
    const double *wy, *w;
    double weight, mean, least;
    uint32_t first, last; /* cuts that leave enough rows on both sides */
};

/* Estimate the cut at place p, if it is one, and add up the row there. */
static inline __attribute__((always_inline)) void
estimate_place(const struct vector_node *n, struct vector_lanes *l, uint32_t p, bool weighted)
{
    uint32_t e0 = l->list[0][p], e1 = l->list[1][p], e2 = l->list[2][p], e3 = l->list[3][p];
    vector_mask entry = { e0, e1, e2, e3 }, rank = entry >> 16, at = { p, p, p, p };
    if (p >= n->first && p <= n->last) {
        vector right = all_of(n->weight) - l->weight, excess = l->sum - all_of(n->mean) * l->weight;
        vector merit = excess * excess / (l->weight * right);
        vector_mask cut = l->used & (rank != l->before);
        if (weighted)
            cut &= ~((l->weight < all_of(n->least)) | (right < all_of(n->least)));
        merit = pick(cut, merit, all_of(-1.0));
        vector_mask better = merit > l->best;
        vector lower = pick(better, l->best, merit); /* is no number if merit is none */
        l->second = pick(lower > l->second, lower, l->second);
        l->best = pick(better, merit, l->best);
        l->pos = (better & at) | (~better & l->pos);
    }
    l->before = rank;
    e0 &= 0xffff, e1 &= 0xffff, e2 &= 0xffff, e3 &= 0xffff;
    l->sum += (vector){ n->wy[e0], n->wy[e1], n->wy[e2], n->wy[e3] };
    l->weight += (vector){ n->w[e0], n->w[e1], n->w[e2], n->w[e3] };
}

static inline void set_lanes(const struct block *b, const struct search *s, uint32_t from,
                             unsigned count, struct vector_lanes *l)
{
    *l = (struct vector_lanes){ .best = all_of(-1.0), .second = all_of(-1.0) };
    for (unsigned i = 0; i < 4; i++) {
        uint32_t feature = s->features[from + (i < count ? i : 0)];
        l->list[i] = b->lists + (size_t)feature * b->stride + s->start;
        l->used[i] = i < count ? -1 : 0;
    }
}

static inline void store_lanes(const struct vector_lanes *l, unsigned i, struct scanned *out)
{
    for (unsigned k = 0; k < 4; k++) {
        out->best[i + k] = l->best[k];
        out->second[i + k] = l->second[k];
        out->pos[i + k] = (uint32_t)l->pos[k];
    }
}

static inline __attribute__((always_inline)) void
estimate_features(const struct block *b, const struct search *s, uint32_t from, unsigned count,
                  bool weighted, struct scanned *out)
{
    struct vector_node n = { .wy = b->wy,
                             .w = b->w,
                             .weight = s->weight,
                             .mean = s->sum / s->weight,
                             .least = s->min_weight_leaf,
                             .first = s->min_samples_leaf,
                             .last = s->n - s->min_samples_leaf };
    struct vector_lanes l, m;
    unsigned few = count < 4 ? count : 4;
    set_lanes(b, s, from, few, &l);
    if (count <= 4) {
        for (uint32_t p = 0; p < s->n; p++)
            estimate_place(&n, &l, p, weighted);
        store_lanes(&l, 0, out);
        return;
    }
    set_lanes(b, s, from + 4, count - 4, &m);
    for (uint32_t p = 0; p < s->n; p++) {
        estimate_place(&n, &l, p, weighted);
        estimate_place(&n, &m, p, weighted);
    }
    store_lanes(&l, 0, out);
    store_lanes(&m, 4, out);
}

static inline struct found estimate_vectors(const struct block *b, const struct search *s)
{
    struct estimated e = { .best = -1.0, .second = -1.0 };
    for (uint32_t from = 0; from < s->count; from += SCAN_FEATURES) {
        unsigned count = s->count - from < SCAN_FEATURES ? s->count - from : SCAN_FEATURES;
        struct scanned r;
        if (s->min_weight_leaf > 0.0)
            estimate_features(b, s, from, count, true, &r);
        else
            estimate_features(b, s, from, count, false, &r);
        add_scanned(&e, &r, s->features + from, count);
    }
    return clear_best(s, &e);
}

#endif
