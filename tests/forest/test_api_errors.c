/* SPDX-License-Identifier: MIT */
/* Each wrong use has its documented error, and changes nothing. */
#include "support.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <limits.h>

static void bad_tables_are_refused(void)
{
    double x[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
    struct forest_matrix good = forest_matrix_rows(x, 4, 2, FOREST_FLOAT64), bad[7];
    const double poison[] = { (double)NAN, (double)INFINITY, -(double)INFINITY, 1e39, -DBL_MAX };
    size_t bytes = 4711, size;

    REQUIRE_OK(forest_prepared_size(&good, &size));
    void *block = aligned_alloc(64, (size + 127) / 64 * 64);
    for (int i = 0; i < 7; i++)
        bad[i] = good;
    bad[0].rows = 0;
    bad[1].cols = 0;
    bad[2].rows = UINT64_C(1) << 31;
    bad[3].dtype = 0;
    bad[4].dtype = 3;
    bad[5].data = NULL;
    bad[6].reserved = 1;
    for (int i = 0; i < 7; i++) {
        CHECK_EQ(forest_prepared_size(&bad[i], &bytes), -EINVAL);
        CHECK_EQ(forest_prepare(&bad[i], block, size), -EINVAL);
        CHECK_EQ(bytes, 4711);
    }
    CHECK_EQ(forest_prepared_size(NULL, &bytes), -EINVAL);
    CHECK_EQ(forest_prepare(&good, (char *)block + 8, size), -EINVAL);
    CHECK_EQ(forest_prepare(&good, block, size - 1), -EINVAL);
    for (size_t i = 0; i < sizeof poison / sizeof *poison; i++)
        for (int at = 0; at < 8; at++) {
            double saved = x[at];
            x[at] = poison[i];
            CHECK_EQ(forest_prepare(&good, block, size), -EINVAL);
            x[at] = saved;
        }
    REQUIRE_OK(forest_prepare(&good, block, size));
    free(block);
}

static void bad_blocks_are_refused(void)
{
    struct forest_prepared *prepared = NULL;
    static uint64_t noise[512];
    uint64_t state = test_seed;

    for (int i = 0; i < 512; i++)
        noise[i] = test_random(&state);
    CHECK(forest_prepared_open(noise, sizeof noise, &prepared) < 0);
    CHECK(forest_prepared_open(noise, 0, &prepared) < 0);
    CHECK_EQ(forest_prepared_open(NULL, 100, &prepared), -EINVAL);
    CHECK(prepared == NULL);
    forest_prepared_close(NULL);
}

static void bad_training_is_refused(void)
{
    struct table t = table_mixed(41, 20, 2);
    struct forest_matrix x = table_matrix(&t);
    struct forest_params params = FOREST_PARAMS_INIT;
    const double bad_y[] = { (double)NAN, (double)INFINITY, -(double)INFINITY };
    const double bad_w[] = { (double)NAN, (double)INFINITY, -1.0, -DBL_MIN };
    void *model = &t;
    size_t bytes = 4711;

    params.n_estimators = 2;
    for (size_t i = 0; i < sizeof bad_y / sizeof *bad_y; i++) {
        double saved = t.y[19];
        t.y[19] = bad_y[i];
        CHECK_EQ(forest_train(&x, t.y, NULL, &params, NULL, &model, &bytes), -EINVAL);
        t.y[19] = saved;
    }
    for (size_t i = 0; i < sizeof bad_w / sizeof *bad_w; i++) {
        double saved = t.w[19];
        t.w[19] = bad_w[i];
        CHECK_EQ(forest_train(&x, t.y, t.w, &params, NULL, &model, &bytes), -EINVAL);
        t.w[19] = saved;
    }
    memset(t.w, 0, 20 * sizeof *t.w);
    CHECK_EQ(forest_train(&x, t.y, t.w, &params, NULL, &model, &bytes), -EINVAL);
    params.max_samples = 21;
    CHECK_EQ(forest_train(&x, t.y, NULL, &params, NULL, &model, &bytes), -EINVAL);
    params.max_samples = 0;
    params.task = 2;
    CHECK_EQ(forest_train(&x, t.y, NULL, &params, NULL, &model, &bytes), -EINVAL);
    params.task = 0;
    x.cols = 0;
    CHECK_EQ(forest_train(&x, t.y, NULL, &params, NULL, &model, &bytes), -EINVAL);
    x.cols = 2;
    CHECK_EQ(forest_train(&x, NULL, NULL, &params, NULL, &model, &bytes), -EINVAL);
    CHECK_EQ(forest_train(NULL, t.y, NULL, &params, NULL, &model, &bytes), -EINVAL);
    CHECK(model == &t);
    CHECK_EQ(bytes, 4711);
    table_free(&t);
}

static void bad_trees_are_refused(void)
{
    struct table t = table_mixed(42, 20, 2);
    struct forest_matrix x = table_matrix(&t);
    struct forest_params params = FOREST_PARAMS_INIT;
    struct forest_prepared *prepared;
    struct forest_scratch *scratch;
    const void *tree = &t;
    size_t size, bytes = 4711;

    REQUIRE_OK(forest_prepared_size(&x, &size));
    void *block = aligned_alloc(64, (size + 63) / 64 * 64);
    REQUIRE_OK(forest_prepare(&x, block, size));
    REQUIRE_OK(forest_prepared_open(block, size, &prepared));
    REQUIRE_OK(forest_scratch_new(&scratch));
    params.n_estimators = 3;
    CHECK_EQ(forest_tree_train(prepared, t.y, NULL, &params, 3, scratch, &tree, &bytes), -EINVAL);
    CHECK_EQ(forest_tree_train(prepared, NULL, NULL, &params, 0, scratch, &tree, &bytes), -EINVAL);
    CHECK_EQ(forest_tree_train(NULL, t.y, NULL, &params, 0, scratch, &tree, &bytes), -EINVAL);
    CHECK_EQ(forest_tree_train(prepared, t.y, NULL, &params, 0, NULL, &tree, &bytes), -EINVAL);
    params.struct_size = 3;
    CHECK_EQ(forest_tree_train(prepared, t.y, NULL, &params, 0, scratch, &tree, &bytes), -EINVAL);
    CHECK(tree == &t);
    CHECK_EQ(bytes, 4711);
    CHECK_EQ(forest_assemble_size(NULL, 1, &bytes), -EINVAL);
    struct forest_tree none = { NULL, 0 }, noise = { block, size };
    CHECK_EQ(forest_assemble_size(&none, 1, &bytes), -EINVAL);
    CHECK_EQ(forest_assemble_size(&noise, 1, &bytes), -EBADMSG);
    CHECK_EQ(forest_assemble_size(&noise, 0, &bytes), -EINVAL);
    forest_scratch_free(scratch);
    forest_scratch_free(NULL);
    forest_prepared_close(prepared);
    free(block);
    table_free(&t);
}

static void bad_questions_are_refused(void)
{
    struct table t = table_mixed(43, 20, 2);
    struct forest_params params = FOREST_PARAMS_INIT;
    struct forest_matrix x = table_matrix(&t);
    struct forest *nothing = NULL;
    struct forest_node node;
    uint64_t count = 4711;
    uint32_t path[20], passed = 4711;
    double p[20];

    params.n_estimators = 2;
    struct trained m = train_on(&t, false, &params);
    CHECK_EQ(forest_tree_nodes(m.forest, 2, &count), -ERANGE);
    CHECK_EQ(count, 4711);
    REQUIRE_OK(forest_tree_nodes(m.forest, 1, &count));
    CHECK_EQ(forest_tree_node(m.forest, 1, count, &node), -ERANGE);
    CHECK_EQ(forest_tree_node(m.forest, 2, 0, &node), -ERANGE);
    CHECK_EQ(forest_tree_node(m.forest, 1, count - 1, &node), 0);
    CHECK_EQ(forest_tree_node(m.forest, 1, 0, NULL), -EINVAL);
    CHECK_EQ(forest_tree_nodes(m.forest, 1, NULL), -EINVAL);
    CHECK_EQ(forest_tree_shares(m.forest, 1, count - 1, NULL), -EINVAL);
    CHECK_EQ(forest_tree_weights(m.forest, 1, 0, NULL), -EINVAL);
    x.cols = 1;
    CHECK_EQ(forest_predict(m.forest, &x, p), -EINVAL);
    x.cols = 3;
    CHECK_EQ(forest_predict(m.forest, &x, p), -EINVAL);
    CHECK_EQ(forest_predict(m.forest, NULL, p), -EINVAL);
    CHECK_EQ(forest_decision_path(m.forest, &x, 0, 0, path, &passed), -EINVAL);
    x.cols = 2;
    CHECK_EQ(forest_decision_path(m.forest, &x, 20, 0, path, &passed), -ERANGE);
    CHECK_EQ(forest_decision_path(m.forest, &x, 0, 2, path, &passed), -ERANGE);
    CHECK_EQ(forest_decision_path(m.forest, &x, 0, 0, NULL, &passed), -EINVAL);
    CHECK_EQ(passed, 4711);
    CHECK_EQ(forest_decision_path(m.forest, &x, 19, 1, path, &passed), 0);
    CHECK(passed > 1 && path[0] == 0 && path[passed - 1] < count);
    CHECK_EQ(forest_open(NULL, 100, &nothing, NULL), -EINVAL);
    CHECK(nothing == NULL);
    forest_close(NULL);
    trained_free(&m);
    table_free(&t);
}

static void bad_classes_are_refused(void)
{
    struct table t = table_mixed(44, 30, 2);
    struct forest_params params = FOREST_PARAMS_INIT;
    struct forest_matrix x = table_matrix(&t);
    const double bad_y[] = { -1.0, 0.5, 65536.0, (double)NAN, (double)INFINITY };
    double p[90], labels[3] = { 1.0, 2.0, 3.0 }, score = 5.0;
    uint32_t classes = 4711;
    uint64_t nodes;
    size_t bytes;
    void *model = &t;

    params.n_estimators = 2;
    struct trained numbers = train_on(&t, false, &params);
    CHECK_EQ(forest_predict_proba(numbers.forest, &x, p), -EINVAL);
    CHECK_EQ(forest_tree_weights(numbers.forest, 0, 0, p), -EINVAL);
    CHECK_EQ(forest_importances(numbers.forest, p), -EINVAL);
    CHECK_EQ(forest_set_classes(numbers.block, numbers.bytes, labels, 3), -EINVAL);
    table_classes(&t, 3);
    params.task = FOREST_CLASSIFICATION;
    for (size_t i = 0; i < sizeof bad_y / sizeof *bad_y; i++) {
        double saved = t.y[19];
        t.y[19] = bad_y[i];
        CHECK_EQ(forest_train(&x, t.y, NULL, &params, NULL, &model, &bytes), -EINVAL);
        t.y[19] = saved;
    }
    CHECK(model == &t);
    struct trained m = train_on(&t, false, &params);
    CHECK_EQ(forest_tree_weights(m.forest, 0, 0, p), -EINVAL); /* no keep_stats */
    CHECK_EQ(forest_tree_weights(m.forest, 2, 0, p), -ERANGE);
    REQUIRE_OK(forest_tree_nodes(m.forest, 1, &nodes));
    CHECK_EQ(forest_tree_weights(m.forest, 1, nodes, p), -ERANGE);
    CHECK_EQ(forest_set_classes(m.block, m.bytes, labels, 2), -EINVAL);
    CHECK_EQ(forest_set_classes(m.block, m.bytes - 64, labels, 3), -EBADMSG);
    labels[1] = 1.0;
    CHECK_EQ(forest_set_classes(m.block, m.bytes, labels, 3), -EINVAL);
    labels[1] = (double)NAN;
    CHECK_EQ(forest_set_classes(m.block, m.bytes, labels, 3), -EINVAL);
    REQUIRE_OK(forest_classes(m.forest, labels));
    CHECK(labels[0] == 0.0 && labels[1] == 1.0 && labels[2] == 2.0);
    CHECK_EQ(forest_encode(bad_y, 5, p, p + 5, &classes), -EINVAL);
    CHECK_EQ(forest_encode(bad_y, 0, p, p + 5, &classes), -EINVAL);
    CHECK_EQ(classes, 4711);
    x.rows = 31;
    CHECK_EQ(forest_oob(m.forest, NULL, t.y, p, &score), -EINVAL);
    x.rows = 0;
    CHECK_EQ(forest_oob(m.forest, &x, t.y, p, &score), -EINVAL);
    CHECK_EQ(forest_permutation_importances(m.forest, &x, t.y, 2, 0, p, p + 2), -EINVAL);
    x.rows = 30;
    CHECK_EQ(forest_permutation_importances(m.forest, &x, t.y, 0, 0, p, p + 2), -EINVAL);
    CHECK_EQ(forest_permutation_importances(m.forest, &x, NULL, 2, 0, p, p + 2), -EINVAL);
    x.cols = 1;
    CHECK_EQ(forest_predict_proba(m.forest, &x, p), -EINVAL);
    CHECK_EQ(forest_apply(m.forest, &x, &classes), -EINVAL);
    CHECK(score == 5.0);
    trained_free(&numbers);
    trained_free(&m);
    table_free(&t);
}

static void errors_have_words(void)
{
    const int errors[] = { 0, -EINVAL, -ENOMEM, -EBADMSG, -EPROTO, -E2BIG, -ERANGE, EINVAL, -EIO };

    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        const char *text = forest_strerror(errors[i]);
        CHECK(text && *text && strcmp(text, "unknown error") != 0);
    }
    CHECK(strcmp(forest_strerror(-100000), "unknown error") == 0);
    CHECK(strcmp(forest_strerror(INT_MIN), "unknown error") == 0);
    CHECK(strcmp(forest_strerror(-EINVAL), forest_strerror(EINVAL)) == 0);
    CHECK_EQ(forest_version(),
             FOREST_VERSION_MAJOR * 10000 + FOREST_VERSION_MINOR * 100 + FOREST_VERSION_PATCH);
}

TESTS("errors", { "bad tables are refused", bad_tables_are_refused },
      { "bad prepared blocks are refused", bad_blocks_are_refused },
      { "bad targets, weights and parameters are refused", bad_training_is_refused },
      { "bad trees are refused", bad_trees_are_refused },
      { "bad questions are refused", bad_questions_are_refused },
      { "bad classes are refused", bad_classes_are_refused },
      { "every error has words", errors_have_words })
