/* SPDX-License-Identifier: MIT */
/* lists.c -- see lists.h. */
#include "lists.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "sides.h"

/* So many times as many features as are looked at in a node: to part the others costs more. */
#define FEATURES_EACH 6u
#define ORDER_SHARE \
    8u /* of so large a part of all rows the lists come from the data set's orders */

bool lists_pay(const struct splitter *s)
{
    uint32_t count = 0;

    for (uint32_t f = 0; f < s->prep->features; f++)
        count += lists_have_feature(s, f);
    return count > 0 && s->prep->features <= FEATURES_EACH * s->limits->max_features;
}

static void *take(char **at, size_t bytes)
{
    char *here = *at;

    *at += (bytes + 63) & ~(size_t)63;
    return here;
}

int lists_reserve(struct lists *l, const struct prep *prep, uint32_t rows)
{
    uint32_t most = rows < FAST_BLOCK_ROWS ? rows : FAST_BLOCK_ROWS;

    l->start = l->end = 0;
    l->features = prep->features;
    l->stride = ((size_t)most + FAST_PAD + 15) & ~(size_t)15;
    size_t bytes = (l->features + 3) * l->stride * sizeof(uint32_t) +
                   2 * l->stride * sizeof(struct item) + prep->rows * sizeof(uint32_t) + 8 * 64;
    if (bytes > l->bytes) {
        char *memory = memory_reserve(bytes);
        if (!memory)
            return -ENOMEM;
        free(l->memory);
        memory_populate(memory, (l->features + 2) * l->stride * sizeof(uint32_t));
        l->memory = memory;
        l->bytes = bytes;
    }
    char *at = l->memory;
    l->lists = take(&at, l->features * l->stride * sizeof *l->lists);
    l->order = take(&at, l->stride * sizeof *l->order);
    l->spare = take(&at, l->stride * sizeof *l->spare);
    l->side = take(&at, l->stride);
    l->items = take(&at, 2 * l->stride * sizeof *l->items);
    l->slot_of = take(&at, prep->rows * sizeof *l->slot_of);
    return 0;
}

static uint32_t *list_of(const struct splitter *s, uint32_t feature)
{
    const struct lists *l = s->lists;

    return l->lists + feature * l->stride + (s->criterion.start - l->start);
}

static void sort_list(const struct splitter *s, uint32_t feature)
{
    const struct lists *l = s->lists;
    const float *column = prep_column(s->prep, feature);
    uint32_t *list = l->lists + feature * l->stride, n = l->end - l->start, varying = 0, rank = 0;

    for (uint32_t i = 0; i < n; i++) {
        l->items[i] = (struct item){ sort_key(column[s->samples[l->start + i]]), i };
        varying |= l->items[i].key ^ l->items[0].key;
    }
    const struct item *sorted = radix_sort(l->items, l->items + l->stride, n, varying);
    for (uint32_t i = 0; i < n; i++) {
        rank += i > 0 && sorted[i].key != sorted[i - 1].key;
        list[i] = rank << 16 | sorted[i].slot;
    }
    memset(list + n, 0, FAST_PAD * sizeof *list);
}

void lists_take(struct splitter *s, uint32_t start, uint32_t end)
{
    struct lists *l = s->lists;
    uint32_t n = end - start;
    bool has_orders = s->prep->orders && n >= s->prep->rows / ORDER_SHARE;

    l->start = start;
    l->end = end;
    if (has_orders)
        memset(l->slot_of, 0xff, s->prep->rows * sizeof *l->slot_of);
    for (uint32_t i = 0; i < n; i++) {
        l->order[i] = i;
        if (has_orders)
            l->slot_of[s->samples[start + i]] = i;
    }
    memset(l->order + n, 0, FAST_PAD * sizeof *l->order); /* is read, if never used */
    for (uint32_t f = 0; f < l->features; f++)
        if (!lists_have_feature(s, f))
            continue;
        else if (has_orders)
            s->loops->fill(s->prep, f, l->slot_of, l->lists + f * l->stride);
        else
            sort_list(s, f);
}

