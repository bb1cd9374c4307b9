/* SPDX-License-Identifier: MIT */
/* Made data are those of sklearn.datasets: golden/synthetic.txt was written with it. */
#include "support.h"

#include <errno.h>
#include <math.h>

static double *x, *y;

static void room(uint64_t rows, uint64_t features)
{
    free(x);
    free(y);
    x = calloc(rows * features, sizeof *x);
    y = calloc(rows, sizeof *y);
}

/* The C libraries of others may round a logarithm or a sine otherwise. */
static bool close_to(double a, double b)
{
    return fabs(a - b) < 1e-13 * (1 + fabs(b));
}

static void check_friedman(FILE *f)
{
    unsigned long long rows, features, hash;
    double noise, first, last;
    unsigned seed;

    REQUIRE(fscanf(f, "%llu %llu %lf %u %llx %lf %lf", &rows, &features, &noise, &seed, &hash,
                   &first, &last) == 7);
    room(rows, features);
    REQUIRE_OK(forest_make_friedman1(rows, features, noise, seed, x, y));
    CHECK(fnv(x, rows * features * sizeof *x) == hash);
    CHECK(close_to(y[0], first) && close_to(y[rows - 1], last));
}

static void check_blobs(FILE *f)
{
    unsigned long long rows, features, hash;
    double deviation, first, last;
    unsigned seed, centers;

    REQUIRE(fscanf(f, "%llu %llu %u %lf %u %llx %lf %lf", &rows, &features, &centers, &deviation,
                   &seed, &hash, &first, &last) == 8);
    struct forest_blobs blobs = { rows, features, deviation, centers, seed };
    room(rows, features);
    REQUIRE_OK(forest_make_blobs(&blobs, x, y));
    CHECK(fnv(y, rows * sizeof *y) == hash);
    CHECK(close_to(x[0], first) && close_to(x[rows * features - 1], last));
}

static void data_are_those_of_scikit_learn(void)
{
    FILE *f = golden_file("synthetic.txt");
    char kind[16];
    int cases = 0;

    for (; fscanf(f, "%15s", kind) == 1; cases++) {
        if (!strcmp(kind, "blobs"))
            check_blobs(f);
        else
            check_friedman(f);
    }
    fclose(f);
    CHECK_EQ(cases, 7);
}

static void impossible_data_are_refused(void)
{
    const struct forest_blobs good = { 4, 2, 1.0, 2, 0 };
    struct forest_blobs bad[8];

    room(4, 5);
    CHECK_EQ(forest_make_friedman1(0, 5, 1, 0, x, y), -EINVAL);
    CHECK_EQ(forest_make_friedman1(UINT64_C(1) << 32, 5, 1, 0, x, y), -EINVAL);
    CHECK_EQ(forest_make_friedman1(4, 4, 1, 0, x, y), -EINVAL);
    CHECK_EQ(forest_make_friedman1(UINT32_MAX, INT32_MAX, 1, 0, x, y), -EINVAL);
    CHECK_EQ(forest_make_friedman1(4, 5, (double)NAN, 0, x, y), -EINVAL);
    CHECK_EQ(forest_make_friedman1(4, 5, 1, 0, NULL, y), -EINVAL);
    CHECK_EQ(forest_make_friedman1(4, 5, 1, 0, x, NULL), -EINVAL);
    for (int i = 0; i < 8; i++)
        bad[i] = good;
    bad[0].rows = 0;
    bad[1].rows = UINT64_C(1) << 32;
    bad[2].features = 0;
    bad[3].centers = 0;
    bad[4].centers = 5;
    bad[5].deviation = -1;
    bad[6].deviation = (double)INFINITY;
    bad[7].rows = UINT32_MAX, bad[7].features = INT32_MAX;
    for (int i = 0; i < 8; i++)
        CHECK_EQ(forest_make_blobs(&bad[i], x, y), -EINVAL);
    CHECK_EQ(forest_make_blobs(NULL, x, y), -EINVAL);
    CHECK_EQ(forest_make_blobs(&good, NULL, y), -EINVAL);
    CHECK_EQ(forest_make_blobs(&good, x, NULL), -EINVAL);
    for (int i = 0; i < 20; i++)
        CHECK(x[i] == 0.0);
    CHECK_EQ(forest_make_blobs(&good, x, y), 0);
    room(1, 1);
}

TESTS("forest: made data", { "data are those of scikit-learn", data_are_those_of_scikit_learn },
      { "impossible data are refused", impossible_data_are_refused })
