/* SPDX-License-Identifier: MIT */
/* fast_block.c -- the subtree of a block, node by node, the left child first. */
#include <errno.h>
#include <string.h>

#include "fast_draw.h"
#include "fast_grower.h"
#include "fast_leaf.h"
#include "fast_rough.h"

/* ---- memory ------------------------------------------------------------------------------ */

/* Cut the next array out of the arena; with a null base, only its size is counted. */
static void *take(char *base, size_t *used, size_t bytes)
{
    void *at = base ? base + *used : NULL;
    *used += (bytes + 63) & ~(size_t)63;
    return at;
}

static size_t lay_out(struct fast_block *b, char *base, size_t tiny, bool is_rough,
                      bool own_columns)
{
    size_t used = 0, per = b->stride;
    b->order = take(base, &used, per * sizeof *b->order);
    b->spare = take(base, &used, (is_rough ? 2 : 1) * per * sizeof *b->spare);
    b->lists = take(base, &used, b->features * per * sizeof *b->lists);
    b->side = take(base, &used, per * sizeof *b->side);
    b->worth = take(base, &used, per * sizeof *b->worth);
    b->y = take(base, &used, per * sizeof *b->y);
    b->w = take(base, &used, per * sizeof *b->w);
    b->row = take(base, &used, per * sizeof *b->row);
    if (is_rough) {
        b->rough = take(base, &used, b->features * per * sizeof *b->rough);
        b->rough_worth = take(base, &used, per * sizeof *b->rough_worth);
        b->rates = take(base, &used, b->features * sizeof *b->rates);
    }
    if (own_columns)
        b->own_columns = take(base, &used, b->features * per * sizeof *b->own_columns);
    b->tiny = take(base, &used, tiny);
    return used;
}

/* `tiny` is how large the memory of tiny subtrees is. */
static int reserve(struct fast_grower *g, struct arena *arena, uint32_t rows, size_t tiny,
                   bool own_columns, struct fast_block *b)
{
    uint32_t features = g->g.features_count;
    *b = (struct fast_block){ .rows = rows, .features = features };
    b->stride = ((size_t)rows + FAST_PAD + 15) & ~(size_t)15;
    bool is_rough = g->whole && g->kernels->part_rough;
    if (arena_reserve(arena, lay_out(b, NULL, tiny, is_rough, own_columns)))
        return -ENOMEM;
    lay_out(b, arena->memory, tiny, is_rough, own_columns);
    b->columns = own_columns ? b->own_columns : g->g.prep->columns;
    b->column_stride = own_columns ? b->stride : g->g.prep->rows;
    return 0;
}

int fast_block_reserve(struct fast_grower *g, uint32_t rows, bool own_columns, struct fast_block *b)
{
    size_t tiny = g->kernels->tiny_bytes(g->g.features_count);
    return reserve(g, &g->scratch->block, rows, tiny, own_columns, b);
}

/* Four sums side by side, for additions to one wait for each other. */
struct four {
    double of[4];
};

static double add_up(const struct four *f)
{
    return (f->of[0] + f->of[1]) + (f->of[2] + f->of[3]);
}

/* See fast_rough.h. Rows that weigh too much: there is no rough search. */
static void measure_roughly(struct fast_block *b)
{
    uint32_t bits = b->units.bits, shift = 0;
    uint64_t most = 0, all = 0, weights = 0;
    for (uint32_t i = 0; i < b->rows; i++) {
        int64_t sum = b->worth[i] >> bits;
        uint64_t size = (uint64_t)(sum < 0 ? -sum : sum);
        all += size;
        most |= size;
        weights |= (uint64_t)b->worth[i] & (((uint64_t)1 << bits) - 1);
    }
    if (weights > (uint64_t)ROUGH_WEIGHT_MOST) {
        b->rough = NULL;
        return;
    }
    while (most >> shift >= (1u << ROUGH_ROW_BITS) - 1 || all >> shift >= 1u << ROUGH_ALL_BITS)
        shift++;
    int64_t half = ((int64_t)1 << shift) >> 1;
    for (uint32_t i = 0; i < b->rows; i++) {
        int64_t sum = ((b->worth[i] >> bits) + half) >> shift;
        int64_t weight = b->worth[i] & (((int64_t)1 << bits) - 1);
        b->rough_worth[i] = (int32_t)(sum * (1 << ROUGH_WEIGHT_BITS) + weight);
    }
    b->rough_shift = shift;
}

void fast_block_measure(const struct fast_grower *g, struct fast_block *b)
{
    struct fast_extent e = { .rows = b->rows, .least = b->y[0], .most = b->y[0] };
    struct four weight = { { 0.0 } }, deviation = { { 0.0 } };
    for (uint32_t i = 0; i < b->rows; i++) {
        e.least = b->y[i] < e.least ? b->y[i] : e.least;
        e.most = b->y[i] > e.most ? b->y[i] : e.most;
    }
    double centre = fast_centre(e.least, e.most);
    for (uint32_t i = 0; i < b->rows; i++) {
        weight.of[i % 4] += b->w[i];
        deviation.of[i % 4] += b->w[i] * __builtin_fabs(b->y[i] - centre);
    }
    e.weight = add_up(&weight);
    e.deviation = add_up(&deviation);
    b->units = fast_units_of(&e, g->whole);
    for (uint32_t i = 0; i < b->rows; i++) {
        double units = fast_weight(&b->units, b->w[i]);
        b->worth[i] = fast_pack(fast_sum(&b->units, b->y[i], b->w[i]), units, b->units.bits);
    }
    b->weight_least = g->weight_least / b->units.weight;
    b->weight_all = g->weight_all / b->units.weight;
    if (b->rough)
        measure_roughly(b);
}

