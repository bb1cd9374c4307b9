/* SPDX-License-Identifier: MIT */
/*
 * Memory that runs out is -ENOMEM and nothing else: no crash, no leak, nothing changed. And
 * training one tree after the other does not allocate. This program's own malloc() counts, and
 * fails when told to.
 */
#include "support.h"

#include <errno.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/memory.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__GLIBC__)

int main(void)
{
    printf("the allocator cannot be replaced in this build\n");
    return 77;
}

#else

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t align, size_t size);
void __libc_free(void *memory);

/* volatile: who sees the whole program may take it that malloc() and free() change none of these */
static volatile bool watching;
static volatile long asked, fail_at; /* fail_at 0: never */
static volatile long held;           /* allocated while watching, not freed */
static volatile long bytes_held, bytes_most;

static bool may_have(void)
{
    return !watching || ++asked != fail_at;
}

static void count_bytes(void *memory, int sign)
{
    bytes_held += watching && memory ? sign * (long)malloc_usable_size(memory) : 0;
    bytes_most = bytes_held > bytes_most ? bytes_held : bytes_most;
}

static void *count(void *memory)
{
    held += watching && memory;
    count_bytes(memory, 1);
    return memory;
}

void *malloc(size_t size)
{
    return may_have() ? count(__libc_malloc(size)) : NULL;
}

void *calloc(size_t n, size_t size)
{
    return may_have() ? count(__libc_calloc(n, size)) : NULL;
}

void *aligned_alloc(size_t align, size_t size)
{
    return may_have() ? count(__libc_memalign(align, size)) : NULL;
}

int posix_memalign(void **out, size_t align, size_t size)
{
    void *memory = aligned_alloc(align, size);

    if (memory)
        *out = memory;
    return memory ? 0 : ENOMEM;
}

void *realloc(void *memory, size_t size)
{
    if (!may_have())
        return NULL;
    held += watching && !memory;
    count_bytes(memory, -1);
    memory = __libc_realloc(memory, size);
    count_bytes(memory, 1);
    return memory;
}

void free(void *memory)
{
    held -= watching && memory;
    count_bytes(memory, -1);
    __libc_free(memory);
}

/* One way through the library; what it gets it gives back. */
static int use(const struct table *t, const struct table *rows, const struct forest_params *params)
{
    struct forest_matrix x = table_matrix(t), many = table_matrix(rows);
    struct forest *forest;
    static double p[3 * 2000], q[64];
    static uint32_t leaves[3 * 2000];
    uint32_t classes;
    void *model;
    size_t bytes;

    int err = forest_train(&x, t->y, t->w, params, NULL, &model, &bytes);
    if (err)
        return err;
    err = forest_open(model, bytes, &forest, NULL);
    if (!err) {
        err = forest_predict(forest, &many, p);
        if (!err)
            err = forest_apply(forest, &many, leaves);
        if (!err && params->task == FOREST_CLASSIFICATION)
            err = forest_predict_proba(forest, &many, p);
        if (!err && params->keep_stats)
            err = forest_importances(forest, q);
        if (!err && params->keep_stats)
            err = forest_oob(forest, &x, t->y, p, q);
        if (!err && params->keep_stats)
            err = forest_permutation_importances(forest, &x, t->y, 2, 3, q, q + 32);
        if (!err)
            err = forest_encode(t->y, t->rows, p, p + 1000, &classes);
        forest_close(forest);
    }
    free(model);
    return err;
}

/* The kinds of forests that go different ways. */
enum { KINDS = 9 };

static struct forest_params kind_params(int kind, struct table *t)
{
    struct forest_params params = FOREST_PARAMS_INIT;

    params.n_estimators = 3;
    if (kind == 1)
        params.ccp_alpha = 1e-3;
    if (kind == 2) {
        params.max_leaf_nodes = 30;
        params.keep_stats = 1;
    }
    if (kind >= 5)
        params.mode = kind == 5 ? FOREST_HISTOGRAM : FOREST_FAST;
    if (kind == 8)
        params.max_leaf_nodes = 30;
    if (kind == 3 || kind == 4 || kind == 7) {
        table_classes(t, 3);
        params.task = FOREST_CLASSIFICATION;
        params.criterion = FOREST_ENTROPY;
        params.class_weight = kind == 3 ? FOREST_CLASS_WEIGHT_BALANCED_SUBSAMPLE : 0;
        params.keep_stats = kind == 4;
    }
    return params;
}

