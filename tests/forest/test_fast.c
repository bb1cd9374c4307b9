/* SPDX-License-Identifier: MIT */
/*
 * test_fast.c -- trees of the fast mode: every cut is the best one there is, by an exhaustive
 * search in other arithmetic; leaves are means; the tree is the same with all loops; forests are as
 * good as exact ones.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fast/fast.h"
#include "forest.h"
#include "test.h"

#define LARGE_LEAST 40u /* blocks of no more rows, so that what is for large trees is tested */

struct data {
    uint32_t rows, features;
    float *x; /* row after row */
    double *y, *w;
    void *block;
    struct prep prep;
};

static uint64_t random_state;

static double uniform(void)
{
    return (double)(test_random(&random_state) >> 11) * 0x1p-53;
}

static double normal(void)
{
    double sum = -6.0;

    for (int i = 0; i < 12; i++)
        sum += uniform();
    return sum;
}

static void prepare(struct data *d)
{
    struct prep_source source = { .data = d->x,
                                  .rows = d->rows,
                                  .cols = d->features,
                                  .row_stride = (ptrdiff_t)(d->features * sizeof *d->x),
                                  .col_stride = sizeof *d->x };
    size_t bytes;

    REQUIRE_OK(prep_bytes(d->rows, d->features, &bytes));
    d->block = aligned_alloc(64, (bytes + 63) / 64 * 64);
    REQUIRE(d->block != NULL);
    REQUIRE_OK(prep_build(&source, d->block, bytes));
    REQUIRE_OK(prep_open(d->block, bytes, &d->prep));
}

static struct data allot(uint32_t rows, uint32_t features)
{
    struct data d = { .rows = rows, .features = features };

    d.x = malloc((size_t)rows * features * sizeof *d.x);
    d.y = malloc(rows * sizeof *d.y);
    d.w = malloc(rows * sizeof *d.w);
    REQUIRE(d.x && d.y && d.w);
    return d;
}

enum weights { ONES, COUNTS, FRACTIONS, HEAVY }; /* HEAVY: whole, but too much for a rough search */
enum targets { SMOOTH, NARROW, FEW, HUGE_ONES };

/* Columns: continuous, of 5 values, of 40, constant, and so on again. */
static struct data make(uint64_t seed, uint32_t rows, uint32_t features, enum weights weights,
                        enum targets targets)
{
    struct data d = allot(rows, features);

    random_state = seed;
    for (uint32_t i = 0; i < rows; i++) {
        float *x = d.x + (size_t)i * features;
        for (uint32_t f = 0; f < features; f++) {
            double u = uniform();
            x[f] = f % 4 == 1   ? floorf((float)u * 5)
                   : f % 4 == 2 ? floorf((float)u * 40)
                   : f % 4 == 3 ? 3.5f
                                : (float)(u * 100 - 50);
        }
        double signal = (double)x[0] / 10 + (double)x[features > 1] + uniform();
        d.y[i] = targets == SMOOTH   ? signal
                 : targets == NARROW ? 1 + signal * 1e-7
                 : targets == FEW    ? floor(uniform() * 3)
                                     : signal * 1e200;
        d.w[i] = weights == ONES     ? 1.0
                 : weights == COUNTS ? floor(uniform() * 4)
                 : weights == HEAVY  ? floor(uniform() * 400)
                                     : floor(uniform() * 2) * (uniform() + 0.01);
    }
    d.w[0] = 1.0;
    prepare(&d);
    return d;
}

static void release(struct data *d)
{
    free(d->x);
    free(d->y);
    free(d->w);
    free(d->block);
}

static struct grow_limits no_limits(const struct data *d)
{
    return (struct grow_limits){ .max_depth = UINT32_MAX,
                                 .min_samples_split = 2,
                                 .min_samples_leaf = 1,
                                 .max_features = d->features };
}

