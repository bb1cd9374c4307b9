/* SPDX-License-Identifier: MIT */
/* sort_large_avx512.c -- the rules' sort of a large node, sixteen names at a time. */
#include "base/avx512.h"

#ifdef HAVE_AVX512

#include "sort_large_body.h"
#include "kernels.h"

static void part_greater(uint32_t *a, uint32_t n, uint32_t left, uint32_t high, uint32_t *temp)
{
    part_avx512(a, n, left, high, temp);
}

/* The lesser ones of a[0..left) to the front; the equal ones join the queue. */
static void part_lesser(uint32_t *a, uint32_t left, uint32_t low, struct members *q)
{
    __m512i bound = _mm512_set1_epi32((int)low);
    uint32_t l = 0;
    for (uint32_t i = 0; i < left; i += 16) {
        __m512i v = _mm512_loadu_si512(a + i);
        __mmask16 valid = (__mmask16)low_bits(left - i < 16 ? left - i : 16);
        __mmask16 less = _mm512_mask_cmplt_epu32_mask(valid, v, bound),
                  same = (__mmask16)(valid & ~less);
        unsigned count = count_bits(less);
        _mm512_mask_storeu_epi32(a + l, (__mmask16)low_bits(count),
                                 _mm512_maskz_compress_epi32(less, v));
        l += count;
        if (same) {
            __m512i at = _mm512_add_epi32(lane_numbers(), _mm512_set1_epi32((int)i));
            _mm512_storeu_si512(q->names + q->count, _mm512_maskz_compress_epi32(same, v));
            _mm512_storeu_si512(q->found_at + q->count, _mm512_maskz_compress_epi32(same, at));
            q->count += count_bits(same);
        }
    }
}

static void narrow_names(const uint32_t *from, uint32_t n, uint32_t base, uint16_t *to)
{
    __m512i less = _mm512_set1_epi32((int)base);
    for (uint32_t i = 0; i < n; i += 16) {
        __m512i name = _mm512_sub_epi32(_mm512_loadu_si512(from + i), less);
        _mm256_storeu_si256((__m256i *)(void *)(to + i), _mm512_cvtepi32_epi16(name));
    }
}

static void sort_names(const struct sort_room *room, uint32_t *list, const uint64_t *ties,
                       uint32_t n, int depth)
{
    sort_names_avx512(room, list, ties, n, depth);
}

void sort_large_avx512(const struct large *l)
{
    sort_large(l);
}

#pragma GCC pop_options
#endif
