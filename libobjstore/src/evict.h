/* SPDX-License-Identifier: MIT */
/* evict.h -- which objects make room. */
#ifndef OBJSTORE_EVICT_H
#define OBJSTORE_EVICT_H

#include "store.h"

/*
 * Make room for an object of `bytes`, and a little more: spill, or evict, what is coldest. How many
 * bytes came free (perhaps not in one piece: then call again); 0: nothing could go; or the
 * error that kept it from going.
 */
int64_t evict_make_room(struct objstore *s, uint64_t bytes);
/*
 * The same, but if nothing could go because others are moving it, wait for one of them; then it is
 * as if something came free. *until: 0 at first; once it is over there is no more waiting.
 */
int64_t evict_or_wait(struct objstore *s, uint64_t bytes, int64_t *until);
/* Somebody got the object of this slot. */
static inline void evict_note_use(struct objstore *s, struct slot *slot)
{
    if (s->spill && !(au64_load_relaxed(&slot->created) & CREATED_USED)) /* relaxed: a hint */
        au64_or_acq_rel(&slot->created, CREATED_USED);
}

#endif
