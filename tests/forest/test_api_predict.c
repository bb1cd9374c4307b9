/* SPDX-License-Identifier: MIT */
/* Predictions against a naive walk, for all layouts, sizes and odd values. */
#include "support.h"

#include <errno.h>
#include <math.h>

/* The mean over the trees in order, each walked node by node. */
static double naive(const struct forest *forest, const float *row)
{
    struct forest_info info;
    double sum = 0.0;

    forest_describe(forest, &info);
    for (uint32_t t = 0; t < info.trees; t++) {
        struct forest_node n;
        int64_t at = 0;
        for (;;) {
            REQUIRE_OK(forest_tree_node(forest, t, (uint64_t)at, &n));
            if (n.left < 0)
                break;
            at = (double)row[n.feature] <= n.threshold ? n.left : n.right;
        }
        sum += n.value;
    }
    return sum / (double)info.trees;
}

/* Every count of rows around the sizes of batches and chunks. */
static void batches_do_not_matter(void)
{
    const uint64_t counts[] = { 1,  2,  3,  7,   8,   9,   15,  16,  17,  31,   33,
                                63, 64, 65, 127, 255, 256, 257, 511, 513, 1000, 3000 };
    const uint64_t cols[] = { 1, 3, 8, 67, 5000 };

    for (size_t c = 0; c < sizeof cols / sizeof *cols; c++) {
        uint64_t most = cols[c] > 1000 ? 65 : 3000;
        struct table t = table_mixed(31, 80, cols[c]), test = table_mixed(32, most, cols[c]);
        struct forest_params params = FOREST_PARAMS_INIT;
        params.n_estimators = 5;
        params.max_features = cols[c] > 1000 ? FOREST_MAX_FEATURES_SQRT : 0;
        struct trained m = train_on(&t, false, &params);
        float *f32 = malloc(most * cols[c] * sizeof *f32);
        double *expected = malloc(most * sizeof *expected), *p = malloc((most + 1) * sizeof *p);
        for (uint64_t i = 0; i < most * cols[c]; i++)
            f32[i] = (float)test.x[i];
        for (uint64_t i = 0; i < most; i++)
            expected[i] = naive(m.forest, f32 + i * cols[c]);
        for (size_t k = 0; k < sizeof counts / sizeof *counts; k++) {
            uint64_t n = counts[k];
            if (n > most)
                continue;
            struct forest_matrix doubles =
                forest_matrix_rows(test.x + (most - n) * cols[c], n, cols[c], FOREST_FLOAT64);
            struct forest_matrix floats = forest_matrix_rows(f32, n, cols[c], FOREST_FLOAT32);
            p[n] = 4711.0;
            REQUIRE_OK(forest_predict(m.forest, &doubles, p));
            CHECK(memcmp(p, expected + most - n, n * sizeof *p) == 0);
            REQUIRE_OK(forest_predict(m.forest, &floats, p));
            CHECK(memcmp(p, expected, n * sizeof *p) == 0);
            CHECK(p[n] == 4711.0);
        }
        free(f32);
        free(expected);
        free(p);
        trained_free(&m);
        table_free(&t);
        table_free(&test);
    }
}

static void odd_values_go_where_they_should(void)
{
    struct table t = table_mixed(33, 200, 3);
    struct forest_params params = FOREST_PARAMS_INIT;
    const double odd[] = {
        (double)NAN, -(double)NAN, (double)INFINITY,     -(double)INFINITY, 1e300, -1e300, 1e-320,
        -0.0,        0.0,          3.4028235677973366e38
    };
    enum { N = sizeof odd / sizeof *odd, ROWS = N * N * N };
    static double x[ROWS * 3], p[ROWS];

    params.n_estimators = 7;
    struct trained m = train_on(&t, false, &params);
    for (unsigned i = 0; i < ROWS; i++) {
        x[i * 3] = odd[i % N];
        x[i * 3 + 1] = odd[i / N % N];
        x[i * 3 + 2] = odd[i / N / N];
    }
    struct forest_matrix rows = forest_matrix_rows(x, ROWS, 3, FOREST_FLOAT64);
    REQUIRE_OK(forest_predict(m.forest, &rows, p));
    for (unsigned i = 0; i < ROWS; i++) {
        float row[3] = { (float)x[i * 3], (float)x[i * 3 + 1], (float)x[i * 3 + 2] };
        CHECK(p[i] == naive(m.forest, row));
    }
    trained_free(&m);
    table_free(&t);
}

