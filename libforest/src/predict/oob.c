/* SPDX-License-Identifier: MIT */
/*
 * oob.c -- every training row judged by the trees that have not seen it.
 *
 * Which those are is drawn again from the forest's seed: a model does not keep its bootstraps.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "leaf.h"
#include "data/matrix.h"
#include "model/model.h"
#include "model/params.h"
#include "base/sampling.h"
#include "model/shares.h"

struct oob {
    const struct forest *model;
    uint64_t rows, cols, draws;
    float *x;        /* row after row */
    double *counts;  /* how often a tree drew each row */
    double *sums;    /* rows, or rows * classes */
    uint32_t *trees; /* that did not draw the row */
};

static void add_tree(struct oob *o, uint32_t index)
{
    const struct node *tree = forest_nodes(o->model, index);
    uint32_t classes = o->model->header->classes;
    struct shares shares = model_shares(o->model, index);

    for (uint64_t i = 0; i < o->rows; i++) {
        if (o->counts[i] != 0.0)
            continue;
        double answer = tree[leaf_of(tree, o->x + i * o->cols)].number;
        if (classes)
            shares_add(&shares, answer, o->sums + i * classes);
        else
            o->sums[i] += answer;
        o->trees[i]++;
    }
}

static void add_trees(struct oob *o)
{
    const struct model_header *header = o->model->header;
    struct tree_seeds seeds = { .started = false };
    uint32_t width = header->classes ? header->classes : 1;

    for (uint32_t t = 0; t < header->trees; t++) {
        tree_bootstrap(tree_seed(&seeds, header->params.seed, t), (uint32_t)o->rows, o->draws,
                       o->counts);
        add_tree(o, t);
    }
    for (uint64_t i = 0; i < o->rows; i++)
        for (uint32_t k = 0; k < width; k++)
            o->sums[i * width + k] /= o->trees[i] ? (double)o->trees[i] : 1.0;
}

static double score(const struct oob *o, const double *y)
{
    uint32_t classes = o->model->header->classes;
    uint64_t right = 0;

    if (!classes)
        return forest_r2_score(y, o->sums, o->rows);
    for (uint64_t i = 0; i < o->rows; i++)
        right +=
            y[i] == model_labels(o->model->header)[first_maximum(o->sums + i * classes, classes)];
    return (double)right / (double)o->rows;
}

static int check(const struct forest *model, const struct forest_matrix *x, uint64_t *draws)
{
    const struct model_header *header = model->header;

    if (matrix_check(x) || x->cols != header->features || x->rows == 0 || x->rows > INT32_MAX ||
        header->params.no_bootstrap)
        return -EINVAL;
    return params_draws(&header->params, (uint32_t)x->rows, draws);
}

int forest_oob(const struct forest *model, const struct forest_matrix *x, const double *y,
               double *out, double *score_out)
{
    struct oob o = { .model = model };
    int err = check(model, x, &o.draws);
    size_t cells;

    if (err || (!y && score_out))
        return err ? err : -EINVAL;
    o.rows = x->rows;
    o.cols = x->cols;
    uint32_t width = model->header->classes ? model->header->classes : 1;
    if (__builtin_mul_overflow(o.rows, (uint64_t)width, &cells))
        return -ENOMEM;
    o.x = calloc(o.rows, o.cols * sizeof *o.x);
    o.counts = calloc(o.rows, sizeof *o.counts);
    o.sums = calloc(cells, sizeof *o.sums);
    o.trees = calloc(o.rows, sizeof *o.trees);
    if (o.x && o.counts && o.sums && o.trees) {
        matrix_read(x, 0, o.rows, o.x);
        add_trees(&o);
        if (score_out)
            *score_out = score(&o, y);
        for (size_t i = 0; out && i < cells; i++)
            out[i] = o.sums[i];
    } else {
        err = -ENOMEM;
    }
    free(o.x);
    free(o.counts);
    free(o.sums);
    free(o.trees);
    return err;
}
