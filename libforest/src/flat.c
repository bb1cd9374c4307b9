/* SPDX-License-Identifier: MIT */
/* flat.c -- from the arrays of a grown tree to a tree block, see layout.h. */
#include "flat.h"

#include <errno.h>
#include <string.h>

#include "frame.h"
#include "checksum.h"

size_t flat_bytes(uint32_t nodes, uint32_t flags)
{
    size_t body = body_bytes(nodes, flags);

    return body ? sizeof(struct tree_header) + body : 0;
}

static uint64_t header_checksum(const struct tree_header *header)
{
    size_t start = offsetof(struct tree_header, index);

    return checksum((const char *)header + start, sizeof *header - start);
}

/* Fill in the nodes and, in `entry`, the leaves and the depth. */
static int write_nodes(const struct tree *tree, uint32_t *depths, struct node *out,
                       struct tree_entry *entry)
{
    depths[0] = 0;
    for (uint32_t i = 0; i < tree->count; i++) {
        if (tree->left[i] < 0) {
            out[i] = (struct node){ tree->value[i], 0, 0 };
            entry->leaves++;
            continue;
        }
        uint32_t left = (uint32_t)tree->left[i], right = (uint32_t)tree->right[i];
        uint32_t depth = depths[i] + 1;
        if (left != i + 1 || right <= left || right >= tree->count)
            return -EINVAL;
        out[i] = (struct node){ tree->threshold[i], right, (uint32_t)tree->feature[i] };
        depths[left] = depth;
        depths[right] = depth;
        entry->depth = depth > entry->depth ? depth : entry->depth;
    }
    return 0;
}

static void write_stats(const struct tree *tree, struct node_stats *out)
{
    for (uint32_t i = 0; i < tree->count; i++)
        out[i] = (struct node_stats){ tree->impurity[i], tree->value[i], tree->weighted_n[i],
                                      tree->n[i] };
}

static void zero_between(void *base, size_t from, size_t to)
{
    memset((char *)base + from, 0, to - from);
}

int flat_write(const struct tree *tree, const struct flat_identity *identity, uint32_t *depths,
               void *block)
{
    size_t body = body_bytes(tree->count, identity->flags);
    size_t stats_offset = body_stats_offset(tree->count);
    struct tree_header *header = block;
    struct node *nodes = (struct node *)(header + 1);

    *header = (struct tree_header){
        .index = identity->index,
        .flags = identity->flags,
        .features = identity->features,
        .kind = identity->kind,
        .entry = { .offset = sizeof *header, .nodes = tree->count },
    };
    prologue_write(&header->prologue, TREE_MAGIC, sizeof *header + body);
    if (tree->count == 0 || write_nodes(tree, depths, nodes, &header->entry))
        return -EINVAL;
    zero_between(nodes, tree->count * sizeof *nodes, stats_offset);
    if (identity->flags & HAS_STATS) {
        write_stats(tree, (struct node_stats *)((char *)nodes + stats_offset));
        zero_between(nodes, stats_offset + tree->count * sizeof(struct node_stats), body);
    }
    header->entry.check = checksum(nodes, body);
    header->check = header_checksum(header);
    return 0;
}

int flat_header_check(const void *block, size_t bytes)
{
    const struct tree_header *header = block;
    int err = prologue_check(block, bytes, sizeof *header, TREE_MAGIC, "a tree", NULL);

    if (err)
        return err == -EPROTO ? -EBADMSG : err;
    if (header->check != header_checksum(header) || header->flags & ~HAS_STATS ||
        header->entry.offset != sizeof *header || header->entry.nodes == 0 ||
        flat_bytes(header->entry.nodes, header->flags) != bytes)
        return -EBADMSG;
    return 0;
}
