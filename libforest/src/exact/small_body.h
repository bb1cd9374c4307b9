/* SPDX-License-Identifier: MIT */
/*
 * small_body.h -- subtrees of up to 16 rows, which stay in registers. Most nodes are in these.
 *
 * A row is called by its place in the order of the root's samples, so any table by row is one
 * register of bytes. A feature's list is sixteen bytes, too. Each node has a set of lists of its
 * own: the right child's take the place of its parent's and wait there, the left one's go one level
 * up.
 *
 * So few rows are often cut alike by several features, and then rounding decides. Therefore
 * cuts are not estimated here but rated as the rules do.
 *
 * Include after avx512.h or avx2.h; what is told to these below is defined by who includes this.
 */
#ifndef SMALL_BODY_H
#define SMALL_BODY_H

#ifdef HAVE_AVX2
#include <math.h>
#include <string.h>

#include "addends.h"
#include "small.h"
#include "sort_bytes.h"
#include "ties.h"

#define ROWS SMALL_ROWS
#define LEVELS ROWS /* nodes that wait, and the one at hand */

/* A node whose threshold is yet to be filled in: reading two rows of a large column takes a while.
 */
struct threshold {
    uint32_t id;
    const float *below, *above;
};

struct small {
    struct grower *g;
    const struct block *b;
    uint32_t groups;        /* of four features */
    uint8_t (*ranks)[ROWS]; /* by feature, then row */
    uint8_t (*lists)[ROWS]; /* by level, then feature */
    uint16_t *ties;         /* by feature, of the node at hand: a bit per place of its list */
    struct addends addends[ROWS];
    double wy[ROWS], w[ROWS];
    uint32_t row[ROWS];
    struct threshold thresholds[ROWS];
    uint32_t waiting; /* thresholds */
};

struct small_node {
    struct pending p; /* start is not used */
    __m128i order;
};

static size_t small_bytes(uint32_t features)
{
    size_t padded = ((size_t)features + 3) / 4 * 4;
    return padded * ROWS * (1 + LEVELS) + (padded + 32) * sizeof(uint16_t);
}

static uint8_t (*lists_of(const struct small *s, uint32_t level))[ROWS]
{
    return s->lists + (size_t)level * s->groups * 4;
}

/* ---- from the block ---------------------------------------------------------------------- */

static void take_rows(struct small *s, const uint32_t *order, uint32_t n, uint8_t *names)
{
    const struct block *b = s->b;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t slot = order[i] & 0xffff;
        names[slot] = (uint8_t)i;
        s->wy[i] = b->wy[slot];
        s->w[i] = b->w[slot];
        s->addends[i] = (struct addends){ b->wy[slot], b->wyy[slot], b->w[slot], 0.0 };
        s->row[i] = b->row[slot];
    }
}

static void take_list(struct small *s, uint32_t feature, uint32_t start, uint32_t n,
                      const uint8_t *names)
{
    const uint32_t *list = s->b->lists + feature * s->b->stride + start;
    uint8_t *to = s->lists[feature], *ranks = s->ranks[feature], rank = 0;
    bool constant = list[0] >> 16 == list[n - 1] >> 16;
    for (uint32_t i = 0; i < n; i++) {
        /* what a list of nothing but ties holds does not matter, and may be of other rows (B1) */
        uint8_t name = constant ? (uint8_t)i : names[list[i] & 0xffff];
        rank = i > 0 && list[i] >> 16 != list[i - 1] >> 16 && !constant ? (uint8_t)i : rank;
        to[i] = name;
        ranks[name] = rank;
    }
    memset(to + n, 0, ROWS - n);
}

/* ---- defined for each kind of processor ---------------------------------------------------- */

/* Fill s->ties for the lists of a level. */
static void find_ties(const struct small *s, uint32_t level, uint32_t n);
/* The best cut of a node as the rules find it. Ties must be in order. */
static struct found rate(const struct small *s, const struct drawn *d, const struct sums *all,
                         uint32_t n, const uint8_t (*lists)[ROWS]);
/* Part the lists of a level: those of the right child stay there, the left one's go one level up.
 */
static void split_lists(const struct small *s, uint32_t level, __m128i goes_left, uint32_t n,
                        uint32_t left);

/* ---- ties and the sort ------------------------------------------------------------------- */

