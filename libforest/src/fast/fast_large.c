/* SPDX-License-Identifier: MIT */
/*
 * fast_large.c -- nodes with too many rows for a block.
 *
 * The best of all cuts is found without sorting: the values of each feature fall into up to 256
 * bins, and the rows of a node are added up by bin. Cuts between bins are rated from these sums,
 * and inside a bin no cut gains more than a bound does (most_inside); only bins whose bound reaches
 * the best cut are looked into, and their rows sorted. Which values make bins does not matter to
 * the tree. A node that fits a block gets one.
 *
 * The bound: let u = sl - wl * s / w, so that a gain is (w * u)^2 / (wl * wr), and let u0 and u1
 * be u on both sides of a bin. Inside it, rows that raise u add P to it all together, the others
 * take N away, P - N = u1 - u0. From u0, u comes to u0 + P at most and u0 - N at least, so
 *     |u| <= (|u0 + u1| + P + N) / 2,  P + N = sum |si - wi * s / w|  <=  sqrt(sum wi * A),
 * by Cauchy and Schwarz, where A = sum (si - wi * s / w)^2 / wi follows from the sums of wi, si and
 * si^2 / wi in the bin. wl * wr is least at one end. That says little near the ends of a node, where
 * wl or wr may be one row's; but by the same inequality, w0 and w1 being what lies beside the bin,
 *     u^2 / wl <= u0^2 / w0 + A  and  u^2 / wr <= u1^2 / w1 + A.
 */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "fast_grower.h"
#include "fast_leaf.h"
#include "data/sort_radix.h"

#define BINS EDGES_BINS
#define AHEAD 32u  /* rows whose values are fetched before they are needed */
#define TILE 4096u /* rows whose codes stay in the cache */
#define ROUNDING 0x1p-30

/* What rows add up to: [0] their worth; [1] the sum of si^2 / wi, roughly, above their count. */
typedef int64_t cell __attribute__((vector_size(16)));

struct fast_large {
    struct fast_block b; /* rows, order, spare, row and units; the rest only while it is set up */
    const double *y, *w; /* by row of the data set */
    cell *worth;         /* by slot */
    uint8_t *codes;      /* slots x code_stride: bins */
    size_t code_stride;
    float *edges; /* features x BINS: the least values of bins 1.., ascending, then infinity */
    float *least, *most; /* features x BINS: values in the tree */
    cell *bins;          /* features x BINS, of the node at hand */
    uint32_t count_bits; /* of cells */
    double square;       /* one unit of the squares in cells */
};

/* A cut, between two values or two bins. */
struct large_cut {
    double gain;
    fast_worth left;
    uint32_t feature, pos; /* rows that go left; 0: none */
    float below, above;
    uint32_t low, high; /* the bins these are in; if they differ, the values are yet to be found */
};

/* ---- from the data set ----------------------------------------------------------------------- */

static void *take(char **at, size_t bytes)
{
    char *here = *at;
    *at += (bytes + 63) & ~(size_t)63;
    return here;
}

static int reserve(struct fast_grower *g, uint32_t rows, struct fast_large *l)
{
    uint32_t features = g->g.features_count;
    size_t stride = ((size_t)rows + FAST_PAD + 15) & ~(size_t)15, table = (size_t)features * BINS;
    struct fast_scratch *s = g->scratch;
    l->code_stride = ((size_t)features + 15) & ~(size_t)15;
    size_t row = 3 * sizeof(uint32_t) + sizeof(cell) + l->code_stride;
    /* targets, weights and worth at first, later blocks */
    if (arena_reserve(&s->large,
                      stride * row + table * (sizeof(cell) + 3 * sizeof(float)) + 1024) ||
        arena_reserve(&s->block, 3 * stride * sizeof(double)))
        return -ENOMEM;
    char *at = s->large.memory;
    l->b = (struct fast_block){ .rows = rows, .features = features, .stride = stride };
    l->b.order = take(&at, stride * sizeof *l->b.order);
    l->b.spare = take(&at, stride * sizeof *l->b.spare);
    l->b.row = take(&at, stride * sizeof *l->b.row);
    l->worth = take(&at, stride * sizeof *l->worth);
    l->codes = take(&at, stride * l->code_stride);
    l->bins = take(&at, table * sizeof *l->bins);
    l->edges = take(&at, table * sizeof *l->edges);
    l->least = take(&at, table * sizeof *l->least);
    l->most = take(&at, table * sizeof *l->most);
    l->b.y = s->block.memory;
    l->b.w = l->b.y + stride;
    l->b.worth = (fast_worth *)(l->b.w + stride);
    return 0;
}

