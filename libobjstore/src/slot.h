/* SPDX-License-Identifier: MIT */
/* slot.h -- the life of one object, and finding slots that have none. */
#ifndef OBJSTORE_SLOT_H
#define OBJSTORE_SLOT_H

#include "store.h"

/* What slot.c calls T1 to T7. Each answers whether the slot was as the caller believed. */

/* T1. A slot of our own with no extent. -ENOSPC. */
int slot_take(struct objstore *s, struct cache *c, uint32_t *index);
/* Any one transition: from the word `seen`, which the caller read, to this state. */
bool slot_change(struct objstore *s, uint32_t index, uint64_t *seen, enum slot_state state);
/* T7. The slot is ours in RECLAIM, out of the index, and has no extent. `c` may be NULL. */
void slot_free(struct objstore *s, struct cache *c, uint32_t index);
/* Reserve metadata's place for this slot. -ENOSPC and fallocate(2)'s errors. */
int meta_reserve(struct objstore *s, uint32_t index);
/* A sweep: tell everybody where free slots are. */
void slots_hint(struct objstore *s, uint32_t index);

#endif