static void strides_are_followed(void)
{
    enum { ROWS = 300, COLS = 4, BYTES = ROWS * COLS * 8 };
    struct table t = table_mixed(34, ROWS, COLS);
    struct forest_params params = FOREST_PARAMS_INIT;
    static char memory[4 * BYTES];
    static double expected[ROWS], p[ROWS];
    const int64_t strides[][2] = {
        { COLS * 8, 8 },       /* rows */
        { 8, ROWS * 8 },       /* columns */
        { COLS * 16 + 8, 16 }, /* with gaps */
        { -COLS * 8, 8 },      /* from the last row up */
        { COLS * 8, -8 },      /* from the last column */
        { COLS * 9 + 1, 9 },   /* aligned to nothing */
        { 0, 8 },              /* one row again and again */
    };

    params.n_estimators = 3;
    struct trained m = train_on(&t, false, &params);
    for (size_t k = 0; k < sizeof strides / sizeof *strides; k++) {
        int64_t rs = strides[k][0], cs = strides[k][1];
        char *base = memory + (rs < 0 ? -rs * (ROWS - 1) : 0) + (cs < 0 ? -cs * (COLS - 1) : 0);
        for (int64_t i = 0; i < ROWS; i++)
            for (int64_t j = 0; j < COLS; j++)
                memcpy(base + i * rs + j * cs, &t.x[(rs ? i : 0) * COLS + j], 8);
        struct forest_matrix plain = table_matrix(&t);
        struct forest_matrix x = { base, ROWS, COLS, rs, cs, FOREST_FLOAT64, 0 };
        REQUIRE_OK(forest_predict(m.forest, &plain, expected));
        REQUIRE_OK(forest_predict(m.forest, &x, p));
        for (int i = 0; i < ROWS; i++)
            CHECK(p[i] == expected[rs ? i : 0]);
        x.rows = 3; /* so few go another way */
        REQUIRE_OK(forest_predict(m.forest, &x, p));
        for (int i = 0; i < 3; i++)
            CHECK(p[i] == expected[rs ? i : 0]);
    }
    trained_free(&m);
    table_free(&t);
}

static void no_rows_are_no_error(void)
{
    struct table t = table_mixed(35, 20, 2);
    struct trained m = train_on(&t, false, NULL);
    struct forest_matrix none = forest_matrix_rows(NULL, 0, 2, FOREST_FLOAT32);
    struct forest_info info;

    CHECK_EQ(forest_predict(m.forest, &none, NULL), 0);
    forest_describe(m.forest, &info);
    CHECK_EQ(info.trees, 100);
    CHECK_EQ(info.bytes, m.bytes);
    CHECK_EQ(info.features, 2);
    CHECK_EQ(info.nodes, 2 * info.leaves - info.trees);
    trained_free(&m);
    table_free(&t);
}

/* An executor that goes from the last to the first, and can fail. */
struct backwards {
    uint32_t calls, most;
};

static int run_backwards(void *ctx, uint32_t n, int (*body)(void *arg, uint32_t i), void *arg)
{
    struct backwards *b = ctx;

    b->calls += n;
    for (uint32_t i = n; i--;) {
        int err = n > b->most ? -ECANCELED : body(arg, i);
        if (err)
            return err;
    }
    return 0;
}

static struct trained train_task(const struct table *t, enum forest_task task)
{
    struct forest_params params = FOREST_PARAMS_INIT;

    params.task = task;
    params.n_estimators = 9;
    params.max_depth = 6;
    return train_on(t, false, &params);
}

