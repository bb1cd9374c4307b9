/* SPDX-License-Identifier: MIT */
/* rough_avx512.h -- rough worths, see rough.h, sixteen at a time. Include after avx512.h. */
#ifndef ROUGH_AVX512_H
#define ROUGH_AVX512_H

#ifdef HAVE_AVX512
#include "rough.h"

static inline __m512i rough_sums(__m512i rough)
{
    return _mm512_srai_epi32(rough, ROUGH_WEIGHT_BITS);
}

static inline __m512i rough_weights(__m512i rough)
{
    return _mm512_and_si512(rough, _mm512_set1_epi32((1 << ROUGH_WEIGHT_BITS) - 1));
}

/* Sums up to and with each lane, of sums and weights at once. */
static inline __m512i rough_prefix_sums(__m512i x)
{
    __m512i zero = _mm512_setzero_si512();
    x = _mm512_add_epi32(x, _mm512_alignr_epi32(x, zero, 15));
    x = _mm512_add_epi32(x, _mm512_alignr_epi32(x, zero, 14));
    x = _mm512_add_epi32(x, _mm512_alignr_epi32(x, zero, 12));
    return _mm512_add_epi32(x, _mm512_alignr_epi32(x, zero, 8));
}

#endif
#endif
