/* SPDX-License-Identifier: MIT */
/*
 * splitter.h -- where to cut a node in two.
 *
 * The features are drawn one by one, and each is looked at: the values sorted with scikit-learn's
 * own unstable sort, for sums of fractions depend on the order of rows (look_sorted), or one
 * threshold drawn at random (look_random). Where the sums are of whole numbers no order matters,
 * and classes are just counted (look_counts, look_random_counts).
 *
 * In histogram mode values are numbers of bins, and a cut's threshold lies between two of these
 * until its node is written. Nodes of many rows add up their bins (look_bins, split_bins.c); in
 * others the bins are values like any.
 *
 * In fast mode all weights and targets are whole numbers (whole.h): no order of rows matters
 * (look_whole_counts, look_whole_sums), and values are told apart wherever they differ.
 */
#ifndef SPLITTER_H
#define SPLITTER_H

#include <stdbool.h>
#include <stdint.h>

#include "data/bins.h"
#include "data/codes.h"
#include "criterion.h"
#include "exact/grow.h"
#include "data/levels.h"
#include "data/prep.h"

/* Nodes of fewer rows are not added up by bin: all classes are looked at for each of them. */
#define SPLIT_ROWS_PER_CLASS 32u
/* Fast classifiers of more classes sort all rows. */
#define SPLIT_CODED_CLASSES 64u

struct cut {
    bool found;
    uint32_t feature;
    uint32_t pos; /* the right rows begin there */
    double threshold, proxy;
    double improvement, left, right; /* the gain, and the impurities of the children */
    bool is_between; /* two bins, of these codes: the threshold is yet to be found */
    uint8_t shift, low, high;
};

struct list_loops;
struct lists;
struct node_loops;

struct splitter {
    const struct prep *prep; /* with bins only its rows and features */
    const struct bins *bins; /* NULL: not in histogram mode */
    const struct grow_limits *limits;
    struct criterion criterion;
    bool is_random;
    float apart; /* values that differ by no more are equal */
    bool (*look)(struct splitter *s, uint32_t feature, struct cut *best); /* one of those below */
    uint32_t state;     /* of the small generator */
    uint32_t *samples;  /* the tree's rows; each node is a range of them */
    uint32_t *features; /* a permutation, shuffled by every draw, never reset */
    uint32_t *constant_features;
    uint32_t last_looked_at; /* a feature */
    float *values;           /* of the feature at hand, as samples */
    const struct node_loops *node_loops;
    struct exact_sort *sort;
    /* look_counts() only */
    const struct key_sort *kernels;
    bool counts; /* all sums are of whole numbers */
    uint32_t class_bits;
    uint32_t *tags; /* of samples: weight << class_bits | class */
    uint64_t *keys, *spare_keys;
    const struct levels *levels; /* by feature, or NULL */
    int64_t *left;               /* class counts; and of both sides, or one */
    int64_t *right;
    /* look_bins() only, of each bin, if the tree has so many rows; all zero */
    uint32_t *bin_rows;
    double *bin_sums; /* of each class, or one */
    double *bin_weights;
    double *logs; /* n * log2(n), up to logs_count */
    uint32_t logs_count;
    /* in fast mode */
    const struct list_loops *loops;
    const struct logs *whole_logs;
    const struct codes *codes; /* by feature, or NULL */
    uint64_t *cells;           /* for look_codes(): a number for each bin and class */
    struct lists *lists;       /* NULL: none are kept */
    bool in_lists;             /* the node at hand is */
};

/* A feature's values, or numbers of bins, by row. */
struct column {
    const float *value;
    const uint8_t *code; /* NULL: values */
    size_t stride;
    const float *of_code; /* not NULL: values all the same, by code */
};

static inline struct column splitter_column(const struct splitter *s, uint32_t feature)
{
    if (s->bins)
        return (struct column){ NULL, s->bins->codes + feature, s->bins->stride, NULL };
    if (s->codes && s->codes[feature].are_few)
        return (struct column){ NULL, s->codes[feature].of, s->codes[feature].step,
                                s->codes[feature].least };
    return (struct column){ prep_column(s->prep, feature), NULL, 0, NULL };
}

static inline float column_value(const struct column *c, uint32_t row)
{
    if (!c->code)
        return c->value[row];
    return c->of_code ? c->of_code[c->code[row * c->stride]] : (float)c->code[row * c->stride];
}

/* Sum up samples[start..end): the node at hand. */
void splitter_node(struct splitter *s, uint32_t start, uint32_t end);

/*
 * Find the best cut of the node that the criterion holds and do it: its samples are parted. `known`
 * features at the head of constant_features are constant in it. Returns the same number for the
 * children.
 */
uint32_t splitter_split(struct splitter *s, double impurity, uint32_t known, struct cut *best);

/* Is it one that is constant in this node? If not, its best cut replaces a worse one in *best. */
bool look_sorted(struct splitter *s, uint32_t feature, struct cut *best);
bool look_random(struct splitter *s, uint32_t feature, struct cut *best);
bool look_counts(struct splitter *s, uint32_t feature, struct cut *best);
bool look_random_counts(struct splitter *s, uint32_t feature, struct cut *best);

bool look_bins(struct splitter *s, uint32_t feature, struct cut *best);

bool look_whole_counts(struct splitter *s, uint32_t feature, struct cut *best);
bool look_whole_sums(struct splitter *s, uint32_t feature, struct cut *best);
/* The same as look_whole_counts() by bins, where that is faster; and what the threshold is. */
bool codes_pay(const struct splitter *s, uint32_t feature);
bool look_codes(struct splitter *s, uint32_t feature, struct cut *best);
void codes_find_threshold(const struct splitter *s, struct cut *cut);

/* If the criterion is where a cut is allowed, and better than the best, it is that from now on. */
void splitter_compare(struct splitter *s, uint32_t feature, double threshold, struct cut *best);

/* The next draw of the small generator, 0..2^31 - 1. */
static inline uint32_t splitter_draw(struct splitter *s)
{
    uint32_t x = s->state ? s->state : 1;

    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    s->state = x;
    return x & 0x7fffffffu;
}

/* A threshold between two neighbouring values. */
static inline double cut_between(float below, float above)
{
    double t = (double)below / 2.0 + (double)above / 2.0;

    return t == (double)above || __builtin_isinf(t) ? (double)below : t;
}

/* The same for a cut: between bins it parts NaNs from everything else. */
static inline double splitter_between(const struct splitter *s, float below, float above)
{
    return s->bins && above == (float)BIN_NAN ? BIN_NAN - 1.0 : cut_between(below, above);
}

#endif