static void grow(const struct data *d, const struct grow_limits *limits, uint32_t block_rows,
                 struct tree *tree)
{
    struct fast_scratch *s = fast_scratch_new();

    REQUIRE(s != NULL);
    fast_scratch_limit(s, block_rows);
    tree_init(tree);
    REQUIRE_OK(fast_grow(&d->prep, d->y, d->w, 1, limits, s, tree));
    fast_scratch_free(s);
}

/* ---- is it the best tree? ------------------------------------------------------------------ */

struct walk {
    const struct data *d;
    const struct grow_limits *limits;
    const struct tree *tree;
    long double weight_all;
    uint64_t wrong_leaves, wrong_cuts, missed_cuts, wrong_stats, inner;
};

struct totals {
    long double s, w, q;
    uint32_t n;
};

static void add(struct totals *t, const struct data *d, uint32_t row, long double centre)
{
    long double y = (long double)d->y[row] - centre, w = (long double)d->w[row];

    t->s += w * y;
    t->w += w;
    t->q += w * y * y;
    t->n++;
}

static long double error(const struct totals *t)
{
    return t->q - t->s * t->s / t->w;
}

static const struct data *sorted_data;
static uint32_t sorted_feature;

static float value(const struct data *d, uint32_t row, uint32_t feature)
{
    return d->x[(size_t)row * d->features + feature];
}

static int by_value(const void *a, const void *b)
{
    float x = value(sorted_data, *(const uint32_t *)a, sorted_feature);
    float y = value(sorted_data, *(const uint32_t *)b, sorted_feature);

    return (x > y) - (x < y);
}

static bool is_allowed(const struct walk *w, const struct totals *left, const struct totals *right)
{
    long double least = (long double)w->limits->min_weight_leaf;

    return left->n >= w->limits->min_samples_leaf && right->n >= w->limits->min_samples_leaf &&
           left->w >= least * (1 - 1e-6L) && right->w >= least * (1 - 1e-6L);
}

/* By how much the best cut, or only that at `threshold` of `feature`, lowers the squared error. */
static long double decrease(const struct walk *w, const uint32_t *rows, uint32_t n,
                            uint32_t feature, const double *threshold, long double centre)
{
    struct totals all = { 0 }, left = { 0 };
    long double best = 0;
    uint32_t *order = malloc(n * sizeof *order);

    REQUIRE(order != NULL);
    memcpy(order, rows, n * sizeof *order);
    sorted_data = w->d;
    sorted_feature = feature;
    qsort(order, n, sizeof *order, by_value);
    for (uint32_t i = 0; i < n; i++)
        add(&all, w->d, order[i], centre);
    for (uint32_t i = 0; i + 1 < n; i++) {
        float below = value(w->d, order[i], feature), above = value(w->d, order[i + 1], feature);
        add(&left, w->d, order[i], centre);
        struct totals right = { all.s - left.s, all.w - left.w, all.q - left.q, n - left.n };
        if (below == above || !is_allowed(w, &left, &right) ||
            (threshold && !((double)below <= *threshold && *threshold < (double)above)))
            continue;
        long double here = error(&all) - error(&left) - error(&right);
        best = here > best ? here : best;
    }
    free(order);
    return best;
}

static void check_leaf(struct walk *w, const struct node *node, const struct totals *all,
                       long double centre, long double best, uint32_t depth)
{
    bool may_split = depth < w->limits->max_depth && all->n >= w->limits->min_samples_split &&
                     all->w >= 2 * (long double)w->limits->min_weight_leaf * (1 + 1e-6L);
    long double mean = all->s / all->w + centre, slack = sqrtl(fabsl(error(all) / all->w));

    w->wrong_leaves +=
        !(fabsl((long double)node->number - mean) <= 1e-6L * slack + 1e-14L * fabsl(mean));
    w->missed_cuts +=
        may_split && best > 1e-6L * error(all) && best > 1e-25L * centre * centre &&
        best / w->weight_all > (long double)w->limits->min_impurity_decrease * (1 + 1e-6L);
}

