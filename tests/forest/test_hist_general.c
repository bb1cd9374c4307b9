/* SPDX-License-Identifier: MIT */
/*
 * Histogram and fast forests of all kinds but the commonest. Where every value has a bin of its own
 * and sums are of whole numbers, they ask about the same features and part the same rows as exact
 * ones, which are compared with scikit-learn's elsewhere.
 */
#include "support.h"

#include <errno.h>
#include <math.h>

enum { ROWS = 900, COLS = 6 };

/* Whole numbers from 0 to 40, and targets that depend on them, but not on them alone. */
static struct table whole_table(uint64_t seed, unsigned classes)
{
    struct table t = table_mixed(seed, ROWS, COLS);
    uint64_t state = seed;

    for (uint64_t i = 0; i < ROWS; i++) {
        double *x = t.x + i * COLS;
        for (int j = 0; j < COLS; j++)
            x[j] = (double)(test_random(&state) % 41);
        double sum = x[0] + 2 * fabs(x[1] - 20) + (x[2] > 30 ? 25 : 0);
        t.y[i] = floor(sum + (double)(test_random(&state) % 16));
        if (classes)
            t.y[i] = (double)((unsigned)t.y[i] / 9 % classes);
    }
    return t;
}

static struct trained train(const struct table *t, struct forest_params params, uint32_t mode)
{
    params.mode = mode;
    params.n_estimators = 8;
    params.keep_stats = 1;
    params.seed = 11;
    return train_on(t, false, &params);
}

static void check_same_trees(const struct trained *a, const struct trained *b)
{
    struct forest_info info;

    forest_describe(a->forest, &info);
    for (uint32_t k = 0; k < info.trees; k++) {
        uint64_t count, other;
        REQUIRE_OK(forest_tree_nodes(a->forest, k, &count));
        REQUIRE_OK(forest_tree_nodes(b->forest, k, &other));
        REQUIRE(count == other);
        for (uint64_t i = 0; i < count; i++) {
            struct forest_node m, n;
            REQUIRE_OK(forest_tree_node(a->forest, k, i, &m));
            REQUIRE_OK(forest_tree_node(b->forest, k, i, &n));
            CHECK(m.feature == n.feature && m.left == n.left && m.right == n.right);
            CHECK(m.rows == n.rows && m.id == n.id);
            CHECK(fabs(m.value - n.value) <= 1e-12 * fabs(n.value));
        }
    }
}

enum { KINDS = 8 };

/* Fast trees draw random thresholds as exact ones do, histogram trees cannot. */
static void check_kind(int kind, unsigned classes, struct forest_params params, uint32_t mode)
{
    static uint32_t ours[ROWS * 8], theirs[ROWS * 8];
    struct table t = whole_table(60 + (uint64_t)kind, classes);
    struct forest_matrix x = table_matrix(&t);

    params.task = FOREST_CLASSIFICATION;
    struct trained other = train(&t, params, mode);
    struct trained exact = train(&t, params, FOREST_EXACT);
    check_same_trees(&other, &exact);
    REQUIRE_OK(forest_apply(other.forest, &x, ours));
    REQUIRE_OK(forest_apply(exact.forest, &x, theirs));
    CHECK(memcmp(ours, theirs, sizeof ours) == 0);
    trained_free(&other);
    trained_free(&exact);
    table_free(&t);
}

static void are_the_exact_ones_where_values_have_bins(void)
{
    static const struct forest_params none = FOREST_PARAMS_INIT;
    struct forest_params kinds[KINDS];
    const unsigned classes[KINDS] = { 2, 3, 7, 3, 5, 70, 3, 70 };

    for (int k = 0; k < KINDS; k++)
        kinds[k] = none;
    kinds[1].criterion = FOREST_ENTROPY;
    kinds[2].max_features = FOREST_MAX_FEATURES_ALL;
    kinds[3].max_leaf_nodes = 25;
    kinds[4].min_samples_leaf = 5;
    kinds[4].max_depth = 7;
    kinds[4].min_weight_fraction_leaf = 0.01;
    kinds[6].extra_trees = kinds[7].extra_trees = 1;
    kinds[7].bootstrap = 1;
    kinds[7].max_leaf_nodes = 40;
    for (int k = 0; k < KINDS; k++) {
        if (!kinds[k].extra_trees)
            check_kind(k, classes[k], kinds[k], FOREST_HISTOGRAM);
        /* of entropies, or many classes, rounding decides between what should be equal */
        if (kinds[k].criterion != FOREST_ENTROPY && (classes[k] < 70 || kinds[k].extra_trees))
            check_kind(k, classes[k], kinds[k], FOREST_FAST);
    }
}

static double error_of(const struct table *t, const struct table *test, struct forest_params params,
                       uint32_t mode)
{
    struct trained m = train(t, params, mode);
    struct forest_matrix x = table_matrix(test);
    double *p = malloc(test->rows * sizeof *p);

    REQUIRE_OK(forest_predict(m.forest, &x, p));
    double error = params.task == FOREST_CLASSIFICATION
                       ? 1.0 - forest_accuracy(test->y, p, test->rows)
                       : forest_mean_squared_error(test->y, p, test->rows);
    free(p);
    trained_free(&m);
    return error;
}

/* Friedman's first function of 5 of the columns; or its fifths. */
static struct table friedman(uint64_t seed, uint64_t rows, bool classes)
{
    struct table t = table_mixed(1, rows, COLS);
    uint64_t state = seed;

