/* SPDX-License-Identifier: MIT */
/*
 * Fast trees of all kinds but the commonest (test_fast has that): every cut is the best there is,
 * by a naive search in other arithmetic; the tree is the same in any order of rows, with all loops
 * and by all ways to search; where exact mode has no ties to tell apart it is the exact one.
 */
#include "general/general.h"
#include "support.h"

#include <errno.h>
#include <math.h>

/* ---- data ------------------------------------------------------------------------------ */

enum weights { ONES, COUNTS, FRACTIONS };

struct sample {
    uint32_t rows, features, classes; /* 0: regression */
    float *x;
    double *y, *w;
    uint16_t *code;
    void *block;
    struct prep prep;
    struct codes *codes;
};

static uint32_t below(uint64_t *state, uint32_t n)
{
    return (uint32_t)(test_random(state) >> 32) % n;
}

static void prepare(struct sample *s)
{
    struct prep_source source = { .data = s->x,
                                  .rows = s->rows,
                                  .cols = s->features,
                                  .row_stride = (ptrdiff_t)(s->features * sizeof(float)),
                                  .col_stride = sizeof(float) };
    size_t bytes;

    REQUIRE_OK(prep_bytes(s->rows, s->features, &bytes));
    s->block = aligned_alloc(64, (bytes + 63) / 64 * 64);
    REQUIRE(s->block != NULL);
    REQUIRE_OK(prep_build(&source, s->block, bytes));
    REQUIRE_OK(prep_open(s->block, bytes, &s->prep));
    s->codes = codes_make(&s->prep);
    REQUIRE(s->codes != NULL);
}

static struct sample allot(uint32_t rows, uint32_t features, uint32_t classes)
{
    struct sample s = { .rows = rows, .features = features, .classes = classes };

    s.x = malloc((size_t)rows * features * sizeof *s.x);
    s.y = malloc(rows * sizeof *s.y);
    s.w = malloc(rows * sizeof *s.w);
    s.code = malloc(rows * sizeof *s.code);
    REQUIRE(s.x && s.y && s.w && s.code);
    return s;
}

/* Columns of few, many and almost as many values as rows, and a constant. */
static struct sample make(uint64_t seed, uint32_t rows, uint32_t features, uint32_t classes,
                          enum weights weights)
{
    static const uint32_t levels[] = { 1000000, 2, 40, 3000, 1 };
    struct sample s = allot(rows, features, classes);
    uint64_t state = seed;

    for (uint32_t i = 0; i < rows; i++) {
        float *x = s.x + (size_t)i * features;
        for (uint32_t f = 0; f < features; f++)
            x[f] = (float)below(&state, levels[f % 5]) / (float)levels[f % 5] - 0.4f;
        double signal = (double)(x[0] + x[features > 3 ? 3 : 0]) + below(&state, 100) * 0.01;
        uint32_t class = (uint32_t)(fabs(signal) * 2 * (classes ? classes : 1));
        s.code[i] = (uint16_t)(classes ? i < classes ? i : class % classes : 0);
        s.y[i] = floor(signal * 1000);
        s.w[i] = weights == ONES     ? 1.0
                 : weights == COUNTS ? (double)below(&state, 4)
                                     : below(&state, 2) * (0.01 + below(&state, 1000) * 0.003);
    }
    s.w[0] = 1.0;
    prepare(&s);
    return s;
}

static void sample_free(struct sample *s)
{
    free(s->x);
    free(s->y);
    free(s->w);
    free(s->code);
    free(s->block);
    free(s->codes);
}

/* Row i is row order(i) of the other. */
static struct sample reversed(const struct sample *s)
{
    struct sample r = allot(s->rows, s->features, s->classes);

    for (uint32_t i = 0; i < s->rows; i++) {
        uint32_t from = s->rows - 1 - i;
        memcpy(r.x + (size_t)i * s->features, s->x + (size_t)from * s->features,
               s->features * sizeof *s->x);
        r.y[i] = s->y[from];
        r.w[i] = s->w[from];
        r.code[i] = s->code[from];
    }
    prepare(&r);
    return r;
}

