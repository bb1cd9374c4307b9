/* SPDX-License-Identifier: MIT */
/* fast_rough.c -- a close look at what a rough search leaves. */
#include "fast_rough.h"

/* The worth of the first `count` rows of a list. */
static fast_worth add_up(const struct fast_block *b, const uint32_t *list, uint32_t count)
{
    fast_worth sum[4] = { 0, 0, 0, 0 };
    for (uint32_t i = 0; i < count; i++)
        sum[i % 4] += b->worth[list[i] & FAST_SLOTS];
    return sum[0] + sum[1] + sum[2] + sum[3];
}

static struct fast_cut cut_at(const struct fast_block *b, const struct fast_search *s,
                              uint32_t feature, uint32_t pos)
{
    struct fast_cut cut = { 0.0, pos, feature, 0 };
    double top, bottom;
    const uint32_t *list = b->lists + feature * b->stride + s->start;
    cut.left =
        pos <= s->n - pos ? add_up(b, list, pos) : s->all - add_up(b, list + pos, s->n - pos);
    fast_gain(fast_packed_sum(s->all, s->bits), fast_packed_weight(s->all, s->bits),
              fast_packed_sum(cut.left, s->bits), fast_packed_weight(cut.left, s->bits), &top,
              &bottom);
    cut.gain = top / bottom;
    return cut;
}

struct fast_cut fast_search_rated(const struct fast_block *b, const struct fast_search *s,
                                  const struct rough_best *rated, fast_search_one *search_one)
{
    struct fast_cut best = { 0.0, 0, 0, 0 };
    if (rated->is_sure)
        return cut_at(b, s, s->features[rated->feature], rated->pos);
    for (uint32_t i = 0; i < s->count; i++)
        if (b->rates[i] >= 0.0f && b->rates[i] >= rated->enough)
            search_one(b, s, s->features[i], &best);
    return best;
}
