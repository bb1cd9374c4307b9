/* SPDX-License-Identifier: MIT */
/*
 * kernels_plain.c -- the inner loops in plain C.
 *
 * The sort. The rules sort a node's samples anew for every feature, unstably, so the order in
 * which equal values end up depends on every step. But where no values are equal there is only
 * one sorted order, and the list has it. So the sort's steps are carried out on a copy, only in
 * those ranges that contain ties, and only the runs of ties are written back to the list.
 */
#include <stddef.h>
#include <string.h>

#include "grow_large.h"
#include "kernels.h"
#include "sort_few.h"
#include "ties.h"

#define RANK_OF(e) ((e) >> 16)
#define SLOT_OF(e) ((uint16_t)(e))

static const uint16_t *ranks_of(const struct block *b, uint32_t feature)
{
    return b->ranks + (size_t)feature * b->stride;
}

/* Without branches: which rows take part cannot be foretold. Ranks are those of the data set. */
static uint32_t fill_entries(const struct block *b, const uint32_t *slot_of, uint32_t feature,
                             uint32_t *list)
{
    const uint32_t *order = prep_order(b->prep, feature);
    uint32_t count = 0, value = UINT32_MAX;
    for (uint32_t i = 0; i < b->prep->rows; i++) {
        uint32_t slot = slot_of[order[i] & PREP_ROW];
        value += order[i] < PREP_TIE;
        list[count] = value << 16 | slot;
        count += slot != NO_SLOT;
    }
    memcpy(b->near + feature * b->near_words, prep_near(b->prep, feature),
           b->near_words * sizeof *b->near);
    return count;
}

/* The same where the data set has too many rows for ranks of 16 bits. */
static uint32_t fill_dense_entries(const struct block *b, const uint32_t *slot_of, uint32_t feature,
                                   uint32_t *list)
{
    const uint32_t *order = prep_order(b->prep, feature);
    const uint64_t *near = prep_near(b->prep, feature);
    uint64_t *bits = b->near + feature * b->near_words;
    uint32_t fresh = 0, count = 0, ranks = 0, value = UINT32_MAX;
    memset(bits, 0, b->near_words * sizeof *bits);
    for (uint32_t i = 0; i < b->prep->rows; i++) {
        uint32_t slot = slot_of[order[i] & PREP_ROW], is_new = order[i] < PREP_TIE;
        uint32_t is_active = slot != NO_SLOT;
        fresh |= is_new;
        value += is_new;
        ranks += fresh & is_active;
        fresh &= !is_active;
        uint32_t rank = ranks - (ranks > 0); /* before the first one, there is nothing to note */
        uint64_t is_near = near[value / 64] >> value % 64 & is_active;
        bits[rank / 64] |= is_near << rank % 64;
        list[count] = rank << 16 | slot;
        count += is_active;
    }
    return count;
}

void fill_list_plain(const struct block *b, const uint32_t *slot_of, uint32_t feature)
{
    uint32_t *list = b->lists + feature * b->stride;
    uint16_t *ranks = b->ranks + feature * b->stride;
    uint32_t count = b->prep->rows <= BLOCK_ROWS_MAX
                         ? fill_entries(b, slot_of, feature, list)
                         : fill_dense_entries(b, slot_of, feature, list);
    for (uint32_t i = 0; i < count; i++)
        ranks[SLOT_OF(list[i])] = (uint16_t)RANK_OF(list[i]);
    memset(list + count, 0, BLOCK_PAD * sizeof *list);
}

static bool find_ties(const struct block *b, const uint32_t *list, uint32_t n)
{
    const uint32_t *e = list;
    uint64_t any = 0;
    for (uint32_t i = 0; i < n; i += 64) {
        uint64_t bits = 0;
        uint32_t stop = n - i < 64 ? n - i : 64;
        for (uint32_t k = i == 0; k < stop; k++)
            bits |= (uint64_t)(RANK_OF(e[i + k]) == RANK_OF(e[i + k - 1])) << k;
        b->ties[i / 64] = bits;
        any |= bits;
    }
    return any != 0;
}

/* ---- the sort ---------------------------------------------------------------------------- */

static uint32_t median3(uint32_t a, uint32_t b, uint32_t c)
{
    if (a < b)
        return b < c ? b : a < c ? c : a;
    return b < c ? (a < c ? a : c) : b;
}