static void run_out(int kind)
{
    struct table t = table_mixed(61, 300, 6), rows = table_mixed(62, 2000, 6);
    struct forest_params params = kind_params(kind, &t);
    int err = -ENOMEM;

    for (uint64_t i = 0; i < t.rows; i++)
        t.w[i] = 1 + (double)(i % 3);
    REQUIRE_OK(use(&t, &rows, &params));
    for (fail_at = 1; err; fail_at++) {
        asked = held = 0;
        watching = true;
        err = use(&t, &rows, &params);
        watching = false;
        CHECK(err == 0 || err == -ENOMEM);
        CHECK_EQ(held, 0);
        REQUIRE(fail_at < 10000);
    }
    CHECK(fail_at > 12); /* there is much to allocate */
    fail_at = 0;
    table_free(&t);
    table_free(&rows);
}

static void running_out_is_an_error(void)
{
    for (int kind = 0; kind < KINDS; kind++)
        run_out(kind);
}

/* The block, to be freed after the view of it. */
static void *prepare(const struct forest_matrix *x, uint32_t mode, struct forest_prepared **out)
{
    bool is_binned = mode == FOREST_HISTOGRAM;
    size_t size;

    REQUIRE_OK(is_binned ? forest_bin_size(x, &size) : forest_prepared_size(x, &size));
    void *block = aligned_alloc(64, (size + 63) / 64 * 64);
    REQUIRE(block != NULL);
    REQUIRE_OK(is_binned ? forest_bin(x, block, size) : forest_prepare(x, block, size));
    REQUIRE_OK(forest_prepared_open(block, size, out));
    return block;
}

/* A scratch that met a failure goes on to give the right trees. */
static void survive(int kind)
{
    struct table t = table_mixed(63, 400, 5);
    struct forest_matrix x = table_matrix(&t);
    struct forest_params params = kind_params(kind, &t);
    struct forest_prepared *prepared;
    struct forest_scratch *scratch, *fresh;
    const void *tree;
    size_t bytes;
    int err = -ENOMEM;

    params.n_estimators = 20;
    void *block = prepare(&x, params.mode, &prepared);
    REQUIRE_OK(forest_scratch_new(&fresh));
    REQUIRE_OK(forest_tree_train(prepared, t.y, NULL, &params, 5, fresh, &tree, &bytes));
    uint64_t expected = fnv(tree, bytes);
    REQUIRE_OK(forest_scratch_new(&scratch));
    for (fail_at = 1; err; fail_at++) {
        asked = 0;
        watching = true;
        err = forest_tree_train(prepared, t.y, NULL, &params, 5, scratch, &tree, &bytes);
        watching = false;
        CHECK(err == 0 || err == -ENOMEM);
        REQUIRE(fail_at < 10000);
    }
    CHECK(fnv(tree, bytes) == expected);
    fail_at = 0;

    /* The steady state: the second time round nothing is allocated. */
    for (int round = 0; round < 2; round++) {
        asked = 0;
        watching = true;
        for (uint32_t i = 0; i < 20; i++)
            if (forest_tree_train(prepared, t.y, NULL, &params, i, scratch, &tree, &bytes))
                asked = -1000000;
        watching = false;
        if (round)
            CHECK_EQ(asked, 0);
    }
    forest_scratch_free(scratch);
    forest_scratch_free(fresh);
    forest_prepared_close(prepared);
    free(block);
    table_free(&t);
}

static void a_scratch_survives_failures(void)
{
    for (int kind = 0; kind < KINDS; kind++)
        survive(kind);
}

