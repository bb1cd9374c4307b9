/* SPDX-License-Identifier: MIT */
/*
 * The general grower against the plain one, its shortcuts against what they are short for, and
 * pruning against its definition.
 */
#include "general/general.h"
#include "base/gain_heap.h"
#include "data/labels.h"
#include "general/node_loops.h"
#include "reference.h"
#include "general/sort_exact.h"
#include "general/sort_keys.h"
#include "support.h"

#include <errno.h>
#include <float.h>
#include <math.h>

/* ---- data ------------------------------------------------------------------------------ */

struct sample {
    uint32_t rows, features;
    float *x;
    double *y, *w;
    uint16_t *code;
    void *block;
    struct prep prep;
};

/* A number of 0..n-1. */
static uint32_t below(uint64_t *state, uint32_t n)
{
    return (uint32_t)(test_random(state) >> 32) % n;
}

/* Columns of few, many or almost as many values as rows, and one too close to tell apart. */
static struct sample sample_new(uint64_t *state, uint32_t rows, uint32_t features, uint32_t classes,
                                bool whole)
{
    struct sample s = { .rows = rows, .features = features };
    size_t bytes;

    s.x = malloc((size_t)rows * features * sizeof *s.x);
    s.y = malloc(rows * sizeof *s.y);
    s.w = malloc(rows * sizeof *s.w);
    s.code = malloc(rows * sizeof *s.code);
    for (uint32_t i = 0; i < rows; i++) {
        for (uint32_t f = 0; f < features; f++) {
            static const uint32_t levels[] = { 2, 9, 60, 300, 1000000 };
            float v = (float)below(state, levels[f % 5]);
            s.x[(size_t)i * features + f] = f % 7 == 6 ? 5.0f + v * 3e-8f : v - 4.0f;
        }
        uint32_t told = s.x[(size_t)i * features] < 0, drawn = below(state, classes);
        s.code[i] = (uint16_t)(i < classes ? i : below(state, 2) ? told : drawn);
        s.code[i] = (uint16_t)(s.code[i] % classes);
        s.y[i] = (double)s.x[(size_t)i * features] + (double)below(state, 1000) * 0.01;
        s.w[i] = whole ? below(state, 4) : (double)below(state, 1000) * 0.003;
    }
    s.w[0] = 1.0;
    struct prep_source source = { .data = s.x,
                                  .rows = rows,
                                  .cols = features,
                                  .row_stride = (ptrdiff_t)(features * sizeof(float)),
                                  .col_stride = sizeof(float) };
    REQUIRE_OK(prep_bytes(rows, features, &bytes));
    s.block = aligned_alloc(64, (bytes + 63) / 64 * 64);
    REQUIRE_OK(prep_build(&source, s.block, bytes));
    REQUIRE_OK(prep_open(s.block, bytes, &s.prep));
    return s;
}

static void sample_free(struct sample *s)
{
    free(s->x);
    free(s->y);
    free(s->w);
    free(s->code);
    free(s->block);
}

static struct general_params random_params(uint64_t *state, const struct sample *s)
{
    struct general_params p = {
        .limits = { .max_depth = below(state, 3) ? UINT32_MAX : 1 + below(state, 9),
                    .min_samples_split = 2 + below(state, 3) * below(state, 9),
                    .min_samples_leaf = 1 + below(state, 2) * below(state, 6),
                    .max_features = 1 + below(state, s->features),
                    .min_weight_leaf = below(state, 3) ? 0.0 : below(state, 20) * 0.3,
                    .min_impurity_decrease = below(state, 4) ? 0.0 : 1e-3,
                    .keep_stats = true },
    };

    return p;
}

/* ---- growing --------------------------------------------------------------------------- */

/* What the plain reference grows, node for node. */
static void check_reference(const struct grown *g, const struct reference_tree *r)
{
    REQUIRE(g->count == r->count);
    for (uint32_t i = 0; i < g->count; i++) {
        const struct grown_node *n = &g->nodes[i];
        bool is_leaf = !n->left;
        CHECK(r->left[i] == (is_leaf ? -1 : (int32_t)n->left));
        CHECK(r->right[i] == (is_leaf ? -1 : (int32_t)n->right));
        CHECK(is_leaf || (r->feature[i] == (int32_t)n->feature && r->threshold[i] == n->threshold));
        CHECK(memcmp(&r->impurity[i], &n->impurity, 8) == 0);
        CHECK(memcmp(&r->value[i], &n->value, 8) == 0);
        CHECK(r->weighted_n[i] == n->weight && r->n[i] == n->rows);
    }
}

