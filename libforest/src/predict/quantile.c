/* SPDX-License-Identifier: MIT */
/*
 * quantile.c -- quantile regression forests.
 *
 * The rows of a sample go down every tree once. A row to predict gives each of them the weight
 * 1 / (rows of the sample in the leaf) for every tree in which both end in the same leaf; the
 * quantiles are those of the sample's targets under these weights.
 *
 * The weights are kept by rank of the target, with a bit for each that is not zero, so that
 * collecting them in order takes no sorting: a row costs the sizes of its leaves, and a bit of the
 * sample each.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lockstep.h"
#include "data/matrix.h"

#define PIECE_ROWS 64u
/* A share of the weight may be short by so much: sums like 84 times 1/84 are not exact. */
#define SLACK 0x1p-40

/* Which rows of the sample are in which leaf of a tree: rank[start[leaf]..start[leaf + 1]). */
struct leaf_rows {
    uint32_t *start; /* the tree's nodes, and one more */
    uint32_t *rank;  /* of the rows' targets, ascending in a leaf */
};

struct quantile {
    const struct forest *model;
    const struct forest_matrix *sample, *x;
    const uint32_t *by_rank; /* the row with the target of each rank */
    const double *y;         /* ascending */
    struct leaf_rows *trees;
    const double *shares; /* asked for, each from 0 to 1 */
    uint32_t count;
    double *out;
};

struct target {
    double y;
    uint32_t row;
};

static int by_target(const void *a, const void *b)
{
    const struct target *s = a, *t = b;

    if (s->y != t->y)
        return s->y < t->y ? -1 : 1;
    return s->row < t->row ? -1 : s->row > t->row;
}

/* ---- the sample ---------------------------------------------------------------------------- */

/* The tree of the rows' leaves, by rank of their targets. */
static void sort_into_leaves(const struct quantile *q, uint32_t tree, const uint32_t *leaf)
{
    const struct leaf_rows *rows = &q->trees[tree];
    uint32_t n = (uint32_t)q->sample->rows, nodes = q->model->trees[tree].nodes;

    memset(rows->start, 0, ((size_t)nodes + 1) * sizeof *rows->start);
    for (uint32_t r = 0; r < n; r++)
        rows->start[leaf[r] + 1]++;
    for (uint32_t i = 0; i < nodes; i++)
        rows->start[i + 1] += rows->start[i];
    for (uint32_t r = 0; r < n; r++)
        rows->rank[rows->start[leaf[r]]++] = r;
    for (uint32_t i = nodes; i; i--)
        rows->start[i] = rows->start[i - 1];
    rows->start[0] = 0;
}

/* All trees at once go over the sample: leaf[tree][rank]. */
static int sample_leaves(struct quantile *q)
{
    const struct forest_matrix *x = q->sample;
    uint32_t trees = q->model->header->trees, n = (uint32_t)x->rows;
    float *row = malloc(x->cols * sizeof *row);
    uint32_t *at = malloc(trees * sizeof *at), *leaf = calloc(n, (size_t)trees * sizeof *leaf);

    if (row && at && leaf) {
        for (uint32_t r = 0; r < n; r++) {
            matrix_read(x, q->by_rank[r], 1, row);
            leaves_of_row(q->model, row, at);
            for (uint32_t t = 0; t < trees; t++)
                leaf[(size_t)t * n + r] = at[t];
        }
        for (uint32_t t = 0; t < trees; t++)
            sort_into_leaves(q, t, leaf + (size_t)t * n);
    }
    int err = row && at && leaf ? 0 : -ENOMEM;
    free(row);
    free(at);
    free(leaf);
    return err;
}

/* ---- rows to predict ------------------------------------------------------------------------- */

struct weights {
    double *of;    /* of each rank; all zero between rows */
    uint64_t *bit; /* set where it is not */
    double all;
};

static void weigh(const struct quantile *q, const uint32_t *leaves, struct weights *w)
{
    w->all = 0.0;
    for (uint32_t t = 0; t < q->model->header->trees; t++) {
        const struct leaf_rows *rows = &q->trees[t];
        uint32_t start = rows->start[leaves[t]], end = rows->start[leaves[t] + 1];
        double share = 1.0 / (double)(end - start);
        for (uint32_t i = start; i < end; i++) {
            uint32_t rank = rows->rank[i];
            w->of[rank] += share;
            w->bit[rank / 64] |= (uint64_t)1 << rank % 64;
        }
        w->all += end > start ? 1.0 : 0.0;
    }
}

/*
 * The quantiles of a row, `order` tells which is the next greater. The weights are zero afterwards.
 */
static void collect(const struct quantile *q, const uint32_t *order, struct weights *w, double *out)
{
    size_t words = (q->sample->rows + 63) / 64;
    uint32_t found = 0;
    double sum = 0.0, last = (double)NAN;

    for (size_t i = 0; i < words; i++) {
        for (uint64_t bits = w->bit[i]; bits; bits &= bits - 1) {
            size_t rank = i * 64 + (size_t)__builtin_ctzll(bits);
            sum += w->of[rank];
            w->of[rank] = 0.0;
            last = q->y[rank];
            while (found < q->count && sum >= (q->shares[order[found]] - SLACK) * w->all)
                out[order[found++]] = last;
        }
        w->bit[i] = 0;
    }
    while (found < q->count)
        out[order[found++]] = last;
}