static void check_node(struct walk *w, uint32_t id, uint32_t *rows, uint32_t n, uint32_t depth)
{
    const struct node *node = &w->tree->nodes[id];
    long double centre = (long double)w->d->y[rows[0]], best = 0;
    struct totals all = { 0 };

    for (uint32_t i = 0; i < n; i++)
        add(&all, w->d, rows[i], centre);
    for (uint32_t f = 0; f < w->d->features; f++) {
        long double here = decrease(w, rows, n, f, NULL, centre);
        best = here > best ? here : best;
    }
    if (w->tree->stats) {
        const struct node_stats *s = &w->tree->stats[id];
        long double impurity = error(&all) / all.w;
        w->wrong_stats += s->rows != n ||
                          fabsl((long double)s->weighted_rows - all.w) > 1e-9L * all.w ||
                          fabsl((long double)s->impurity - impurity) >
                              1e-6L * impurity + 1e-30L * centre * centre;
    }
    if (node_is_leaf(node)) {
        check_leaf(w, node, &all, centre, best, depth);
        return;
    }
    long double got = decrease(w, rows, n, node->feature, &node->number, centre);
    w->inner++;
    w->wrong_cuts += !(got > 0 && got >= best * (1 - 1e-3L)) || depth >= w->limits->max_depth ||
                     n < w->limits->min_samples_split;
    uint32_t *right = malloc(n * sizeof *right), at = 0, behind = 0;
    REQUIRE(right != NULL);
    for (uint32_t i = 0; i < n; i++)
        *((double)value(w->d, rows[i], node->feature) <= node->number ? &rows[at++]
                                                                      : &right[behind++]) = rows[i];
    memcpy(rows + at, right, behind * sizeof *rows);
    free(right);
    REQUIRE(at > 0 && behind > 0);
    check_node(w, id + 1, rows, at, depth + 1);
    check_node(w, node->right, rows + at, behind, depth + 1);
}

static void check_tree(const struct data *d, const struct grow_limits *limits,
                       const struct tree *tree)
{
    struct walk w = { .d = d, .limits = limits, .tree = tree };
    uint32_t n = 0, *rows = malloc(d->rows * sizeof *rows);

    REQUIRE(rows != NULL);
    for (uint32_t i = 0; i < d->rows; i++) {
        w.weight_all += (long double)d->w[i];
        if (d->w[i] > 0.0)
            rows[n++] = i;
    }
    check_node(&w, 0, rows, n, 0);
    CHECK_EQ(w.wrong_leaves, 0);
    CHECK_EQ(w.wrong_cuts, 0);
    CHECK_EQ(w.missed_cuts, 0);
    CHECK_EQ(w.wrong_stats, 0);
    CHECK(w.inner == tree->count / 2);
    free(rows);
}

static void cuts_are_the_best(void)
{
    for (uint32_t seed = 1; seed <= 24; seed++) {
        struct data d = make(seed, seed % 4 == 0 ? 5 : 400 + seed * 40, seed % 5 == 0 ? 17 : 5,
                             (enum weights)(seed % 3), (enum targets)(seed / 3 % 4));
        struct grow_limits limits = no_limits(&d);
        struct tree tree;

        limits.keep_stats = seed & 1 && seed / 3 % 4 != HUGE_ONES; /* whose squares are infinite */
        grow(&d, &limits, seed % 2 ? UINT32_MAX : LARGE_LEAST, &tree);
        CHECK(seed % 4 == 0 || tree.count > 100);
        check_tree(&d, &limits, &tree);
        tree_release(&tree);
        release(&d);
    }
}

