/* SPDX-License-Identifier: MIT */
/* model.c -- opening a model block and looking into it. */
#include "model.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "frame.h"
#include "base/checksum.h"
#include "params.h"
#include "shares.h"

uint64_t model_checksum(const struct model_header *header)
{
    size_t start = offsetof(struct model_header, features);

    return checksum((const char *)header + start,
                    model_bodies_offset(header->trees, header->classes) - start);
}

/* Finite and ascending: the first of the most probable classes has the least label. */
static bool labels_sound(const double *labels, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (!isfinite(labels[i]) || (i && !(labels[i - 1] < labels[i])))
            return false;
    return true;
}

/* Is what the header says possible, and what follows it there? */
static int header_check(const struct model_header *header, struct forest_diag *diag)
{
    size_t bytes = (size_t)header->prologue.bytes;
    struct stored_params params;

    if (header->trees == 0 || header->classes > FOREST_CLASSES_MAX ||
        (bytes - sizeof *header) / sizeof(struct tree_entry) < header->trees ||
        model_bodies_offset(header->trees, header->classes) > bytes ||
        header->check != model_checksum(header)) {
        diag_say(diag, "the model's header is damaged");
        return -EBADMSG;
    }
    struct forest_params given = params_write(&header->params, header->flags);
    if (params_read(&given, &params) || header->flags != params_flags(&given) ||
        header->features == 0 || header->features > INT32_MAX ||
        header->params.n_estimators != header->trees ||
        (header->classes > 0) != (params.task == FOREST_CLASSIFICATION) ||
        !labels_sound(model_labels(header), header->classes)) {
        diag_say(diag, "the model's header holds impossible values");
        return -EBADMSG;
    }
    return 0;
}

/* The notes are what is left behind the bodies. */
static bool notes_sound(const struct model_header *header, uint64_t offset)
{
    uint64_t left = header->prologue.bytes - offset, bytes = header->notes_bytes;

    if (left % LAYOUT_ALIGN || bytes > left || left - bytes >= LAYOUT_ALIGN)
        return false;
    return bytes ? header->notes_check == checksum((const char *)header + offset, left)
                 : header->notes_check == 0;
}

/* The bodies follow each other without gaps up to the notes, and these up to the end. */
static int entries_check(const struct model_header *header, struct forest_diag *diag)
{
    const struct tree_entry *entry = (const struct tree_entry *)(header + 1);
    uint64_t bytes = header->prologue.bytes;
    uint64_t offset = model_bodies_offset(header->trees, header->classes);
    uint64_t nodes = 0, leaves = 0;
    uint32_t depth = 0;

    for (uint32_t i = 0; i < header->trees; i++) {
        struct body body;
        if (entry[i].nodes == 0 || entry[i].offset != offset ||
            (entry[i].distributions && !header->classes) ||
            !body_layout(&entry[i], header->flags, header->classes, &body) ||
            body.bytes > bytes - offset) {
            diag_say(diag, "tree %u does not lie where it should", i);
            return -EBADMSG;
        }
        offset += body.bytes;
        nodes += entry[i].nodes;
        leaves += entry[i].leaves;
        depth = entry[i].depth > depth ? entry[i].depth : depth;
    }
    if (!notes_sound(header, offset)) {
        diag_say(diag, "the end of the model is damaged");
        return -EBADMSG;
    }
    if (nodes != header->nodes || leaves != header->leaves || depth != header->depth) {
        diag_say(diag, "the model's totals are not those of its trees");
        return -EBADMSG;
    }
    return 0;
}

int forest_open(const void *block, size_t bytes, struct forest **out, struct forest_diag *diag)
{
    const struct model_header *header = block;

    if (!block || !out)
        return -EINVAL;
    int err = prologue_check(block, bytes, sizeof *header, MODEL_MAGIC, "a forest model", diag);
    if (!err)
        err = header_check(header, diag);
    if (!err)
        err = entries_check(header, diag);
    struct forest *model = err ? NULL : malloc(sizeof *model + header->trees * sizeof *model->body);
    if (err || !model)
        return err ? err : -ENOMEM;
    model->header = header;
    model->trees = (const struct tree_entry *)(header + 1);
    for (uint32_t i = 0; i < header->trees && !err; i++) {
        const struct tree_entry *entry = &model->trees[i];
        model->body[i] = (const struct node *)((const char *)header + entry->offset);
        struct body body;
        model_body(model, i, &body);
        err = body_check(model->body[i], entry, &body, header->features, i, diag);
    }
    if (err) {
        free(model);
        return err;
    }
    *out = model;
    return 0;
}