/* What forest.h says of a scratch, and room for the largest tree that so many rows can have. */
static long scratch_bound(uint64_t rows, uint64_t cols, bool keep_stats, uint32_t mode)
{
    uint64_t block = (8 << 20) + rows * cols * sizeof(float) / 2, most = 32 << 20;
    uint64_t tree = (2 * rows + 64) * (keep_stats ? 48 : 16);
    uint64_t few = cols <= 128 ? 3600 * cols : 0; /* lists of subtrees of few rows */

    if (mode == FOREST_HISTOGRAM)
        return (long)(40 * rows + 40 * cols + tree + (40 << 20));
    if (mode == FOREST_FAST) {
        uint64_t small = rows < 65536 ? rows : 65536, sixteens = (cols + 15) / 16 * 16;
        uint64_t bytes = rows <= small
                             ? (8 * cols + 60) * rows + 700 * cols
                             : (sixteens + 80) * rows + 8000 * cols + (12 * cols + 60) * small;
        bytes += rows > 1024 ? 1100 * (8 * cols + 60) : 0;
        return (long)(bytes * 65 / 64 + 800 * cols + few + tree + (64 << 10));
    }
    return (long)(50 * rows + 1300 * cols + few + (block < most ? block : most) + tree +
                  (64 << 10));
}

static void check_scratch(uint64_t rows, uint64_t cols, bool keep_stats, uint32_t mode)
{
    struct table t = table_mixed(64, rows, cols);
    struct forest_matrix x = table_matrix(&t);
    struct forest_params params = FOREST_PARAMS_INIT;
    struct forest_prepared *prepared;
    struct forest_scratch *scratch;
    const void *tree;
    size_t bytes;

    params.mode = mode;
    params.keep_stats = keep_stats;
    params.max_features = cols > 1000 ? FOREST_MAX_FEATURES_SQRT : FOREST_MAX_FEATURES_DEFAULT;
    void *block = prepare(&x, params.mode, &prepared);
    for (uint32_t whole = 0; whole < 2; whole++) {
        params.no_bootstrap = whole;
        bytes_held = bytes_most = 0;
        watching = true;
        int err = forest_scratch_new(&scratch);
        for (uint32_t i = 0; i < 2 && !err; i++)
            err = forest_tree_train(prepared, t.y, NULL, &params, i, scratch, &tree, &bytes);
        forest_scratch_free(scratch);
        watching = false;
        REQUIRE_OK(err);
        if (bytes_most > scratch_bound(rows, cols, keep_stats, mode))
            fprintf(stderr, "%llu x %llu: %ld bytes, not up to %ld\n", (unsigned long long)rows,
                    (unsigned long long)cols, bytes_most,
                    scratch_bound(rows, cols, keep_stats, mode));
        CHECK(bytes_most <= scratch_bound(rows, cols, keep_stats, mode));
        CHECK(bytes_most > (long)(20 * rows)); /* it was counted */
    }
    forest_prepared_close(prepared);
    free(block);
    table_free(&t);
}

/* The same of fast classifiers. What they keep with the data is made before. */
static void check_classifier(uint64_t rows, uint64_t cols, uint32_t classes)
{
    struct table t = table_mixed(65, rows, cols);
    struct forest_matrix x = table_matrix(&t);
    struct forest_params params = FOREST_PARAMS_INIT;
    uint64_t small = rows < 65536 ? rows : 65536;
    struct forest_prepared *prepared;
    struct forest_scratch *scratch, *first;
    const void *tree;
    size_t bytes;

    params.mode = FOREST_FAST;
    params.task = FOREST_CLASSIFICATION;
    params.no_bootstrap = 1;
    params.max_depth = 6;
    table_classes(&t, classes);
    void *block = prepare(&x, params.mode, &prepared);
    REQUIRE_OK(forest_scratch_new(&first));
    REQUIRE_OK(forest_tree_train(prepared, t.y, NULL, &params, 0, first, &tree, &bytes));
    forest_scratch_free(first);
    bytes_held = bytes_most = 0;
    watching = true;
    int err = forest_scratch_new(&scratch);
    if (!err)
        err = forest_tree_train(prepared, t.y, NULL, &params, 0, scratch, &tree, &bytes);
    watching = false;
    REQUIRE_OK(err);
    long bound = (long)(130 * rows + 4 * cols * small + 2048 * classes + 12 * bytes + (64 << 10));
    if (bytes_most > bound)
        fprintf(stderr, "%llu x %llu: %ld bytes, not up to %ld\n", (unsigned long long)rows,
                (unsigned long long)cols, bytes_most, bound);
    CHECK(bytes_most <= bound);
    CHECK(bytes_most > (long)(20 * rows));
    forest_scratch_free(scratch);
    forest_prepared_close(prepared);
    free(block);
    table_free(&t);
}