static struct general_params all_features(const struct sample *s, uint32_t criterion)
{
    return (struct general_params){ .limits = { .max_depth = UINT32_MAX,
                                                .min_samples_split = 2,
                                                .min_samples_leaf = 1,
                                                .max_features = s->features },
                                    .criterion = criterion,
                                    .classes = s->classes,
                                    .keep_all = true,
                                    .is_fast = true };
}

/* Ways to search: by lists, by bins, by sorting all rows. */
enum way { LISTS, CODES, SORTS, WAYS };

static void grow(const struct sample *s, const struct general_params *params, enum way way,
                 enum kernels_level level, struct grown *out)
{
    struct general *g = general_new();
    struct general_params p = *params;

    REQUIRE(g != NULL);
    p.codes = way == SORTS || !s->classes ? NULL : s->codes;
    general_sort_always(g, way != LISTS);
    REQUIRE_OK(general_level(g, level));
    *out = (struct grown){ .count = 0 };
    REQUIRE_OK(general_grow(g, &s->prep, s->y, s->code, s->w, 7, &p, out));
    general_free(g);
}

/* ---- is it the best tree? -------------------------------------------------------------- */

enum { CLASSES_MOST = 70 };

struct side {
    long double weight, sum, squares, of[CLASSES_MOST];
    uint32_t n;
};

struct walk {
    const struct sample *s;
    const struct general_params *p;
    const struct grown *tree;
    uint64_t wrong_cuts, missed, wrong_nodes, inner;
    double unit;       /* a row's weight may be off by that, */
    long double share; /* and all by such a part */
};

static void add(struct side *t, const struct sample *s, uint32_t row)
{
    long double w = (long double)s->w[row], y = (long double)s->y[row];

    t->weight += w;
    t->sum += w * y;
    t->squares += w * y * y;
    t->of[s->code[row]] += w;
    t->n++;
}

/* Weight times impurity. */
static long double cost(const struct walk *w, const struct side *t)
{
    long double sum = 0.0L;

    if (t->weight <= 0.0L)
        return 0.0L;
    if (!w->s->classes)
        return t->squares - t->sum * t->sum / t->weight;
    for (uint32_t k = 0; k < w->s->classes; k++)
        if (w->p->criterion == FOREST_GINI)
            sum += t->of[k] * (1.0L - t->of[k] / t->weight);
        else if (t->of[k] > 0.0L)
            sum -= t->of[k] * log2l(t->of[k] / t->weight);
    return sum;
}

static const struct sample *sorted_sample;
static uint32_t sorted_feature;

static float value(const struct sample *s, uint32_t row, uint32_t feature)
{
    return s->x[(size_t)row * s->features + feature];
}

static int by_value(const void *a, const void *b)
{
    float x = value(sorted_sample, *(const uint32_t *)a, sorted_feature);
    float y = value(sorted_sample, *(const uint32_t *)b, sorted_feature);

    return (x > y) - (x < y);
}

static bool is_allowed(const struct walk *w, const struct side *t)
{
    return t->n >= w->p->limits.min_samples_leaf &&
           t->weight >= (long double)w->p->limits.min_weight_leaf * (1 + 1e-6L);
}

