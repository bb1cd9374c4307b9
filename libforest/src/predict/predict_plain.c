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

/* A row, in the upper half, and the node it is at. */
typedef uint64_t place;

/*
 * Whoever arrives makes room for another: so there are always many, up to the last. All are noted
 * both among those on their way and among those who have arrived; only one of the notes stays. The
 * next node of each is fetched while the others take their steps.
 */
static void walk(const struct node *tree, const float *rows, uint64_t features, const uint32_t *row,
                 const uint32_t *at, uint32_t n, struct ahead *ahead, double *sums)
{
    place places[WALK_ROWS], arrived[WALK_ROWS + 1];
    uint32_t left = 0, started = 0;

    while (left || started < n) {
        for (; left < WALK_ROWS && started < n; left++, started++)
            places[left] = (place)row[started] << 32 | at[started];
        uint32_t kept = 0;
        for (uint32_t k = 0; k < left; k++) {
            place here = places[k], r = here >> 32;
            const struct node *node = &tree[(uint32_t)here];
            if (k % WALK_STEP == 0)
                ahead_fetch(ahead);
            float value = rows[r * features + node->feature];
            uint32_t right = node->right;
            uint32_t is_left = -(uint32_t)((double)value <= node->number);
            uint32_t next = right ^ ((right ^ ((uint32_t)here + 1)) & is_left);
            __builtin_prefetch(&tree[next]);
            arrived[k - kept] = here;
            places[kept] = r << 32 | next;
            kept += right != 0;
        }
        for (uint32_t k = 0; k < left - kept; k++)
            sums[arrived[k] >> 32] += tree[(uint32_t)arrived[k]].number;
        left = kept;
    }
}

const struct predict_kernels predict_plain = { split, walk };
