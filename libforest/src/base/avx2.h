/* SPDX-License-Identifier: MIT */
/* avx2.h -- include first in files whose functions run only where AVX2 was found. */
#ifndef AVX2_H
#define AVX2_H

#include "level.h"

#ifdef HAVE_AVX2
#pragma GCC push_options
#pragma GCC target("avx2,bmi,bmi2,lzcnt,popcnt")
#include <immintrin.h>
#include <stdint.h>

#define WORDS 8u /* numbers of 32 bits in a register */

static inline __m256i load_words(const uint32_t *from)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)from);
}

static inline void store_words(uint32_t *to, __m256i v)
{
    _mm256_storeu_si256((__m256i *)(void *)to, v);
}

static inline unsigned count_bits(uint32_t bits)
{
    return (unsigned)__builtin_popcount(bits);
}

/* The lowest n bits, n <= 32. */
static inline uint32_t low_bits(uint32_t n)
{
    return _bzhi_u32(~0u, n);
}

static inline uint32_t valid_words(uint32_t rest)
{
    return low_bits(rest < WORDS ? rest : WORDS);
}

static inline __m256i word_numbers(void)
{
    return _mm256_set_epi32(7, 6, 5, 4, 3, 2, 1, 0);
}

/* All bits of each word whose bit is set. */
static inline __m256i word_mask(uint32_t bits)
{
    __m256i bit = _mm256_sllv_epi32(_mm256_set1_epi32(1), word_numbers());
    return _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32((int)bits), bit), bit);
}

static inline uint32_t mask_bits(__m256i mask)
{
    return (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(mask));
}

/*
 * Only the words whose bit is set are changed, but all are written: some processors take long over a
 * store that leaves words out.
 */
static inline void store_some(uint32_t *to, uint32_t bits, __m256i v)
{
    store_words(to, _mm256_blendv_epi8(load_words(to), v, word_mask(bits)));
}

/* By mask: the words whose bits are set, in their order; and for each word, how many are before. */
extern const uint64_t packed_words[256], spread_words[256];
/* The same for words of 16 bits: the bytes of each. */
extern const uint16_t packed_shorts[256][8], spread_shorts[256][8];
/* By n: the first n bytes, then those from 8 on. */
extern const uint8_t joined[9][16];

/* The words whose bits are set to the front; what follows is of no meaning. */
static inline __m256i pack(__m256i v, uint32_t bits)
{
    __m128i at = _mm_cvtsi64_si128((long long)packed_words[bits]);
    return _mm256_permutevar8x32_epi32(v, _mm256_cvtepu8_epi32(at));
}

/* The front of v to the words whose bits are set; what is in the others is of no meaning. */
static inline __m256i spread(__m256i v, uint32_t bits)
{
    __m128i at = _mm_cvtsi64_si128((long long)spread_words[bits]);
    return _mm256_permutevar8x32_epi32(v, _mm256_cvtepu8_epi32(at));
}

/* The eight words that end at `end`, the last one first. */
static inline __m256i load_reversed(const uint32_t *end)
{
    __m256i from = _mm256_set_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_permutevar8x32_epi32(load_words(end - WORDS), from);
}

/*
 * Of sixteen bytes, chosen by bits: these to the front, in their order, and what follows is of no
 * meaning; the front of v to their places, the others from `onto`; of a these, the others of b.
 */
static inline __m128i pack_bytes(__m128i v, uint32_t bits)
{
    const uint64_t *low = packed_words + (bits & 0xff), *high = packed_words + (bits >> 8 & 0xff);
    const __m128i upper = _mm_set_epi64x(0x0808080808080808, 0);
    __m128i at = _mm_or_si128(_mm_set_epi64x((long long)*high, (long long)*low), upper);
    __m128i both = _mm_loadu_si128((const __m128i *)(const void *)joined[count_bits(bits & 0xff)]);
    return _mm_shuffle_epi8(v, _mm_shuffle_epi8(at, both));
}

static inline __m128i byte_mask(uint32_t bits)
{
    const __m128i bit = _mm_set1_epi64x((long long)0x8040201008040201);
    __m128i v =
        _mm_shuffle_epi8(_mm_cvtsi32_si128((int)bits), _mm_set_epi64x(0x0101010101010101, 0));
    return _mm_cmpeq_epi8(_mm_and_si128(v, bit), bit);
}

static inline __m128i pick_bytes(uint32_t bits, __m128i a, __m128i b)
{
    return _mm_blendv_epi8(b, a, byte_mask(bits));
}

static inline __m128i spread_bytes(__m128i onto, uint32_t bits, __m128i v)
{
    const uint64_t *low = spread_words + (bits & 0xff), *high = spread_words + (bits >> 8 & 0xff);
    __m128i before = _mm_set_epi64x((long long)(count_bits(bits & 0xff) * 0x0101010101010101), 0);
    __m128i at = _mm_add_epi8(_mm_set_epi64x((long long)*high, (long long)*low), before);
    return pick_bytes(bits, _mm_shuffle_epi8(v, at), onto);
}

/* Which bytes of a are greater; none is above 127. */
static inline uint32_t bytes_greater(__m128i a, __m128i b)
{
    return (uint32_t)_mm_movemask_epi8(_mm_cmpgt_epi8(a, b));
}

#endif
#endif
