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
 * What the next tree needs is fetched meanwhile, a little with each step.
 *
 * A few rows go one by one, each down many trees at once: see lockstep.h.
 *
 * Each row's sum runs over the trees in order, from 0.0: its bits depend neither on chunks nor on
 * blocks.
 */
#include "predict.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lockstep.h"
#include "base/memory.h"
#include "data/matrix.h"
#include "model/model.h"
#include "model/shares.h"

#define TOGETHER 64             /* up to so many rows walk */
#define CHUNK_FLOATS (1u << 17) /* values of a chunk of rows: 512 KiB */
#define CHUNK_ROWS_MIN 16
#define CHUNK_ROWS_MAX 16384
#define FEW_ROWS 4       /* go down all trees one by one */
#define SMALL_BYTES 8192 /* so little needs no malloc() */
#define PIECE_ROWS 1024u /* at least, of what an executor does at once */
#define PIECES_MAX 64u
#define USUAL_LEVELS 12 /* that a row walks, or so */
#define PACE_MAX 8      /* lines fetched ahead with each step */
#define PENDING_MAX (CHUNK_ROWS_MAX / TOGETHER + 1)

/* What is asked for. */
enum answer {
    NUMBERS, /* one a row: the mean, or the label of the most probable class */
    SHARES,  /* one a row and class */
    TREES,   /* one a row and tree */
};

/* A chunk of rows and the lists of those on their way. */
struct chunk {
    uint32_t count;
    const float *rows; /* row after row */
    float *columns;    /* column after column; NULL if no more than TOGETHER rows */
    uint32_t *row;     /* numbers of the rows, reordered per tree */
    uint32_t *at;      /* the node where row[k] is */
    uint32_t *spare;
    double *answers; /* of one tree, one a row; NULL: not needed */
    double *shares;  /* one a row and class, to find the most probable; NULL: not needed */
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
    uint32_t bits;

