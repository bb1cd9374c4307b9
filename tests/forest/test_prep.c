/* SPDX-License-Identifier: MIT */
/* test_prep.c -- the prepared block: what it holds, and that damage is found. */
#include <errno.h>
#include <math.h>

#include "data/edges.h"
#include "data/prep.h"
#include "test.h"

enum { ROWS = 40, COLS = 3 };

static struct prep_source matrix(const double *x)
{
    return (struct prep_source){ .data = x,
                                 .is_double = true,
                                 .rows = ROWS,
                                 .cols = COLS,
                                 .row_stride = COLS * sizeof *x,
                                 .col_stride = sizeof *x };
}

static void fill(double *x)
{
    uint64_t state = test_seed;
    for (int i = 0; i < ROWS * COLS; i++)
        x[i] = i % COLS == 0 ? (double)(test_random(&state) % 5)
                             : (double)(test_random(&state) % 1000) * 0.1;
    x[0] = -0.0;
    x[COLS] = 0.0;
}

static void *build(const double *x, size_t *bytes)
{
    struct prep_source source = matrix(x);
    REQUIRE_OK(prep_bytes(ROWS, COLS, bytes));
    void *block = malloc(*bytes);
    REQUIRE(block != NULL);
    REQUIRE_OK(prep_build(&source, block, *bytes));
    return block;
}

static void orders_are_sorted(void)
{
    double x[ROWS * COLS];
    size_t bytes;
    struct prep p;
    fill(x);
    void *block = build(x, &bytes);
    REQUIRE_OK(prep_open(block, bytes, &p));
    CHECK_EQ(p.rows, ROWS);
    CHECK_EQ(p.features, COLS);
    for (uint32_t f = 0; f < COLS; f++) {
        const float *column = prep_column(&p, f);
        const uint32_t *order = prep_order(&p, f);
        for (uint32_t i = 0; i < ROWS; i++)
            CHECK(column[i] == (float)x[i * COLS + f]);
        for (uint32_t i = 1; i < ROWS; i++) {
            float a = column[order[i - 1] & PREP_ROW], b = column[order[i] & PREP_ROW];
            CHECK(a <= b);
            CHECK_EQ(a == b, order[i] >> 31);
            CHECK(a != b || (order[i - 1] & PREP_ROW) < (order[i] & PREP_ROW));
        }
    }
    free(block);
}

static void sources_may_be_strided(void)
{
    double x[ROWS * COLS];
    float t[COLS * ROWS];
    size_t bytes;
    fill(x);
    for (int f = 0; f < COLS; f++)
        for (int i = 0; i < ROWS; i++)
            t[f * ROWS + (ROWS - 1 - i)] = (float)x[i * COLS + f];
    void *a = build(x, &bytes), *b = malloc(bytes);
    REQUIRE(b != NULL);
    /* columns after each other, rows from the last to the first */
    struct prep_source source = { .data = t + ROWS - 1,
                                  .rows = ROWS,
                                  .cols = COLS,
                                  .row_stride = -(ptrdiff_t)sizeof *t,
                                  .col_stride = ROWS * sizeof *t };
    REQUIRE_OK(prep_build(&source, b, bytes));
    CHECK(memcmp(a, b, bytes) == 0);
    free(a);
    free(b);
}

static void unusable_values_are_refused(void)
{
    double bad[3] = { NAN, -INFINITY, 1e39 }, x[ROWS * COLS];
    size_t bytes;
    fill(x);
    void *block = build(x, &bytes);
    for (int i = 0; i < 3; i++) {
        double was = x[50];
        x[50] = bad[i];
        struct prep_source source = matrix(x);
        CHECK_EQ(prep_build(&source, block, bytes), -EINVAL);
        x[50] = was;
    }
    struct prep p;
    CHECK_EQ(prep_open(block, bytes, &p),
             -EBADMSG); /* what a failed build leaves cannot be opened */
    CHECK_EQ(prep_bytes(0, 1, &bytes), -EINVAL);
    CHECK_EQ(prep_bytes(PREP_ROWS_MAX + 1, 1, &bytes), -E2BIG);
    CHECK_EQ(prep_bytes(PREP_ROWS_MAX, UINT64_MAX, &bytes), -E2BIG);
    free(block);
}

