/* SPDX-License-Identifier: MIT */
/* alloc.h -- room in the data for one slot's object. */
#ifndef OBJSTORE_ALLOC_H
#define OBJSTORE_ALLOC_H

#include "blocks.h"
#include "extent.h"
#include "store.h"

/*
 * Take `size` (> 0) bytes for `slot`, which the caller owns in WRITING and which has no extent.
 * Afterwards its extent word says where they are. -ENOSPC.
 */
int extent_alloc(struct objstore *s, struct cache *c, uint32_t slot, uint64_t size);
/*
 * Give back whatever the slot's extent names; the caller owns the slot. `c` may be NULL.
 * `is_fresh`: nobody who died may have begun to.
 */
void extent_free(struct objstore *s, struct cache *c, uint32_t slot, bool is_fresh);
/*
 * Give back what the slot's extent has beyond its first `size` (> 0) bytes, in whole pages; a cell
 * stays. The caller owns the slot in WRITING.
 */
void extent_shrink(struct objstore *s, struct cache *c, uint32_t slot, uint64_t size);
/* Its offset in the file and its length; false if it has none, or makes no sense. */
static inline bool extent_place(const struct objstore *s, const struct extent *e, uint64_t *at,
                                uint64_t *bytes)
{
    const struct geometry *g = &s->geo;

    if (e->kind == EXTENT_PAGES) {
        *at = g->data_at + (uint64_t)e->first * PAGE_BYTES;
        *bytes = (uint64_t)e->count * PAGE_BYTES;
        return e->first < g->pages && e->count <= g->pages - e->first;
    }
    if (e->kind != EXTENT_CELL || e->class >= CELL_CLASSES)
        return false;
    *bytes = class_sizes[e->class];
    *at = g->data_at + (uint64_t)e->first * BLOCK_BYTES + e->count * *bytes;
    return e->first < g->blocks && (e->count + 1) * *bytes <= BLOCK_BYTES;
}

#endif
