/* SPDX-License-Identifier: MIT */
/* fast_few_avx512.c -- subtrees of up to 64 rows of the fast mode: see fast_few.h. */
#include "base/avx512.h"

#ifdef HAVE_AVX512
#include <errno.h>

#include "fast_few.h"
#include "fast_draw.h"
#include "fast_leaf.h"
#include "fast_tiny.h"
#include "exact/few_rates.h"

struct few_node {
    struct fast_node of; /* start is not used: its rows are 0..end-1 of its lists */
    uint64_t names;
};

/* ---- from the block ---------------------------------------------------------------------- */

static void take_rows(struct fast_few *t, const uint32_t *order, uint32_t n)
{
    const struct fast_block *b = t->b;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t slot = order[i];
        b->side[slot] = (uint8_t)i;
        t->slot[i] = slot;
        t->rough[i] = b->rough_worth[slot];
        t->worth[i] = b->worth[slot];
        t->y[i] = b->y[slot];
    }
}

/* ---- the search ---------------------------------------------------------------------------- */

/* Improve on `best` among the cuts of a feature that leave so many rows on the left: a bit each. */
static void look_closely(const struct fast_few *t, const struct few_node *node, uint32_t feature,
                         const uint8_t *list, uint64_t cuts, struct fast_cut *best)
{
    uint32_t bits = t->b->units.bits, at = 0, pos = 0;
    double s = fast_packed_sum(node->of.all, bits), w = fast_packed_weight(node->of.all, bits);
    double best_top = 0.0, best_bottom = 1.0;
    fast_worth left = 0, best_left = 0;
    for (; cuts; cuts &= cuts - 1) {
        double top, bottom;
        for (uint32_t end = (uint32_t)_tzcnt_u64(cuts); at < end; at++)
            left += t->worth[list[at]];
        fast_gain(s, w, fast_packed_sum(left, bits), fast_packed_weight(left, bits), &top, &bottom);
        if (!(top * best_bottom > best_top * bottom))
            continue;
        best_top = top;
        best_bottom = bottom;
        best_left = left;
        pos = at;
    }
    double gain = best_top / best_bottom;
    if (gain > best->gain)
        *best = (struct fast_cut){ gain, pos, feature, best_left };
}

static struct fast_cut search(const struct fast_few *t, const struct few_node *node, uint32_t level,
                              uint32_t count)
{
    const uint32_t *scanned = t->g->g.scanned;
    uint32_t n = node->of.end;
    struct fast_cut best = { 0.0, 0, 0, 0 };
    struct rating r;
    start_rating(&r, t->rough, node->names, fast_packed_weight(node->of.all, t->b->units.bits),
                 t->b->weight_least);
    float most = rate_lists(&t->l, &r, level, scanned, count, n, t->g->g.limits->min_samples_leaf);
    if (most < 0.0f)
        return best;
    float enough = rate_enough(most);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t cuts = rated_cuts(t->l.rates[i], n, enough);
        if (cuts)
            look_closely(t, node, scanned[i], few_lists(&t->l, level)[scanned[i]], cuts, &best);
    }
    return best;
}

/* ---- the split ----------------------------------------------------------------------------- */

static struct node_stats stats_of(const struct fast_few *t, uint64_t names, bool is_full)
{
    uint32_t order[FEW_ROWS], n = 0;
    for (; names; names &= names - 1)
        order[n++] = t->slot[_tzcnt_u64(names)];
    return fast_stats(t->g, t->b->y, t->b->w, order, n, is_full);
}

static bool is_pure(const struct fast_few *t, uint64_t names)
{
    double y = t->y[_tzcnt_u64(names)];
    for (names &= names - 1; names; names &= names - 1)
        if (t->y[_tzcnt_u64(names)] != y)
            return false;
    return true;
}

/*
 * Split the node if it is worth it: the right child takes its place, the left one that above.
 * False: it is a leaf.
 */
