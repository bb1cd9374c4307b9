/* SPDX-License-Identifier: MIT */
/* copy.h -- bytes into the store. */
#ifndef OBJSTORE_COPY_H
#define OBJSTORE_COPY_H

#include <stddef.h>

/* From here on a copy goes past the caches. */
#define COPY_STREAM_MIN ((size_t)2 << 20)

/* As memcpy(); to the same effect for who sees the object sealed afterwards. */
void copy_in(void *to, const void *from, size_t size);

#endif
