/* SPDX-License-Identifier: MIT */
/*
 * predict.c -- many rows down many trees.
 *
 * A walk down one tree is a chain of loads, each waiting for the one before, and no branch in it
 * can be predicted. So the rows of a chunk go down a tree together, in two phases:
 *
 *   spread  While many rows share a node, split their list there by the one column it asks about,
 *           left rows first. At the end the list is in the order of the tree.
 *   walk    From where only a few are together, blocks of neighbours walk on, one level per
 *           pass: independent of each other, in a part of the tree that fits the nearest cache.
 * What the next tree needs is fetched meanwhile.
 *
 * Each row's sum runs over the trees in order, from 0.0: its bits depend neither on chunks nor on
 * blocks.
 */
#include "predict.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "matrix.h"
#include "model.h"
#include "shares.h"

#define TOGETHER 64             /* up to so many rows walk */
#define CHUNK_FLOATS (1u << 17) /* values of a chunk of rows: 512 KiB */
#define CHUNK_ROWS_MIN 16
#define CHUNK_ROWS_MAX 16384
#define SMALL_FLOATS 4096 /* so little needs no malloc() */
#define PENDING_MAX (CHUNK_ROWS_MAX / TOGETHER + 1)

/* A chunk of rows and the lists of those on their way. */
struct chunk {
    uint32_t count;
    const float *rows; /* row after row */
    float *columns;    /* column after column; NULL if no more than TOGETHER rows */
    uint32_t *row;     /* numbers of the rows, reordered per tree */
    uint32_t *at;      /* the node where row[k] is */
    uint32_t *spare;
    double *answers; /* classification: one a row, */
    double *shares;  /* and one a row and class if labels are asked for, else NULL */
};

/* The rows row[from..to) are at `node`. */
struct range {
    uint32_t node;
    uint32_t from;
    uint32_t to;
};

/* The largest float that is not above the threshold: the same floats are <= to both. */
static float round_down(double threshold)
{
    float f = (float)threshold;

    return (double)f > threshold ? nextafterf(f, -INFINITY) : f;
}

/*
 * Pending ranges do not overlap and have more than TOGETHER rows each (smaller ones are settled at
 * once), so there are never more than PENDING_MAX.
 */
static void spread(const struct node *tree, const struct chunk *chunk,
                   const struct predict_kernels *kernels)
{
    struct range pending[PENDING_MAX], r = { 0, 0, chunk->count };
    uint32_t top = 0;

    for (uint32_t i = 0; i < chunk->count; i++)
        chunk->row[i] = i;
    for (;;) {
        const struct node *node = &tree[r.node];
        if (r.to - r.from > TOGETHER && !node_is_leaf(node)) {
            const float *column = chunk->columns + (size_t)node->feature * chunk->count;
            uint32_t mid =
                r.from + kernels->split(column, round_down(node->number), chunk->row + r.from,
                                        r.to - r.from, chunk->spare);
            if (r.to - mid > TOGETHER)
                pending[top++] = (struct range){ node->right, mid, r.to };
            else
                for (uint32_t k = mid; k < r.to; k++)
                    chunk->at[k] = node->right;
            r = (struct range){ r.node + 1, r.from, mid };
            continue;
        }
        for (uint32_t k = r.from; k < r.to; k++)
            chunk->at[k] = r.node;
        if (top == 0)
            return;
        r = pending[--top];
    }
}

/* Fetch the share of `body` that belongs to rows from..to of the chunk. */
static void fetch(const char *body, size_t bytes, const struct chunk *chunk, uint32_t from,
                  uint32_t to)
{
    size_t i = bytes * from / chunk->count & ~(size_t)63, end = bytes * to / chunk->count;

    for (; i < end; i += 64)
        __builtin_prefetch(body + i, 0, 2);
}

/* Walk all rows of the chunk down a tree, and add each leaf's number to sums[row]. */
static void walk_tree(const struct forest *model, uint32_t t, const struct chunk *chunk,
                      const struct predict_kernels *kernels, double *sums)
{
    uint64_t features = model->header->features;
    uint32_t trees = model->header->trees;
    const struct node *tree = forest_nodes(model, t);
    uint32_t next = t + 1 < trees ? t + 1 : t;
    const char *next_tree = (const char *)forest_nodes(model, next);
    size_t next_bytes = next > t && chunk->columns ? model->trees[next].nodes * sizeof *tree : 0;

    spread(tree, chunk, kernels);
    for (uint32_t i = 0; i < chunk->count; i += WALK_BLOCK) {
        uint32_t n = chunk->count - i < WALK_BLOCK ? chunk->count - i : WALK_BLOCK;
        fetch(next_tree, next_bytes, chunk, i, i + n);
        kernels->walk(tree, chunk->rows, features, chunk->row + i, chunk->at + i, n, sums);
    }
}

static void predict_numbers(const struct forest *model, const struct chunk *chunk,
                            const struct predict_kernels *kernels, double *out)
{
    uint32_t trees = model->header->trees;

    for (uint32_t i = 0; i < chunk->count; i++)
        out[i] = 0.0;
    for (uint32_t t = 0; t < trees; t++)
        walk_tree(model, t, chunk, kernels, out);
    for (uint32_t i = 0; i < chunk->count; i++)
        out[i] /= (double)trees;
}

