/* SPDX-License-Identifier: MIT */
/*
 * grow_large.c -- the top of a large tree, down to nodes that fit a block.
 *
 * A node's work is: draw a feature; read its column for the rows of the node; sort; give ties the
 * order that the rules' sort gives them, which then is the order of the samples; rate the cuts; and
 * so on with the next one. Then part the rows and the order, and sum up both children.
 */
#include "grow_large.h"

#include <errno.h>
#include <string.h>

#include "kernels.h"
#include "scratch.h"

#define AHEAD 32u /* rows whose values are fetched before they are needed */

/* What the tree's rows are, node by node; and memory to work with. */
struct rows_state {
    uint32_t count;
    uint32_t *row, *order;
    struct target *target;
    struct item *a, *b; /* a feature while it is sorted; `b` is then what struct large calls so: */
    uint32_t *base;     /* how many of the slots before each 64 go left */
    uint64_t *bits, *ties;
    uint32_t *keys, *slots, *names, *temp;
    void *sort_room;
};

struct visit {
    struct grower *g;
    const struct rows_state *r;
    struct large l;
    struct search s;
    struct rated_cut best;
    uint32_t feature; /* of the best cut */
    float below, above;
};

/* ---- memory ------------------------------------------------------------------------------ */

static void *take(char *base, size_t *used, size_t bytes)
{
    void *at = base ? base + *used : NULL;
    *used += (bytes + 63) & ~(size_t)63;
    return at;
}

static size_t lay_out(struct rows_state *r, char *base)
{
    size_t used = 0, n = r->count, half = (n + 2 * LARGE_PAD) * sizeof(uint32_t);
    r->row = take(base, &used, n * sizeof *r->row);
    r->order = take(base, &used, n * sizeof *r->order);
    r->target = take(base, &used, n * sizeof *r->target);
    r->names = take(base, &used, half);
    r->temp = take(base, &used, half);
    r->keys = take(base, &used, half);
    r->slots = take(base, &used, half);
    /* each of these two reaches over two arrays, which are not used at the same time */
    r->a = (struct item *)(void *)r->names;
    r->b = (struct item *)(void *)r->keys;
    r->bits = take(base, &used, (n / 64 + 2) * sizeof *r->bits);
    r->base = take(base, &used, (n / 64 + 2) * sizeof *r->base);
    r->ties = take(base, &used, (n / 64 + 2) * sizeof *r->ties);
    r->sort_room = take(base, &used, large_sort_bytes(r->count));
    return used;
}

static int make_state(struct grower *g, const struct rows *rows, struct rows_state *r)
{
    uint32_t slot = 0;
    *r = (struct rows_state){ .count = rows->count };
    if (arena_reserve(&g->scratch->large, lay_out(r, NULL)))
        return -ENOMEM;
    lay_out(r, g->scratch->large.memory);
    for (uint32_t i = 0; i < g->prep->rows; i++) {
        if (rows->w[i] == 0.0)
            continue;
        r->row[slot] = i;
        r->order[slot] = slot;
        r->target[slot++] = (struct target){ rows->y[i], rows->w[i] };
    }
    return 0;
}

/* ---- a feature --------------------------------------------------------------------------- */

/* The keys of a node's slots to r->a. Returns the bits in which they differ. */
static uint32_t load_keys(const struct rows_state *r, const float *column, const uint32_t *row,
                          uint32_t n)
{
    uint32_t first = sort_key(column[row[0]]), varying = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (i + AHEAD < n)
            __builtin_prefetch(column + row[i + AHEAD]);
        uint32_t key = sort_key(column[row[i]]);
        varying |= key ^ first;
        r->a[i] = (struct item){ key, i };
    }
    return varying;
}

