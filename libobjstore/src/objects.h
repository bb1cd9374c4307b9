/* SPDX-License-Identifier: MIT */
/* objects.h -- what the calls on objects share. */
#ifndef OBJSTORE_OBJECTS_H
#define OBJSTORE_OBJECTS_H

#include "alloc.h"
#include "pin.h"

/* The file offset of the bytes of a slot that is SEALED, or ours. False: damaged. */
static inline bool object_place(const struct objstore *s, uint32_t slot, uint64_t size,
                                uint64_t *at)
{
    if (size > INLINE_MAX) {
        struct extent e =
            extent_unpack(au64_load_relaxed(&slot_at(s, slot)->extent)); /* relaxed: E1, or ours */
        uint64_t room;

        return extent_place(s, &e, at, &room) && e.held && size <= room;
    }
    *at = s->geo.slots_at + slot * sizeof(struct slot) + offsetof(struct slot, bytes);
    return true;
}
/* All there is to know of a slot's object; the caller compares its word before and after. */
bool object_describe(const struct objstore *s, uint32_t slot, unsigned char id[16], uint64_t *at,
                     uint64_t *size, uint64_t *created, struct objstore_meta *meta);
/* objstore_get() with no time to wait, for who has looked it up: index_find_to_pin(). */
struct lead;
int object_get_led(struct objstore *s, const struct objstore_id *id, const struct lead *lead,
                   struct objstore_view *view);
/* For an unsealed object of ours: when it was really made. */
void object_set_created(struct objstore *s, const struct objstore_id *id, uint64_t created);
/*
 * Fill in a view of a slot that is pinned.
 * -EBADMSG: damaged; the pin is still the caller's.
 */
static inline int view_open(const struct objstore *s, uint32_t slot, struct pinned held,
                            struct objstore_view *view)
{
    uint64_t size = au64_load_relaxed(&slot_at(s, slot)->size), at; /* relaxed: E1 */

    if (!object_place(s, slot, size, &at))
        return -EBADMSG;
    view->data = size ? s->view + at : NULL;
    view->size = size;
    view->pin[0] = held.ref;
    view->pin[1] = held.key;
    return 0;
}

#endif
