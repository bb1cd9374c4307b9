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

#include "flat.h"
#include "grow.h"
#include "params.h"
#include "prepared.h"
#include "sampling.h"
#include "sum.h"

struct forest_scratch {
    struct grow_scratch *grow;
    struct tree tree;
    struct tree_seeds seeds;
    double *weights;
    size_t weights_capacity;
};

int forest_scratch_new(struct forest_scratch **out)
{
    struct forest_scratch *scratch = calloc(1, sizeof *scratch);

    if (!scratch)
        return -ENOMEM;
    scratch->grow = grow_scratch_new();
    if (!scratch->grow) {
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
    free(scratch->weights);
    free(scratch);
}

static int reserve_weights(struct forest_scratch *scratch, size_t rows)
{
    if (rows <= scratch->weights_capacity)
        return 0;
    double *grown = malloc(rows * sizeof *grown);
    if (!grown)
        return -ENOMEM;
    free(scratch->weights);
    scratch->weights = grown;
    scratch->weights_capacity = rows;
    return 0;
}

static bool all_finite(const double *x, uint64_t n, double least)
{
    bool good = true;

    for (uint64_t i = 0; i < n; i++)
        good &= x[i] >= least && x[i] <= DBL_MAX; /* false for a NaN */
    return good;
}

/* What each row weighs in this tree. */
static int fill_weights(const struct stored_params *params, uint32_t rows,
                        const double *sample_weight, uint32_t seed, double *weights)
{
    uint64_t draws;
    int err = params_draws(params, rows, &draws);

    if (err)
        return err;
    if (params->no_bootstrap) {
        for (uint32_t i = 0; i < rows; i++)
            weights[i] = sample_weight ? sample_weight[i] : 1.0;
        return 0;
    }
    tree_bootstrap(seed, rows, draws, weights);
    for (uint32_t i = 0; sample_weight && i < rows; i++)
        weights[i] *= sample_weight[i];
    return 0;
}

static struct grow_limits limits_of(const struct stored_params *params, const struct prep *prep,
                                    const double *weights)
{
    uint32_t split = params->min_samples_split, leaf = params->min_samples_leaf;
    double fraction = params->min_weight_fraction_leaf;

    return (struct grow_limits){
        .max_depth = params->max_depth ? params->max_depth : UINT32_MAX,
        .min_samples_split = split,
        .min_samples_leaf = leaf,
        .max_features = params_max_features(params, prep->features),
        .min_weight_leaf = fraction > 0.0 ? fraction * numpy_sum(weights, prep->rows) : 0.0,
        .min_impurity_decrease = params->min_impurity_decrease,
    };
}

static int train(const struct prep *prep, const double *y, const double *sample_weight,
                 const struct stored_params *params, uint32_t index, bool keep_stats,
                 struct forest_scratch *scratch)
{
    uint32_t seed = tree_seed(&scratch->seeds, params->seed, index);
    int err = reserve_weights(scratch, prep->rows);

    if (!err)
        err = fill_weights(params, prep->rows, sample_weight, seed, scratch->weights);
    if (err)
        return err;
    struct grow_limits limits = limits_of(params, prep, scratch->weights);
    limits.keep_stats = keep_stats;
    return grow_exact(prep, y, scratch->weights, tree_splitter_seed(seed), &limits, scratch->grow,
                      &scratch->tree);
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
    if (index >= stored.n_estimators || !all_finite(y, prep->rows, -DBL_MAX) ||
        (sample_weight && !all_finite(sample_weight, prep->rows, 0.0)))
        return -EINVAL;
    struct flat_identity identity = {
        .features = prep->features,
        .kind = params_kind(&stored, prep->features),
        .index = index,
        .flags = params_flags(params),
    };
    err = train(prep, y, sample_weight, &stored, index, identity.flags & HAS_STATS, scratch);
    if (!err)
        *tree = flat_finish(&scratch->tree, &identity, bytes);
    return err;
}