static void a_scratch_is_small_beside_the_data(void)
{
    check_classifier(30000, 8, 3);
    check_classifier(140000, 5, 2);
    check_classifier(3000, 200, 60);
    check_scratch(400, 3, true, FOREST_EXACT);
    check_scratch(30000, 8, false, FOREST_EXACT);
    check_scratch(140000, 5, false, FOREST_EXACT); /* from here on feature by feature at the top */
    check_scratch(20000, 200, false, FOREST_EXACT);
    check_scratch(3000, 2500, true, FOREST_EXACT);
    check_scratch(400, 3, true, FOREST_FAST);
    check_scratch(30000, 8, false, FOREST_FAST);
    check_scratch(140000, 5, false, FOREST_FAST);
    check_scratch(300000, 3, false, FOREST_FAST);
    check_scratch(1000, 128, false, FOREST_FAST);
    check_scratch(1000, 3000, false, FOREST_FAST);
    check_scratch(400, 3, true, FOREST_HISTOGRAM);
    check_scratch(140000, 5, false, FOREST_HISTOGRAM);
    check_scratch(20000, 200, false, FOREST_HISTOGRAM);
    check_scratch(3000, 2500, true, FOREST_HISTOGRAM);
    check_scratch(1000, 20000, false, FOREST_HISTOGRAM); /* fewer histograms, smaller blocks */
}

/* How many of the memory's pages are there. */
static size_t pages_there(char *memory, size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), count = 0;
    static unsigned char there[4096];

    REQUIRE((bytes + page - 1) / page <= sizeof there);
    REQUIRE(mincore(memory, bytes, there) == 0);
    for (size_t i = 0; i < (bytes + page - 1) / page; i++)
        count += there[i] & 1;
    return count;
}

static void pages_are_made_where_they_are_asked_for(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), bytes = 64 * page;
    char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    REQUIRE(memory != MAP_FAILED);
    memory_populate(memory, 0);
    CHECK_EQ(pages_there(memory, bytes), 0);
    memory[10 * page + 1] = 7;
    memory_populate(memory + 10 * page + 1, 20 * page);
    CHECK_EQ(memory[10 * page + 1], 7);
    size_t there = pages_there(memory, bytes); /* 21: it begins and ends within a page */
    CHECK(there == 21 || there == 1);          /* an older kernel */
    munmap(memory, bytes);
}

static void large_memory_is_like_any(void)
{
    static const size_t sizes[] = { 1, 4095, 100000, 2 << 20, (2 << 20) + 1, 4000000, 9 << 20 };

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char *a = memory_reserve(sizes[i]), *b = memory_make(sizes[i]);
        REQUIRE(a && b);
        CHECK_EQ((uintptr_t)a % 64 + (uintptr_t)b % 64, 0);
        memset(a, 1, sizes[i]);
        memset(b, 2, sizes[i]);
        CHECK(a[sizes[i] - 1] == 1 && b[0] == 2);
        free(a);
        free(b);
    }
    CHECK(memory_reserve(SIZE_MAX) == NULL);
    CHECK(memory_make(SIZE_MAX / 2) == NULL);
}

TESTS("memory",
      { "pages are made where they are asked for", pages_are_made_where_they_are_asked_for },
      { "large memory is like any", large_memory_is_like_any },
      { "when memory runs out there is an error and no leak", running_out_is_an_error },
      { "a scratch survives it, and allocates nothing when it has what it needs",
        a_scratch_survives_failures },
      { "a scratch is small beside the data", a_scratch_is_small_beside_the_data })

#endif
