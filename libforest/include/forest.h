/* SPDX-License-Identifier: MIT */
/*
 * forest.h -- random forests: the same seed gives the same forest as scikit-learn.
 *
 *     prepare(x) -> tree_train(i) for each i -> assemble -> open -> predict
 *     or forest_train(), which does the first three
 *
 * Everything is a function of bytes: a prepared data set and a model are flat,
 * position-independent blocks that may lie in a file, a mapping or shared memory and
 * are used in place. Tree i is the same whoever trains it, whenever.
 *
 * Errors    0, or a negative errno value; a call that fails changes nothing it was
 *           not given to fill. forest_strerror() says each in words. A NULL that is not
 *           said to be allowed is -EINVAL where errors are answered, but handles are
 *           trusted: they are those of an _open() or _new() call that answered 0.
 * Threads   No hidden state: calls on different outputs may run at once. A
 *           forest_scratch serves one call at a time.
 * Trust     A block from outside is checked once by its _open() call, in time linear
 *           in its size; what passes cannot make a later call read or write astray.
 * Source    L. Breiman, "Random Forests", Machine Learning 45, 2001; P. Geurts and others,
 *           "Extremely randomized trees", Machine Learning 63, 2006; the exact rules are
 *           those of scikit-learn 1.2's RandomForest and ExtraTrees, Regressor and Classifier.
 */
#ifndef FOREST_H
#define FOREST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FOREST_VERSION_MAJOR 0
#define FOREST_VERSION_MINOR 1
#define FOREST_VERSION_PATCH 0

#define FOREST_API __attribute__((visibility("default")))
#define FOREST_CHECKED __attribute__((visibility("default"), warn_unused_result))

/* ---- data ------------------------------------------------------------------------ */

enum forest_dtype {
    FOREST_FLOAT32 = 1,
    FOREST_FLOAT64 = 2,
};

/* A borrowed table: element (i, j) is at data + i * row_stride + j * col_stride (bytes). */
struct forest_matrix {
    const void *data;
    uint64_t rows;
    uint64_t cols;
    int64_t row_stride;
    int64_t col_stride;
    uint32_t dtype; /* enum forest_dtype */
    uint32_t reserved;
};

/* A row-major matrix without gaps. */
static inline struct forest_matrix forest_matrix_rows(const void *data, uint64_t rows,
                                                      uint64_t cols, enum forest_dtype dtype)
{
    int64_t size = dtype == FOREST_FLOAT64 ? 8 : 4;
    struct forest_matrix m = { data, rows, cols, (int64_t)cols * size, size, (uint32_t)dtype, 0 };
    return m;
}

/*
 * The split of sklearn.model_selection.train_test_split(test_size, random_state):
 * *test_count = ceil(test_size * rows); row numbers go to `order`, which has room for
 * `rows`: first the test rows, in order, then the train rows. 0 < test_size < 1, both
 * parts non-empty, else -EINVAL; rows < 2^32.
 */
FOREST_CHECKED int forest_train_test_split(uint64_t rows, double test_size, uint32_t seed,
                                           uint32_t *order, uint64_t *test_count);

/*
 * Made data, as sklearn.datasets has them: the same numbers for the same seed (random_state).
 * Friedman's first function (Annals of Statistics 19, 1991): x are `rows` rows of `features`
 * numbers in [0, 1), y = 10 sin(pi x0 x1) + 20 (x2 - 0.5)^2 + 10 x3 + 5 x4 and `noise` times a
 * normal number. x is make_friedman1()'s to the last bit, y up to the last digit of sin().
 *   -EINVAL  no rows, 2^32 or more, less than 5 features, more cells than fit, `noise` not finite
 *   -ENOMEM
 */
FOREST_CHECKED int forest_make_friedman1(uint64_t rows, uint64_t features, double noise,
                                         uint32_t seed, double *x, double *y);
