/* SPDX-License-Identifier: MIT */
/* golden_grow.h -- trees that scikit-learn grew, as make_golden.py wrote them. */
#ifndef GOLDEN_GROW_H
#define GOLDEN_GROW_H

#include <stdbool.h>
#include <stdio.h>

#include "reference.h"

struct golden_set {
    uint32_t rows, features;
    float *x;      /* row after row */
    double *y, *w; /* w NULL: not weighted */
};

struct golden_case {
    uint32_t set, bootstrap;
    struct grow_limits limits; /* but for min_weight_leaf, which is each tree's own */
    uint32_t forest_seed, trees;
};

struct golden_tree {
    uint32_t seed, nodes;
    double min_weight_leaf;
    uint64_t hash[8];
};

struct golden {
    FILE *file;
    uint32_t sets_count, cases_count;
    struct golden_set *sets;
};

/* Reads the data sets; cases and their trees are then read in turn. False: cannot. */
bool golden_open(struct golden *g, const char *path);
bool golden_next_case(struct golden *g, struct golden_case *c);
bool golden_next_tree(struct golden *g, struct golden_tree *t);
void golden_close(struct golden *g);

/* The first array in which the tree differs from the golden one, or NULL. */
const char *golden_difference(const struct golden_tree *expected,
                              const struct reference_tree *tree);

#endif