void fast_block_take(const struct fast_block *b, uint32_t feature)
{
    const uint32_t *list = b->lists + feature * b->stride;
    for (uint32_t i = 0; b->rough && i < b->rows; i++)
        b->rough[feature * b->stride + i] = b->rough_worth[list[i] & FAST_SLOTS];
}

/* ---- a node ------------------------------------------------------------------------------ */

struct range {
    const struct fast_block *b;
    uint32_t start, end;
};

static uint32_t *list_of(const struct range *r, uint32_t feature)
{
    return r->b->lists + (size_t)feature * r->b->stride + r->start;
}

static bool is_constant(void *context, uint32_t feature)
{
    const struct range *r = context;
    const uint32_t *list = list_of(r, feature);
    return fast_are_ties(list, r->end - r->start);
}

/* All targets are equal. Mostly the second differs from the first. */
static bool is_pure(const struct range *r)
{
    const uint32_t *order = r->b->order;
    for (uint32_t i = r->start + 1; i < r->end; i++)
        if (r->b->y[order[i]] != r->b->y[order[r->start]])
            return false;
    return true;
}

static bool search(const struct fast_grower *g, const struct range *r, const struct drawn *d,
                   const struct fast_node *node, struct fast_cut *cut)
{
    struct fast_search s = { .start = r->start,
                             .n = r->end - r->start,
                             .min_rows = g->g.limits->min_samples_leaf,
                             .bits = r->b->units.bits,
                             .all = node->all,
                             .weight_least = r->b->weight_least,
                             .features = g->g.scanned,
                             .count = d->scanned };
    *cut = g->kernels->search(r->b, &s);
    return cut->pos > 0 && fast_is_worth_it(g, &r->b->units, r->b->weight_all,
                                            fast_packed_weight(node->all, s.bits), cut->gain);
}

static bool is_narrow(const struct fast_grower *g, const struct fast_block *b)
{
    return b->rough && b->rows <= FAST_NARROW_ROWS && g->kernels->part_narrow;
}

static void part(const struct fast_grower *g, const struct range *r, uint32_t feature,
                 uint32_t left)
{
    struct range whole = *r;
    const uint32_t *list = list_of(r, feature);
    uint32_t n = r->end - r->start;
    for (uint32_t i = 0; i < n; i++)
        r->b->side[list[i] & FAST_SLOTS] = i < left;
    if (is_narrow(g, r->b)) {
        g->kernels->part_narrow(r->b, r->start, n, feature);
        return;
    }
    for (uint32_t f = 0; f < r->b->features; f++)
        if (f == feature || is_constant(&whole, f))
            continue;
        else if (r->b->rough)
            g->kernels->part_rough(list_of(r, f), r->b->rough + f * r->b->stride + r->start, n,
                                   r->b->side, r->b->spare);
        else
            g->kernels->part(list_of(r, f), n, r->b->side, r->b->spare);
    g->kernels->part(r->b->order + r->start, n, r->b->side, r->b->spare);
}

struct fast_node fast_child(const struct fast_grower *g, const struct fast_block *b, uint32_t start,
                            uint32_t end, uint32_t depth, fast_worth all)
{
    struct fast_node c = { .start = start, .end = end, .depth = depth, .all = all };
    double weight = fast_packed_weight(all, b->units.bits);
    c.is_leaf = fast_is_leaf(g->g.limits, end - start, depth, weight, b->weight_least);
    return c;
}

struct fast_node fast_root(const struct fast_grower *g, const struct fast_block *b)
{
    fast_worth all = 0;
    for (uint32_t i = 0; i < b->rows; i++)
        all += b->worth[i];
    struct fast_node root = fast_child(g, b, 0, b->rows, 0, all);
    root.parent = -1;
    return root;
}

/* Split the node, if a split is worth it. */
static bool split(struct fast_grower *g, const struct fast_block *b, const struct fast_node *node,
                  uint32_t id, struct fast_node *left, struct fast_node *right)
{
    struct range r = { b, node->start, node->end };
    struct fast_cut cut;
    if (is_pure(&r))
        return false;
    struct drawn d = fast_draw(&g->g, node->constants, is_constant, &r);
    if (!search(g, &r, &d, node, &cut))
        return false;
    uint32_t feature = cut.feature;
    const uint32_t *list = list_of(&r, feature);
    const float *column = fast_column(b, feature);
    split_node(g->g.out, id, feature, column[b->row[list[cut.pos - 1] & FAST_SLOTS]],
               column[b->row[list[cut.pos] & FAST_SLOTS]]);
    uint32_t middle = node->start + cut.pos, depth = node->depth + 1;
    *left = fast_child(g, b, node->start, middle, depth, cut.left);
    *right = fast_child(g, b, middle, node->end, depth, node->all - cut.left);
    left->is_left = true;
    left->parent = right->parent = (int32_t)id;
    left->constants = right->constants = d.constants;
    part(g, &r, feature, cut.pos);
    return true;
}

