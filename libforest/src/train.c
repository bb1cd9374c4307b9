/* SPDX-License-Identifier: MIT */
/*
 * train.c -- one tree of a forest, as a pure function.
 *
 * A scratch only saves allocations (and draws of seeds): everything in it is written before it is
 * read, so that a tree does not depend on what the scratch served before.
 */
#include <errno.h>
#include <float.h>
#include <stdlib.h>

#include "fast/fast.h"
#include "model/flat.h"
#include "general/general.h"
#include "hist/hist.h"
#include "data/labels.h"
#include "model/params.h"
#include "data/prepared.h"
#include "base/memory.h"
#include "base/sampling.h"
#include "base/sum.h"
#include "train.h"

struct forest_scratch {
    struct grow_scratch *grow;
    struct tree tree;
    struct general *general;
    struct hist_scratch *hist;
    struct fast_scratch *fast;
    struct grown grown;
    struct flat_buffer flat;
    struct tree_seeds seeds;
    double *weights;
    uint16_t *codes;
    double *class_weights;
    size_t weights_capacity, codes_capacity, class_weights_capacity;
};

int forest_scratch_new(struct forest_scratch **out)
{
    struct forest_scratch *scratch = calloc(1, sizeof *scratch);

    if (!scratch)
        return -ENOMEM;
    scratch->grow = grow_scratch_new();
    scratch->general = general_new();
    scratch->hist = hist_scratch_new();
    scratch->fast = fast_scratch_new();
    if (!scratch->grow || !scratch->general || !scratch->hist || !scratch->fast) {
        grow_scratch_free(scratch->grow);
        general_free(scratch->general);
        hist_scratch_free(scratch->hist);
        fast_scratch_free(scratch->fast);
        free(scratch);
        return -ENOMEM;
    }
    tree_init(&scratch->tree);
    *out = scratch;
    return 0;
}

void forest_scratch_free(struct forest_scratch *scratch)
{
    if (!scratch)
        return;
    grow_scratch_free(scratch->grow);
    tree_release(&scratch->tree);
    general_free(scratch->general);
    hist_scratch_free(scratch->hist);
    fast_scratch_free(scratch->fast);
    grown_release(&scratch->grown);
    free(scratch->flat.block);
    free(scratch->weights);
    free(scratch->codes);
    free(scratch->class_weights);
    free(scratch);
}

void *scratch_take(struct forest_scratch *scratch, const void *tree, size_t bytes)
{
    void *block = scratch->tree.block;

    if (tree != block)
        return NULL;
    tree_init(&scratch->tree);
    void *fitting = realloc(block, bytes);
    return fitting ? fitting : block;
}

/* Room for `count` elements of `each` bytes; what was there is lost. */
static int reserve(void **array, size_t *capacity, size_t count, size_t each)
{
    if (count <= *capacity)
        return 0;
    void *grown = memory_make(count * each);
    if (!grown)
        return -ENOMEM;
    free(*array);
    *array = grown;
    *capacity = count;
    return 0;
}

static int reserve_rows(struct forest_scratch *scratch, size_t rows, bool is_regression)
{
    void *weights = scratch->weights, *codes = scratch->codes;
    int err = reserve(&weights, &scratch->weights_capacity, rows, sizeof *scratch->weights);

    if (!err && !is_regression)
        err = reserve(&codes, &scratch->codes_capacity, rows, sizeof *scratch->codes);
    scratch->weights = weights;
    scratch->codes = codes;
    return err;
}

static bool all_finite(const double *x, uint64_t n, double least)
{
    bool good = true;

    for (uint64_t i = 0; i < n; i++)
        good &= x[i] >= least && x[i] <= DBL_MAX; /* false for a NaN */
    return good;
}

/* What a tree is trained on. */
struct lesson {
    const struct forest_prepared *x;
    const struct prep *prep; /* of x */
    const struct bins *bins; /* of x, in histogram mode */
    const double *y, *sample_weight;
    const struct stored_params *params;
    uint32_t seed;
    uint32_t classes; /* 0: regression */
    uint16_t *codes;  /* of the rows, in classification */
};

