/* SPDX-License-Identifier: MIT */
/*
 * grower.h -- the state of one tree while it grows, shared by the parts that grow it.
 *
 * A large node is worked on feature by feature (grow_large.c), a subtree that fits a block with all
 * features at hand (grow_block.c), and one of a few rows in registers (small_*.c); what goes over
 * the whole tree, the drawing of features above all, stays here.
 */
#ifndef GROWER_H
#define GROWER_H

#include "block.h"
#include "grow.h"
#include "model/grown.h"

#define GROW_EPSILON 2.220446049250313e-16

/* A node that waits for its turn, with all that its parent's split has worked out. */
struct pending {
    uint32_t start, end, depth;
    uint32_t constants; /* that many entries of constant_features are constant here */
    int32_t parent;     /* -1: root */
    bool is_left, is_leaf;
    double impurity;
    struct sums sums;
};

struct grower {
    const struct prep *prep;
    const struct grow_limits *limits;
    struct grow_scratch *scratch;
    struct tree *out;
    uint32_t features_count;
    uint32_t *features;          /* a permutation, shuffled by every draw, never reset */
    uint32_t *constant_features; /* known to be constant; how many depends on the node */
    uint32_t *visited;           /* features drawn in this node, in that order */
    uint32_t *scanned;           /* those of them that are not constant */
    uint32_t state;              /* of the small generator */
    double weight_all;
    double weight_min; /* see struct search, also for the next */
    bool whole;
    const struct kernels *kernels;
};

struct drawn {
    uint32_t visited, scanned; /* how many */
    uint32_t constants;        /* of the children */
};

/* 2^64 / bound, rounded up; 0 for 0 and 1. grow.c */
#define DRAW_RECIPROCALS 65u
extern const uint64_t draw_reciprocals[DRAW_RECIPROCALS];

/* x % bound. Source: D. Lemire and others, "Faster remainder by direct computation", 2019. */
static inline uint32_t remainder_of(uint32_t x, uint32_t bound)
{
    if (bound >= DRAW_RECIPROCALS)
        return x % bound;
    uint64_t fraction = draw_reciprocals[bound] * x; /* of x / bound, the whole part overflows */
    return (uint32_t)((unsigned __int128)fraction * bound >> 64);
}

static inline uint32_t draw_below(uint32_t *state, uint32_t bound)
{
    uint32_t x = *state ? *state : 1;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    *state = x;
    return remainder_of(x & 0x7fffffffu, bound);
}

static inline void swap_features(uint32_t *f, uint32_t i, uint32_t j)
{
    uint32_t t = f[i];
    f[i] = f[j];
    f[j] = t;
}

/*
 * Draw the features to look at in a node. Which ones depends only on what is constant there, so
 * this can be done before any sorting. Inlined with `is_constant`, once per kind of block.
 */
static inline __attribute__((always_inline)) struct drawn
draw_features(struct grower *g, uint32_t known, bool (*is_constant)(void *, uint32_t),
              void *context)
{
    uint32_t *features = g->features, *visited = g->visited, *scanned = g->scanned;
    uint32_t count = g->features_count, most = g->limits->max_features;
    uint32_t undrawn = count, tries = 0, found = 0, drawn = 0;
    uint32_t state = g->state; /* a copy, or it would be stored and read again with each draw */
    struct drawn d = { 0, 0, known };
    while (undrawn > d.constants && (tries < most || tries <= found + drawn)) {
        /* undrawn - found - drawn, but this needs not wait for what was drawn before */
        uint32_t at = drawn + draw_below(&state, count - tries++);
        if (at < known) {
            swap_features(features, drawn++, at);
            continue;
        }
        at += found;
        uint32_t feature = features[at];
        visited[d.visited++] = feature;
        if (is_constant(context, feature)) {
            swap_features(features, at, d.constants++);
            found++;
        } else {
            swap_features(features, at, --undrawn);
            scanned[d.scanned++] = feature;
        }
    }
    g->state = state;
    for (uint32_t i = 0; i < known; i++)
        features[i] = g->constant_features[i];
    for (uint32_t i = known; i < d.constants; i++)
        g->constant_features[i] = features[i];
    return d;
}

/* A threshold between two neighbouring values, as the rules form it. */
static inline double threshold_between(float below, float above)
{
    double t = (double)below / 2.0 + (double)above / 2.0;
    return t == (double)above || __builtin_isinf(t) ? (double)below : t;
}

