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

#include "fast_draw.h"
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
    double value[FAST_TINY_ROWS];                     /* of a leaf that is this row */
    uint32_t row[FAST_TINY_ROWS];
    struct tiny_threshold thresholds[FAST_TINY_ROWS];
    uint32_t waiting; /* thresholds */
};

struct tiny_node {
    uint32_t n, depth, constants;
    uint32_t names; /* a bit each */
    int32_t parent;
    bool is_left, is_leaf;
    double s, w;
};

struct tiny_cut {
    double gain, s, w;     /* of the left side */
    uint32_t feature, pos; /* 0: none */
};

struct tiny_view {
    const struct fast_tiny *t;
    uint32_t level, n;
};

struct tiny_functions {
    /* Draw features, and find the best cut of the node. */
    struct drawn (*find)(struct fast_tiny *t, const struct tiny_node *node, uint32_t level,
                         struct tiny_cut *best);
    /* The names on the left. */
    uint32_t (*side)(const struct fast_tiny *t, uint32_t level, const struct tiny_cut *cut);
    /* Part all lists of n names, so many of which are on the left. */
    void (*part)(const struct fast_tiny *t, uint32_t level, uint32_t n, uint32_t left,
                 uint32_t names);
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

/* All but what is of rows; to set that to zero, too, would take a while. */
static inline void tiny_start(struct fast_tiny *t, struct fast_grower *g,
                              const struct fast_block *b)
{
    t->g = g;
    t->b = b;
    t->features = b->features;
    t->padded = (uint32_t)tiny_padded(b->features);
    t->ranks = (uint8_t(*)[FAST_TINY_ROWS])b->tiny;
    t->lists = t->ranks + t->padded;
    t->ties = (uint16_t *)(void *)(t->lists + (size_t)t->padded * TINY_LEVELS);
    t->waiting = 0;
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
        t->value[i] = t->weight[i] * t->y[i] / t->weight[i] * t->g->y_unit;
    }
    for (uint32_t i = n; i < FAST_TINY_ROWS; i++)
        t->s[i] = t->w[i] = 0.0;
    t->weight_least = t->g->weight_least / t->units.weight;
    t->weight_all = t->g->weight_all / t->units.weight;
}

static inline double tiny_value(const struct fast_tiny *t, uint32_t names)
{
    double sum = 0.0, weight = 0.0;
    for (; names; names &= names - 1) {
        int i = __builtin_ctz(names);
        sum += t->weight[i] * t->y[i];
        weight += t->weight[i];
    }
    return sum / weight * t->g->y_unit;
}

static inline struct node_stats tiny_stats(const struct fast_tiny *t, const struct tiny_node *node)
{
    uint32_t order[FAST_TINY_ROWS], n = 0;
    for (uint32_t names = node->names; names; names &= names - 1)
        order[n++] = (uint32_t)__builtin_ctz(names);
    return fast_stats(t->g, t->y, t->weight, order, n, true);
}

static inline uint32_t tiny_add(struct fast_tiny *t, const struct tiny_node *node)
{
    struct tree *out = t->g->g.out;
    struct node_stats stats = { .rows = node->n };
    if (out->stats)
        stats = tiny_stats(t, node);
    else if (node->n == 1)
        stats.value = t->value[__builtin_ctz(node->names)];
    else if (node->is_leaf)
        stats.value = tiny_value(t, node->names);
    return fast_add_node(out, node->depth, node->parent, node->is_left, &stats);
}

