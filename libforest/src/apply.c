/* SPDX-License-Identifier: MIT */
/* apply.c -- which way a row goes, where the answer alone does not do. */
#include <errno.h>
#include <stdlib.h>

#include "frame.h"
#include "leaf.h"
#include "matrix.h"
#include "model.h"

int forest_apply(const struct forest *model, const struct forest_matrix *x, uint32_t *leaves)
{
    uint32_t trees = model->header->trees;
    struct body body;

    if (matrix_check(x) || x->cols != model->header->features || (!leaves && x->rows))
        return -EINVAL;
    float *row = malloc(x->cols * sizeof *row);
    if (!row)
        return -ENOMEM;
    for (uint64_t i = 0; i < x->rows; i++) {
        matrix_read(x, i, 1, row);
        for (uint32_t t = 0; t < trees; t++) {
            uint32_t at = leaf_of(forest_nodes(model, t), row);
            model_body(model, t, &body);
            const uint32_t *id = model_part(model, t, body.ids);
            leaves[i * trees + t] = body.flags & HAS_IDS ? id[at] : at;
        }
    }
    free(row);
    return 0;
}
