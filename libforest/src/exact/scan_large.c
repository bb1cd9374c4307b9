/* SPDX-License-Identifier: MIT */
/* scan_large.c -- rating the cuts of one feature of a large node, in plain C. */
#include "scan_large.h"

static bool is_cut(const struct large *l, const struct search *s, uint32_t p)
{
    return l->keys[p] != l->keys[p - 1] && p >= s->min_samples_leaf &&
           l->n - p >= s->min_samples_leaf &&
           key_value(l->keys[p]) > key_value(l->keys[p - 1]) + PREP_APART;
}

static void take_back(struct rating *r, uint32_t p)
{
    const struct large *l = r->l;
    r->sum = r->s->sum;
    r->weight = r->s->weight;
    for (uint32_t i = l->n; i-- > p;) {
        struct target t = l->target[l->slots[i]];
        r->sum -= t.w * t.y;
        r->weight -= t.w;
    }
}

void rate_places(struct rating *r, uint32_t from, uint32_t to)
{
    const struct large *l = r->l;
    const struct search *s = r->s;
    for (uint32_t p = from + 1; p <= to; p++) {
        struct target t = l->target[l->slots[p - 1]];
        r->sum += t.w * t.y;
        r->weight += t.w;
        if (!is_cut(l, s, p))
            continue;
        if (p - r->before > l->n - p)
            take_back(r, p);
        r->before = p;
        double rest = s->sum - r->sum, rest_weight = s->weight - r->weight;
        if (r->weight < s->min_weight_leaf || rest_weight < s->min_weight_leaf)
            continue;
        double proxy = merit_of(s->is_friedman, r->sum, r->weight, rest, rest_weight);
        if (proxy > r->best.proxy)
            r->best = (struct rated_cut){ proxy, p };
    }
}

void rate_large_plain(const struct large *l, const struct search *s, struct rated_cut *best)
{
    struct rating r = { .l = l, .s = s, .best = *best };
    rate_places(&r, 0, l->n - 1);
    *best = r.best;
}
