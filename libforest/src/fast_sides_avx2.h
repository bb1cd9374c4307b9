/* SPDX-License-Identifier: MIT */
/* fast_sides_avx2.h -- include behind avx2.h: which way entries of lists go. */
#ifndef FAST_SIDES_AVX2_H
#define FAST_SIDES_AVX2_H

#include "fast_grower.h"

/* A bit for each of eight entries; reads up to three bytes behind a slot's. */
static inline uint32_t fast_sides(__m256i entries, const uint8_t *side)
{
    __m256i slots = _mm256_and_si256(entries, _mm256_set1_epi32((int)FAST_SLOTS));
    __m256i sides = _mm256_i32gather_epi32((const int *)(const void *)side, slots, 1);
    return mask_bits(_mm256_slli_epi32(sides, 31));
}

#endif
