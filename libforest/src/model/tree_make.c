/* SPDX-License-Identifier: MIT */
/*
 * tree_make.c -- a tree block from a caller's nodes.
 *
 * The nodes are input like any other: one walk from the root puts them in preorder and finds out
 * whether they are a tree (no node is reached twice, none is left over) and all their numbers
 * possible; then the block is written. What is written passes forest_open().
 */
#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "flat.h"
#include "params.h"
#include "shares.h"

#define NO_PARENT UINT32_MAX

/* A node in preorder. */
struct place {
    uint32_t from;   /* its number with the caller */
    uint32_t parent; /* of a right child, in preorder; else NO_PARENT */
};

struct pending {
    struct place place;
    uint32_t depth;
};

struct making {
    const struct forest_tree_source *source;
    uint64_t features;
    bool has_stats;
    struct tree_entry entry;
    struct place *order;
    struct pending *stack;
    bool *is_met;
};

static bool is_leaf(const struct forest_node *n)
{
    return n->left < 0;
}

static const double *leaf_shares(const struct making *m, uint32_t from)
{
    return m->source->shares + (size_t)from * m->source->classes;
}

/* The class that has it all; `classes` if there is none. */
static uint32_t only_class(const double *shares, uint32_t classes)
{
    uint32_t best = first_maximum(shares, classes);

    for (uint32_t k = 0; k < classes; k++)
        if (shares[k] != (k == best ? 1.0 : 0.0))
            return classes;
    return best;
}

static bool all_within(const double *x, uint32_t n, double most)
{
    for (uint32_t k = 0; k < n; k++)
        if (!(x[k] >= 0.0 && x[k] <= most))
            return false;
    return true;
}

/* Are the numbers of the node possible? Counts the leaf it may be. */
static bool node_take(struct making *m, uint32_t from)
{
    const struct forest_node *n = &m->source->nodes[from];
    uint32_t classes = m->source->classes;

    if (m->has_stats &&
        (!isfinite(n->impurity) || !isfinite(n->weighted_rows) || (!classes && isnan(n->value)) ||
         (classes && !all_within(m->source->weights + (size_t)from * classes, classes, DBL_MAX))))
        return false;
    if (!is_leaf(n))
        return n->feature >= 0 && (uint64_t)n->feature < m->features && !isnan(n->threshold);
    m->entry.leaves++;
    if (n->right >= 0)
        return false;
    if (!classes)
        return !isnan(n->value);
    m->entry.distributions += only_class(leaf_shares(m, from), classes) == classes;
    return all_within(leaf_shares(m, from), classes, 1.0);
}

static bool push(struct making *m, uint32_t *top, int64_t from, uint32_t parent, uint32_t depth)
{
    if (from < 0 || (uint64_t)from >= m->source->count || m->is_met[from])
        return false;
    m->is_met[from] = true;
    m->stack[(*top)++] = (struct pending){ { (uint32_t)from, parent }, depth };
    return true;
}

/* Fill in the order and the entry. False: this is no tree. */
static bool walk(struct making *m)
{
    uint32_t top = 0, at = 0;
    bool ok = push(m, &top, 0, NO_PARENT, 0);

    for (; ok && top; at++) {
        struct pending p = m->stack[--top];
        const struct forest_node *n = &m->source->nodes[p.place.from];
        m->order[at] = p.place;
        m->entry.depth = p.depth > m->entry.depth ? p.depth : m->entry.depth;
        ok = node_take(m, p.place.from);
        if (ok && !is_leaf(n))
            ok = push(m, &top, n->right, at, p.depth + 1) &&
                 push(m, &top, n->left, NO_PARENT, p.depth + 1);
    }
    m->entry.nodes = at;
    return ok && at == m->source->count;
}