/* What the best cut gains, or only that at `threshold`; below 0: there is none. */
static long double most_gained(const struct walk *w, uint32_t *rows, uint32_t n, uint32_t feature,
                               const double *threshold)
{
    struct side all = { 0 }, left = { 0 };
    long double best = -1.0L;

    sorted_sample = w->s;
    sorted_feature = feature;
    qsort(rows, n, sizeof *rows, by_value);
    for (uint32_t i = 0; i < n; i++)
        add(&all, w->s, rows[i]);
    for (uint32_t i = 0; i + 1 < n; i++) {
        float a = value(w->s, rows[i], feature), b = value(w->s, rows[i + 1], feature);
        add(&left, w->s, rows[i]);
        if (a == b || (threshold && !((double)a <= *threshold && *threshold < (double)b)))
            continue;
        struct side right = { .weight = all.weight - left.weight,
                              .sum = all.sum - left.sum,
                              .squares = all.squares - left.squares,
                              .n = n - left.n };
        for (uint32_t k = 0; k < w->s->classes; k++)
            right.of[k] = all.of[k] - left.of[k];
        long double gain = cost(w, &all) - cost(w, &left) - cost(w, &right);
        if ((threshold || (is_allowed(w, &left) && is_allowed(w, &right))) && gain > best)
            best = gain > 0.0L ? gain : 0.0L;
    }
    return best;
}

static void check_node(struct walk *w, uint32_t id, uint32_t *rows, uint32_t n, uint32_t depth)
{
    const struct grown_node *node = &w->tree->nodes[id];
    const struct grow_limits *m = &w->p->limits;
    long double best = -1.0L;
    struct side all = { 0 };

    for (uint32_t f = 0; f < w->s->features; f++) {
        long double here = most_gained(w, rows, n, f, NULL);
        best = here > best ? here : best;
    }
    for (uint32_t i = 0; i < n; i++)
        add(&all, w->s, rows[i]);
    long double whole = cost(w, &all), slack = n * (long double)w->unit + w->share * whole;
    w->wrong_nodes +=
        node->rows != n ||
        fabsl((long double)node->weight - all.weight) > slack + w->share * all.weight ||
        fabsl((long double)node->impurity - whole / all.weight) >
            1e-6L * whole / all.weight + 4 * fabsl(slack) / all.weight + 1e-9L;
    if (!node->left) {
        bool may = depth < m->max_depth && n >= m->min_samples_split &&
                   (!w->p->max_leaf_nodes || !w->inner);
        w->missed += may && whole > slack && best > (w->s->classes ? -0.5L : 1e-6L * whole);
        return;
    }
    long double got = most_gained(w, rows, n, node->feature, &node->threshold);
    w->inner++;
    w->wrong_cuts += got < best * (1 - 1e-5L) - 16 * slack || depth >= m->max_depth;
    uint32_t *right = malloc(n * sizeof *right), at = 0, behind = 0;
    REQUIRE(right != NULL);
    for (uint32_t i = 0; i < n; i++)
        *((double)value(w->s, rows[i], node->feature) <= node->threshold ? &rows[at++]
                                                                         : &right[behind++]) =
            rows[i];
    memcpy(rows + at, right, behind * sizeof *rows);
    free(right);
    REQUIRE(at > 0 && behind > 0);
    check_node(w, node->left, rows, at, depth + 1);
    check_node(w, node->right, rows + at, behind, depth + 1);
}

static void check_tree(const struct sample *s, const struct general_params *p,
                       const struct grown *tree, bool has_fractions)
{
    struct walk w = { .s = s, .p = p, .tree = tree, .share = 1e-9L };
    if (has_fractions && s->classes)
        w.unit = 3.0 * 0x1p-22;
    else if (has_fractions)
        w.share = 4e-3L;
    uint32_t n = 0, *rows = malloc(s->rows * sizeof *rows);

    REQUIRE(rows != NULL);
    for (uint32_t i = 0; i < s->rows; i++)
        if (s->w[i] > 0.0)
            rows[n++] = i;
    check_node(&w, 0, rows, n, 0);
    CHECK_EQ(w.wrong_cuts, 0);
    CHECK_EQ(w.missed, 0);
    CHECK_EQ(w.wrong_nodes, 0);
    CHECK(w.inner == tree->count / 2);
    CHECK(w.inner > 3);
    free(rows);
}

