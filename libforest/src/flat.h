/* SPDX-License-Identifier: MIT */
/* flat.h -- tree blocks: a grown tree as bytes. */
#ifndef FLAT_H
#define FLAT_H

#include <stddef.h>
#include <stdint.h>

#include "grow.h"
#include "layout.h"

/* How long the block of a tree with so many nodes is; 0 if there cannot be so many. */
size_t flat_bytes(uint32_t nodes, uint32_t flags);

/* Which tree of which forest it is. */
struct flat_identity {
    uint64_t features;
    uint64_t kind;
    uint32_t index;
    uint32_t flags;
};

/* Make the tree, which is grown and not empty, a block where it is. Its statistics move. */
const void *flat_finish(struct tree *tree, const struct flat_identity *identity, size_t *bytes);

/* Check a tree block's header, not its body. -EBADMSG (also for what is no tree block), -EINVAL:
 * misaligned */
int flat_header_check(const void *block, size_t bytes);

#endif
