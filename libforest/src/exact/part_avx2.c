/* SPDX-License-Identifier: MIT */
/* part_avx2.c -- parting entries of 32 bits, as P1 and P2 of sort_avx512.c say. */
#include "base/avx2.h"

#ifdef HAVE_AVX2
#include "kernels.h"

static inline uint32_t greater_bits(__m256i v, __m256i bound)
{
    return mask_bits(_mm256_cmpgt_epi32(v, bound));
}

#define INLINE static inline __attribute__((always_inline))

/*
 * The loops below take whole registers first, and then what is left. `valid` are the words that
 * belong to the range.
 */
INLINE uint32_t *collect_words(const uint32_t *a, uint32_t valid, __m256i high, uint32_t *out)
{
    __m256i v = load_words(a);
    uint32_t greater = greater_bits(v, high) & valid;
    store_words(out, pack(v, greater));
    return out + count_bits(greater);
}

/* The greater ones of a[0..end), in order, to `out`; returns their end. */
static uint32_t *collect_greater(const uint32_t *a, uint32_t end, __m256i high, uint32_t *out)
{
    for (uint32_t i = 0; i < end; i += WORDS)
        out = collect_words(a + i, valid_words(end - i), high, out);
    return out;
}

struct back {
    const uint32_t *greater_end; /* is taken from, downwards */
    uint32_t *lesser;            /* gets what is not greater */
};

/* P2 for a[left..n). */
static void part_back(uint32_t *a, uint32_t n, uint32_t left, __m256i high, struct back *b)
{
    for (uint32_t i = left; i < n; i += WORDS) {
        uint32_t valid = valid_words(n - i), last = n - i <= WORDS ? 1u << (n - i - 1) : 0;
        __m256i v = load_words(a + i), next = load_words(a + i + 1), places = word_mask(valid);
        uint32_t take = (~greater_bits(next, high) | last) & valid;
        uint32_t lesser = ~greater_bits(v, high) & valid;
        __m256i taken = spread(load_reversed(b->greater_end), take);
        __m256i to = _mm256_blendv_epi8(next, taken, word_mask(take));
        store_words(a + i, _mm256_blendv_epi8(v, to, places));
        store_words(b->lesser, pack(v, lesser));
        b->greater_end -= count_bits(take);
        b->lesser += count_bits(lesser);
    }
}

/* P1 alone. */
static void fill_front(uint32_t *a, uint32_t left, __m256i high, const uint32_t *lesser_end)
{
    uint32_t i = 0;
    for (; i + WORDS <= left; i += WORDS) {
        __m256i v = load_words(a + i), is_greater = _mm256_cmpgt_epi32(v, high);
        uint32_t greater = mask_bits(is_greater);
        v = _mm256_blendv_epi8(v, spread(load_reversed(lesser_end), greater), is_greater);
        lesser_end -= count_bits(greater);
        store_words(a + i, v);
    }
    __m256i v = load_words(a + i), is_greater = _mm256_cmpgt_epi32(v, high);
    uint32_t greater = mask_bits(is_greater) & low_bits(left - i);
    store_some(a + i, greater, spread(load_reversed(lesser_end), greater));
}

void part_avx2(uint32_t *a, uint32_t n, uint32_t left, uint32_t high, uint32_t *temp)
{
    __m256i bound = _mm256_set1_epi32((int)high);
    if (left == n)
        return;
    uint32_t *greater_end = collect_greater(a, left + 1, bound, temp + WORDS);
    struct back b = { greater_end, greater_end + WORDS };
    part_back(a, n, left, bound, &b);
    fill_front(a, left, bound, b.lesser);
}

#pragma GCC pop_options
#endif