static int reserve_items(struct fast_grower *g, size_t n, struct item **items)
{
    if (arena_reserve(&g->scratch->items, 2 * n * sizeof **items))
        return -ENOMEM;
    *items = g->scratch->items.memory;
    return 0;
}

static void fill_cells(struct fast_large *l)
{
    const struct fast_block *b = &l->b;
    uint32_t bits = b->units.bits;
    double all = 0.0;
    l->count_bits = 32u - (uint32_t)__builtin_clz(b->rows);
    for (uint32_t i = 0; i < b->rows; i++) {
        double s = fast_packed_sum(b->worth[i], bits);
        all += s * s / fast_packed_weight(b->worth[i], bits);
    }
    l->square = fast_power(fast_exponent(all + 1.0) - (int)(61u - l->count_bits));
    for (uint32_t i = 0; i < b->rows; i++) {
        double s = fast_packed_sum(b->worth[i], bits);
        double squares = s * s / fast_packed_weight(b->worth[i], bits);
        int64_t up = (int64_t)(squares / l->square) + 1;
        l->worth[i] = (cell){ b->worth[i], (int64_t)((uint64_t)up << l->count_bits) + 1 };
    }
}

/* Returns the root. */
static struct fast_node take_rows(struct fast_grower *g, struct fast_large *l)
{
    struct fast_block *b = &l->b;
    uint32_t slot = 0;
    for (uint32_t i = 0; i < g->g.prep->rows; i++) {
        if (l->w[i] == 0.0)
            continue;
        b->y[slot] = l->y[i] / g->y_unit;
        b->w[slot] = l->w[i] / g->w_unit;
        b->row[slot] = i;
        b->order[slot] = slot;
        slot++;
    }
    fast_block_measure(g, b);
    fill_cells(l);
    struct fast_node root = fast_root(g, b);
    b->y = b->w = NULL;
    b->worth = NULL;
    return root;
}

static void fill_codes(const struct fast_grower *g, struct fast_large *l)
{
    uint32_t rows = l->b.rows, features = l->b.features;
    for (size_t i = 0; i < (size_t)features * BINS; i++) {
        l->least[i] = INFINITY;
        l->most[i] = -INFINITY;
    }
    for (uint32_t from = 0; from < rows; from += TILE) {
        uint32_t to = rows - from < TILE ? rows : from + TILE;
        for (uint32_t f = 0; f < features; f++) {
            struct fast_coding c = { l->edges + (size_t)f * BINS, l->least + (size_t)f * BINS,
                                     l->most + (size_t)f * BINS,
                                     l->codes + from * l->code_stride + f, l->code_stride };
            g->kernels->fill_codes(&c, prep_column(g->g.prep, f), l->b.row + from, to - from);
        }
    }
}

/* ---- a node ---------------------------------------------------------------------------------- */

struct view {
    struct fast_grower *g;
    const struct fast_large *l;
    const struct fast_node *node;
    double s, w, mean; /* of all; s / w */
    double enough;     /* no cut that gains less is the best */
};

static float value_of(const struct view *v, uint32_t feature, uint32_t slot)
{
    return prep_column(v->g->g.prep, feature)[v->l->b.row[slot]];
}

static uint32_t count_of(const struct fast_large *l, cell c)
{
    return (uint32_t)(c[1] & (((int64_t)1 << l->count_bits) - 1));
}

