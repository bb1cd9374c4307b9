/* SPDX-License-Identifier: MIT */
/*
 * The forests are scikit-learn's: every array of every tree, every bit of every prediction.
 * golden/ was written by oracle/make_golden.py with scikit-learn 1.2.1.
 */
#include "support.h"

#define SETS_MAX 16

struct set {
    char name[16];
    unsigned long long seed, rows, predicted, cols;
    unsigned levels[64];
};

static struct set sets[SETS_MAX];
static unsigned sets_count;

static void read_set(FILE *f)
{
    REQUIRE(sets_count < SETS_MAX);
    struct set *s = &sets[sets_count++];
    REQUIRE(fscanf(f, "%15s %llu %llu %llu %llu", s->name, &s->seed, &s->rows, &s->predicted,
                   &s->cols) == 5);
    REQUIRE(s->cols <= 64);
    for (unsigned j = 0; j < s->cols; j++)
        REQUIRE(fscanf(f, "%u", &s->levels[j]) == 1);
}

static const struct set *read_case(FILE *f, struct forest_params *p, unsigned *weighted)
{
    char name[16];

    *p = (struct forest_params)FOREST_PARAMS_INIT;
    REQUIRE(fscanf(f, "%15s %u %u %u %u %u %u %u %lf %lf %lf %lf %u", name, weighted,
                   &p->n_estimators, &p->seed, &p->max_depth, &p->min_samples_split,
                   &p->min_samples_leaf, &p->max_features, &p->max_features_value,
                   &p->min_weight_fraction_leaf, &p->min_impurity_decrease, &p->max_samples,
                   &p->no_bootstrap) == 13);
    p->keep_stats = 1;
    for (unsigned i = 0; i < sets_count; i++)
        if (strcmp(sets[i].name, name) == 0)
            return &sets[i];
    CU_FAIL_FATAL("unknown data set");
    return NULL;
}

enum { LEFT, RIGHT, FEATURE, THRESHOLD, IMPURITY, VALUE, WEIGHT, ROWS, ARRAYS };

/* The hashes of a tree's arrays, as scikit-learn keeps them. */
static void hash_tree(const struct forest *forest, uint32_t tree, uint64_t nodes, uint64_t *hash)
{
    for (unsigned a = 0; a < ARRAYS; a++)
        hash[a] = FNV_START;
    for (uint64_t i = 0; i < nodes; i++) {
        struct forest_node n;
        REQUIRE_OK(forest_tree_node(forest, tree, i, &n));
        const void *cells[ARRAYS] = { &n.left,     &n.right, &n.feature,       &n.threshold,
                                      &n.impurity, &n.value, &n.weighted_rows, &n.rows };
        for (unsigned a = 0; a < ARRAYS; a++)
            hash[a] = fnv_more(hash[a], cells[a], 8);
    }
}

static void check_tree(FILE *f, const struct forest *forest, uint32_t tree)
{
    static const char *const names[ARRAYS] = { "left",     "right", "feature",       "threshold",
                                               "impurity", "value", "weighted rows", "rows" };
    char what[16];
    unsigned long long nodes, leaves, depth, expected;
    uint64_t count = 0, hash[ARRAYS];

    REQUIRE(fscanf(f, "%15s %llu %llu %llu", what, &nodes, &leaves, &depth) == 4);
    REQUIRE(strcmp(what, "tree") == 0);
    REQUIRE_OK(forest_tree_nodes(forest, tree, &count));
    CHECK_EQ(count, nodes);
    hash_tree(forest, tree, count, hash);
    for (unsigned a = 0; a < ARRAYS; a++) {
        REQUIRE(fscanf(f, "%llx", &expected) == 1);
        if (hash[a] != expected)
            fprintf(stderr, "tree %u differs in %s\n", tree, names[a]);
        CHECK(hash[a] == expected);
    }
}

static void check_predictions(FILE *f, const struct forest *forest, const struct table *t)
{
    char what[16];
    unsigned long long hash;
    double mse;
    struct forest_matrix x = table_matrix(t);
    double *p = malloc(t->rows * sizeof *p);

    REQUIRE(fscanf(f, "%15s %llx %lf", what, &hash, &mse) == 3);
    REQUIRE(strcmp(what, "predict") == 0);
    REQUIRE_OK(forest_predict(forest, &x, p));
    CHECK(fnv(p, t->rows * sizeof *p) == hash);
    CHECK(forest_mean_squared_error(t->y, p, t->rows) == mse);
    free(p);
}

static void check_case(FILE *f)
{
    struct forest_params params;
    unsigned weighted;
    const struct set *s = read_case(f, &params, &weighted);
    struct table train = table_made(s->seed, s->rows, s->cols, s->levels);
    struct table test = table_made(s->seed + 1000, s->predicted, s->cols, s->levels);
    struct trained m = train_on(&train, weighted, &params);

    for (uint32_t i = 0; i < params.n_estimators; i++)
        check_tree(f, m.forest, i);
    check_predictions(f, m.forest, &test);
    trained_free(&m);
    table_free(&train);
    table_free(&test);
}

static void sklearn_grows_the_same(void)
{
    FILE *f = golden_file("forests.txt");
    char what[16];
    unsigned cases = 0;

    while (fscanf(f, "%15s", what) == 1) {
        if (strcmp(what, "set") == 0) {
            read_set(f);
        } else {
            REQUIRE(strcmp(what, "case") == 0);
            check_case(f);
            cases++;
        }
    }
    CHECK_EQ(cases, 35);
    fclose(f);
}