/*
 * Normal clouds around centres that lie anywhere in [-10, 10): make_blobs(rows, features,
 * centers=centers, cluster_std=deviation, random_state=seed); y tells the centre, 0, 1, ...
 *   -EINVAL  no rows, 2^32 or more, no features, no centre or more than rows, more cells than fit,
 *            a deviation that is negative or not finite
 *   -ENOMEM
 */
struct forest_blobs {
    uint64_t rows;
    uint64_t features;
    double deviation;
    uint32_t centers;
    uint32_t seed;
};
FOREST_CHECKED int forest_make_blobs(const struct forest_blobs *blobs, double *x, double *y);

/* ---- parameters: names, meanings and defaults of scikit-learn ---------------------- */

enum forest_task {
    FOREST_REGRESSION = 0,
    FOREST_CLASSIFICATION = 1, /* targets are class numbers 0, 1, ...: see forest_encode() */
};

enum forest_criterion {
    FOREST_CRITERION_DEFAULT = 0, /* squared error, or Gini impurity */
    FOREST_SQUARED_ERROR,
    FOREST_FRIEDMAN_MSE,
    FOREST_GINI,
    FOREST_ENTROPY, /* the same as scikit-learn's log_loss */
};

/* How much rows of a class weigh, besides their sample_weight. Counts are of rows, not weights. */
enum forest_class_weight {
    FOREST_CLASS_WEIGHT_NONE = 0,
    FOREST_CLASS_WEIGHT_BALANCED,           /* rows / (classes * rows of the class) */
    FOREST_CLASS_WEIGHT_BALANCED_SUBSAMPLE, /* the same of what a tree's bootstrap drew */
};

/*
 * EXACT is scikit-learn's forest, bit for bit. FAST looks at all thresholds like it, with the same
 * draws, but adds up whole numbers of small units, so that no order of rows matters, and of equal
 * cuts takes the first drawn feature's lowest: as good a forest, another one, and the same on every
 * machine. Values are told apart wherever they differ; in regression no cut is made that gains
 * nothing. HISTOGRAM looks for thresholds among the edges of up to 255 bins a feature, which is many
 * times faster and about as good; its forests are equal on every machine, but not scikit-learn's. A
 * NaN in the training rows is a value of its own, larger than all others.
 *
 * All parameters go with all modes. The thresholds of extra_trees FAST draws as EXACT does, between
 * the least and the greatest value of the node's rows; HISTOGRAM draws a bin, from the least of the
 * node's rows to the last but one, each as likely as the others, and cuts behind it.
 */
enum forest_mode {
    FOREST_EXACT = 0,
    FOREST_HISTOGRAM = 1,
    FOREST_FAST = 2, /* from blocks of forest_prepare(), as EXACT */
};

enum forest_max_features {
    FOREST_MAX_FEATURES_DEFAULT = 0, /* regression: all; classification: the square root */
    FOREST_MAX_FEATURES_COUNT,       /* max_features_value, a number of features */
    FOREST_MAX_FEATURES_FRACTION,    /* max(1, (int)(value * features)) */
    FOREST_MAX_FEATURES_SQRT,
    FOREST_MAX_FEATURES_LOG2,
    FOREST_MAX_FEATURES_ALL,
};

/*
 * Zero is the default of every field. Out of range is -EINVAL; fields of a newer library
 * that are not zero are -E2BIG. Like scikit-learn, max_features beyond the number of
 * features means all of them, and max_samples needs a bootstrap.
 *
 * A class_weight by hand (scikit-learn's dict) is a sample_weight multiplied by each row's.
 */
