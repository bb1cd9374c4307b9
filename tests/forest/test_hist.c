/* SPDX-License-Identifier: MIT */
/*
 * test_hist.c -- histogram trees: every cut is the best one there is, by an exhaustive search in
 * other arithmetic; leaves are means; the tree is the same with all loops and sizes of nodes.
 */
#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "forest.h"
#include "hist/hist.h"
#include "hist/hist_lanes.h"
#include "test.h"

/* ---- data -------------------------------------------------------------------------------- */

struct data {
    uint32_t rows, features;
    float *x; /* row after row */
    double *y, *w;
    void *block;
    size_t bytes;
    struct bins bins;
};

static uint64_t random_state;

static double uniform(void)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (double)(random_state >> 11) * 0x1p-53;
}

static struct prep_source source_of(const struct data *d)
{
    return (struct prep_source){ .data = d->x,
                                 .rows = d->rows,
                                 .cols = d->features,
                                 .row_stride = (ptrdiff_t)(d->features * sizeof *d->x),
                                 .col_stride = sizeof *d->x };
}

static void bin(struct data *d)
{
    struct prep_source source = source_of(d);

    REQUIRE_OK(bins_bytes(d->rows, d->features, &d->bytes));
    d->block = malloc(d->bytes);
    REQUIRE(d->block != NULL);
    REQUIRE_OK(bins_build(&source, d->block, d->bytes));
    REQUIRE_OK(bins_open(d->block, d->bytes, &d->bins));
}

enum weights { ONES, COUNTS, FRACTIONS };