static void close_values_are_marked(void)
{
    float x[6] = { 4.0f, 4.0f + 0x1p-21f, 5.0f, 0.5f, 0.25f, 0.25f };
    struct prep_source source = {
        .data = x, .rows = 3, .cols = 2, .row_stride = 4, .col_stride = 12
    };
    size_t bytes;
    struct prep p;
    REQUIRE_OK(prep_bytes(3, 2, &bytes));
    uint64_t block[64];
    REQUIRE(bytes <= sizeof block);
    REQUIRE_OK(prep_build(&source, block, bytes));
    REQUIRE_OK(prep_open(block, bytes, &p));
    CHECK_EQ(p.close[0], 0); /* 4.8e-7 apart */
    CHECK_EQ(p.close[1], 0);
    x[1] = 0.5f + 0x1p-24f;
    x[0] = 0.5f;
    REQUIRE_OK(prep_build(&source, block, bytes));
    REQUIRE_OK(prep_open(block, bytes, &p));
    CHECK_EQ(p.close[0], 1);
    CHECK_EQ(p.close[1], 0);
}

/* Every bit of the header, the marks and the orders counts; of a column, what it says does. */
static void damage_is_found(void)
{
    double x[ROWS * COLS];
    size_t bytes;
    struct prep p;
    fill(x);
    unsigned char *block = build(x, &bytes), *copy = malloc(bytes);
    REQUIRE(copy != NULL);
    memcpy(copy, block, bytes);
    uint64_t state = test_seed;
    REQUIRE_OK(prep_open(block, bytes, &p));
    size_t orders = (size_t)((const unsigned char *)p.orders - block),
           end = orders + ROWS * COLS * 4;
    for (size_t i = orders; i < end; i++) {
        block[i] ^= (unsigned char)(1u << test_random(&state) % 8);
        CHECK_EQ(prep_open(block, bytes, &p), -EBADMSG);
        block[i] = copy[i];
    }
    for (int i = 0; i < 20000; i++) { /* whatever it is, it must not make us read elsewhere */
        size_t at = test_random(&state) % bytes;
        block[at] = (unsigned char)test_random(&state);
        (void)prep_open(block, bytes, &p);
        if (i % 4 == 3)
            memcpy(block, copy, bytes);
    }
    memcpy(block, copy, bytes);
    for (size_t n = 0; n < bytes; n++)
        CHECK_EQ(prep_open(block, n, &p), -EBADMSG);
    block[8]++;
    CHECK_EQ(prep_open(block, bytes, &p), -EPROTO);
    block[8]--;
    CHECK_EQ(prep_open(block + 1, bytes - 1, &p), -EINVAL);
    CHECK_EQ(prep_open(block, bytes, &p), 0);
    free(block);
    free(copy);
}

/* Beyond some size there are columns and nothing else; what they hold is still checked. */
static void large_ones_hold_columns_only(void)
{
    enum { LARGE = 2 * 65536 + 1 };
    struct prep_source source = { .rows = LARGE, .cols = 1, .row_stride = 4, .col_stride = 4 };
    size_t bytes, less;
    struct prep p;
    float *x = calloc(LARGE, sizeof *x);
    REQUIRE(x != NULL);
    x[7] = -0.0f;
    source.data = x;
    REQUIRE_OK(prep_bytes(LARGE, 1, &bytes));
    REQUIRE_OK(prep_bytes(LARGE - 1, 1, &less));
    CHECK(bytes < LARGE * sizeof(float) + 256);
    CHECK(less > (LARGE - 1) * 2 * sizeof(float));
    char *block = malloc(bytes);
    REQUIRE(block != NULL);
    REQUIRE_OK(prep_build(&source, block, bytes));
    REQUIRE_OK(prep_open(block, bytes, &p));
    CHECK_EQ(p.rows, LARGE);
    CHECK(p.orders == NULL && p.close == NULL && p.near == NULL);
    CHECK_EQ(signbit(prep_column(&p, 0)[7]), 0);
    float nan = NAN;
    size_t at = (size_t)((const char *)(prep_column(&p, 0) + LARGE - 1) - block);
    memcpy(block + at, &nan, sizeof nan);
    CHECK_EQ(prep_open(block, bytes, &p), -EBADMSG);
    free(block);
    free(x);
}

