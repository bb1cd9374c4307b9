/* SPDX-License-Identifier: MIT */
/* assemble.c -- from tree blocks to a model block, or to a model that leaves them where they are.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "frame.h"
#include "flat.h"
#include "model.h"
#include "params.h"

static const struct tree_header *header_of(const struct forest_tree *tree)
{
    return tree->data;
}

int forest_assemble_size(const struct forest_tree *trees, uint32_t count, size_t *bytes)
{
    if (!trees || !count || !bytes)
        return -EINVAL;
    size_t total = 0;
    for (uint32_t i = 0; i < count; i++) {
        int err = trees[i].data ? flat_header_check(trees[i].data, trees[i].bytes) : -EINVAL;
        if (err)
            return err;
        if (i == 0)
            total = model_bodies_offset(count, header_of(trees)->classes);
        if (__builtin_add_overflow(total, trees[i].bytes - sizeof(struct tree_header), &total))
            return -E2BIG;
    }
    *bytes = total;
    return 0;
}

static int tree_fits(const struct tree_header *tree, const struct flat_identity *expected)
{
    if (tree->features != expected->features || tree->kind != expected->kind ||
        tree->flags != expected->flags || tree->index != expected->index ||
        tree->classes != expected->classes)
        return -EBADMSG;
    struct body body;
    body_layout(&tree->entry, tree->flags, tree->classes, &body);
    return body_check(tree + 1, &tree->entry, &body, tree->features, tree->index, NULL);
}

/* Everything is checked before the first byte is written. */
static int check_all(const struct stored_params *params, uint32_t flags, uint64_t features,
                     const struct forest_tree *trees, uint32_t count)
{
    struct flat_identity expected = { features, params_kind(params, features), 0, flags,
                                      header_of(trees)->classes };

    if ((expected.classes > 0) != (params->task == FOREST_CLASSIFICATION))
        return -EBADMSG;
    for (; expected.index < count; expected.index++) {
        int err = tree_fits(header_of(&trees[expected.index]), &expected);
        if (err)
            return err;
    }
    return 0;
}

/* All of a model but the bodies and the prologue. */
static void write_header(struct model_header *header, const struct stored_params *params,
                         uint64_t features, uint32_t flags, const struct forest_tree *trees)
{
    struct tree_entry *entry = (struct tree_entry *)(header + 1);
    uint32_t classes = header_of(trees)->classes;
    size_t offset = model_bodies_offset(params->n_estimators, classes);
    double *label = (double *)(void *)((char *)header + model_labels_offset(params->n_estimators));

    memset(header, 0, offset);
    header->features = features;
    header->trees = params->n_estimators;
    header->flags = flags;
    header->classes = classes;
    header->params = *params;
    for (uint32_t i = 0; i < classes; i++)
        label[i] = (double)i;
    for (uint32_t i = 0; i < header->trees; i++) {
        entry[i] = header_of(&trees[i])->entry;
        entry[i].offset = offset;
        offset += trees[i].bytes - sizeof(struct tree_header);
        header->nodes += entry[i].nodes;
        header->leaves += entry[i].leaves;
        header->depth = entry[i].depth > header->depth ? entry[i].depth : header->depth;
    }
    header->check = model_checksum(header);
}

/* Parameters and trees, if these are not our own; *bytes is the size of the model block. */
static int check_parts(const struct forest_params *params, uint64_t features,
                       const struct forest_tree *trees, uint32_t count, bool are_own,
                       struct stored_params *stored, size_t *bytes)
{
    int err = params_read(params, stored);

    if (!err)
        err = forest_assemble_size(trees, count, bytes);
    if (!err && stored->n_estimators != count)
        err = -EINVAL;
    if (err || are_own)
        return err;
    return check_all(stored, params_flags(params), features, trees, count);
}

/* All of a model but the bodies and the prologue, in a block of that many bytes. */
static int assemble_header(const struct forest_params *params, uint64_t features,
                           const struct forest_tree *trees, uint32_t count, bool are_own,
                           struct model_header *header, size_t bytes)
{
    struct stored_params stored;
    size_t needed;

    if (!header || (uintptr_t)header % LAYOUT_ALIGN)
        return -EINVAL;
    int err = check_parts(params, features, trees, count, are_own, &stored, &needed);
    if (err || bytes != needed)
        return err ? err : -EINVAL;
    write_header(header, &stored, features, params_flags(params), trees);
    return 0;
}

static void copy_body(struct model_header *header, uint32_t i, const struct forest_tree *tree)
{
    const struct tree_entry *entry = (const struct tree_entry *)(header + 1);

    char *body = (char *)header + entry[i].offset;
    size_t bytes = tree->bytes - sizeof(struct tree_header);

    memory_populate(body, bytes); /* tree by tree: in model_take() others are freed meanwhile */
    memcpy(body, header_of(tree) + 1, bytes);
}

int forest_assemble(const struct forest_params *params, uint64_t features,
                    const struct forest_tree *trees, uint32_t count, void *block, size_t bytes)
{
    int err = assemble_header(params, features, trees, count, false, block, bytes);

    if (err)
        return err;
    for (uint32_t i = 0; i < count; i++)
        copy_body(block, i, &trees[i]);
    prologue_write(block, MODEL_MAGIC, bytes); /* last: half a model cannot be opened */
    return 0;
}

int model_start(const struct forest_params *params, uint64_t features,
                const struct forest_tree *trees, uint32_t count, void *block, size_t bytes)
{
    return assemble_header(params, features, trees, count, true, block, bytes);
}

void model_take(void *block, uint32_t index, struct forest_tree *tree)
{
    if (!tree->data)
        return;
    copy_body(block, index, tree);
    free((void *)(uintptr_t)tree->data);
    tree->data = NULL;
}

void model_finish(void *block, size_t bytes)
{
    prologue_write(block, MODEL_MAGIC, bytes);
}

int forest_open_trees(const struct forest_params *params, uint64_t features,
                      const struct forest_tree *trees, uint32_t count, struct forest **out)
{
    struct stored_params stored;
    size_t bytes;

    if (!out)
        return -EINVAL;
    int err = check_parts(params, features, trees, count, false, &stored, &bytes);
    if (err)
        return err;
    size_t fixed = sizeof(struct forest) + count * sizeof(const struct node *);
    struct forest *model = malloc(fixed + model_bodies_offset(count, header_of(trees)->classes));
    if (!model)
        return -ENOMEM;
    struct model_header *header = (struct model_header *)(void *)((char *)model + fixed);
    write_header(header, &stored, features, params_flags(params), trees);
    header->prologue.bytes = bytes;
    model->header = header;
    model->trees = (const struct tree_entry *)(header + 1);
    for (uint32_t i = 0; i < count; i++)
        model->body[i] = (const struct node *)(header_of(&trees[i]) + 1);
    *out = model;
    return 0;
}
