/* SPDX-License-Identifier: MIT */
/*
 * flatten.c -- from a grown tree, in whatever order, to a block in preorder.
 *
 * A leaf whose rows are all of one class is that class; the shares of any other go to the
 * distributions, normalised as scikit-learn does it for every prediction: divided by their sum.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "grown.h"
#include "base/memory.h"
#include "shares.h"
#include "base/sum.h"

struct flattening {
    const struct grown *from;
    struct body body;
    struct tree_entry entry;
    char *data;
    uint32_t distributions; /* written so far */
};

/* The only class of the weights; `classes` if there are several. */
static uint32_t only_class(const double *weights, uint32_t classes)
{
    uint32_t only = classes;

    for (uint32_t k = 0; k < classes; k++) {
        if (weights[k] == 0.0)
            continue;
        if (only < classes)
            return classes;
        only = k;
    }
    return only;
}

/* What a leaf's node says; its distribution is written if it has one. */
static double answer(struct flattening *f, uint32_t id)
{
    uint32_t classes = f->from->classes;

    if (!classes)
        return f->from->nodes[id].value;
    const double *weights = grown_weights(f->from, id);
    uint32_t only = only_class(weights, classes);
    if (only < classes)
        return (double)only;
    double *share = (double *)(void *)(f->data + f->body.shares);
    double sum = numpy_sum(weights, classes);
    share += (size_t)f->distributions * classes;
    for (uint32_t k = 0; k < classes; k++)
        share[k] = weights[k] / sum;
    return (double)classes + f->distributions++;
}

static void write_stats(const struct flattening *f, uint32_t at, uint32_t id)
{
    const struct grown_node *n = &f->from->nodes[id];
    uint32_t classes = f->from->classes;
    struct node_stats *stats = (struct node_stats *)(void *)(f->data + f->body.stats);
    double value = n->value;

    if (classes) {
        double *weights = (double *)(void *)(f->data + f->body.weights);
        const double *own = grown_weights(f->from, id);
        memcpy(weights + (size_t)at * classes, own, classes * sizeof *own);
        value = (double)first_maximum(own, classes);
    }
    stats[at] = (struct node_stats){ n->impurity, value, n->weight, n->rows };
}

/* How long the walk's stack gets is the depth, which is found by walking. */
struct step {
    uint32_t id, parent, depth; /* parent: UINT32_MAX, unless this is a right child */
};

/*
 * Walk in preorder, with a stack of `room`; with data written, else only counted. A right child
 * waits on the stack while its sibling's subtree is done.
 */
static bool walk(struct flattening *f, struct step *stack, uint32_t room, bool write)
{
    struct node *nodes = (struct node *)(void *)f->data;
    uint32_t top = 0, at = 0;

    f->entry.depth = 0;
    stack[top++] = (struct step){ 0, UINT32_MAX, 0 };
    for (; top; at++) {
        struct step s = stack[--top];
        const struct grown_node *n = &f->from->nodes[s.id];
        f->entry.depth = s.depth > f->entry.depth ? s.depth : f->entry.depth;
        if (write) {
            if (s.parent != UINT32_MAX)
                nodes[s.parent].right = at;
            nodes[at] = (struct node){ n->left ? n->threshold : answer(f, s.id), 0,
                                       n->left ? n->feature : 0 };
            if (f->body.flags & HAS_STATS)
                write_stats(f, at, s.id);
            if (f->body.flags & HAS_IDS)
                ((uint32_t *)(void *)(f->data + f->body.ids))[at] = s.id;
        } else if (!n->left) {
            f->entry.leaves++;
            if (f->from->classes &&
                only_class(grown_weights(f->from, s.id), f->from->classes) == f->from->classes)
                f->entry.distributions++;
        }
        if (!n->left)
            continue;
        if (top + 2 > room)
            return false;
        stack[top++] = (struct step){ n->right, at, s.depth + 1 };
        stack[top++] = (struct step){ n->left, UINT32_MAX, s.depth + 1 };
    }
    f->entry.nodes = at;
    return true;
}

static int buffer_reserve(struct flat_buffer *buffer, size_t bytes)
{
    if (bytes <= buffer->bytes)
        return 0;
    void *block = memory_make(bytes);
    if (!block)
        return -ENOMEM;
    free(buffer->block);
    *buffer = (struct flat_buffer){ block, bytes };
    return 0;
}

static int flatten(struct flattening *f, const struct flat_identity *identity, struct step *stack,
                   uint32_t room, struct flat_buffer *buffer, size_t *bytes)
{
    if (!walk(f, stack, room, false) ||
        !body_layout(&f->entry, identity->flags, identity->classes, &f->body))
        return -ENOMEM;
    *bytes = sizeof(struct tree_header) + f->body.bytes;
    int err = buffer_reserve(buffer, *bytes);
    if (err)
        return err;
    f->data = (char *)buffer->block + sizeof(struct tree_header);
    memset(f->data, 0, f->body.bytes);
    walk(f, stack, room, true);
    return 0;
}

int grown_flatten(struct grown *grown, const struct flat_identity *identity,
                  struct flat_buffer *buffer, const void **block, size_t *bytes)
{
    struct flattening f = { .from = grown };
    size_t size;
    uint32_t room = grown->count / 2 + 2; /* pending right children, and two more */
    struct step *stack = grown_room(grown, room * sizeof *stack);

    if (!stack)
        return -ENOMEM;
    int err = flatten(&f, identity, stack, room, buffer, &size);
    if (err)
        return err;
    *block = flat_seal(buffer->block, f.entry, &f.body, identity);
    *bytes = size;
    return 0;
}