static bool split(struct fast_few *t, struct few_node *node, uint32_t level, uint32_t id)
{
    struct fast_grower *g = t->g;
    const struct fast_block *b = t->b;
    uint32_t n = node->of.end, bits = b->units.bits, depth = node->of.depth + 1;
    if (is_pure(t, node->names))
        return false;
    few_start(&t->l, level, n);
    struct drawn d = fast_draw(&g->g, node->of.constants, few_is_constant, &t->l);
    struct fast_cut cut = search(t, node, level, d.scanned);
    if (!cut.pos || !fast_is_worth_it(g, &b->units, b->weight_all,
                                      fast_packed_weight(node->of.all, bits), cut.gain))
        return false;
    const uint8_t *list = few_lists(&t->l, level)[cut.feature];
    uint8_t below = list[cut.pos - 1], above = list[cut.pos];
    const float *column = fast_column(b, cut.feature);
    split_node(g->g.out, id, cut.feature, column[b->row[t->slot[below]]],
               column[b->row[t->slot[above]]]);
    uint64_t left = node->names & few_left(&t->l, cut.feature, below);
    struct few_node *l = node + 1, *r = node;
    fast_worth rest = node->of.all - cut.left;
    l->of = fast_child(g, b, 0, cut.pos, depth, cut.left);
    r->of = fast_child(g, b, 0, n - cut.pos, depth, rest);
    l->of.is_left = true;
    l->of.parent = r->of.parent = (int32_t)id;
    l->of.constants = r->of.constants = d.constants;
    l->names = left;
    r->names &= ~left;
    few_part(&t->l, level, n, left);
    return true;
}

/* ---- the subtree ------------------------------------------------------------------------- */

/* One node, or a whole tiny subtree. Returns whether it has children; < 0: error. */
static int grow_node(struct fast_few *t, struct few_node *node, uint32_t level)
{
    struct tree *out = t->g->g.out;
    struct node_stats stats = { .rows = node->of.end };
    if (!node->of.is_leaf && node->of.end <= FAST_TINY_ROWS)
        return fast_grow_tiny_of_few_avx512(t, &node->of, node->names, level);
    if (tree_reserve(out, 1))
        return -ENOMEM;
    if (node->of.is_leaf || out->stats)
        stats = stats_of(t, node->names, out->stats != NULL);
    uint32_t id = fast_add_node(out, node->of.depth, node->of.parent, node->of.is_left, &stats);
    if (node->of.is_leaf)
        return 0;
    if (split(t, node, level, id))
        return 1;
    if (!out->stats)
        out->nodes[id].number = stats_of(t, node->names, false).value;
    return 0;
}

static size_t rounded(size_t bytes)
{
    return (bytes + 63) & ~(size_t)63;
}

size_t fast_few_bytes_avx512(uint32_t features)
{
    size_t tiny = rounded(fast_tiny_bytes_plain(features));
    return features <= FEW_FEATURES ? tiny + few_bytes(features) : tiny;
}

int fast_grow_few_avx512(struct fast_grower *g, const struct fast_block *b,
                         const struct fast_node *root)
{
    struct fast_few t;
    uint32_t n = root->end - root->start, level = 0; /* so many nodes wait */
    struct few_node stack[FEW_LEVELS + 1];
    t.g = g;
    t.b = b;
    t.l = few_lay_out((char *)b->tiny + rounded(fast_tiny_bytes_plain(b->features)), b->features);
    take_rows(&t, b->order + root->start, n);
    for (uint32_t f = 0; f < b->features; f++)
        few_take_list(&t.l, f, b->lists + (size_t)f * b->stride + root->start, n, b->side);
    stack[0] = (struct few_node){ *root, low_bits64(n) };
    stack[0].of.start = 0;
    stack[0].of.end = n;
    for (;;) {
        int parted = grow_node(&t, &stack[level], level);
        if (parted < 0)
            return parted;
        if (parted)
            level++;
        else if (level-- == 0)
            return 0;
    }
}

#pragma GCC pop_options
#endif