struct forest_params {
    uint32_t struct_size;       /* sizeof(struct forest_params) */
    uint32_t task;              /* enum forest_task */
    uint32_t n_estimators;      /* 0: 100 */
    uint32_t seed;              /* random_state */
    uint32_t max_depth;         /* 0: no limit */
    uint32_t min_samples_split; /* 0: 2; 1 is out of range */
    uint32_t min_samples_leaf;  /* 0: 1 */
    uint32_t max_features;      /* enum forest_max_features */
    double max_features_value;
    double min_weight_fraction_leaf; /* up to 0.5 */
    double min_impurity_decrease;
    double max_samples;    /* 0: all rows; (0, 1]: this fraction; > 1: this number of draws */
    uint32_t no_bootstrap; /* 1: every tree sees every row once */
    /* 1: keep each node's impurity, counts and value: 32 bytes a node more, and 8 per class */
    uint32_t keep_stats;
    uint32_t criterion;      /* enum forest_criterion */
    uint32_t class_weight;   /* enum forest_class_weight */
    uint32_t max_leaf_nodes; /* 0: no limit, else from 2: nodes that gain most are split first */
    uint32_t extra_trees;    /* 1: thresholds drawn at random, and no bootstrap by default */
    uint32_t bootstrap;      /* 1: a bootstrap even so; no_bootstrap does not go with it */
    uint32_t mode;           /* enum forest_mode */
    double min_samples_split_fraction; /* in place of min_samples_split: (0, 1] of the rows, */
    double min_samples_leaf_fraction;  /* rounded up; the same, below 1, for min_samples_leaf */
    double ccp_alpha;                  /* minimal cost-complexity pruning; 0: none */
};
#define FOREST_PARAMS_INIT                                                                       \
    {                                                                                            \
        sizeof(struct forest_params), 0, 0, 0, 0, 0, 0, 0, 0.0, 0.0, 0.0, 0.0, 0, 0, 0, 0, 0, 0, \
            0, 0, 0.0, 0.0, 0.0                                                                  \
    }
#define FOREST_CLASSES_MAX 65536u

/*
 * Class numbers of `count` labels, any finite numbers: codes[i] is the rank of labels[i] among
 * the distinct ones, which go to `classes`, ascending, and their number to *classes_count. codes
 * may be labels itself; classes has room for FOREST_CLASSES_MAX, or for `count` if that is less.
 *   -EINVAL  a label that is not finite, or more classes than that     -ENOMEM
 */
FOREST_CHECKED int forest_encode(const double *labels, uint64_t count, double *codes,
                                 double *classes, uint32_t *classes_count);

/* ---- training ---------------------------------------------------------------------- */

/*
 * What depends on the features alone, done once per data set: a flat block that any
 * number of processes map and use in place. Features are float32 as in scikit-learn
 * (doubles are rounded). `block` must be 64-byte aligned, as must it be where it is used.
 * It takes 4 bytes a cell; 8 and a bit up to some 100,000 rows (fewer, if of many columns).
 *   -EINVAL  no rows or columns, a NaN, an infinity or a double beyond float32; 2^31 rows or more
 */
FOREST_CHECKED int forest_prepared_size(const struct forest_matrix *x, size_t *bytes);
FOREST_CHECKED int forest_prepare(const struct forest_matrix *x, void *block, size_t bytes);

/*
 * The same for FOREST_HISTOGRAM: each value as the number of its bin, a byte a cell (columns filled
 * up to a multiple of 16), and 2 KiB a column. Of more than 262,144 rows the bins are made from a
 * sample.
 *   -EINVAL  no rows or columns, an infinity or a double beyond float32; 2^31 rows or more
 */
FOREST_CHECKED int forest_bin_size(const struct forest_matrix *x, size_t *bytes);
FOREST_CHECKED int forest_bin(const struct forest_matrix *x, void *block, size_t bytes);

/*
 * A checked view of a block of either kind, which must outlive it. Free with
 * forest_prepared_close(). Exact classifiers make it keep a byte for each row and column of at most
 * 64 different values; fast ones a byte for each row and column, and 2 KiB a column.
 */
struct forest_prepared;
FOREST_CHECKED int forest_prepared_open(const void *block, size_t bytes,
                                        struct forest_prepared **out);
