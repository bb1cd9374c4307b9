/* SPDX-License-Identifier: MIT */
/*
 * test_grow.c -- the exact grower against scikit-learn (golden_grow.bin) and against the reference.
 *
 * Trees are compared bit by bit: structure, thresholds, impurities, values and counts. Every test
 * runs with the loops for this processor and with the plain ones, as small trees and as large ones.
 */
#include <errno.h>
#include <math.h>
#include <stdbool.h>

#include "golden_grow.h"
#include "exact/grow.h"
#include "reference.h"
#include "test.h"

/* ---- data -------------------------------------------------------------------------------- */

struct data {
    uint32_t rows, features;
    float *x; /* row after row */
    double *y, *w;
    void *block;
    struct prep prep;
};

static bool prepare(struct data *d)
{
    size_t bytes;
    struct prep_source source = { .data = d->x,
                                  .rows = d->rows,
                                  .cols = d->features,
                                  .row_stride = (ptrdiff_t)(d->features * sizeof *d->x),
                                  .col_stride = sizeof *d->x };
    if (prep_bytes(d->rows, d->features, &bytes))
        return false;
    d->block = malloc(bytes);
    return d->block && !prep_build(&source, d->block, bytes) &&
           !prep_open(d->block, bytes, &d->prep);
}

static void release(struct data *d)
{
    free(d->x);
    free(d->y);
    free(d->w);
    free(d->block);
}

/* Loops: of each level; then the same, with all but small nodes as in large trees. */
enum { LEVELS = KERNELS_AVX512 - KERNELS_PLAIN + 1, LOOPS = 2 * LEVELS };

/* NULL: this processor cannot. */
static struct grow_scratch *scratch_of(int loops)
{
    struct grow_scratch *s = grow_scratch_new();
    REQUIRE(s != NULL);
    if (grow_scratch_level(s, (enum kernels_level)(KERNELS_PLAIN + loops % LEVELS))) {
        CHECK(loops % LEVELS > 0);
        grow_scratch_free(s);
        return NULL;
    }
    if (loops / LEVELS == 1)
        grow_scratch_limit(s, 30);
    return s;
}

static void scratch_make(struct grow_scratch *scratch[LOOPS])
{
    for (int i = 0; i < LOOPS; i++)
        scratch[i] = scratch_of(i);
}

static void scratch_free(struct grow_scratch *scratch[LOOPS])
{
    for (int i = 0; i < LOOPS; i++)
        grow_scratch_free(scratch[i]);
}

/* ---- golden ------------------------------------------------------------------------------ */

static const char *golden_path(void)
{
    return "tests/forest/golden_grow.bin";
}

static uint32_t check_case(struct golden *g, const struct golden_case *c,
                           struct grow_scratch *scratch[LOOPS])
{
    const struct golden_set *set = &g->sets[c->set];
    struct data d = { .rows = set->rows, .features = set->features };
    struct grow_limits limits = c->limits;
    struct reference_tree unpacked = { .count = 0 };
    struct tree tree;
    tree_init(&tree);
    limits.keep_stats = true;
    d.x = malloc((size_t)d.rows * d.features * sizeof *d.x);
    d.w = malloc(d.rows * sizeof *d.w);
    REQUIRE(d.x && d.w);
    memcpy(d.x, set->x, (size_t)d.rows * d.features * sizeof *d.x);
    REQUIRE(prepare(&d));
    for (uint32_t i = 0; i < c->trees; i++) {
        struct golden_tree expected;
        REQUIRE(golden_next_tree(g, &expected));
        limits.min_weight_leaf = expected.min_weight_leaf;
        reference_weights(expected.seed, c->bootstrap, set->w, d.rows, d.w);
        for (int loops = 0; loops < LOOPS; loops++) {
            if (!scratch[loops])
                continue;
            REQUIRE_OK(grow_exact(&d.prep, set->y, d.w, reference_splitter_seed(expected.seed),
                                  &limits, scratch[loops], &tree));
            reference_unpack(&tree, &unpacked);
            const char *what = golden_difference(&expected, &unpacked);
            if (what)
                fprintf(stderr, "set %u, tree %u, loops %d: %s\n", c->set, i, loops, what);
            CHECK(what == NULL);
        }
    }
    tree_release(&tree);
    reference_release(&unpacked);
    release(&d);
    return c->trees;
}

