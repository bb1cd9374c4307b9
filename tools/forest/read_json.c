/* SPDX-License-Identifier: MIT */
/*
 * read_json.c -- a forest from JSON.
 *
 * The text is input: every number is checked here or by forest_tree_make(), and memory grows only
 * with what is there, never with what the text says of itself. Members come in any order: those of
 * the forest are looked up first, the trees are read when all else is known.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "paramtext.h"
#include "treeio.h"

#define TASK_UNTOLD UINT32_MAX
#define WHOLE_MAX 9007199254740992.0 /* 2^53 */

/* Numbers as they come; null is NaN. */
struct column {
    double *v;
    size_t count, capacity;
};

enum { LEFT, RIGHT, FEATURE, THRESHOLD, VALUE, IMPURITY, WEIGHTED_ROWS, ROWS, COLUMNS };
static const char *const names[COLUMNS] = { "left",  "right",    "feature",       "threshold",
                                            "value", "impurity", "weighted_rows", "rows" };

struct reading {
    struct json j;
    struct forest_params params;
    double features;
    struct column classes;
    struct column column[COLUMNS], shares, weights; /* of one tree */
    struct forest_node *nodes;
    struct forest_tree *trees;
    uint32_t count, capacity;
    const char *notes; /* as they stand there */
    size_t notes_bytes;
};

static void add(struct json *j, struct column *c, double x)
{
    if (c->count == c->capacity) {
        size_t wanted = c->capacity ? 2 * c->capacity : 64;
        double *v = realloc(c->v, wanted * sizeof *v);
        if (!v) {
            json_fail(j, "not enough memory");
            j->error = -ENOMEM;
            return;
        }
        c->v = v;
        c->capacity = wanted;
    }
    c->v[c->count++] = x;
}

static void read_numbers(struct json *j, struct column *c)
{
    for (json_enter(j, '['); json_more(j, ']');)
        add(j, c, json_null(j) ? (double)NAN : json_number(j));
}

/* Of each node a row of a number a class: null, the class that has it all, or an array. */
static void read_rows(struct reading *r, struct column *c)
{
    size_t classes = r->classes.count;

    for (json_enter(&r->j, '['); json_more(&r->j, ']');) {
        size_t end = c->count + classes;
        if (json_peek(&r->j) == '[') {
            read_numbers(&r->j, c);
            if (c->count != end)
                json_fail(&r->j, "this array is not one of a number for each of the %zu classes",
                          classes);
            continue;
        }
        double only = json_null(&r->j) ? -1 : json_number(&r->j);
        if (only != -1 && !(only >= 0 && only < (double)classes && only == floor(only)))
            json_fail(&r->j, "%g is not one of the %zu classes", only, classes);
        for (size_t k = 0; k < classes && !r->j.error; k++)
            add(&r->j, c, (double)k == only ? 1.0 : 0.0);
    }
}

static void read_members(struct reading *r)
{
    for (json_enter(&r->j, '{'); json_more(&r->j, '}');) {
        char name[16];
        int i = 0;
        json_key(&r->j, name, sizeof name);
        while (i < COLUMNS && strcmp(name, names[i]))
            i++;
        struct column *rows = !strcmp(name, "shares")    ? &r->shares
                              : !strcmp(name, "weights") ? &r->weights
                                                         : NULL;
        bool is_twice = (i < COLUMNS && r->column[i].count) || (rows && rows->count);
        if (is_twice)
            json_fail(&r->j, "'%s' is there twice", name);
        else if (i < COLUMNS)
            read_numbers(&r->j, &r->column[i]);
        else if (rows && r->classes.count)
            read_rows(r, rows);
        else
            json_skip(&r->j);
    }
}

/* A whole number of a column that must be one. */
static int64_t whole(struct reading *r, int column, size_t i)
{
    double x = r->column[column].v[i];

    if (x >= -WHOLE_MAX && x <= WHOLE_MAX && x == floor(x))
        return (int64_t)x;
    json_fail(&r->j, "tree %u, node %zu: '%s' is not a whole number", r->count, i, names[column]);
    return 0;
}

static bool has_column(struct reading *r, int column, size_t nodes)
{
    if (r->column[column].count != nodes)
        json_fail(&r->j, "tree %u: '%s' has %zu numbers, 'left' has %zu", r->count, names[column],
                  r->column[column].count, nodes);
    return !r->j.error;
}