FOREST_API void forest_prepared_close(struct forest_prepared *prepared); /* NULL is allowed */
FOREST_API uint64_t forest_prepared_rows(const struct forest_prepared *prepared);
FOREST_API uint64_t forest_prepared_cols(const struct forest_prepared *prepared);

/*
 * Work space of one thread, grown on demand and kept from tree to tree. Beside the tree itself
 * (16 bytes a node, 48 with keep_stats) it takes at most 50 bytes a row and 1,300 bytes a column,
 * and 8 MiB and two bytes a cell, or 32 MiB if that is less. That is RandomForestRegressor of either
 * criterion; with max_leaf_nodes, of up to 65,536 rows in the tree, 300 bytes more for each node that
 * it may have. Other kinds, and max_leaf_nodes of more rows, take 80 bytes a row, with entropy 8 for each unit of weight up to
 * 2^24, 150 bytes a node, and a number for each class of a node whose rows are of several, or of
 * each node with keep_stats, max_leaf_nodes or ccp_alpha; from bins up to 64 bytes a row more, in
 * fast mode up to 50, 4 a cell of 65,536 rows, and 2 KiB a class.
 * Otherwise histogram mode takes 40 bytes a row, 40 a column, and up to 40 MiB. Fast mode takes 8
 * bytes a cell, 60 a row and 700 a column; of more than 65,536 rows 80 bytes a row and one for each
 * column, counted in sixteens, 8,000 a column, and 12 bytes a cell and 60 a row of 65,536 rows; of
 * more than 1,024 rows also 8 bytes a cell and 60 a row of 1,100 rows.
 * Both take 3,600 bytes more for each of up to 128 columns.
 */
struct forest_scratch;
FOREST_CHECKED int forest_scratch_new(struct forest_scratch **out);  /* -ENOMEM */
FOREST_API void forest_scratch_free(struct forest_scratch *scratch); /* NULL is allowed */

/*
 * Train tree number `index` of the forest that `params` describe, a pure function of its
 * arguments. `y` has one target per row, `sample_weight` one weight or is NULL; `params` may be NULL:
 * all defaults. The tree
 * is a flat block of *bytes bytes, lent by the scratch until its next use.
 *   -EINVAL  bad parameter, index >= n_estimators, a target or weight that is not finite, a
 *            negative weight, or no row of positive weight drawn (scikit-learn predicts NaN then);
 *            in classification a target that is not one of 0..FOREST_CLASSES_MAX-1; x is of the
 *            other mode (forest_prepare(), forest_bin()) than params
 *   -ENOMEM
 */
FOREST_CHECKED int forest_tree_train(const struct forest_prepared *x, const double *y,
                                     const double *sample_weight,
                                     const struct forest_params *params, uint32_t index,
                                     struct forest_scratch *scratch, const void **tree,
                                     size_t *bytes);

/* One flat tree, as forest_tree_train() makes it, at an 8-byte aligned address. */
struct forest_tree {
    const void *data;
    size_t bytes;
};

/*
 * A model from its trees, in order: count is params' n_estimators, tree i was trained with
 * index i and parameters that differ in n_estimators at most (so one tree serves forests of
 * several sizes). First the size, then the block (64-byte aligned), which is written only
 * if all trees are right.
 *   -EBADMSG  a tree is damaged, or not one of such a forest     -EINVAL     -ENOMEM
 */
FOREST_CHECKED int forest_assemble_size(const struct forest_tree *trees, uint32_t count,
                                        size_t *bytes);
FOREST_CHECKED int forest_assemble(const struct forest_params *params, uint64_t features,
                                   const struct forest_tree *trees, uint32_t count, void *block,
                                   size_t bytes);

/*
 * Runs `body(arg, i)` once for each i < n, in this process, in any order, perhaps at once on
 * several threads, and returns when all ran. If a body returns non-zero, so does for_each,
 * and the rest need not run. `workers`: how many bodies go at once, as far as that is known; 0 is 1.
 */
