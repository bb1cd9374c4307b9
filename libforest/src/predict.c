/* SPDX-License-Identifier: MIT */
/*
 * predict.c -- many rows down many trees.
 *
 * A walk down one tree is a chain of loads, each waiting for the one before. So a batch of rows goes
 * down together, one level per pass: the rows of a pass are independent of each other, and the
 * processor overlaps their loads. A row that has reached its leaf is dropped from the list without
 * a branch, since no predictor could foresee it. All batches of a chunk visit a tree before the next
 * tree, so that the tree is still in the cache.
 *
 * Each row's sum runs over the trees in order, from 0.0: its bits do not depend on batches or chunks.
 */
#include <errno.h>
#include <stdlib.h>

#include "matrix.h"
#include "model.h"

#define BATCH 256                /* rows that go down together */
#define STACK_FLOATS 4096        /* a single row and other small calls need no malloc() */
#define CHUNK_FLOATS (1u << 17)  /* converted rows: 512 KiB */
#define CHUNK_ROWS_MIN 16

/* A row on its way down. */
struct walker {
    uint32_t row;
    uint32_t node;
};

/* Add the leaf values of `count` <= BATCH rows to sums. */
static void descend(const struct node *tree, const float *rows, uint64_t features, uint32_t count,
                    double *sums)
{
    struct walker walker[BATCH];
    uint32_t last[BATCH], left = count;

    for (uint32_t i = 0; i < count; i++)
        walker[i] = (struct walker){ i, 0 };
    while (left) {
        uint32_t kept = 0;
        for (uint32_t k = 0; k < left; k++) {
            struct walker w = walker[k];
            const struct node *node = &tree[w.node];
            float value = rows[w.row * features + node->feature];
            uint32_t is_left = -(uint32_t)((double)value <= node->number);
            uint32_t right = node->right, next = right ^ ((right ^ (w.node + 1)) & is_left);
            last[w.row] = w.node;
            walker[kept] = (struct walker){ w.row, next };
            kept += right != 0;
        }
        left = kept;
    }
    for (uint32_t i = 0; i < count; i++)
        sums[i] += tree[last[i]].number;
}

static void predict_rows(const struct forest *model, const float *rows, uint64_t count, double *out)
{
    uint64_t features = model->header->features;
    uint32_t trees = model->header->trees;

    for (uint64_t i = 0; i < count; i++)
        out[i] = 0.0;
    for (uint32_t t = 0; t < trees; t++)
        for (uint64_t i = 0; i < count; i += BATCH) {
            uint32_t batch = count - i < BATCH ? (uint32_t)(count - i) : BATCH;
            descend(forest_nodes(model, t), rows + i * features, features, batch, out + i);
        }
    for (uint64_t i = 0; i < count; i++)
        out[i] /= (double)trees;
}

int forest_predict(const struct forest *model, const struct forest_matrix *x, double *out)
{
    int err = matrix_check(x);

    if (err || x->cols != model->header->features || (!out && x->rows))
        return -EINVAL;
    uint64_t chunk = CHUNK_FLOATS / x->cols;
    chunk = chunk > CHUNK_ROWS_MIN ? chunk : CHUNK_ROWS_MIN;
    chunk = chunk < x->rows ? chunk : x->rows;
    float small[STACK_FLOATS], *rows = small;
    bool in_place = matrix_rows_in_place(x, 0) != NULL;
    if (!in_place && chunk * x->cols > STACK_FLOATS) {
        rows = malloc(chunk * x->cols * sizeof *rows);
        if (!rows)
            return -ENOMEM;
    }
    for (uint64_t i = 0; i < x->rows; i += chunk) {
        uint64_t count = x->rows - i < chunk ? x->rows - i : chunk;
        if (!in_place)
            matrix_read(x, i, count, rows);
        predict_rows(model, in_place ? matrix_rows_in_place(x, i) : rows, count, out + i);
    }
    if (rows != small)
        free(rows);
    return 0;
}
