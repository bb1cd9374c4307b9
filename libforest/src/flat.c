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

static void zero_between(void *base, size_t from, size_t to)
{
    memset((char *)base + from, 0, to - from);
}

const void *flat_finish(struct tree *tree, const struct flat_identity *identity, size_t *bytes)
{
    size_t body = body_bytes(tree->count, identity->flags);
    size_t nodes_bytes = tree->count * sizeof *tree->nodes;
    size_t stats_offset = body_stats_offset(tree->count);
    struct tree_header *header = tree->block;
    char *stats = (char *)tree->nodes + stats_offset;

    if (identity->flags & HAS_STATS) { /* room was made for more nodes: close up */
        size_t stats_bytes = tree->count * sizeof *tree->stats;
        memmove(stats, tree->stats, stats_bytes);
        zero_between(stats, stats_bytes, body - stats_offset);
    }
    zero_between(tree->nodes, nodes_bytes, stats_offset);
    *header = (struct tree_header){
        .index = identity->index,
        .flags = identity->flags,
        .features = identity->features,
        .kind = identity->kind,
        .entry = { .offset = sizeof *header,
                   .nodes = tree->count,
                   .leaves = tree->count / 2 + 1,
                   .depth = tree->depth },
    };
    prologue_write(&header->prologue, TREE_MAGIC, sizeof *header + body);
    header->entry.check = checksum(tree->nodes, body);
    header->check = header_checksum(header);
    *bytes = sizeof *header + body;
    return header;
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
