/* SPDX-License-Identifier: MIT */
/* Parameters: defaults, ranges, and the numbers that follow from them. */
#include "model/params.h"
#include "support.h"

#include <errno.h>
#include <math.h>

static void zero_is_default(void)
{
    struct forest_params p = FOREST_PARAMS_INIT;
    struct stored_params a, b;
    uint64_t draws;

    REQUIRE_OK(params_read(NULL, &a));
    REQUIRE_OK(params_read(&p, &b));
    CHECK(memcmp(&a, &b, sizeof a) == 0);
    CHECK_EQ(a.n_estimators, 100);
    CHECK_EQ(a.min_samples_split, 2);
    CHECK_EQ(a.min_samples_leaf, 1);
    CHECK_EQ(a.max_depth, 0);
    CHECK_EQ(params_max_features(&a, 17), 17);
    REQUIRE_OK(params_draws(&a, 99, &draws));
    CHECK_EQ(draws, 99);
    CHECK_EQ(params_flags(NULL), 0);
}

/* Written and read again, parameters are the same. */
static void parameters_survive_storing(void)
{
    struct forest_params p = {
        .struct_size = sizeof p,
        .n_estimators = 7,
        .seed = 8,
        .max_depth = 9,
        .min_samples_split = 10,
        .min_samples_leaf = 11,
        .max_features = FOREST_MAX_FEATURES_FRACTION,
        .max_features_value = 0.5,
        .min_weight_fraction_leaf = 0.25,
        .min_impurity_decrease = 0.125,
        .max_samples = 12.0,
        .keep_stats = 1,
        .criterion = FOREST_FRIEDMAN_MSE,
        .max_leaf_nodes = 13,
        .extra_trees = 1,
        .bootstrap = 1,
        .ccp_alpha = 0.75,
    };
    struct stored_params a, b;

    REQUIRE_OK(params_read(&p, &a));
    struct forest_params q = params_write(&a, params_flags(&p));
    CHECK(memcmp(&p, &q, sizeof p) == 0);
    REQUIRE_OK(params_read(&q, &b));
    CHECK(memcmp(&a, &b, sizeof a) == 0);
}

#define WITH(...) \
    ((struct forest_params){ .struct_size = sizeof(struct forest_params), __VA_ARGS__ })

static void bad_values_are_refused(void)
{
    const double nan = (double)NAN, inf = (double)INFINITY;
    const struct forest_params bad[] = {
        WITH(.task = 2),
        WITH(.task = FOREST_CLASSIFICATION, .criterion = FOREST_SQUARED_ERROR),
        WITH(.task = FOREST_CLASSIFICATION, .class_weight = 3),
        WITH(.criterion = FOREST_GINI),
        WITH(.criterion = 5),
        WITH(.class_weight = FOREST_CLASS_WEIGHT_BALANCED),
        WITH(.max_leaf_nodes = 1),
        WITH(.extra_trees = 2),
        WITH(.bootstrap = 1, .no_bootstrap = 1),
        WITH(.extra_trees = 1, .max_samples = 0.5),
        WITH(.min_samples_split_fraction = 1.01),
        WITH(.min_samples_split_fraction = 0.5, .min_samples_split = 2),
        WITH(.min_samples_leaf_fraction = 1.0),
        WITH(.min_samples_leaf_fraction = 0.5, .min_samples_leaf = 2),
        WITH(.ccp_alpha = -0.1),
        WITH(.ccp_alpha = nan),
        WITH(.ccp_alpha = inf),
        WITH(.min_samples_split = 1),
        WITH(.no_bootstrap = 2),
        WITH(.keep_stats = 2),
        WITH(.max_features = 6),
        WITH(.max_features = FOREST_MAX_FEATURES_COUNT, .max_features_value = 0.0),
        WITH(.max_features = FOREST_MAX_FEATURES_COUNT, .max_features_value = 1.5),
        WITH(.max_features = FOREST_MAX_FEATURES_COUNT, .max_features_value = 1e10),
        WITH(.max_features = FOREST_MAX_FEATURES_COUNT, .max_features_value = nan),
        WITH(.max_features = FOREST_MAX_FEATURES_FRACTION, .max_features_value = 0.0),
        WITH(.max_features = FOREST_MAX_FEATURES_FRACTION, .max_features_value = 1.01),
        WITH(.max_features = FOREST_MAX_FEATURES_FRACTION, .max_features_value = nan),
        WITH(.min_weight_fraction_leaf = -0.1),
        WITH(.min_weight_fraction_leaf = 0.51),
        WITH(.min_weight_fraction_leaf = nan),
        WITH(.min_impurity_decrease = -1e-300),
        WITH(.min_impurity_decrease = nan),
        WITH(.min_impurity_decrease = inf),
        WITH(.max_samples = -0.5),
        WITH(.max_samples = 1.5),
        WITH(.max_samples = 1e10),
        WITH(.max_samples = nan),
        WITH(.max_samples = 0.5, .no_bootstrap = 1),
    };
    struct stored_params out;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        memset(&out, 0x5a, sizeof out);
        CHECK_EQ(params_read(&bad[i], &out), -EINVAL);
        CHECK_EQ(out.n_estimators, 0x5a5a5a5a);
    }
}