/* Columns: continuous, of 7 values, constant, continuous with NaNs (if asked), and so on again. */
static struct data make(uint64_t seed, uint32_t rows, uint32_t features, enum weights weights,
                        bool has_nan)
{
    struct data d = { .rows = rows, .features = features };

    random_state = seed;
    d.x = malloc((size_t)rows * features * sizeof *d.x);
    d.y = malloc(rows * sizeof *d.y);
    d.w = malloc(rows * sizeof *d.w);
    REQUIRE(d.x && d.y && d.w);
    for (uint32_t i = 0; i < rows; i++) {
        float *x = d.x + (size_t)i * features;
        for (uint32_t f = 0; f < features; f++) {
            double u = uniform();
            x[f] = f % 4 == 1 ? floorf((float)u * 7) : f % 4 == 2 ? 3.5f : (float)(u * 100 - 50);
            if (f % 4 == 3 && has_nan && uniform() < 0.2)
                x[f] = NAN;
        }
        double signal = x[0] > 0 ? 5 : 0;
        if (features > 3)
            signal += isnan(x[3]) ? 11 : (double)x[3] / 10 + (double)x[1];
        d.y[i] = 1000 + signal + uniform();
        d.w[i] = weights == ONES     ? 1.0
                 : weights == COUNTS ? floor(uniform() * 4)
                                     : floor(uniform() * 2) * (uniform() + 0.01);
    }
    bin(&d);
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

/* ---- is it the best tree? ------------------------------------------------------------------ */

struct walk {
    const struct data *d;
    const struct grow_limits *limits;
    const struct tree *tree;
    uint32_t *rows;
    double weight_all;
    uint64_t wrong_leaves, wrong_cuts, missed_cuts, inner;
};

struct totals {
    long double s, w, q;
    uint32_t n;
};

static void add(struct totals *s, const struct data *d, uint32_t row)
{
    long double y = (long double)d->y[row] - 1000;

    s->s += (long double)d->w[row] * y;
    s->w += (long double)d->w[row];
    s->q += (long double)d->w[row] * y * y;
    s->n++;
}

static long double error(const struct totals *s)
{
    return s->w > 0 ? s->q - s->s * s->s / s->w : 0;
}

/* The decrease of squared error by a cut; -1 if it is not allowed. */
static long double decrease(const struct walk *w, const uint32_t *rows, uint32_t n,
                            uint32_t feature, double threshold)
{
    const struct data *d = w->d;
    struct totals all = { 0 }, left = { 0 }, right = { 0 };

    for (uint32_t i = 0; i < n; i++) {
        add(&all, d, rows[i]);
        add((double)d->x[(size_t)rows[i] * d->features + feature] <= threshold ? &left : &right, d,
            rows[i]);
    }
    if (left.n < w->limits->min_samples_leaf || right.n < w->limits->min_samples_leaf || !left.n ||
        !right.n || (double)left.w < w->limits->min_weight_leaf ||
        (double)right.w < w->limits->min_weight_leaf)
        return -1;
    return error(&all) - error(&left) - error(&right);
}

static long double best_decrease(const struct walk *w, const uint32_t *rows, uint32_t n)
{
    long double best = 0;

    for (uint32_t f = 0; f < w->d->features; f++)
        for (uint32_t c = 0; c < BINS_MAX - 1; c++) {
            if (c && bins_edge(&w->d->bins, f, c) == bins_edge(&w->d->bins, f, c - 1))
                break;
            long double here = decrease(w, rows, n, f, bins_edge(&w->d->bins, f, c));
            best = here > best ? here : best;
        }
    return best;
}

static void check_node(struct walk *w, uint32_t id, uint32_t *rows, uint32_t n, uint32_t depth)
{
    const struct node *node = &w->tree->nodes[id];
    struct totals all = { 0 };

    for (uint32_t i = 0; i < n; i++)
        add(&all, w->d, rows[i]);
    bool may_split = depth < w->limits->max_depth && n >= w->limits->min_samples_split;
    long double best = may_split ? best_decrease(w, rows, n) : 0;
    bool is_enough = (double)(best / (long double)w->weight_all) > w->limits->min_impurity_decrease;
    if (node_is_leaf(node)) {
        w->wrong_leaves += !(fabs(node->number - (double)(all.s / all.w) - 1000) < 1e-6);
        w->missed_cuts += may_split && is_enough && best > 1e-7L * (error(&all) + 1e-3L);
        return;
    }
    long double got = decrease(w, rows, n, node->feature, node->number);
    w->inner++;
    w->wrong_cuts += !(got > 0 && got >= best * (1 - 1e-4L) - 1e-9L && may_split);
    uint32_t *right = malloc(n * sizeof *right), at = 0, behind = 0;
    REQUIRE(right != NULL);
    for (uint32_t i = 0; i < n; i++) {
        bool goes_left =
            (double)w->d->x[(size_t)rows[i] * w->d->features + node->feature] <= node->number;
        *(goes_left ? &rows[at++] : &right[behind++]) = rows[i];
    }
    memcpy(rows + at, right, behind * sizeof *rows);
    free(right);
    check_node(w, id + 1, rows, at, depth + 1);
    check_node(w, node->right, rows + at, behind, depth + 1);
}

static void check_tree(const struct data *d, const struct grow_limits *limits,
                       const struct tree *tree)
{
    struct walk w = { .d = d, .limits = limits, .tree = tree };
    uint32_t n = 0;

    w.rows = malloc(d->rows * sizeof *w.rows);
    REQUIRE(w.rows != NULL);
    for (uint32_t i = 0; i < d->rows; i++) {
        w.weight_all += d->w[i];
        if (d->w[i] > 0.0)
            w.rows[n++] = i;
    }
    check_node(&w, 0, w.rows, n, 0);
    CHECK_EQ(w.wrong_leaves, 0);
    CHECK_EQ(w.wrong_cuts, 0);
    CHECK_EQ(w.missed_cuts, 0);
    CHECK(w.inner == tree->count / 2);
    free(w.rows);
}

static void grow(const struct data *d, const struct grow_limits *limits, struct tree *tree)
{
    struct hist_scratch *s = hist_scratch_new();

    REQUIRE(s != NULL);
    tree_init(tree);
    REQUIRE_OK(hist_grow(&d->bins, d->y, d->w, 1, limits, s, tree));
    hist_scratch_free(s);
}

static void cuts_are_the_best(void)
{
    for (uint64_t seed = 1; seed <= 9; seed++) {
        struct data d = make(seed, seed < 4 ? 5 : 500 + (uint32_t)seed * 60, seed % 3 == 0 ? 17 : 5,
                             (enum weights)(seed % 3), seed & 1);
        struct grow_limits limits = no_limits(&d);
        struct tree tree;

        grow(&d, &limits, &tree);
        CHECK(seed < 4 || tree.count > 100);
        check_tree(&d, &limits, &tree);
        tree_release(&tree);
        release(&d);
    }
}

static void keeps_the_limits(void)
{
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct data d = make(seed, 700, 4, (enum weights)(seed % 3), true);
        struct grow_limits limits = no_limits(&d);
        struct tree tree;

        limits.max_depth = seed == 1 ? 4 : UINT32_MAX;
        limits.min_samples_split = seed == 2 ? 40 : 2;
        limits.min_samples_leaf = seed == 3 ? 9 : 1;
        limits.min_weight_leaf = seed == 4 ? 12.5 : 0.0;
        limits.min_impurity_decrease = seed == 5 ? 0.01 : 0.0;
        grow(&d, &limits, &tree);
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

static void is_the_same_with_all_loops(void)
{
    static const uint32_t limits_of[][2] = {
        { HIST_LANES_ROWS, 4096 }, { 0, 0 }, { 50, 700 }, { 1000, 100 }, { UINT32_MAX / 2, 4096 }
    };
    static const uint32_t features[] = { 10, 40, 12, 43, 6, 28, 3, 25 }; /* full registers, or not */
    for (uint64_t seed = 1; seed <= 8; seed++) {
        struct data d = make(seed, 3000, features[seed - 1], (enum weights)(seed % 3), true);
        struct grow_limits limits = no_limits(&d);
        struct tree first, other;

        for (uint32_t i = 0; seed % 2 == 0 && i < d.rows; i++)
            d.y[i] = floor(d.y[i] / 4); /* many cuts are equally good */
        limits.keep_stats = true;
        limits.max_features = seed < 4 ? d.features : seed < 7 ? d.features / 2 : 2;
        limits.min_samples_leaf = seed == 3 ? 3 : 1;
        grow(&d, &limits, &first);
        for (uint32_t level = KERNELS_PLAIN; level <= KERNELS_AVX512; level++)
            for (size_t i = 0; i < sizeof limits_of / sizeof *limits_of; i++) {
                struct hist_scratch *s = hist_scratch_new();
                REQUIRE(s != NULL);
                if (!hist_scratch_level(s, (enum kernels_level)level)) {
                    hist_scratch_limit(s, limits_of[i][0], limits_of[i][1]);
                    tree_init(&other);
                    REQUIRE_OK(hist_grow(&d.bins, d.y, d.w, 1, &limits, s, &other));
                    CHECK(same(&first, &other));
                    REQUIRE_OK(hist_grow(&d.bins, d.y, d.w, 1, &limits, s, &other)); /* again */
                    CHECK(same(&first, &other));
                    tree_release(&other);
                }
                hist_scratch_free(s);
            }
        tree_release(&first);
        release(&d);
    }
}

/* The sums are of whole numbers, so that rows may come in any order. */
static void does_not_depend_on_the_order_of_rows(void)
{
    struct data d = make(5, 2000, 1, COUNTS, false), back = d;
    struct grow_limits limits = no_limits(&d);
    struct tree a, b;

    limits.keep_stats = true;
    limits.min_samples_leaf = 2; /* equal cuts of small nodes are told apart by their first row */
    back.x = malloc(d.rows * sizeof *d.x);
    back.y = malloc(d.rows * sizeof *d.y);
    back.w = malloc(d.rows * sizeof *d.w);
    REQUIRE(back.x && back.y && back.w);
    for (uint32_t i = 0; i < d.rows; i++) {
        back.x[i] = d.x[d.rows - 1 - i];
        back.y[i] = floor(d.y[d.rows - 1 - i] * 64); /* sums of these are exact */
        back.w[i] = d.w[d.rows - 1 - i];
    }
    for (uint32_t i = 0; i < d.rows; i++)
        d.y[i] = floor(d.y[i] * 64);
    bin(&back);
    grow(&d, &limits, &a);
    grow(&back, &limits, &b);
    CHECK_EQ(a.count, b.count);
    CHECK(!memcmp(a.nodes, b.nodes, a.count * sizeof *a.nodes));
    tree_release(&a);
    tree_release(&b);
    release(&d);
    release(&back);
}

/* ---- bins ------------------------------------------------------------------------------------ */

static void bins_part_as_their_edges_do(void)
{
    struct data d = make(3, 4000, 4, ONES, true);
    uint64_t wrong = 0, used[4][BINS_MAX] = { { 0 } };

    d.x[0] = -0.0f;
    d.x[4] = FLT_MAX;
    d.x[8] = -FLT_MAX;
    free(d.block);
    bin(&d);
    for (uint32_t i = 0; i < d.rows; i++)
        for (uint32_t f = 0; f < 4; f++) {
            float v = d.x[i * 4 + f];
            uint32_t code = d.bins.codes[i * d.bins.stride + f];
            used[f][code]++;
            if (isnan(v)) {
                wrong += code != BIN_NAN;
                continue;
            }
            wrong += code == BIN_NAN || (double)v > bins_edge(&d.bins, f, code);
            wrong += code > 0 && (double)v <= bins_edge(&d.bins, f, code - 1);
        }
    CHECK_EQ(wrong, 0);
    uint64_t most = 0, bins = 0, values = 0;
    for (uint32_t c = 0; c < BIN_NAN; c++) {
        most = used[0][c] > most ? used[0][c] : most;
        bins += used[0][c] > 0;
        values += used[1][c] > 0;
        CHECK(c == 0 || used[2][c] == 0);
    }
    CHECK_EQ(bins, 255);
    CHECK(most <= 2 * 4000 / 255);
    CHECK_EQ(values, 7);
    CHECK(used[3][BIN_NAN] > 500);
    release(&d);
}

static void refuses_bad_values_and_limits(void)
{
    struct data d = make(1, 50, 2, ONES, false);
    struct grow_limits limits = no_limits(&d);
    struct hist_scratch *s = hist_scratch_new();
    struct prep_source source = source_of(&d);
    struct tree tree;
    size_t bytes;

    REQUIRE(s != NULL);
    tree_init(&tree);
    CHECK_EQ(bins_bytes(0, 1, &bytes), -EINVAL);
    CHECK_EQ(bins_bytes(1, 0, &bytes), -EINVAL);
    CHECK_EQ(bins_bytes(UINT64_MAX, 1, &bytes), -E2BIG);
    CHECK_EQ(bins_bytes(1, UINT64_MAX, &bytes), -E2BIG);
    CHECK_EQ(bins_build(&source, d.block, d.bytes - 64), -EINVAL);
    d.x[3] = INFINITY;
    CHECK_EQ(bins_build(&source, d.block, d.bytes), -EINVAL);
    CHECK_EQ(bins_open(d.block, d.bytes, &d.bins), -EBADMSG); /* what was begun is no block */
    d.x[3] = 1;
    REQUIRE_OK(bins_build(&source, d.block, d.bytes));
    REQUIRE_OK(bins_open(d.block, d.bytes, &d.bins));
    limits.max_features = 3;
    CHECK_EQ(hist_grow(&d.bins, d.y, d.w, 1, &limits, s, &tree), -EINVAL);
    limits.max_features = 2;
    d.y[7] = NAN;
    CHECK_EQ(hist_grow(&d.bins, d.y, d.w, 1, &limits, s, &tree), -EINVAL);
    d.y[7] = 1;
    d.w[7] = -1;
    CHECK_EQ(hist_grow(&d.bins, d.y, d.w, 1, &limits, s, &tree), -EINVAL);
    memset(d.w, 0, d.rows * sizeof *d.w);
    CHECK_EQ(hist_grow(&d.bins, d.y, d.w, 1, &limits, s, &tree), -EINVAL);
    tree_release(&tree);
    hist_scratch_free(s);
    release(&d);
}

/* Targets and weights at the ends of what doubles hold. */
static void survives_extreme_numbers(void)
{
    static const double scales[] = { 1e-300, 1e-5, 1e9, 1e300 };

    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++) {
            struct data d = make(9, 600, 3, ONES, false);
            struct grow_limits limits = no_limits(&d);
            struct tree tree;
            double low = INFINITY, high = -INFINITY;
            for (uint32_t r = 0; r < d.rows; r++) {
                d.y[r] = (d.y[r] - 1003) * scales[i];
                d.w[r] = (uniform() + 0.1) * scales[j];
                low = d.y[r] < low ? d.y[r] : low;
                high = d.y[r] > high ? d.y[r] : high;
            }
            grow(&d, &limits, &tree);
            CHECK(tree.count > 400);
            uint64_t outside = 0;
            double slack = (high - low) * 1e-9;
            for (uint32_t n = 0; n < tree.count; n++)
                outside += node_is_leaf(&tree.nodes[n]) && !(tree.nodes[n].number >= low - slack &&
                                                             tree.nodes[n].number <= high + slack);
            CHECK_EQ(outside, 0);
            tree_release(&tree);
            release(&d);
        }
}

enum { VANISHING_WEIGHTS, LEAST_WEIGHTS, GREATEST_TARGETS, HUGE_TARGET_ASIDE, EXTREMES };

/* Some weights that are no unit beside another, or all of them; targets whose mean rounds up to
 * infinity; and a huge one of a row that weighs nothing. */
static void make_extreme(struct data *d, int kind)
{
    for (uint32_t r = 0; r < d->rows; r++) {
        double u = uniform();
        d->y[r] = kind == GREATEST_TARGETS ? DBL_MAX : (d->y[r] - 1003) * 1e-20;
        d->w[r] = kind == VANISHING_WEIGHTS || kind == LEAST_WEIGHTS ? 0x1p-1074 : u + 0.1;
    }
    if (kind == VANISHING_WEIGHTS)
        d->w[7] = 1e300;
    if (kind == HUGE_TARGET_ASIDE) {
        d->y[7] = 1e300;
        d->w[7] = 0.0;
    }
}

static void survives_the_ends_of_doubles(void)
{
    for (int i = 0; i < EXTREMES * 20; i++) {
        struct data d = make((uint64_t)i, 30 + (uint32_t)i % 7 * 100, 3, ONES, false);
        struct grow_limits limits = no_limits(&d);
        struct tree tree;
        double low = INFINITY, high = -INFINITY;
        make_extreme(&d, i % EXTREMES);
        for (uint32_t r = 0; r < d.rows; r++) {
            low = d.w[r] > 0.0 && d.y[r] < low ? d.y[r] : low;
            high = d.w[r] > 0.0 && d.y[r] > high ? d.y[r] : high;
        }
        grow(&d, &limits, &tree);
        CHECK((tree.count > 1) == (i % EXTREMES != GREATEST_TARGETS));
        uint64_t outside = 0;
        double slack = fabs(high) * 1e-9;
        for (uint32_t n = 0; n < tree.count; n++) {
            double number = tree.nodes[n].number;
            outside += node_is_leaf(&tree.nodes[n]) &&
                       !(isfinite(number) && number >= low - slack && number <= high + slack);
        }
        CHECK_EQ(outside, 0);
        tree_release(&tree);
        release(&d);
    }
}

/* A block with any byte changed is refused, or grows a tree without harm. */
static void survives_damaged_blocks(void)
{
    struct data d = make(2, 300, 3, COUNTS, true);
    struct grow_limits limits = no_limits(&d);
    struct hist_scratch *s = hist_scratch_new();
    uint64_t refused = 0;
    uint8_t *bytes = d.block;

    REQUIRE(s != NULL);
    for (uint32_t i = 0; i < 3000; i++) {
        size_t at = i < 64 ? i : (size_t)(uniform() * (double)d.bytes);
        uint8_t flip = (uint8_t)(1 + uniform() * 255);
        struct bins view;
        struct tree tree;
        bytes[at] ^= flip;
        tree_init(&tree);
        if (bins_open(d.block, d.bytes, &view))
            refused++;
        else
            CHECK_EQ(hist_grow(&view, d.y, d.w, 1, &limits, s, &tree), 0);
        tree_release(&tree);
        bytes[at] ^= flip;
    }
    CHECK(refused > 60);
    for (size_t n = 0; n < 200; n++)
        CHECK(bins_open(d.block, n, &d.bins) < 0);
    CHECK_EQ(bins_open(bytes + 4, d.bytes, &d.bins), -EINVAL);
    hist_scratch_free(s);
    release(&d);
}

/* ---- by the public names --------------------------------------------------------------------- */

static double mse_of(const struct data *d, uint32_t train_rows, uint32_t mode)
{
    struct forest_params p = FOREST_PARAMS_INIT;
    struct forest_matrix train = forest_matrix_rows(d->x, train_rows, d->features, FOREST_FLOAT32);
    struct forest_matrix test = forest_matrix_rows(
        d->x + (size_t)train_rows * d->features, d->rows - train_rows, d->features, FOREST_FLOAT32);
    struct forest *forest;
    void *model;
    size_t bytes;
    double *answer = malloc((d->rows - train_rows) * sizeof *answer), mse = 0.0;

    REQUIRE(answer != NULL);
    p.n_estimators = 30;
    p.seed = 3;
    p.mode = mode;
    REQUIRE_OK(forest_train(&train, d->y, NULL, &p, NULL, &model, &bytes));
    REQUIRE_OK(forest_open(model, bytes, &forest, NULL));
    REQUIRE_OK(forest_predict(forest, &test, answer));
    for (uint32_t i = 0; i < d->rows - train_rows; i++)
        mse += (answer[i] - d->y[train_rows + i]) * (answer[i] - d->y[train_rows + i]);
    forest_close(forest);
    free(model);
    free(answer);
    return mse / (d->rows - train_rows);
}

static void is_as_good_as_exact(void)
{
    struct data d = make(4, 6000, 10, ONES, false);

    for (uint32_t i = 0; i < d.rows; i++) { /* Friedman's first function */
        float *x = d.x + (size_t)i * d.features;
        for (uint32_t f = 0; f < d.features; f++)
            x[f] = (float)uniform();
        d.y[i] = 10 * sin(M_PI * (double)x[0] * (double)x[1]) + 10 * (double)x[3] +
                 5 * (double)x[4] + 20 * ((double)x[2] - 0.5) * ((double)x[2] - 0.5) + uniform() +
                 uniform() + uniform();
    }
    double exact = mse_of(&d, 4000, FOREST_EXACT), hist = mse_of(&d, 4000, FOREST_HISTOGRAM);

    printf("    mse: exact %.4f, histogram %.4f\n", exact, hist);
    CHECK(hist < exact * 1.03);
    release(&d);
}

static void tells_modes_apart(void)
{
    struct data d = make(6, 100, 3, ONES, false);
    struct forest_matrix x = forest_matrix_rows(d.x, d.rows, d.features, FOREST_FLOAT32);
    struct forest_params p = FOREST_PARAMS_INIT;
    struct forest_scratch *s;
    const void *tree;
    size_t sizes[2], bytes;

    REQUIRE_OK(forest_scratch_new(&s));
    REQUIRE_OK(forest_prepared_size(&x, &sizes[FOREST_EXACT]));
    REQUIRE_OK(forest_bin_size(&x, &sizes[FOREST_HISTOGRAM]));
    for (uint32_t kind = FOREST_EXACT; kind <= FOREST_HISTOGRAM; kind++) {
        struct forest_prepared *prepared;
        void *block = aligned_alloc(64, (sizes[kind] + 63) / 64 * 64);
        REQUIRE(block != NULL);
        REQUIRE_OK(kind ? forest_bin(&x, block, sizes[kind])
                        : forest_prepare(&x, block, sizes[kind]));
        REQUIRE_OK(forest_prepared_open(block, sizes[kind], &prepared));
        CHECK_EQ(forest_prepared_rows(prepared), 100);
        CHECK_EQ(forest_prepared_cols(prepared), 3);
        for (p.mode = FOREST_EXACT; p.mode <= FOREST_HISTOGRAM; p.mode++)
            CHECK_EQ(forest_tree_train(prepared, d.y, NULL, &p, 0, s, &tree, &bytes),
                     p.mode == kind ? 0 : -EINVAL);
        forest_prepared_close(prepared);
        free(block);
    }
    forest_scratch_free(s);
    release(&d);
}

TESTS("histogram trees", { "every cut is the best of its node", cuts_are_the_best },
      { "limits are kept", keeps_the_limits },
      { "the same tree with all loops and sizes of nodes", is_the_same_with_all_loops },
      { "the order of rows does not matter", does_not_depend_on_the_order_of_rows },
      { "bins part values as their edges do", bins_part_as_their_edges_do },
      { "bad values and limits are refused", refuses_bad_values_and_limits },
      { "the largest and smallest numbers", survives_extreme_numbers },
      { "numbers that vanish or overflow beside others", survives_the_ends_of_doubles },
      { "damaged blocks", survives_damaged_blocks },
      { "as good as exact forests", is_as_good_as_exact },
      { "a block is of one mode", tells_modes_apart })
