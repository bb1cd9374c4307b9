/* SPDX-License-Identifier: MIT */
/*
 * fast_large.c -- nodes with too many rows for a block.
 *
 * All features of the tree's rows are sorted once, and the lists parted with the nodes as in a
 * block, but an entry is the slot alone: values that are equal are told by looking at them, which
 * only the best cuts need. What is needed of a row elsewhere is read where the caller has it. That
 * makes 4 bytes a cell and 40 a row. A node that fits a block gets one.
 */
#include <errno.h>
#include <string.h>

#include "fast_grower.h"
#include "fast_leaf.h"
#include "sort_radix.h"

struct fast_large {
    struct fast_block b; /* y and w are not kept, ranks are not there */
    const double *y, *w; /* by row of the data set */
};

/* ---- from the data set ----------------------------------------------------------------------- */

static void *take(char **at, size_t bytes)
{
    char *here = *at;
    *at += (bytes + 63) & ~(size_t)63;
    return here;
}

static int reserve(struct fast_grower *g, uint32_t rows, struct fast_block *b)
{
    uint32_t features = g->g.features_count;
    size_t stride = ((size_t)rows + FAST_PAD + 15) & ~(size_t)15;
    size_t bytes = stride * (4 * ((size_t)features + 3) + sizeof(fast_worth) + 1);
    struct fast_scratch *s = g->scratch;
    /* targets and weights at first, what is sorted later, then blocks */
    if (arena_reserve(&s->large, bytes + 1024) ||
        arena_reserve(&s->block, 2 * stride * sizeof(struct item)))
        return -ENOMEM;
    char *at = s->large.memory;
    *b = (struct fast_block){ .rows = rows, .features = features, .stride = stride };
    b->lists = take(&at, features * stride * sizeof *b->lists);
    b->order = take(&at, stride * sizeof *b->order);
    b->spare = take(&at, stride * sizeof *b->spare);
    b->row = take(&at, stride * sizeof *b->row);
    b->worth = take(&at, stride * sizeof *b->worth);
    b->side = take(&at, stride);
    b->y = s->block.memory;
    b->w = b->y + stride;
    return 0;
}

static void take_rows(struct fast_grower *g, struct fast_large *l)
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
    b->y = b->w = NULL;
}

static void sort_list(struct fast_grower *g, const struct fast_block *b, uint32_t feature)
{
    const float *column = prep_column(g->g.prep, feature);
    struct item *items = g->scratch->block.memory;
    uint32_t *list = b->lists + feature * b->stride, varying = 0;
    for (uint32_t i = 0; i < b->rows; i++) {
        items[i] = (struct item){ sort_key(column[b->row[i]]), i };
        varying |= items[i].key ^ items[0].key;
    }
    items = radix_sort(items, items + b->stride, b->rows, varying);
    for (uint32_t i = 0; i < b->rows; i++)
        list[i] = items[i].slot;
    memset(list + b->rows, 0, FAST_PAD * sizeof *list);
}

/* ---- a node ---------------------------------------------------------------------------------- */

struct view {
    const struct fast_grower *g;
    const struct fast_block *b;
    uint32_t start, n;
};

static float value_at(const struct view *v, uint32_t feature, uint32_t pos)
{
    uint32_t slot = v->b->lists[feature * v->b->stride + v->start + pos];
    return prep_column(v->g->g.prep, feature)[v->b->row[slot]];
}

static bool is_constant(void *context, uint32_t feature)
{
    const struct view *v = context;
    return value_at(v, feature, 0) == value_at(v, feature, v->n - 1);
}

static void part(const struct view *v, uint32_t feature, uint32_t left)
{
    const struct fast_block *b = v->b;
    struct view copy = *v;
    const uint32_t *list = b->lists + feature * b->stride + v->start;
    for (uint32_t i = 0; i < v->n; i++)
        b->side[list[i]] = i < left;
    for (uint32_t f = 0; f < b->features; f++)
        if (f != feature && !is_constant(&copy, f))
            v->g->kernels->part(b->lists + f * b->stride + v->start, v->n, UINT32_MAX, b->side,
                                b->spare);
    v->g->kernels->part(b->order + v->start, v->n, UINT32_MAX, b->side, b->spare);
}

static bool is_pure(const struct fast_large *l, const struct fast_node *node)
{
    const uint32_t *order = l->b.order;
    for (uint32_t i = node->start + 1; i < node->end; i++)
        if (l->y[l->b.row[order[i]]] != l->y[l->b.row[order[node->start]]])
            return false;
    return true;
}

