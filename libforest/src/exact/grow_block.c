/* SPDX-License-Identifier: MIT */
/*
 * grow_block.c -- the subtree of one block, node by node, the left child first.
 *
 * A node's work is: draw features; carry the order of its samples through the sort by each of
 * them (only ties move anything, see kernels_plain.c); scan the sorted lists for the best cut;
 * part the order and all lists; sum up both children. Nothing of a node is looked at
 * again, so everything happens in place.
 */
#include <errno.h>

#include "grower.h"
#include "kernels.h"

struct range {
    const struct block *b;
    uint32_t start, end;
};

static uint32_t entry_at(const struct range *r, uint32_t feature, uint32_t pos)
{
    return r->b->lists[(size_t)feature * r->b->stride + pos];
}

static uint32_t row_at(const struct range *r, uint32_t feature, uint32_t pos)
{
    return r->b->row[entry_at(r, feature, pos) & 0xffff];
}

static uint32_t rank_at(const struct range *r, uint32_t feature, uint32_t pos)
{
    return entry_at(r, feature, pos) >> 16;
}

static bool all_equal(const struct range *r, uint32_t feature)
{
    return rank_at(r, feature, r->start) == rank_at(r, feature, r->end - 1);
}

static bool is_near(const struct range *r, uint32_t feature, uint32_t pos)
{
    uint32_t rank = rank_at(r, feature, pos);
    return r->b->near[feature * r->b->near_words + rank / 64] >> rank % 64 & 1;
}

static bool is_constant(void *context, uint32_t feature)
{
    const struct range *r = context;
    if (all_equal(r, feature))
        return true;
    if (!r->b->close[feature] || !is_near(r, feature, r->end - 1))
        return false;
    const float *column = prep_column(r->b->prep, feature);
    return column[row_at(r, feature, r->end - 1)] <=
           column[row_at(r, feature, r->start)] + PREP_APART;
}

static bool is_apart(const struct range *r, uint32_t feature, uint32_t pos)
{
    const float *column = prep_column(r->b->prep, feature);
    return column[row_at(r, feature, pos)] > column[row_at(r, feature, pos - 1)] + PREP_APART;
}

/* Whether a feature has values in the node that are too close to tell apart, but not equal. */
static bool has_close(const struct range *r, uint32_t feature)
{
    if (!r->b->close[feature])
        return false;
    for (uint32_t i = r->start + 1; i < r->end; i++)
        if (is_near(r, feature, i) && rank_at(r, feature, i) != rank_at(r, feature, i - 1) &&
            !is_apart(r, feature, i))
            return true;
    return false;
}

static bool cut_is_apart(const struct range *r, struct found found)
{
    return !r->b->close[found.feature] || is_apart(r, found.feature, r->start + found.pos);
}

static uint32_t *list_of(const struct range *r, uint32_t feature)
{
    return r->b->lists + (size_t)feature * r->b->stride + r->start;
}

/* Take the order of the samples through the sorts by some of the visited features. */
static const uint32_t *sort_visited(const struct grower *g, const struct range *r,
                                    const struct kernels *k, uint32_t from, uint32_t to,
                                    const uint32_t *order)
{
    for (uint32_t i = from; i < to; i++) {
        uint32_t feature = g->visited[i];
        uint32_t *list = list_of(r, feature);
        if (all_equal(r, feature))
            continue; /* that sort leaves everything where it is */
        if (k->find_ties(r->b, list, r->end - r->start))
            k->sort_ties(r->b, feature, order, list, r->end - r->start);
        order = list;
    }
    return order;
}

/*
 * How many of the visited features come before the last one without ties, that included. After
 * it the order of the samples is what its list says, whatever it was before.
 */
static uint32_t count_forgotten(const struct grower *g, const struct range *r,
                                const struct kernels *k, const struct drawn *d, struct search *s)
{
    uint32_t forgotten = 0;
    for (uint32_t i = 0; i < d->visited; i++) {
        uint32_t feature = g->visited[i];
        if (all_equal(r, feature))
            continue;
        if (k->find_ties(r->b, list_of(r, feature), s->n))
            s->tied = true;
        else
            forgotten = i + 1;
    }
    return forgotten;
}

/*
 * Find the best cut, and the order in which the sorts leave the samples. Often the best cut is
 * clear without knowing how ties are ordered; then only the sorts after the last feature
 * without ties need to be done, for the order of the samples in the children.
 */
