/* SPDX-License-Identifier: MIT */
/* flat.c -- from the arrays of a grown tree to a tree block, see layout.h. */
#include "flat.h"

#include <errno.h>
#include <string.h>

#include "frame.h"
#include "base/checksum.h"

static uint64_t header_checksum(const struct tree_header *header)
{
    size_t start = offsetof(struct tree_header, index);

    return checksum((const char *)header + start, sizeof *header - start);
}

static void zero_between(void *base, size_t from, size_t to)
{
    memset((char *)base + from, 0, to - from);
}

const void *flat_seal(struct tree_header *header, struct tree_entry entry, const struct body *body,
                      const struct flat_identity *identity)
{
    *header = (struct tree_header){
        .index = identity->index,
        .flags = identity->flags,
        .features = identity->features,
        .kind = identity->kind,
        .entry = entry,
        .classes = identity->classes,
    };
    prologue_write(&header->prologue, TREE_MAGIC, sizeof *header + body->bytes);
    header->entry.offset = sizeof *header;
    header->entry.check = checksum(header + 1, body->bytes);
    header->check = header_checksum(header);
    return header;
}

const void *flat_finish(struct tree *tree, const struct flat_identity *identity, size_t *bytes)
{
    struct tree_entry entry = { .nodes = tree->count,
                                .leaves = tree->count / 2 + 1,
                                .depth = tree->depth };
    struct body body;
    char *nodes = (char *)tree->nodes;

    body_layout(&entry, identity->flags, 0, &body);
    if (identity->flags & HAS_STATS) { /* room was made for more nodes: close up */
        size_t stats_bytes = tree->count * sizeof *tree->stats;
        memmove(nodes + body.stats, tree->stats, stats_bytes);
        zero_between(nodes, body.stats + stats_bytes, body.bytes);
    }
    zero_between(nodes, tree->count * sizeof *tree->nodes, body.stats);
    *bytes = sizeof(struct tree_header) + body.bytes;
    return flat_seal(tree->block, entry, &body, identity);
}

int flat_header_check(const void *block, size_t bytes)
{
    const struct tree_header *header = block;
    int err = prologue_check(block, bytes, sizeof *header, TREE_MAGIC, "a tree", NULL);

    if (err)
        return err == -EPROTO ? -EBADMSG : err;
    struct body body;
    if (header->check != header_checksum(header) || header->flags & ~(HAS_STATS | HAS_IDS) ||
        header->classes > FOREST_CLASSES_MAX || header->entry.offset != sizeof *header ||
        header->entry.nodes == 0 || (header->entry.distributions && !header->classes) ||
        !body_layout(&header->entry, header->flags, header->classes, &body) ||
        bytes - sizeof *header != body.bytes)
        return -EBADMSG;
    return 0;
}
