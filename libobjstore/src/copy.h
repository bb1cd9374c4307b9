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

enum copy_kind { COPY_COLD, COPY_WARM, COPY_WARM_LARGE, COPY_KINDS };

/* Two ways to copy. All zero: not tried yet. */
struct copy_ways {
    struct au32 way;   /* the one to go */
    struct au32 count; /* copies */
    struct au32 first; /* what a MiB took when way 0 was tried last, in ticks */
    struct au32 pairs; /* of trials since it was decided */
    struct au32 lost;  /* of them those in which the other way was the faster */
};
#define COPY_TRIALS 8u /* pairs, before it is decided */

/*
 * A handle's last large copies: what of the store may be in the caches, and which way of copying
 * is the fastest. Advice. Zero is good.
 */
struct copies {
    struct au64 places[COPY_RECENT];
    struct au32 next;
    struct copy_ways ways[COPY_KINDS];
};

/* As memcpy(); to the same effect for who sees the object sealed afterwards. */
void copy_in(struct copies *recent, void *to, const void *from, size_t size);

#endif