static bool columns_sound(struct reading *r, size_t nodes)
{
    size_t classes = r->classes.count;
    bool has_stats = r->params.keep_stats;

    if (nodes == 0 || nodes > INT32_MAX)
        json_fail(&r->j, "tree %u: %s", r->count, nodes ? "too many nodes" : "no 'left'");
    for (int i = RIGHT; i <= THRESHOLD && !r->j.error; i++)
        has_column(r, i, nodes);
    if (!r->j.error && !classes)
        has_column(r, VALUE, nodes);
    for (int i = IMPURITY; has_stats && i <= ROWS && !r->j.error; i++)
        has_column(r, i, nodes);
    if (!r->j.error && classes && r->shares.count != nodes * classes)
        json_fail(&r->j, "tree %u: 'shares' is not there for each of its %zu nodes", r->count,
                  nodes);
    if (!r->j.error && classes && has_stats && r->weights.count != nodes * classes)
        json_fail(&r->j, "tree %u: 'weights' is not there for each of its %zu nodes", r->count,
                  nodes);
    return !r->j.error;
}

static void fill_nodes(struct reading *r, size_t nodes)
{
    const struct column *c = r->column;
    bool has_stats = r->params.keep_stats;

    for (size_t i = 0; i < nodes && !r->j.error; i++) {
        int64_t rows = has_stats ? whole(r, ROWS, i) : 0;
        r->nodes[i] = (struct forest_node){
            .left = whole(r, LEFT, i),
            .right = whole(r, RIGHT, i),
            .threshold = c[THRESHOLD].v[i],
            .value = r->classes.count ? 0.0 : c[VALUE].v[i],
            .impurity = has_stats ? c[IMPURITY].v[i] : 0.0,
            .weighted_rows = has_stats ? c[WEIGHTED_ROWS].v[i] : 0.0,
            .rows = (uint64_t)(rows > 0 ? rows : 0),
        };
        if (r->nodes[i].left >= 0)
            r->nodes[i].feature = whole(r, FEATURE, i);
    }
}

static void make_tree(struct reading *r)
{
    size_t nodes = r->column[LEFT].count;
    struct forest_params params = r->params;
    void *tree = NULL;

    if (r->j.error || !columns_sound(r, nodes))
        return;
    r->nodes = calloc(nodes, sizeof *r->nodes);
    if (r->nodes)
        fill_nodes(r, nodes);
    struct forest_tree_source source = {
        r->nodes, nodes, r->shares.v, r->weights.v, (uint32_t)r->classes.count, 0
    };
    params.n_estimators = UINT32_MAX; /* how many there are is known in the end */
    int err = !r->nodes ? -ENOMEM : r->j.error;
    if (!err)
        err = forest_tree_make(&params, (uint64_t)r->features, r->count, &source, &tree,
                               &r->trees[r->count].bytes);
    if (err && !r->j.error) {
        json_fail(&r->j,
                  err == -EINVAL ? "tree %u is not a tree over %g features that fits the "
                                   "parameters, or has an impossible number"
                                 : "tree %u: not enough memory, of %g features",
                  r->count, r->features);
        r->j.error = err;
    }
    r->trees[r->count].data = tree;
    r->count += tree != NULL;
    free(r->nodes);
    r->nodes = NULL;
}

static bool room_for_tree(struct reading *r)
{
    if (r->count < r->capacity)
        return true;
    uint32_t wanted = r->capacity ? 2 * r->capacity : 64;
    struct forest_tree *trees =
        wanted <= INT32_MAX ? realloc(r->trees, wanted * sizeof *trees) : NULL;
    if (!trees) {
        json_fail(&r->j, "not enough memory");
        r->j.error = -ENOMEM;
        return false;
    }
    r->trees = trees;
    r->capacity = wanted;
    return true;
}

static void read_trees(struct reading *r)
{
    for (json_enter(&r->j, '['); json_more(&r->j, ']');) {
        for (int i = 0; i < COLUMNS; i++)
            r->column[i].count = 0;
        r->shares.count = r->weights.count = 0;
        read_members(r);
        if (room_for_tree(r))
            make_tree(r);
    }
    if (!r->count)
        json_fail(&r->j, "there is no tree");
}

