/* SPDX-License-Identifier: MIT */
/* node_loops_avx512.c -- 16 samples at a time. */
#include "base/avx512.h"

#ifdef HAVE_AVX512
#include "exact/kernels.h"
#include "node_loops.h"

#define LANES 16u
#define RIGHT 0x80000000u /* the side of a sample */

static inline __mmask16 valid_lanes(uint32_t rest)
{
    return (__mmask16)low_bits(rest < LANES ? rest : LANES);
}

static struct value_range gather(const float *column, const uint32_t *samples, uint32_t n,
                                 float *values)
{
    if (n < 8) /* a gather takes a while even of few */
        return node_loops_plain.gather(column, samples, n, values);
    __m512 first = _mm512_set1_ps(column[samples[0]]), least = first, most = first;
    for (uint32_t i = 0; i < n; i += LANES) {
        __mmask16 valid = valid_lanes(n - i);
        __m512i row = _mm512_maskz_loadu_epi32(valid, samples + i);
        __m512 v = _mm512_mask_i32gather_ps(first, valid, row, column, 4);
        _mm512_mask_storeu_ps(values + i, valid, v);
        least = _mm512_min_ps(least, v);
        most = _mm512_max_ps(most, v);
    }
    struct value_range range = { _mm512_reduce_min_ps(least), _mm512_reduce_max_ps(most) };
    for (uint32_t i = 0; range.least == 0.0f; i++) {
        if (values[i] == 0.0f) {
            range.least = values[i];
            break;
        }
    }
    return range;
}

/* The greatest float that is no greater: a float is up to the one if it is up to the other. */
static inline __m128 float_up_to(double threshold)
{
    return _mm_cvt_roundsd_ss(_mm_setzero_ps(), _mm_set_sd(threshold),
                              _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
}

/* Up to 16: P1 and P2 of sort_avx512.c in a register. */
static uint32_t part_few(uint32_t *samples, __m512i v, uint32_t right, uint32_t n)
{
    uint32_t valid = low_bits(n), lesser = valid & ~right, left = count_bits(lesser);
    uint32_t front = low_bits(left), from_front = right & low_bits(left + 1),
             from_back = lesser & ~front, back = valid & ~front;
    uint32_t take = back & (lesser >> 1 | 1u << (n - 1));
    __m512i greater =
        reverse(_mm512_maskz_compress_epi32((__mmask16)from_front, v), count_bits(from_front));
    __m512i lower =
        reverse(_mm512_maskz_compress_epi32((__mmask16)from_back, v), count_bits(from_back));
    __m512i next = _mm512_alignr_epi32(v, v, 1);
    next = _mm512_mask_expand_epi32(next, (__mmask16)take, greater);
    v = _mm512_mask_expand_epi32(v, (__mmask16)(right & front), lower);
    _mm512_mask_storeu_epi32(samples, (__mmask16)valid,
                             _mm512_mask_mov_epi32(v, (__mmask16)back, next));
    return left;
}

static uint32_t part(uint32_t *samples, const float *values, uint32_t n, double threshold,
                     uint32_t *spare)
{
    __m512 most = _mm512_broadcastss_ps(float_up_to(threshold));
    __m512i mark = _mm512_set1_epi32((int)RIGHT);
    uint32_t right = 0;
    if (n <= LANES) {
        __mmask16 valid = valid_lanes(n);
        __m512 v = _mm512_maskz_loadu_ps(valid, values);
        return part_few(samples, _mm512_maskz_loadu_epi32(valid, samples),
                        _mm512_mask_cmp_ps_mask(valid, v, most, _CMP_GT_OQ), n);
    }
    for (uint32_t i = 0; i < n; i += LANES) {
        __mmask16 valid = valid_lanes(n - i);
        __m512i v = _mm512_maskz_loadu_epi32(valid, samples + i);
        __mmask16 is_right = _mm512_mask_cmp_ps_mask(
            valid, _mm512_maskz_loadu_ps(valid, values + i), most, _CMP_GT_OQ);
        _mm512_mask_storeu_epi32(samples + i, valid, _mm512_mask_or_epi32(v, is_right, v, mark));
        right += count_bits(is_right);
    }
    uint32_t left = n - right;
    part_avx512(samples, n, left, RIGHT - 1, spare);
    for (uint32_t i = left; i < n; i += LANES) {
        __mmask16 valid = valid_lanes(n - i);
        __m512i v = _mm512_maskz_loadu_epi32(valid, samples + i);
        _mm512_mask_storeu_epi32(samples + i, valid, _mm512_andnot_si512(mark, v));
    }
    return left;
}

const struct node_loops node_loops_avx512 = { gather, part };

#pragma GCC pop_options
#endif