static void pieces_do_not_matter(void)
{
    enum { ROWS = 5000, COLS = 4, CLASSES = 3 };
    struct table t = table_mixed(36, 500, COLS), test = table_mixed(37, ROWS, COLS);
    static double expected[ROWS * CLASSES], p[ROWS * CLASSES];

    table_classes(&t, CLASSES);
    for (int task = FOREST_REGRESSION; task <= FOREST_CLASSIFICATION; task++) {
        struct trained m = train_task(&t, task);
        struct backwards b = { 0, UINT32_MAX };
        struct forest_executor executor = { run_backwards, &b, 1 };
        struct forest_matrix x = table_matrix(&test);
        REQUIRE_OK(forest_predict(m.forest, &x, expected));
        REQUIRE_OK(forest_predict_with(m.forest, &x, &executor, p));
        CHECK(b.calls > 1);
        CHECK(memcmp(p, expected, ROWS * sizeof *p) == 0);
        if (task == FOREST_CLASSIFICATION) {
            REQUIRE_OK(forest_predict_proba(m.forest, &x, expected));
            REQUIRE_OK(forest_predict_proba_with(m.forest, &x, &executor, p));
            CHECK(memcmp(p, expected, sizeof p) == 0);
            x.rows = 2;
            REQUIRE_OK(forest_predict_proba(m.forest, &x, p));
            CHECK(memcmp(p, expected, 2 * CLASSES * sizeof *p) == 0);
            x.rows = ROWS;
        } else {
            CHECK_EQ(forest_predict_proba_with(m.forest, &x, &executor, p), -EINVAL);
        }
        b.most = 0;
        CHECK_EQ(forest_predict_with(m.forest, &x, &executor, p), -ECANCELED);
        x.cols--;
        CHECK_EQ(forest_predict_with(m.forest, &x, &executor, p), -EINVAL);
        trained_free(&m);
    }
    table_free(&t);
    table_free(&test);
}

/* What a tree says of a row, by the nodes that the row passes. */
static double tree_says(const struct forest *forest, uint32_t tree, const double *row)
{
    struct forest_node n = { .left = 0 };

    REQUIRE_OK(forest_tree_node(forest, tree, 0, &n));
    while (n.left >= 0)
        REQUIRE_OK(forest_tree_node(
            forest, tree,
            (uint64_t)((double)(float)row[n.feature] <= n.threshold ? n.left : n.right), &n));
    return n.value;
}

static void each_tree_answers(void)
{
    enum { ROWS = 3000, COLS = 4, TREES = 9 };
    struct table t = table_mixed(38, 500, COLS), test = table_mixed(39, ROWS, COLS);
    static double p[ROWS * TREES];

    table_classes(&t, 3);
    for (int task = FOREST_REGRESSION; task <= FOREST_CLASSIFICATION; task++) {
        struct trained m = train_task(&t, task);
        for (int few = 0; few <= 1; few++) {
            struct forest_matrix x = table_matrix(&test);
            x.rows = few ? 3 : ROWS;
            REQUIRE_OK(forest_predict_trees(m.forest, &x, NULL, p));
            for (uint64_t i = 0; i < x.rows; i++)
                for (uint32_t k = 0; k < TREES; k++)
                    CHECK(p[i * TREES + k] == tree_says(m.forest, k, test.x + i * COLS));
        }
        trained_free(&m);
    }
    table_free(&t);
    table_free(&test);
}

/* Meinshausen's weights as he writes them: rows of the sample, one by one. */
static void naive_weights(const uint32_t *leaves, const uint32_t *of_sample, uint32_t rows,
                          uint32_t trees, double *weight)
{
    for (uint32_t r = 0; r < rows; r++)
        weight[r] = 0.0;
    for (uint32_t k = 0; k < trees; k++) {
        uint32_t together = 0;
        for (uint32_t r = 0; r < rows; r++)
            together += of_sample[r * trees + k] == leaves[k];
        for (uint32_t r = 0; r < rows; r++)
            if (of_sample[r * trees + k] == leaves[k])
                weight[r] += 1.0 / together / trees;
    }
}

