/* SPDX-License-Identifier: MIT */
/*
 * avx512.h -- include first in files whose functions run only where AVX-512 was found.
 *
 * The processors meant are those from Ice Lake and Zen 4 on, which have all of these parts.
 */
#ifndef AVX512_H
#define AVX512_H

#include "level.h"

#ifdef HAVE_AVX512
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vbmi2,avx512vpopcntdq")
#pragma GCC target("fma,bmi,bmi2,lzcnt,popcnt")
#include <immintrin.h>
#include <stdint.h>

/* The lowest n bits, n <= 32. */
static inline uint32_t low_bits(uint32_t n)
{
    return _bzhi_u32(~0u, n);
}

static inline unsigned count_bits(uint32_t bits)
{
    return (unsigned)__builtin_popcount(bits);
}

static inline __m512i lane_numbers(void)
{
    return _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
}

static inline uint64_t low_bits64(uint32_t n)
{
    return _bzhi_u64(~UINT64_C(0), n);
}

static inline __m512i byte_numbers(void)
{
    static const uint8_t numbers[64] = {
        0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
        22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43,
        44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63,
    };
    return _mm512_loadu_si512(numbers);
}

/* Lanes count-1..0 of v; what follows is of no meaning. */
static inline __m512i reverse(__m512i v, unsigned count)
{
    __m512i from = _mm512_sub_epi32(_mm512_set1_epi32((int)count - 1), lane_numbers());
    return _mm512_permutexvar_epi32(from, v);
}

/*
 * Of sixteen bytes, chosen by bits: these to the front, in their order, and what follows is of no
 * meaning; the front of v to their places, the others from `onto`; of a these, the others of b.
 */
static inline __m128i pack_bytes(__m128i v, uint32_t bits)
{
    return _mm_maskz_compress_epi8((__mmask16)bits, v);
}

static inline __m128i spread_bytes(__m128i onto, uint32_t bits, __m128i v)
{
    return _mm_mask_expand_epi8(onto, (__mmask16)bits, v);
}

static inline __m128i pick_bytes(uint32_t bits, __m128i a, __m128i b)
{
    return _mm_mask_mov_epi8(b, (__mmask16)bits, a);
}

/* Which bytes of a are greater. */
static inline uint32_t bytes_greater(__m128i a, __m128i b)
{
    return _mm_cmpgt_epu8_mask(a, b);
}

/*
 * Gathers into a register that was cleared. A gather merges into its target, so it waits for
 * whatever was last in that register; the compiler takes any, for all lanes are replaced. The
 * empty asm keeps it from knowing.
 */
static inline __m512d gather_doubles(const double *from, __m256i at)
{
    __mmask8 all = 0xff;
    __asm__("" : "+Yk"(all));
    return _mm512_mask_i32gather_pd(_mm512_setzero_pd(), all, at, from, 8);
}

/* 16 words, the high halves of the lanes being what follows in memory. */
static inline __m512i gather_words(const uint16_t *from, __m512i at)
{
    __mmask16 all = 0xffff;
    __asm__("" : "+Yk"(all));
    return _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), all, at, from, 2);
}

#endif
#endif
