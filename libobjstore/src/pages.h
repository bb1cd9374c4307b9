/* SPDX-License-Identifier: MIT */
/* pages.h -- runs of whole pages for large objects. */
#ifndef OBJSTORE_PAGES_H
#define OBJSTORE_PAGES_H

#include "extent.h"
#include "store.h"

/* Owner words of pages and cells: 0, 1, or the slot's number + OWNER_SLOT. */
#define PAGE_FREE 0u
#define PAGE_BLOCK 1u /* part of a block that is divided into cells */
#define OWNER_SLOT 2u

/*
 * Take `count` adjacent pages for slot `slot`, which the caller owns in WRITING and which has no
 * extent; afterwards slot's extent says which. -ENOSPC: none found (blocks were not closed).
 */
int pages_alloc(struct objstore *s, struct cache *c, uint32_t slot, uint32_t count);
/* Take exactly these pages; false and nothing taken if one of them is not free. */
bool pages_claim(struct objstore *s, uint32_t slot, uint32_t first, uint32_t count);
/* Give back those of these pages that name the slot. */
void pages_release(struct objstore *s, uint32_t slot, uint32_t first, uint32_t count);
/* The same when all of them do, and nobody may have begun before: no compare-and-swap. */
void pages_release_held(struct objstore *s, uint32_t first, uint32_t count);
void pages_remember(struct cache *c, uint32_t first, uint32_t count);
/* May pages come free by themselves, as somebody's taking of them is still undecided? */
bool pages_undecided(struct objstore *s, uint32_t self);

#endif