static void keeps_the_limits(void)
{
    for (uint32_t seed = 1; seed <= 12; seed++) {
        struct data d = make(seed, 700, 4, (enum weights)(seed % 3), SMOOTH);
        struct grow_limits limits = no_limits(&d);
        struct tree tree;

        limits.max_depth = seed % 6 == 1 ? 4 : UINT32_MAX;
        limits.min_samples_split = seed % 6 == 2 ? 40 : 2;
        limits.min_samples_leaf = seed % 6 == 3 ? 3 : seed % 6 == 0 ? 25 : 1;
        limits.min_weight_leaf = seed % 6 == 4 ? 12.5 : 0.0;
        limits.min_impurity_decrease = seed % 6 == 5 ? 0.01 : 0.0;
        grow(&d, &limits, seed < 7 ? UINT32_MAX : LARGE_LEAST, &tree);
        CHECK(tree.count > 10);
        check_tree(&d, &limits, &tree);
        tree_release(&tree);
        release(&d);
    }
}

/* ---- is it always the same tree? ----------------------------------------------------------- */

static bool same(const struct tree *a, const struct tree *b)
{
    return a->count == b->count && a->depth == b->depth &&
           !memcmp(a->nodes, b->nodes, a->count * sizeof *a->nodes) &&
           !memcmp(a->stats, b->stats, a->count * sizeof *a->stats);
}

static struct grow_limits any_limits(const struct data *d)
{
    struct grow_limits l = no_limits(d);

    l.keep_stats = true;
    l.max_depth = uniform() < 0.2 ? 4 : UINT32_MAX;
    l.min_samples_split = uniform() < 0.8 ? 2 : 7;
    l.min_samples_leaf = uniform() < 0.7 ? 1 : 1 + (uint32_t)(uniform() * 12);
    l.max_features = 1 + (uint32_t)(uniform() * d->features);
    l.min_weight_leaf = uniform() < 0.8 ? 0.0 : uniform() * 6;
    return l;
}

static void is_the_same_with_all_loops(void)
{
    for (uint32_t c = 0; c < 120; c++) {
        random_state = test_seed + c;
        uint32_t rows = 1 + (uint32_t)(uniform() * (c % 10 ? 300 : 4000));
        uint32_t features = 1 + (uint32_t)(uniform() * 20);
        struct data d =
            make(test_seed + c, rows, features, (enum weights)(c % 4), (enum targets)(c / 4 % 4));
        struct grow_limits limits = any_limits(&d);
        uint32_t block_rows = c % 4 ? UINT32_MAX : LARGE_LEAST;
        struct tree first, other;

        grow(&d, &limits, block_rows, &first);
        for (uint32_t level = KERNELS_PLAIN; level <= KERNELS_AVX512; level++) {
            struct fast_scratch *s = fast_scratch_new();
            REQUIRE(s != NULL);
            fast_scratch_limit(s, block_rows);
            tree_init(&other);
            for (int again = 0; again < 2 && !fast_scratch_level(s, level); again++) {
                REQUIRE_OK(fast_grow(&d.prep, d.y, d.w, 1, &limits, s, &other));
                CHECK(same(&first, &other));
            }
            tree_release(&other);
            fast_scratch_free(s);
        }
        tree_release(&first);
        release(&d);
    }
}

/* As doubles tell them apart, and floats do not. */
static void is_the_same_at_limits_beside_whole_weights(void)
{
    for (uint32_t seed = 1; seed <= 40; seed++) {
        struct data d = make(seed, 600, 6, (enum weights)(seed % 2), FEW);
        struct grow_limits limits = no_limits(&d);
        struct fast_scratch *s = fast_scratch_new();
        struct tree plain, best;

        REQUIRE(s != NULL);
        limits.keep_stats = true;
        limits.min_weight_leaf = nextafter(6 + seed % 16, 1000);
        REQUIRE_OK(fast_scratch_level(s, KERNELS_PLAIN));
        tree_init(&plain);
        REQUIRE_OK(fast_grow(&d.prep, d.y, d.w, 1, &limits, s, &plain));
        grow(&d, &limits, UINT32_MAX, &best);
        CHECK(same(&plain, &best));
        tree_release(&plain);
        tree_release(&best);
        fast_scratch_free(s);
        release(&d);
    }
}