static void trees_equal_scikit_learns(void)
{
    struct golden g;
    struct golden_case c;
    uint32_t trees = 0;
    struct grow_scratch *scratch[LOOPS];
    scratch_make(scratch);
    REQUIRE(golden_open(&g, golden_path()));
    for (uint32_t i = 0; i < g.cases_count; i++) {
        REQUIRE(golden_next_case(&g, &c));
        trees += check_case(&g, &c, scratch);
    }
    CHECK(trees > 50);
    golden_close(&g);
    scratch_free(scratch);
}

/* ---- against the reference --------------------------------------------------------------- */

static uint64_t state;

static uint32_t below(uint32_t n)
{
    return (uint32_t)(test_random(&state) % n);
}

static double unit(void)
{
    return (double)(test_random(&state) >> 11) * 0x1p-53;
}

/* Kinds of columns: many ties, none, constant, values nearer than 1e-7, tiny and huge ones. */
static float cell(uint32_t kind)
{
    switch (kind) {
    case 0:
        return (float)below(2);
    case 1:
        return (float)below(7);
    case 2:
        return (float)below(50) - 25;
    case 3:
        return (float)unit();
    case 4:
        return (float)below(1000) * 4e-8f;
    case 5:
        return (float)((unit() - 0.5) * 1e38);
    case 6:
        return 3.5f;
    case 7:
        return (float)(unit() * 1e-40);
    case 8:
        return 1.0f + (float)below(64) * 6e-8f;
    case 9:
        return (float)exp(unit() * 40 - 20);
    default:
        return (float)below(300);
    }
}

static double target(uint32_t kind, float x)
{
    switch (kind) {
    case 0:
        return (double)below(3);
    case 1:
        return unit() * 5;
    case 2:
        return (unit() - 0.5) * 1e9 + 1e12;
    case 3:
        return (double)x + unit() * 0.1;
    case 4:
        return exp(unit() * 400 - 200);
    default:
        return unit() - 0.5;
    }
}

static uint32_t random_rows(uint32_t most)
{
    uint32_t limits[4] = { 8, 40, 300, most };
    return 1 + below(limits[below(4)]);
}

static void fill_columns(struct data *d)
{
    uint32_t flavour = below(3), features = d->features;
    for (uint32_t f = 0; f < features; f++) {
        uint32_t kind = flavour == 0 ? below(11) : below(2) ? 3 : flavour == 1 ? 10 : 9;
        uint32_t same = f > 0 && below(8) == 0 ? below(f) : f;
        for (uint32_t i = 0; i < d->rows; i++)
            d->x[i * features + f] = same < f ? d->x[i * features + same] : cell(kind);
    }
    if (below(5) == 0) /* rows that are the same in all columns */
        for (uint32_t i = 1; i < d->rows; i++)
            if (below(2))
                memcpy(d->x + i * features, d->x + below(i) * features, features * sizeof *d->x);
}

static void fill_weights(struct data *d)
{
    uint32_t kind = below(6); /* the last: whole, but too much for rough sums */
    double *weight = malloc(d->rows * sizeof *weight);
    REQUIRE(weight != NULL);
    for (uint32_t i = 0; i < d->rows; i++)
        weight[i] = kind == 3 ? unit() * 3 : (double)below(kind == 5 ? 400 : 4);
    reference_weights(below(2147483647u), kind != 0, kind >= 3 ? weight : NULL, d->rows, d->w);
    free(weight);
}

static void make_data(struct data *d, uint32_t rows_most)
{
    *d = (struct data){ .rows = random_rows(rows_most), .features = 1 + below(below(4) ? 12 : 30) };
    d->x = malloc((size_t)d->rows * d->features * sizeof *d->x);
    d->y = malloc(d->rows * sizeof *d->y);
    d->w = malloc(d->rows * sizeof *d->w);
    REQUIRE(d->x && d->y && d->w);
    fill_columns(d);
    uint32_t kind = below(6);
    for (uint32_t i = 0; i < d->rows; i++)
        d->y[i] = target(kind, d->x[i * d->features]);
    fill_weights(d);
}

