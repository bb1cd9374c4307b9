/* SPDX-License-Identifier: MIT */
/*
 * hash.h -- XXH3 of contents, by the widest vectors that the processor has. xxHash as a header takes
 * those that the compiler may use everywhere, SSE2, which is a fifth of the speed of AVX-512. The
 * values are the same.
 *
 * For contents. A few words are hashed as fast by xxhash.h itself.
 */
#ifndef OBJSTORE_HASH_H
#define OBJSTORE_HASH_H

#include <stddef.h>
#include <stdint.h>

struct hash128 {
    uint64_t low, high;
};

/* XXH3_64bits(), XXH3_128bits(). */
uint64_t hash64(const void *data, size_t size);
struct hash128 hash128(const void *data, size_t size);

/* The first one, of bytes that come piece by piece. */
struct hash_state {
    _Alignas(64) unsigned char bytes[576]; /* XXH3_state_t */
};
void hash64_begin(struct hash_state *state);
void hash64_add(struct hash_state *state, const void *data, size_t size);
uint64_t hash64_end(const struct hash_state *state);

/* ---- one for each kind of processor -------------------------------------------------------- */

struct hash_kind {
    uint64_t (*all64)(const void *data, size_t size);
    struct hash128 (*all128)(const void *data, size_t size);
    void (*add)(struct hash_state *state, const void *data, size_t size);
};
extern const struct hash_kind hash_plain;
#if defined(__x86_64__)
extern const struct hash_kind hash_avx2, hash_avx512;
#endif

#endif
