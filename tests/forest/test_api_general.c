/* SPDX-License-Identifier: MIT */
/*
 * Classifiers, extra trees, other criteria and growth orders are scikit-learn's: every array of
 * every tree, every bit of every prediction, probability, out-of-bag score and importance.
 * golden/general.txt was written by oracle/make_golden.py with scikit-learn 1.2.1.
 */
#include "support.h"

#include <math.h>

#define SETS_MAX 32

struct set {
    char name[16];
    unsigned long long seed, rows, predicted, cols;
    unsigned classes, levels[64];
};

static struct set sets[SETS_MAX];
static unsigned sets_count;

static void read_set(FILE *f)
{
    REQUIRE(sets_count < SETS_MAX);
    struct set *s = &sets[sets_count++];
    REQUIRE(fscanf(f, "%15s %llu %llu %llu %u %llu", s->name, &s->seed, &s->rows, &s->predicted,
                   &s->classes, &s->cols) == 6);
    REQUIRE(s->cols <= 64);
    for (unsigned j = 0; j < s->cols; j++)
        REQUIRE(fscanf(f, "%u", &s->levels[j]) == 1);
}

static const struct set *read_case(FILE *f, struct forest_params *p, unsigned *weighted)
{
    char name[16];

    *p = (struct forest_params)FOREST_PARAMS_INIT;
    REQUIRE(fscanf(f, "%15s %u %u %u %u %u %u %u %u %lf %lf %lf %lf %u", name, weighted, &p->task,
                   &p->n_estimators, &p->seed, &p->max_depth, &p->min_samples_split,
                   &p->min_samples_leaf, &p->max_features, &p->max_features_value,
                   &p->min_weight_fraction_leaf, &p->min_impurity_decrease, &p->max_samples,
                   &p->no_bootstrap) == 14);
    REQUIRE(fscanf(f, "%u %u %u %u %u %lf %lf %lf", &p->criterion, &p->class_weight,
                   &p->max_leaf_nodes, &p->extra_trees, &p->bootstrap,
                   &p->min_samples_split_fraction, &p->min_samples_leaf_fraction,
                   &p->ccp_alpha) == 8);
    p->keep_stats = 1;
    for (unsigned i = 0; i < sets_count; i++)
        if (strcmp(sets[i].name, name) == 0)
            return &sets[i];
    CU_FAIL_FATAL("unknown data set");
    return NULL;
}

/* What classes_of() in make_golden.py computes. */
static void make_labels(struct table *t, unsigned classes)
{
    for (uint64_t i = 0; i < t->rows; i++)
        t->y[i] = (double)((uint64_t)fabs(t->y[i]) % classes) * 2 + 1.5;
}

/* A model of the table; in classification its labels are those of the table. */
static struct trained train_case(const struct table *t, bool weighted,
                                 const struct forest_params *params)
{
    struct table coded = *t;
    double labels[64];
    uint32_t classes = 0;

    REQUIRE(t->rows >= 1);
    if (params->task == FOREST_REGRESSION)
        return train_on(t, weighted, params);
    coded.y = malloc(t->rows * sizeof *coded.y);
    double *distinct = malloc(t->rows * sizeof *distinct);
    REQUIRE_OK(forest_encode(t->y, t->rows, coded.y, distinct, &classes));
    REQUIRE(classes <= 64);
    memcpy(labels, distinct, classes * sizeof *labels);
    struct trained m = train_on(&coded, weighted, params);
    forest_close(m.forest);
    REQUIRE_OK(forest_set_classes(m.block, m.bytes, labels, classes));
    REQUIRE_OK(forest_open(m.block, m.bytes, &m.forest, NULL));
    free(distinct);
    free(coded.y);
    return m;
}

/* One node in scikit-learn's terms: children by its numbers. */
static uint64_t hash_node(const struct forest *forest, uint32_t tree, uint64_t node,
                          const int64_t *id, uint64_t classes, uint64_t hash)
{
    struct forest_node n;
    double weights[64];

    REQUIRE_OK(forest_tree_node(forest, tree, node, &n));
    int64_t left = n.left < 0 ? -1 : id[n.left], right = n.right < 0 ? -1 : id[n.right];
    hash = fnv_more(hash, &left, 8);
    hash = fnv_more(hash, &right, 8);
    hash = fnv_more(hash, &n.feature, 8);
    hash = fnv_more(hash, &n.threshold, 8);
    hash = fnv_more(hash, &n.impurity, 8);
    hash = fnv_more(hash, &n.weighted_rows, 8);
    hash = fnv_more(hash, &n.rows, 8);
    if (!classes)
        return fnv_more(hash, &n.value, 8);
    REQUIRE_OK(forest_tree_weights(forest, tree, node, weights));
    return fnv_more(hash, weights, classes * 8);
}