/* What the forest's members must be before its trees can be read. */
static void check_forest(struct reading *r, bool has_format)
{
    size_t classes = r->classes.count;
    uint32_t task = classes ? FOREST_CLASSIFICATION : FOREST_REGRESSION;

    if (!has_format)
        json_fail(&r->j, "there is no \"format\":\"forest-json\" with \"version\":1");
    if (!(r->features >= 1 && r->features <= INT32_MAX && r->features == floor(r->features)))
        json_fail(&r->j, "'features' is not a whole number from 1 on");
    if (classes > FOREST_CLASSES_MAX)
        json_fail(&r->j, "more than %u classes", FOREST_CLASSES_MAX);
    if (r->params.task != TASK_UNTOLD && r->params.task != task)
        json_fail(&r->j, "the task and the classes do not fit each other");
    r->params.task = task;
}

/* All members but the trees, where the reader then stands again. */
static void read_forest(struct reading *r)
{
    struct json trees = { .p = NULL };
    char format[16] = "";
    double version = 0;

    for (json_enter(&r->j, '{'); json_more(&r->j, '}');) {
        char name[16];
        json_key(&r->j, name, sizeof name);
        if (!strcmp(name, "format")) {
            json_string(&r->j, format, sizeof format);
        } else if (!strcmp(name, "version")) {
            version = json_number(&r->j);
        } else if (!strcmp(name, "params")) {
            paramtext_read(&r->j, &r->params);
        } else if (!strcmp(name, "features")) {
            r->features = json_number(&r->j);
        } else if (!strcmp(name, "notes") && !r->notes && json_peek(&r->j) == '{') {
            r->notes = r->j.p;
            json_skip(&r->j);
            r->notes_bytes = (size_t)(r->j.p - r->notes);
        } else if (!strcmp(name, "classes") && !r->classes.count) {
            read_numbers(&r->j, &r->classes);
        } else {
            if (!strcmp(name, "trees"))
                trees = r->j;
            json_skip(&r->j);
        }
    }
    if (json_finish(&r->j))
        return;
    check_forest(r, !strcmp(format, "forest-json") && version == 1);
    if (!trees.p)
        json_fail(&r->j, "there are no 'trees'");
    if (!r->j.error) {
        r->j = trees;
        read_trees(r);
    }
}

static int assemble(struct reading *r, void **block, size_t *bytes, struct diag *diag)
{
    struct forest_params *p = &r->params;

    if (p->n_estimators && p->n_estimators != r->count)
        return diag_set(diag, -EINVAL, "n_estimators is %u, but there are %u trees",
                        p->n_estimators, r->count);
    p->n_estimators = r->count;
    int err = forest_assemble_size(r->trees, r->count, bytes);
    *block = err ? NULL : aligned_alloc(64, *bytes);
    if (!err && !*block)
        err = -ENOMEM;
    if (!err)
        err = forest_assemble(p, (uint64_t)r->features, r->trees, r->count, *block, *bytes);
    if (!err && r->classes.count)
        err = forest_set_classes(*block, *bytes, r->classes.v, (uint32_t)r->classes.count);
    if (!err && r->notes) {
        void *noted;
        err = forest_add_notes(*block, *bytes, r->notes, r->notes_bytes, &noted, bytes);
        if (!err) {
            free(*block);
            *block = noted;
        }
    }
    if (err) {
        free(*block);
        *block = NULL;
        return diag_set(diag, err, "it is not a forest (%s)", forest_strerror(err));
    }
    return 0;
}

static void reading_free(struct reading *r)
{
    for (uint32_t i = 0; i < r->count; i++) {
        union { /* they are ours, though whoever reads them may not write */
            const void *readable;
            void *owned;
        } tree = { r->trees[i].data };
        free(tree.owned);
    }
    for (int i = 0; i < COLUMNS; i++)
        free(r->column[i].v);
    free(r->shares.v);
    free(r->weights.v);
    free(r->classes.v);
    free(r->trees);
}

int treeio_read_json(const char *text, size_t size, void **block, size_t *bytes, struct diag *diag)
{
    struct reading r = { .params = FOREST_PARAMS_INIT };

    r.params.task = TASK_UNTOLD;
    json_start(&r.j, text, size, diag);
    read_forest(&r);
    int err = r.j.error;
    if (!err)
        err = assemble(&r, block, bytes, diag);
    reading_free(&r);
    return err;
}