/* Sorted keys and slots, and the ties; false if there are none. */
static bool unpack(const struct rows_state *r, const struct item *sorted, uint32_t n)
{
    uint64_t any = 0;
    uint32_t before = ~sorted[0].key;
    for (uint32_t i = 0; i < n; i += 64) {
        uint32_t stop = n - i < 64 ? n - i : 64;
        uint64_t bits = 0;
        for (uint32_t k = 0; k < stop; k++) {
            struct item at = sorted[i + k];
            bits |= (uint64_t)(at.key == before) << k;
            r->keys[i + k] = before = at.key;
            r->slots[i + k] = at.slot;
        }
        r->ties[i / 64] = bits;
        any |= bits;
    }
    return any != 0;
}

/* Sort by a feature that was drawn, and rate its cuts if it is not constant. */
static bool visit_feature(void *context, uint32_t feature)
{
    struct visit *v = context;
    struct large *l = &v->l;
    const struct rows_state *r = v->r;
    uint32_t n = l->n, varying = load_keys(r, prep_column(v->g->prep, feature), l->row, n);
    if (varying == 0)
        return true; /* and sorting leaves everything where it is */
    struct item *sorted = radix_sort(r->a, r->b, n, varying);
    if (sorted == r->b) { /* unpacking goes there */
        memcpy(r->a, r->b, n * sizeof *r->a);
        sorted = r->a;
    }
    if (unpack(r, sorted, n))
        v->g->kernels->sort_large(l);
    memcpy(l->order, l->slots, n * sizeof *l->order);
    if (key_value(l->keys[n - 1]) <= key_value(l->keys[0]) + PREP_APART)
        return true;
    double before = v->best.proxy;
    v->g->kernels->rate_large(l, &v->s, &v->best);
    if (v->best.proxy > before) {
        v->feature = feature;
        v->below = key_value(l->keys[v->best.pos - 1]);
        v->above = key_value(l->keys[v->best.pos]);
    }
    return false;
}

/* ---- the split --------------------------------------------------------------------------- */

static bool goes_left(const struct rows_state *r, uint32_t slot)
{
    return r->bits[slot / 64] >> slot % 64 & 1;
}

static void mark_left(const struct rows_state *r, const struct visit *v)
{
    const float *column = prep_column(v->g->prep, v->feature);
    uint32_t n = v->l.n, count = 0;
    for (uint32_t i = 0; i < n; i += 64) {
        uint32_t stop = n - i < 64 ? n - i : 64;
        uint64_t bits = 0;
        for (uint32_t k = 0; k < stop; k++)
            bits |= (uint64_t)(column[v->l.row[i + k]] <= v->below) << k;
        r->bits[i / 64] = bits;
        r->base[i / 64] = count;
        count += (uint32_t)__builtin_popcountll(bits);
    }
}

/* The slot's number among those that go the same way. */
static uint32_t new_slot(const struct rows_state *r, uint32_t slot)
{
    uint64_t bits = r->bits[slot / 64], below = bits & ~(~UINT64_C(0) << slot % 64);
    uint32_t left = r->base[slot / 64] + (uint32_t)__builtin_popcountll(below);
    return goes_left(r, slot) ? left : slot - left;
}

/* As the rules: what goes right changes places with the last one not yet looked at. */
static void part_order(const struct rows_state *r, uint32_t *order, uint32_t n)
{
    uint32_t *from = r->temp;
    memcpy(from, order, n * sizeof *order);
    uint32_t at = from[0];
    for (uint32_t i = 0, end = n; i < end;) {
        if (goes_left(r, at)) {
            order[i++] = new_slot(r, at);
            at = from[i];
        } else {
            order[--end] = new_slot(r, at);
            at = from[end];
        }
    }
}

static void part_numbers(const struct rows_state *r, uint32_t *a, uint32_t n)
{
    uint32_t *right = r->temp, left = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = a[i];
        bool is_left = goes_left(r, i);
        a[left] = at;
        right[i - left] = at;
        left += is_left;
    }
    memcpy(a + left, right, (n - left) * sizeof *a);
}