static void cuts_are_the_best(void)
{
    static const uint32_t classes[] = { 2, 3, 7, 0, 65, 4, 2, 0 };

    for (uint32_t i = 0; i < 48; i++) {
        uint32_t k = classes[i % 8];
        struct sample s = make(i + 1, i % 6 ? 500 : 1500, 6, k, (enum weights)(i % 3));
        struct general_params p = all_features(&s, !k      ? FOREST_SQUARED_ERROR
                                                   : i & 1 ? FOREST_ENTROPY
                                                           : FOREST_GINI);
        struct grown tree;

        p.max_leaf_nodes = !k || i % 5 == 0 ? 60 : 0;
        p.limits.min_samples_leaf = i % 7 == 3 ? 9 : 1;
        p.limits.min_samples_split = i % 7 == 4 ? 30 : 2;
        p.limits.min_weight_leaf = i % 7 == 5 ? 12.5 : 0.0;
        p.limits.max_depth = i % 7 == 6 ? 5 : UINT32_MAX;
        grow(&s, &p, (enum way)(i / 8 % WAYS), KERNELS_BEST, &tree);
        check_tree(&s, &p, &tree, i % 3 == FRACTIONS);
        grown_release(&tree);
        sample_free(&s);
    }
}

/* ---- is it always the same tree? ------------------------------------------------------- */

static bool same(const struct grown *a, const struct grown *b)
{
    return a->count == b->count && a->weights_count == b->weights_count &&
           !memcmp(a->nodes, b->nodes, a->count * sizeof *a->nodes) &&
           (!a->classes || !memcmp(a->weights, b->weights,
                                   (size_t)a->weights_count * a->classes * sizeof *a->weights));
}

static struct general_params any_params(uint64_t *state, const struct sample *s)
{
    struct general_params p = all_features(s, !s->classes ? FOREST_SQUARED_ERROR + below(state, 2)
                                              : below(state, 2) ? FOREST_ENTROPY
                                                                : FOREST_GINI);

    p.limits.max_depth = below(state, 4) ? UINT32_MAX : 4;
    p.limits.min_samples_split = below(state, 4) ? 2 : 7;
    p.limits.min_samples_leaf = below(state, 3) ? 1 : 1 + below(state, 9);
    p.limits.max_features = 1 + below(state, s->features);
    p.limits.min_weight_leaf = below(state, 4) ? 0.0 : 0.7 * below(state, 8);
    p.limits.min_impurity_decrease = below(state, 4) ? 0.0 : 1e-4;
    p.max_leaf_nodes = below(state, 3) ? 0 : 2 + below(state, 60);
    p.is_random = below(state, 3) == 0;
    return p;
}

static void is_the_same_by_all_ways(void)
{
    static const uint32_t classes[] = { 2, 3, 0, 4, 9, 70, 2, 5, 0, 300 };
    uint64_t state = test_seed;

    for (uint32_t i = 0; i < 150; i++) {
        uint32_t rows = 320 + below(&state, i % 10 ? 500 : 6000);
        struct sample s = make(test_seed + i, rows, 1 + below(&state, 14), classes[i % 10],
                               (enum weights)below(&state, 3));
        struct general_params p = any_params(&state, &s);
        struct grown first, other;

        grow(&s, &p, SORTS, KERNELS_PLAIN, &first);
        for (uint32_t level = KERNELS_PLAIN; level <= KERNELS_AVX512; level++) {
            struct general *g = general_new();
            int err = general_level(g, level);
            general_free(g);
            for (enum way way = LISTS; way < WAYS && !err; way++) {
                grow(&s, &p, way, level, &other);
                CHECK(same(&first, &other));
                grown_release(&other);
            }
        }
        grown_release(&first);
        sample_free(&s);
    }
}

/* More rows than a block of lists may have, in the tree and in the data set. */
static void is_the_same_if_it_is_large(void)
{
    for (uint32_t i = 0; i < 3; i++) {
        struct sample s = make(i + 5, i ? 90000 : 150000, 4, 3, i == 1 ? COUNTS : ONES);
        struct general_params p = all_features(&s, i == 2 ? FOREST_ENTROPY : FOREST_GINI);
        struct grown first, other;

        p.limits.max_depth = 12;
        p.limits.max_features = 2;
        grow(&s, &p, SORTS, KERNELS_BEST, &first);
        CHECK(first.count > 500);
        for (enum way way = LISTS; way < SORTS; way++) {
            grow(&s, &p, way, KERNELS_BEST, &other);
            CHECK(same(&first, &other));
            grown_release(&other);
        }
        grown_release(&first);
        sample_free(&s);
    }
}