void model_body(const struct forest *model, uint32_t tree, struct body *out)
{
    body_layout(&model->trees[tree], model->header->flags, model->header->classes, out);
}

void forest_close(struct forest *model)
{
    free(model);
}

void forest_describe(const struct forest *model, struct forest_info *out)
{
    const struct model_header *header = model->header;

    *out = (struct forest_info){
        .params = params_write(&header->params, header->flags),
        .features = header->features,
        .trees = header->trees,
        .nodes = header->nodes,
        .leaves = header->leaves,
        .depth = header->depth,
        .bytes = header->prologue.bytes,
        .classes = header->classes,
    };
}

int forest_tree_nodes(const struct forest *model, uint32_t tree, uint64_t *count)
{
    if (tree >= model->header->trees)
        return -ERANGE;
    if (!count)
        return -EINVAL;
    *count = model->trees[tree].nodes;
    return 0;
}

/* NaN if there is no such class: statistics are shown, not used, and not checked beforehand. */
static double label_of(const struct forest *model, double code)
{
    bool exists = code >= 0.0 && code < model->header->classes;

    return exists ? model_labels(model->header)[(uint32_t)code] : (double)NAN;
}

int forest_tree_node(const struct forest *model, uint32_t tree, uint64_t node,
                     struct forest_node *out)
{
    struct body body;

    if (tree >= model->header->trees || node >= model->trees[tree].nodes)
        return -ERANGE;
    if (!out)
        return -EINVAL;
    const struct node *n = &forest_nodes(model, tree)[node];
    bool is_leaf = node_is_leaf(n);
    model_body(model, tree, &body);
    *out = (struct forest_node){
        .left = is_leaf ? -1 : (int64_t)node + 1,
        .right = is_leaf ? -1 : (int64_t)n->right,
        .feature = is_leaf ? -2 : (int64_t)n->feature,
        .threshold = is_leaf ? -2.0 : n->number,
        .value = is_leaf ? n->number : (double)NAN,
        .impurity = (double)NAN,
        .id = node,
    };
    if (is_leaf && body.classes)
        out->value = model_answer(model, tree, n->number);
    if (body.flags & HAS_IDS)
        out->id = ((const uint32_t *)model_part(model, tree, body.ids))[node];
    if (body.flags & HAS_STATS) {
        const struct node_stats *stats = model_part(model, tree, body.stats);
        out->value = stats[node].value;
        if (body.classes)
            out->value = label_of(model, stats[node].value);
        out->impurity = stats[node].impurity;
        out->weighted_rows = stats[node].weighted_rows;
        out->rows = stats[node].rows;
    }
    return 0;
}

int forest_tree_weights(const struct forest *model, uint32_t tree, uint64_t node, double *out)
{
    struct body body;

    if (tree >= model->header->trees || node >= model->trees[tree].nodes)
        return -ERANGE;
    model_body(model, tree, &body);
    if (!body.classes || !(body.flags & HAS_STATS) || !out)
        return -EINVAL;
    const double *weights = model_part(model, tree, body.weights);
    memcpy(out, weights + (size_t)node * body.classes, body.classes * sizeof *out);
    return 0;
}

int forest_tree_shares(const struct forest *model, uint32_t tree, uint64_t node, double *out)
{
    struct body body;

    if (tree >= model->header->trees || node >= model->trees[tree].nodes)
        return -ERANGE;
    const struct node *n = &forest_nodes(model, tree)[node];
    model_body(model, tree, &body);
    if (!body.classes || !node_is_leaf(n) || !out)
        return -EINVAL;
    struct shares shares = model_shares(model, tree);
    memset(out, 0, body.classes * sizeof *out);
    shares_add(&shares, n->number, out);
    return 0;
}

int forest_classes(const struct forest *model, double *out)
{
    if (!out)
        return -EINVAL;
    if (model->header->classes)
        memcpy(out, model_labels(model->header), model->header->classes * sizeof *out);
    return 0;
}

int forest_set_classes(void *block, size_t bytes, const double *labels, uint32_t count)
{
    struct model_header *header = block;
    struct forest *model;

    if (!labels)
        return -EINVAL;
    int err = forest_open(block, bytes, &model, NULL);
    if (err)
        return err;
    forest_close(model);
    if (count != header->classes || !count || !labels_sound(labels, count))
        return -EINVAL;
    memcpy((char *)block + model_labels_offset(header->trees), labels, count * sizeof *labels);
    header->check = model_checksum(header);
    return 0;
}