static void part_targets(const struct rows_state *r, struct target *a, uint32_t n)
{
    struct target *right = (struct target *)(void *)r->a; /* reaches over all four arrays */
    uint32_t left = 0;
    for (uint32_t i = 0; i < n; i++) {
        struct target at = a[i];
        bool is_left = goes_left(r, i);
        a[left] = at;
        right[i - left] = at;
        left += is_left;
    }
    memcpy(a + left, right, (n - left) * sizeof *a);
}

static void add(struct sums *s, struct target t)
{
    double wy = t.w * t.y;
    s->sum += wy;
    s->sumsq += wy * t.y;
    s->weight += t.w;
}

/* The sums of slots in their order. Several nodes' sums are added side by side, see kernels_plain.c
 */
static void sum_children(const struct rows_state *r, const struct pending *node, uint32_t left,
                         struct sums child[2], struct sums *rest)
{
    const uint32_t *order = r->order + node->start, *other = order + left;
    const struct target *l_target = r->target + node->start, *r_target = l_target + left;
    uint32_t right = node->end - node->start - left, both = left < right ? left : right;
    struct sums a = { 0.0, 0.0, 0.0 }, b = a;
    for (uint32_t i = 0; i < both; i++) {
        add(&a, l_target[order[i]]);
        add(&b, r_target[other[i]]);
    }
    for (uint32_t i = both; i < left; i++)
        add(&a, l_target[order[i]]);
    for (uint32_t i = both; i < right; i++)
        add(&b, r_target[other[i]]);
    child[0] = a;
    child[1] = b;
    for (uint32_t i = right; i-- > 0 && left > right;) {
        struct target t = r_target[other[i]];
        rest->sum -= t.w * t.y;
        rest->weight -= t.w;
    }
}

static void part_rows(const struct rows_state *r, const struct pending *node)
{
    uint32_t n = node->end - node->start;
    part_order(r, r->order + node->start, n);
    part_numbers(r, r->row + node->start, n);
    part_targets(r, r->target + node->start, n);
}

/* ---- nodes ------------------------------------------------------------------------------- */

static void start_visit(struct visit *v, struct grower *g, const struct rows_state *r,
                        const struct pending *node)
{
    uint32_t n = node->end - node->start;
    *v = (struct visit){ .g = g, .r = r, .best = { -__builtin_inf(), 0 } };
    v->l = (struct large){ .n = n,
                           .row = r->row + node->start,
                           .target = r->target + node->start,
                           .order = r->order + node->start,
                           .keys = r->keys,
                           .slots = r->slots,
                           .ties = r->ties,
                           .names = r->names,
                           .temp = r->temp,
                           .sort_room = r->sort_room,
                           .narrow_rows = g->scratch->narrow_rows,
                           .few = &g->scratch->few };
    v->s = (struct search){ .n = n,
                            .min_samples_leaf = g->limits->min_samples_leaf,
                            .min_weight_leaf = g->limits->min_weight_leaf,
                            .is_friedman = g->limits->is_friedman,
                            .sum = node->sums.sum,
                            .sumsq = node->sums.sumsq,
                            .weight = node->sums.weight,
                            .weight_min = g->weight_min };
}

/* Split the node if a split is worth it; false: it is a leaf after all. */
static bool split(struct grower *g, const struct rows_state *r, const struct pending *node,
                  uint32_t id, struct verdict *v)
{
    struct visit visit;
    start_visit(&visit, g, r, node);
    struct drawn d = draw_features(g, node->constants, visit_feature, &visit);
    uint32_t left = visit.best.pos;
    if (left == 0)
        return false;
    mark_left(r, &visit);
    part_rows(r, node);
    struct sums child[2], rest = node->sums;
    sum_children(r, node, left, child, &rest);
    judge(g, node, left, child, &rest, v);
    if (v->too_little)
        return false;
    split_node(g->out, id, visit.feature, visit.below, visit.above);
    v->left.parent = v->right.parent = (int32_t)id;
    v->left.constants = v->right.constants = d.constants;
    return true;
}