static void check_tree(FILE *f, const struct forest *forest, uint32_t tree)
{
    struct forest_info info;
    unsigned long long nodes, expected;
    uint64_t count = 0, hash = FNV_START;

    forest_describe(forest, &info);
    REQUIRE(fscanf(f, " tree %llu %llx", &nodes, &expected) == 2);
    REQUIRE_OK(forest_tree_nodes(forest, tree, &count));
    CHECK_EQ(count, nodes);
    int64_t *id = calloc(count, sizeof *id), *at = calloc(count, sizeof *at);
    for (uint64_t i = 0; i < count; i++) {
        struct forest_node n;
        REQUIRE_OK(forest_tree_node(forest, tree, i, &n));
        REQUIRE(n.id < count);
        id[i] = (int64_t)n.id;
        at[n.id] = (int64_t)i;
    }
    for (uint64_t k = 0; k < count; k++)
        hash = hash_node(forest, tree, (uint64_t)at[k], id, info.classes, hash);
    CHECK(hash == expected);
    free(id);
    free(at);
}

static void check_answers(FILE *f, const struct forest *forest, const struct table *t)
{
    unsigned long long answers, leaves, importances;
    struct forest_matrix x = table_matrix(t);
    struct forest_info info;

    forest_describe(forest, &info);
    uint64_t width = info.classes ? info.classes : 1;
    double *p = calloc(t->rows * width, sizeof *p), by_feature[64];
    uint32_t *leaf = calloc(t->rows * info.trees, sizeof *leaf);
    REQUIRE(fscanf(f, " answers %llx %llx %llx", &answers, &leaves, &importances) == 3);
    if (info.classes)
        REQUIRE_OK(forest_predict_proba(forest, &x, p));
    else
        REQUIRE_OK(forest_predict(forest, &x, p));
    CHECK(fnv(p, t->rows * width * sizeof *p) == answers);
    REQUIRE_OK(forest_apply(forest, &x, leaf));
    CHECK(fnv(leaf, t->rows * info.trees * sizeof *leaf) == leaves);
    REQUIRE_OK(forest_importances(forest, by_feature));
    CHECK(fnv(by_feature, t->cols * sizeof *by_feature) == importances);
    free(p);
    free(leaf);
}

static void check_scores(FILE *f, const struct forest *forest, const struct table *t,
                         const struct forest_params *params, uint32_t seed)
{
    unsigned long long hash, mean_hash, deviation_hash;
    struct forest_matrix x = table_matrix(t);
    struct forest_info info;
    double expected, score = 0, mean[64], deviation[64];

    forest_describe(forest, &info);
    uint64_t cells = t->rows * (info.classes ? info.classes : 1);
    double *out = calloc(cells, sizeof *out);
    if (!params->no_bootstrap && (!params->extra_trees || params->bootstrap)) {
        REQUIRE(fscanf(f, " oob %llx %lf", &hash, &expected) == 2);
        REQUIRE_OK(forest_oob(forest, &x, t->y, out, &score));
        CHECK(fnv(out, cells * sizeof *out) == hash);
        CHECK(score == expected || (isnan(score) && isnan(expected)));
    } else {
        CHECK(forest_oob(forest, &x, t->y, out, &score) != 0);
    }
    if (t->rows > 1 && t->rows < 300) {
        REQUIRE(fscanf(f, " permuted %llx %llx", &mean_hash, &deviation_hash) == 2);
        REQUIRE_OK(
            forest_permutation_importances(forest, &x, t->y, 4, seed, mean, deviation));
        CHECK(fnv(mean, t->cols * sizeof *mean) == mean_hash);
        CHECK(fnv(deviation, t->cols * sizeof *deviation) == deviation_hash);
    }
    free(out);
}

static void check_case(FILE *f, unsigned number)
{
    struct forest_params params;
    unsigned weighted, failures = CU_get_number_of_failures();
    const struct set *s = read_case(f, &params, &weighted);
    struct table train = table_made(s->seed, s->rows, s->cols, s->levels);
    struct table test = table_made(s->seed + 1000, s->predicted, s->cols, s->levels);

    if (s->classes)
        make_labels(&train, s->classes);
    struct trained m = train_case(&train, weighted, &params);
    for (uint32_t i = 0; i < params.n_estimators; i++)
        check_tree(f, m.forest, i);
    check_answers(f, m.forest, &test);
    check_scores(f, m.forest, &train, &params, (uint32_t)s->seed);
    if (CU_get_number_of_failures() != failures)
        fprintf(stderr, "case %u (%s) differs\n", number, s->name);
    trained_free(&m);
    table_free(&train);
    table_free(&test);
}

static void sklearn_grows_the_same(void)
{
    FILE *f = golden_file("general.txt");
    char what[16];
    unsigned cases = 0;

    while (fscanf(f, "%15s", what) == 1) {
        if (strcmp(what, "set") == 0) {
            read_set(f);
        } else {
            REQUIRE(strcmp(what, "case") == 0);
            check_case(f, ++cases);
        }
    }
    CHECK_EQ(cases, 41);
    fclose(f);
}

TESTS("general",
      { "scikit-learn grows the same trees, answers and scores the same", sklearn_grows_the_same })
