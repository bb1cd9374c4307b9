/* SPDX-License-Identifier: MIT */
/* tree.c -- the arrays of a growing tree. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "grow.h"

/* left right feature n: 4 bytes each; threshold impurity value weighted_n: 8 each */
#define NODE_BYTES (4 * sizeof(uint32_t) + 4 * sizeof(double))

void tree_init(struct tree *tree)
{
    memset(tree, 0, sizeof *tree);
}

void tree_release(struct tree *tree)
{
    free(tree->threshold); /* the start of the one allocation that holds them all */
    tree_init(tree);
}

int tree_reserve(struct tree *tree, uint32_t capacity)
{
    if (capacity <= tree->capacity)
        return 0;
    size_t bytes;
    if (__builtin_mul_overflow(capacity, NODE_BYTES, &bytes))
        return -ENOMEM;
    double *memory = malloc(bytes);
    if (!memory)
        return -ENOMEM;
    struct tree grown = { .count = tree->count, .capacity = capacity };
    grown.threshold = memory;
    grown.impurity = grown.threshold + capacity;
    grown.value = grown.impurity + capacity;
    grown.weighted_n = grown.value + capacity;
    grown.left = (int32_t *)(grown.weighted_n + capacity);
    grown.right = grown.left + capacity;
    grown.feature = grown.right + capacity;
    grown.n = (uint32_t *)(grown.feature + capacity);
    if (tree->count > 0) {
        size_t words = tree->count * sizeof(uint32_t), doubles = tree->count * sizeof(double);
        memcpy(grown.threshold, tree->threshold, doubles);
        memcpy(grown.impurity, tree->impurity, doubles);
        memcpy(grown.value, tree->value, doubles);
        memcpy(grown.weighted_n, tree->weighted_n, doubles);
        memcpy(grown.left, tree->left, words);
        memcpy(grown.right, tree->right, words);
        memcpy(grown.feature, tree->feature, words);
        memcpy(grown.n, tree->n, words);
    }
    free(tree->threshold);
    *tree = grown;
    return 0;
}
