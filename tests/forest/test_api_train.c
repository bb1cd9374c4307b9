/* SPDX-License-Identifier: MIT */
/* A tree is a pure function of its arguments, whoever trains it, when, and in which order. */
#include "support.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>

/* A data set, prepared. */
struct prepared {
    struct table table;
    void *block;
    size_t bytes;
    struct forest_prepared *view;
};

static struct prepared prepare(uint64_t seed, uint64_t rows, uint64_t cols)
{
    struct prepared p = { .table = table_mixed(seed, rows, cols) };
    struct forest_matrix x = table_matrix(&p.table);

    REQUIRE_OK(forest_prepared_size(&x, &p.bytes));
    p.block = aligned_alloc(64, (p.bytes + 63) / 64 * 64);
    REQUIRE_OK(forest_prepare(&x, p.block, p.bytes));
    REQUIRE_OK(forest_prepared_open(p.block, p.bytes, &p.view));
    return p;
}

static void prepared_free(struct prepared *p)
{
    forest_prepared_close(p->view);
    free(p->block);
    table_free(&p->table);
}

static uint64_t hash_of_tree(const struct prepared *p, const struct forest_params *params,
                             uint32_t index, struct forest_scratch *scratch)
{
    const void *tree;
    size_t bytes;

    REQUIRE_OK(forest_tree_train(p->view, p->table.y, index % 2 ? p->table.w : NULL, params, index,
                                 scratch, &tree, &bytes));
    return fnv(tree, bytes);
}

enum { TREES = 12 };

static void order_and_scratch_do_not_matter(void)
{
    struct prepared p = prepare(1, 300, 6), other = prepare(2, 700, 9);
    struct forest_params params = FOREST_PARAMS_INIT, odd = FOREST_PARAMS_INIT;
    struct forest_scratch *scratch, *fresh;
    uint64_t expected[TREES];

    params.seed = 5;
    odd.seed = 6;
    odd.keep_stats = 1;
    odd.max_features = FOREST_MAX_FEATURES_SQRT;
    for (uint32_t i = 0; i < TREES; i++) {
        REQUIRE_OK(forest_scratch_new(&fresh));
        expected[i] = hash_of_tree(&p, &params, i, fresh);
        forest_scratch_free(fresh);
    }
    REQUIRE_OK(forest_scratch_new(&scratch));
    for (uint32_t i = 0; i < TREES; i++)
        CHECK(hash_of_tree(&p, &params, i, scratch) == expected[i]);
    for (uint32_t i = TREES; i-- > 0;) {
        hash_of_tree(&other, &odd, i, scratch); /* dirt of another shape */
        CHECK(hash_of_tree(&p, &params, i, scratch) == expected[i]);
    }
    forest_scratch_free(scratch);
    prepared_free(&p);
    prepared_free(&other);
}

/* The block holds no addresses and does not depend on where it is. */
static void prepared_blocks_can_be_moved(void)
{
    struct prepared p = prepare(3, 200, 5);
    struct forest_params params = FOREST_PARAMS_INIT;
    struct forest_scratch *scratch;

    REQUIRE_OK(forest_scratch_new(&scratch));
    uint64_t expected = hash_of_tree(&p, &params, 3, scratch);
    char *moved = aligned_alloc(64, (p.bytes + 127) / 64 * 64);
    memcpy(moved, p.block, p.bytes);
    memset(p.block, 0xee, p.bytes);
    forest_prepared_close(p.view);
    REQUIRE_OK(forest_prepared_open(moved, p.bytes, &p.view));
    CHECK_EQ(forest_prepared_rows(p.view), 200);
    CHECK_EQ(forest_prepared_cols(p.view), 5);
    CHECK(hash_of_tree(&p, &params, 3, scratch) == expected);
    forest_scratch_free(scratch);
    prepared_free(&p);
    free(moved);
}

