/* SPDX-License-Identifier: MIT */
/*
 * criterion.h -- how mixed a set of rows is, and how much a cut through it gains.
 *
 * Sums go over the rows in the order of `samples`: by rounding that order is part of the result. A
 * cut moves from left to right through one node's range.
 */
#ifndef CRITERION_H
#define CRITERION_H

#include <stdbool.h>
#include <stdint.h>

#include "forest.h"
#include "base/logs.h"
#include "data/whole.h"

struct criterion {
    uint32_t kind;        /* enum forest_criterion, not the default one */
    uint32_t classes;     /* 0: regression */
    const double *y;      /* targets, in regression; */
    const uint16_t *code; /* classes, in classification */
    const double *w;
    const uint32_t *samples;
    /* In fast mode y and w are whole numbers, and nothing depends on an order; else NULL, as is */
    const struct whole *whole;
    const struct logs *logs; /* what entropies are made of then */
    double weight_all;       /* of the whole tree */
    /* the node */
    uint32_t start, end, pos;
    double weight, weight_left, weight_right;
    double sumsq;
    bool is_pure;                 /* with `whole`: all targets are equal */
    double *total, *left, *right; /* sums by class; in regression of one */
};

/* Sum up the node samples[start..end); the cut is at its start. */
void criterion_node(struct criterion *c, uint32_t start, uint32_t end);
/* Put the cut back to the start, or forward to `pos`. */
void criterion_reset(struct criterion *c);
void criterion_update(struct criterion *c, uint32_t pos);

double criterion_impurity(struct criterion *c);
/* Something that is the greater the better the cut, for comparison within the node. */
double criterion_proxy(const struct criterion *c);
void criterion_children(const struct criterion *c, double *left, double *right);
/* The cut's gain, weighed by the node's share of the tree. */
double criterion_improvement(const struct criterion *c, double impurity, double left, double right);

/* What proxies of regression are in fast mode: the same when the sides are exchanged. */
static inline double criterion_gain(double left, double weight_left, double right,
                                    double weight_right)
{
    double diff = weight_right * left - weight_left * right;

    return diff * diff / (weight_left * weight_right);
}

/* p * log2(p) as scikit-learn reckons it. */
double criterion_plogp(double p);

#endif
