/* SPDX-License-Identifier: MIT */
/* Trees taken apart and made again, and what is no tree. */
#include "support.h"

#include <errno.h>
#include <math.h>

/* A tree as forest_tree_make() takes it, its nodes in a mixed order or by their ids. */
struct parts {
    struct forest_node *nodes;
    double *shares, *weights;
    struct forest_tree_source source;
};

static struct parts take_apart(const struct trained *m, uint32_t tree, uint64_t *seed)
{
    struct forest_info info;
    uint64_t count;

    forest_describe(m->forest, &info);
    REQUIRE_OK(forest_tree_nodes(m->forest, tree, &count));
    size_t classes = info.classes, cells = count * (classes ? classes : 1);
    struct parts p = { calloc(count, sizeof *p.nodes), calloc(cells, sizeof(double)),
                       calloc(cells, sizeof(double)), .source.classes = (uint32_t)classes };
    uint64_t *place = calloc(count, sizeof *place);
    for (uint64_t i = 0; i < count; i++)
        place[i] = i;
    for (uint64_t i = count; i-- > 2;) { /* the root stays */
        uint64_t j = 1 + test_random(seed) % i, t = place[i];
        place[i] = place[j], place[j] = t;
    }
    for (uint64_t i = 0; info.params.max_leaf_nodes && i < count; i++) {
        struct forest_node n;
        REQUIRE_OK(forest_tree_node(m->forest, tree, i, &n));
        place[i] = n.id;
    }
    for (uint64_t i = 0; i < count; i++) {
        struct forest_node *n = &p.nodes[place[i]];
        REQUIRE_OK(forest_tree_node(m->forest, tree, i, n));
        if (classes && n->left < 0)
            REQUIRE_OK(forest_tree_shares(m->forest, tree, i, p.shares + place[i] * classes));
        if (classes && info.params.keep_stats)
            REQUIRE_OK(forest_tree_weights(m->forest, tree, i, p.weights + place[i] * classes));
        if (n->left >= 0) {
            n->left = (int64_t)place[n->left];
            n->right = (int64_t)place[n->right];
        }
        n->id = 4711;
    }
    free(place);
    p.source.nodes = p.nodes;
    p.source.count = count;
    p.source.shares = p.shares;
    p.source.weights = p.weights;
    return p;
}

static void parts_free(struct parts *p)
{
    free(p->nodes);
    free(p->shares);
    free(p->weights);
}

static void made_again(const struct table *t, const struct forest_params *params)
{
    struct trained m = train_on(t, true, params);
    struct forest_tree trees[4];
    uint64_t seed = test_seed;
    size_t bytes;

    for (uint32_t i = 0; i < 4; i++) {
        struct parts p = take_apart(&m, i, &seed);
        void *tree;
        REQUIRE_OK(forest_tree_make(params, t->cols, i, &p.source, &tree, &trees[i].bytes));
        trees[i].data = tree;
        parts_free(&p);
    }
    REQUIRE_OK(forest_assemble_size(trees, 4, &bytes));
    CHECK_EQ(bytes, m.bytes);
    void *block = aligned_alloc(64, bytes);
    REQUIRE_OK(forest_assemble(params, t->cols, trees, 4, block, bytes));
    CHECK(bytes == m.bytes && !memcmp(block, m.block, bytes));
    free(block);
    for (uint32_t i = 0; i < 4; i++) {
        union {
            const void *lent;
            void *ours;
        } tree = { trees[i].data };
        free(tree.ours);
    }
    trained_free(&m);
}

/* Byte for byte the same model, whatever order the nodes came in. */
static void a_tree_survives_being_taken_apart(void)
{
    for (int kind = 0; kind < 16; kind++) {
        struct table t = table_mixed(70, 300, 4);
        struct forest_params params = FOREST_PARAMS_INIT;
        params.n_estimators = 4;
        params.keep_stats = kind & 1;
        params.max_leaf_nodes = kind & 2 ? 20 : 0;
        params.ccp_alpha = kind & 4 ? 1e-3 : 0;
        params.task = kind & 8 ? FOREST_CLASSIFICATION : FOREST_REGRESSION;
        params.min_samples_leaf = 3;
        params.max_features = FOREST_MAX_FEATURES_SQRT;
        if (params.max_leaf_nodes && params.ccp_alpha > 0)
            params.max_leaf_nodes = 0, params.extra_trees = 1; /* pruned, it forgets the numbers */
        if (kind & 8)
            table_classes(&t, 5);
        made_again(&t, &params);
        table_free(&t);
    }
}

