/* SPDX-License-Identifier: MIT */
/* write_json.c -- a forest as JSON, the numbers of each tree by columns. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "emit.h"
#include "paramtext.h"
#include "treeio.h"

/* A tree with its nodes by their scikit-learn numbers. */
struct tree {
    const struct forest *forest;
    struct forest_info info;
    uint32_t index;
    uint64_t count;
    struct forest_node *nodes; /* left and right are such numbers, too */
    uint64_t *preorder;        /* of each node */
    double *row;               /* room for a number a class */
};

/* Infinity is 1e999: JSON has no word for it, but every reader makes it of that. */
static void write_number(FILE *out, double x)
{
    char text[EMIT_DOUBLE_TEXT];

    if (isinf(x))
        fputs(x < 0 ? "-1e999" : "1e999", out);
    else
        fputs(emit_shortest(x, text), out);
}

static int tree_load(struct tree *t, struct diag *diag)
{
    int err = forest_tree_nodes(t->forest, t->index, &t->count);

    t->nodes = calloc(t->count, sizeof *t->nodes);
    t->preorder = malloc(t->count * sizeof *t->preorder);
    if (err || !t->nodes || !t->preorder)
        return diag_set(diag, -ENOMEM, "not enough memory");
    for (uint64_t i = 0; i < t->count; i++)
        t->preorder[i] = UINT64_MAX;
    for (uint64_t i = 0; i < t->count; i++) {
        struct forest_node n;
        if (forest_tree_node(t->forest, t->index, i, &n) || n.id >= t->count ||
            t->preorder[n.id] != UINT64_MAX || (i == 0) != (n.id == 0))
            return diag_set(diag, -EINVAL, "tree %u: the numbers of its nodes are wrong", t->index);
        t->preorder[n.id] = i;
        t->nodes[n.id] = n;
    }
    for (uint64_t id = 0; id < t->count; id++) {
        struct forest_node *n = &t->nodes[id], child;
        if (n->left < 0)
            continue;
        if (isnan(n->threshold))
            return diag_set(diag, -EINVAL, "tree %u: a threshold is NaN", t->index);
        int64_t *side[] = { &n->left, &n->right };
        for (int k = 0; k < 2; k++) {
            if (forest_tree_node(t->forest, t->index, (uint64_t)*side[k], &child))
                return diag_set(diag, -EINVAL, "tree %u is damaged", t->index);
            *side[k] = (int64_t)child.id;
        }
    }
    return 0;
}

static void tree_free(struct tree *t)
{
    free(t->nodes);
    free(t->preorder);
    t->nodes = NULL;
    t->preorder = NULL;
}

/* `"name":[`, and between two numbers. */
static void separate(FILE *out, const char *name, uint64_t i)
{
    if (i == 0)
        fprintf(out, ",\n  \"%s\":[", name);
    else
        putc(',', out);
}

enum what { LEFT, RIGHT, FEATURE, ROWS };

static void write_integers(FILE *out, const struct tree *t, const char *name, enum what what)
{
    for (uint64_t i = 0; i < t->count; i++) {
        const struct forest_node *n = &t->nodes[i];
        long long all[] = { n->left, n->right, n->feature, (long long)n->rows };
        separate(out, name, i);
        fprintf(out, "%lld", all[what]);
    }
    putc(']', out);
}

/* The double at `offset` in each node; null where it is none, or not told. */
static void write_reals(FILE *out, const struct tree *t, const char *name, size_t offset,
                        bool of_inner, bool of_leaves)
{
    for (uint64_t i = 0; i < t->count; i++) {
        const struct forest_node *n = &t->nodes[i];
        double x = *(const double *)(const void *)((const char *)n + offset);
        separate(out, name, i);
        if ((n->left < 0 ? of_leaves : of_inner) && !isnan(x))
            write_number(out, x);
        else
            fputs("null", out);
    }
    putc(']', out);
}