struct forest_executor {
    int (*for_each)(void *ctx, uint32_t n, int (*body)(void *arg, uint32_t i), void *arg);
    void *ctx;
    uint32_t workers;
};

/*
 * Prepare, train and assemble in one call. `params` may be NULL, as may `executor`: one after the
 * other. It is asked
 * for the trees; one of several workers, if that pays, for the columns before and the model after
 * them, too.
 * *model is malloc()ed: free() it. Errors are those of the three, and the executor's own.
 */
FOREST_CHECKED int forest_train(const struct forest_matrix *x, const double *y,
                                const double *sample_weight, const struct forest_params *params,
                                const struct forest_executor *executor, void **model,
                                size_t *bytes);

/* ---- models -------------------------------------------------------------------------- */

/* A checked view of a model block, which must outlive it. */
struct forest;
struct forest_diag {
    char text[256];
};
/*
 * `block` is 8-byte aligned. diag (may be NULL) says what is wrong.
 *   -EPROTO   not a model, or one of another layout version or byte order
 *   -EBADMSG  damaged or truncated     -EINVAL  not aligned     -ENOMEM
 */
FOREST_CHECKED int forest_open(const void *block, size_t bytes, struct forest **out,
                               struct forest_diag *diag);
/*
 * The same view of a forest whose trees lie apart, each where it is; all must outlive it. What
 * forest_assemble() says of its arguments and its errors holds here.
 */
FOREST_CHECKED int forest_open_trees(const struct forest_params *params, uint64_t features,
                                     const struct forest_tree *trees, uint32_t count,
                                     struct forest **out);
FOREST_API void forest_close(struct forest *model); /* NULL is allowed */

struct forest_info {
    struct forest_params params;
    uint64_t features;
    uint64_t trees;
    uint64_t nodes;
    uint64_t leaves;
    uint64_t depth; /* of the deepest tree */
    uint64_t bytes;
    uint64_t classes; /* 0: regression */
};
FOREST_API void forest_describe(const struct forest *model, struct forest_info *out);

/*
 * The labels of the classes, by class number, ascending: 0, 1, ... until forest_set_classes() says
 * otherwise, which writes them into a model's block; info.classes of them. forest_predict() answers
 * with labels.
 *   -EINVAL  not so many classes, or labels not finite and ascending; and those of forest_open()
 */
FOREST_CHECKED int forest_classes(const struct forest *model, double *out);
FOREST_CHECKED int forest_set_classes(void *block, size_t bytes, const double *labels,
                                      uint32_t count);

/*
 * Notes are bytes that a caller keeps with a model, such as names of columns; they mean nothing
 * here. forest_add_notes() makes a copy of a model that has these in place of those it had (none if
 * notes_bytes is 0), malloc()ed into *out. forest_notes() lends a model's own, for as long as its
 * block is there.
 *   -EINVAL     -ENOMEM     and the errors of forest_open()
 */
FOREST_CHECKED int forest_add_notes(const void *block, size_t bytes, const void *notes,
                                    size_t notes_bytes, void **out, size_t *out_bytes);
FOREST_API const void *forest_notes(const struct forest *model, size_t *bytes);

/*
 * One node of a tree. Nodes are in preorder, which is scikit-learn's order but with max_leaf_nodes:
 * `id` is its number there. `impurity` and what follows are NaN or 0 unless the forest was trained
 * with keep_stats. -ERANGE: no such tree or node.
 */
struct forest_node {
    int64_t left, right; /* -1: a leaf */
    int64_t feature;     /* -2: a leaf */
    double threshold;    /* -2.0: a leaf */
    double value;        /* the leaf's prediction (a label); with keep_stats every node's */
    double impurity;
    double weighted_rows;
    uint64_t rows;
    uint64_t id;
};
FOREST_CHECKED int forest_tree_nodes(const struct forest *model, uint32_t tree, uint64_t *count);
FOREST_CHECKED int forest_tree_node(const struct forest *model, uint32_t tree, uint64_t node,
                                    struct forest_node *out);
