/* SPDX-License-Identifier: MIT */
/* part_avx512.c -- parting entries of 32 bits, as P1 and P2 of sort_avx512.c say. */
#include "base/avx512.h"

#ifdef HAVE_AVX512
#include "kernels.h"

/* The greater ones of a[0..end), in order, to `out`. */
static uint32_t collect_greater(const uint32_t *a, uint32_t end, __m512i pivot, uint32_t *out)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < end; i += 16) {
        __m512i v = _mm512_loadu_si512(a + i);
        __mmask16 valid = (__mmask16)low_bits(end - i < 16 ? end - i : 16);
        __mmask16 greater = _mm512_mask_cmpgt_epu32_mask(valid, v, pivot);
        _mm512_storeu_si512(out + count, _mm512_maskz_compress_epi32(greater, v));
        count += count_bits(greater);
    }
    return count;
}

/* P2 for a[left..n): take from `greater`, put what is not greater into `out`, last first. */
static void part_back(uint32_t *a, uint32_t n, uint32_t left, __m512i pivot,
                      const uint32_t *greater, uint32_t *out)
{
    __m512i before = _mm512_setzero_si512(); /* stands for the "else" at the very end */
    for (uint32_t end = n; end > left;) {
        uint32_t m = end - left < 16 ? end - left : 16;
        __mmask16 valid = (__mmask16)low_bits(m);
        end -= m;
        __m512i v = reverse(_mm512_maskz_loadu_epi32(valid, a + end), m);
        __m512i shifted = _mm512_alignr_epi32(v, before, 15);
        __mmask16 take = _mm512_mask_cmple_epu32_mask(valid, shifted, pivot);
        __mmask16 lesser = _mm512_mask_cmple_epu32_mask(valid, v, pivot);
        shifted = _mm512_mask_expandloadu_epi32(shifted, take, greater);
        greater += count_bits(take);
        _mm512_storeu_si512(out, _mm512_maskz_compress_epi32(lesser, v));
        out += count_bits(lesser);
        _mm512_mask_storeu_epi32(a + end, valid, reverse(shifted, m));
        before = v;
    }
}

/* P1 for a[0..left). */
static void part_front(uint32_t *a, uint32_t left, __m512i pivot, const uint32_t *lesser)
{
    for (uint32_t i = 0; i < left; i += 16) {
        __m512i v = _mm512_loadu_si512(a + i);
        __mmask16 valid = (__mmask16)low_bits(left - i < 16 ? left - i : 16);
        __mmask16 greater = _mm512_mask_cmpgt_epu32_mask(valid, v, pivot);
        v = _mm512_mask_expandloadu_epi32(v, greater, lesser);
        lesser += count_bits(greater);
        _mm512_mask_storeu_epi32(a + i, valid, v);
    }
}

void part_avx512(uint32_t *a, uint32_t n, uint32_t left, uint32_t pivot, uint32_t *temp)
{
    __m512i p = _mm512_set1_epi32((int)pivot);
    if (left == n)
        return;
    uint32_t greater = collect_greater(a, left + 1, p, temp);
    uint32_t *lesser = temp + greater + 16;
    part_back(a, n, left, p, temp, lesser);
    part_front(a, left, p, lesser);
}

#pragma GCC pop_options
#endif
