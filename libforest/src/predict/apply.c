/* SPDX-License-Identifier: MIT */
/* apply.c -- which way a row goes, where the answer alone does not do. */
#include <errno.h>
#include <stdlib.h>

#include "model/frame.h"
#include "leaf.h"
#include "lockstep.h"
#include "data/matrix.h"
#include "model/model.h"

static bool is_of(const struct forest *model, const struct forest_matrix *x)
{
    return matrix_check(x) == 0 && x->cols == model->header->features;
}

/* scikit-learn's numbers of a tree's nodes; NULL: they are ours. */
static const uint32_t *numbers_of(const struct forest *model, uint32_t tree)
{
    struct body body;

    model_body(model, tree, &body);
    return body.flags & HAS_IDS ? model_part(model, tree, body.ids) : NULL;
}

int forest_apply(const struct forest *model, const struct forest_matrix *x, uint32_t *leaves)
{
    uint32_t trees = model->header->trees;

    if (!is_of(model, x) || (!leaves && x->rows))
        return -EINVAL;
    float *row = malloc(x->cols * sizeof *row);
    if (!row)
        return -ENOMEM;
    for (uint64_t i = 0; i < x->rows; i++) {
        matrix_read(x, i, 1, row);
        leaves_of_row(model, row, leaves + i * trees);
        for (uint32_t t = 0; model->header->flags & HAS_IDS && t < trees; t++)
            leaves[i * trees + t] = numbers_of(model, t)[leaves[i * trees + t]];
    }
    free(row);
    return 0;
}

int forest_decision_path(const struct forest *model, const struct forest_matrix *x, uint64_t row,
                         uint32_t tree, uint32_t *nodes, uint32_t *count)
{
    uint32_t n = 0, at = 0;

    if (!is_of(model, x) || !nodes || !count)
        return -EINVAL;
    if (row >= x->rows || tree >= model->header->trees)
        return -ERANGE;
    float *values = malloc(x->cols * sizeof *values);
    if (!values)
        return -ENOMEM;
    matrix_read(x, row, 1, values);
    const struct node *node = forest_nodes(model, tree);
    const uint32_t *id = numbers_of(model, tree);
    for (;; at = leaf_step(node, at, values)) {
        nodes[n++] = id ? id[at] : at;
        if (node_is_leaf(&node[at]))
            break;
    }
    *count = n;
    free(values);
    return 0;
}
