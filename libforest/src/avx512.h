/* SPDX-License-Identifier: MIT */
/*
 * avx512.h -- include first in files whose functions run only where AVX-512 was found.
 *
 * The processors meant are those from Ice Lake and Zen 4 on, which have all of these parts.
 */
#ifndef AVX512_H
#define AVX512_H

#if defined(__x86_64__) && defined(__GNUC__)
#define HAVE_AVX512 1
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vbmi2,fma,bmi,bmi2,lzcnt,popcnt")
#include <immintrin.h>
#include <stdint.h>

#include "block.h"

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

/* Lanes count-1..0 of v; what follows is of no meaning. */
static inline __m512i reverse(__m512i v, unsigned count)
{
    __m512i from = _mm512_sub_epi32(_mm512_set1_epi32((int)count - 1), lane_numbers());
    return _mm512_permutexvar_epi32(from, v);
}

/* Entries made of the ranks of 16 slots; `ranks` is read two bytes beyond each. */
static inline __m512i look_up_entries(const uint16_t *ranks, __m512i entries)
{
    __m512i slot = _mm512_and_si512(entries, _mm512_set1_epi32(0xffff));
    __m512i rank = _mm512_i32gather_epi32(slot, ranks, 2);
    return _mm512_or_si512(_mm512_slli_epi32(rank, 16), slot);
}

/* The rules' parting of a[0..n): entries up to `pivot` to the front, of which there are `left`. */
void part_avx512(uint32_t *a, uint32_t n, uint32_t left, uint32_t pivot, uint32_t *temp);
void sort_ties_avx512(const struct block *b, uint32_t feature, const void *from, void *list,
                      uint32_t n);

#endif
#endif