static void sklearn_reckons_the_same_error(void)
{
    FILE *f = golden_file("errors.txt");
    unsigned long long n;
    double expected, y[10007], p[10007];
    unsigned lines = 0;

    for (; fscanf(f, " mse %llu %lf", &n, &expected) == 2; lines++) {
        uint64_t state = n;
        REQUIRE(n <= 10007);
        for (unsigned i = 0; i < n; i++) {
            y[i] = (double)(test_random(&state) >> 11) * 0x1p-53 * 5.0;
            p[i] = (double)(test_random(&state) >> 11) * 0x1p-53 * 5.0;
        }
        if (forest_mean_squared_error(y, p, n) != expected)
            fprintf(stderr, "of %llu: %.17g, not %.17g\n", n, forest_mean_squared_error(y, p, n), expected);
        CHECK(forest_mean_squared_error(y, p, n) == expected);
    }
    CHECK_EQ(lines, 52);
    CHECK(forest_mean_squared_error(y, p, 0) != forest_mean_squared_error(y, p, 0)); /* NaN */
    fclose(f);
}

/* ---- California housing -------------------------------------------------------------- */

/* One forest per seed, the largest; the smaller ones are its first trees, and are assembled from them. */
struct line {
    unsigned seed, n;
    double mse;
    unsigned long long hash, nodes;
};

static unsigned read_lines(struct line *line, unsigned max)
{
    FILE *f = golden_file("california.txt");
    unsigned n = 0;

    while (n < max && fscanf(f, " sweep %u %u %lf %llx %llu", &line[n].seed, &line[n].n,
                             &line[n].mse, &line[n].hash, &line[n].nodes) == 5)
        n++;
    CHECK(feof(f));
    fclose(f);
    return n;
}

static struct forest_tree *train_trees(const struct table *t, const struct forest_params *params)
{
    struct forest_matrix x = table_matrix(t);
    struct forest_tree *trees = calloc(params->n_estimators, sizeof *trees);
    struct forest_prepared *prepared;
    struct forest_scratch *scratch;
    size_t bytes;

    REQUIRE_OK(forest_prepared_size(&x, &bytes));
    void *block = aligned_alloc(64, (bytes + 63) / 64 * 64);
    REQUIRE_OK(forest_prepare(&x, block, bytes));
    REQUIRE_OK(forest_prepared_open(block, bytes, &prepared));
    REQUIRE_OK(forest_scratch_new(&scratch));
    for (uint32_t i = 0; i < params->n_estimators; i++) {
        const void *tree;
        REQUIRE_OK(forest_tree_train(prepared, t->y, NULL, params, i, scratch, &tree,
                                     &trees[i].bytes));
        void *copy = malloc(trees[i].bytes);
        trees[i].data = memcpy(copy, tree, trees[i].bytes);
    }
    forest_scratch_free(scratch);
    forest_prepared_close(prepared);
    free(block);
    return trees;
}

static void check_line(const struct line *line, const struct forest_tree *trees,
                       const struct table *test)
{
    struct forest_params params = FOREST_PARAMS_INIT;
    struct forest_matrix x = table_matrix(test);
    double *p = malloc(test->rows * sizeof *p);
    struct forest *forest;
    struct forest_info info;
    size_t bytes;

    params.seed = line->seed;
    params.n_estimators = line->n;
    REQUIRE_OK(forest_assemble_size(trees, line->n, &bytes));
    void *block = aligned_alloc(64, bytes);
    REQUIRE_OK(forest_assemble(&params, test->cols, trees, line->n, block, bytes));
    REQUIRE_OK(forest_open(block, bytes, &forest, NULL));
    forest_describe(forest, &info);
    REQUIRE_OK(forest_predict(forest, &x, p));
    double mse = forest_mean_squared_error(test->y, p, test->rows);
    if (mse != line->mse)
        fprintf(stderr, "seed %u, %u trees: mse %.17g, not %.17g\n", line->seed, line->n, mse,
                line->mse);
    CHECK(mse == line->mse);
    CHECK(fnv(p, test->rows * sizeof *p) == line->hash);
    CHECK_EQ(info.nodes, line->nodes);
    forest_close(forest);
    free(block);
    free(p);
}

static void check_seed(const struct table *all, const struct line *line, unsigned count)
{
    struct forest_params params = FOREST_PARAMS_INIT;
    uint32_t *order = malloc(all->rows * sizeof *order);
    uint64_t n;

    REQUIRE_OK(forest_train_test_split(all->rows, 0.2, line->seed, order, &n));
    struct table test = table_rows(all, order, n);
    struct table train = table_rows(all, order + n, all->rows - n);
    params.seed = line->seed;
    params.n_estimators = line[count - 1].n;
    struct forest_tree *trees = train_trees(&train, &params);
    for (unsigned i = 0; i < count; i++)
        check_line(&line[i], trees, &test);
    for (uint32_t i = 0; i < params.n_estimators; i++)
        free((void *)(uintptr_t)trees[i].data);
    free(trees);
    free(order);
    table_free(&test);
    table_free(&train);
}

static void california_is_the_same(void)
{
    static struct line lines[64];
    struct table all = table_california();
    unsigned count = read_lines(lines, 64);

    CHECK_EQ(count, 25);
    if (all.rows != 20640) {
        printf("skipped for lack of data (set FOREST_DATA to california_housing.csv)\n");
        table_free(&all);
        return;
    }
    for (unsigned from = 0, to; from < count; from = to) {
        for (to = from + 1; to < count && lines[to].seed == lines[from].seed; to++)
            ;
        check_seed(&all, &lines[from], to - from);
    }
    table_free(&all);
}

TESTS("oracle",
      { "scikit-learn grows the same trees and predicts the same", sklearn_grows_the_same },
      { "scikit-learn reckons the same mean squared error", sklearn_reckons_the_same_error },
      { "the sweep over California housing is scikit-learn's to the last bit",
        california_is_the_same })
