/* SPDX-License-Identifier: MIT */
/*
 * lockstep.c -- a row goes down some trees at once, a step in each in turn: a step waits for
 * memory, but not for the other trees' steps. Who is at a leaf stays there; which way the others go
 * is computed, as no branch could be foreseen.
 */
#include "lockstep.h"

#define TREES_AT_ONCE 16u

void leaves_of_row(const struct forest *model, const float *row, uint32_t *leaves)
{
    uint32_t trees = model->header->trees;

    for (uint32_t first = 0; first < trees; first += TREES_AT_ONCE) {
        uint32_t n = trees - first < TREES_AT_ONCE ? trees - first : TREES_AT_ONCE;
        const struct node *const *tree = model->body + first;
        uint32_t *at = leaves + first, moving;
        for (uint32_t k = 0; k < n; k++)
            at[k] = 0;
        do {
            moving = 0;
            for (uint32_t k = 0; k < n; k++) {
                const struct node *node = &tree[k][at[k]];
                uint32_t right = node->right, is_inner = -(uint32_t)(right != 0);
                uint32_t is_left = -(uint32_t)((double)row[node->feature] <= node->number);
                uint32_t next = right ^ ((right ^ (at[k] + 1)) & is_left);
                at[k] ^= (at[k] ^ next) & is_inner;
                moving |= right;
            }
        } while (moving);
    }
}