static void regression_is_the_reference(void)
{
    struct general *g = general_new();
    struct reference_tree r = { .count = 0 };
    struct grown grown = { .count = 0 };
    uint64_t state = test_seed;

    REQUIRE(g != NULL);
    for (int round = 0; round < 150; round++) {
        struct sample s = sample_new(&state, 1 + below(&state, round % 10 ? 200 : 3000),
                                     1 + below(&state, 8), 2, round % 2);
        struct general_params p = random_params(&state, &s);
        uint32_t seed = below(&state, UINT32_MAX);
        p.limits.is_friedman = round % 3 == 0;
        p.criterion = p.limits.is_friedman ? FOREST_FRIEDMAN_MSE : FOREST_SQUARED_ERROR;
        REQUIRE_OK(general_grow(g, &s.prep, s.y, NULL, s.w, seed, &p, &grown));
        reference_grow(s.x, s.rows, s.features, s.y, s.w, seed, &p.limits, &r);
        check_reference(&grown, &r);
        sample_free(&s);
    }
    reference_release(&r);
    grown_release(&grown);
    general_free(g);
}

static bool same_trees(const struct grown *a, const struct grown *b)
{
    size_t weights = (size_t)a->weights_count * a->classes * sizeof(double);

    return a->count == b->count && a->weights_count == b->weights_count &&
           memcmp(a->nodes, b->nodes, a->count * sizeof *a->nodes) == 0 &&
           (!weights || memcmp(a->weights, b->weights, weights) == 0); /* none: NULL */
}

/* The order was written down by std::push_heap() and std::pop_heap() of GCC 12. */
static void equals_leave_the_heap_as_in_cpp(void)
{
    static const uint32_t expected[40] = { 1,  2,  10, 12, 15, 21, 23, 17, 32, 34, 35, 37, 38, 39,
                                           18, 27, 31, 6,  13, 9,  29, 28, 5,  26, 24, 16, 7,  20,
                                           4,  3,  19, 11, 33, 25, 14, 8,  36, 22, 30, 0 };
    struct gain_heap heap = { .count = 0 };
    uint32_t popped = 0;

    for (uint32_t i = 0; i < 40; i++) {
        REQUIRE_OK(gain_heap_push(&heap, i * i * 7 % 11 % 4, i));
        if (i % 4 == 3)
            CHECK_EQ(gain_heap_pop(&heap), expected[popped++]);
    }
    while (heap.count)
        CHECK_EQ(gain_heap_pop(&heap), expected[popped++]);
    CHECK_EQ(popped, 40);
    gain_heap_release(&heap);
}

/* Regression best first: in a block of all rows, with each processor's loops. */
static void a_block_is_as_good_best_first(void)
{
    static const enum kernels_level levels[] = { KERNELS_PLAIN, KERNELS_AVX2, KERNELS_AVX512 };
    struct general *g = general_new();
    struct grown a = { .count = 0 }, b = { .count = 0 };
    uint64_t state = test_seed + 9, nodes = 0;

    REQUIRE(g != NULL);
    for (int i = 0; i < 3; i++) {
        struct grow_scratch *scratch = grow_scratch_new();
        REQUIRE(scratch != NULL);
        int rounds = grow_scratch_level(scratch, levels[i]) ? 0 : 120;
        for (int round = 0; round < rounds; round++) {
            uint32_t rows = 1 + below(&state, round % 10 ? 300 : 4000);
            struct sample s = sample_new(&state, rows, 1 + below(&state, 8), 2, round % 2);
            struct general_params p = random_params(&state, &s);
            uint32_t seed = below(&state, UINT32_MAX), leaves = 2 + below(&state, 2 * rows);
            p.max_leaf_nodes = leaves;
            p.limits.is_friedman = round % 3 == 0;
            p.criterion = p.limits.is_friedman ? FOREST_FRIEDMAN_MSE : FOREST_SQUARED_ERROR;
            REQUIRE_OK(general_grow(g, &s.prep, s.y, NULL, s.w, seed, &p, &a));
            grow_scratch_limit(scratch, UINT32_MAX);
            REQUIRE_OK(grow_exact_best(&s.prep, s.y, s.w, seed, &p.limits, leaves, scratch, &b));
            CHECK(same_trees(&a, &b));
            nodes += a.count;
            grow_scratch_limit(scratch, 0);
            CHECK_EQ(grow_exact_best(&s.prep, s.y, s.w, seed, &p.limits, leaves, scratch, &b),
                     -EAGAIN);
            p.limits.max_features = 0;
            CHECK_EQ(grow_exact_best(&s.prep, s.y, s.w, seed, &p.limits, leaves, scratch, &b),
                     -EINVAL);
            sample_free(&s);
        }
        grow_scratch_free(scratch);
    }
    CHECK(nodes > 1000);
    grown_release(&a);
    grown_release(&b);
    general_free(g);
}

