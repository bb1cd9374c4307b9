/* SPDX-License-Identifier: MIT */
/*
 * Every error that forest.h documents, provoked: a row for each call and error. The header is read,
 * and an error that it names and no row provokes fails the test. No memory is provoked at each
 * allocation of a call in turn, and then of all from there on.
 */
#define _GNU_SOURCE
#include "../support/errors.h"
#include "support.h"

#include <errno.h>
#include <math.h>

/* ---- allocations that fail -------------------------------------------------------------- */

static long count, fail_from, fail_to; /* those numbers fail, from 1; 0: none */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CAN_FAIL false /* the sanitizer has its own malloc */
#else
#define CAN_FAIL true
static bool fails(void)
{
    if (!fail_from)
        return false;
    count++;
    return count >= fail_from && count <= fail_to;
}

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

void *malloc(size_t size)
{
    return fails() ? NULL : __libc_malloc(size);
}
void *calloc(size_t n, size_t size)
{
    return fails() ? NULL : __libc_calloc(n, size);
}
void *realloc(void *p, size_t size)
{
    return fails() ? NULL : __libc_realloc(p, size);
}
void *aligned_alloc(size_t alignment, size_t size)
{
    return fails() ? NULL : __libc_memalign(alignment, size);
}
int posix_memalign(void **out, size_t alignment, size_t size)
{
    void *memory = aligned_alloc(alignment, size);

    if (memory)
        *out = memory;
    return memory ? 0 : ENOMEM;
}
#endif

/*
 * -ENOMEM, if the call says so whichever of its allocations fails, and succeeds in the end. Some
 * it can do without, such as what makes it faster: then it succeeds at once.
 */
static int out_of_memory(int (*call)(void))
{
    long said = 0;

    for (int all = 0; CAN_FAIL && all < 2; all++)
        for (long n = 1;; n++) {
            count = 0;
            fail_to = all ? INT32_MAX : n;
            fail_from = n;
            int err = call();
            fail_from = 0;
            if (count < n) { /* it has no n-th allocation */
                if (err || !said)
                    return err;
                break;
            }
            if (err && err != -ENOMEM)
                return err;
            said += err != 0;
        }
    return CAN_FAIL ? -ENOMEM : ERRORS_NOT_HERE;
}

/* ---- what calls are made on ------------------------------------------------------------- */

#define ROWS 40
static struct table numbers, classes;
static struct trained regression, classifier;
static struct forest_matrix x;
static struct forest_params params;
static double out[ROWS * 8];
static void *block;
static size_t block_bytes;

static void set_up(void)
{
    struct forest_params p = FOREST_PARAMS_INIT;

    numbers = table_mixed(80, ROWS, 3);
    classes = table_mixed(81, ROWS, 3);
    table_classes(&classes, 3);
    x = table_matrix(&numbers);
    p.n_estimators = 2;
    p.keep_stats = 1;
    params = p;
    regression = train_on(&numbers, false, &p);
    p.task = FOREST_CLASSIFICATION;
    p.keep_stats = 0;
    classifier = train_on(&classes, false, &p);
    REQUIRE_OK(forest_prepared_size(&x, &block_bytes));
    block = aligned_alloc(64, (block_bytes + 63) / 64 * 64);
    REQUIRE_OK(forest_prepare(&x, block, block_bytes));
}

static void tear_down(void)
{
    trained_free(&regression);
    trained_free(&classifier);
    table_free(&numbers);
    table_free(&classes);
    free(block);
}

/* ---- calls ------------------------------------------------------------------------------ */

static int split_nothing(void)
{
    uint32_t order[2];
    uint64_t test;
    return forest_train_test_split(1, 0.5, 0, order, &test);
}
static int friedman_into_nothing(void)
{
    double y[5];
    CHECK_EQ(forest_make_friedman1(5, 5, 0, 0, NULL, y), -EINVAL);
    return forest_make_friedman1(5, 5, 0, 0, out, NULL);
}
static int friedman_of_few(void)
{
    return forest_make_friedman1(4, 4, 0, 0, out, out);
}
static int friedman(void)
{
    double y[4];
    return forest_make_friedman1(4, 5, 0, 0, out, y);
}
static int friedman_no_memory(void)
{
    return out_of_memory(friedman);
}
static int blobs_of_none(void)
{
    return forest_make_blobs(&(struct forest_blobs){ 4, 2, 1.0, 0, 0 }, out, out);
}
static int blobs(void)
{
    double y[4];
    return forest_make_blobs(&(struct forest_blobs){ 4, 2, 1.0, 2, 0 }, out, y);
}
static int blobs_no_memory(void)
{
    return out_of_memory(blobs);
}