static void does_not_depend_on_the_order_of_rows(void)
{
    static const uint32_t classes[] = { 2, 3, 0, 9, 0 };
    uint64_t state = test_seed + 1;

    for (uint32_t i = 0; i < 60; i++) {
        struct sample s = make(test_seed + i, 1000, 5, classes[i % 5], (enum weights)(i % 3));
        struct sample r = reversed(&s);
        struct general_params p = any_params(&state, &s);
        struct grown a, b;

        grow(&s, &p, LISTS, KERNELS_BEST, &a);
        grow(&r, &p, LISTS, KERNELS_BEST, &b);
        CHECK(same(&a, &b));
        grown_release(&a);
        grown_release(&b);
        sample_free(&s);
        sample_free(&r);
    }
}

/* Targets and weights at the ends of what doubles hold. */
static void survives_extreme_numbers(void)
{
    static const double scales[] = { 1e-300, 1e-5, 1e9, 1e300 };

    for (uint32_t i = 0; i < 32; i++) {
        struct sample s = make(9, 400, 3, i < 16 ? 0 : 3, FRACTIONS);
        struct general_params p = all_features(&s, i < 16  ? FOREST_SQUARED_ERROR
                                                   : i & 1 ? FOREST_GINI
                                                           : FOREST_ENTROPY);
        struct grown tree;
        double low = HUGE_VAL, high = -HUGE_VAL;
        uint64_t outside = 0;
        for (uint32_t r = 0; r < s.rows; r++) {
            s.y[r] *= scales[i % 4];
            s.w[r] *= scales[i / 4 % 4];
            low = s.w[r] > 0.0 && s.y[r] < low ? s.y[r] : low;
            high = s.w[r] > 0.0 && s.y[r] > high ? s.y[r] : high;
        }
        p.max_leaf_nodes = i < 16 ? 300 : 0;
        grow(&s, &p, LISTS, KERNELS_BEST, &tree);
        CHECK(tree.count > 60);
        for (uint32_t n = 0; n < tree.count && i < 16; n++)
            outside += !(tree.nodes[n].value >= low - 1e-6 * (high - low) &&
                         tree.nodes[n].value <= high + 1e-6 * (high - low));
        CHECK_EQ(outside, 0);
        grown_release(&tree);
        sample_free(&s);
    }
}

static void refuses_bad_weights(void)
{
    struct sample s = make(3, 100, 3, 3, ONES);
    struct general_params p = all_features(&s, FOREST_GINI);
    struct general *g = general_new();
    struct grown tree = { .count = 0 };

    s.w[5] = -1.0;
    CHECK_EQ(general_grow(g, &s.prep, s.y, s.code, s.w, 1, &p, &tree), -EINVAL);
    s.w[5] = (double)INFINITY;
    CHECK_EQ(general_grow(g, &s.prep, s.y, s.code, s.w, 1, &p, &tree), -EINVAL);
    memset(s.w, 0, s.rows * sizeof *s.w);
    CHECK_EQ(general_grow(g, &s.prep, s.y, s.code, s.w, 1, &p, &tree), -EINVAL);
    general_free(g);
    grown_release(&tree);
    sample_free(&s);
}

TESTS("fast trees of all kinds", { "every cut is the best of its node", cuts_are_the_best },
      { "the same tree by all ways and with all loops", is_the_same_by_all_ways },
      { "the same tree if it is large", is_the_same_if_it_is_large },
      { "the order of rows does not matter", does_not_depend_on_the_order_of_rows },
      { "the largest and smallest numbers", survives_extreme_numbers },
      { "bad weights are refused", refuses_bad_weights })
