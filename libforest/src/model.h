/* SPDX-License-Identifier: MIT */
/* model.h -- an opened model. */
#ifndef MODEL_H
#define MODEL_H

#include "forest.h"
#include "layout.h"

struct forest {
    const struct model_header *header;
    const struct tree_entry *trees;
    const struct node *body[]; /* of each tree, in the caller's block or blocks */
};

static inline const struct node *forest_nodes(const struct forest *model, uint32_t tree)
{
    return model->body[tree];
}

/* Where the bodies begin in a model of so many trees. */
static inline size_t model_bodies_offset(uint32_t trees)
{
    size_t end = sizeof(struct model_header) + (size_t)trees * sizeof(struct tree_entry);

    return (end + LAYOUT_ALIGN - 1) & ~(size_t)(LAYOUT_ALIGN - 1);
}

/* Of the header behind the check and of the entries. */
uint64_t model_checksum(const struct model_header *header);

#endif
