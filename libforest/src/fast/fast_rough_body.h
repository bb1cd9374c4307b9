/* SPDX-License-Identifier: MIT */
/*
 * fast_rough_body.h -- the part of the rough search that is the same for all widths of vectors:
 * what is known of a node, and which rates are near enough to the best to matter.
 *
 * Who includes it defines rate_feature() and sum_up().
 */
#ifndef FAST_ROUGH_BODY_H
#define FAST_ROUGH_BODY_H

#include <math.h>

#include "fast_rough.h"

/* A node. Sums are less their mean, to the nearest whole number, so that floats keep them. */
struct rough {
    const struct fast_search *s;
    int32_t mean;
    float rest;   /* what is left of the mean */
    float weight; /* of all */
    float least;  /* of a side's weight, a whole number like them */
    float enough; /* a rate below cannot be the best */
    float best, second;
    uint32_t feature, pos; /* of the best */
};

/* The best rate of a feature, if that is enough; what is better goes into r. */
static float rate_feature(struct rough *r, const uint32_t *list, const int32_t *rough);
/* The sums of n rows. */
static int32_t sum_up(const int32_t *rough, uint32_t n);

/* Among some cuts `best`, with `pos` rows on the left, is the best rate; another is near it, or not. */
static inline void note_best(struct rough *r, float best, bool is_near, uint32_t pos)
{
    float second = is_near ? best : 0.0f;
    if (best > r->best) {
        second = r->best > second ? r->best : second;
        r->best = best;
        r->pos = pos;
        r->enough = rough_enough(best);
    } else {
        second = best;
    }
    r->second = second > r->second ? second : r->second;
}

static inline struct rough_best rate_node(const struct fast_block *b, const struct fast_search *s)
{
    size_t at = s->features[0] * b->stride + s->start;
    float weight = (float)fast_packed_weight(s->all, s->bits);
    int32_t sum = sum_up(b->rough + at, s->n);
    struct rough r = { .s = s, .weight = weight, .least = (float)ceil(s->weight_least) };
    double mean = (double)sum / fast_packed_weight(s->all, s->bits);
    r.mean = (int32_t)rint(mean);
    r.rest = (float)(mean - r.mean);
    for (uint32_t i = 0; i < s->count; i++) {
        float before = r.best;
        at = s->features[i] * b->stride + s->start;
        b->rates[i] = rate_feature(&r, b->lists + at, b->rough + at);
        r.feature = r.best > before ? i : r.feature;
    }
    return (struct rough_best){ r.enough, r.enough > 0.0f && r.second < r.enough, r.feature,
                                r.pos };
}

#endif
