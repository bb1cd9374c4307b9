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

/* Where the labels of the classes are in a model of so many trees, and where the bodies begin. */
static inline size_t model_labels_offset(uint32_t trees)
{
    size_t end = sizeof(struct model_header) + (size_t)trees * sizeof(struct tree_entry);

    return (end + LAYOUT_ALIGN - 1) & ~(size_t)(LAYOUT_ALIGN - 1);
}

static inline size_t model_bodies_offset(uint32_t trees, uint32_t classes)
{
    size_t end = model_labels_offset(trees) + (size_t)classes * sizeof(double);

    return (end + LAYOUT_ALIGN - 1) & ~(size_t)(LAYOUT_ALIGN - 1);
}

static inline const double *model_labels(const struct model_header *header)
{
    return (const double *)(const void *)((const char *)header +
                                          model_labels_offset(header->trees));
}

/* A part of a tree's body, see struct body; `offset` is one of its. */
struct body;
void model_body(const struct forest *model, uint32_t tree, struct body *out);
static inline const void *model_part(const struct forest *model, uint32_t tree, size_t offset)
{
    return (const char *)(const void *)forest_nodes(model, tree) + offset;
}

/* Of the header behind the check, the entries and the labels. */
uint64_t model_checksum(const struct model_header *header);

/*
 * forest_assemble() of trees that this process has just trained, which are not checked, in steps:
 * all but the bodies; each of these, in any order, and even at once; and what says that it is whole.
 * A tree is freed as soon as it is taken, so that there are never two of all of them; one that was
 * taken before is not taken again. assemble.c
 */
int model_start(const struct forest_params *params, uint64_t features,
                const struct forest_tree *trees, uint32_t count, void *block, size_t bytes);
void model_take(void *block, uint32_t index, struct forest_tree *tree);
void model_finish(void *block, size_t bytes);

#endif
