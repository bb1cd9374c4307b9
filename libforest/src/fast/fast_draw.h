/* SPDX-License-Identifier: MIT */
/* fast_draw.h -- draw_features(), and a short cut for what is most common. */
#ifndef FAST_DRAW_H
#define FAST_DRAW_H

#include "exact/grower.h"

/* All features are drawn, and none is constant: a shuffle. */
static inline struct drawn fast_draw_all(struct grower *g)
{
    uint32_t *features = g->features, count = g->features_count;
    uint32_t x = g->state ? g->state : 1;
    for (uint32_t left = count, i = 0; left > 0; i++) {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        uint32_t at = remainder_of(x & 0x7fffffffu, left--), feature = features[at];
        features[at] = features[left];
        features[left] = feature;
        g->scanned[i] = feature;
    }
    g->state = x;
    return (struct drawn){ count, count, 0 };
}

/* Are all drawn, if none is constant? `known` are constant. */
static inline bool fast_draws_all(const struct grower *g, uint32_t known)
{
    return known == 0 && g->limits->max_features == g->features_count;
}

/* As draw_features(), but for the list of visited features. */
static inline __attribute__((always_inline)) struct drawn
fast_draw(struct grower *g, uint32_t known, bool (*is_constant)(void *, uint32_t), void *context)
{
    if (fast_draws_all(g, known)) {
        bool is_any = false;
        for (uint32_t f = 0; f < g->features_count; f++)
            is_any |= is_constant(context, f);
        if (!is_any)
            return fast_draw_all(g);
    }
    return draw_features(g, known, is_constant, context);
}

#endif