static void swap(uint32_t *a, uint32_t i, uint32_t j)
{
    uint32_t t = a[i];
    a[i] = a[j];
    a[j] = t;
}

static void sift_down(uint32_t *a, uint32_t root, uint32_t n)
{
    for (;;) {
        uint64_t child = (uint64_t)root * 2 + 1;
        uint32_t largest = root;
        if (child < n && RANK_OF(a[largest]) < RANK_OF(a[child]))
            largest = (uint32_t)child;
        if (child + 1 < n && RANK_OF(a[largest]) < RANK_OF(a[child + 1]))
            largest = (uint32_t)child + 1;
        if (largest == root)
            return;
        swap(a, root, largest);
        root = largest;
    }
}

static void heap_sort(uint32_t *a, uint32_t n)
{
    for (uint32_t root = n / 2; root-- > 0;)
        sift_down(a, root, n);
    for (uint32_t last = n - 1; last > 0; last--) {
        swap(a, 0, last);
        sift_down(a, 0, last);
    }
}

static void sort_few(const struct few_sorts *few, const uint32_t *a, uint32_t *list, uint32_t n)
{
    uint32_t digit[SORT_FEW];
    for (uint32_t i = 0; i < n; i++) {
        digit[i] = 0;
        for (uint32_t k = 0; k < n; k++)
            digit[i] += RANK_OF(a[k]) < RANK_OF(a[i]);
    }
    uint32_t order = few_sort(few, digit, n);
    for (uint32_t i = 0; i < n; i++, order >>= 4)
        list[i] = a[order & 15];
}

/* Sort a[from..to), whose sorted list is in the same range of `list`. */
static void sort_range(const struct few_sorts *few, uint32_t *a, uint32_t *list,
                       const uint64_t *ties, uint32_t from, uint32_t to, int depth)
{
    while (has_tie(ties, from, to)) {
        if (to - from <= SORT_FEW && depth >= SORT_FEW_DIVISIONS) {
            sort_few(few, a + from, list + from, to - from);
            return;
        }
        if (depth-- <= 0) {
            heap_sort(a + from, to - from);
            memcpy(list + from, a + from, (to - from) * sizeof *a);
            return;
        }
        uint32_t n = to - from, i = from, l = from, r = to;
        uint32_t pivot = median3(RANK_OF(a[from]), RANK_OF(a[from + n / 2]), RANK_OF(a[to - 1]));
        while (i < r) {
            uint32_t rank = RANK_OF(a[i]);
            if (rank < pivot)
                swap(a, i++, l++);
            else if (rank > pivot)
                swap(a, i, --r);
            else
                i++;
        }
        if (r - l > 1)
            memcpy(list + l, a + l, (r - l) * sizeof *a);
        sort_range(few, a, list, ties, from, l, depth);
        from = r;
    }
}

static void sort_ties(const struct block *b, uint32_t feature, const uint32_t *from, uint32_t *list,
                      uint32_t n)
{
    const uint16_t *ranks = ranks_of(b, feature);
    const uint32_t *e = from;
    uint32_t *a = b->temp;
    for (uint32_t i = 0; i < n; i++)
        a[i] = (uint32_t)ranks[SLOT_OF(e[i])] << 16 | SLOT_OF(e[i]);
    sort_range(b->few, a, list, b->ties, 0, n, sort_depth(n));
}

/* ---- the search -------------------------------------------------------------------------- */

static float value_of(const struct block *b, const float *column, uint32_t e)
{
    return column[b->row[SLOT_OF(e)]];
}

