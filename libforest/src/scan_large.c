/* SPDX-License-Identifier: MIT */
/* scan_large.c -- rating the cuts of one feature of a large node, in plain C. */
#include "grow_large.h"

static bool is_cut(const struct large *l, const struct search *s, uint32_t p)
{
    return l->keys[p] != l->keys[p - 1] && p >= s->min_samples_leaf &&
           l->n - p >= s->min_samples_leaf &&
           key_value(l->keys[p]) > key_value(l->keys[p - 1]) + PREP_APART;
}

static void take_back(const struct large *l, struct sums *sums, uint32_t p)
{
    for (uint32_t i = l->n; i-- > p;) {
        uint32_t slot = l->slots[i];
        sums->sum -= l->w[slot] * l->y[slot];
        sums->weight -= l->w[slot];
    }
}

void rate_large_plain(const struct large *l, const struct search *s, struct rated_cut *best)
{
    struct sums sums = { 0.0, 0.0, 0.0 };
    uint32_t before = 0; /* the cut before: if more rows lie in between than behind, the rules */
    for (uint32_t p = 1; p < l->n; p++) { /* start from the total */
        uint32_t slot = l->slots[p - 1];
        sums.sum += l->w[slot] * l->y[slot];
        sums.weight += l->w[slot];
        if (!is_cut(l, s, p))
            continue;
        if (p - before > l->n - p) {
            sums = (struct sums){ s->sum, 0.0, s->weight };
            take_back(l, &sums, p);
        }
        before = p;
        double rest = s->sum - sums.sum, rest_weight = s->weight - sums.weight;
        if (sums.weight < s->min_weight_leaf || rest_weight < s->min_weight_leaf)
            continue;
        double proxy = sums.sum * sums.sum / sums.weight + rest * rest / rest_weight;
        if (proxy > best->proxy)
            *best = (struct rated_cut){ proxy, p };
    }
}
