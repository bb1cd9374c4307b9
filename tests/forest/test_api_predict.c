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
    const uint64_t counts[] = { 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 127, 255, 256, 257, 511, 513, 1000, 3000 };
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
    const double odd[] = { (double)NAN, -(double)NAN, (double)INFINITY, -(double)INFINITY, 1e300, -1e300,
                           1e-320, -0.0, 0.0, 3.4028235677973366e38 };
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
        { COLS * 8, 8 },           /* rows */
        { 8, ROWS * 8 },           /* columns */
        { COLS * 16 + 8, 16 },     /* with gaps */
        { -COLS * 8, 8 },          /* from the last row up */
        { COLS * 8, -8 },          /* from the last column */
        { COLS * 9 + 1, 9 },       /* aligned to nothing */
        { 0, 8 },                  /* one row again and again */
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

TESTS("predict",
      { "any number of rows and columns gives what a naive walk gives", batches_do_not_matter },
      { "NaN, infinities, zeros and denormals go where they should", odd_values_go_where_they_should },
      { "any strides are followed", strides_are_followed },
      { "no rows are no error", no_rows_are_no_error })