/* What each row weighs in this tree. -ENOMEM */
static int fill_weights(const struct lesson *l, struct forest_scratch *scratch)
{
    double *weights = scratch->weights;
    void *by_class = scratch->class_weights;
    uint32_t rows = l->prep->rows, balance = l->params->class_weight;
    uint64_t draws;
    int err = params_draws(l->params, rows, &draws);

    if (err)
        return err;
    if (balance && l->params->no_bootstrap)
        balance = FOREST_CLASS_WEIGHT_BALANCED;
    for (uint32_t i = 0; l->params->no_bootstrap && i < rows; i++)
        weights[i] = 1.0;
    if (!l->params->no_bootstrap)
        tree_bootstrap(l->seed, rows, draws, weights);
    if (balance)
        err = reserve(&by_class, &scratch->class_weights_capacity, l->classes, sizeof *weights);
    scratch->class_weights = by_class;
    if (!err)
        labels_weigh(l->codes, rows, l->classes, balance, l->sample_weight, by_class, weights);
    return err;
}

static struct grow_limits limits_of(const struct lesson *l, const double *weights)
{
    const struct stored_params *params = l->params;
    double fraction = params->min_weight_fraction_leaf;
    struct grow_limits limits = {
        .max_depth = params->max_depth ? params->max_depth : UINT32_MAX,
        .max_features = params_max_features(params, l->prep->features),
        .min_weight_leaf = fraction > 0.0 ? fraction * numpy_sum(weights, l->prep->rows) : 0.0,
        .min_impurity_decrease = params->min_impurity_decrease,
    };

    params_least_rows(params, l->prep->rows, &limits.min_samples_split, &limits.min_samples_leaf);
    return limits;
}

/* Regression depth first has growers of its own; with bins only by squared error. */
static bool is_common(const struct stored_params *params)
{
    return params->task == FOREST_REGRESSION &&
           (params->criterion == FOREST_SQUARED_ERROR || params->mode != FOREST_HISTOGRAM) &&
           !params->extra_trees && !params->max_leaf_nodes;
}

/* Prune, and make a block. */
static int finish(struct forest_scratch *scratch, double ccp_alpha,
                  const struct flat_identity *identity, const void **tree, size_t *bytes)
{
    int err = ccp_alpha > 0.0 ? grown_prune(&scratch->grown, ccp_alpha) : 0;

    return err ? err : grown_flatten(&scratch->grown, identity, &scratch->flat, tree, bytes);
}

static int grow_common(const struct lesson *l, uint32_t seed, const struct grow_limits *limits,
                       struct forest_scratch *scratch)
{
    switch (l->params->mode) {
    case FOREST_HISTOGRAM:
        return hist_grow(l->bins, l->y, scratch->weights, seed, limits, scratch->hist,
                         &scratch->tree);
    case FOREST_FAST:
        return fast_grow(l->prep, l->y, scratch->weights, seed, limits, scratch->fast,
                         &scratch->tree);
    default:
        return grow_exact(l->prep, l->y, scratch->weights, seed, limits, scratch->grow,
                          &scratch->tree);
    }
}

static int train_common(const struct lesson *l, struct forest_scratch *scratch,
                        const struct flat_identity *identity, const void **tree, size_t *bytes)
{
    struct grow_limits limits = limits_of(l, scratch->weights);
    bool is_pruned = l->params->ccp_alpha > 0.0;

    limits.keep_stats = is_pruned || identity->flags & HAS_STATS;
    limits.is_friedman = l->params->criterion == FOREST_FRIEDMAN_MSE;
    /* Fast mode makes the same cuts with both; Friedman's gain is the other's times this weight. */
    if (limits.is_friedman && l->params->mode == FOREST_FAST)
        limits.min_impurity_decrease /= numpy_sum(scratch->weights, l->prep->rows);
    uint32_t seed = tree_splitter_seed(l->seed);
    int err = grow_common(l, seed, &limits, scratch);

    if (err)
        return err;
    if (!is_pruned) {
        *tree = flat_finish(&scratch->tree, identity, bytes);
        return 0;
    }
    err = grown_unpack(&scratch->tree, &scratch->grown);
    return err ? err : finish(scratch, l->params->ccp_alpha, identity, tree, bytes);
}