static void write_row(FILE *out, const double *row, uint64_t classes)
{
    for (uint64_t k = 0; k < classes; k++) {
        putc(k ? ',' : '[', out);
        write_number(out, row[k]);
    }
    putc(']', out);
}

/* The number of the class that has it all, or the share of each. */
static void write_shares(FILE *out, const struct tree *t)
{
    uint64_t classes = t->info.classes;

    for (uint64_t i = 0; i < t->count; i++) {
        separate(out, "shares", i);
        if (t->nodes[i].left >= 0 ||
            forest_tree_shares(t->forest, t->index, t->preorder[i], t->row)) {
            fputs("null", out);
            continue;
        }
        uint64_t parts = 0, last = 0;
        for (uint64_t k = 0; k < classes; k++)
            if (t->row[k] != 0) {
                parts++;
                last = k;
            }
        if (parts == 1 && t->row[last] == 1)
            fprintf(out, "%llu", (unsigned long long)last);
        else
            write_row(out, t->row, classes);
    }
    putc(']', out);
}

static void write_weights(FILE *out, const struct tree *t)
{
    for (uint64_t i = 0; i < t->count; i++) {
        separate(out, "weights", i);
        if (forest_tree_weights(t->forest, t->index, t->preorder[i], t->row))
            fputs("null", out);
        else
            write_row(out, t->row, t->info.classes);
    }
    putc(']', out);
}

static void write_tree(FILE *out, const struct tree *t)
{
    bool has_stats = t->info.params.keep_stats;

    fprintf(out, "%s{\"nodes\":%llu", t->index ? ",\n " : "\n ", (unsigned long long)t->count);
    write_integers(out, t, "left", LEFT);
    write_integers(out, t, "right", RIGHT);
    write_integers(out, t, "feature", FEATURE);
    write_reals(out, t, "threshold", offsetof(struct forest_node, threshold), true, false);
    if (t->info.classes)
        write_shares(out, t);
    else
        write_reals(out, t, "value", offsetof(struct forest_node, value), has_stats, true);
    if (has_stats) {
        write_reals(out, t, "impurity", offsetof(struct forest_node, impurity), true, true);
        write_reals(out, t, "weighted_rows", offsetof(struct forest_node, weighted_rows), true,
                    true);
        write_integers(out, t, "rows", ROWS);
        if (t->info.classes)
            write_weights(out, t);
    }
    putc('}', out);
}

static int write_head(FILE *out, const struct tree *t, struct diag *diag)
{
    uint64_t classes = t->info.classes;

    fputs("{\"format\":\"forest-json\",\"version\":1,\n \"params\":", out);
    paramtext_write(out, &t->info.params);
    fprintf(out, ",\n \"features\":%llu", (unsigned long long)t->info.features);
    if (classes) {
        if (forest_classes(t->forest, t->row))
            return diag_set(diag, -EINVAL, "the classes cannot be told");
        fputs(",\n \"classes\":", out);
        write_row(out, t->row, classes);
    }
    size_t size;
    const char *notes = forest_notes(t->forest, &size);
    if (size && notes[0] == '{') { /* ours are JSON */
        fputs(",\n \"notes\":", out);
        fwrite(notes, 1, size, out);
    }
    fputs(",\n \"trees\":[", out);
    return 0;
}

int treeio_write_json(FILE *out, const struct forest *forest, struct diag *diag)
{
    struct tree t = { .forest = forest };

    forest_describe(forest, &t.info);
    t.row = calloc(t.info.classes + 1, sizeof *t.row);
    int err = t.row ? write_head(out, &t, diag) : diag_set(diag, -ENOMEM, "not enough memory");
    for (; t.index < t.info.trees && !err; t.index++) {
        err = tree_load(&t, diag);
        if (!err)
            write_tree(out, &t);
        tree_free(&t);
    }
    fputs("]}\n", out);
    free(t.row);
    return err;
}