    for (uint64_t i = 0; i < rows; i++) {
        double *x = t.x + i * COLS, noise = 0.0;
        for (int j = 0; j < COLS; j++)
            x[j] = (double)(test_random(&state) >> 11) * 0x1p-53;
        for (int j = 0; j < 3; j++)
            noise += (double)(test_random(&state) >> 11) * 0x1p-53 - 0.5;
        t.y[i] = 10 * sin(M_PI * x[0] * x[1]) + 20 * (x[2] - 0.5) * (x[2] - 0.5) + 10 * x[3] +
                 5 * x[4] + noise;
        if (classes)
            t.y[i] = fmin(4.0, fmax(0.0, floor((t.y[i] - 4.0) / 5.0)));
    }
    return t;
}

/* Means over some seeds: a single forest's error varies by more. */
static void are_as_good_as_exact_ones(void)
{
    static const struct forest_params none = FOREST_PARAMS_INIT;
    static const char *name[] = { "gini",       "entropy, balanced",     "friedman_mse",
                                  "500 leaves", "extra trees, by class", "extra trees" };
    enum { COUNT = 6, SEEDS = 12 };

    for (int k = 0; k < COUNT; k++) {
        struct forest_params p = none;
        double error[3] = { 0.0 };
        bool has_classes = k < 2 || k == 4;
        p.task = has_classes ? FOREST_CLASSIFICATION : FOREST_REGRESSION;
        p.criterion = k == 1 ? FOREST_ENTROPY : k == 2 ? FOREST_FRIEDMAN_MSE : 0;
        p.class_weight = k == 1 ? FOREST_CLASS_WEIGHT_BALANCED : 0;
        p.max_leaf_nodes = k == 3 ? 500 : 0;
        p.extra_trees = k >= 4;
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
            struct table t = friedman(seed, 3000, has_classes);
            struct table test = friedman(seed + 50, 3000, has_classes);
            for (uint32_t mode = FOREST_EXACT; mode <= FOREST_FAST; mode++)
                error[mode] += error_of(&t, &test, p, mode) / SEEDS;
            table_free(&t);
            table_free(&test);
        }
        printf("    %s: error of exact forests %.4f, of histogram ones %.4f, of fast ones %.4f\n",
               name[k], error[FOREST_EXACT], error[FOREST_HISTOGRAM], error[FOREST_FAST]);
        CHECK(error[FOREST_HISTOGRAM] < error[FOREST_EXACT] * 1.03);
        CHECK(error[FOREST_FAST] < error[FOREST_EXACT] * 1.03);
    }
}

/* A NaN is larger than all values, in training and in prediction. */
static void nans_have_their_bin(void)
{
    for (unsigned leaves = 0; leaves <= 40; leaves += 40) {
        struct table t = friedman(7, 1000, true);
        struct forest_params params = FOREST_PARAMS_INIT;
        struct forest_matrix x = table_matrix(&t);
        double *p = malloc(t.rows * sizeof *p);

        params.task = FOREST_CLASSIFICATION;
        params.max_features = FOREST_MAX_FEATURES_ALL;
        params.max_leaf_nodes = leaves;
        for (uint64_t i = 0; i < t.rows; i++)
            if (i % 3 == 0) {
                t.x[i * COLS + 5] = (double)NAN;
                t.y[i] = 5.0;
            }
        struct trained m = train(&t, params, FOREST_HISTOGRAM);
        REQUIRE_OK(forest_predict(m.forest, &x, p));
        for (uint64_t i = 0; i < t.rows; i++)
            CHECK((p[i] == 5.0) == (i % 3 == 0));
        struct forest_node root;
        REQUIRE_OK(forest_tree_node(m.forest, 0, 0, &root));
        CHECK(root.feature == 5 && root.threshold > 3e38);
        trained_free(&m);
        table_free(&t);
        free(p);
    }
}

/* One feature of two bins, or of one and NaNs: there is one cut to draw. Else any may be drawn. */
static void thresholds_are_drawn_among_bins(void)
{
    struct forest_params params = FOREST_PARAMS_INIT;
    bool seen[8] = { false };

    params.mode = FOREST_HISTOGRAM;
    params.extra_trees = 1;
    params.max_depth = 1;
    params.n_estimators = 60;
    for (int kind = 0; kind < 4; kind++) {
        struct table t = table_mixed(3, 200, 1);
        for (uint64_t i = 0; i < t.rows; i++) {
            t.y[i] = (double)(i % 8);
            t.x[i] = kind == 0   ? (double)(i & 1)
                     : kind == 1 ? (i & 1 ? (double)NAN : 3.0)
                     : kind == 2 ? t.y[i]
                                 : (i % 8 == 7 ? (double)NAN : t.y[i]);
        }
        struct trained m = train_on(&t, false, &params);
        memset(seen, 0, sizeof seen);
        for (uint32_t k = 0; k < 60; k++) {
            struct forest_node root, left;
            REQUIRE_OK(forest_tree_node(m.forest, k, 0, &root));
            REQUIRE(root.left == 1);
            REQUIRE_OK(forest_tree_node(m.forest, k, 1, &left));
            CHECK(kind != 0 || left.value == 3.0);
            CHECK(kind != 0 || (root.threshold >= 0.0 && root.threshold < 1.0));
            CHECK(kind != 1 || (root.threshold >= 3.0 && left.value == 3.0));
            if (kind >= 2)
                seen[(int)(2 * left.value)] = true; /* the mean of 0..n */
        }
        for (int i = 0; i < 7 && kind >= 2; i++)
            CHECK(seen[i]);
        CHECK(!seen[7]);
        trained_free(&m);
        table_free(&t);
    }
}

TESTS("histogram and fast forests of all kinds",
      { "where every value has its bin they are the exact ones",
        are_the_exact_ones_where_values_have_bins },
      { "they are as good as exact ones", are_as_good_as_exact_ones },
      { "a NaN is larger than all values", nans_have_their_bin },
      { "random thresholds are among the bins", thresholds_are_drawn_among_bins })