static struct found search(const struct grower *g, const struct range *r, const struct kernels *k,
                           const struct drawn *d, struct search *s, const uint32_t **order)
{
    struct found found = { 0, 0 };
    uint32_t forgotten = count_forgotten(g, r, k, d, s);
    const uint32_t *samples = r->b->order + r->start;
    /* An estimate may choose between values too close; what is best of more cuts and a cut is best.
     */
    if (k->estimate && s->weight_min > 0.0)
        found = k->estimate(r->b, s);
    if (found.pos && !cut_is_apart(r, found))
        found.pos = 0;
    if (!found.pos)
        samples = sort_visited(g, r, k, 0, forgotten, samples);
    else if (forgotten > 0)
        samples = list_of(r, g->visited[forgotten - 1]);
    *order = sort_visited(g, r, k, forgotten, d->visited, samples);
    if (found.pos)
        return found;
    for (uint32_t i = 0; i < d->scanned && !s->close; i++)
        s->close = has_close(r, g->scanned[i]);
    return k->rate(r->b, s);
}

static void split_lists(const struct range *r, const struct kernels *k, const struct cut *c)
{
    for (uint32_t f = 0; f < r->b->features; f++)
        if (f != c->feature && !all_equal(r, f))
            k->split_list(r->b, c, list_of(r, f));
}

/* ---- two rows: two cuts at most, nothing to sort, and the children are leaves --------------- */

struct merit {
    double value;
    bool allowed;
};

/* Of the cut that leaves one row on the left, of two in all. */
static struct merit rate_one(const struct grower *g, const struct block *b, const struct sums *all,
                             uint32_t slot)
{
    double least = g->limits->min_weight_leaf;
    double sum = 0.0 + b->wy[slot], weight = 0.0 + b->w[slot], right = all->sum - sum,
           rest = all->weight - weight;
    return (struct merit){ merit_of(g->limits->is_friedman, sum, weight, right, rest),
                           !(weight < least) && !(rest < least) };
}

static struct sums sums_of(const struct block *b, uint32_t slot)
{
    return (struct sums){ 0.0 + b->wy[slot], 0.0 + b->wyy[slot], 0.0 + b->w[slot] };
}

static void split_two(struct grower *g, const struct range *r, const struct pending *node,
                      uint32_t id, const struct drawn *d)
{
    const struct block *b = r->b;
    uint32_t first = b->order[r->start] & 0xffff, second = b->order[r->start + 1] & 0xffff;
    struct merit m[2] = { rate_one(g, b, &node->sums, first), rate_one(g, b, &node->sums, second) };
    uint32_t feature = 0, left = NO_SLOT;
    double best = -__builtin_inf();
    for (uint32_t i = 0; i < d->scanned; i++) {
        uint32_t slot = entry_at(r, g->scanned[i], r->start) & 0xffff;
        const struct merit *at = &m[slot == second];
        if (at->allowed && at->value > best) {
            best = at->value;
            feature = g->scanned[i];
            left = slot;
        }
    }
    if (left == NO_SLOT)
        return;
    uint32_t right = left == first ? second : first;
    struct sums child[2] = { sums_of(b, left), sums_of(b, right) };
    const float *column = prep_column(b->prep, feature);
    struct verdict v;
    judge(g, node, 1, child, &node->sums, &v);
    if (v.too_little)
        return;
    split_node(g->out, id, feature, column[b->row[left]], column[b->row[right]]);
    v.left.parent = v.right.parent = (int32_t)id;
    add_node(g->out, &v.left);
    add_node(g->out, &v.right);
}

/* ---- any number of rows -------------------------------------------------------------------- */