/* (x0 <= 0.5 ? 1 : (x1 <= 2 ? 2 : 3)), the right side written first. */
static const struct forest_node good[5] = {
    { .left = 4, .right = 1, .feature = 0, .threshold = 0.5, .value = 1 },
    { .left = 3, .right = 2, .feature = 1, .threshold = 2 },
    { .left = -1, .right = -1, .feature = -2, .value = 3 },
    { .left = -1, .right = -1, .feature = -2, .value = 2 },
    { .left = -1, .right = -1, .feature = -2, .value = 1 },
};

static int try_make(const struct forest_params *params, const struct forest_tree_source *source)
{
    void *tree = NULL;
    size_t bytes = 4711;
    int err = forest_tree_make(params, 2, 0, source, &tree, &bytes);

    CHECK(err ? tree == NULL && bytes == 4711 : tree != NULL && bytes > 128);
    free(tree);
    return err;
}

static void what_is_no_tree_is_refused(void)
{
    struct forest_params params = FOREST_PARAMS_INIT;
    struct forest_node n[5];
    struct forest_tree_source source = { .nodes = n, .count = 5 };
    static const struct {
        int node;
        struct forest_node is;
    } bad[] = {
        { 0, { .left = 0, .right = 1 } },               /* itself */
        { 0, { .left = 4, .right = 4 } },               /* twins */
        { 1, { .left = 3, .right = 0 } },               /* a circle */
        { 1, { .left = 3, .right = 5 } },               /* no node */
        { 1, { .left = 3, .right = -1 } },              /* half a leaf */
        { 1, { .left = -1, .right = 2 } },              /* the other half */
        { 1, { .left = -1, .right = -1 } },             /* two left over */
        { 1, { .left = 3, .right = 2, .feature = 2 } }, /* of 0 and 1 */
        { 1, { .left = 3, .right = 2, .feature = -1 } },
        { 1, { .left = 3, .right = 2, .threshold = (double)NAN } },
        { 2, { .left = -1, .right = -1, .value = (double)NAN } },
    };

    params.n_estimators = 1;
    memcpy(n, good, sizeof n);
    CHECK_EQ(try_make(&params, &source), 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        memcpy(n, good, sizeof n);
        n[bad[i].node] = bad[i].is;
        CHECK_EQ(try_make(&params, &source), -EINVAL);
    }
    memcpy(n, good, sizeof n);
    params.keep_stats = 1;
    CHECK_EQ(try_make(&params, &source), 0);
    n[3].impurity = (double)INFINITY;
    CHECK_EQ(try_make(&params, &source), -EINVAL);
    n[3].impurity = 0;
    n[0].weighted_rows = (double)NAN;
    CHECK_EQ(try_make(&params, &source), -EINVAL);
    n[0].weighted_rows = 1;
    n[1].value = (double)NAN;
    CHECK_EQ(try_make(&params, &source), -EINVAL);
    source.count = 0;
    CHECK_EQ(try_make(&params, &source), -EINVAL);
    source.count = (uint64_t)INT32_MAX + 1;
    CHECK_EQ(try_make(&params, &source), -EINVAL);
    CHECK_EQ(try_make(&params, NULL), -EINVAL);
}

