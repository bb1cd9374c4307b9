/* SPDX-License-Identifier: MIT */
/* grown.c -- the arrays of a tree that the general grower makes. */
#include "grown.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void grown_start(struct grown *grown, uint32_t classes)
{
    if (classes > grown->classes) { /* the rows of `weights` are wider */
        free(grown->weights);
        grown->weights = NULL;
        grown->weights_capacity = 0;
    }
    grown->classes = classes;
    grown->count = grown->weights_count = 0;
}

void grown_release(struct grown *grown)
{
    free(grown->nodes);
    free(grown->weights);
    free(grown->room);
    *grown = (struct grown){ .count = 0 };
}

void *grown_room(struct grown *grown, size_t bytes)
{
    if (bytes > grown->room_bytes) {
        void *room = malloc(bytes + bytes / 4);
        if (!room)
            return NULL;
        free(grown->room);
        grown->room = room;
        grown->room_bytes = bytes + bytes / 4;
    }
    return grown->room;
}

/* Room for one more than `count` of `each` bytes. */
static int make_room(void **array, uint32_t count, uint32_t *capacity, size_t each)
{
    size_t bytes;

    if (count < *capacity)
        return 0;
    if (count >= INT32_MAX)
        return -ENOMEM;
    uint32_t wanted = count < INT32_MAX / 2 ? 2 * count + 64 : INT32_MAX;
    if (__builtin_mul_overflow(wanted, each, &bytes))
        return -ENOMEM;
    void *grown = realloc(*array, bytes);
    if (!grown)
        return -ENOMEM;
    *array = grown;
    *capacity = wanted;
    return 0;
}

int grown_add(struct grown *grown, uint32_t *id)
{
    void *nodes = grown->nodes;
    int err = make_room(&nodes, grown->count, &grown->capacity, sizeof *grown->nodes);

    grown->nodes = nodes;
    if (err)
        return err;
    *id = grown->count++;
    grown->nodes[*id] = (struct grown_node){ .left = 0 };
    return 0;
}

int grown_keep_weights(struct grown *grown, uint32_t id, const double *weights, double unit)
{
    size_t row = grown->classes * sizeof *weights;
    void *rows = grown->weights;
    int err = make_room(&rows, grown->weights_count, &grown->weights_capacity, row);

    grown->weights = rows;
    if (err)
        return err;
    double *kept = grown->weights + (size_t)grown->weights_count * grown->classes;
    for (uint32_t k = 0; k < grown->classes; k++)
        kept[k] = weights[k] * unit;
    grown->nodes[id].value = (double)grown->weights_count++;
    return 0;
}

int grown_unpack(const struct tree *tree, struct grown *out)
{
    grown_start(out, 0);
    for (uint32_t i = 0; i < tree->count; i++) {
        const struct node *node = &tree->nodes[i];
        const struct node_stats *stats = &tree->stats[i];
        uint32_t id;
        int err = grown_add(out, &id);
        if (err)
            return err;
        bool is_leaf = node_is_leaf(node);
        out->nodes[id] = (struct grown_node){ .left = is_leaf ? 0 : id + 1,
                                              .right = node->right,
                                              .feature = node->feature,
                                              .rows = (uint32_t)stats->rows,
                                              .threshold = is_leaf ? 0.0 : node->number,
                                              .impurity = stats->impurity,
                                              .weight = stats->weighted_rows,
                                              .value = stats->value };
    }
    return 0;
}