/* ---- blocks ------------------------------------------------------------------------------ */

/* A feature's list, ranks and near bits. */
static void fill_list(const struct rows_state *r, const struct block *b, uint32_t feature,
                      uint32_t *close)
{
    uint32_t *list = b->lists + feature * b->stride, rank = 0;
    uint16_t *ranks = b->ranks + feature * b->stride;
    uint64_t *near = b->near + feature * b->near_words;
    uint32_t varying = load_keys(r, prep_column(b->prep, feature), b->row, b->rows);
    const struct item *sorted = radix_sort(r->a, r->b, b->rows, varying);
    memset(near, 0, b->near_words * sizeof *near);
    close[feature] = 0;
    for (uint32_t i = 0; i < b->rows; i++) {
        if (i > 0 && sorted[i].key != sorted[i - 1].key) {
            rank++;
            if (key_value(sorted[i].key) <= key_value(sorted[i - 1].key) + PREP_APART) {
                near[rank / 64] |= UINT64_C(1) << rank % 64;
                close[feature] = 1;
            }
        }
        list[i] = rank << 16 | sorted[i].slot;
        ranks[sorted[i].slot] = (uint16_t)rank;
    }
    memset(list + b->rows, 0, BLOCK_PAD * sizeof *list);
}

static int make_block(struct grower *g, const struct rows_state *r, const struct pending *node,
                      struct block *b)
{
    uint32_t n = node->end - node->start, *close;
    int err = block_reserve(g, n, b, &close);
    if (err)
        return err;
    memcpy(b->order, r->order + node->start, n * sizeof *b->order);
    memcpy(b->row, r->row + node->start, n * sizeof *b->row);
    for (uint32_t i = 0; i < n; i++) {
        struct target t = r->target[node->start + i];
        b->w[i] = t.w;
        b->wy[i] = t.w * t.y;
        b->wyy[i] = b->wy[i] * t.y;
    }
    block_pack(b, g->whole);
    for (uint32_t f = 0; f < b->features; f++)
        fill_list(r, b, f, close);
    return 0;
}

static int grow_in_block(struct grower *g, const struct rows_state *r, const struct pending *node,
                         size_t top)
{
    struct block b;
    struct pending root = *node;
    int err = make_block(g, r, node, &b);
    if (err)
        return err;
    root.end -= root.start;
    root.start = 0;
    return grow_block(g, &b, g->kernels, &root, top);
}

/* ---- the tree ---------------------------------------------------------------------------- */

/* One node, or a whole subtree that fits a block. Returns whether it has children, which are in *v;
 * < 0: error. */
static int grow_node(struct grower *g, const struct rows_state *r, const struct pending *node,
                     size_t top, struct verdict *v)
{
    if (!node->is_leaf && node->end - node->start <= g->scratch->block_rows)
        return grow_in_block(g, r, node, top);
    int err = tree_reserve(g->out, 1);
    if (err)
        return err;
    uint32_t id = add_node(g->out, node);
    return !node->is_leaf && split(g, r, node, id, v);
}

static struct sums sum_all(const struct rows_state *r)
{
    struct sums s = { 0.0, 0.0, 0.0 };
    for (uint32_t i = 0; i < r->count; i++)
        add(&s, r->target[i]);
    return s;
}

int grow_large(struct grower *g, const struct rows *rows)
{
    struct rows_state r;
    int err = make_state(g, rows, &r);
    if (err)
        return err;
    struct pending node = make_root(g, rows->count, sum_all(&r));
    for (size_t top = 0;;) {
        struct verdict v;
        int parted = grow_node(g, &r, &node, top, &v);
        if (parted < 0)
            return parted;
        if (parted) {
            if (reserve_pending(g->scratch, top + 1))
                return -ENOMEM;
            pending_nodes(g->scratch)[top++] = v.right;
            node = v.left;
        } else if (top > 0) {
            node = pending_nodes(g->scratch)[--top];
        } else {
            return 0;
        }
    }
}
