/* SPDX-License-Identifier: MIT */
/* forest_train_test_split: golden/splits.txt was written by scikit-learn's train_test_split. */
#include "support.h"

#include <errno.h>
#include <math.h>

static uint32_t order[20640];

static void sklearn_splits_the_same(void)
{
    FILE *f = golden_file("splits.txt");
    unsigned long long rows, expected_count, hash;
    unsigned seed, lines = 0;
    double size;

    for (; fscanf(f, " split %llu %lf %u %llu %llx", &rows, &size, &seed, &expected_count, &hash) == 5;
         lines++) {
        uint64_t count = 0;
        REQUIRE(rows <= 20640);
        REQUIRE_OK(forest_train_test_split(rows, size, seed, order, &count));
        CHECK_EQ(count, expected_count);
        CHECK(fnv(order, rows * sizeof *order) == hash);
    }
    CHECK(feof(f));
    CHECK_EQ(lines, 11);
    fclose(f);
}

static void both_parts_have_rows(void)
{
    const struct {
        uint64_t rows;
        double size;
    } bad[] = {
        { 10, 0.0 }, { 10, 1.0 }, { 10, -0.5 }, { 10, (double)NAN }, { 10, 0.95 }, { 10, 1e9 },
        { 1, 0.5 },  { 0, 0.5 },  { UINT64_C(1) << 32, 0.5 },
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint64_t count = 4711;
        order[0] = 4712;
        CHECK_EQ(forest_train_test_split(bad[i].rows, bad[i].size, 1, order, &count), -EINVAL);
        CHECK_EQ(count, 4711);
        CHECK_EQ(order[0], 4712);
    }
}

TESTS("split",
      { "scikit-learn splits the same", sklearn_splits_the_same },
      { "a split with an empty part is refused, and nothing is written", both_parts_have_rows })