static void quantiles_are_those_of_the_weighted_sample(void)
{
    enum { SAMPLE = 300, ROWS = 130, COLS = 4, TREES = 9, COUNT = 5 };
    const double quantiles[COUNT] = { 0.9, 0.0, 0.5, 0.05, 1.0 };
    struct table t = table_mixed(40, SAMPLE, COLS), test = table_mixed(41, ROWS, COLS);
    struct trained m = train_task(&t, FOREST_REGRESSION);
    struct backwards b = { 0, UINT32_MAX };
    struct forest_executor executor = { run_backwards, &b, 1 };
    struct forest_matrix sample = table_matrix(&t), x = table_matrix(&test);
    static uint32_t of_sample[SAMPLE * TREES], leaves[ROWS * TREES];
    static double out[ROWS * COUNT], again[ROWS * COUNT];
    double weight[SAMPLE];

    REQUIRE_OK(forest_apply(m.forest, &sample, of_sample));
    REQUIRE_OK(forest_apply(m.forest, &x, leaves));
    REQUIRE_OK(forest_predict_quantiles(m.forest, &sample, t.y, &x, quantiles, COUNT, NULL, out));
    for (int i = 0; i < ROWS; i++) {
        naive_weights(leaves + i * TREES, of_sample, SAMPLE, TREES, weight);
        for (int k = 0; k < COUNT; k++) {
            double answer = out[i * COUNT + k], below = 0.0, up_to = 0.0;
            for (int r = 0; r < SAMPLE; r++) {
                below += t.y[r] < answer ? weight[r] : 0.0;
                up_to += t.y[r] <= answer ? weight[r] : 0.0;
            }
            CHECK(up_to > below && up_to >= quantiles[k] - 1e-9);
            CHECK(below < quantiles[k] + 1e-9 || quantiles[k] == 0.0);
            CHECK(quantiles[k] > 0.0 || below == 0.0);
        }
    }
    REQUIRE_OK(
        forest_predict_quantiles(m.forest, &sample, t.y, &x, quantiles, COUNT, &executor, again));
    CHECK(memcmp(out, again, sizeof out) == 0);
    CHECK(b.calls > 1);
    b.most = 0;
    CHECK_EQ(
        forest_predict_quantiles(m.forest, &sample, t.y, &x, quantiles, COUNT, &executor, again),
        -ECANCELED);
    trained_free(&m);
    table_free(&t);
    table_free(&test);
}

static void quantiles_refuse_what_makes_no_sense(void)
{
    struct table t = table_mixed(42, 100, 3);
    struct trained m = train_task(&t, FOREST_REGRESSION);
    struct forest_matrix x = table_matrix(&t), other = x, none = x;
    const double half = 0.5, odd[] = { -0.1, 1.1, (double)NAN };
    double out[100], y = t.y[5];

    other.cols--;
    none.rows = 0;
#define QUANTILES(sample, x, q, count) \
    forest_predict_quantiles(m.forest, sample, t.y, x, q, count, NULL, out)
    CHECK_EQ(QUANTILES(&x, &x, &half, 1), 0);
    CHECK_EQ(QUANTILES(&x, &none, &half, 1), 0);
    CHECK_EQ(QUANTILES(&none, &x, &half, 1), -EINVAL);
    CHECK_EQ(QUANTILES(&other, &x, &half, 1), -EINVAL);
    CHECK_EQ(QUANTILES(&x, &other, &half, 1), -EINVAL);
    CHECK_EQ(QUANTILES(&x, &x, &half, 0), -EINVAL);
    CHECK_EQ(QUANTILES(&x, &x, NULL, 1), -EINVAL);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(QUANTILES(&x, &x, &odd[i], 1), -EINVAL);
    t.y[5] = (double)NAN;
    CHECK_EQ(QUANTILES(&x, &x, &half, 1), -EINVAL);
    t.y[5] = y;
    /* one row as the sample: those who share no leaf with it get no answer */
    struct forest_matrix one = x;
    one.rows = 1;
    CHECK_EQ(QUANTILES(&one, &x, &half, 1), 0);
    int answered = 0;
    for (int i = 0; i < 100; i++) {
        CHECK(isnan(out[i]) || out[i] == t.y[0]);
        answered += !isnan(out[i]);
    }
    CHECK(answered > 0 && answered < 100 && out[0] == t.y[0]);
    trained_free(&m);
    table_classes(&t, 3);
    m = train_task(&t, FOREST_CLASSIFICATION);
    CHECK_EQ(QUANTILES(&x, &x, &half, 1), -EINVAL);
#undef QUANTILES
    trained_free(&m);
    table_free(&t);
}

TESTS("predict",
      { "any number of rows and columns gives what a naive walk gives", batches_do_not_matter },
      { "NaN, infinities, zeros and denormals go where they should",
        odd_values_go_where_they_should },
      { "any strides are followed", strides_are_followed },
      { "an executor's pieces give the same bits", pieces_do_not_matter },
      { "each tree answers for itself", each_tree_answers },
      { "quantiles are those of the sample under the forest's weights",
        quantiles_are_those_of_the_weighted_sample },
      { "quantiles refuse what makes no sense", quantiles_refuse_what_makes_no_sense },
      { "no rows are no error", no_rows_are_no_error })