/* All targets but one are closer to each other than a rough search can tell. */
static void tells_small_differences_beside_a_large_one(void)
{
    for (uint32_t seed = 1; seed <= 6; seed++) {
        struct data d = make(seed, 300, 4, ONES, SMOOTH);
        struct grow_limits limits = no_limits(&d);
        struct fast_scratch *s = fast_scratch_new();
        struct tree tree;

        REQUIRE(s != NULL);
        for (uint32_t i = 0; i < d.rows; i++)
            d.y[i] = i == 7 * seed ? 1000.0 : d.y[i] * 1e-5;
        for (uint32_t level = KERNELS_PLAIN; level <= KERNELS_AVX512; level++) {
            if (fast_scratch_level(s, level))
                continue;
            tree_init(&tree);
            REQUIRE_OK(fast_grow(&d.prep, d.y, d.w, 1, &limits, s, &tree));
            CHECK_EQ(tree.count, 2 * d.rows - 1);
            check_tree(&d, &limits, &tree);
            tree_release(&tree);
        }
        fast_scratch_free(s);
        release(&d);
    }
}

/* Sums in the search are of whole numbers, and those of these targets are exact as well. */
static void does_not_depend_on_the_order_of_rows(void)
{
    for (uint32_t seed = 1; seed <= 8; seed++) {
        struct data d = make(seed, 2000, 5, COUNTS, SMOOTH), back = allot(d.rows, d.features);
        struct grow_limits limits = no_limits(&d);
        struct tree a, b;

        limits.keep_stats = true;
        d.w[0] = 0.0;
        for (uint32_t i = 0; i < d.rows; i++) {
            uint32_t from = d.rows - 1 - i;
            d.y[from] = floor(d.y[from] * 64);
            memcpy(back.x + (size_t)i * d.features, d.x + (size_t)from * d.features,
                   d.features * sizeof *d.x);
            back.y[i] = d.y[from];
            back.w[i] = d.w[from];
        }
        prepare(&back);
        grow(&d, &limits, seed & 1 ? UINT32_MAX : LARGE_LEAST, &a);
        grow(&back, &limits, seed & 1 ? UINT32_MAX : LARGE_LEAST, &b);
        CHECK_EQ(a.count, b.count);
        CHECK(a.count > 1000);
        CHECK(!memcmp(a.nodes, b.nodes, a.count * sizeof *a.nodes));
        tree_release(&a);
        tree_release(&b);
        release(&d);
        release(&back);
    }
}

/* ---- odd numbers ----------------------------------------------------------------------------- */

static void refuses_bad_values_and_limits(void)
{
    struct data d = make(1, 50, 2, ONES, SMOOTH);
    struct grow_limits limits = no_limits(&d);
    struct fast_scratch *s = fast_scratch_new();
    struct tree tree;

    REQUIRE(s != NULL);
    tree_init(&tree);
    limits.max_features = 3;
    CHECK_EQ(fast_grow(&d.prep, d.y, d.w, 1, &limits, s, &tree), -EINVAL);
    limits.max_features = 2;
    limits.min_weight_leaf = NAN;
    CHECK_EQ(fast_grow(&d.prep, d.y, d.w, 1, &limits, s, &tree), -EINVAL);
    limits.min_weight_leaf = 0;
    d.y[7] = NAN;
    CHECK_EQ(fast_grow(&d.prep, d.y, d.w, 1, &limits, s, &tree), -EINVAL);
    d.y[7] = 1;
    d.w[7] = -1;
    CHECK_EQ(fast_grow(&d.prep, d.y, d.w, 1, &limits, s, &tree), -EINVAL);
    memset(d.w, 0, d.rows * sizeof *d.w);
    CHECK_EQ(fast_grow(&d.prep, d.y, d.w, 1, &limits, s, &tree), -EINVAL);
    CHECK_EQ(tree.count, 0);
    tree_release(&tree);
    fast_scratch_free(s);
    release(&d);
}

