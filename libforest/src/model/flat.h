/* SPDX-License-Identifier: MIT */
/* flat.h -- tree blocks: a grown tree as bytes. */
#ifndef FLAT_H
#define FLAT_H

#include <stddef.h>
#include <stdint.h>

#include "frame.h"
#include "tree.h"
#include "layout.h"

/* Which tree of which forest it is. */
struct flat_identity {
    uint64_t features;
    uint64_t kind;
    uint32_t index;
    uint32_t flags;
    uint32_t classes; /* 0: regression */
};

/* Write the header before a finished body of an entry, whose offset and check are filled in. */
const void *flat_seal(struct tree_header *header, struct tree_entry entry, const struct body *body,
                      const struct flat_identity *identity);

/* Make a regression tree, which is grown and not empty, a block where it is. Its statistics move.
 */
const void *flat_finish(struct tree *tree, const struct flat_identity *identity, size_t *bytes);

/* Check a tree block's header, not its body. -EBADMSG (also for what is no tree block), -EINVAL:
 * misaligned */
int flat_header_check(const void *block, size_t bytes);

#endif