static void shares_in_order(const struct quantile *q, uint32_t *order)
{
    for (uint32_t i = 0, k; i < q->count; i++) {
        for (k = i; k && q->shares[order[k - 1]] > q->shares[i]; k--)
            order[k] = order[k - 1];
        order[k] = i;
    }
}

static int predict_piece(void *arg, uint32_t piece)
{
    const struct quantile *q = arg;
    uint64_t first = (uint64_t)piece * PIECE_ROWS, n = q->sample->rows;
    uint64_t end = first + PIECE_ROWS < q->x->rows ? first + PIECE_ROWS : q->x->rows;
    struct weights w = { .of = calloc(n, sizeof *w.of),
                         .bit = calloc((n + 63) / 64, sizeof *w.bit) };
    float *row = malloc(q->x->cols * sizeof *row);
    uint32_t *leaves = malloc(q->model->header->trees * sizeof *leaves);
    uint32_t *order = malloc(q->count * sizeof *order);
    int err = w.of && w.bit && row && leaves && order ? 0 : -ENOMEM;

    if (!err)
        shares_in_order(q, order);
    for (uint64_t i = first; i < end && !err; i++) {
        matrix_read(q->x, i, 1, row);
        leaves_of_row(q->model, row, leaves);
        weigh(q, leaves, &w);
        collect(q, order, &w, q->out + i * q->count);
    }
    free(w.of);
    free(w.bit);
    free(row);
    free(leaves);
    free(order);
    return err;
}

static int predict_all(struct quantile *q, const struct forest_executor *executor)
{
    uint32_t pieces = (uint32_t)((q->x->rows + PIECE_ROWS - 1) / PIECE_ROWS);
    int err = 0;

    if (executor)
        return executor->for_each(executor->ctx, pieces, predict_piece, q);
    for (uint32_t i = 0; i < pieces && !err; i++)
        err = predict_piece(q, i);
    return err;
}

static int check(const struct quantile *q, const double *y)
{
    const struct model_header *header = q->model->header;

    if (header->classes || matrix_check(q->sample) || matrix_check(q->x) ||
        q->sample->cols != header->features || q->x->cols != header->features ||
        q->sample->rows == 0 || q->sample->rows > INT32_MAX || q->x->rows > INT32_MAX || !y ||
        !q->shares || q->count == 0 || (!q->out && q->x->rows))
        return -EINVAL;
    for (uint32_t i = 0; i < q->count; i++)
        if (!(q->shares[i] >= 0.0 && q->shares[i] <= 1.0))
            return -EINVAL;
    for (uint64_t i = 0; i < q->sample->rows; i++)
        if (!isfinite(y[i]))
            return -EINVAL;
    return 0;
}

/* Room for the leaves of all trees in one block, which is returned. */
static uint32_t *make_room(struct quantile *q)
{
    const struct forest *model = q->model;
    uint32_t trees = model->header->trees;
    size_t n = (size_t)q->sample->rows, words = trees * (n + 1);

    for (uint32_t t = 0; t < trees; t++)
        words += model->trees[t].nodes;
    uint32_t *room = malloc(words * sizeof *room);
    q->trees = malloc(trees * sizeof *q->trees);
    if (!room || !q->trees) {
        free(room);
        return NULL;
    }
    uint32_t *at = room;
    for (uint32_t t = 0; t < trees; t++) {
        q->trees[t] = (struct leaf_rows){ at, at + model->trees[t].nodes + 1 };
        at = q->trees[t].rank + n;
    }
    return room;
}

int forest_predict_quantiles(const struct forest *model, const struct forest_matrix *sample,
                             const double *y, const struct forest_matrix *x,
                             const double *quantiles, uint32_t count,
                             const struct forest_executor *executor, double *out)
{
    struct quantile q = {
        .model = model, .sample = sample, .x = x, .shares = quantiles, .count = count, .out = out
    };
    int err = check(&q, y);

    if (err)
        return err;
    size_t n = (size_t)sample->rows;
    struct target *targets = malloc(n * sizeof *targets);
    double *sorted = malloc(n * sizeof *sorted);
    uint32_t *by_rank = malloc(n * sizeof *by_rank), *room = make_room(&q);
    if (targets && sorted && by_rank && room) {
        for (uint32_t i = 0; i < n; i++)
            targets[i] = (struct target){ y[i], i };
        qsort(targets, n, sizeof *targets, by_target);
        for (uint32_t r = 0; r < n; r++) {
            sorted[r] = targets[r].y;
            by_rank[r] = targets[r].row;
        }
        q.y = sorted;
        q.by_rank = by_rank;
        err = sample_leaves(&q);
        if (!err)
            err = predict_all(&q, executor);
    } else {
        err = -ENOMEM;
    }
    free(targets);
    free(sorted);
    free(by_rank);
    free(room);
    free(q.trees);
    return err;
}
