/* SPDX-License-Identifier: MIT */
/* edges_avx512.c -- bins of values with AVX-512: sixteen edges tell the sixteen the last is among. */
#include "base/avx512.h"

#ifdef HAVE_AVX512
#include "edges.h"

void edges_fill_avx512(const float *edges, const float *values, uint32_t n, uint8_t *codes,
                       size_t step)
{
    __m512i ends = _mm512_add_epi32(_mm512_slli_epi32(lane_numbers(), 4), _mm512_set1_epi32(15));
    __m512 last = _mm512_i32gather_ps(ends, edges, sizeof(float));

    for (uint32_t i = 0; i < n; i++) {
        __m512 v = _mm512_set1_ps(values[i]);
        uint32_t from = 16 * count_bits(0x7fffu & _mm512_cmp_ps_mask(v, last, _CMP_NLT_UQ));
        __mmask16 below = _mm512_cmp_ps_mask(v, _mm512_loadu_ps(edges + from), _CMP_NLT_UQ);
        uint32_t code = from + count_bits(below);
        codes[i * step] = (uint8_t)(code < EDGES_BINS ? code : EDGES_BINS - 1);
    }
}

#pragma GCC pop_options
#endif