/* Runs the last first, as if on several threads; or leaves one out. */
static int backwards(void *left_out, uint32_t n, int (*body)(void *arg, uint32_t i), void *arg)
{
    int err = 0;
    for (uint32_t i = n; i-- > 0 && !err;)
        if (!left_out || i != *(const uint32_t *)left_out)
            err = body(arg, i);
    return err;
}

/* Where nothing is sorted the rows are shared out: the same bytes, and no part is missed. */
static void columns_are_shared_out_by_rows(void)
{
    enum { LARGE = 3 * 65536 + 100, WIDE = 2 };
    uint64_t state = test_seed;
    double *x = malloc(sizeof *x * LARGE * WIDE);
    REQUIRE(x != NULL);
    for (uint32_t i = 0; i < LARGE * WIDE; i++)
        x[i] = (double)(test_random(&state) % 1000) * 0.1;
    struct prep_source source = { .data = x,
                                  .is_double = true,
                                  .rows = LARGE,
                                  .cols = WIDE,
                                  .row_stride = WIDE * sizeof *x,
                                  .col_stride = sizeof *x };
    struct forest_executor executor = { backwards, NULL, 2 };
    size_t bytes;
    REQUIRE_OK(prep_bytes(LARGE, WIDE, &bytes));
    char *alone = malloc(bytes), *shared = malloc(bytes);
    REQUIRE(alone && shared);
    REQUIRE_OK(prep_build(&source, alone, bytes));
    source.executor = &executor;
    REQUIRE_OK(prep_build(&source, shared, bytes));
    CHECK(memcmp(alone, shared, bytes) == 0);
    for (uint32_t part = 0; part < 4; part++) {
        executor.ctx = &part;
        CHECK_EQ(prep_build(&source, shared, bytes), -EINVAL);
    }
    executor.ctx = NULL;
    x[LARGE * WIDE - 1] = INFINITY;
    CHECK_EQ(prep_build(&source, shared, bytes), -EINVAL);
    free(alone);
    free(shared);
    free(x);
}

/* On all kinds of processors, a NaN behind all edges, and values that are edges. */
static void bins_are_equal_at_all_levels(void)
{
    enum { VALUES = 1000, STEP = 3 };
    float edges[EDGES_BINS], values[VALUES];
    static uint8_t plain[VALUES * STEP], codes[VALUES * STEP];
    uint64_t state = test_seed;
    int wrong = 0;
    for (uint32_t count = 1; count <= EDGES_BINS; count = count * 3 / 2 + 1) {
        for (uint32_t i = 0; i < EDGES_BINS; i++)
            edges[i] = i + 1 < count ? (float)i - 100.0f : INFINITY;
        for (int i = 0; i < VALUES; i++)
            values[i] = i % 17 ? (float)(test_random(&state) % 1200) * 0.25f - 120.0f : NAN;
        edges_fill_plain(edges, values, VALUES, plain, STEP);
        for (int i = 0; i < VALUES; i++) {
            uint32_t code = 0;
            while (code < EDGES_BINS - 1 && !(values[i] < edges[code]))
                code++;
            wrong += plain[i * STEP] != code;
        }
        for (enum kernels_level level = KERNELS_AVX2; level <= KERNELS_AVX512; level++) {
            edges_fill *fill_codes = edges_fill_of(level);
            memcpy(codes, plain, sizeof codes);
            for (int i = 0; i < VALUES; i++)
                codes[i * STEP] = 0;
            if (!fill_codes)
                continue;
            fill_codes(edges, values, VALUES, codes, STEP);
            wrong += memcmp(codes, plain, sizeof codes) != 0;
        }
    }
    CHECK_EQ(wrong, 0);
}

TESTS("prep", { "orders are sorted and marked", orders_are_sorted },
      { "sources may be strided", sources_may_be_strided },
      { "unusable values are refused", unusable_values_are_refused },
      { "close values are marked", close_values_are_marked },
      { "damage is found", damage_is_found },
      { "large ones hold columns only", large_ones_hold_columns_only },
      { "columns are shared out by rows", columns_are_shared_out_by_rows },
      { "bins are equal at all levels", bins_are_equal_at_all_levels })