static void counting_is_as_good_as_sorting(void)
{
    struct general *quick = general_new(), *plain = general_new();
    struct grown a = { .count = 0 }, b = { .count = 0 };
    uint64_t state = test_seed + 1, nodes = 0;

    REQUIRE(quick && plain);
    general_sort_always(plain, true);
    for (int round = 0; round < 400; round++) {
        static const uint32_t classes[] = { 1, 2, 3, 10, 70 };
        uint32_t rows = 1 + below(&state, round % 10 ? 300 : 6000), k = classes[below(&state, 5)];
        struct sample s = sample_new(&state, rows, 1 + below(&state, 9), k, true);
        struct general_params p = random_params(&state, &s);
        struct levels *levels = levels_make(&s.prep);
        uint32_t seed = below(&state, UINT32_MAX);
        p.criterion = round % 2 ? FOREST_GINI : FOREST_ENTROPY;
        p.classes = k;
        p.keep_all = round % 3 == 0;
        p.is_random = round % 7 == 0;
        p.max_leaf_nodes = round % 5 ? 0 : 2 + below(&state, 50);
        p.levels = round % 3 ? NULL : levels; /* to sort by */
        REQUIRE_OK(general_grow(plain, &s.prep, NULL, s.code, s.w, seed, &p, &b));
        p.levels = round % 4 ? levels : NULL;
        REQUIRE_OK(general_grow(quick, &s.prep, NULL, s.code, s.w, seed, &p, &a));
        if (!same_trees(&a, &b))
            fprintf(stderr, "round %d: %u rows, %u features, %u classes\n", round, rows, s.features,
                    k);
        CHECK(same_trees(&a, &b));
        nodes += a.count;
        free(levels);
        sample_free(&s);
    }
    CHECK(nodes > 10000);
    grown_release(&a);
    grown_release(&b);
    general_free(quick);
    general_free(plain);
}

/* ---- sorting --------------------------------------------------------------------------- */

/* Values such that the median of three is always next to the least: heap sort has to end it. */
static void kill_medians(float *v, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        v[i] = (float)(i < n / 2 ? i / 2 * 4 + i % 2 : 2 * (n - i)) + 1.0f;
}

static void the_quick_sort_leaves_the_same_order(void)
{
    enum { MOST = 5000 };
    static float v[MOST], u[MOST];
    static uint32_t s[MOST], t[MOST];
    static uint8_t level[3 * MOST];
    struct exact_sort *sort = exact_sort_new();
    uint64_t state = test_seed + 2;

    REQUIRE(sort != NULL);
    for (int round = 0; round < 3000; round++) {
        uint32_t n = 1 + below(&state, round % 20 ? 200 : MOST);
        uint32_t values = 1 + below(&state, round % 3 ? 20 : 100000);
        for (uint32_t i = 0; i < n; i++) {
            v[i] = (float)below(&state, values) - 7.5f;
            s[i] = i * 3;
            level[s[i]] = (uint8_t)(uint32_t)(v[i] + 7.5f); /* used only of few values */
        }
        bool has_levels = values <= 20 && round % 50 != 7 && round % 2;
        if (round % 50 == 7)
            kill_medians(v, n);
        memcpy(u, v, n * sizeof *v);
        memcpy(t, s, n * sizeof *s);
        REQUIRE_OK(exact_sort_reserve(sort, n));
        sort_exact(sort, v, s, n, has_levels ? level : NULL);
        sort_exact_plain(u, t, n);
        CHECK(memcmp(u, v, n * sizeof *v) == 0);
        CHECK(memcmp(t, s, n * sizeof *s) == 0);
    }
    exact_sort_free(sort);
}