/* Whatever the layout of the caller's matrix, the model is the same. */
static void layouts_do_not_matter(void)
{
    enum { ROWS = 120, COLS = 5 };
    struct table t = table_mixed(4, ROWS, COLS);
    static float f32[ROWS * COLS], column_major[ROWS * COLS], spaced[ROWS * (COLS + 3) + 1];
    static double backwards[ROWS * COLS];
    struct forest_params params = FOREST_PARAMS_INIT;

    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < COLS; j++) {
            float v = (float)t.x[i * COLS + j];
            f32[i * COLS + j] = v;
            column_major[j * ROWS + i] = v;
            spaced[i * (COLS + 3) + j] = v;
            backwards[(ROWS - 1 - i) * COLS + j] = t.x[i * COLS + j];
        }
    char *odd = (char *)malloc(sizeof f32 + 1) + 1; /* aligned to nothing */
    memcpy(odd, f32, sizeof f32);
    const struct forest_matrix x[] = {
        table_matrix(&t),
        forest_matrix_rows(f32, ROWS, COLS, FOREST_FLOAT32),
        { column_major, ROWS, COLS, 4, ROWS * 4, FOREST_FLOAT32, 0 },
        { spaced, ROWS, COLS, (COLS + 3) * 4, 4, FOREST_FLOAT32, 0 },
        { backwards + (ROWS - 1) * COLS, ROWS, COLS, -COLS * 8, 8, FOREST_FLOAT64, 0 },
        forest_matrix_rows(odd, ROWS, COLS, FOREST_FLOAT32),
    };
    uint64_t model = 0, predictions = 0;
    params.n_estimators = 4;
    for (size_t k = 0; k < sizeof x / sizeof *x; k++) {
        void *block;
        size_t bytes;
        struct forest *forest;
        double p[ROWS];
        REQUIRE_OK(forest_train(&x[k], t.y, NULL, &params, NULL, &block, &bytes));
        REQUIRE_OK(forest_open(block, bytes, &forest, NULL));
        REQUIRE_OK(forest_predict(forest, &x[k], p));
        model = k ? model : fnv(block, bytes);
        predictions = k ? predictions : fnv(p, sizeof p);
        CHECK(fnv(block, bytes) == model);
        CHECK(fnv(p, sizeof p) == predictions);
        forest_close(forest);
        free(block);
    }
    free(odd - 1);
    table_free(&t);
}

/* ---- executors --------------------------------------------------------------------------- */

struct crew {
    unsigned threads;
    bool backwards, twice;
    unsigned calls, skips; /* in which of them the last one; 0: in none */
    int (*body)(void *arg, uint32_t i);
    void *arg;
    uint32_t n;
    int result;
};

struct member {
    struct crew *crew;
    unsigned number;
    pthread_t thread;
};

static void *work(void *arg)
{
    const struct member *m = arg;
    const struct crew *c = m->crew;

    for (uint32_t k = m->number; k < c->n; k += c->threads) {
        int err = c->body(c->arg, c->backwards ? c->n - 1 - k : k);
        if (err)
            return (void *)(intptr_t)err;
    }
    return NULL;
}

static int for_each(void *ctx, uint32_t n, int (*body)(void *arg, uint32_t i), void *arg)
{
    struct crew *c = ctx;
    struct member member[80];
    int result = 0;

    c->body = body;
    c->arg = arg;
    c->n = ++c->calls == c->skips ? n - 1 : n;
    for (unsigned i = 0; i < c->threads; i++) {
        member[i] = (struct member){ .crew = c, .number = i };
        REQUIRE(pthread_create(&member[i].thread, NULL, work, &member[i]) == 0);
    }
    for (unsigned i = 0; i < c->threads; i++) {
        void *r;
        pthread_join(member[i].thread, &r);
        result = result ? result : (int)(intptr_t)r;
    }
    if (c->twice && !result)
        result = body(arg, n / 2);
    return result;
}

