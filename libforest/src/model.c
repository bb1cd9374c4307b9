/* SPDX-License-Identifier: MIT */
/* model.c -- opening a model block and looking into it. */
#include "model.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "frame.h"
#include "checksum.h"
#include "params.h"

uint64_t model_checksum(const struct model_header *header)
{
    size_t start = offsetof(struct model_header, features);

    return checksum((const char *)header + start, model_bodies_offset(header->trees) - start);
}

/* Is what the header says possible, and what follows it there? */
static int header_check(const struct model_header *header, struct forest_diag *diag)
{
    size_t bytes = (size_t)header->prologue.bytes;
    struct stored_params params;

    if (header->trees == 0 ||
        (bytes - sizeof *header) / sizeof(struct tree_entry) < header->trees ||
        model_bodies_offset(header->trees) > bytes || header->check != model_checksum(header)) {
        diag_say(diag, "the model's header is damaged");
        return -EBADMSG;
    }
    struct forest_params given = params_write(&header->params, header->flags);
    if (header->flags & ~HAS_STATS || header->features == 0 || header->features > INT32_MAX ||
        header->params.n_estimators != header->trees || params_read(&given, &params)) {
        diag_say(diag, "the model's header holds impossible values");
        return -EBADMSG;
    }
    return 0;
}

/* The bodies follow each other without gaps up to the end of the block. */
static int entries_check(const struct model_header *header, struct forest_diag *diag)
{
    const struct tree_entry *entry = (const struct tree_entry *)(header + 1);
    uint64_t bytes = header->prologue.bytes, offset = model_bodies_offset(header->trees);
    uint64_t nodes = 0, leaves = 0;
    uint32_t depth = 0;

    for (uint32_t i = 0; i < header->trees; i++) {
        size_t body = body_bytes(entry[i].nodes, header->flags);
        if (entry[i].nodes == 0 || entry[i].offset != offset || !body || body > bytes - offset) {
            diag_say(diag, "tree %u does not lie where it should", i);
            return -EBADMSG;
        }
        offset += body;
        nodes += entry[i].nodes;
        leaves += entry[i].leaves;
        depth = entry[i].depth > depth ? entry[i].depth : depth;
    }
    if (offset != bytes || nodes != header->nodes || leaves != header->leaves ||
        depth != header->depth) {
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
    struct forest *model =
        err ? NULL : malloc(sizeof *model + header->trees * sizeof *model->body);
    if (err || !model)
        return err ? err : -ENOMEM;
    model->header = header;
    model->trees = (const struct tree_entry *)(header + 1);
    for (uint32_t i = 0; i < header->trees && !err; i++) {
        const struct tree_entry *entry = &model->trees[i];
        model->body[i] = (const struct node *)((const char *)header + entry->offset);
        err = body_check(model->body[i], entry, header->flags, header->features, i, diag);
    }
    if (err) {
        free(model);
        return err;
    }
    *out = model;
    return 0;
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
    };
}

int forest_tree_nodes(const struct forest *model, uint32_t tree, uint64_t *count)
{
    if (tree >= model->header->trees)
        return -ERANGE;
    *count = model->trees[tree].nodes;
    return 0;
}

int forest_tree_node(const struct forest *model, uint32_t tree, uint64_t node,
                     struct forest_node *out)
{
    if (tree >= model->header->trees || node >= model->trees[tree].nodes)
        return -ERANGE;
    const struct node *nodes = forest_nodes(model, tree), *n = &nodes[node];
    bool is_leaf = node_is_leaf(n);
    *out = (struct forest_node){
        .left = is_leaf ? -1 : (int64_t)node + 1,
        .right = is_leaf ? -1 : (int64_t)n->right,
        .feature = is_leaf ? -2 : (int64_t)n->feature,
        .threshold = is_leaf ? -2.0 : n->number,
        .value = is_leaf ? n->number : (double)NAN,
        .impurity = (double)NAN,
    };
    if (model->header->flags & HAS_STATS) {
        size_t offset = body_stats_offset(model->trees[tree].nodes);
        const struct node_stats *stats =
            (const struct node_stats *)((const char *)nodes + offset) + node;
        out->value = stats->value;
        out->impurity = stats->impurity;
        out->weighted_rows = stats->weighted_rows;
        out->rows = stats->rows;
    }
    return 0;
}
