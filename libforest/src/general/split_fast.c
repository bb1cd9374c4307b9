/* SPDX-License-Identifier: MIT */
/*
 * split_fast.c -- the best cut of a feature in fast mode, from the node's rows sorted by value.
 * Sums are exact, so any sort will do.
 */
#include <math.h>

#include "lists.h"
#include "sides.h"
#include "sort_keys.h"
#include "data/sort_radix.h"

/* Keys of the node's rows: the value above `tags`, by place. NULL: the feature is constant. */
static const uint64_t *sorted_keys(struct splitter *s, uint32_t feature, const uint32_t *tags)
{
    const struct column column = splitter_column(s, feature);
    uint32_t n = s->criterion.end - s->criterion.start, any = 0, all = UINT32_MAX;

    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = lists_place(s, i), key = sort_key(column_value(&column, s->samples[at]));
        s->keys[i] = (uint64_t)key << 32 | tags[at];
        any |= key;
        all &= key;
    }
    return any == all ? NULL : sort_keys(s->keys, s->spare_keys, n, any ^ all, s->kernels);
}

uint64_t chunk_rate_plain(const struct chunk *c, uint32_t n, double weight, double enough)
{
    uint64_t good = 0;

    for (uint32_t i = 0; i < n; i++) {
        double wl = (double)c->weight[i], wr = weight - wl;
        double top = (double)c->left[i] * wr + (double)c->right[i] * wl;
        good |= (uint64_t)(top >= enough * (wl * wr)) << i;
    }
    return good;
}

static float key_of(uint64_t key)
{
    return key_value((uint32_t)(key >> 32));
}

SIDES_INLINE void scan(struct splitter *s, const struct sorted *rows, bool is_gini,
                       struct cut *best)
{
    struct sides p;

    sides_start(&p, s, is_gini);
    sides_know(&p, best->proxy, is_gini);
    sides_scan(&p, rows, p.n, 0, true, is_gini, best);
}

bool look_whole_counts(struct splitter *s, uint32_t feature, struct cut *best)
{
    const struct criterion *c = &s->criterion;
    double known = best->proxy;

    if (s->in_lists && lists_have_feature(s, feature))
        return look_list(s, feature, best);
    if (s->codes && codes_pay(s, feature))
        return look_codes(s, feature, best);
    struct sorted rows = { .keys = sorted_keys(s, feature, s->tags), .class_bits = s->class_bits };
    if (!rows.keys)
        return true;
    if (c->kind == FOREST_GINI)
        scan(s, &rows, true, best);
    else
        scan(s, &rows, false, best);
    if (best->proxy > known) {
        const uint64_t *at = rows.keys + (best->pos - c->start);
        best->feature = feature;
        best->threshold = cut_between(key_of(at[-1]), key_of(at[0]));
    }
    return false;
}

bool look_whole_sums(struct splitter *s, uint32_t feature, struct cut *best)
{
    const struct criterion *c = &s->criterion;
    const uint64_t *keys = sorted_keys(s, feature, s->samples);
    uint32_t n = c->end - c->start, least = s->limits->min_samples_leaf;
    double left = 0.0, wl = 0.0, enough = best->proxy * (1.0 - SIDES_SLACK);

    if (!keys)
        return true;
    for (uint32_t i = 0; i + least < n; i++) {
        uint32_t row = (uint32_t)keys[i];
        wl += c->w[row];
        left += c->w[row] * c->y[row];
        double right = c->total[0] - left, wr = c->weight - wl, d = left * wr - right * wl;
        if (d * d < enough * (wl * wr) || (keys[i] ^ keys[i + 1]) >> 32 == 0 || i + 1 < least ||
            wl < s->limits->min_weight_leaf || wr < s->limits->min_weight_leaf)
            continue;
        double gain = criterion_gain(left, wl, right, wr);
        if (!(gain > best->proxy))
            continue;
        *best = (struct cut){ .found = true,
                              .feature = feature,
                              .pos = c->start + i + 1,
                              .proxy = gain,
                              .threshold = cut_between(key_value((uint32_t)(keys[i] >> 32)),
                                                       key_value((uint32_t)(keys[i + 1] >> 32))) };
        enough = gain * (1.0 - SIDES_SLACK);
    }
    return false;
}