static void any_executor(const struct table *t, const struct forest_params *params)
{
    struct forest_matrix x = table_matrix(t);
    struct crew crews[] = { { .threads = 1, .backwards = true },
                            { .threads = 2 },
                            { .threads = 7, .backwards = true, .twice = true },
                            { .threads = 80 } };
    struct trained serial = train_on(t, true, params);

    for (size_t k = 0; k < sizeof crews / sizeof *crews; k++) {
        struct forest_executor executor = { for_each, &crews[k], crews[k].threads };
        void *block;
        size_t bytes;
        REQUIRE_OK(forest_train(&x, t->y, t->w, params, &executor, &block, &bytes));
        CHECK_EQ(bytes, serial.bytes);
        CHECK(memcmp(block, serial.block, bytes) == 0);
        free(block);
    }
    trained_free(&serial);
}

static void executors_do_not_matter(void)
{
    struct table t = table_mixed(5, 150, 7);
    struct forest_params params = FOREST_PARAMS_INIT;

    params.n_estimators = 83;
    any_executor(&t, &params);
    params.max_leaf_nodes = 20;
    params.ccp_alpha = 1e-4;
    any_executor(&t, &params);
    params.max_leaf_nodes = 0;
    params.task = FOREST_CLASSIFICATION;
    params.class_weight = FOREST_CLASS_WEIGHT_BALANCED_SUBSAMPLE;
    table_classes(&t, 3);
    any_executor(&t, &params);
    params.class_weight = FOREST_CLASS_WEIGHT_NONE;
    for (uint64_t i = 0; i < t.rows; i++) /* whole weights: classes are counted */
        t.w[i] = (double)(i % 3);
    any_executor(&t, &params);
    table_free(&t);
}

/* Rows of more than one block are grown best first all the same. */
static void best_first_takes_any_number_of_rows(void)
{
    struct table t = table_mixed(8, 120000, 2);
    struct forest_matrix x = table_matrix(&t);
    struct forest_params params = FOREST_PARAMS_INIT;
    struct forest_info info;
    struct forest *forest;
    void *model;
    size_t bytes;

    params.n_estimators = 1;
    params.max_leaf_nodes = 7;
    REQUIRE_OK(forest_train(&x, t.y, NULL, &params, NULL, &model, &bytes));
    REQUIRE_OK(forest_open(model, bytes, &forest, NULL));
    forest_describe(forest, &info);
    CHECK_EQ(info.leaves, 7);
    forest_close(forest);
    free(model);
    table_free(&t);
}

static int fails(void *ctx, uint32_t n, int (*body)(void *arg, uint32_t i), void *arg)
{
    int err = body(arg, n - 1);

    return err ? err : *(int *)ctx;
}

static void a_failing_executor_fails_the_forest(void)
{
    struct table t = table_mixed(6, 50, 3);
    struct forest_matrix x = table_matrix(&t);
    struct forest_params params = FOREST_PARAMS_INIT;
    int cause = -ECANCELED;
    struct crew skipping = { .threads = 2, .skips = 1 };
    struct forest_executor failing = { fails, &cause, 1 }, lazy = { for_each, &skipping, 2 };
    void *block = &t;
    size_t bytes = 4711;

    CHECK_EQ(forest_train(&x, t.y, NULL, &params, &failing, &block, &bytes), -ECANCELED);
    CHECK(forest_train(&x, t.y, NULL, &params, &lazy, &block, &bytes) < 0);
    CHECK(block == &t);
    CHECK_EQ(bytes, 4711);
    table_free(&t);
}