static void fill_bins(const struct fast_large *l, const struct fast_node *node)
{
    uint32_t features = l->b.features;
    memset(l->bins, 0, (size_t)features * BINS * sizeof *l->bins);
    for (uint32_t i = node->start; i < node->end; i++) {
        uint32_t slot = l->b.order[i];
        const uint8_t *code = l->codes + slot * l->code_stride;
        cell worth = l->worth[slot], *bin = l->bins;
        for (uint32_t f = 0; f < features; f++, bin += BINS)
            bin[code[f]] += worth;
    }
}

static bool is_constant(void *context, uint32_t feature)
{
    const struct view *v = context;
    const struct fast_large *l = v->l;
    const uint32_t *order = l->b.order;
    const cell *bins = l->bins + (size_t)feature * BINS;
    uint32_t n = v->node->end - v->node->start, code = 0;
    while (!count_of(l, bins[code]))
        code++;
    if (count_of(l, bins[code]) < n)
        return false;
    float first = value_of(v, feature, order[v->node->start]);
    for (uint32_t i = v->node->start + 1; i < v->node->end; i++)
        if (value_of(v, feature, order[i]) != first)
            return false;
    return true;
}

/* The gain of a cut that leaves this on the left; 0: it is not allowed. */
static inline double gain_of(const struct view *v, fast_worth left, uint32_t rows)
{
    uint32_t least = v->g->g.limits->min_samples_leaf, n = v->node->end - v->node->start;
    double top, bottom, wl = fast_packed_weight(left, v->l->b.units.bits);
    if (rows < least || n - rows < least || wl < v->l->b.weight_least ||
        v->w - wl < v->l->b.weight_least)
        return 0.0;
    fast_gain(v->s, v->w, fast_packed_sum(left, v->l->b.units.bits), wl, &top, &bottom);
    return top / bottom;
}

/* More than any cut inside the bin gains, if `left` is what all bins before it add up to. */
static double most_inside(const struct view *v, cell left, cell bin)
{
    uint32_t bits = v->l->b.units.bits;
    double w0 = fast_packed_weight(left[0], bits), w = fast_packed_weight(bin[0], bits);
    double s0 = fast_packed_sum(left[0], bits), s = fast_packed_sum(bin[0], bits);
    double squares = (double)(bin[1] >> v->l->count_bits) * v->l->square;
    double away = squares - 2.0 * v->mean * s + v->mean * v->mean * w;
    away += ROUNDING * (squares + 2.0 * fabs(v->mean * s) + v->mean * v->mean * w);
    away = away > 0.0 ? away : 0.0;
    double u0 = s0 - v->mean * w0, u1 = u0 + s - v->mean * w, w1 = v->w - w0 - w;
    double u = (fabs(u0 + u1) + sqrt(w * away)) / 2.0;
    double a = (w0 + 1.0) * (v->w - w0 - 1.0), b = (w0 + w - 1.0) * (w1 + 1.0);
    double both = u * u / (a < b ? a : b);
    double from_left = ((w0 > 0.0 ? u0 * u0 / w0 : 0.0) + away) / (w1 + 1.0);
    double from_right = ((w1 > 0.0 ? u1 * u1 / w1 : 0.0) + away) / (w0 + 1.0);
    double least = from_left < from_right ? from_left : from_right;
    return v->w * v->w * (1.0 + ROUNDING) * (least < both ? least : both);
}

/* The best gain of the cuts between bins. */
static double most_between(const struct view *v, uint32_t feature)
{
    const cell *bins = v->l->bins + (size_t)feature * BINS;
    cell left = { 0, 0 };
    double best = 0.0;
    for (uint32_t c = 0; c < BINS; c++) {
        uint32_t rows = count_of(v->l, left);
        if (rows > 0 && count_of(v->l, bins[c])) {
            double gain = gain_of(v, left[0], rows);
            best = gain > best ? gain : best;
        }
        left += bins[c];
    }
    return best;
}

/* Which bins must be looked into, and how many rows they have together. */
static uint32_t choose_bins(const struct view *v, uint32_t feature, bool wanted[BINS])
{
    const struct fast_large *l = v->l;
    size_t at = (size_t)feature * BINS;
    cell left = { 0, 0 };
    uint32_t rows = 0;
    for (uint32_t c = 0; c < BINS; c++) {
        cell bin = l->bins[at + c];
        uint32_t n = count_of(l, bin);
        wanted[c] =
            n > 1 && l->least[at + c] < l->most[at + c] && most_inside(v, left, bin) >= v->enough;
        rows += wanted[c] ? n : 0;
        left += bin;
    }
    return rows;
}

