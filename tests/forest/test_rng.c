/* SPDX-License-Identifier: MIT */
/* The random numbers are numpy's: golden/random.txt was written by numpy. */
#include "base/rng.h"
#include "base/sampling.h"
#include "support.h"

static struct mt19937 mt;
static uint32_t drawn[5000];

static void check_next(FILE *f)
{
    unsigned seed, expected;

    REQUIRE(fscanf(f, "%u", &seed) == 1);
    mt_seed(&mt, seed);
    for (int i = 0; i < 8; i++) {
        REQUIRE(fscanf(f, "%u", &expected) == 1);
        CHECK_EQ(mt_next(&mt), expected);
    }
}

static void check_later(FILE *f)
{
    unsigned seed, skip, expected;

    REQUIRE(fscanf(f, "%u %u %u", &seed, &skip, &expected) == 3);
    mt_seed(&mt, seed);
    while (skip--)
        mt_next(&mt);
    CHECK_EQ(mt_next(&mt), expected);
}

static void check_bounded(FILE *f)
{
    unsigned seed, max, count, first;
    unsigned long long hash;

    REQUIRE(fscanf(f, "%u %u %u %llx", &seed, &max, &count, &hash) == 4);
    mt_seed(&mt, seed);
    for (unsigned i = 0; i < count; i++)
        drawn[i] = mt_bounded(&mt, max);
    for (int i = 0; i < 4; i++) {
        REQUIRE(fscanf(f, "%u", &first) == 1);
        CHECK_EQ(drawn[i], first);
    }
    CHECK(fnv(drawn, count * sizeof *drawn) == hash);
}

static void check_permutation(FILE *f)
{
    unsigned seed, n;
    unsigned long long hash;

    REQUIRE(fscanf(f, "%u %u %llx", &seed, &n, &hash) == 3);
    mt_seed(&mt, seed);
    mt_permutation(&mt, drawn, n);
    CHECK(fnv(drawn, n * sizeof *drawn) == hash);
}

static void numpy_draws_the_same(void)
{
    FILE *f = golden_file("random.txt");
    char what[32];
    unsigned lines = 0;

    for (; fscanf(f, "%31s", what) == 1; lines++) {
        if (strcmp(what, "next") == 0)
            check_next(f);
        else if (strcmp(what, "later") == 0)
            check_later(f);
        else if (strcmp(what, "bounded") == 0)
            check_bounded(f);
        else if (strcmp(what, "permutation") == 0)
            check_permutation(f);
        else
            CU_FAIL_FATAL("unknown record");
    }
    CHECK_EQ(lines, 85);
    fclose(f);
}

static void counting_is_drawing(void)
{
    static double counts[40000], expected[40000];
    const uint32_t rows[] = { 1, 2, 3, 100, 127, 128, 129, 16512, 40000 };

    for (unsigned k = 0; k < sizeof rows / sizeof *rows; k++) {
        uint32_t n = rows[k], draws = n * 3 / 4 + 1;
        memset(expected, 0, sizeof expected);
        mt_seed(&mt, 7 + k);
        for (uint32_t i = 0; i < draws; i++)
            expected[mt_bounded(&mt, n - 1)] += 1.0;
        counts[n - 1] = 99.0; /* what was there does not matter */
        tree_bootstrap(7 + k, n, draws, counts);
        CHECK(memcmp(counts, expected, n * sizeof *counts) == 0);
    }
}

/* Seed i is the same whether asked for in order, backwards, or in between another forest's. */
static void seeds_do_not_depend_on_history(void)
{
    static struct tree_seeds fresh, stream;
    uint32_t expected[50];

    for (uint32_t i = 0; i < 50; i++) {
        memset(&fresh, 0, sizeof fresh);
        expected[i] = tree_seed(&fresh, 201, i);
    }
    mt_seed(&mt, 201);
    for (uint32_t i = 0; i < 50; i++)
        CHECK_EQ(expected[i], mt_bounded(&mt, 2147483646));
    for (uint32_t i = 0; i < 50; i++)
        CHECK_EQ(tree_seed(&stream, 201, i), expected[i]);
    for (uint32_t i = 50; i-- > 0;)
        CHECK_EQ(tree_seed(&stream, 201, i), expected[i]);
    uint64_t state = test_seed;
    for (int k = 0; k < 200; k++) {
        uint32_t i = (uint32_t)(test_random(&state) % 50);
        if (k % 3 == 0)
            tree_seed(&stream, (uint32_t)test_random(&state), i);
        CHECK_EQ(tree_seed(&stream, 201, i), expected[i]);
    }
}

TESTS("rng", { "numpy draws the same numbers", numpy_draws_the_same },
      { "counting draws is drawing and counting", counting_is_drawing },
      { "the seed of a tree does not depend on what was asked before",
        seeds_do_not_depend_on_history })