/* A weight of -0 is one of 0, in each mode. */
static void negative_zeros_weigh_nothing(void)
{
    static const uint32_t modes[] = { FOREST_EXACT, FOREST_FAST, FOREST_HISTOGRAM };
    struct table t = table_mixed(11, 300, 4);
    struct forest_matrix x = table_matrix(&t);
    struct forest_params params = FOREST_PARAMS_INIT;
    double *weight = malloc(t.rows * sizeof *weight);

    REQUIRE(weight != NULL);
    params.n_estimators = 3;
    for (size_t m = 0; m < sizeof modes / sizeof *modes; m++) {
        void *model[2];
        size_t bytes[2];
        params.mode = modes[m];
        for (int k = 0; k < 2; k++) {
            for (size_t i = 0; i < t.rows; i++)
                weight[i] = i % 3 ? 1.0 : k ? -0.0 : 0.0;
            REQUIRE_OK(forest_train(&x, t.y, weight, &params, NULL, &model[k], &bytes[k]));
        }
        CHECK_EQ(bytes[0], bytes[1]);
        CHECK(bytes[0] == bytes[1] && memcmp(model[0], model[1], bytes[0]) == 0);
        free(model[0]);
        free(model[1]);
    }
    free(weight);
    table_free(&t);
}

/* An executor that leaves something out fails; `calls` are those that there are. */
static void nothing_may_be_left_out(const struct table *t, const struct forest_params *params,
                                    unsigned calls)
{
    struct forest_matrix x = table_matrix(t);
    void *block = NULL;
    size_t bytes = 4711;

    for (unsigned call = 1; call <= calls; call++) {
        struct crew crew = { .threads = 2, .skips = call };
        struct forest_executor lazy = { for_each, &crew, 2 };
        CHECK_EQ(forest_train(&x, t->y, NULL, params, &lazy, &block, &bytes), -EINVAL);
        CHECK_EQ(crew.calls, call);
        CHECK(block == NULL && bytes == 4711);
    }
    struct crew crew = { .threads = 2, .skips = calls + 1 };
    struct forest_executor whole = { for_each, &crew, 2 };
    REQUIRE_OK(forest_train(&x, t->y, NULL, params, &whole, &block, &bytes));
    CHECK_EQ(crew.calls, calls);
    free(block);
}

/* Trees so large that they wait for each other, and are put together by the executor, too. */
static void large_trees_are_put_together_by_all(void)
{
    struct table t = table_mixed(10, 60000, 3);
    struct forest_params params = FOREST_PARAMS_INIT;

    params.n_estimators = 4;
    params.mode = FOREST_FAST;
    params.no_bootstrap = 1;
    params.keep_stats = 1;
    any_executor(&t, &params);
    nothing_may_be_left_out(&t, &params, 3);
    table_free(&t);
}

/* So much that the columns are sorted by the executor, too. */
static void large_forests_are_shared_out(void)
{
    struct table t = table_mixed(9, 17000, 8);
    struct forest_matrix x = table_matrix(&t);
    struct forest_params params = FOREST_PARAMS_INIT;
    void *block = &t;
    size_t bytes = 4711;

    params.n_estimators = 10;
    params.mode = FOREST_FAST;
    params.keep_stats = 1; /* three times the size */
    any_executor(&t, &params);
    nothing_may_be_left_out(&t, &params, 2);
    struct crew one = { .threads = 1, .skips = 2 }; /* it is asked for the trees alone */
    struct forest_executor alone = { for_each, &one, 1 };
    void *model;
    REQUIRE_OK(forest_train(&x, t.y, NULL, &params, &alone, &model, &bytes));
    CHECK_EQ(one.calls, 1);
    free(model);
    bytes = 4711;
    struct crew crew = { .threads = 2 };
    struct forest_executor executor = { for_each, &crew, 2 };
    params.mode = FOREST_EXACT;
    params.max_depth = 3;
    any_executor(&t, &params);
    t.x[t.rows * t.cols - 1] = (double)NAN;
    CHECK_EQ(forest_train(&x, t.y, NULL, &params, &executor, &block, &bytes), -EINVAL);
    CHECK_EQ(crew.calls, 1);
    CHECK(block == &t);
    CHECK_EQ(bytes, 4711);
    table_free(&t);
}