/* The rows in these bins, by ascending value. NULL: no memory */
static const struct item *sort_bins(const struct view *v, uint32_t feature, uint32_t rows,
                                    const bool wanted[BINS])
{
    const struct fast_large *l = v->l;
    const float *column = prep_column(v->g->g.prep, feature);
    struct item *items;
    uint32_t count = 0, varying = 0;
    if (reserve_items(v->g, rows, &items))
        return NULL;
    for (uint32_t i = v->node->start; i < v->node->end; i++) {
        uint32_t slot = l->b.order[i];
        if (i + AHEAD < v->node->end)
            __builtin_prefetch(l->codes + l->b.order[i + AHEAD] * l->code_stride + feature);
        if (wanted[l->codes[slot * l->code_stride + feature]])
            items[count++] = (struct item){ l->b.row[slot], slot };
    }
    for (uint32_t i = 0; i < rows; i++) {
        if (i + AHEAD < rows)
            __builtin_prefetch(column + items[i + AHEAD].key);
        items[i].key = sort_key(column[items[i].key]);
        varying |= items[i].key ^ items[0].key;
    }
    return radix_sort(items, items + rows, rows, varying);
}

/* The cuts inside a bin whose rows these are. */
static void look_inside(const struct view *v, uint32_t feature, uint32_t code, cell left,
                        const struct item *items, uint32_t n, struct large_cut *best)
{
    fast_worth worth = left[0];
    uint32_t rows = count_of(v->l, left);
    for (uint32_t i = 1; i < n; i++) {
        worth += v->l->worth[items[i - 1].slot][0];
        if (items[i].key == items[i - 1].key)
            continue;
        double gain = gain_of(v, worth, rows + i);
        if (gain > best->gain)
            *best = (struct large_cut){ gain,
                                        worth,
                                        feature,
                                        rows + i,
                                        key_value(items[i - 1].key),
                                        key_value(items[i].key),
                                        code,
                                        code };
    }
}

/* Improve on the best cut among those of a feature. -ENOMEM */
static int look(struct view *v, uint32_t feature, struct large_cut *best)
{
    const struct fast_large *l = v->l;
    const cell *bins = l->bins + (size_t)feature * BINS;
    bool wanted[BINS];
    uint32_t inside = choose_bins(v, feature, wanted), last = BINS;
    const struct item *items = inside ? sort_bins(v, feature, inside, wanted) : NULL;
    cell left = { 0, 0 };
    if (inside && !items)
        return -ENOMEM;
    for (uint32_t c = 0; c < BINS; c++) {
        uint32_t n = count_of(l, bins[c]), rows = count_of(l, left);
        if (n == 0)
            continue;
        double gain = rows ? gain_of(v, left[0], rows) : 0.0;
        if (gain > best->gain)
            *best = (struct large_cut){ gain, left[0], feature, rows, 0.0f, 0.0f, last, c };
        if (wanted[c]) {
            look_inside(v, feature, c, left, items, n, best);
            items += n;
        }
        left += bins[c];
        last = c;
    }
    v->enough = best->gain > v->enough ? best->gain : v->enough;
    return 0;
}

static int search(struct view *v, const struct drawn *d, struct large_cut *best)
{
    const uint32_t *scanned = v->g->g.scanned;
    *best = (struct large_cut){ .gain = 0.0 };
    for (uint32_t i = 0; i < d->scanned; i++) {
        double gain = most_between(v, scanned[i]);
        v->enough = gain > v->enough ? gain : v->enough;
    }
    for (uint32_t i = 0; i < d->scanned; i++)
        if (look(v, scanned[i], best))
            return -ENOMEM;
    return 0;
}

