/* SPDX-License-Identifier: MIT */
/* importance.c -- which features matter, by the splits made or by what their loss costs. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/frame.h"
#include "data/matrix.h"
#include "model/model.h"
#include "base/rng.h"
#include "base/sum.h"

/* ---- by impurity --------------------------------------------------------------------- */

/*
 * Add up what each feature's splits gain, in scikit-learn's order of nodes, which `order` has room
 * for, and divide by the sum. False: the tree is a lone leaf.
 */
static bool tree_importances(const struct forest *model, uint32_t tree, uint32_t *order,
                             double *out)
{
    const struct node *node = forest_nodes(model, tree);
    uint64_t features = model->header->features;
    struct body body;

    model_body(model, tree, &body);
    const struct node_stats *stats = model_part(model, tree, body.stats);
    const uint32_t *id = model_part(model, tree, body.ids);
    if (body.nodes <= 1)
        return false;
    memset(out, 0, features * sizeof *out);
    for (uint32_t i = 0; i < body.nodes; i++)
        order[body.flags & HAS_IDS ? id[i] : i] = i;
    for (uint32_t k = 0; k < body.nodes; k++) {
        uint32_t i = order[k];
        if (node_is_leaf(&node[i]))
            continue;
        const struct node_stats *left = &stats[i + 1], *right = &stats[node[i].right];
        out[node[i].feature] += stats[i].weighted_rows * stats[i].impurity -
                                left->weighted_rows * left->impurity -
                                right->weighted_rows * right->impurity;
    }
    for (uint64_t f = 0; f < features; f++)
        out[f] /= stats[0].weighted_rows;
    double sum = numpy_sum(out, features);
    for (uint64_t f = 0; sum > 0.0 && f < features; f++)
        out[f] /= sum;
    return true;
}

static uint32_t most_nodes(const struct forest *model)
{
    uint32_t most = 0;

    for (uint32_t t = 0; t < model->header->trees; t++)
        most = model->trees[t].nodes > most ? model->trees[t].nodes : most;
    return most;
}

int forest_importances(const struct forest *model, double *out)
{
    uint64_t features = model->header->features;
    double trees = 0.0;

    if (!(model->header->flags & HAS_STATS) || !out)
        return -EINVAL;
    double *of_tree = malloc(features * sizeof *of_tree);
    uint32_t *order = calloc(most_nodes(model), sizeof *order);
    if (!of_tree || !order) {
        free(of_tree);
        free(order);
        return -ENOMEM;
    }
    memset(out, 0, features * sizeof *out);
    for (uint32_t t = 0; t < model->header->trees; t++) {
        if (!tree_importances(model, t, order, of_tree))
            continue;
        trees += 1.0;
        for (uint64_t f = 0; f < features; f++)
            out[f] += of_tree[f];
    }
    free(of_tree);
    free(order);
    if (trees == 0.0)
        return 0;
    for (uint64_t f = 0; f < features; f++)
        out[f] /= trees;
    double sum = numpy_sum(out, features);
    for (uint64_t f = 0; f < features; f++)
        out[f] /= sum;
    return 0;
}

/* ---- by permutation ------------------------------------------------------------------ */

struct shuffling {
    const struct forest *model;
    const double *y;
    uint64_t rows, cols;
    float *x, *column; /* row after row; the column as it was, then shuffled */
    double *p, *drops;
    uint32_t *order;
    uint32_t repeats, seed;
};

static int measure(const struct shuffling *s, double *score)
{
    struct forest_matrix x = forest_matrix_rows(s->x, s->rows, s->cols, FOREST_FLOAT32);
    int err = forest_predict(s->model, &x, s->p);

    if (!err)
        *score = s->model->header->classes ? forest_accuracy(s->y, s->p, s->rows)
                                           : forest_r2_score(s->y, s->p, s->rows);
    return err;
}

/* Each repeat shuffles the order further, and applies it to the column as the last one left it. */
static int shuffle_feature(struct shuffling *s, uint64_t feature, double baseline)
{
    struct mt19937 mt;
    uint64_t n = s->rows, cols = s->cols;
    int err = 0;

    float *kept = s->column + n;
    for (uint64_t i = 0; i < n; i++) {
        kept[i] = s->x[i * cols + feature];
        s->order[i] = (uint32_t)i;
    }
    mt_seed(&mt, s->seed);
    for (uint32_t r = 0; r < s->repeats && !err; r++) {
        double score = 0.0;
        mt_shuffle(&mt, s->order, n);
        for (uint64_t i = 0; i < n; i++)
            s->column[i] = s->x[s->order[i] * cols + feature];
        for (uint64_t i = 0; i < n; i++)
            s->x[i * cols + feature] = s->column[i];
        err = measure(s, &score);
        s->drops[r] = baseline - score;
    }
    for (uint64_t i = 0; i < n; i++)
        s->x[i * cols + feature] = kept[i];
    return err;
}

static int shuffle_all(struct shuffling *s, double *mean, double *deviation)
{
    double baseline = 0.0, n = (double)s->repeats;
    int err = measure(s, &baseline);

    for (uint64_t f = 0; f < s->cols && !err; f++) {
        err = shuffle_feature(s, f, baseline);
        mean[f] = numpy_sum(s->drops, s->repeats) / n;
        for (uint32_t r = 0; r < s->repeats; r++) {
            double d = s->drops[r] - mean[f];
            s->drops[r] = d * d;
        }
        deviation[f] = sqrt(numpy_sum(s->drops, s->repeats) / n);
    }
    return err;
}

int forest_permutation_importances(const struct forest *model, const struct forest_matrix *x,
                                   const double *y, uint32_t repeats, uint32_t seed, double *mean,
                                   double *deviation)
{
    if (matrix_check(x) || x->cols != model->header->features || x->rows == 0 ||
        x->rows > UINT32_MAX || !repeats || !y || !mean || !deviation)
        return -EINVAL;
    struct mt19937 mt;
    mt_seed(&mt, seed);
    struct shuffling s = { .model = model,
                           .y = y,
                           .rows = x->rows,
                           .cols = x->cols,
                           .repeats = repeats,
                           .seed = mt_bounded(&mt, INT32_MAX) };
    s.x = calloc(s.rows, s.cols * sizeof *s.x);
    s.column = calloc(s.rows, 2 * sizeof *s.column);
    s.p = calloc(s.rows, sizeof *s.p);
    s.drops = calloc(repeats, sizeof *s.drops);
    s.order = calloc(s.rows, sizeof *s.order);
    int err = -ENOMEM;
    if (s.x && s.column && s.p && s.drops && s.order) {
        matrix_read(x, 0, s.rows, s.x);
        err = shuffle_all(&s, mean, deviation);
    }
    free(s.x);
    free(s.column);
    free(s.p);
    free(s.drops);
    free(s.order);
    return err;
}
