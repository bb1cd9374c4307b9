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

static void walk(const struct node *tree, const float *rows, uint64_t features, uint32_t *row,
                 uint32_t *at, uint32_t n, double *sums)
{
    uint32_t number[WALK_BLOCK], last[WALK_BLOCK], left = n;

    for (uint32_t i = 0; i < n; i++)
        number[i] = i;
    while (left) {
        uint32_t kept = 0;
        for (uint32_t k = 0; k < left; k++) {
            uint32_t i = number[k], here = at[k];
            const struct node *node = &tree[here];
            float value = rows[row[i] * features + node->feature];
            uint32_t is_left = -(uint32_t)((double)value <= node->number);
            uint32_t right = node->right;
            last[i] = here;
            number[kept] = i;
            at[kept] = right ^ ((right ^ (here + 1)) & is_left);
            kept += right != 0;
        }
        left = kept;
    }
    for (uint32_t i = 0; i < n; i++)
        sums[row[i]] += tree[last[i]].number;
}

const struct predict_kernels predict_plain = { split, walk };
