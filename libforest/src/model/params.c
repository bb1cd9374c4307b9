/* SPDX-License-Identifier: MIT */
/*
 * params.c -- defaults, ranges and derived numbers, as scikit-learn 1.2 has them.
 *
 * A caller may be older or newer than this library: fields that its struct does not have yet are
 * zero, that is default; fields that we do not know must be zero.
 */
#include "params.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/checksum.h"

/* The struct of the first version, the smallest there ever was. */
#define SIZE_MIN (offsetof(struct forest_params, keep_stats) + sizeof(uint32_t))

static int copy_params(const struct forest_params *from, struct forest_params *to)
{
    static const struct forest_params defaults = FOREST_PARAMS_INIT;

    *to = defaults;
    if (!from)
        return 0;
    size_t size = from->struct_size;
    if (size < SIZE_MIN)
        return -EINVAL;
    for (size_t i = sizeof *to; i < size; i++)
        if (((const char *)from)[i])
            return -E2BIG;
    memcpy(to, from, size < sizeof *to ? size : sizeof *to);
    to->struct_size = sizeof *to;
    return 0;
}

static bool max_features_valid(uint32_t kind, double value)
{
    switch (kind) {
    case FOREST_MAX_FEATURES_DEFAULT:
    case FOREST_MAX_FEATURES_SQRT:
    case FOREST_MAX_FEATURES_LOG2:
    case FOREST_MAX_FEATURES_ALL:
        return true;
    case FOREST_MAX_FEATURES_COUNT:
        return value >= 1.0 && value <= INT32_MAX && value == floor(value);
    case FOREST_MAX_FEATURES_FRACTION:
        return value > 0.0 && value <= 1.0;
    default:
        return false;
    }
}

static bool max_samples_valid(double value, uint32_t no_bootstrap)
{
    if (value == 0.0)
        return true;
    if (no_bootstrap || !(value > 0.0))
        return false;
    return value <= 1.0 || (value <= UINT32_MAX && value == floor(value));
}

/* The task's own criteria and class weights; the default criterion is named. */
static bool read_criterion(struct forest_params *p)
{
    bool is_regression = p->task == FOREST_REGRESSION;

    if (p->task > FOREST_CLASSIFICATION ||
        p->class_weight > FOREST_CLASS_WEIGHT_BALANCED_SUBSAMPLE ||
        (is_regression && p->class_weight))
        return false;
    if (p->criterion == FOREST_CRITERION_DEFAULT)
        p->criterion = is_regression ? FOREST_SQUARED_ERROR : FOREST_GINI;
    if (is_regression)
        return p->criterion == FOREST_SQUARED_ERROR || p->criterion == FOREST_FRIEDMAN_MSE;
    return p->criterion == FOREST_GINI || p->criterion == FOREST_ENTROPY;
}

/* Fields of the second version. Afterwards no_bootstrap says it all. */
static bool read_later(struct forest_params *p)
{
    if (p->extra_trees > 1 || p->bootstrap > 1 || (p->bootstrap && p->no_bootstrap) ||
        p->mode > FOREST_FAST || p->max_leaf_nodes == 1 || p->max_leaf_nodes > INT32_MAX ||
        !(p->min_samples_split_fraction >= 0.0 && p->min_samples_split_fraction <= 1.0) ||
        !(p->min_samples_leaf_fraction >= 0.0 && p->min_samples_leaf_fraction < 1.0) ||
        (p->min_samples_split_fraction > 0.0 && p->min_samples_split) ||
        (p->min_samples_leaf_fraction > 0.0 && p->min_samples_leaf) ||
        !(p->ccp_alpha >= 0.0 && p->ccp_alpha < HUGE_VAL))
        return false;
    if (p->extra_trees && !p->bootstrap)
        p->no_bootstrap = 1;
    return read_criterion(p);
}

int params_read(const struct forest_params *params, struct stored_params *out)
{
    struct forest_params p;
    int err = copy_params(params, &p);

    if (err)
        return err;
    if (p.min_samples_split == 1 || p.no_bootstrap > 1 || p.keep_stats > 1 || !read_later(&p) ||
        !max_features_valid(p.max_features, p.max_features_value) ||
        !max_samples_valid(p.max_samples, p.no_bootstrap) ||
        !(p.min_weight_fraction_leaf >= 0.0 && p.min_weight_fraction_leaf <= 0.5) ||
        !(p.min_impurity_decrease >= 0.0 && p.min_impurity_decrease < HUGE_VAL))
        return -EINVAL;
    bool has_value = p.max_features == FOREST_MAX_FEATURES_COUNT ||
                     p.max_features == FOREST_MAX_FEATURES_FRACTION;
    *out = (struct stored_params){
        .task = p.task,
        .n_estimators = p.n_estimators ? p.n_estimators : 100,
        .seed = p.seed,
        .max_depth = p.max_depth,
        .min_samples_split = p.min_samples_split ? p.min_samples_split : 2,
        .min_samples_leaf = p.min_samples_leaf ? p.min_samples_leaf : 1,
        .max_features = p.max_features,
        .no_bootstrap = p.no_bootstrap,
        .max_features_value = has_value ? p.max_features_value : 0.0,
        /* adding 0.0 makes 0.0 of -0.0, so that equal parameters have equal bytes */
        .min_weight_fraction_leaf = p.min_weight_fraction_leaf + 0.0,
        .min_impurity_decrease = p.min_impurity_decrease + 0.0,
        .max_samples = p.max_samples + 0.0,
        .criterion = p.criterion,
        .class_weight = p.class_weight,
        .max_leaf_nodes = p.max_leaf_nodes,
        .extra_trees = p.extra_trees,
        .mode = p.mode,
        .min_samples_split_fraction = p.min_samples_split_fraction + 0.0,
        .min_samples_leaf_fraction = p.min_samples_leaf_fraction + 0.0,
        .ccp_alpha = p.ccp_alpha + 0.0,
    };
    return 0;
}