static int compare_keys(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* By value; the order of what has the same value does not matter, so that is put right first. */
static void check_keys(const struct key_sort *kernels, uint64_t *keys, uint32_t n, uint32_t varying)
{
    enum { MOST = 6000 };
    static uint64_t a[MOST], b[MOST + SORT_KEYS_SLACK];

    memcpy(a, keys, n * sizeof *a);
    uint64_t *sorted = sort_keys(a, b, n, varying, kernels);
    for (uint32_t i = 1; i < n; i++)
        CHECK(sorted[i - 1] >> 32 <= sorted[i] >> 32);
    qsort(sorted, n, sizeof *sorted, compare_keys);
    qsort(keys, n, sizeof *keys, compare_keys);
    CHECK(memcmp(sorted, keys, n * sizeof *keys) == 0);
}

static void keys_are_sorted(void)
{
    static uint64_t keys[6000];
    const struct key_sort *best = key_sort_of(KERNELS_BEST), *plain = key_sort_plain();
    uint64_t state = test_seed + 3;

    for (int round = 0; round < 4000; round++) {
        uint32_t n = 1 + below(&state, round % 30 ? 300 : 6000), any = 0, all = UINT32_MAX;
        uint32_t values = 2 + below(&state, round % 3 ? 20 : UINT32_MAX - 2);
        for (uint32_t i = 0; i < n; i++) {
            uint32_t value = below(&state, values) + (round % 7 ? 0 : UINT32_MAX - values);
            keys[i] = (uint64_t)value << 32 | below(&state, 5);
            any |= value;
            all &= value;
        }
        if (any == all)
            continue; /* a constant is never sorted */
        check_keys(plain, keys, n, any ^ all);
        if (best != plain)
            check_keys(best, keys, n, any ^ all);
    }
}

/* ---- pruning --------------------------------------------------------------------------- */

struct naive {
    struct grown *tree;
    double *risk, *branch;
    uint32_t *leaves, *parent;
    bool *is_candidate;
};

static void naive_measure(struct naive *p)
{
    const struct grown_node *n = p->tree->nodes;

    for (uint32_t i = 0; i < p->tree->count; i++) {
        p->risk[i] = n[i].weight * n[i].impurity / n[0].weight;
        p->is_candidate[i] = n[i].left != 0;
        if (n[i].left)
            p->parent[n[i].left] = p->parent[n[i].right] = i;
    }
    for (uint32_t i = 0; i < p->tree->count; i++) {
        if (n[i].left)
            continue;
        p->branch[i] = p->risk[i];
        for (uint32_t up = i; up != 0; up = p->parent[up]) {
            p->branch[p->parent[up]] += p->risk[i];
            p->leaves[p->parent[up]]++;
        }
    }
}

static void naive_remove(struct naive *p, uint32_t id)
{
    const struct grown_node *n = &p->tree->nodes[id];

    if (!n->left)
        return;
    p->is_candidate[id] = false;
    naive_remove(p, n->left);
    naive_remove(p, n->right);
}

/* One pruning by the definition; false: the weakest link is stronger than alpha. */
static bool naive_step(struct naive *p, double alpha)
{
    double least = DBL_MAX;
    uint32_t weakest = 0;

    for (uint32_t i = 0; i < p->tree->count; i++) {
        if (!p->is_candidate[i])
            continue;
        double a = (p->risk[i] - p->branch[i]) / (double)(p->leaves[i] - 1);
        weakest = a < least ? i : weakest;
        least = a < least ? a : least;
    }
    if (alpha < least)
        return false;
    uint32_t leaves = p->leaves[weakest] - 1;
    double more = p->risk[weakest] - p->branch[weakest];
    naive_remove(p, weakest);
    p->tree->nodes[weakest].left = p->tree->nodes[weakest].right = 0;
    p->leaves[weakest] = 0;
    p->branch[weakest] = p->risk[weakest];
    for (uint32_t up = weakest; up != 0;) {
        up = p->parent[up];
        p->leaves[up] -= leaves;
        p->branch[up] += more;
    }
    return p->is_candidate[0];
}

static void naive_prune(struct grown *tree, double alpha)
{
    struct naive p = { tree,
                       calloc(tree->count, 8),
                       calloc(tree->count, 8),
                       calloc(tree->count, 4),
                       calloc(tree->count, 4),
                       calloc(tree->count, 1) };

    naive_measure(&p);
    for (bool go = p.is_candidate[0]; go;)
        go = naive_step(&p, alpha);
    free(p.risk);
    free(p.branch);
    free(p.leaves);
    free(p.parent);
    free(p.is_candidate);
}

static void pruning_cuts_the_weakest_links(void)
{
    struct general *g = general_new();
    struct grown a = { .count = 0 }, b = { .count = 0 };
    uint64_t state = test_seed + 4;
    uint32_t cuts = 0;

    REQUIRE(g != NULL);
    for (int round = 0; round < 200; round++) {
        struct sample s = sample_new(&state, 2 + below(&state, 300), 3, 3, round % 2);
        struct general_params p = random_params(&state, &s);
        double alpha = pow(10.0, -1.0 - below(&state, 5)) * (1 + below(&state, 9));
        p.criterion = FOREST_GINI;
        p.classes = 3;
        p.keep_all = true;
        p.max_leaf_nodes = round % 3 ? 0 : 40;
        REQUIRE_OK(general_grow(g, &s.prep, NULL, s.code, s.w, (uint32_t)round, &p, &a));
        REQUIRE_OK(general_grow(g, &s.prep, NULL, s.code, s.w, (uint32_t)round, &p, &b));
        REQUIRE_OK(grown_prune(&a, alpha));
        naive_prune(&b, alpha);
        for (uint32_t i = 0; i < a.count; i++) /* below a cut what was there may differ */
            CHECK(i || a.nodes[i].left == b.nodes[i].left);
        static const struct flat_identity identity = { .features = 3,
                                                       .classes = 3,
                                                       .flags = HAS_STATS };
        struct flat_buffer first = { NULL, 0 }, second = { NULL, 0 };
        const void *x, *y;
        size_t m, n;
        REQUIRE_OK(grown_flatten(&a, &identity, &first, &x, &m));
        REQUIRE_OK(grown_flatten(&b, &identity, &second, &y, &n));
        CHECK(m == n && memcmp(x, y, m) == 0);
        cuts += ((const struct tree_header *)x)->entry.nodes < a.count;
        free(first.block);
        free(second.block);
        sample_free(&s);
    }
    CHECK(cuts > 20);
    grown_release(&a);
    grown_release(&b);
    general_free(g);
}

/* ---- classes --------------------------------------------------------------------------- */

static void labels_get_numbers(void)
{
    const double labels[] = { 7.5, -3.0, 7.5, 0.0, -0.0, 1e300, -3.0 };
    const double expected[] = { 2, 0, 2, 1, 1, 3, 0 };
    double codes[7], classes[7];
    uint32_t count;

    REQUIRE_OK(forest_encode(labels, 7, codes, classes, &count));
    CHECK_EQ(count, 4);
    CHECK(memcmp(codes, expected, sizeof codes) == 0);
    CHECK(classes[0] == -3.0 && classes[1] == 0.0 && classes[2] == 7.5 && classes[3] == 1e300);
    memcpy(codes, labels, sizeof codes);
    REQUIRE_OK(forest_encode(codes, 7, codes, classes, &count)); /* in place */
    CHECK(memcmp(codes, expected, sizeof codes) == 0);

    double *many = malloc(70000 * sizeof *many), *room = malloc(70000 * sizeof *room);
    for (int i = 0; i < 70000; i++)
        many[i] = i % 65536;
    REQUIRE_OK(forest_encode(many, 70000, many, room, &count));
    CHECK_EQ(count, FOREST_CLASSES_MAX);
    many[0] = -1.0;
    CHECK_EQ(forest_encode(many, 70000, many, room, &count), -EINVAL);
    free(many);
    free(room);
}

/* A range of a longer array; all around it must stay as it was. */
static bool loops_agree(const struct node_loops *a, const struct node_loops *b, const float *column,
                        const uint32_t *rows, uint32_t n, double threshold)
{
    static uint32_t samples[2][600 + 2 * NODE_PAD], spare[600 + NODE_PAD];
    static float values[2][600 + NODE_PAD];
    const struct node_loops *loops[2] = { a, b };
    struct value_range range[2];
    uint32_t left[2];

    for (int i = 0; i < 2; i++) {
        uint32_t *node = samples[i] + NODE_PAD;
        memset(samples[i], 0x55, sizeof samples[i]);
        memcpy(node, rows, n * sizeof *rows);
        range[i] = loops[i]->gather(column, node, n, values[i]);
        left[i] = loops[i]->part(node, values[i], n, threshold, spare);
    }
    return memcmp(&range[0].least, &range[1].least, sizeof(float)) == 0 &&
           range[0].most == range[1].most && left[0] == left[1] &&
           memcmp(values[0], values[1], n * sizeof(float)) == 0 &&
           memcmp(samples[0], samples[1], sizeof samples[0]) == 0;
}

static void all_processors_part_nodes_alike(void)
{
    static float column[1000];
    static uint32_t rows[600];
    uint64_t state = test_seed + 5;

    for (int round = 0; round < 20000; round++) {
        uint32_t n = 1 + below(&state, round % 4 ? 40 : 600), values = 1 + below(&state, 30);
        for (uint32_t i = 0; i < 1000; i++) { /* zeros of both signs among them */
            float v = (float)below(&state, values) - (float)below(&state, 8);
            column[i] = v == 0.0f && below(&state, 2) ? -0.0f : v / 7.0f;
        }
        for (uint32_t i = 0; i < n; i++)
            rows[i] = below(&state, 1000);
        /* values themselves, what is as near as can be, and what is beyond all */
        double threshold = column[below(&state, 1000)];
        threshold = round % 3 == 0   ? nextafter(threshold, -9.0)
                    : round % 3 == 1 ? threshold
                                     : (double)below(&state, 20) - 10.0;
        for (int level = KERNELS_AVX2; level <= KERNELS_AVX512; level++) {
            const struct node_loops *loops = node_loops_of((enum kernels_level)level);
            CHECK(!loops ||
                  loops_agree(node_loops_of(KERNELS_PLAIN), loops, column, rows, n, threshold));
        }
    }
}

static void rare_classes_weigh_more(void)
{
    const uint16_t codes[] = { 0, 0, 0, 2, 2, 3 }; /* nobody is of class 1 */
    const double given[] = { 1, 2, 1, 1, 0.5, 1 };
    double w[] = { 1, 1, 1, 1, 1, 1 }, drawn[] = { 2, 0, 0, 1, 0, 3 }, by_class[4];

    labels_weigh(codes, 6, 4, FOREST_CLASS_WEIGHT_BALANCED, given, by_class, w);
    CHECK(w[0] == 6.0 / 9.0 && w[1] == 2.0 * (6.0 / 9.0) && w[3] == 1.0 && w[4] == 0.5 &&
          w[5] == 2.0);
    labels_weigh(codes, 6, 4, FOREST_CLASS_WEIGHT_BALANCED_SUBSAMPLE, NULL, by_class, drawn);
    CHECK(drawn[0] == 2.0 && drawn[1] == 0.0 && drawn[3] == 2.0 && drawn[5] == 3.0 * (6.0 / 9.0));
}

TESTS("general", { "regression is grown as the reference grows it", regression_is_the_reference },
      { "of equal gains, that is next which is in C++", equals_leave_the_heap_as_in_cpp },
      { "best first, a block gives the same trees", a_block_is_as_good_best_first },
      { "counting classes gives the trees that sorting rows gives",
        counting_is_as_good_as_sorting },
      { "the quick sort leaves ties in the order of the plain one",
        the_quick_sort_leaves_the_same_order },
      { "keys are sorted", keys_are_sorted },
      { "all processors part nodes alike", all_processors_part_nodes_alike },
      { "pruning cuts the weakest links, one by one", pruning_cuts_the_weakest_links },
      { "labels get numbers", labels_get_numbers },
      { "rare classes weigh more", rare_classes_weigh_more })
