/* SPDX-License-Identifier: MIT */
/*
 * grow_best.c -- the subtree of one block, the node that gains most first.
 *
 * As in scikit-learn a node is searched for its best cut, and its rows are parted, as soon as it is
 * there; whether its children ever will be is seen when its turn comes. Nothing is known to be
 * constant beforehand. Numbers are in the order of adding, both children side by side.
 */
#include "scratch.h"

/* A node that waits for its turn. */
struct candidate {
    struct pending left, right; /* its children, if it is no leaf */
    uint32_t feature;
    double threshold;
    bool is_leaf;
};

struct best_first {
    struct grower *g;
    const struct block *b;
    struct grown *out;
    struct candidate *candidates; /* by node */
    struct gain_heap *heap;
};

static void fill_node(struct grown_node *n, const struct pending *p)
{
    n->rows = p->end - p->start;
    n->impurity = p->impurity;
    n->weight = p->sums.weight;
    n->value = p->sums.sum / p->sums.weight;
}

/* Add a node and look for its best cut. -ENOMEM */
static int add(struct best_first *t, const struct pending *node, uint32_t *id)
{
    int err = grown_add(t->out, id);
    if (err)
        return err;
    struct candidate *c = &t->candidates[*id];
    struct parted p;
    fill_node(&t->out->nodes[*id], node);
    c->is_leaf = node->is_leaf || !part_node(t->g, t->b, node, &p);
    if (c->is_leaf)
        return gain_heap_push(t->heap, 0.0, *id);
    c->left = p.v.left;
    c->right = p.v.right;
    c->left.constants = c->right.constants = 0;
    c->feature = p.feature;
    c->threshold = threshold_between(*p.below, *p.above);
    return gain_heap_push(t->heap, p.v.improvement, *id);
}

static int split(struct best_first *t, uint32_t id)
{
    const struct candidate *c = &t->candidates[id];
    uint32_t left, right;
    int err = add(t, &c->left, &left);
    if (!err)
        err = add(t, &c->right, &right);
    if (err)
        return err;
    struct grown_node *n = &t->out->nodes[id];
    n->feature = c->feature;
    n->threshold = c->threshold;
    n->left = left;
    n->right = right;
    return 0;
}

int grow_block_best(struct grower *g, const struct block *b, const struct pending *root,
                    uint32_t leaves, struct grown *out)
{
    struct grow_scratch *scratch = g->scratch;
    uint32_t rows = root->end - root->start, splits = (leaves < rows ? leaves : rows) - 1, id;
    int err =
        arena_reserve(&scratch->candidates, (2 * (size_t)splits + 1) * sizeof(struct candidate));
    if (err)
        return err;
    struct best_first t = { g, b, out, scratch->candidates.memory, &scratch->heap };
    t.heap->count = 0;
    err = add(&t, root, &id);
    while (!err && t.heap->count) {
        id = gain_heap_pop(t.heap);
        if (!t.candidates[id].is_leaf && splits > 0) {
            splits--;
            err = split(&t, id);
        }
    }
    return err;
}