struct node_view {
    const uint16_t *ties;
    uint32_t all;
};

static bool is_constant(void *context, uint32_t feature)
{
    const struct node_view *v = context;
    return v->ties[feature] == v->all;
}

/* Take the order through all sorts. */
static __m128i sort_scanned(const struct small *s, const struct drawn *d, uint8_t (*lists)[ROWS],
                            __m128i order, uint32_t n)
{
    for (uint32_t i = 0; i < d->scanned; i++) {
        uint32_t feature = s->g->scanned[i];
        __m128i *list = (__m128i *)(void *)lists[feature], sorted = _mm_loadu_si128(list);
        if (s->ties[feature]) {
            __m128i ranks = _mm_loadu_si128((const __m128i *)(const void *)s->ranks[feature]);
            struct sort_bytes b = { ranks, s->ties[feature], s->b->few };
            sorted = sort_bytes(&b, sorted, order, 0, n, sort_depth(n));
            _mm_storeu_si128(list, sorted);
        }
        order = sorted;
    }
    return order;
}

/* ---- the split --------------------------------------------------------------------------- */

/* Judge the split between two rows, and note it in the tree; false if it gains too little. */
static bool enter(struct small *s, const struct small_node *node, uint32_t id, struct found found,
                  uint32_t below, uint32_t above, const struct sums child[2],
                  const struct sums *rest, struct verdict *v)
{
    const struct grower *g = s->g;
    const float *column = prep_column(s->b->prep, found.feature);
    judge(g, &node->p, found.pos, child, rest, v);
    if (v->too_little)
        return false;
    struct threshold t = { id, column + s->row[below], column + s->row[above] };
    __builtin_prefetch(t.below);
    __builtin_prefetch(t.above);
    s->thresholds[s->waiting++] = t;
    g->out->nodes[id].feature = found.feature;
    v->left.parent = v->right.parent = (int32_t)id;
    return true;
}

/* The merit of the cut that leaves one row on the left, of two in all; if it is not allowed, none. */
static double rate_one(const struct small *s, const struct sums *all, uint32_t row)
{
    double least = s->g->limits->min_weight_leaf;
    double sum = 0.0 + s->wy[row], weight = 0.0 + s->w[row], right = all->sum - sum,
           rest = all->weight - weight;
    double merit = merit_of(s->g->limits->is_friedman, sum, weight, right, rest);
    return !(weight < least) && !(rest < least) && merit > -HUGE_VAL ? merit : -HUGE_VAL;
}

/*
 * Two rows: there are but two cuts, and nothing to sort. Both children are added, too. Which
 * feature is the first to make the better cut is found without a branch.
 */
static void split_two(struct small *s, const struct small_node *node, uint32_t level, uint32_t id,
                      const struct drawn *d)
{
    const uint8_t(*lists)[ROWS] = (const uint8_t(*)[ROWS])lists_of(s, level);
    uint32_t rows[2] = { (uint8_t)_mm_extract_epi8(node->order, 0),
                         (uint8_t)_mm_extract_epi8(node->order, 1) };
    double merit[2] = { rate_one(s, &node->p.sums, rows[0]), rate_one(s, &node->p.sums, rows[1]) };
    uint32_t feature[2] = { s->g->scanned[0], s->g->scanned[0] }; /* first to have that one left */
    uint32_t first = lists[feature[0]][0] == rows[1];
    bool has_other = false;
    for (uint32_t i = d->scanned; i-- > 0;) {
        bool second = lists[s->g->scanned[i]][0] == rows[1];
        has_other |= second != first;
        feature[second] = s->g->scanned[i];
    }
    uint32_t best = has_other && merit[!first] > merit[first] ? !first : first;
    if (merit[best] == -HUGE_VAL)
        return;
    struct found found = { feature[best], 1 };
    uint32_t left = rows[best], right = rows[!best];
    const struct addends *l = &s->addends[left], *r = &s->addends[right];
    struct sums child[2] = { { 0.0 + l->sum, 0.0 + l->sumsq, 0.0 + l->weight },
                             { 0.0 + r->sum, 0.0 + r->sumsq, 0.0 + r->weight } };
    struct verdict v;
    if (!enter(s, node, id, found, left, right, child, &node->p.sums, &v))
        return;
    add_node(s->g->out, &v.left);
    add_node(s->g->out, &v.right);
}