/* Targets and weights at the ends of what doubles hold. */
static void survives_extreme_numbers(void)
{
    static const double scales[] = { 1e-300, 1e-5, 1e9, 1e300 };

    for (int i = 0; i < 16; i++) {
        struct data d = make(9, 600, 3, ONES, SMOOTH);
        struct grow_limits limits = no_limits(&d);
        struct tree tree;
        double low = INFINITY, high = -INFINITY;
        for (uint32_t r = 0; r < d.rows; r++) {
            d.y[r] *= scales[i % 4];
            d.w[r] = (uniform() + 0.1) * scales[i / 4];
            low = d.y[r] < low ? d.y[r] : low;
            high = d.y[r] > high ? d.y[r] : high;
        }
        grow(&d, &limits, UINT32_MAX, &tree);
        CHECK(tree.count > 400);
        uint64_t outside = 0;
        for (uint32_t n = 0; n < tree.count; n++)
            outside +=
                node_is_leaf(&tree.nodes[n]) && !(tree.nodes[n].number >= low - 1e-9 * fabs(low) &&
                                                  tree.nodes[n].number <= high + 1e-9 * fabs(high));
        CHECK_EQ(outside, 0);
        tree_release(&tree);
        release(&d);
    }
}

/* ---- by the public names --------------------------------------------------------------------- */

/* Friedman's functions: 0: his first; 1: his second, scaled; 2: the first in steps; 3: no noise. */
static struct data friedman(int kind, uint64_t seed, uint32_t rows)
{
    struct data d = allot(rows, kind == 1 ? 4 : 10);

    random_state = seed;
    for (uint32_t i = 0; i < rows; i++) {
        float *x = d.x + (size_t)i * d.features;
        for (uint32_t f = 0; f < d.features; f++)
            x[f] = kind == 2 ? floorf((float)uniform() * 12) / 12 : (float)uniform();
        double a = (double)x[0], b = (double)x[1], c = (double)x[2], e = (double)x[3];
        double second = b * 2 - 1 / ((b + 0.2) * (e + 0.1));
        d.y[i] = kind == 1 ? sqrt(a * a + second * second) + 0.3 * normal()
                           : 10 * sin(M_PI * a * b) + 20 * (c - 0.5) * (c - 0.5) + 10 * e +
                                 5 * (double)x[4] + (kind == 3 ? 0.0 : normal());
        d.w[i] = 1.0;
    }
    return d;
}

static double mse_of(const struct data *d, uint32_t train, uint32_t mode, uint32_t seed)
{
    struct forest_params p = FOREST_PARAMS_INIT;
    struct forest_matrix x = forest_matrix_rows(d->x, train, d->features, FOREST_FLOAT32);
    struct forest_matrix test = forest_matrix_rows(d->x + (size_t)train * d->features,
                                                   d->rows - train, d->features, FOREST_FLOAT32);
    double *answer = malloc((d->rows - train) * sizeof *answer);
    struct forest *forest;
    void *model;
    size_t bytes;

    REQUIRE(answer != NULL);
    p.n_estimators = 20;
    p.seed = seed;
    p.mode = mode;
    REQUIRE_OK(forest_train(&x, d->y, NULL, &p, NULL, &model, &bytes));
    REQUIRE_OK(forest_open(model, bytes, &forest, NULL));
    REQUIRE_OK(forest_predict(forest, &test, answer));
    double mse = forest_mean_squared_error(d->y + train, answer, d->rows - train);
    forest_close(forest);
    free(model);
    free(answer);
    return mse;
}

