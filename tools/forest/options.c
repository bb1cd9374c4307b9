/* SPDX-License-Identifier: MIT */
#include "options.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

/*
 * "7" is a number of things, "0.7" and "1.0" are fractions: the point makes the difference, as the
 * type does in scikit-learn. False: neither.
 */
static bool parse_count_or_fraction(const char *text, double *value, bool *is_fraction)
{
    char *end;
    *value = strtod(text, &end);
    *is_fraction = strpbrk(text, ".eE") != NULL;
    if (end == text || *end || !isfinite(*value) || *value <= 0)
        return false;
    return *is_fraction ? *value <= 1 : *value <= UINT32_MAX;
}

const char *const option_missing[] = { "error", "nan", NULL };
const char *const option_modes[] = { "exact", "hist", "fast", NULL };
const char *const option_tasks[] = { "regression", "classification", NULL };
const char *const option_criteria[] = { "default", "squared_error", "friedman_mse",
                                        "gini",    "entropy",       "log_loss",
                                        NULL };
const char *const option_balances[] = { "none", "balanced", "balanced_subsample", NULL };

static int read_max_features(const char *text, struct forest_params *p)
{
    bool is_fraction;
    if (!strcmp(text, "sqrt")) {
        p->max_features = FOREST_MAX_FEATURES_SQRT;
    } else if (!strcmp(text, "log2")) {
        p->max_features = FOREST_MAX_FEATURES_LOG2;
    } else if (!strcmp(text, "all")) {
        p->max_features = FOREST_MAX_FEATURES_ALL;
    } else {
        if (!parse_count_or_fraction(text, &p->max_features_value, &is_fraction))
            return args_complain(
                "--max-features: '%s' is not a number, a fraction such as 0.5, sqrt, log2 or all",
                text);
        p->max_features = is_fraction ? FOREST_MAX_FEATURES_FRACTION : FOREST_MAX_FEATURES_COUNT;
    }
    return ARGS_RUN;
}

/* The least rows of a node: a number goes to *count, a fraction to *fraction. */
static int read_least(const char *option, const char *text, uint32_t least, uint32_t *count,
                      double *fraction)
{
    bool is_fraction;
    double value;
    if (!parse_count_or_fraction(text, &value, &is_fraction) || (!is_fraction && value < least) ||
        (!is_fraction && value != floor(value)))
        return args_complain("--%s: '%s' is not a number from %u on, nor a fraction such as 0.01",
                             option, text, least);
    if (is_fraction)
        *fraction = value;
    else
        *count = (uint32_t)value;
    return ARGS_RUN;
}

static int read_max_samples(const struct forest_options *o, struct forest_params *p)
{
    bool is_fraction;
    if (p->no_bootstrap || (p->extra_trees && !p->bootstrap))
        return args_complain("--max-samples makes no sense without a bootstrap");
    /* The library takes (0, 1] as a fraction, more as a number: one row cannot be asked for. */
    if (!parse_count_or_fraction(o->max_samples, &p->max_samples, &is_fraction) ||
        (!is_fraction && p->max_samples < 2))
        return args_complain(
            "--max-samples: '%s' is not a number from 2 on, nor a fraction such as 0.5",
            o->max_samples);
    return ARGS_RUN;
}

/* What goes with what. */
static int check(const struct forest_options *o)
{
    bool is_class = o->task == FOREST_CLASSIFICATION;
    bool is_class_criterion = o->criterion >= FOREST_GINI;
    if (o->criterion && is_class != is_class_criterion)
        return args_complain("--criterion: %s is not for %s", option_criteria[o->criterion],
                             option_tasks[o->task]);
    if (o->class_weight && !is_class)
        return args_complain("--class-weight makes no sense without --task classification");
    if (o->missing && o->mode != FOREST_HISTOGRAM)
        return args_complain("--missing: nan is for --mode hist");
    if (o->bootstrap && o->no_bootstrap)
        return args_complain("--bootstrap and --no-bootstrap exclude each other");
    if (!(o->params.min_weight_fraction_leaf >= 0 && o->params.min_weight_fraction_leaf <= 0.5))
        return args_complain("--min-weight-fraction-leaf: %g is not between 0 and 0.5",
                             o->params.min_weight_fraction_leaf);
    if (o->params.min_impurity_decrease < 0)
        return args_complain("--min-impurity-decrease: %g is below 0",
                             o->params.min_impurity_decrease);
    if (o->params.ccp_alpha < 0)
        return args_complain("--ccp-alpha: %g is below 0", o->params.ccp_alpha);
    return ARGS_RUN;
}

int forest_options_finish(struct forest_options *o)
{
    struct forest_params *p = &o->params;
    int code = check(o);
    p->mode = (uint32_t)o->mode;
    p->task = (uint32_t)o->task;
    p->criterion = (uint32_t)(o->criterion > FOREST_ENTROPY ? FOREST_ENTROPY : o->criterion);
    p->class_weight = (uint32_t)o->class_weight;
    p->extra_trees = o->extra_trees;
    p->bootstrap = o->bootstrap && o->extra_trees;
    p->no_bootstrap = o->no_bootstrap;
    if (code == ARGS_RUN && o->max_features)
        code = read_max_features(o->max_features, p);
    if (code == ARGS_RUN && o->min_samples_split)
        code = read_least("min-samples-split", o->min_samples_split, 2, &p->min_samples_split,
                          &p->min_samples_split_fraction);
    if (code == ARGS_RUN && o->min_samples_leaf)
        code = read_least("min-samples-leaf", o->min_samples_leaf, 1, &p->min_samples_leaf,
                          &p->min_samples_leaf_fraction);
    if (code == ARGS_RUN && p->min_samples_leaf_fraction >= 1)
        code = args_complain("--min-samples-leaf: a fraction below 1 is needed");
    if (code == ARGS_RUN && o->max_samples)
        code = read_max_samples(o, p);
    return code;
}
