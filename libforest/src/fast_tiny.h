/* SPDX-License-Identifier: MIT */
/*
 * fast_tiny.h -- subtrees of up to 16 rows. Most nodes are in these.
 *
 * A row is called by its place among the root's, ascending; a feature's list is a name a byte,
 * and so is its table of ranks by name. Each node that waits has a set of lists of its own: the
 * right child's take the place of its parent's, the left one's go one level up.
 *
 * Units are those of the root's rows. Cuts of one feature are compared crosswise, without a
 * division, from the lowest threshold up; the best of each by their quotients, in the order in
 * which features were drawn.
 *
 * fast_tiny_grow() goes over the nodes; what differs between processors are its three functions.
 */
#ifndef FAST_TINY_H
#define FAST_TINY_H

#include "fast_grower.h"
#include "fast_leaf.h"

#define TINY_LEVELS FAST_TINY_ROWS /* nodes that wait, and the one at hand */

/* A node whose threshold is yet to be filled in: reading a large column takes a while. */
struct tiny_threshold {
    uint32_t id;
    const float *below, *above;
};

struct fast_tiny {
    struct fast_grower *g;
    const struct fast_block *b;
    uint32_t features, padded;        /* up to a multiple of four */
    uint8_t (*ranks)[FAST_TINY_ROWS]; /* by feature, then name */
    uint8_t (*lists)[FAST_TINY_ROWS]; /* by level, then feature */
    uint16_t *ties; /* by feature, of the node at hand: a bit per place of its list */
    struct fast_units units;
    double weight_least, weight_all;                  /* in units */
    double s[FAST_TINY_ROWS], w[FAST_TINY_ROWS];      /* by name, in units */
    double y[FAST_TINY_ROWS], weight[FAST_TINY_ROWS]; /* as in the block */
    uint32_t row[FAST_TINY_ROWS];
    struct tiny_threshold thresholds[FAST_TINY_ROWS];
    uint32_t waiting; /* thresholds */
};

struct tiny_node {
    uint32_t n, depth, constants;
    int32_t parent;
    bool is_left, is_leaf;
    double s, w;
    uint8_t order[FAST_TINY_ROWS]; /* ascending names */
};

struct tiny_cut {
    double gain, s, w;     /* of the left side */
    uint32_t feature, pos; /* 0: none */
};

typedef bool tiny_is_constant(void *node, uint32_t feature);

struct tiny_view {
    const struct fast_tiny *t;
    uint32_t level, n;
};

struct tiny_functions {
    /* The node at hand is about to be searched. */
    void (*start)(struct fast_tiny *t, uint32_t level, uint32_t n);
    tiny_is_constant *is_constant; /* of a struct tiny_view */
    void (*search)(const struct fast_tiny *t, const struct tiny_node *node, uint32_t level,
                   const struct drawn *d, struct tiny_cut *best);
    /* Part all lists, and the order. */
    void (*part)(const struct fast_tiny *t, const struct tiny_node *node, uint32_t level,
                 const struct tiny_cut *cut, struct tiny_node *l, struct tiny_node *r);
};

static inline uint8_t (*tiny_lists(const struct fast_tiny *t, uint32_t level))[FAST_TINY_ROWS]
{
    return t->lists + (size_t)level * t->padded;
}

static inline size_t tiny_padded(uint32_t features)
{
    return ((size_t)features + 3) & ~(size_t)3;
}

static inline size_t fast_tiny_bytes(uint32_t features)
{
    size_t padded = tiny_padded(features);
    return padded * FAST_TINY_ROWS * (1 + TINY_LEVELS) + (padded + 32) * sizeof(uint16_t);
}

/* The root's rows; `names` is a byte for each slot of the block. */
static inline void tiny_take_rows(struct fast_tiny *t, const uint32_t *order, uint32_t n,
                                  uint8_t *names)
{
    const struct fast_block *b = t->b;
    struct fast_extent e = { .rows = n, .least = b->y[order[0]], .most = b->y[order[0]] };
    for (uint32_t i = 0; i < n; i++) {
        uint32_t slot = order[i];
        double y = b->y[slot];
        names[slot] = (uint8_t)i;
        t->y[i] = y;
        t->weight[i] = b->w[slot];
        t->row[i] = b->row[slot];
        e.weight += b->w[slot];
        e.least = y < e.least ? y : e.least;
        e.most = y > e.most ? y : e.most;
    }
    e.deviation = e.weight * (e.most - e.least);
    t->units = fast_units_of(&e, t->g->whole);
    for (uint32_t i = 0; i < n; i++) {
        t->s[i] = fast_sum(&t->units, t->y[i], t->weight[i]);
        t->w[i] = fast_weight(&t->units, t->weight[i]);
    }
    for (uint32_t i = n; i < FAST_TINY_ROWS; i++)
        t->s[i] = t->w[i] = 0.0;
    t->weight_least = t->g->weight_least / t->units.weight;
    t->weight_all = t->g->weight_all / t->units.weight;
}

static inline double tiny_value(const struct fast_tiny *t, const uint8_t *order, uint32_t n)
{
    double sum = 0.0, weight = 0.0;
    for (uint32_t i = 0; i < n; i++) {
        sum += t->weight[order[i]] * t->y[order[i]];
        weight += t->weight[order[i]];
    }
    return sum / weight * t->g->y_unit;
}