/* Exact regression best first has a grower of its own, for as many rows as go into one block. */
static bool is_best_first(const struct stored_params *params)
{
    return params->task == FOREST_REGRESSION && params->mode == FOREST_EXACT &&
           !params->extra_trees && params->max_leaf_nodes;
}

static int grow_best_first(const struct lesson *l, uint32_t seed,
                           const struct general_params *params, struct forest_scratch *scratch)
{
    struct grow_limits limits = params->limits;

    limits.is_friedman = l->params->criterion == FOREST_FRIEDMAN_MSE;
    return grow_exact_best(l->prep, l->y, scratch->weights, seed, &limits, params->max_leaf_nodes,
                           scratch->grow, &scratch->grown);
}

static int train_general(const struct lesson *l, struct forest_scratch *scratch,
                         const struct flat_identity *identity, const void **tree, size_t *bytes)
{
    struct general_params params = {
        .limits = limits_of(l, scratch->weights),
        .criterion = l->params->criterion,
        .classes = l->classes,
        .is_random = l->params->extra_trees,
        .keep_all = identity->flags & HAS_STATS || l->params->ccp_alpha > 0.0,
        .max_leaf_nodes = l->params->max_leaf_nodes,
        .bins = l->bins,
        .is_fast = l->params->mode == FOREST_FAST,
    };
    bool has_codes = l->classes && !l->bins && !l->params->extra_trees;
    uint32_t seed = tree_splitter_seed(l->seed);
    int err = -EAGAIN;

    if (has_codes && params.is_fast)
        params.codes = prepared_codes(l->x);
    else if (has_codes)
        params.levels = prepared_levels(l->x);
    if (is_best_first(l->params))
        err = grow_best_first(l, seed, &params, scratch);
    if (err == -EAGAIN)
        err = general_grow(scratch->general, l->prep, l->y, l->codes, scratch->weights, seed,
                           &params, &scratch->grown);

    return err ? err : finish(scratch, l->params->ccp_alpha, identity, tree, bytes);
}

int forest_tree_train(const struct forest_prepared *x, const double *y, const double *sample_weight,
                      const struct forest_params *params, uint32_t index,
                      struct forest_scratch *scratch, const void **tree, size_t *bytes)
{
    struct stored_params stored;

    if (!x || !y || !scratch || !tree || !bytes)
        return -EINVAL;
    int err = params_read(params, &stored);
    if (err)
        return err;
    const struct prep *prep = &x->prep;
    bool is_regression = stored.task == FOREST_REGRESSION;
    if (x->is_binned != (stored.mode == FOREST_HISTOGRAM))
        return -EINVAL;
    if (index >= stored.n_estimators || (is_regression && !all_finite(y, prep->rows, -DBL_MAX)) ||
        (sample_weight && !all_finite(sample_weight, prep->rows, 0.0)))
        return -EINVAL;
    err = reserve_rows(scratch, prep->rows, is_regression);
    struct lesson l = {
        .x = x, .prep = prep, .y = y, .sample_weight = sample_weight, .params = &stored
    };
    l.bins = x->is_binned ? &x->bins : NULL;
    if (!err && !is_regression) {
        l.codes = scratch->codes;
        err = labels_read(y, prep->rows, l.codes, &l.classes);
    }
    if (err)
        return err;
    l.seed = tree_seed(&scratch->seeds, stored.seed, index);
    err = fill_weights(&l, scratch);
    if (err)
        return err;
    struct flat_identity identity = {
        .features = prep->features,
        .kind = params_kind(&stored, prep->features),
        .index = index,
        .flags = params_flags(params),
        .classes = l.classes,
    };
    return is_common(&stored) ? train_common(&l, scratch, &identity, tree, bytes)
                              : train_general(&l, scratch, &identity, tree, bytes);
}
