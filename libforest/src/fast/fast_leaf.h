/* SPDX-License-Identifier: MIT */
/* fast_leaf.h -- what a node of the fast mode says of its rows, added up in ascending order. */
#ifndef FAST_LEAF_H
#define FAST_LEAF_H

#include "fast_grower.h"

/* Of the slots order[0..n). */
static inline struct node_stats fast_stats(const struct fast_grower *g, const double *y,
                                           const double *w, const uint32_t *order, uint32_t n,
                                           bool is_full)
{
    double sum = 0.0, weight = 0.0, squares = 0.0;
    for (uint32_t i = 0; i < n; i++) {
        sum += w[order[i]] * y[order[i]];
        weight += w[order[i]];
    }
    double mean = sum / weight;
    for (uint32_t i = 0; i < n && is_full; i++) {
        double d = y[order[i]] - mean;
        squares += w[order[i]] * (d * d);
    }
    return (struct node_stats){ squares / weight * g->y_unit * g->y_unit, mean * g->y_unit,
                                weight * g->w_unit, n };
}

/* Add the next node in preorder, as a leaf for now. The room must be there. */
static inline uint32_t fast_add_node(struct tree *out, uint32_t depth, int32_t parent, bool is_left,
                                     const struct node_stats *stats)
{
    uint32_t id = out->count++;
    out->nodes[id] = (struct node){ stats->value, 0, 0 };
    if (out->stats)
        out->stats[id] = *stats;
    if (parent >= 0 && !is_left)
        out->nodes[parent].right = id;
    out->depth = depth > out->depth ? depth : out->depth;
    return id;
}

#endif
