/* SPDX-License-Identifier: MIT */
/*
 * test_hash.c -- contents have the hash that xxHash gives them, whatever vectors the processor has: ids
 * made from contents and spill files go from one machine to another.
 */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "hash.h"
#include "test.h"

#include <stdbool.h>

#define BYTES (3u << 16)

static unsigned char data[BYTES];
static uint64_t random_state;

static const struct hash_kind *const kinds[] = { &hash_plain,
#if defined(__x86_64__)
                                                 &hash_avx2, &hash_avx512
#endif
};

static bool can_run(const struct hash_kind *kind)
{
#if defined(__x86_64__)
    if (kind == &hash_avx2)
        return __builtin_cpu_supports("avx2");
    if (kind == &hash_avx512)
        return __builtin_cpu_supports("avx512f");
#endif
    return kind == &hash_plain;
}

static void fill(void)
{
    random_state = test_seed;
    for (size_t i = 0; i < BYTES; i++)
        data[i] = (unsigned char)test_random(&random_state);
}

static size_t size_of(uint32_t i)
{
    return i < 1200 ? i : test_random(&random_state) % BYTES;
}

static void all_kinds(void)
{
    fill();
    for (uint32_t i = 0; i < 1500; i++) {
        size_t size = size_of(i);
        const unsigned char *from = data + test_random(&random_state) % (BYTES - size + 1);
        XXH128_hash_t both = XXH3_128bits(from, size);

        for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
            if (!can_run(kinds[k]))
                continue;
            struct hash128 ours = kinds[k]->all128(from, size);
            CHECK_EQ(kinds[k]->all64(from, size), XXH3_64bits(from, size));
            CHECK_EQ(ours.low, both.low64);
            CHECK_EQ(ours.high, both.high64);
        }
        CHECK_EQ(hash64(from, size), XXH3_64bits(from, size));
        CHECK_EQ(hash128(from, size).high, both.high64);
    }
}

static void piece_by_piece(void)
{
    fill();
    for (uint32_t i = 0; i < 300; i++) {
        size_t size = size_of(900 + 2 * i);

        for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
            struct hash_state state;

            if (!can_run(kinds[k]))
                continue;
            hash64_begin(&state);
            for (size_t at = 0, n; at < size; at += n) {
                n = test_random(&random_state) % (size - at) + 1;
                kinds[k]->add(&state, data + at, n);
            }
            CHECK_EQ(hash64_end(&state), XXH3_64bits(data, size));
        }
    }
}

TESTS("hash", { "as xxHash, with all vectors", all_kinds }, { "piece by piece", piece_by_piece })
