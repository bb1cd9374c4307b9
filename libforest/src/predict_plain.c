/* SPDX-License-Identifier: MIT */
/*
 * predict_plain.c -- the loops of prediction in plain C, without a branch that depends on data:
 * which way a row goes, and when it arrives, no predictor can foresee.
 */
#include <string.h>

#include "predict.h"

static uint32_t split(const float *column, float threshold, uint32_t *row, uint32_t n,
                      uint32_t *spare)
{
    uint32_t left = 0, right = 0;

    for (uint32_t k = 0; k < n; k++) {
        uint32_t r = row[k], is_left = column[r] <= threshold;
        row[left] = r;
        spare[right] = r;
        left += is_left;
        right += 1 - is_left;
    }
    memcpy(row + left, spare, right * sizeof *row);
    return left;
}

/* Whoever arrives makes room for another: so there are always many, up to the last. */
static void walk(const struct node *tree, const float *rows, uint64_t features, const uint32_t *row,
                 const uint32_t *at, uint32_t n, struct ahead *ahead, double *sums)
{
    uint32_t rows_of[WALK_ROWS], here_of[WALK_ROWS], left = 0, started = 0;

    while (left || started < n) {
        uint32_t more = n - started < WALK_ROWS - left ? n - started : WALK_ROWS - left;
        memcpy(rows_of + left, row + started, more * sizeof *row);
        memcpy(here_of + left, at + started, more * sizeof *at);
        left += more;
        started += more;
        uint32_t kept = 0;
        for (uint32_t k = 0; k < left; k++) {
            uint32_t r = rows_of[k], here = here_of[k];
            const struct node *node = &tree[here];
            if (k % WALK_STEP == 0)
                ahead_fetch(ahead);
            float value = rows[r * features + node->feature];
            uint32_t is_left = -(uint32_t)((double)value <= node->number);
            uint32_t right = node->right;
            rows_of[kept] = r;
            here_of[kept] = right ^ ((right ^ (here + 1)) & is_left);
            kept += right != 0;
            sums[r] += right ? 0.0 : node->number;
        }
        left = kept;
    }
}

const struct predict_kernels predict_plain = { split, walk };