/* The mean difference over many seeds is within what seeds make of it. */
static void is_as_good_as_exact(void)
{
    for (int kind = 0; kind < 4; kind++) {
        enum { SEEDS = 24 };
        double sum = 0.0, squares = 0.0, exact = 0.0;
        for (uint32_t seed = 1; seed <= SEEDS; seed++) {
            struct data d = friedman(kind, seed, 1200);
            double here = mse_of(&d, 800, FOREST_EXACT, seed);
            double more = mse_of(&d, 800, FOREST_FAST, seed) - here;
            exact += here / SEEDS;
            sum += more;
            squares += more * more;
            free(d.x);
            free(d.y);
            free(d.w);
        }
        double mean = sum / SEEDS;
        double deviation = sqrt((squares / SEEDS - mean * mean) / (SEEDS - 1));
        printf("    mse: exact %.5f, fast %+.5f +- %.5f\n", exact, mean, deviation);
        CHECK(mean < 3 * deviation);
        CHECK(mean < 0.01 * exact);
    }
}

/*
 * Friedman's criterion finds the same cuts, but is not divided by the weight of the tree where it is
 * compared with a limit.
 */
static void friedman_is_the_same_but_for_limits(void)
{
    struct data d = friedman(0, 3, 700);
    struct forest_matrix x = forest_matrix_rows(d.x, d.rows, d.features, FOREST_FLOAT32);
    double least[] = { 0.0, 0.05 };

    for (int i = 0; i < 2; i++) {
        struct forest_params p = FOREST_PARAMS_INIT;
        struct forest_info info[2];
        p.mode = FOREST_FAST;
        p.n_estimators = 3;
        p.no_bootstrap = 1;
        p.max_features = FOREST_MAX_FEATURES_SQRT;
        for (int k = 0; k < 2; k++) {
            struct forest *forest;
            void *model;
            size_t bytes;
            p.criterion = k ? FOREST_FRIEDMAN_MSE : FOREST_SQUARED_ERROR;
            p.min_impurity_decrease = k ? least[i] * d.rows : least[i];
            REQUIRE_OK(forest_train(&x, d.y, NULL, &p, NULL, &model, &bytes));
            REQUIRE_OK(forest_open(model, bytes, &forest, NULL));
            forest_describe(forest, &info[k]);
            forest_close(forest);
            free(model);
        }
        CHECK(info[0].nodes == info[1].nodes && info[0].depth == info[1].depth);
        CHECK((info[0].nodes < 1000) == (i == 1)); /* of 1,399 a tree */
    }
    free(d.x);
    free(d.y);
    free(d.w);
}

static void refuses_other_modes(void)
{
    struct data d = make(6, 100, 3, ONES, SMOOTH);
    struct forest_matrix x = forest_matrix_rows(d.x, d.rows, d.features, FOREST_FLOAT32);
    struct forest_params p = FOREST_PARAMS_INIT;
    size_t bytes;
    void *model;

    p.mode = FOREST_FAST + 1;
    CHECK_EQ(forest_train(&x, d.y, NULL, &p, NULL, &model, &bytes), -EINVAL);
    release(&d);
}

TESTS("fast trees", { "every cut is the best of its node", cuts_are_the_best },
      { "limits are kept", keeps_the_limits },
      { "the same tree with all loops", is_the_same_with_all_loops },
      { "the same tree at limits beside whole weights",
        is_the_same_at_limits_beside_whole_weights },
      { "small differences beside a large one are told",
        tells_small_differences_beside_a_large_one },
      { "the order of rows does not matter", does_not_depend_on_the_order_of_rows },
      { "bad values and limits are refused", refuses_bad_values_and_limits },
      { "the largest and smallest numbers", survives_extreme_numbers },
      { "as good as exact forests", is_as_good_as_exact },
      { "Friedman's criterion", friedman_is_the_same_but_for_limits },
      { "a mode that there is not is refused", refuses_other_modes })