/* The weight of each class in a node. -ERANGE     -EINVAL  regression, or not trained with
 * keep_stats */
FOREST_CHECKED int forest_tree_weights(const struct forest *model, uint32_t tree, uint64_t node,
                                       double *out);
/* The share of each class in a leaf, which it adds to the probabilities of a row that ends there.
 * -ERANGE     -EINVAL  regression, or not a leaf */
FOREST_CHECKED int forest_tree_shares(const struct forest *model, uint32_t tree, uint64_t node,
                                      double *out);

/*
 * A tree from its nodes, for who brings forests from elsewhere: block and size of what
 * forest_tree_train() would lend as tree `index` of the forest of params; malloc()ed, free() it.
 * nodes[0] is the root, the others come in any order; left and right are places in `nodes`. `id` is
 * not read: it becomes the place with max_leaf_nodes (and no ccp_alpha), else that in preorder.
 * Leaves need the value, in classification the shares; what comes behind it needs keep_stats.
 *   -EINVAL  a bad parameter; index >= n_estimators; not a tree; a feature that is none of
 *            `features`; a NaN; shares not between 0 and 1; statistics not finite
 *   -ENOMEM
 */
struct forest_tree_source {
    const struct forest_node *nodes;
    uint64_t count;
    const double *shares;  /* classification: of leaf i from shares + i * classes on */
    const double *weights; /* and with keep_stats, of every node: the weight of each class */
    uint32_t classes;      /* 0: regression */
    uint32_t reserved;
};
FOREST_CHECKED int forest_tree_make(const struct forest_params *params, uint64_t features,
                                    uint32_t index, const struct forest_tree_source *source,
                                    void **tree, size_t *bytes);

/*
 * Predict each row of x: out[i] is the mean over the trees, in tree order. Rows are rounded
 * to float32 as in training. A NaN goes right at every split; infinities compare as they do.
 * No rows are no error. In classification out[i] is the label of the class with the greatest
 * probability, the first of equals. With an executor (NULL: none) large tables are predicted in
 * pieces, to the same bits. A few rows of not too wide a table are predicted without allocating.
 *   -EINVAL  x has another number of columns than the model     -ENOMEM
 *   and the executor's own
 */
FOREST_CHECKED int forest_predict(const struct forest *model, const struct forest_matrix *x,
                                  double *out);
FOREST_CHECKED int forest_predict_with(const struct forest *model, const struct forest_matrix *x,
                                       const struct forest_executor *executor, double *out);

/*
 * The probability of each class for each row: out[i * classes + k], the mean over the trees of the
 * share of class k among the training rows of row i's leaf.
 *   -EINVAL  as forest_predict(); a regression forest     -ENOMEM
 *   and the executor's own
 */
FOREST_CHECKED int forest_predict_proba(const struct forest *model, const struct forest_matrix *x,
                                        double *out);
FOREST_CHECKED int forest_predict_proba_with(const struct forest *model,
                                             const struct forest_matrix *x,
                                             const struct forest_executor *executor, double *out);

/*
 * What each tree predicts for each row: out[i * trees + t], in classification a label. Errors as
 * forest_predict_with().
 */
FOREST_CHECKED int forest_predict_trees(const struct forest *model, const struct forest_matrix *x,
                                        const struct forest_executor *executor, double *out);