static void write_stats(const struct making *m, const struct body *body, char *data)
{
    struct node_stats *stats = (struct node_stats *)(void *)(data + body->stats);
    double *weights = (double *)(void *)(data + body->weights);
    uint32_t classes = body->classes;

    for (uint32_t i = 0; i < body->nodes; i++) {
        const struct forest_node *n = &m->source->nodes[m->order[i].from];
        stats[i] = (struct node_stats){ n->impurity, n->value, n->weighted_rows, n->rows };
        if (!classes)
            continue;
        double *own = weights + (size_t)i * classes;
        memcpy(own, m->source->weights + (size_t)m->order[i].from * classes, classes * sizeof *own);
        stats[i].value = (double)first_maximum(own, classes);
    }
}

static void write_body(const struct making *m, const struct body *body, char *data)
{
    struct node *nodes = (struct node *)(void *)data;
    double *shares = (double *)(void *)(data + body->shares);
    uint32_t *ids = (uint32_t *)(void *)(data + body->ids), classes = body->classes, written = 0;

    memset(data, 0, body->bytes);
    for (uint32_t i = 0; i < body->nodes; i++) {
        uint32_t from = m->order[i].from;
        const struct forest_node *n = &m->source->nodes[from];
        if (m->order[i].parent != NO_PARENT)
            nodes[m->order[i].parent].right = i;
        nodes[i].number = is_leaf(n) ? n->value : n->threshold;
        nodes[i].feature = is_leaf(n) ? 0 : (uint32_t)n->feature;
        if (is_leaf(n) && classes) {
            uint32_t only = only_class(leaf_shares(m, from), classes);
            nodes[i].number = only < classes ? (double)only : (double)classes + written;
            if (only == classes)
                memcpy(shares + (size_t)written++ * classes, leaf_shares(m, from),
                       classes * sizeof *shares);
        }
        if (body->flags & HAS_IDS)
            ids[i] = from;
    }
    if (body->flags & HAS_STATS)
        write_stats(m, body, data);
}

static int make(struct making *m, const struct flat_identity *identity, void **tree, size_t *bytes)
{
    struct body body;

    if (!walk(m))
        return -EINVAL;
    if (!body_layout(&m->entry, identity->flags, identity->classes, &body))
        return -ENOMEM;
    struct tree_header *header = aligned_alloc(LAYOUT_ALIGN, sizeof *header + body.bytes);
    if (!header)
        return -ENOMEM;
    write_body(m, &body, (char *)(header + 1));
    flat_seal(header, m->entry, &body, identity);
    *tree = header;
    *bytes = sizeof *header + body.bytes;
    return 0;
}

/* Is the source what a forest of these parameters needs? */
static bool source_sound(const struct forest_tree_source *s, const struct stored_params *params,
                         bool has_stats)
{
    bool is_class = params->task == FOREST_CLASSIFICATION;

    return s->nodes && s->count > 0 && s->count <= INT32_MAX && !s->reserved &&
           (s->classes > 0) == is_class && s->classes <= FOREST_CLASSES_MAX &&
           (!is_class || (s->shares && (!has_stats || s->weights)));
}

int forest_tree_make(const struct forest_params *params, uint64_t features, uint32_t index,
                     const struct forest_tree_source *source, void **tree, size_t *bytes)
{
    struct stored_params stored;
    int err = params_read(params, &stored);

    if (err)
        return err;
    struct making m = { .source = source, .features = features };
    struct flat_identity identity = { features, params_kind(&stored, features), index,
                                      params_flags(params), 0 };
    m.has_stats = identity.flags & HAS_STATS;
    if (!source || !tree || !bytes || index >= stored.n_estimators || features == 0 ||
        features > INT32_MAX || !source_sound(source, &stored, m.has_stats))
        return -EINVAL;
    identity.classes = source->classes;
    m.order = malloc(source->count * sizeof *m.order);
    m.stack = malloc(source->count * sizeof *m.stack);
    m.is_met = calloc(source->count, sizeof *m.is_met);
    err = m.order && m.stack && m.is_met ? make(&m, &identity, tree, bytes) : -ENOMEM;
    free(m.order);
    free(m.stack);
    free(m.is_met);
    return err;
}
