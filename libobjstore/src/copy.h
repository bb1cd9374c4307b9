/* SPDX-License-Identifier: MIT */
/* copy.h -- bytes into the store. */
#ifndef OBJSTORE_COPY_H
#define OBJSTORE_COPY_H

#include <stddef.h>

#include "atomics.h"

/* From here on a copy goes past the caches unless its place is in them; from MIN on in any case. */
#define COPY_STREAM_COLD ((size_t)32 << 10)
#define COPY_STREAM_MIN ((size_t)2 << 20)

#define COPY_RECENT 8u

/* A handle's last large copies: what of the store may be in the caches. Advice. Zero is good. */
struct copies {
    struct au64 places[COPY_RECENT];
    struct au32 next;
};

/* As memcpy(); to the same effect for who sees the object sealed afterwards. */
void copy_in(struct copies *recent, void *to, const void *from, size_t size);

#endif
