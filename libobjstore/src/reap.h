/* SPDX-License-Identifier: MIT */
/* reap.h -- giving slots back: after a delete, and after a death. */
#ifndef OBJSTORE_REAP_H
#define OBJSTORE_REAP_H

#include "store.h"

/* Undo or free a slot that is ours in RECLAIM, from whatever step. `c` may be NULL. */
void reclaim(struct objstore *s, struct cache *c, uint32_t slot);
/* The word was read as DOOMED: free the slot unless somebody holds a pin. */
void reclaim_if_unpinned(struct objstore *s, uint32_t slot, uint64_t word);
/* Clean up after all who died attached; returns how many leases came free. */
uint32_t reap_dead(struct objstore *s);
/* The same for ourselves, before the lease goes. */
void reap_self(struct objstore *s);

#endif
