/* SPDX-License-Identifier: MIT */
/* options.h -- options that several commands share. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdint.h>

#include "args.h"
#include "forest.h"

#define TREES_MAX 1000000u
#define WORKERS_MAX 1024u

/* Parameters of the forest besides n_estimators and seed, as scikit-learn names them. */
struct forest_options {
    struct forest_params params;
    const char *max_features; /* text: a count, a fraction, "sqrt" or "log2"; NULL: the default */
    const char *max_samples;
    bool no_bootstrap;
};
#define FOREST_OPTIONS_INIT                   \
    {                                         \
        FOREST_PARAMS_INIT, NULL, NULL, false \
    }

/* Rows for a table of struct arg_option. */
#define FOREST_OPTION_ROWS(o)                                                                    \
    { "max-depth", 0,                                                                            \
      ARG_U32,     &(o)->params.max_depth,                                                       \
      "N",         "deepest level of a tree (no limit)",                                         \
      1,           0,                                                                            \
      NULL,        false },                                                                      \
        { "min-samples-split",                                                                   \
          0,                                                                                     \
          ARG_U32,                                                                               \
          &(o)->params.min_samples_split,                                                        \
          "N",                                                                                   \
          "rows a node must have to be split (2)",                                               \
          2,                                                                                     \
          0,                                                                                     \
          NULL,                                                                                  \
          false },                                                                               \
        { "min-samples-leaf",                                                                    \
          0,                                                                                     \
          ARG_U32,                                                                               \
          &(o)->params.min_samples_leaf,                                                         \
          "N",                                                                                   \
          "rows a leaf must have (1)",                                                           \
          1,                                                                                     \
          0,                                                                                     \
          NULL,                                                                                  \
          false },                                                                               \
        { "max-features",                                                                        \
          0,                                                                                     \
          ARG_TEXT,                                                                              \
          &(o)->max_features,                                                                    \
          "N|X|sqrt|log2",                                                                       \
          "features tried at a node: a number, a fraction (all)",                                \
          0,                                                                                     \
          0,                                                                                     \
          NULL,                                                                                  \
          false },                                                                               \
        { "max-samples",                                                                         \
          0,                                                                                     \
          ARG_TEXT,                                                                              \
          &(o)->max_samples,                                                                     \
          "N|X",                                                                                 \
          "rows drawn for a tree: a number, a fraction (as many as there are)",                  \
          0,                                                                                     \
          0,                                                                                     \
          NULL,                                                                                  \
          false },                                                                               \
    {                                                                                            \
        "no-bootstrap", 0, ARG_FLAG, &(o)->no_bootstrap, NULL, "every tree sees every row once", \
            0, 0, NULL, false                                                                    \
    }

/* Complete o->params from the texts. ARGS_RUN or EXIT_USAGE. */
int forest_options_finish(struct forest_options *o);

#endif
