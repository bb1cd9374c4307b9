/* SPDX-License-Identifier: MIT */
/* reap.h -- giving slots back: after a delete, and after a death. */
#ifndef OBJSTORE_REAP_H
#define OBJSTORE_REAP_H

#include "store.h"

/* What is known of a slot that is ours in RECLAIM. */
enum reclaim_from {
    RECLAIM_ANYWHERE, /* taken over from the dead: from whatever step */
    RECLAIM_FRESH,    /* nobody has begun to undo it */
    RECLAIM_UNLINKED, /* likewise, and it is out of the index for certain */
};
/* Undo or free it. `c` may be NULL. */
void reclaim(struct objstore *s, struct cache *c, uint32_t slot, enum reclaim_from from);
/* The word was read as DOOMED: free the slot unless somebody holds a pin. */
void reclaim_if_unpinned(struct objstore *s, uint32_t slot, uint64_t word, enum reclaim_from from);
/*
 * Free what was deleted and lost its last pin unseen, if there may be any: for who needs the room, or
 * asks how much there is. Returns how many. A read-only handle cannot.
 */
uint32_t reap_left(struct objstore *s);
/*
 * Clean up after all who died attached, and what was given and not taken in time; returns how many
 * leases and passes came free.
 */
uint32_t reap_dead(struct objstore *s);
/* How many deaths were cleaned up after, by anybody: for reap_for_room(), before room is looked for. */
uint64_t reap_deaths(const struct objstore *s);
/* There was no room: is there more, by whomever, now that the dead have none? */
bool reap_for_room(struct objstore *s, uint64_t deaths);
/* reap_dead() if a glance shows that anybody is: it may miss one among many. */
uint32_t reap_at_open(struct objstore *s);
/* The lease was a dead one's: clean up after that one before anything else is done under it. */
void reap_inherited(struct objstore *s);
/* The same for ourselves, before the lease goes. */
void reap_self(struct objstore *s);

#endif