uint32_t params_flags(const struct forest_params *params)
{
    struct stored_params stored;

    if (!params || params_read(params, &stored))
        return 0;
    bool has_ids =
        stored.max_leaf_nodes && stored.ccp_alpha == 0.0; /* pruned trees are numbered anew */
    return (params->keep_stats ? HAS_STATS : 0) | (has_ids ? HAS_IDS : 0);
}

struct forest_params params_write(const struct stored_params *stored, uint32_t flags)
{
    return (struct forest_params){
        .struct_size = sizeof(struct forest_params),
        .task = stored->task,
        .n_estimators = stored->n_estimators,
        .seed = stored->seed,
        .max_depth = stored->max_depth,
        .min_samples_split =
            stored->min_samples_split_fraction > 0.0 ? 0 : stored->min_samples_split,
        .min_samples_leaf = stored->min_samples_leaf_fraction > 0.0 ? 0 : stored->min_samples_leaf,
        .max_features = stored->max_features,
        .max_features_value = stored->max_features_value,
        .min_weight_fraction_leaf = stored->min_weight_fraction_leaf,
        .min_impurity_decrease = stored->min_impurity_decrease,
        .max_samples = stored->max_samples,
        .no_bootstrap = stored->extra_trees ? 0 : stored->no_bootstrap,
        .keep_stats = flags & HAS_STATS ? 1 : 0,
        .criterion = stored->criterion,
        .class_weight = stored->class_weight,
        .max_leaf_nodes = stored->max_leaf_nodes,
        .extra_trees = stored->extra_trees,
        .mode = stored->mode,
        .bootstrap = stored->extra_trees && !stored->no_bootstrap ? 1 : 0,
        .min_samples_split_fraction = stored->min_samples_split_fraction,
        .min_samples_leaf_fraction = stored->min_samples_leaf_fraction,
        .ccp_alpha = stored->ccp_alpha,
    };
}

uint64_t params_kind(const struct stored_params *params, uint64_t features)
{
    struct {
        struct stored_params params;
        uint64_t features;
    } kind = { *params, features };

    kind.params.n_estimators = 0; /* tree i is the same in forests of every size */
    return checksum(&kind, sizeof kind);
}

uint32_t params_max_features(const struct stored_params *params, uint32_t features)
{
    double all = (double)features, wanted = all;

    switch (params->max_features) {
    case FOREST_MAX_FEATURES_COUNT:
        wanted = params->max_features_value;
        break;
    case FOREST_MAX_FEATURES_FRACTION:
        wanted = params->max_features_value * all;
        break;
    case FOREST_MAX_FEATURES_SQRT:
        wanted = sqrt(all);
        break;
    case FOREST_MAX_FEATURES_LOG2:
        wanted = log2(all);
        break;
    case FOREST_MAX_FEATURES_DEFAULT:
        wanted = params->task == FOREST_CLASSIFICATION ? sqrt(all) : all;
        break;
    default:
        break;
    }
    if (wanted > all)
        wanted = all; /* allowed, and no different: there is nothing more to look at */
    return wanted < 1.0 ? 1 : (uint32_t)wanted;
}

int params_draws(const struct stored_params *params, uint32_t rows, uint64_t *out)
{
    double all = (double)rows, draws = all;

    if (params->max_samples > 1.0)
        draws = params->max_samples;
    else if (params->max_samples > 0.0)
        draws = rint(all * params->max_samples); /* to even, as Python's round() */
    if (draws < 1.0 || draws > all)
        return -EINVAL;
    *out = (uint64_t)draws;
    return 0;
}

void params_least_rows(const struct stored_params *params, uint32_t rows, uint32_t *split,
                       uint32_t *leaf)
{
    double fraction = params->min_samples_split_fraction, all = (double)rows;

    *leaf = params->min_samples_leaf;
    if (params->min_samples_leaf_fraction > 0.0)
        *leaf = (uint32_t)ceil(params->min_samples_leaf_fraction * all);
    *split = fraction > 0.0 ? (uint32_t)ceil(fraction * all) : params->min_samples_split;
    *split = *split < 2 ? 2 : *split;
}
