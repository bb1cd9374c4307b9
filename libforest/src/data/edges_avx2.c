/* SPDX-License-Identifier: MIT */
/* edges_avx2.c -- bins of values with AVX2: sixteen edges tell the sixteen the last is among. */
#include "base/avx2.h"

#ifdef HAVE_AVX2
#include "edges.h"

/* Which of sixteen edges are not above the value. */
static inline uint32_t below(__m256 v, __m256 low, __m256 high)
{
    return (uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(v, low, _CMP_NLT_UQ)) |
           (uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(v, high, _CMP_NLT_UQ)) << 8;
}

void edges_fill_avx2(const float *edges, const float *values, uint32_t n, uint8_t *codes,
                     size_t step)
{
    float ends[16];
    for (uint32_t i = 0; i < 16; i++)
        ends[i] = edges[16 * i + 15];
    __m256 low = _mm256_loadu_ps(ends), high = _mm256_loadu_ps(ends + 8);

    for (uint32_t i = 0; i < n; i++) {
        __m256 v = _mm256_set1_ps(values[i]);
        uint32_t from = 16 * count_bits(0x7fffu & below(v, low, high));
        const float *at = edges + from;
        uint32_t code = from + count_bits(below(v, _mm256_loadu_ps(at), _mm256_loadu_ps(at + 8)));
        codes[i * step] = (uint8_t)(code < EDGES_BINS ? code : EDGES_BINS - 1);
    }
}

#pragma GCC pop_options
#endif