static struct grow_limits random_limits(uint32_t features)
{
    struct grow_limits m = { .max_depth = UINT32_MAX,
                             .min_samples_split = 2,
                             .min_samples_leaf = 1,
                             .max_features = features,
                             .is_friedman = below(3) == 0,
                             .keep_stats = true };
    if (below(2))
        m.max_features = 1 + below(features);
    if (below(4) == 0)
        m.min_samples_leaf = 1 + below(6);
    if (below(4) == 0)
        m.min_samples_split = 2 + below(12);
    if (below(6) == 0)
        m.max_depth = below(9);
    if (below(6) == 0)
        m.min_weight_leaf = unit() * 4;
    if (below(8) == 0)
        m.min_impurity_decrease = unit() * 0.01;
    return m;
}

static bool takes_part(const struct data *d)
{
    for (uint32_t i = 0; i < d->rows; i++)
        if (d->w[i] != 0.0)
            return true;
    return false;
}

/* One random data set; false if a tree differs. */
static bool try_seed(uint64_t seed, uint32_t rows_most, struct grow_scratch *scratch[LOOPS],
                     struct tree *grown, struct reference_tree tree[2])
{
    struct data d;
    bool good = true;
    state = seed;
    make_data(&d, rows_most);
    struct grow_limits limits = random_limits(d.features);
    uint32_t splitter_seed = (uint32_t)test_random(&state);
    REQUIRE(prepare(&d));
    if (takes_part(&d)) {
        reference_grow(d.x, d.rows, d.features, d.y, d.w, splitter_seed, &limits, &tree[0]);
        for (int loops = 0; loops < LOOPS && good; loops++) {
            if (!scratch[loops])
                continue;
            REQUIRE_OK(
                grow_exact(&d.prep, d.y, d.w, splitter_seed, &limits, scratch[loops], grown));
            reference_unpack(grown, &tree[1]);
            const char *what = reference_difference(&tree[0], &tree[1]);
            good = what == NULL;
            if (!good)
                fprintf(stderr, "seed %llu, loops %d: %s\n", (unsigned long long)seed, loops, what);
        }
    }
    release(&d);
    return good;
}

static void try_seeds(uint32_t count, uint32_t rows_most)
{
    struct grow_scratch *scratch[LOOPS];
    scratch_make(scratch);
    struct reference_tree tree[2] = { { .count = 0 }, { .count = 0 } };
    struct tree grown;
    tree_init(&grown);
    for (uint32_t i = 0; i < count; i++)
        CHECK(try_seed(test_seed + i, rows_most, scratch, &grown, tree));
    reference_release(&tree[0]);
    reference_release(&tree[1]);
    tree_release(&grown);
    scratch_free(scratch);
}

static void random_trees_equal_the_references(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    try_seeds(400, 1500); /* each takes several times as long */
#else
    try_seeds(1500, 1500);
#endif
}

/* Targets whose squares, and some whose sums, are infinite: no number made of them is a whole one. */
static void targets_may_be_as_large_as_doubles_get(void)
{
    struct grow_scratch *scratch[LOOPS];
    scratch_make(scratch);
    for (uint32_t i = 0; i < 20; i++) {
        struct data d;
        struct tree tree;
        state = test_seed + i;
        make_data(&d, 300);
        struct grow_limits limits = random_limits(d.features);
        REQUIRE(prepare(&d));
        tree_init(&tree);
        for (uint32_t r = 0; r < d.rows; r++) {
            d.y[r] = (unit() - 0.5) * (i % 2 ? 1e160 : 1.7e308) * 2.0;
            d.w[r] = 1.0 + below(3);
        }
        for (int loops = 0; loops < LOOPS; loops++)
            if (scratch[loops])
                REQUIRE_OK(grow_exact(&d.prep, d.y, d.w, 5, &limits, scratch[loops], &tree));
        tree_release(&tree);
        release(&d);
    }
    scratch_free(scratch);
}

/*
 * Data too large for orders, so that trees begin feature by feature: many rows, of which ranges are
 * sorted by long names and then by short ones; and many features, of which a block holds few rows.
 * And data of more rows than have ranks, of which a tree's are a block from the start.
 */
