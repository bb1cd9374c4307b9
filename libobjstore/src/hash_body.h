/* SPDX-License-Identifier: MIT */
/* hash_body.h -- xxHash compiled for the processor that the file which includes it says. */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "hash.h"

_Static_assert(sizeof(struct hash_state) >= sizeof(XXH3_state_t), "XXH3's state fits");
_Static_assert(_Alignof(struct hash_state) >= _Alignof(XXH3_state_t), "as it wants to lie");

static uint64_t all64(const void *data, size_t size)
{
    return XXH3_64bits(data, size);
}

static struct hash128 all128(const void *data, size_t size)
{
    XXH128_hash_t hash = XXH3_128bits(data, size);

    return (struct hash128){ hash.low64, hash.high64 };
}

static void add(struct hash_state *state, const void *data, size_t size)
{
    XXH3_64bits_update((XXH3_state_t *)(void *)state, data, size);
}