static int train(void)
{
    void *model = NULL;
    size_t bytes;
    int err = forest_train(&x, numbers.y, NULL, &params, NULL, &model, &bytes);
    if (!err)
        free(model);
    return err;
}
static int params_out_of_range(void)
{
    struct forest_params saved = params;
    params.min_samples_split = 1;
    int err = train();
    params = saved;
    return err;
}
static int params_of_later(void)
{
    struct {
        struct forest_params p;
        uint64_t more;
    } later = { params, 1 };
    void *model;
    size_t bytes;
    later.p.struct_size = sizeof later;
    return forest_train(&x, numbers.y, NULL, &later.p, NULL, &model, &bytes);
}

static int encode_nan(void)
{
    double label[2] = { 1, (double)NAN }, distinct[2];
    uint32_t n;
    return forest_encode(label, 2, out, distinct, &n);
}
static int encode(void)
{
    double distinct[ROWS];
    uint32_t n;
    return forest_encode(numbers.y, ROWS, out, distinct, &n);
}
static int encode_no_memory(void)
{
    return out_of_memory(encode);
}

static int prepare_nothing(void)
{
    struct forest_matrix m = x;
    size_t bytes;
    m.rows = 0;
    return forest_prepared_size(&m, &bytes);
}
static int bin_nothing(void)
{
    struct forest_matrix m = x;
    size_t bytes;
    m.cols = 0;
    return forest_bin_size(&m, &bytes);
}
static int scratch(void)
{
    struct forest_scratch *s;
    int err = forest_scratch_new(&s);
    if (!err)
        forest_scratch_free(s);
    return err;
}
static int scratch_no_memory(void)
{
    return out_of_memory(scratch);
}

/* A tree that is trained, of either kind. */
static uint32_t tree_task, tree_index;
static int tree(void)
{
    struct forest_params p = params;
    struct forest_prepared *prepared;
    struct forest_scratch *s;
    const void *data;
    size_t bytes;

    p.task = tree_task;
    int err = forest_prepared_open(block, block_bytes, &prepared);
    if (err)
        return err;
    err = forest_scratch_new(&s);
    if (!err) {
        err = forest_tree_train(prepared, tree_task ? classes.y : numbers.y, NULL, &p, tree_index,
                                s, &data, &bytes);
        forest_scratch_free(s);
    }
    forest_prepared_close(prepared);
    return err;
}
static int tree_of_no_forest(void)
{
    tree_index = 2;
    int err = tree();
    tree_index = 0;
    return err;
}
static int tree_no_memory(void)
{
    int err = out_of_memory(tree);
    tree_task = FOREST_CLASSIFICATION;
    err = err == -ENOMEM ? out_of_memory(tree) : err;
    tree_task = FOREST_REGRESSION;
    return err == -ENOMEM ? out_of_memory(train) : err;
}

static const struct forest_node root = { .left = -1, .right = -1, .feature = -2, .value = 1 };
static struct forest_params lone;
static int make(void **data, size_t *bytes)
{
    struct forest_tree_source source = { .nodes = &root, .count = 1 };
    lone = (struct forest_params)FOREST_PARAMS_INIT;
    lone.n_estimators = 1;
    return forest_tree_make(&lone, 2, 0, &source, data, bytes);
}
static int make_and_free(void)
{
    void *data;
    size_t bytes;
    int err = make(&data, &bytes);
    if (!err)
        free(data);
    return err;
}
static int make_no_memory(void)
{
    return out_of_memory(make_and_free);
}
static int make_nothing(void)
{
    struct forest_tree_source source = { .nodes = &root, .count = 0 };
    void *data;
    size_t bytes;
    return forest_tree_make(&params, 2, 0, &source, &data, &bytes);
}