/*
 * Split the node at `level`, if it is worth it; the left child's lists go one level up. False if
 * nothing is left to be done below it.
 */
static bool split(struct small *s, const struct small_node *node, uint32_t level, uint32_t id,
                  struct small_node *l, struct small_node *r)
{
    struct grower *g = s->g;
    uint32_t n = node->p.end - node->p.start;
    uint8_t(*lists)[ROWS] = lists_of(s, level);
    struct node_view view = { s->ties, low_bits(n) & ~1u };
    find_ties(s, level, n);
    struct drawn d = draw_features(g, node->p.constants, is_constant, &view);
    if (d.scanned == 0)
        return false;
    if (n == 2) {
        split_two(s, node, level, id, &d);
        return false;
    }
    __m128i order = sort_scanned(s, &d, lists, node->order, n);
    struct found found = rate(s, &d, &node->p.sums, n, (const uint8_t(*)[ROWS])lists);
    if (!found.pos)
        return false;
    const uint8_t *list = lists[found.feature], *ranks = s->ranks[found.feature];
    uint8_t below = list[found.pos - 1], above = list[found.pos];
    __m128i rank = _mm_loadu_si128((const __m128i *)(const void *)ranks);
    __m128i last = _mm_set1_epi8((char)ranks[below]);
    __m128i goes_left = _mm_cmpeq_epi8(_mm_max_epu8(rank, last), last);
    uint32_t greater =
        low_bits(n) & ~(uint32_t)_mm_movemask_epi8(_mm_shuffle_epi8(goes_left, order));
    order = part_few(order, greater, n, found.pos);
    struct sums child[2], rest = node->p.sums;
    struct verdict v;
    uint8_t rows[ROWS];
    _mm_storeu_si128((__m128i *)(void *)rows, order);
    add_sides(s->addends, rows, n, found.pos, child, &rest);
    if (!enter(s, node, id, found, below, above, child, &rest, &v))
        return false;
    v.left.constants = v.right.constants = d.constants;
    if (!v.left.is_leaf || !v.right.is_leaf)
        split_lists(s, level, goes_left, n, found.pos);
    *l = (struct small_node){ v.left, order };
    *r = (struct small_node){ v.right, bytes_from(order, found.pos) };
    return true;
}

/* ---- the subtree ------------------------------------------------------------------------- */

static void grow(struct small *s, const struct pending *root)
{
    struct small_node stack[LEVELS], node = { *root, byte_numbers16() };
    uint32_t level = 0; /* so many nodes wait; each has the lists of its place in the stack */
    for (;;) {
        struct small_node l, r;
        uint32_t id = add_node(s->g->out, &node.p);
        if (!node.p.is_leaf && split(s, &node, level, id, &l, &r)) {
            node = l;
            stack[level++] = r;
        } else if (level > 0) {
            node = stack[--level];
        } else {
            return;
        }
    }
}

static void start(struct small *s, struct grower *g, const struct block *b)
{
    size_t padded = ((size_t)g->features_count + 3) / 4 * 4;
    s->g = g;
    s->b = b;
    s->groups = (uint32_t)(padded / 4);
    s->ranks = (uint8_t(*)[ROWS])b->small;
    s->lists = s->ranks + padded;
    s->ties = (uint16_t *)(void *)(s->lists + padded * LEVELS);
    s->waiting = 0;
    memset(s->wy, 0, sizeof s->wy); /* of the rest, only what is said to be zero is */
    memset(s->w, 0, sizeof s->w);
}

static void set_thresholds(const struct small *s)
{
    for (uint32_t i = 0; i < s->waiting; i++)
        set_threshold(s->g->out, s->thresholds[i].id, *s->thresholds[i].below,
                      *s->thresholds[i].above);
}

static int grow_small(struct grower *g, const struct block *b, const struct pending *root)
{
    uint32_t n = root->end - root->start;
    uint8_t *names = (uint8_t *)b->temp;
    struct small s;
    int err = tree_reserve(g->out, 2 * ROWS);
    if (err)
        return err;
    start(&s, g, b);
    take_rows(&s, b->order + root->start, n, names);
    for (uint32_t f = 0; f < g->features_count; f++)
        take_list(&s, f, root->start, n, names);
    grow(&s, root);
    set_thresholds(&s);
    return 0;
}

#endif
#endif