static void what_is_no_forest_is_refused(void)
{
    struct forest_params params = FOREST_PARAMS_INIT;
    struct forest_tree_source source = { .nodes = good, .count = 5 };
    void *tree = NULL;
    size_t bytes;

    params.n_estimators = 2;
    CHECK_EQ(forest_tree_make(&params, 2, 2, &source, &tree, &bytes), -EINVAL);
    CHECK_EQ(forest_tree_make(&params, 1, 0, &source, &tree, &bytes), -EINVAL);
    CHECK_EQ(forest_tree_make(&params, 0, 0, &source, &tree, &bytes), -EINVAL);
    CHECK_EQ(forest_tree_make(&params, UINT64_C(1) << 31, 0, &source, &tree, &bytes), -EINVAL);
    CHECK_EQ(forest_tree_make(&params, 2, 0, &source, NULL, &bytes), -EINVAL);
    CHECK_EQ(forest_tree_make(&params, 2, 0, &source, &tree, NULL), -EINVAL);
    source.reserved = 1;
    CHECK_EQ(try_make(&params, &source), -EINVAL);
    source.reserved = 0;
    source.classes = 2;
    CHECK_EQ(try_make(&params, &source), -EINVAL);
    params.min_samples_split = 1;
    CHECK_EQ(try_make(&params, &source), -EINVAL);
    CHECK(tree == NULL);
}

static void bad_shares_are_refused(void)
{
    struct forest_params params = FOREST_PARAMS_INIT;
    double shares[10] = { [4] = 1, [6] = 0.25, [7] = 0.75, [9] = 1 }, weights[10] = { 0 };
    struct forest_tree_source source = { good, 5, shares, weights, 2, 0 };
    const double bad[] = { -1e-9, 1.0001, (double)NAN, (double)INFINITY };

    params.task = FOREST_CLASSIFICATION;
    CHECK_EQ(try_make(&params, &source), 0);
    shares[0] = 7; /* of an inner node: not read */
    CHECK_EQ(try_make(&params, &source), 0);
    for (int i = 0; i < 4; i++) {
        shares[6] = bad[i];
        CHECK_EQ(try_make(&params, &source), -EINVAL);
    }
    shares[6] = 0.25;
    source.shares = NULL;
    CHECK_EQ(try_make(&params, &source), -EINVAL);
    source.shares = shares;
    source.classes = 0;
    CHECK_EQ(try_make(&params, &source), -EINVAL);
    source.classes = FOREST_CLASSES_MAX + 1;
    CHECK_EQ(try_make(&params, &source), -EINVAL);
    source.classes = 2;
    source.weights = NULL;
    CHECK_EQ(try_make(&params, &source), 0);
    params.keep_stats = 1;
    CHECK_EQ(try_make(&params, &source), -EINVAL);
    source.weights = weights;
    CHECK_EQ(try_make(&params, &source), 0);
    weights[1] = -1;
    CHECK_EQ(try_make(&params, &source), -EINVAL);
}

/* Shares are told of leaves, and are what a row that ends there gets. */
static void shares_are_those_of_predictions(void)
{
    struct table t = table_mixed(71, 200, 3);
    struct forest_params params = FOREST_PARAMS_INIT;
    double shares[4], proba[4];
    uint32_t leaf;

    table_classes(&t, 4);
    params.task = FOREST_CLASSIFICATION;
    params.n_estimators = 1;
    params.min_samples_leaf = 7;
    struct trained m = train_on(&t, false, &params);
    struct forest_matrix x = table_matrix(&t);
    x.rows = 1;
    REQUIRE_OK(forest_predict_proba(m.forest, &x, proba));
    REQUIRE_OK(forest_apply(m.forest, &x, &leaf));
    REQUIRE_OK(forest_tree_shares(m.forest, 0, leaf, shares));
    CHECK(!memcmp(shares, proba, sizeof shares));
    CHECK_EQ(forest_tree_shares(m.forest, 0, 0, shares), -EINVAL);
    CHECK_EQ(forest_tree_shares(m.forest, 1, 0, shares), -ERANGE);
    CHECK_EQ(forest_tree_shares(m.forest, 0, 1000, shares), -ERANGE);
    trained_free(&m);
    table_free(&t);
    t = table_mixed(71, 20, 3);
    params.task = FOREST_REGRESSION;
    m = train_on(&t, false, &params);
    CHECK_EQ(forest_tree_shares(m.forest, 0, 0, shares), -EINVAL);
    trained_free(&m);
    table_free(&t);
}

TESTS("forest: trees made of nodes",
      { "a tree survives being taken apart", a_tree_survives_being_taken_apart },
      { "what is no tree is refused", what_is_no_tree_is_refused },
      { "what is no forest is refused", what_is_no_forest_is_refused },
      { "bad shares are refused", bad_shares_are_refused },
      { "shares are those of predictions", shares_are_those_of_predictions })