static void other_struct_sizes_are_understood(void)
{
    struct {
        struct forest_params params;
        uint32_t unknown[8];
    } newer = { .params = FOREST_PARAMS_INIT };
    struct stored_params out;

    newer.params.struct_size = sizeof newer;
    newer.params.n_estimators = 3;
    REQUIRE_OK(params_read(&newer.params, &out));
    CHECK_EQ(out.n_estimators, 3);
    newer.unknown[7] = 1;
    CHECK_EQ(params_read(&newer.params, &out), -E2BIG);
    newer.params.max_leaf_nodes = 5;
    newer.params.struct_size = offsetof(struct forest_params, criterion); /* the first version's */
    REQUIRE_OK(params_read(&newer.params, &out));
    CHECK_EQ(out.max_leaf_nodes, 0);
    newer.params.struct_size--;
    CHECK_EQ(params_read(&newer.params, &out), -EINVAL);
    newer.params.struct_size = 0;
    CHECK_EQ(params_read(&newer.params, &out), -EINVAL);
}

static uint32_t features_of(enum forest_max_features kind, double value, uint32_t features)
{
    struct forest_params p = WITH(.max_features = kind, .max_features_value = value);
    struct stored_params s;

    REQUIRE_OK(params_read(&p, &s));
    return params_max_features(&s, features);
}

static void max_features_are_counted(void)
{
    CHECK_EQ(features_of(FOREST_MAX_FEATURES_COUNT, 3.0, 10), 3);
    CHECK_EQ(features_of(FOREST_MAX_FEATURES_COUNT, 30.0, 10), 10);
    CHECK_EQ(features_of(FOREST_MAX_FEATURES_FRACTION, 0.3, 10), 3);
    CHECK_EQ(features_of(FOREST_MAX_FEATURES_FRACTION, 0.01, 10), 1);
    CHECK_EQ(features_of(FOREST_MAX_FEATURES_FRACTION, 1.0, 10), 10);
    CHECK_EQ(features_of(FOREST_MAX_FEATURES_FRACTION, 0.29, 100), 28); /* 28.999999999999996 */
    CHECK_EQ(features_of(FOREST_MAX_FEATURES_SQRT, 0.0, 8), 2);
    CHECK_EQ(features_of(FOREST_MAX_FEATURES_SQRT, 0.0, 9), 3);
    CHECK_EQ(features_of(FOREST_MAX_FEATURES_SQRT, 0.0, 1), 1);
    CHECK_EQ(features_of(FOREST_MAX_FEATURES_LOG2, 0.0, 1), 1);
    CHECK_EQ(features_of(FOREST_MAX_FEATURES_LOG2, 0.0, 8), 3);
    CHECK_EQ(features_of(FOREST_MAX_FEATURES_LOG2, 0.0, 15), 3);
}

static int draws_of(double max_samples, uint32_t rows, uint64_t *draws)
{
    struct forest_params p = WITH(.max_samples = max_samples);
    struct stored_params s;

    REQUIRE_OK(params_read(&p, &s));
    return params_draws(&s, rows, draws);
}

static void draws_are_counted(void)
{
    uint64_t draws = 4711;

    CHECK_EQ(draws_of(11.0, 10, &draws), -EINVAL);
    CHECK_EQ(draws_of(0.04, 10, &draws), -EINVAL);
    CHECK_EQ(draws, 4711);
    REQUIRE_OK(draws_of(0.25, 10, &draws));
    CHECK_EQ(draws, 2); /* half to even */
    REQUIRE_OK(draws_of(0.35, 10, &draws));
    CHECK_EQ(draws, 4);
    REQUIRE_OK(draws_of(1.0, 10, &draws));
    CHECK_EQ(draws, 10);
    REQUIRE_OK(draws_of(2.0, 10, &draws));
    CHECK_EQ(draws, 2);
}

/* Trees of forests of different size belong together, all others do not. */
static void kinds_differ_unless_only_the_size_does(void)
{
    const struct forest_params different[] = {
        WITH(.n_estimators = 5),
        WITH(.seed = 1),
        WITH(.max_depth = 3),
        WITH(.min_samples_split = 3),
        WITH(.min_samples_leaf = 3),
        WITH(.max_features = FOREST_MAX_FEATURES_SQRT),
        WITH(.min_weight_fraction_leaf = 0.1),
        WITH(.min_impurity_decrease = 0.1),
        WITH(.max_samples = 0.5),
        WITH(.no_bootstrap = 1),
    };
    enum { N = sizeof different / sizeof *different };
    struct forest_params same = WITH(.n_estimators = 50, .min_samples_leaf = 1);
    struct stored_params s;
    uint64_t kind[N];

    for (size_t i = 0; i < N; i++) {
        REQUIRE_OK(params_read(&different[i], &s));
        kind[i] = params_kind(&s, 8);
        for (size_t k = 0; k < i; k++)
            CHECK(kind[k] != kind[i]);
    }
    REQUIRE_OK(params_read(&same, &s));
    CHECK(params_kind(&s, 8) == kind[0]);
    CHECK(params_kind(&s, 9) != kind[0]);
}

TESTS("params", { "zero is the default of every field", zero_is_default },
      { "parameters survive being stored", parameters_survive_storing },
      { "bad values are refused and nothing is written", bad_values_are_refused },
      { "older and newer callers are understood", other_struct_sizes_are_understood },
      { "max_features counts features as scikit-learn does", max_features_are_counted },
      { "max_samples counts draws as scikit-learn does", draws_are_counted },
      { "trees are told by everything but the forest's size",
        kinds_differ_unless_only_the_size_does })