/* The values on both sides of a cut between bins. */
static void find_values(const struct view *v, struct large_cut *cut)
{
    const struct fast_large *l = v->l;
    if (cut->low == cut->high)
        return;
    cut->below = -INFINITY;
    cut->above = INFINITY;
    for (uint32_t i = v->node->start; i < v->node->end; i++) {
        uint32_t slot = l->b.order[i], code = l->codes[slot * l->code_stride + cut->feature];
        if (code != cut->low && code != cut->high)
            continue;
        float value = value_of(v, cut->feature, slot);
        if (code == cut->low)
            cut->below = value > cut->below ? value : cut->below;
        else
            cut->above = value < cut->above ? value : cut->above;
    }
}

static void part(const struct view *v, const struct large_cut *cut)
{
    uint32_t *order = v->l->b.order + v->node->start, *spare = v->l->b.spare;
    const uint32_t *row = v->l->b.row;
    const float *column = prep_column(v->g->g.prep, cut->feature);
    uint32_t n = v->node->end - v->node->start, left = 0, right = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (i + AHEAD < n)
            __builtin_prefetch(column + row[order[i + AHEAD]]);
        uint32_t slot = order[i], is_left = column[row[slot]] <= cut->below;
        order[left] = slot;
        spare[right] = slot;
        left += is_left;
        right += !is_left;
    }
    memcpy(order + left, spare, right * sizeof *order);
}

static bool is_pure(const struct fast_large *l, const struct fast_node *node)
{
    const uint32_t *order = l->b.order;
    for (uint32_t i = node->start + 1; i < node->end; i++)
        if (l->y[l->b.row[order[i]]] != l->y[l->b.row[order[node->start]]])
            return false;
    return true;
}

/* Split the node, if a split is worth it: 1, or 0. -ENOMEM */
static int split(struct fast_grower *g, const struct fast_large *l, const struct fast_node *node,
                 uint32_t id, struct fast_node *left, struct fast_node *right)
{
    const struct fast_block *b = &l->b;
    struct view v = { .g = g,
                      .l = l,
                      .node = node,
                      .s = fast_packed_sum(node->all, b->units.bits),
                      .w = fast_packed_weight(node->all, b->units.bits) };
    struct large_cut cut;
    if (is_pure(l, node))
        return 0;
    v.mean = v.s / v.w;
    fill_bins(l, node);
    struct drawn d = draw_features(&g->g, node->constants, is_constant, &v);
    if (search(&v, &d, &cut))
        return -ENOMEM;
    if (!cut.pos || !fast_is_worth_it(g, &b->units, b->weight_all, v.w, cut.gain))
        return 0;
    find_values(&v, &cut);
    split_node(g->g.out, id, cut.feature, cut.below, cut.above);
    uint32_t middle = node->start + cut.pos, depth = node->depth + 1;
    *left = fast_child(g, b, node->start, middle, depth, cut.left);
    *right = fast_child(g, b, middle, node->end, depth, node->all - cut.left);
    left->is_left = true;
    left->parent = right->parent = (int32_t)id;
    left->constants = right->constants = d.constants;
    part(&v, &cut);
    return 1;
}

/* ---- blocks ---------------------------------------------------------------------------------- */

/* Rows of the block are in the order of the data set, so that values are read in passing. */
static void fill_list(const struct fast_grower *g, const uint32_t *rows, struct fast_block *b,
                      struct item *items, uint32_t feature)
{
    const float *column = prep_column(g->g.prep, feature);
    float *own = b->own_columns + feature * b->stride;
    uint32_t *list = b->lists + feature * b->stride, varying = 0, rank = 0, n = b->rows;
    for (uint32_t i = 0; i < n; i++) {
        if (i + AHEAD < n)
            __builtin_prefetch(column + rows[i + AHEAD]);
        own[i] = column[rows[i]];
        items[i] = (struct item){ sort_key(own[i]), i };
        varying |= items[i].key ^ items[0].key;
    }
    const struct item *sorted = radix_sort(items, items + n, n, varying);
    for (uint32_t i = 0; i < n; i++) {
        rank += i > 0 && sorted[i].key != sorted[i - 1].key;
        list[i] = rank << 16 | sorted[i].slot;
    }
    memset(list + n, 0, FAST_PAD * sizeof *list);
    fast_block_take(b, feature);
}