static inline struct node_stats tiny_stats(const struct fast_tiny *t, const struct tiny_node *node)
{
    uint32_t order[FAST_TINY_ROWS];
    for (uint32_t i = 0; i < node->n; i++)
        order[i] = node->order[i];
    return fast_stats(t->g, t->y, t->weight, order, node->n, true);
}

static inline uint32_t tiny_add(struct fast_tiny *t, const struct tiny_node *node)
{
    struct tree *out = t->g->g.out;
    struct node_stats stats = { .rows = node->n };
    if (out->stats)
        stats = tiny_stats(t, node);
    else if (node->is_leaf)
        stats.value = tiny_value(t, node->order, node->n);
    return fast_add_node(out, node->depth, node->parent, node->is_left, &stats);
}

static inline bool tiny_is_pure(const struct fast_tiny *t, const struct tiny_node *node)
{
    for (uint32_t i = 1; i < node->n; i++)
        if (t->y[node->order[i]] != t->y[node->order[0]])
            return false;
    return true;
}

/* Two rows: every feature that parts them gains the same. */
static inline void tiny_cut_two(const struct fast_tiny *t, const struct tiny_node *node,
                                uint32_t level, const struct drawn *d, struct tiny_cut *cut)
{
    uint32_t feature = t->g->g.scanned[0];
    uint8_t left = tiny_lists(t, level)[feature][0];
    double top, bottom;
    if (d->scanned == 0 || t->w[left] < t->weight_least || node->w - t->w[left] < t->weight_least)
        return;
    fast_gain(node->s, node->w, t->s[left], t->w[left], &top, &bottom);
    if (top > 0.0)
        *cut = (struct tiny_cut){ top / bottom, t->s[left], t->w[left], feature, 1 };
}

static inline void tiny_child(const struct fast_tiny *t, const struct tiny_node *parent,
                              uint32_t id, bool is_left, const struct tiny_cut *cut,
                              struct tiny_node *c)
{
    c->n = is_left ? cut->pos : parent->n - cut->pos;
    c->depth = parent->depth + 1;
    c->parent = (int32_t)id;
    c->is_left = is_left;
    c->s = is_left ? cut->s : parent->s - cut->s;
    c->w = is_left ? cut->w : parent->w - cut->w;
    c->is_leaf = fast_is_leaf(t->g->g.limits, c->n, c->depth, c->w, t->weight_least);
}

/* Split the node if it is worth it; false: it is a leaf. */
static inline __attribute__((always_inline)) bool
tiny_split(struct fast_tiny *t, const struct tiny_functions *f, const struct tiny_node *node,
           uint32_t level, uint32_t id, struct tiny_node *l, struct tiny_node *r)
{
    struct grower *g = &t->g->g;
    struct tiny_view view = { t, level, node->n };
    struct tiny_cut cut = { 0.0, 0.0, 0.0, 0, 0 };
    if (tiny_is_pure(t, node))
        return false;
    f->start(t, level, node->n);
    struct drawn d = draw_features(g, node->constants, f->is_constant, &view);
    if (node->n == 2)
        tiny_cut_two(t, node, level, &d, &cut);
    else
        f->search(t, node, level, &d, &cut);
    if (!cut.pos || !fast_is_worth_it(t->g, &t->units, t->weight_all, node->w, cut.gain))
        return false;
    const float *column = prep_column(g->prep, cut.feature);
    const uint8_t *list = tiny_lists(t, level)[cut.feature];
    struct tiny_threshold h = { id, column + t->row[list[cut.pos - 1]],
                                column + t->row[list[cut.pos]] };
    __builtin_prefetch(h.below);
    __builtin_prefetch(h.above);
    t->thresholds[t->waiting++] = h;
    g->out->nodes[id].feature = cut.feature;
    tiny_child(t, node, id, true, &cut, l);
    tiny_child(t, node, id, false, &cut, r);
    l->constants = r->constants = d.constants;
    f->part(t, node, level, &cut, l, r);
    return true;
}

static inline __attribute__((always_inline)) void
fast_tiny_grow(struct fast_tiny *t, const struct tiny_functions *f, const struct fast_node *root)
{
    struct tiny_node stack[TINY_LEVELS], node = { .n = root->end - root->start,
                                                  .depth = root->depth,
                                                  .constants = root->constants,
                                                  .parent = root->parent,
                                                  .is_left = root->is_left };
    struct tree *out = t->g->g.out;
    uint32_t level = 0; /* so many nodes wait; each has the lists of its place in the stack */
    for (uint32_t i = 0; i < node.n; i++) {
        node.order[i] = (uint8_t)i;
        node.s += t->s[i];
        node.w += t->w[i];
    }
    for (;;) {
        struct tiny_node l, r;
        uint32_t id = tiny_add(t, &node);
        if (!node.is_leaf && tiny_split(t, f, &node, level, id, &l, &r)) {
            node = l;
            stack[level++] = r;
            continue;
        }
        if (!node.is_leaf)
            out->nodes[id].number = tiny_value(t, node.order, node.n);
        if (level == 0)
            break;
        node = stack[--level];
    }
    for (uint32_t i = 0; i < t->waiting; i++)
        set_threshold(out, t->thresholds[i].id, *t->thresholds[i].below, *t->thresholds[i].above);
}

#endif