static inline bool tiny_is_pure(const struct fast_tiny *t, uint32_t names)
{
    double first = t->y[__builtin_ctz(names)];
    for (names &= names - 1; names; names &= names - 1)
        if (t->y[__builtin_ctz(names)] != first)
            return false;
    return true;
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

/* The node's threshold is between the values of these two. */
static inline void tiny_cut_between(struct fast_tiny *t, uint32_t id, uint32_t feature,
                                    uint32_t below, uint32_t above)
{
    const float *column = fast_column(t->b, feature);
    struct tiny_threshold h = { id, column + t->row[below], column + t->row[above] };
    __builtin_prefetch(h.below);
    __builtin_prefetch(h.above);
    t->thresholds[t->waiting++] = h;
    t->g->g.out->nodes[id].feature = feature;
}

struct tiny_pair {
    const struct fast_tiny *t;
    int a, b; /* names, a < b */
};

static inline bool tiny_pair_is_constant(void *context, uint32_t feature)
{
    const struct tiny_pair *p = context;
    const uint8_t *ranks = p->t->ranks[feature];
    return ranks[p->a] == ranks[p->b];
}

/*
 * Two rows, without a look at lists: every feature that parts them gains the same. Adds the
 * children, too. False: it is a leaf.
 */
static inline bool tiny_split_pair(struct fast_tiny *t, const struct tiny_node *node, uint32_t id)
{
    struct tiny_pair p = { t, __builtin_ctz(node->names), 31 - __builtin_clz(node->names) };
    double top, bottom;
    if (t->y[p.a] == t->y[p.b])
        return false;
    struct drawn d = fast_draw(&t->g->g, node->constants, tiny_pair_is_constant, &p);
    uint32_t feature = t->g->g.scanned[0];
    if (d.scanned == 0 || t->w[p.a] < t->weight_least || t->w[p.b] < t->weight_least)
        return false;
    fast_gain(node->s, node->w, t->s[p.a], t->w[p.a], &top, &bottom);
    if (!(top > 0.0) || !fast_is_worth_it(t->g, &t->units, t->weight_all, node->w, top / bottom))
        return false;
    bool is_first = t->ranks[feature][p.a] < t->ranks[feature][p.b];
    uint32_t l = (uint32_t)(is_first ? p.a : p.b), r = (uint32_t)(is_first ? p.b : p.a);
    tiny_cut_between(t, id, feature, l, r);
    struct tiny_node child = { .n = 1,
                               .names = 1u << l,
                               .depth = node->depth + 1,
                               .parent = (int32_t)id,
                               .is_left = true,
                               .is_leaf = true };
    tiny_add(t, &child);
    child.names = 1u << r;
    child.is_left = false;
    tiny_add(t, &child);
    return true;
}

/* Lists are not needed of leaves and pairs. */
static inline bool tiny_wants_lists(const struct tiny_node *node)
{
    return node->n > 2 && !node->is_leaf;
}

/*
 * Split the node if it is worth it: the right child takes its place, the left one that above.
 * False: it is a leaf.
 */
static inline __attribute__((always_inline)) bool tiny_split(struct fast_tiny *t,
                                                             const struct tiny_functions *f,
                                                             struct tiny_node *node, uint32_t level,
                                                             uint32_t id)
{
    struct tiny_node *l = node + 1, *r = node;
    struct tiny_cut cut = { 0.0, 0.0, 0.0, 0, 0 };
    uint32_t n = node->n, names = node->names;
    if (tiny_is_pure(t, names))
        return false;
    struct drawn d = f->find(t, node, level, &cut);
    if (!cut.pos || !fast_is_worth_it(t->g, &t->units, t->weight_all, node->w, cut.gain))
        return false;
    const uint8_t *list = tiny_lists(t, level)[cut.feature];
    tiny_cut_between(t, id, cut.feature, list[cut.pos - 1], list[cut.pos]);
    uint32_t left = f->side(t, level, &cut);
    tiny_child(t, node, id, true, &cut, l);
    tiny_child(t, node, id, false, &cut, r);
    l->constants = r->constants = d.constants;
    l->names = left;
    r->names = names & ~left;
    if (tiny_wants_lists(l) || tiny_wants_lists(r))
        f->part(t, level, n, cut.pos, left);
    return true;
}

static inline __attribute__((always_inline)) void
fast_tiny_grow(struct fast_tiny *t, const struct tiny_functions *f, const struct fast_node *root)
{
    struct tiny_node stack[TINY_LEVELS + 1], *node = stack;
    struct tree *out = t->g->g.out;
    uint32_t level = 0; /* so many nodes wait; each has the lists of its place in the stack */
    *node = (struct tiny_node){ .n = root->end - root->start,
                                .depth = root->depth,
                                .constants = root->constants,
                                .parent = root->parent,
                                .is_left = root->is_left };
    node->names = (1u << node->n) - 1;
    for (uint32_t i = 0; i < node->n; i++) {
        node->s += t->s[i];
        node->w += t->w[i];
    }
    for (;; node = &stack[level]) {
        uint32_t id = tiny_add(t, node);
        bool is_pair = node->n == 2;
        if (!node->is_leaf && !is_pair && tiny_split(t, f, node, level, id)) {
            level++;
            continue;
        }
        if (!node->is_leaf && !(is_pair && tiny_split_pair(t, node, id)))
            out->nodes[id].number = tiny_value(t, node->names);
        if (level-- == 0)
            break;
    }
    for (uint32_t i = 0; i < t->waiting; i++)
        set_threshold(out, t->thresholds[i].id, *t->thresholds[i].below, *t->thresholds[i].above);
}

#endif