/* A model assembled from a lone root whose byte `flip` is another one. */
static int assemble_with(size_t flip, void *into)
{
    static void *data; /* the making is no part of what may fail */
    static size_t tree_bytes;
    size_t bytes;
    long from = fail_from;

    fail_from = 0;
    if (!data)
        REQUIRE_OK(make(&data, &tree_bytes));
    fail_from = from;
    struct forest_tree lent = { data, tree_bytes };
    ((char *)data)[flip] ^= 1;
    int err = forest_assemble_size(&lent, 1, &bytes);
    if (!err)
        err = forest_assemble(&lone, 2, &lent, 1, into, bytes);
    ((char *)data)[flip] ^= 1;
    return err;
}
static _Alignas(64) char assembled[4096];
static int assemble_damaged(void)
{
    return assemble_with(140, assembled);
}
static int assemble_nowhere(void)
{
    size_t bytes;
    return forest_assemble_size(NULL, 1, &bytes);
}
static int assemble(void)
{
    int err = assemble_with(140, assembled);
    if (err != -EBADMSG)
        return err;
    struct forest *forest;
    err = forest_open(regression.block, regression.bytes, &forest, NULL);
    if (!err)
        forest_close(forest);
    return err;
}
static int assemble_no_memory(void)
{
    return out_of_memory(assemble);
}

static int open_at(size_t flip, size_t offset)
{
    char *copy = aligned_alloc(64, (regression.bytes + 127) / 64 * 64);
    struct forest *forest = NULL;
    memcpy(copy + offset, regression.block, regression.bytes);
    copy[offset + flip] ^= 1;
    int err = forest_open(copy + offset, regression.bytes, &forest, NULL);
    if (!err)
        forest_close(forest);
    free(copy);
    return err;
}
static int open_damaged(void)
{
    return open_at(300, 0);
}
static int open_misaligned(void)
{
    return open_at(0, 4);
}
static int open_another_file(void)
{
    static const uint64_t noise[64] = { 1, 2, 3 };
    struct forest *forest;
    return forest_open(noise, sizeof noise, &forest, NULL);
}
static int open_model(void)
{
    struct forest *forest;
    int err = forest_open(classifier.block, classifier.bytes, &forest, NULL);
    if (!err)
        forest_close(forest);
    return err;
}
static int open_no_memory(void)
{
    return out_of_memory(open_model);
}

static int classes_nowhere(void)
{
    return forest_classes(classifier.forest, NULL);
}
static int add_notes(void)
{
    void *noted;
    size_t bytes;
    int err = forest_add_notes(regression.block, regression.bytes, "n", 1, &noted, &bytes);
    if (!err)
        free(noted);
    return err;
}
static int notes_no_memory(void)
{
    return out_of_memory(add_notes);
}
static int notes_of_nothing(void)
{
    void *noted;
    size_t bytes;
    return forest_add_notes(regression.block, regression.bytes, NULL, 1, &noted, &bytes);
}
static int nodes_of_no_tree(void)
{
    uint64_t n;
    struct forest_node node;
    int err = forest_tree_node(regression.forest, 0, 100000, &node);
    return err == -ERANGE ? forest_tree_nodes(regression.forest, 2, &n) : err;
}
static int weights_of_no_tree(void)
{
    return forest_tree_weights(classifier.forest, 2, 0, out);
}
static int weights_not_kept(void)
{
    return forest_tree_weights(classifier.forest, 0, 0, out);
}
static int shares_of_no_tree(void)
{
    return forest_tree_shares(classifier.forest, 2, 0, out);
}
static int shares_of_a_question(void)
{
    return forest_tree_shares(classifier.forest, 0, 0, out);
}

static struct forest_matrix narrow(void)
{
    struct forest_matrix m = x;
    m.cols = 2;
    return m;
}
static int predict_narrow(void)
{
    struct forest_matrix m = narrow();
    return forest_predict(regression.forest, &m, out);
}
static int predict(void)
{
    return forest_predict(classifier.forest, &x, out);
}
static int predict_no_memory(void)
{
    return out_of_memory(predict);
}
static int proba_of_numbers(void)
{
    return forest_predict_proba(regression.forest, &x, out);
}
static int proba(void)
{
    return forest_predict_proba(classifier.forest, &x, out);
}
static int proba_no_memory(void)
{
    return out_of_memory(proba);
}
static int quantiles_at(double q)
{
    return forest_predict_quantiles(regression.forest, &x, numbers.y, &x, &q, 1, NULL, out);
}
static int quantile_beyond(void)
{
    return quantiles_at(1.5);
}
static int quantiles(void)
{
    return quantiles_at(0.5);
}
static int quantiles_no_memory(void)
{
    return out_of_memory(quantiles);
}
static int path_of_no_row(void)
{
    uint32_t nodes[64], n;
    return forest_decision_path(regression.forest, &x, ROWS, 0, nodes, &n);
}
static int oob_narrow(void)
{
    struct forest_matrix m = narrow();
    return forest_oob(regression.forest, &m, numbers.y, out, NULL);
}
static int oob(void)
{
    double score;
    return forest_oob(classifier.forest, &x, classes.y, NULL, &score);
}
static int oob_no_memory(void)
{
    return out_of_memory(oob);
}
static int importances_not_kept(void)
{
    return forest_importances(classifier.forest, out);
}
static int importances(void)
{
    return forest_importances(regression.forest, out);
}
static int importances_no_memory(void)
{
    return out_of_memory(importances);
}
static int permute_never(void)
{
    return forest_permutation_importances(regression.forest, &x, numbers.y, 0, 0, out, out + 3);
}
static int permute(void)
{
    return forest_permutation_importances(regression.forest, &x, numbers.y, 1, 0, out, out + 3);
}
static int permute_no_memory(void)
{
    return out_of_memory(permute);
}

