/* SPDX-License-Identifier: MIT */
/* reference.h -- the rules of exact growing, written down as plainly as possible. */
#ifndef REFERENCE_H
#define REFERENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "exact/grow.h"

/* The old numpy generator, as far as splitting, bootstrapping and seeding need it. */
struct reference_random {
    uint32_t key[624];
    unsigned pos;
};
void reference_seed(struct reference_random *r, uint32_t seed);
uint32_t reference_bounded(struct reference_random *r, uint32_t max); /* 0..max */

/* Seeds of the first `count` trees of a forest. */
void reference_tree_seeds(uint32_t forest_seed, uint32_t *seeds, size_t count);
/* Weights of a tree's rows: bootstrap counts times `weight` (NULL: 1), or just the latter. */
void reference_weights(uint32_t tree_seed, bool bootstrap, const double *weight, uint32_t rows,
                       double *out);
uint32_t reference_splitter_seed(uint32_t tree_seed);

/* A tree as arrays, as scikit-learn keeps it. Of a leaf: left = right = -1, feature = -2, threshold
 * = -2. */
struct reference_tree {
    uint32_t count, capacity;
    int32_t *left, *right, *feature;
    double *threshold, *impurity, *value, *weighted_n;
    uint32_t *n; /* rows of the node, each counted once whatever its weight */
};
void reference_release(struct reference_tree *tree);
/* Replace `out` by what a tree grown with statistics says. */
void reference_unpack(const struct tree *tree, struct reference_tree *out);

/* As grow_exact, from a matrix of float32, row after row. Aborts if there is no memory. */
void reference_grow(const float *x, uint32_t rows, uint32_t features, const double *y,
                    const double *w, uint32_t splitter_seed, const struct grow_limits *limits,
                    struct reference_tree *out);

/* The first difference between two trees in words, or NULL; doubles are compared bit by bit. */
const char *reference_difference(const struct reference_tree *a, const struct reference_tree *b);

#endif