/* Split the node, if a split is worth it. */
static bool split(struct fast_grower *g, const struct fast_large *l, const struct fast_node *node,
                  uint32_t id, struct fast_node *left, struct fast_node *right)
{
    const struct fast_block *b = &l->b;
    struct view v = { g, b, node->start, node->end - node->start };
    struct fast_search s = { .n = v.n,
                             .min_rows = g->g.limits->min_samples_leaf,
                             .bits = b->units.bits,
                             .all = node->all,
                             .weight_least = b->weight_least };
    struct fast_cut cut = { 0.0, 0, 0, 0 };
    if (is_pure(l, node))
        return false;
    struct drawn d = draw_features(&g->g, node->constants, is_constant, &v);
    for (uint32_t i = 0; i < d.scanned; i++) {
        uint32_t f = g->g.scanned[i];
        struct fast_column c = { b->lists + f * b->stride + v.start, b->worth, b->row,
                                 prep_column(g->g.prep, f), f };
        g->kernels->improve(&c, &s, &cut);
    }
    uint32_t feature = cut.feature;
    if (!cut.pos || !fast_is_worth_it(g, &b->units, b->weight_all,
                                      fast_packed_weight(node->all, s.bits), cut.gain))
        return false;
    split_node(g->g.out, id, feature, value_at(&v, feature, cut.pos - 1),
               value_at(&v, feature, cut.pos));
    uint32_t middle = node->start + cut.pos, depth = node->depth + 1;
    *left = fast_child(g, b, node->start, middle, depth, cut.left);
    *right = fast_child(g, b, middle, node->end, depth, node->all - cut.left);
    left->is_left = true;
    left->parent = right->parent = (int32_t)id;
    left->constants = right->constants = d.constants;
    part(&v, feature, cut.pos);
    return true;
}

/* ---- blocks ---------------------------------------------------------------------------------- */

/* Slots of the node in the block are places in its order, ascending. */
static void fill_list(const struct fast_grower *g, const struct view *v, struct fast_block *b,
                      uint32_t feature)
{
    const uint32_t *from = v->b->lists + feature * v->b->stride + v->start, *new = v->b->spare;
    const float *column = prep_column(g->g.prep, feature);
    uint32_t *list = b->lists + feature * b->stride, rank = 0;
    struct view copy = *v;
    if (is_constant(&copy, feature)) { /* not kept up: may be of other rows */
        memset(list, 0, (v->n + FAST_PAD) * sizeof *list);
        return;
    }
    float last = column[v->b->row[from[0]]];
    for (uint32_t i = 0; i < v->n; i++) {
        uint32_t slot = new[from[i]];
        float value = column[b->row[slot]];
        rank += value != last;
        last = value;
        list[i] = rank << 16 | slot;
    }
    memset(list + v->n, 0, FAST_PAD * sizeof *list);
}

static int grow_in_block(struct fast_grower *g, const struct fast_large *l,
                         const struct fast_node *node, size_t bottom)
{
    struct fast_block b;
    struct view v = { g, &l->b, node->start, node->end - node->start };
    if (fast_block_reserve(g, v.n, &b))
        return -ENOMEM;
    for (uint32_t i = 0; i < v.n; i++) {
        uint32_t slot = l->b.order[node->start + i], row = l->b.row[slot];
        l->b.spare[slot] = i;
        b.y[i] = l->y[row] / g->y_unit;
        b.w[i] = l->w[row] / g->w_unit;
        b.row[i] = row;
        b.order[i] = i;
    }
    fast_block_measure(g, &b);
    for (uint32_t f = 0; f < b.features; f++) {
        fill_list(g, &v, &b, f);
        fast_block_take(&b, f);
    }
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
    if (reserve_nodes(out, 1))
        return -ENOMEM;
    if (node->is_leaf || out->stats)
        stats = stats_of(g, l, node, out->stats != NULL);
    uint32_t id = fast_add_node(out, node->depth, node->parent, node->is_left, &stats);
    if (node->is_leaf)
        return 0;
    if (split(g, l, node, id, left, right))
        return 1;
    out->nodes[id].number = stats_of(g, l, node, false).value;
    return 0;
}

int fast_grow_large(struct fast_grower *g, const double *y, const double *w, uint32_t count)
{
    struct fast_large l = { .y = y, .w = w };
    struct fast_node *nodes;
    if (reserve(g, count, &l.b))
        return -ENOMEM;
    take_rows(g, &l);
    for (uint32_t f = 0; f < l.b.features; f++)
        sort_list(g, &l.b, f);
    struct fast_node node = fast_root(g, &l.b);
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