static void try_large(uint32_t rows, uint32_t features, uint32_t visited, bool has_orders,
                      bool is_friedman)
{
    struct data d = { .rows = rows, .features = features };
    struct grow_limits limits = { .max_depth = UINT32_MAX,
                                  .min_samples_split = 2,
                                  .min_samples_leaf = 1,
                                  .max_features = visited,
                                  .is_friedman = is_friedman,
                                  .keep_stats = true };
    struct reference_tree expected = { .count = 0 }, unpacked = { .count = 0 };
    struct tree tree;
    tree_init(&tree);
    d.x = malloc((size_t)rows * features * sizeof *d.x);
    d.y = malloc(rows * sizeof *d.y);
    d.w = malloc(rows * sizeof *d.w);
    REQUIRE(d.x && d.y && d.w);
    for (size_t i = 0; i < (size_t)rows * features; i++)
        d.x[i] = cell(i % features % 3 == 0 ? 3 : i % features % 3 == 1 ? 10 : 4);
    for (uint32_t i = 0; i < rows; i++)
        d.y[i] = (double)d.x[(size_t)i * features] + unit();
    reference_weights(below(2147483647u), true, NULL, rows, d.w);
    REQUIRE(prepare(&d));
    CHECK((d.prep.orders != NULL) == has_orders);
    reference_grow(d.x, rows, features, d.y, d.w, 5, &limits, &expected);
    for (int loops = 0; loops < LEVELS; loops++) {
        struct grow_scratch *scratch = scratch_of(loops);
        if (!scratch)
            continue;
        REQUIRE_OK(grow_exact(&d.prep, d.y, d.w, 5, &limits, scratch, &tree));
        reference_unpack(&tree, &unpacked);
        const char *what = reference_difference(&expected, &unpacked);
        if (what)
            fprintf(stderr, "%u x %u, loops %d: %s\n", rows, features, loops, what);
        CHECK(what == NULL);
        grow_scratch_free(scratch);
    }
    reference_release(&expected);
    reference_release(&unpacked);
    tree_release(&tree);
    release(&d);
}

static void large_trees_equal_the_references(void)
{
    state = test_seed;
    try_large(150000, 2, 2, false, false);
    try_large(30000, 2, 2, true, true);
    try_large(150000, 2, 2, false, true);
    try_large(400, 20000, 30, false, false);
    try_large(90000, 3, 3, true, false);
}

/* ---- errors ------------------------------------------------------------------------------ */

static void bad_arguments_are_refused(void)
{
    struct data d = { .rows = 3, .features = 1 };
    d.x = calloc(3, sizeof *d.x);
    REQUIRE(d.x != NULL);
    d.x[1] = 1;
    REQUIRE(prepare(&d));
    struct grow_scratch *s = scratch_of(0);
    struct grow_limits good = { .max_depth = UINT32_MAX,
                                .min_samples_split = 2,
                                .min_samples_leaf = 1,
                                .max_features = 1 },
                       bad = good;
    struct tree tree;
    tree_init(&tree);
    double y[3] = { 1, 2, 3 }, w[3] = { 1, 1, 1 }, none[3] = { 0, 0, 0 }, nan[3] = { 1, NAN, 1 };
    CHECK_EQ(grow_exact(&d.prep, y, w, 1, &good, s, &tree), 0);
    CHECK_EQ(tree.count, 3);
    bad.max_features = 2;
    CHECK_EQ(grow_exact(&d.prep, y, w, 1, &bad, s, &tree), -EINVAL);
    CHECK_EQ(tree.count, 0);
    bad.max_features = 0;
    CHECK_EQ(grow_exact(&d.prep, y, w, 1, &bad, s, &tree), -EINVAL);
    CHECK_EQ(grow_exact(&d.prep, y, none, 1, &good, s, &tree), -EINVAL);
    CHECK_EQ(grow_exact(&d.prep, y, nan, 1, &good, s, &tree), -EINVAL);
    CHECK_EQ(grow_exact(&d.prep, nan, w, 1, &good, s, &tree), -EINVAL);
    tree_release(&tree);
    grow_scratch_free(s);
    release(&d);
}

TESTS("grow", { "trees equal scikit-learn's", trees_equal_scikit_learns },
      { "random trees equal the reference's", random_trees_equal_the_references },
      { "large trees equal the reference's", large_trees_equal_the_references },
      { "targets may be as large as doubles get", targets_may_be_as_large_as_doubles_get },
      { "bad arguments are refused", bad_arguments_are_refused })
