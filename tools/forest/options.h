/* SPDX-License-Identifier: MIT */
/* options.h -- options that several commands share. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "args.h"
#include "forest.h"

#define TREES_MAX 1000000u
#define WORKERS_MAX 1024u

/* Parameters of the forest besides n_estimators and seed, as scikit-learn names them. */
struct forest_options {
    struct forest_params params;
    /* Texts: a count, a fraction, for max_features also "sqrt", "log2" or "all"; NULL: the default
     */
    const char *max_features, *max_samples, *min_samples_split, *min_samples_leaf;
    const char *categorical, *drop; /* "COL,COL", or NULL */
    bool no_bootstrap, bootstrap, extra_trees;
    int mode, task, criterion, class_weight, missing;
};
#define FOREST_OPTIONS_INIT          \
    {                                \
        .params = FOREST_PARAMS_INIT \
    }

/* In the order of the enums of forest.h. */
extern const char *const option_missing[], *const option_modes[], *const option_tasks[],
                                                                      *const option_criteria[],
                                                                          *const option_balances[];

/* Rows for a table of struct arg_option. */
#define FOREST_TEXT(name, out, value, help)                    \
    {                                                          \
        name, 0, ARG_TEXT, out, value, help, 0, 0, NULL, false \
    }
#define FOREST_REAL(name, out, help)                           \
    {                                                          \
        name, 0, ARG_DOUBLE, out, "X", help, 0, 0, NULL, false \
    }
#define FOREST_FLAG(name, out, help)                          \
    {                                                         \
        name, 0, ARG_FLAG, out, NULL, help, 0, 0, NULL, false \
    }
#define FOREST_WORD(name, out, value, help, words)                \
    {                                                             \
        name, 0, ARG_CHOICE, out, value, help, 0, 0, words, false \
    }
#define FOREST_DROP(out) \
    FOREST_TEXT("drop", out, "COL,COL", "columns to leave out, as if they were not there")
#define FOREST_OPTION_ROWS(o)                                                                      \
    FOREST_WORD("mode", &(o)->mode, "exact|hist|fast",                                             \
                "scikit-learn's trees; from histograms; as good, sooner (exact)", option_modes),   \
        FOREST_WORD("task", &(o)->task, "regression|classification", "what to learn (regression)", \
                    option_tasks),                                                                 \
        FOREST_WORD("criterion", &(o)->criterion,                                                  \
                    "squared_error|friedman_mse|gini|entropy|log_loss",                            \
                    "what a split improves (squared_error, gini)", option_criteria),               \
        { "max-depth", 0,                                                                          \
          ARG_U32,     &(o)->params.max_depth,                                                     \
          "N",         "deepest level of a tree (no limit)",                                       \
          1,           0,                                                                          \
          NULL,        false },                                                                    \
        FOREST_TEXT("min-samples-split", &(o)->min_samples_split, "N|X",                           \
                    "rows a node must have to be split: a number, a fraction (2)"),                \
        FOREST_TEXT("min-samples-leaf", &(o)->min_samples_leaf, "N|X",                             \
                    "rows a leaf must have: a number, a fraction (1)"),                            \
        FOREST_REAL("min-weight-fraction-leaf", &(o)->params.min_weight_fraction_leaf,             \
                    "share of the weight a leaf must have (0)"),                                   \
        FOREST_TEXT("max-features", &(o)->max_features, "N|X|sqrt|log2|all",                       \
                    "features tried at a node: a number, a fraction (all; for classes sqrt)"),     \
        { "max-leaf-nodes",                                                                        \
          0,                                                                                       \
          ARG_U32,                                                                                 \
          &(o)->params.max_leaf_nodes,                                                             \
          "N",                                                                                     \
          "leaves of a tree, grown best first (no limit)",                                         \
          2,                                                                                       \
          INT32_MAX,                                                                               \
          NULL,                                                                                    \
          false },                                                                                 \
        FOREST_REAL("min-impurity-decrease", &(o)->params.min_impurity_decrease,                   \
                    "what a split must gain (0)"),                                                 \
        FOREST_TEXT("max-samples", &(o)->max_samples, "N|X",                                       \
                    "rows drawn for a tree: a number, a fraction (as many as there are)"),         \
        FOREST_REAL("ccp-alpha", &(o)->params.ccp_alpha, "cost-complexity pruning (0: none)"),     \
        FOREST_WORD("class-weight", &(o)->class_weight, "balanced|balanced_subsample",             \
                    "rare classes weigh more (none)", option_balances),                            \
        FOREST_TEXT("categorical", &(o)->categorical, "COL,COL",                                   \
                    "columns whose words stand for numbers"),                                      \
        FOREST_DROP(&(o)->drop),                                                                   \
        FOREST_WORD("missing", &(o)->missing, "error|nan",                                         \
                    "missing features: an error, or with --mode hist values of their own",         \
                    option_missing),                                                               \
        FOREST_FLAG("extra-trees", &(o)->extra_trees,                                              \
                    "thresholds drawn at random, no bootstrap by default"),                        \
        FOREST_FLAG("bootstrap", &(o)->bootstrap, "a bootstrap with --extra-trees, too"),          \
        FOREST_FLAG("no-bootstrap", &(o)->no_bootstrap, "every tree sees every row once")

/* Complete o->params from the texts. ARGS_RUN or EXIT_USAGE. */
int forest_options_finish(struct forest_options *o);

#endif