/* Add up n rows by class: in two parts, for additions to one number wait for each other. */
static void add_up(const struct splitter *s, const uint32_t *list, uint32_t n, int64_t *sum,
                   int64_t *other)
{
    const uint32_t *tags = s->tags + s->lists->start;
    uint32_t classes = s->criterion.classes, bits = s->class_bits, mask = (1u << bits) - 1, i = 0;

    memset(sum, 0, classes * sizeof *sum);
    memset(other, 0, classes * sizeof *other);
    for (; i + 1 < n; i += 2) {
        uint32_t a = tags[list[i] & FAST_SLOTS], b = tags[list[i + 1] & FAST_SLOTS];
        sum[a & mask] += a >> bits;
        other[b & mask] += b >> bits;
    }
    if (i < n)
        sum[tags[list[i] & FAST_SLOTS] & mask] += tags[list[i] & FAST_SLOTS] >> bits;
    for (uint32_t k = 0; k < classes; k++)
        sum[k] += other[k];
}

void lists_node(struct splitter *s, uint32_t start, uint32_t end)
{
    struct criterion *c = &s->criterion;
    double weight = 0.0;

    c->start = c->pos = start;
    c->end = end;
    add_up(s, s->lists->order + (start - s->lists->start), end - start, s->left, s->right);
    for (uint32_t k = 0; k < c->classes; k++) {
        c->total[k] = (double)s->left[k];
        weight += c->total[k];
    }
    c->weight = weight;
}

SIDES_INLINE void scan(struct splitter *s, const struct sorted *rows, bool is_gini,
                       struct cut *best)
{
    struct sides p;

    sides_start(&p, s, is_gini);
    sides_know(&p, best->proxy, is_gini);
    sides_scan(&p, rows, p.n, 0, false, is_gini, best);
}

bool look_list(struct splitter *s, uint32_t feature, struct cut *best)
{
    struct sorted rows = { .list = list_of(s, feature),
                           .tags = s->tags + s->lists->start,
                           .class_bits = s->class_bits };
    uint32_t n = s->criterion.end - s->criterion.start;
    double known = best->proxy;

    if (rows.list[0] >> 16 == rows.list[n - 1] >> 16)
        return true;
    if (s->criterion.kind == FOREST_GINI)
        scan(s, &rows, true, best);
    else
        scan(s, &rows, false, best);
    if (best->proxy > known)
        best->feature = feature;
    return false;
}

/* The same of a feature without a list. */
static void mark_values(struct splitter *s, const struct cut *cut)
{
    const struct lists *l = s->lists;
    const uint32_t *order = l->order + (s->criterion.start - l->start);
    const float *column = prep_column(s->prep, cut->feature);
    uint32_t n = s->criterion.end - s->criterion.start, bits = s->class_bits;

    memset(s->left, 0, s->criterion.classes * sizeof *s->left);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t tag = s->tags[l->start + order[i]];
        bool is_left = (double)column[s->samples[l->start + order[i]]] <= cut->threshold;
        l->side[order[i]] = is_left;
        s->left[tag & ((1u << bits) - 1)] += is_left ? tag >> bits : 0;
    }
}

void lists_mark(struct splitter *s, struct cut *cut)
{
    if (!lists_have_feature(s, cut->feature)) {
        mark_values(s, cut);
        return;
    }
    const struct lists *l = s->lists;
    const uint32_t *list = list_of(s, cut->feature), *samples = s->samples + l->start;
    const float *column = prep_column(s->prep, cut->feature);
    uint32_t n = s->criterion.end - s->criterion.start, left = cut->pos - s->criterion.start;

    cut->threshold = cut_between(column[samples[list[left - 1] & FAST_SLOTS]],
                                 column[samples[list[left] & FAST_SLOTS]]);
    for (uint32_t i = 0; i < left; i++)
        l->side[list[i] & FAST_SLOTS] = 1;
    for (uint32_t i = left; i < n; i++)
        l->side[list[i] & FAST_SLOTS] = 0;
    add_up(s, list, left, s->left, s->right);
}

/* Lists are not needed of leaves. */
static bool wants_lists(const struct splitter *s, uint32_t rows, double impurity)
{
    return impurity > 0.0 && rows >= s->limits->min_samples_split;
}

void lists_part(struct splitter *s, const struct cut *cut)
{
    const struct lists *l = s->lists;
    uint32_t n = s->criterion.end - s->criterion.start, left = cut->pos - s->criterion.start;
    uint32_t features =
        wants_lists(s, left, cut->left) || wants_lists(s, n - left, cut->right) ? l->features : 0;

    for (uint32_t f = 0; f < features; f++) {
        uint32_t *list = list_of(s, f);
        if (f != cut->feature && lists_have_feature(s, f) && list[0] >> 16 != list[n - 1] >> 16)
            s->loops->part(list, n, l->side, l->spare);
    }
    s->loops->part(l->order + (s->criterion.start - l->start), n, l->side, l->spare);
}