/* Of the features drawn. False: no cut is worth it. */
static bool search_and_part(struct grower *g, const struct range *r, const struct pending *node,
                            const struct drawn *d, struct parted *p)
{
    const struct block *b = r->b;
    const struct kernels *k = g->kernels;
    struct search s = { .start = node->start,
                        .n = node->end - node->start,
                        .features = g->scanned,
                        .count = d->scanned,
                        .min_samples_leaf = g->limits->min_samples_leaf,
                        .min_weight_leaf = g->limits->min_weight_leaf,
                        .is_friedman = g->limits->is_friedman,
                        .sum = node->sums.sum,
                        .sumsq = node->sums.sumsq,
                        .weight = node->sums.weight,
                        .unit = b->unit,
                        .weight_min = g->weight_min,
                        .whole = g->whole };
    const uint32_t *sorted;
    struct found found = search(g, r, k, d, &s, &sorted);
    if (found.pos == 0)
        return false;
    uint32_t at = node->start + found.pos;
    const float *column = prep_column(b->prep, found.feature);
    p->feature = found.feature;
    p->below = column + row_at(r, found.feature, at - 1);
    p->above = column + row_at(r, found.feature, at);
    __builtin_prefetch(p->below);
    __builtin_prefetch(p->above);
    struct cut c = { found.feature, s.n, found.pos, rank_at(r, found.feature, at - 1) };
    uint32_t *order = b->order + node->start;
    struct sums child[2], rest = node->sums;
    k->split_order(b, &c, sorted, order);
    k->sum_children(b, &c, order, child, &rest);
    judge(g, node, found.pos, child, &rest, &p->v);
    if (p->v.too_little)
        return false;
    p->v.left.constants = p->v.right.constants = d->constants;
    if (!p->v.left.is_leaf || !p->v.right.is_leaf)
        split_lists(r, k, &c);
    return true;
}

bool part_node(struct grower *g, const struct block *b, const struct pending *node,
               struct parted *p)
{
    struct range r = { b, node->start, node->end };
    struct drawn d = draw_features(g, node->constants, is_constant, &r);
    return d.scanned > 0 && search_and_part(g, &r, node, &d, p);
}

/* Split the node if a split is worth it; false: nothing is left to be done below it. */
static bool split(struct grower *g, const struct block *b, const struct pending *node, uint32_t id,
                  struct verdict *v)
{
    struct range r = { b, node->start, node->end };
    struct drawn d = draw_features(g, node->constants, is_constant, &r);
    struct parted p;
    if (d.scanned == 0)
        return false;
    if (r.end - r.start == 2) {
        split_two(g, &r, node, id, &d);
        return false;
    }
    if (!search_and_part(g, &r, node, &d, &p))
        return false;
    split_node(g->out, id, p.feature, *p.below, *p.above);
    p.v.left.parent = p.v.right.parent = (int32_t)id;
    *v = p.v;
    return true;
}

/* Whether a feature has values close to each other: such nodes are not handed over. */
static bool any_close(const struct block *b, const struct pending *node)
{
    struct range r = { b, node->start, node->end };
    for (uint32_t f = 0; f < b->features; f++)
        if (b->close[f] && !all_equal(&r, f) && has_close(&r, f))
            return true;
    return false;
}

/* A whole subtree of few rows. -EAGAIN: it must be grown node by node. */
static int grow_subtree(struct grower *g, const struct block *b, const struct kernels *k,
                        const struct pending *node)
{
    uint32_t n = node->end - node->start;
    bool is_few = b->worth && g->weight_min > 0.0 && b->features <= k->few_features;
    if (node->is_leaf || n > (is_few ? k->few_rows : k->small_rows) || any_close(b, node))
        return -EAGAIN;
    return n <= k->small_rows ? k->grow_small(g, b, node) : k->grow_few(g, b, node);
}

/* One node, or a whole subtree. Returns whether it has children, which are in *v; < 0: error. */
static int grow_node(struct grower *g, const struct block *b, const struct kernels *k,
                     const struct pending *node, struct verdict *v)
{
    int err = grow_subtree(g, b, k, node);
    if (err != -EAGAIN)
        return err;
    err = tree_reserve(g->out, 3); /* and two leaves */
    if (err)
        return err;
    uint32_t id = add_node(g->out, node);
    return !node->is_leaf && split(g, b, node, id, v);
}

int grow_block(struct grower *g, const struct block *b, const struct kernels *k,
               const struct pending *root, size_t bottom)
{
    struct pending node = *root;
    size_t top = bottom;
    for (;;) {
        struct verdict v;
        int parted = grow_node(g, b, k, &node, &v);
        if (parted < 0)
            return parted;
        if (parted) {
            if (reserve_pending(g->scratch, top + 1))
                return -ENOMEM;
            pending_nodes(g->scratch)[top++] = v.right;
            node = v.left;
        } else if (top > bottom) {
            node = pending_nodes(g->scratch)[--top];
        } else {
            return 0;
        }
    }
}