/*
 * Conditional quantiles, out[i * count + k] for row i and quantiles[k], 0 to 1. As a model holds
 * only the means of its leaves, the training rows and targets (or other rows like them) are given
 * again: `sample` and y. For row i, a row of the sample weighs the mean over the trees of 1 / (rows
 * of the sample in the leaf) where both are in the same leaf, else 0; the answer is the least
 * target that, with all smaller ones, has that share of the weight. Every row of the sample counts
 * once in each tree, drawn for it or not. A row whose leaves hold none of the sample gets NaN.
 * Takes 4 bytes a node, and 8 a tree and row of the sample. Source: N. Meinshausen, "Quantile
 * Regression Forests", JMLR 7, 2006.
 *   -EINVAL  a classification forest; another number of columns; no sample, or 2^31 rows; y not
 *            finite; a quantile out of range, or none
 *   -ENOMEM  and the executor's own
 */
FOREST_CHECKED int forest_predict_quantiles(const struct forest *model,
                                            const struct forest_matrix *sample, const double *y,
                                            const struct forest_matrix *x, const double *quantiles,
                                            uint32_t count, const struct forest_executor *executor,
                                            double *out);

/*
 * The leaf that each row ends in: leaves[i * trees + t] is scikit-learn's number (`id`) of a node
 * of tree t, as its apply() returns it. Errors as forest_predict().
 */
FOREST_CHECKED int forest_apply(const struct forest *model, const struct forest_matrix *x,
                                uint32_t *leaves);

/*
 * The nodes that a row passes in a tree, from the root to its leaf, by scikit-learn's numbers:
 * *count of them in `nodes`, which has room for info.depth + 1.
 *   -ERANGE  no such row or tree     and the errors of forest_predict()
 */
FOREST_CHECKED int forest_decision_path(const struct forest *model, const struct forest_matrix *x,
                                        uint64_t row, uint32_t tree, uint32_t *nodes,
                                        uint32_t *count);

/* ---- how good it is ------------------------------------------------------------------ */

/* sklearn.metrics' mean_squared_error(y, p), with numpy's order of summation; NaN if n is 0. */
FOREST_API double forest_mean_squared_error(const double *y, const double *p, uint64_t n);
/* Its r2_score(y, p): the share of y's variance that p explains; NaN if n < 2. */
FOREST_API double forest_r2_score(const double *y, const double *p, uint64_t n);
/* Its accuracy_score(y, p): how many of them are equal; NaN if n is 0. */
FOREST_API double forest_accuracy(const double *y, const double *p, uint64_t n);

/*
 * What the forest predicts for its own training rows, each by those trees alone whose bootstrap did
 * not draw it: scikit-learn's oob_prediction_ (rows), or oob_decision_function_ (rows * classes).
 * A row that all trees drew gets 0. x and y are those of training, y in classification as labels.
 * `out` or `score` may be NULL; *score is R2, or the accuracy of the most probable class.
 *   -EINVAL  a forest without bootstrap; x of another shape     -ENOMEM
 */
FOREST_CHECKED int forest_oob(const struct forest *model, const struct forest_matrix *x,
                              const double *y, double *out, double *score);

/*
 * How much the splits on each feature lower the impurity, scikit-learn's feature_importances_: one
 * number a feature, 1 in sum (or all 0 if there is no split).
 *   -EINVAL  a forest trained without keep_stats     -ENOMEM
 */
FOREST_CHECKED int forest_importances(const struct forest *model, double *out);

/*
 * How much the score (R2, or accuracy) on these rows drops when one feature's values are shuffled:
 * mean and standard deviation over the repeats, a number a feature each, as sklearn.inspection's
 * permutation_importance(n_repeats, random_state) has them. Predicts features * repeats times.
 *   -EINVAL  x of another shape, no rows or 2^32, no repeats     -ENOMEM
 */
FOREST_CHECKED int forest_permutation_importances(const struct forest *model,
                                                  const struct forest_matrix *x, const double *y,
                                                  uint32_t repeats, uint32_t seed, double *mean,
                                                  double *deviation);

FOREST_API const char *forest_strerror(int error); /* never NULL */
FOREST_API int forest_version(void);

#ifdef __cplusplus
}
#endif

#endif