/* A tree of several MiB stays in the memory it was grown in. */
static void large_trees_are_not_copied(void)
{
    struct table t = table_mixed(10, 250000, 2);
    struct forest_params params = FOREST_PARAMS_INIT;
    struct forest_matrix x = table_matrix(&t);
    struct forest_scratch *scratch;
    size_t bytes;

    params.n_estimators = 3;
    params.mode = FOREST_FAST;
    params.keep_stats = 1;
    struct trained m = train_on(&t, false, &params);
    REQUIRE_OK(forest_prepared_size(&x, &bytes));
    struct prepared p = { .block = aligned_alloc(64, (bytes + 63) & ~(size_t)63) };
    REQUIRE(p.block != NULL);
    REQUIRE_OK(forest_prepare(&x, p.block, bytes));
    REQUIRE_OK(forest_prepared_open(p.block, bytes, &p.view));
    REQUIRE_OK(forest_scratch_new(&scratch));
    size_t at = m.bytes;
    for (uint32_t i = 3; i-- > 0;) { /* the last tree is at the end of the model */
        const void *tree;
        const size_t header = 128;
        REQUIRE_OK(forest_tree_train(p.view, t.y, NULL, &params, i, scratch, &tree, &bytes));
        CHECK(bytes > (size_t)4 << 20);
        at -= bytes - header;
        CHECK(memcmp((const char *)m.block + at, (const char *)tree + header, bytes - header) == 0);
    }
    forest_scratch_free(scratch);
    forest_prepared_close(p.view);
    free(p.block);
    trained_free(&m);
    table_free(&t);
}

/* ---- assembling ---------------------------------------------------------------------------- */

/* What is wrong with the trees is wrong in both calls. */
static int both_ways(const struct forest_params *params, uint64_t features,
                     const struct forest_tree *trees, uint32_t count, void *block, size_t bytes)
{
    struct forest *model = NULL;
    int err = forest_assemble(params, features, trees, count, block, bytes);

    CHECK_EQ(forest_open_trees(params, features, trees, count, &model), err);
    CHECK(!model);
    return err;
}

static void in_one_block_or_apart(const struct prepared *p, const struct forest_params *params,
                                  const struct forest_tree *trees, const void *block, size_t bytes)
{
    struct forest_matrix x = table_matrix(&p->table);
    struct forest *model[2];
    struct forest_info info[2];
    double out[2][100];

    REQUIRE_OK(forest_open(block, bytes, &model[0], NULL));
    REQUIRE_OK(forest_open_trees(params, 4, trees, params->n_estimators, &model[1]));
    for (int i = 0; i < 2; i++) {
        REQUIRE_OK(forest_predict(model[i], &x, out[i]));
        forest_describe(model[i], &info[i]);
        forest_close(model[i]);
    }
    CHECK(memcmp(out[0], out[1], sizeof out[0]) == 0);
    CHECK(memcmp(&info[0], &info[1], sizeof info[0]) == 0);
}