/* ---- a block inside ---------------------------------------------------------------------- */

/* The rows of the node, and of all lists; slots are given anew, in the same order. */
static void copy_rows(const struct fast_block *from, const struct fast_node *node,
                      struct fast_block *to)
{
    const uint32_t *order = from->order + node->start;
    uint16_t *slot_of = (uint16_t *)(void *)from->spare;
    for (uint32_t i = 0; i < to->rows; i++) {
        uint32_t slot = order[i];
        slot_of[slot] = (uint16_t)i;
        to->order[i] = i;
        to->row[i] = from->row[slot];
        to->y[i] = from->y[slot];
        to->w[i] = from->w[slot];
        to->worth[i] = from->worth[slot];
        to->rough_worth[i] = from->rough_worth[slot];
    }
    for (uint32_t f = 0; f < to->features; f++) {
        size_t at = f * from->stride + node->start;
        const uint32_t *list = from->lists + at;
        uint32_t *own = to->lists + f * to->stride;
        /* a list of nothing but ties may be of other rows: any slot will do */
        for (uint32_t i = 0; i < to->rows; i++)
            own[i] = (list[i] & ~FAST_SLOTS) | (slot_of[list[i] & FAST_SLOTS] & (FAST_NARROW_ROWS - 1));
        memset(own + to->rows, 0, FAST_PAD * sizeof *own);
        memcpy(to->rough + f * to->stride, from->rough + at, to->rows * sizeof *to->rough);
    }
}

static int grow_narrow(struct fast_grower *g, const struct fast_block *b,
                       const struct fast_node *node, size_t bottom)
{
    struct fast_block own;
    struct fast_node root = *node;
    uint32_t n = node->end - node->start;
    if (reserve(g, &g->scratch->narrow, FAST_NARROW_ROWS, 0, false, &own))
        return -ENOMEM;
    own.rows = n;
    copy_rows(b, node, &own);
    own.tiny = b->tiny; /* that is not in use now */
    own.columns = b->columns;
    own.column_stride = b->column_stride;
    own.units = b->units;
    own.rough_shift = b->rough_shift;
    own.weight_least = b->weight_least;
    own.weight_all = b->weight_all;
    root.start = 0;
    root.end = n;
    return fast_grow_block(g, &own, &root, bottom);
}

/* ---- the subtree ------------------------------------------------------------------------- */

static bool wants_narrow(const struct fast_grower *g, const struct fast_block *b,
                         const struct fast_node *node)
{
    uint32_t n = node->end - node->start;
    return n <= FAST_NARROW_ROWS && n > g->kernels->few_rows && b->rows > FAST_NARROW_ROWS &&
           b->rough && g->kernels->part_narrow && !node->is_leaf;
}

/* One node, or a whole tiny subtree. Returns whether it has children; < 0: error. */
static int grow_node(struct fast_grower *g, const struct fast_block *b,
                     const struct fast_node *node, struct fast_node *left, struct fast_node *right)
{
    struct tree *out = g->g.out;
    uint32_t n = node->end - node->start;
    if (!node->is_leaf && n <= FAST_TINY_ROWS)
        return g->kernels->grow_tiny(g, b, node);
    if (!node->is_leaf && n <= g->kernels->few_rows && b->rough &&
        b->features <= g->kernels->few_features)
        return g->kernels->grow_few(g, b, node);
    if (tree_reserve(out, 1))
        return -ENOMEM;
    struct node_stats stats = { .rows = n };
    if (node->is_leaf || out->stats)
        stats = fast_stats(g, b->y, b->w, b->order + node->start, n, out->stats != NULL);
    uint32_t id = fast_add_node(out, node->depth, node->parent, node->is_left, &stats);
    if (node->is_leaf)
        return 0;
    if (split(g, b, node, id, left, right))
        return 1;
    if (!out->stats)
        out->nodes[id].number = fast_stats(g, b->y, b->w, b->order + node->start, n, false).value;
    return 0;
}

int fast_grow_block(struct fast_grower *g, const struct fast_block *b, const struct fast_node *root,
                    size_t bottom)
{
    struct fast_node node = *root, *nodes;
    size_t top = bottom;
    for (;;) {
        struct fast_node left, right;
        int parted = wants_narrow(g, b, &node) ? grow_narrow(g, b, &node, top)
                                               : grow_node(g, b, &node, &left, &right);
        if (parted < 0)
            return parted;
        if (fast_reserve_nodes(g->scratch, top + 1, &nodes))
            return -ENOMEM;
        if (parted) {
            nodes[top++] = right;
            node = left;
        } else if (top > bottom) {
            node = nodes[--top];
        } else {
            return 0;
        }
    }
}
