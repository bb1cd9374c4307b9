/* SPDX-License-Identifier: MIT */
/* objects.h -- what the calls on objects share. */
#ifndef OBJSTORE_OBJECTS_H
#define OBJSTORE_OBJECTS_H

#include "store.h"

/*
 * Fill in a view of a slot that `ref` pins, in the generation of `word`, which says SEALED.
 * -EBADMSG: damaged; the pin is still the caller's.
 */
int view_open(const struct objstore *s, uint32_t slot, uint64_t word, uint64_t ref,
              struct objstore_view *view);

#endif