    memcpy(&bits, &f, sizeof bits);
    bits += ((bits >> 31) * 2 - 1) & -(uint32_t)((double)f > threshold);
    memcpy(&f, &bits, sizeof f);
    return f;
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

/*
 * The next tree, at a pace that has all of it there when some dozen levels have been walked, or
 * that keeps up with the walk: large trees are fetched in part, which helps all the same.
 */
static struct ahead next_tree(const struct forest *model, uint32_t t, const struct chunk *chunk)
{
    if (t + 1 == model->header->trees)
        return (struct ahead){ 0 };
    const char *nodes = (const char *)forest_nodes(model, t + 1);
    size_t bytes = model->trees[t + 1].nodes * sizeof(struct node);
    size_t steps = (size_t)chunk->count * USUAL_LEVELS / WALK_STEP;
    size_t lines = bytes / 64 / (steps ? steps : 1) + 1;
    return (struct ahead){ nodes, nodes + bytes, 64 * (lines < PACE_MAX ? lines : PACE_MAX) };
}

/* Walk all rows of the chunk down a tree, and add each leaf's number to sums[row]. */
static void walk_tree(const struct forest *model, uint32_t t, const struct chunk *chunk,
                      const struct predict_kernels *kernels, double *sums)
{
    uint64_t features = model->header->features;
    const struct node *tree = forest_nodes(model, t);
    struct ahead ahead = next_tree(model, t, chunk);

    spread(tree, chunk, kernels);
    kernels->walk(tree, chunk->rows, features, chunk->row, chunk->at, chunk->count, &ahead, sums);
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

static void predict_trees(const struct forest *model, const struct chunk *chunk,
                          const struct predict_kernels *kernels, double *out)
{
    uint32_t trees = model->header->trees;

    for (uint32_t t = 0; t < trees; t++) {
        for (uint32_t i = 0; i < chunk->count; i++)
            chunk->answers[i] = 0.0;
        walk_tree(model, t, chunk, kernels, chunk->answers);
        for (uint32_t i = 0; i < chunk->count; i++)
            out[(size_t)i * trees + t] = model_answer(model, t, chunk->answers[i]);
    }
}

static uint32_t answer_width(const struct forest *model, enum answer what)
{
    return what == NUMBERS ? 1 : what == SHARES ? model->header->classes : model->header->trees;
}

static void predict_chunk(const struct forest *model, const struct chunk *chunk,
                          const struct predict_kernels *kernels, enum answer what, double *out)
{
    uint32_t classes = model->header->classes;

    if (what == TREES) {
        predict_trees(model, chunk, kernels, out);
    } else if (what == SHARES) {
        predict_shares(model, chunk, kernels, out);
    } else if (!classes) {
        predict_numbers(model, chunk, kernels, out);
    } else {
        predict_shares(model, chunk, kernels, chunk->shares);
        for (uint32_t i = 0; i < chunk->count; i++)
            out[i] = model_labels(
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

    fast = fast ? fast : predict_avx2();
    if (!fast || rows * model->header->features > INT32_MAX)
        return &predict_plain;
    for (uint32_t t = 0; t < model->header->trees; t++)
        if (model->trees[t].nodes > INT32_MAX / 2)
            return &predict_plain;
    return fast;
}

static uint32_t chunk_rows(const struct forest_matrix *x, uint32_t width)
{
    uint64_t rows = CHUNK_FLOATS / (x->cols > width ? x->cols : width);

    rows = rows < CHUNK_ROWS_MIN ? CHUNK_ROWS_MIN : rows;
    rows = rows > CHUNK_ROWS_MAX ? CHUNK_ROWS_MAX : rows;
    return (uint32_t)(rows < x->rows ? rows : x->rows);
}

/* Predict chunk by chunk, of so many rows at most. `values` has room for the rows of one. */
static void predict_chunks(const struct forest *model, const struct forest_matrix *x, uint32_t most,
                           enum answer what, struct chunk chunk, float *values, double *out)
{
    const struct predict_kernels *kernels = choose_kernels(model, most);
    uint32_t width = answer_width(model, what);
    float *columns = chunk.columns;

    for (uint64_t i = 0; i < x->rows; i += most) {
        chunk.count = (uint32_t)(x->rows - i < most ? x->rows - i : most);
        chunk.rows = matrix_rows_in_place(x, i);
        if (!chunk.rows) {
            matrix_read(x, i, chunk.count, values);
            chunk.rows = values;
        }
        chunk.columns = chunk.count > TOGETHER ? columns : NULL;
        if (chunk.columns)
            transpose(chunk.rows, chunk.count, x->cols, columns);
        predict_chunk(model, &chunk, kernels, what, out + i * width);
    }
}

static int predict_many(const struct forest *model, const struct forest_matrix *x, enum answer what,
                        double *out)
{
    uint32_t classes = model->header->classes;
    uint32_t most = chunk_rows(x, what == TREES ? 1 : classes);
    size_t values = (size_t)most * x->cols, list = most + PREDICT_SLACK;
    size_t read = matrix_rows_in_place(x, 0) ? 0 : values;
    size_t answers = classes || what == TREES ? most : 0;
    size_t cells = classes && what == NUMBERS ? (size_t)most * classes : 0;
    double *memory = memory_make((answers + cells) * sizeof(double) +
                                 (values + read) * sizeof(float) + 3 * list * sizeof(uint32_t));

    if (!memory)
        return -ENOMEM;
    float *floats = (float *)(memory + answers + cells);
    uint32_t *lists = (uint32_t *)(floats + values + read);
    predict_chunks(model, x, most, what,
                   (struct chunk){ .columns = floats + read,
                                   .row = lists,
                                   .at = lists + list,
                                   .spare = lists + 2 * list,
                                   .answers = answers ? memory : NULL,
                                   .shares = cells ? memory + answers : NULL },
                   floats, out);
    free(memory);
    return 0;
}

/* A row that has arrived in all trees. */
static void answer_row(const struct forest *model, const uint32_t *leaves, enum answer what,
                       double *shares, double *out)
{
    uint32_t trees = model->header->trees, classes = model->header->classes;
    double *sums = what == SHARES ? out : classes ? shares : out;

    for (uint32_t k = 0; what != TREES && k < (classes ? classes : 1); k++)
        sums[k] = 0.0;
    for (uint32_t t = 0; t < trees; t++) {
        double number = forest_nodes(model, t)[leaves[t]].number;
        if (what == TREES) {
            out[t] = model_answer(model, t, number);
        } else if (classes) {
            struct shares s = model_shares(model, t);
            shares_add(&s, number, sums);
        } else {
            sums[0] += number;
        }
    }
    for (uint32_t k = 0; what != TREES && k < (classes ? classes : 1); k++)
        sums[k] /= (double)trees;
    if (classes && what == NUMBERS)
        out[0] = model_labels(model->header)[first_maximum(sums, classes)];
}

/* One row after the other, each down many trees at once. */
static int predict_few(const struct forest *model, const struct forest_matrix *x, enum answer what,
                       double *out)
{
    uint32_t classes = what == NUMBERS ? model->header->classes : 0, trees = model->header->trees;
    size_t bytes = classes * sizeof(double) + x->cols * sizeof(float) + trees * sizeof(uint32_t);
    double small[SMALL_BYTES / sizeof(double)];
    double *memory = bytes <= sizeof small ? small : malloc(bytes);

    if (!memory)
        return -ENOMEM;
    float *row = (float *)(memory + classes);
    uint32_t *leaves = (uint32_t *)(row + x->cols);
    for (uint64_t i = 0; i < x->rows; i++) {
        matrix_read(x, i, 1, row);
        leaves_of_row(model, row, leaves);
        answer_row(model, leaves, what, memory, out + i * answer_width(model, what));
    }
    if (memory != small)
        free(memory);
    return 0;
}

static int predict_rows(const struct forest *model, const struct forest_matrix *x, enum answer what,
                        double *out)
{
    if (x->rows <= FEW_ROWS)
        return predict_few(model, x, what, out);
    return predict_many(model, x, what, out);
}

/* ---- in parallel -------------------------------------------------------------------------- */

struct pieces {
    const struct forest *model;
    const struct forest_matrix *x;
    enum answer what;
    double *out;
    uint64_t rows; /* of a piece */
};

static int predict_piece(void *arg, uint32_t i)
{
    const struct pieces *p = arg;
    uint64_t first = i * p->rows;
    struct forest_matrix part = *p->x;

    part.data = (const char *)part.data + (int64_t)first * part.row_stride;
    part.rows = part.rows - first < p->rows ? part.rows - first : p->rows;
    return predict_rows(p->model, &part, p->what, p->out + first * answer_width(p->model, p->what));
}

static int predict(const struct forest *model, const struct forest_matrix *x,
                   const struct forest_executor *executor, enum answer what, double *out)
{
    struct pieces p = { model, x, what, out, PIECE_ROWS };
    int err = matrix_check(x);

    if (err || x->cols != model->header->features || (!out && x->rows))
        return -EINVAL;
    if (!executor || x->rows < 2 * PIECE_ROWS)
        return predict_rows(model, x, what, out);
    while (x->rows / p.rows > PIECES_MAX)
        p.rows *= 2;
    uint64_t count = x->rows / p.rows; /* spread evenly */
    p.rows = (x->rows + count - 1) / count;
    count = (x->rows + p.rows - 1) / p.rows;
    return executor->for_each(executor->ctx, (uint32_t)count, predict_piece, &p);
}

int forest_predict(const struct forest *model, const struct forest_matrix *x, double *out)
{
    return predict(model, x, NULL, NUMBERS, out);
}

int forest_predict_with(const struct forest *model, const struct forest_matrix *x,
                        const struct forest_executor *executor, double *out)
{
    return predict(model, x, executor, NUMBERS, out);
}

int forest_predict_proba(const struct forest *model, const struct forest_matrix *x, double *out)
{
    return forest_predict_proba_with(model, x, NULL, out);
}

int forest_predict_proba_with(const struct forest *model, const struct forest_matrix *x,
                              const struct forest_executor *executor, double *out)
{
    return model->header->classes ? predict(model, x, executor, SHARES, out) : -EINVAL;
}

int forest_predict_trees(const struct forest *model, const struct forest_matrix *x,
                         const struct forest_executor *executor, double *out)
{
    return predict(model, x, executor, TREES, out);
}