/* ---- all of them ------------------------------------------------------------------------ */

static const struct error_row rows[] = {
    { "forest_train_test_split", EINVAL, split_nothing },
    { "every call", EINVAL, friedman_into_nothing },
    { "forest_make_friedman1", EINVAL, friedman_of_few },
    { "forest_make_friedman1", ENOMEM, friedman_no_memory },
    { "struct forest_blobs", EINVAL, blobs_of_none },
    { "struct forest_blobs", ENOMEM, blobs_no_memory },
    { "struct forest_params", EINVAL, params_out_of_range },
    { "struct forest_params", E2BIG, params_of_later },
    { "forest_encode", EINVAL, encode_nan },
    { "forest_encode", ENOMEM, encode_no_memory },
    { "forest_prepared_size", EINVAL, prepare_nothing },
    { "forest_bin_size", EINVAL, bin_nothing },
    { "forest_scratch_new", ENOMEM, scratch_no_memory },
    { "forest_tree_train", EINVAL, tree_of_no_forest },
    { "forest_tree_train", ENOMEM, tree_no_memory },
    { "forest_assemble_size", EBADMSG, assemble_damaged },
    { "forest_assemble_size", EINVAL, assemble_nowhere },
    { "forest_assemble_size", ENOMEM, assemble_no_memory },
    { "forest_open", EPROTO, open_another_file },
    { "forest_open", EBADMSG, open_damaged },
    { "forest_open", EINVAL, open_misaligned },
    { "forest_open", ENOMEM, open_no_memory },
    { "forest_classes", EINVAL, classes_nowhere },
    { "forest_add_notes", EINVAL, notes_of_nothing },
    { "forest_add_notes", ENOMEM, notes_no_memory },
    { "struct forest_node", ERANGE, nodes_of_no_tree },
    { "forest_tree_weights", ERANGE, weights_of_no_tree },
    { "forest_tree_weights", EINVAL, weights_not_kept },
    { "forest_tree_shares", ERANGE, shares_of_no_tree },
    { "forest_tree_shares", EINVAL, shares_of_a_question },
    { "struct forest_tree_source", EINVAL, make_nothing },
    { "struct forest_tree_source", ENOMEM, make_no_memory },
    { "forest_predict", EINVAL, predict_narrow },
    { "forest_predict", ENOMEM, predict_no_memory },
    { "forest_predict_proba", EINVAL, proba_of_numbers },
    { "forest_predict_proba", ENOMEM, proba_no_memory },
    { "forest_predict_quantiles", EINVAL, quantile_beyond },
    { "forest_predict_quantiles", ENOMEM, quantiles_no_memory },
    { "forest_decision_path", ERANGE, path_of_no_row },
    { "forest_oob", EINVAL, oob_narrow },
    { "forest_oob", ENOMEM, oob_no_memory },
    { "forest_importances", EINVAL, importances_not_kept },
    { "forest_importances", ENOMEM, importances_no_memory },
    { "forest_permutation_importances", EINVAL, permute_never },
    { "forest_permutation_importances", ENOMEM, permute_no_memory },
    { NULL, 0, NULL },
};

static void each_row(void)
{
    set_up();
    for (const struct error_row *row = rows; row->call; row++)
        errors_provoke(row);
    tear_down();
}

static void each_error_of_the_header(void)
{
    static const struct error_row *const tables[] = { rows, NULL };

    errors_check_header("libforest/include/forest.h", "FOREST_", tables, 40);
}

TESTS("forest: errors", { "each error of the table is provoked", each_row },
      { "each error that the header documents has a row", each_error_of_the_header })