static void only_the_right_trees_assemble(void)
{
    struct prepared p = prepare(7, 100, 4);
    struct forest_params params = FOREST_PARAMS_INIT, other = FOREST_PARAMS_INIT;
    struct forest_scratch *scratch;
    struct forest_tree tree[3];
    size_t bytes;

    params.n_estimators = 3;
    REQUIRE_OK(forest_scratch_new(&scratch));
    for (uint32_t i = 0; i < 3; i++) {
        const void *lent;
        REQUIRE_OK(
            forest_tree_train(p.view, p.table.y, NULL, &params, i, scratch, &lent, &tree[i].bytes));
        tree[i].data = memcpy(aligned_alloc(64, tree[i].bytes), lent, tree[i].bytes);
    }
    REQUIRE_OK(forest_assemble_size(tree, 3, &bytes));
    void *block = aligned_alloc(64, bytes);
    memset(block, 0x5a, bytes);
    uint64_t untouched = fnv(block, bytes);

    struct forest_tree swapped[3] = { tree[1], tree[0], tree[2] };
    CHECK_EQ(both_ways(&params, 4, swapped, 3, block, bytes), -EBADMSG);
    CHECK_EQ(both_ways(&params, 5, tree, 3, block, bytes), -EBADMSG);
    other = params;
    other.seed = 1;
    CHECK_EQ(both_ways(&other, 4, tree, 3, block, bytes), -EBADMSG);
    other = params;
    other.keep_stats = 1;
    CHECK_EQ(both_ways(&other, 4, tree, 3, block, bytes), -EBADMSG);
    other = params;
    other.n_estimators = 4;
    CHECK_EQ(both_ways(&other, 4, tree, 3, block, bytes), -EINVAL);
    CHECK_EQ(forest_assemble(&params, 4, tree, 3, block, bytes - 64), -EINVAL);
    CHECK_EQ(forest_assemble(&params, 4, tree, 3, (char *)block + 8, bytes), -EINVAL);
    unsigned char *damaged = (unsigned char *)(uintptr_t)tree[2].data;
    for (size_t i = 0; i < tree[2].bytes; i++) {
        damaged[i] ^= (unsigned char)(1u << i % 8);
        CHECK_EQ(both_ways(&params, 4, tree, 3, block, bytes), -EBADMSG);
        damaged[i] ^= (unsigned char)(1u << i % 8);
    }
    tree[2].bytes -= 64;
    CHECK_EQ(forest_assemble_size(tree, 3, &bytes), -EBADMSG);
    tree[2].bytes += 64;
    CHECK(fnv(block, bytes) == untouched);
    REQUIRE_OK(forest_assemble(&params, 4, tree, 3, block, bytes));
    CHECK_EQ(forest_open_trees(&params, 4, tree, 3, NULL), -EINVAL);
    in_one_block_or_apart(&p, &params, tree, block, bytes);

    for (uint32_t i = 0; i < 3; i++)
        free((void *)(uintptr_t)tree[i].data);
    free(block);
    forest_scratch_free(scratch);
    prepared_free(&p);
}

/* A smaller forest of the same seed is the first trees of the larger one. */
static void small_forests_are_prefixes(void)
{
    struct table t = table_mixed(8, 120, 5);
    struct forest_params params = FOREST_PARAMS_INIT;

    params.keep_stats = 1;
    params.n_estimators = 9;
    struct trained large = train_on(&t, false, &params);
    params.n_estimators = 4;
    struct trained small = train_on(&t, false, &params);
    for (uint32_t i = 0; i < 4; i++) {
        uint64_t n = 0, m = 1;
        REQUIRE_OK(forest_tree_nodes(large.forest, i, &n));
        REQUIRE_OK(forest_tree_nodes(small.forest, i, &m));
        CHECK_EQ(m, n);
        for (uint64_t k = 0; k < n && k < m; k++) {
            struct forest_node a, b;
            REQUIRE_OK(forest_tree_node(large.forest, i, k, &a));
            REQUIRE_OK(forest_tree_node(small.forest, i, k, &b));
            CHECK(memcmp(&a, &b, sizeof a) == 0);
        }
    }
    trained_free(&large);
    trained_free(&small);
    table_free(&t);
}

TESTS("train",
      { "a tree is the same in any order and with a dirty scratch",
        order_and_scratch_do_not_matter },
      { "a prepared block can be moved", prepared_blocks_can_be_moved },
      { "the layout of the matrix does not matter", layouts_do_not_matter },
      { "a forest is the same on any number of threads", executors_do_not_matter },
      { "best first takes any number of rows", best_first_takes_any_number_of_rows },
      { "a failing executor fails the forest", a_failing_executor_fails_the_forest },
      { "a weight of -0 weighs nothing", negative_zeros_weigh_nothing },
      { "large trees are not copied, and are the same", large_trees_are_not_copied },
      { "large forests are shared out from the first step on", large_forests_are_shared_out },
      { "large trees are put together by all", large_trees_are_put_together_by_all },
      { "only the right trees, undamaged and in order, assemble", only_the_right_trees_assemble },
      { "a smaller forest is the beginning of a larger one", small_forests_are_prefixes })