static inline bool must_be_leaf(const struct grower *g, uint32_t n, uint32_t depth, double weight,
                                double impurity)
{
    const struct grow_limits *m = g->limits;
    return depth >= m->max_depth || n < m->min_samples_split ||
           n < 2 * (uint64_t)m->min_samples_leaf || weight < 2 * m->min_weight_leaf ||
           impurity <= GROW_EPSILON;
}

/* What a split makes of its node: the children, and whether the gain is large enough. */
struct verdict {
    struct pending left, right;
    double improvement;
    bool too_little;
};

/* `rest` is the node's sums less the right child's, if the rules form the left ones so. */
static inline void judge(const struct grower *g, const struct pending *node, uint32_t left,
                         const struct sums child[2], const struct sums *rest, struct verdict *v)
{
    const struct sums *all = &node->sums,
                      *l = left <= node->end - node->start - left ? &child[0] : rest;
    double weight_right = all->weight - l->weight, sum_right = all->sum - l->sum;
    double mean_left = l->sum / l->weight, mean_right = sum_right / weight_right;
    double impurity_left = child[0].sumsq / l->weight - mean_left * mean_left;
    double impurity_right = (all->sumsq - child[0].sumsq) / weight_right - mean_right * mean_right;
    double diff = weight_right * l->sum - l->weight * sum_right;
    double improvement = g->limits->is_friedman
                             ? diff * diff / (l->weight * weight_right * all->weight)
                             : (all->weight / g->weight_all) *
                                   (node->impurity - (weight_right / all->weight * impurity_right) -
                                    (l->weight / all->weight * impurity_left));
    uint32_t depth = node->depth + 1, n = node->end - node->start;
    v->improvement = improvement;
    v->too_little = improvement + GROW_EPSILON < g->limits->min_impurity_decrease;
    v->left = (struct pending){ .start = node->start,
                                .end = node->start + left,
                                .depth = depth,
                                .is_left = true,
                                .impurity = impurity_left,
                                .sums = child[0] };
    v->right = (struct pending){ .start = node->start + left,
                                 .end = node->end,
                                 .depth = depth,
                                 .is_left = false,
                                 .impurity = impurity_right,
                                 .sums = child[1] };
    v->left.is_leaf = must_be_leaf(g, left, depth, child[0].weight, impurity_left);
    v->right.is_leaf = must_be_leaf(g, n - left, depth, child[1].weight, impurity_right);
}

/* Add the next node in preorder, as a leaf for now. The room must be there. */
static inline uint32_t add_node(struct tree *out, const struct pending *node)
{
    uint32_t id = out->count++;
    double value = node->sums.sum / node->sums.weight;
    out->nodes[id] = (struct node){ value, 0, 0 };
    if (out->stats)
        out->stats[id] = (struct node_stats){ node->impurity, value, node->sums.weight,
                                              node->end - node->start };
    if (node->parent >= 0 && !node->is_left)
        out->nodes[node->parent].right = id;
    out->depth = node->depth > out->depth ? node->depth : out->depth;
    return id;
}

static inline void set_threshold(struct tree *out, uint32_t id, float below, float above)
{
    out->nodes[id].number = threshold_between(below, above);
}

/* Make it an inner node; its right child will say so when it is added. */
static inline void split_node(struct tree *out, uint32_t id, uint32_t feature, float below,
                              float above)
{
    set_threshold(out, id, below, above);
    out->nodes[id].feature = feature;
}

/* No tree of so many rows has more nodes, but for those of 2^30 rows; some more are for those who
 * write vectors. grow.c */
uint32_t grow_nodes_most(const struct grow_limits *m, uint32_t rows);

/* The root; notes the weight of all rows. grow.c */
struct pending make_root(struct grower *g, uint32_t rows, struct sums s);

/* Room for one more of the pending nodes; -ENOMEM. grow.c */
int reserve_pending(struct grow_scratch *scratch, size_t count);
struct pending *pending_nodes(struct grow_scratch *scratch);

/* A node whose rows are parted. The children have no parents yet. */
struct parted {
    uint32_t feature;
    const float *below, *above;
    struct verdict v;
};

/* Find the best cut of a node of a block, and part its rows, if that is worth it. */
bool part_node(struct grower *g, const struct block *b, const struct pending *node,
               struct parted *p);

/*
 * Grow the subtree of `root` in the block. `bottom` is how many pending nodes belong to callers.
 */
int grow_block(struct grower *g, const struct block *b, const struct kernels *k,
               const struct pending *root, size_t bottom);
/* The same for up to so many leaves, from 2 on, those first that gain most. -ENOMEM. grow_best.c */
int grow_block_best(struct grower *g, const struct block *b, const struct pending *root,
                    uint32_t leaves, struct grown *out);

#endif
