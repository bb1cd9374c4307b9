/* SPDX-License-Identifier: MIT */
/* hash.c -- which way to hash; what the compiler may use everywhere. */
#include "hash_body.h"

#include "atomics.h"

const struct hash_kind hash_plain = { all64, all128, add };

static const struct hash_kind *look(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f"))
        return &hash_avx512;
    if (__builtin_cpu_supports("avx2"))
        return &hash_avx2;
#endif
    return &hash_plain;
}

/* Asked once; the answer never changes, so racing callers agree. */
static const struct hash_kind *kind(void)
{
    static struct au64 known; /* relaxed: nothing else is published with it. 0: not known */
    const struct hash_kind *k = (const struct hash_kind *)(uintptr_t)au64_load_relaxed(&known);

    if (!k) {
        k = look();
        au64_store_relaxed(&known, (uintptr_t)k);
    }
    return k;
}

uint64_t hash64(const void *data, size_t size)
{
    return kind()->all64(data, size);
}

struct hash128 hash128(const void *data, size_t size)
{
    return kind()->all128(data, size);
}

void hash64_begin(struct hash_state *state)
{
    XXH3_64bits_reset((XXH3_state_t *)(void *)state);
}

void hash64_add(struct hash_state *state, const void *data, size_t size)
{
    kind()->add(state, data, size);
}

uint64_t hash64_end(const struct hash_state *state)
{
    return XXH3_64bits_digest((const XXH3_state_t *)(const void *)state);
}