/* Each row's share of each class in `out`, row after row. */
static void predict_shares(const struct forest *model, const struct chunk *chunk,
                           const struct predict_kernels *kernels, double *out)
{
    uint32_t trees = model->header->trees, classes = model->header->classes;
    size_t cells = (size_t)chunk->count * classes;

    for (size_t i = 0; i < cells; i++)
        out[i] = 0.0;
    for (uint32_t t = 0; t < trees; t++) {
        struct shares shares = model_shares(model, t);
        for (uint32_t i = 0; i < chunk->count; i++)
            chunk->answers[i] = 0.0;
        walk_tree(model, t, chunk, kernels, chunk->answers);
        for (uint32_t i = 0; i < chunk->count; i++)
            shares_add(&shares, chunk->answers[i], out + (size_t)i * classes);
    }
    for (size_t i = 0; i < cells; i++)
        out[i] /= (double)trees;
}

/* Numbers, shares or labels, whatever is asked for. */
static void predict_chunk(const struct forest *model, const struct chunk *chunk,
                          const struct predict_kernels *kernels, uint64_t first, double *out)
{
    uint32_t classes = model->header->classes;

    if (!classes) {
        predict_numbers(model, chunk, kernels, out + first);
    } else if (!chunk->shares) {
        predict_shares(model, chunk, kernels, out + first * classes);
    } else {
        predict_shares(model, chunk, kernels, chunk->shares);
        for (uint32_t i = 0; i < chunk->count; i++)
            out[first + i] = model_labels(
                model->header)[first_maximum(chunk->shares + (size_t)i * classes, classes)];
    }
}

static void transpose(const float *rows, uint32_t count, uint64_t features, float *columns)
{
    for (uint64_t j = 0; j < features; j++)
        for (uint32_t i = 0; i < count; i++)
            columns[j * count + i] = rows[i * features + j];
}

/* Vector indices are 31 bits wide: nodes count two, values one. */
static const struct predict_kernels *choose_kernels(const struct forest *model, uint64_t rows)
{
    const struct predict_kernels *fast = predict_avx512();

    if (!fast || rows * model->header->features > INT32_MAX)
        return &predict_plain;
    for (uint32_t t = 0; t < model->header->trees; t++)
        if (model->trees[t].nodes > INT32_MAX / 2)
            return &predict_plain;
    return fast;
}

static uint32_t chunk_rows(const struct forest_matrix *x, uint32_t classes)
{
    uint64_t rows = CHUNK_FLOATS / (x->cols > classes ? x->cols : classes);

    rows = rows < CHUNK_ROWS_MIN ? CHUNK_ROWS_MIN : rows;
    rows = rows > CHUNK_ROWS_MAX ? CHUNK_ROWS_MAX : rows;
    return (uint32_t)(rows < x->rows ? rows : x->rows);
}

/* Predict chunk by chunk. `values` has room for one chunk's rows; columns may be NULL, as in struct
 * chunk. */
static void predict_all(const struct forest *model, const struct forest_matrix *x, uint32_t most,
                        struct chunk chunk, float *values, double *out)
{
    const struct predict_kernels *kernels = choose_kernels(model, most);
    bool has_columns = chunk.columns != NULL;
    float *columns = chunk.columns;

    for (uint64_t i = 0; i < x->rows; i += most) {
        chunk.count = (uint32_t)(x->rows - i < most ? x->rows - i : most);
        chunk.rows = matrix_rows_in_place(x, i);
        if (!chunk.rows) {
            matrix_read(x, i, chunk.count, values);
            chunk.rows = values;
        }
        chunk.columns = has_columns && chunk.count > TOGETHER ? columns : NULL;
        if (chunk.columns)
            transpose(chunk.rows, chunk.count, x->cols, columns);
        predict_chunk(model, &chunk, kernels, i, out);
    }
}

/* `shares` instead of labels, in classification. */
static int predict(const struct forest *model, const struct forest_matrix *x, bool shares,
                   double *out)
{
    uint32_t classes = model->header->classes, most = chunk_rows(x, classes);
    size_t values = (size_t)most * x->cols;

    if (most <= TOGETHER && values <= SMALL_FLOATS && !classes) {
        float small[SMALL_FLOATS];
        uint32_t row[TOGETHER + PREDICT_SLACK], at[TOGETHER + PREDICT_SLACK];
        predict_all(model, x, most, (struct chunk){ .row = row, .at = at }, small, out);
        return 0;
    }
    size_t list = most + PREDICT_SLACK, answers = classes ? most : 0;
    size_t cells = shares ? 0 : answers * classes;
    double *memory = malloc((answers + cells) * sizeof(double) + 2 * values * sizeof(float) +
                            3 * list * sizeof(uint32_t));
    if (!memory)
        return -ENOMEM;
    float *floats = (float *)(memory + answers + cells);
    uint32_t *lists = (uint32_t *)(floats + 2 * values);
    predict_all(model, x, most,
                (struct chunk){ .columns = floats + values,
                                .row = lists,
                                .at = lists + list,
                                .spare = lists + 2 * list,
                                .answers = memory,
                                .shares = shares || !classes ? NULL : memory + answers },
                floats, out);
    free(memory);
    return 0;
}

static int check(const struct forest *model, const struct forest_matrix *x, const void *out)
{
    int err = matrix_check(x);

    return err || x->cols != model->header->features || (!out && x->rows) ? -EINVAL : 0;
}

int forest_predict(const struct forest *model, const struct forest_matrix *x, double *out)
{
    int err = check(model, x, out);

    return err ? err : predict(model, x, false, out);
}

int forest_predict_proba(const struct forest *model, const struct forest_matrix *x, double *out)
{
    int err = model->header->classes ? check(model, x, out) : -EINVAL;

    return err ? err : predict(model, x, true, out);
}