static int grow_in_block(struct fast_grower *g, const struct fast_large *l,
                         const struct fast_node *node, size_t bottom)
{
    struct fast_block b;
    struct item *items;
    uint32_t n = node->end - node->start, *rows = l->b.spare;
    if (fast_block_reserve(g, n, true, &b) || reserve_items(g, n, &items))
        return -ENOMEM;
    for (uint32_t i = 0; i < n; i++) {
        rows[i] = l->b.row[l->b.order[node->start + i]];
        b.y[i] = l->y[rows[i]] / g->y_unit;
        b.w[i] = l->w[rows[i]] / g->w_unit;
        b.row[i] = i;
        b.order[i] = i;
    }
    fast_block_measure(g, &b);
    for (uint32_t f = 0; f < b.features; f++)
        fill_list(g, rows, &b, items, f);
    struct fast_node root = fast_root(g, &b);
    root.depth = node->depth;
    root.constants = node->constants;
    root.parent = node->parent;
    root.is_left = node->is_left;
    root.is_leaf = node->is_leaf;
    return fast_grow_block(g, &b, &root, bottom);
}

/* ---- the tree -------------------------------------------------------------------------------- */

static struct node_stats stats_of(const struct fast_grower *g, const struct fast_large *l,
                                  const struct fast_node *node, bool is_full)
{
    const uint32_t *order = l->b.order + node->start, n = node->end - node->start;
    double sum = 0.0, weight = 0.0, squares = 0.0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = l->b.row[order[i]];
        sum += l->w[row] / g->w_unit * (l->y[row] / g->y_unit);
        weight += l->w[row] / g->w_unit;
    }
    double mean = sum / weight;
    for (uint32_t i = 0; i < n && is_full; i++) {
        uint32_t row = l->b.row[order[i]];
        double d = l->y[row] / g->y_unit - mean;
        squares += l->w[row] / g->w_unit * (d * d);
    }
    return (struct node_stats){ squares / weight * g->y_unit * g->y_unit, mean * g->y_unit,
                                weight * g->w_unit, n };
}

/* One node, or a whole subtree in a block. Returns whether it has children; < 0: error. */
static int grow_node(struct fast_grower *g, const struct fast_large *l, size_t bottom,
                     const struct fast_node *node, struct fast_node *left, struct fast_node *right)
{
    struct tree *out = g->g.out;
    struct node_stats stats = { .rows = node->end - node->start };
    if (!node->is_leaf && stats.rows <= g->scratch->block_rows)
        return grow_in_block(g, l, node, bottom);
    if (tree_reserve(out, 1))
        return -ENOMEM;
    if (node->is_leaf || out->stats)
        stats = stats_of(g, l, node, out->stats != NULL);
    uint32_t id = fast_add_node(out, node->depth, node->parent, node->is_left, &stats);
    if (node->is_leaf)
        return 0;
    int parted = split(g, l, node, id, left, right);
    if (parted == 0)
        out->nodes[id].number = stats_of(g, l, node, false).value;
    return parted;
}

int fast_grow_large(struct fast_grower *g, const double *y, const double *w, uint32_t count)
{
    struct fast_large l = { .y = y, .w = w };
    struct fast_node *nodes;
    if (reserve(g, count, &l))
        return -ENOMEM;
    struct fast_node node = take_rows(g, &l);
    for (uint32_t f = 0; count > g->scratch->block_rows && f < l.b.features; f++)
        (void)edges_choose(prep_column(g->g.prep, f), l.b.row, l.b.rows,
                           l.edges + (size_t)f * BINS);
    if (count > g->scratch->block_rows)
        fill_codes(g, &l);
    for (size_t top = 0;;) {
        struct fast_node left, right;
        int parted = grow_node(g, &l, top, &node, &left, &right);
        if (parted < 0)
            return parted;
        if (fast_reserve_nodes(g->scratch, top + 1, &nodes))
            return -ENOMEM;
        if (parted) {
            nodes[top++] = right;
            node = left;
        } else if (top > 0) {
            node = nodes[--top];
        } else {
            return 0;
        }
    }
}
