/* SPDX-License-Identifier: MIT */
/* avx2.h -- include first in files whose functions run only where AVX2 was found. */
#ifndef AVX2_H
#define AVX2_H

#include "kernels.h"

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

/* Only the words whose bit is set are written. */
static inline void store_some(uint32_t *to, uint32_t bits, __m256i v)
{
    _mm256_maskstore_epi32((int *)(void *)to, word_mask(bits), v);
}

/* By mask: the words whose bits are set, in their order; and for each word, how many are before. */
extern const uint64_t packed_words[256], spread_words[256];

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

void sort_ties_avx2(const struct block *b, uint32_t feature, const uint32_t *from, uint32_t *list,
                    uint32_t n);

#endif
#endif