/* Look for something better than best->proxy among the cuts of one feature. */
static bool scan_feature(const struct block *b, const struct search *s, uint32_t feature,
                         struct rated_cut *best)
{
    const uint32_t *e = b->lists + (size_t)feature * b->stride + s->start;
    const float *column = prep_column(b->prep, feature);
    bool close = b->close[feature], better = false;
    uint32_t pos = 0, n = s->n;
    double sum = 0.0, weight = 0.0;
    for (uint32_t p = 1; p < n; p++) {
        if (RANK_OF(e[p]) == RANK_OF(e[p - 1]) || p < s->min_samples_leaf ||
            n - p < s->min_samples_leaf ||
            (close && value_of(b, column, e[p]) <= value_of(b, column, e[p - 1]) + PREP_APART))
            continue;
        if (p - pos <= n - p) {
            for (; pos < p; pos++) {
                sum += b->wy[SLOT_OF(e[pos])];
                weight += b->w[SLOT_OF(e[pos])];
            }
        } else {
            sum = s->sum;
            weight = s->weight;
            for (pos = n; pos-- > p;) {
                sum -= b->wy[SLOT_OF(e[pos])];
                weight -= b->w[SLOT_OF(e[pos])];
            }
            pos = p;
        }
        double rest = s->sum - sum, rest_weight = s->weight - weight;
        if (weight < s->min_weight_leaf || rest_weight < s->min_weight_leaf)
            continue;
        double proxy = merit_of(s->is_friedman, sum, weight, rest, rest_weight);
        if (proxy > best->proxy) {
            *best = (struct rated_cut){ proxy, p };
            better = true;
        }
    }
    return better;
}

struct found rate_plain(const struct block *b, const struct search *s)
{
    struct rated_cut best = { -__builtin_inf(), 0 };
    struct found found = { 0, 0 };
    for (uint32_t i = 0; i < s->count; i++)
        if (scan_feature(b, s, s->features[i], &best))
            found = (struct found){ s->features[i], best.pos };
    return found;
}

/* ---- the split --------------------------------------------------------------------------- */

void split_order_plain(const struct block *b, const struct cut *c, const uint32_t *from,
                       uint32_t *order)
{
    const uint16_t *ranks = ranks_of(b, c->feature);
    const uint32_t *e = from;
    uint32_t *o = order, at = e[0];
    /* As the rules: what goes right changes places with the last one not yet looked at. */
    for (uint32_t l = 0, r = c->n; l < r;) {
        if (ranks[SLOT_OF(at)] <= c->last_rank) {
            o[l++] = at;
            at = e[l];
        } else {
            o[--r] = at;
            at = e[r];
        }
    }
}

static void split_list(const struct block *b, const struct cut *c, uint32_t *list)
{
    const uint16_t *ranks = ranks_of(b, c->feature);
    uint32_t *e = list, *right = b->temp;
    uint32_t l = 0, r = 0;
    for (uint32_t i = 0; i < c->n; i++) {
        uint32_t at = e[i];
        bool goes_left = ranks[SLOT_OF(at)] <= c->last_rank;
        e[l] = at;
        right[r] = at;
        l += goes_left;
        r += !goes_left;
    }
    memcpy(e + l, right, r * sizeof *e);
}

static void add(struct sums *s, const struct block *b, uint32_t e)
{
    s->sum += b->wy[SLOT_OF(e)];
    s->sumsq += b->wyy[SLOT_OF(e)];
    s->weight += b->w[SLOT_OF(e)];
}

void sum_children_plain(const struct block *b, const struct cut *c, const uint32_t *order,
                        struct sums child[2], struct sums *rest)
{
    const uint32_t *e = order, *f = e + c->left;
    uint32_t left = c->left, right = c->n - left, both = left < right ? left : right;
    struct sums l = { 0, 0, 0 }, r = { 0, 0, 0 };
    /* Side by side: additions to one sum wait for each other, those to different sums do not. */
    for (uint32_t i = 0; i < both; i++) {
        add(&l, b, e[i]);
        add(&r, b, f[i]);
    }
    for (uint32_t i = both; i < left; i++)
        add(&l, b, e[i]);
    for (uint32_t i = both; i < right; i++)
        add(&r, b, f[i]);
    child[0] = l;
    child[1] = r;
    for (uint32_t i = right; i-- > 0 && left > right;) {
        rest->sum -= b->wy[SLOT_OF(f[i])];
        rest->weight -= b->w[SLOT_OF(f[i])];
    }
}

const struct kernels kernels_plain = {
    .fill_list = fill_list_plain,
    .find_ties = find_ties,
    .sort_ties = sort_ties,
    .rate = rate_plain,
    .split_order = split_order_plain,
    .split_list = split_list,
    .sum_children = sum_children_plain,
    .sort_large = sort_large_plain,
    .rate_large = rate_large_plain,
};
