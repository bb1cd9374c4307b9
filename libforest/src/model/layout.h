/* SPDX-License-Identifier: MIT */
/*
 * layout.h -- every byte of a tree block and of a model block. No code
 * but accessors.
 *
 * docs/format-forest.md says the same in tables; the static asserts keep the two together.
 * All numbers are in the byte order of the machine that wrote them; `byte_order` tells.
 */
#ifndef LAYOUT_H
#define LAYOUT_H

#include <stddef.h>
#include <stdint.h>

#define LAYOUT_VERSION 2u
#define LAYOUT_BYTE_ORDER 0x01020304u
#define LAYOUT_ALIGN 64u

#define MODEL_MAGIC "\211FOREST\n"
#define TREE_MAGIC "\211F-TREE\n"

/* In .flags: what is kept beside the nodes. */
#define HAS_STATS 1u
#define HAS_IDS 2u /* trees grown best-first: scikit-learn numbers their nodes otherwise */

/* The start of every block, whatever its layout version: enough to tell what it is. */
struct prologue {
    char magic[8];
    uint32_t version;
    uint32_t byte_order;
    uint64_t bytes; /* of the whole block */
    uint64_t check; /* of the 24 bytes before */
};

/*
 * Nodes are in preorder: the left child of node i is node i + 1. A row goes left if
 * its value of `feature` is <= `number`; in a leaf `number` is the prediction. In classification it
 * is a whole number: a class, if all training rows of the leaf were of it, or the number of classes
 * plus that of one of the tree's distributions.
 */
struct node {
    double number;
    uint32_t right;   /* > i + 1; 0: a leaf */
    uint32_t feature; /* 0 in a leaf, so that it can be looked up there as well */
};

static inline int node_is_leaf(const struct node *node)
{
    return node->right == 0;
}

/* Kept beside each node with HAS_STATS. */
struct node_stats {
    double impurity;
    double value;
    double weighted_rows;
    uint64_t rows;
};

/*
 * The body of a tree, each part filled up to 64 bytes:
 *   nodes | statistics, with HAS_STATS | distributions, `classes` doubles each
 *   | weight of each class in each node, in classification with HAS_STATS
 *   | scikit-learn's number of each node, 4 bytes, with HAS_IDS
 */
struct tree_entry {
    uint64_t offset; /* of the body, from the start of the block */
    uint64_t check;  /* of the body */
    uint32_t nodes;
    uint32_t leaves;
    uint32_t depth;
    uint32_t distributions;
};

/* struct forest_params without its struct_size, defaults filled in. */
struct stored_params {
    uint32_t task;
    uint32_t n_estimators;
    uint32_t seed;
    uint32_t max_depth;
    uint32_t min_samples_split;
    uint32_t min_samples_leaf;
    uint32_t max_features;
    uint32_t no_bootstrap;
    double max_features_value;
    double min_weight_fraction_leaf;
    double min_impurity_decrease;
    double max_samples;
    uint32_t criterion;
    uint32_t class_weight;
    uint32_t max_leaf_nodes;
    uint32_t extra_trees;
    double min_samples_split_fraction;
    double min_samples_leaf_fraction;
    double ccp_alpha;
    uint32_t mode;
    uint32_t reserved0;
    uint64_t reserved[2];
};

/* A tree block is this and the body. */
struct tree_header {
    struct prologue prologue;
    uint64_t check; /* of the rest of the header */
    uint32_t index; /* the tree's number in its forest */
    uint32_t flags;
    uint64_t features;
    uint64_t kind; /* checksum of features and parameters: trees of one forest agree in it */
    struct tree_entry entry;
    uint32_t classes; /* 0: regression */
    uint32_t reserved;
    uint64_t reserved2[3];
};

/*
 * A model block is this, one tree_entry per tree, the label of each class, a double (both filled up
 * to 64 bytes), the bodies in order, a caller's notes (filled up to 64 bytes).
 */
struct model_header {
    struct prologue prologue;
    uint64_t check; /* of the rest of the header, the entries and the labels */
    uint64_t features;
    uint64_t nodes;
    uint64_t leaves;
    uint32_t trees;
    uint32_t depth;
    uint32_t flags;
    uint32_t classes; /* 0: regression */
    struct stored_params params;
    uint64_t notes_bytes; /* behind the bodies; 0: none */
    uint64_t notes_check; /* of the notes, filled up to 64 bytes; 0 if there are none */
    uint64_t reserved2[4];
};

_Static_assert(sizeof(struct prologue) == 32, "format-forest.md: prologue");
_Static_assert(offsetof(struct prologue, bytes) == 16, "format-forest.md: prologue");
_Static_assert(sizeof(struct node) == 16, "format-forest.md: node");
_Static_assert(offsetof(struct node, right) == 8, "format-forest.md: node");
_Static_assert(sizeof(struct node_stats) == 32, "format-forest.md: node statistics");
_Static_assert(sizeof(struct tree_entry) == 32, "format-forest.md: tree entry");
_Static_assert(offsetof(struct tree_entry, nodes) == 16, "format-forest.md: tree entry");
_Static_assert(sizeof(struct stored_params) == 128, "format-forest.md: parameters");
_Static_assert(offsetof(struct stored_params, max_features_value) == 32,
               "format-forest.md: parameters");
_Static_assert(offsetof(struct stored_params, criterion) == 64, "format-forest.md: parameters");
_Static_assert(offsetof(struct stored_params, ccp_alpha) == 96, "format-forest.md: parameters");
_Static_assert(offsetof(struct stored_params, mode) == 104, "format-forest.md: parameters");
_Static_assert(sizeof(struct tree_header) == 128, "format-forest.md: tree header");
_Static_assert(offsetof(struct tree_header, features) == 48, "format-forest.md: tree header");
_Static_assert(offsetof(struct tree_header, entry) == 64, "format-forest.md: tree header");
_Static_assert(offsetof(struct tree_header, classes) == 96, "format-forest.md: tree header");
_Static_assert(sizeof(struct model_header) == 256, "format-forest.md: model header");
_Static_assert(offsetof(struct model_header, features) == 40, "format-forest.md: model header");
_Static_assert(offsetof(struct model_header, trees) == 64, "format-forest.md: model header");
_Static_assert(offsetof(struct model_header, params) == 80, "format-forest.md: model header");
_Static_assert(offsetof(struct model_header, notes_bytes) == 208, "format-forest.md: model header");

#endif
