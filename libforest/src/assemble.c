/* SPDX-License-Identifier: MIT */
/* assemble.c -- from tree blocks to a model block. */
#include <errno.h>
#include <string.h>

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
    size_t total = model_bodies_offset(count);
    for (uint32_t i = 0; i < count; i++) {
        int err = trees[i].data ? flat_header_check(trees[i].data, trees[i].bytes) : -EINVAL;
        if (err)
            return err;
        if (__builtin_add_overflow(total, trees[i].bytes - sizeof(struct tree_header), &total))
            return -E2BIG;
    }
    *bytes = total;
    return 0;
}

static int tree_fits(const struct tree_header *tree, const struct flat_identity *expected)
{
    if (tree->features != expected->features || tree->kind != expected->kind ||
        tree->flags != expected->flags || tree->index != expected->index)
        return -EBADMSG;
    return body_check(tree + 1, &tree->entry, tree->flags, tree->features, tree->index, NULL);
}

/* Everything is checked before the first byte is written. */
static int check_all(const struct stored_params *params, uint32_t flags, uint64_t features,
                     const struct forest_tree *trees, uint32_t count)
{
    struct flat_identity expected = { features, params_kind(params, features), 0, flags };

    for (; expected.index < count; expected.index++) {
        int err = tree_fits(header_of(&trees[expected.index]), &expected);
        if (err)
            return err;
    }
    return 0;
}

static void write_model(struct model_header *header, const struct forest_tree *trees, size_t bytes)
{
    struct tree_entry *entry = (struct tree_entry *)(header + 1);
    size_t offset = model_bodies_offset(header->trees);

    memset(entry, 0, offset - sizeof *header);
    for (uint32_t i = 0; i < header->trees; i++) {
        const struct tree_header *tree = header_of(&trees[i]);
        size_t body = trees[i].bytes - sizeof *tree;
        memcpy((char *)header + offset, tree + 1, body);
        entry[i] = tree->entry;
        entry[i].offset = offset;
        offset += body;
        header->nodes += entry[i].nodes;
        header->leaves += entry[i].leaves;
        header->depth = entry[i].depth > header->depth ? entry[i].depth : header->depth;
    }
    header->check = model_checksum(header);
    prologue_write(&header->prologue, MODEL_MAGIC, bytes); /* last: half a model cannot be opened */
}

int forest_assemble(const struct forest_params *params, uint64_t features,
                    const struct forest_tree *trees, uint32_t count, void *block, size_t bytes)
{
    struct stored_params stored;
    uint32_t flags = params_flags(params);
    size_t needed;
    int err = params_read(params, &stored);

    if (!err)
        err = forest_assemble_size(trees, count, &needed);
    if (err)
        return err;
    if (!block || (uintptr_t)block % LAYOUT_ALIGN || bytes != needed || stored.n_estimators != count)
        return -EINVAL;
    err = check_all(&stored, flags, features, trees, count);
    if (err)
        return err;
    struct model_header *header = block;
    *header = (struct model_header){
        .features = features,
        .trees = count,
        .flags = flags,
        .params = stored,
    };
    write_model(header, trees, bytes);
    return 0;
}
