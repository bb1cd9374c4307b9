/* SPDX-License-Identifier: MIT */
/* fast_avx512.c -- the inner loops of the fast mode with AVX-512. */
#include "avx512.h"

#ifdef HAVE_AVX512
#include <string.h>

#include "fast_grower.h"

/* If all rows of the data set can have ranks of their own, these need not be dense. */
static void fill_list(const struct prep *prep, uint32_t feature, const uint32_t *slot_of,
                      uint32_t *list)
{
    const uint32_t *order = prep_order(prep, feature);
    uint32_t rows = prep->rows, count = 0, rank = 0;
    __m512i none = _mm512_set1_epi32(-1), one = _mm512_set1_epi32(1),
            row_bits = _mm512_set1_epi32(PREP_ROW);
    __m512i up_to = _mm512_sub_epi32(_mm512_sllv_epi32(_mm512_set1_epi32(2), lane_numbers()), one);
    if (rows > FAST_BLOCK_ROWS) {
        fast_fill_list_plain(prep, feature, slot_of, list);
        return;
    }
    for (uint32_t i = 0; i < rows; i += 16) {
        __mmask16 valid = (__mmask16)low_bits(rows - i < 16 ? rows - i : 16);
        __m512i v = _mm512_maskz_loadu_epi32(valid, order + i);
        uint32_t fresh = valid & ~(uint32_t)_mm512_movepi32_mask(v);
        __m512i slot =
            _mm512_mask_i32gather_epi32(none, valid, _mm512_and_si512(v, row_bits), slot_of, 4);
        __mmask16 active = _mm512_cmpneq_epi32_mask(slot, none);
        __m512i steps = _mm512_popcnt_epi32(_mm512_and_si512(up_to, _mm512_set1_epi32((int)fresh)));
        __m512i ranked =
            _mm512_slli_epi32(_mm512_add_epi32(steps, _mm512_set1_epi32((int)rank - 1)), 16);
        _mm512_storeu_si512(list + count,
                            _mm512_maskz_compress_epi32(active, _mm512_or_si512(ranked, slot)));
        count += count_bits(active);
        rank += count_bits(fresh);
    }
    memset(list + count, 0, FAST_PAD * sizeof *list);
}

/* ---- the search ---------------------------------------------------------------------------- */

struct scan {
    const uint32_t *list;
    const struct fast_search *s;
    struct fast_cut *best;
    double enough; /* no less can be better than the best */
};

/* Sums up to and with each lane. */
static inline __m512i prefix_sums(__m512i x)
{
    __m512i zero = _mm512_setzero_si512();
    x = _mm512_add_epi64(x, _mm512_alignr_epi64(x, zero, 7));
    x = _mm512_add_epi64(x, _mm512_alignr_epi64(x, zero, 6));
    return _mm512_add_epi64(x, _mm512_alignr_epi64(x, zero, 4));
}

/* Some of eight cuts, the first of which leaves p rows on the left, seem to be better. */
static __attribute__((noinline)) bool look_closely(struct scan *c, uint32_t p, __mmask8 better,
                                                   __m512i left, __m512d top, __m512d bottom)
{
    const struct fast_search *s = c->s;
    const uint32_t *list = c->list + p;
    double wl[8], gain[8], all = fast_packed_weight(s->all, s->bits);
    fast_worth worth[8];
    bool found = false;
    __m256i a = _mm256_loadu_si256((const __m256i *)(const void *)list);
    __m256i b = _mm256_loadu_si256((const __m256i *)(const void *)(list - 1));
    better =
        _mm256_mask_cmpgt_epu32_mask(better, _mm256_xor_si256(a, b), _mm256_set1_epi32(0xffff));
    if (!better)
        return false;
    _mm512_storeu_pd(gain, _mm512_div_pd(top, bottom));
    _mm512_storeu_si512(worth, left);
    for (uint32_t bits = better; bits; bits &= bits - 1) {
        int i = __builtin_ctz(bits);
        wl[i] = fast_packed_weight(worth[i], s->bits);
        if (gain[i] > c->best->gain && wl[i] >= s->weight_least && all - wl[i] >= s->weight_least) {
            *c->best = (struct fast_cut){ gain[i], p + (uint32_t)i, worth[i] };
            found = true;
        }
    }
    c->enough = c->best->gain * (1.0 - 0x1p-50);
    return found;
}

static bool scan(const uint32_t *list, const fast_worth *worth, const struct fast_search *s,
                 struct fast_cut *best)
{
    struct scan c = { list, s, best, best->gain * (1.0 - 0x1p-50) };
    __m512d all_sum = _mm512_set1_pd(fast_packed_sum(s->all, s->bits));
    __m512d all_weight = _mm512_set1_pd(fast_packed_weight(s->all, s->bits));
    __m512i weight_bits = _mm512_set1_epi64(((int64_t)1 << s->bits) - 1), before,
            last_lane = _mm512_set1_epi64(7);
    __m256i slots = _mm256_set1_epi32(0xffff);
    __m128i shift = _mm_cvtsi32_si128((int)s->bits);
    __m512d enough = _mm512_set1_pd(c.enough);
    uint32_t first = s->min_rows, last = s->n - first; /* rows on the left */
    bool found = false;
    before = _mm512_setzero_si512();
    for (uint32_t i = 0; i < last; i += 8) {
        __m256i e = _mm256_loadu_si256((const __m256i *)(const void *)(list + i));
        __m512i w = _mm512_mask_i32gather_epi64(_mm512_setzero_si512(), 0xff,
                                                _mm256_and_si256(e, slots), worth, 8);
        __m512i left = _mm512_add_epi64(prefix_sums(w), before);
        before = _mm512_permutexvar_epi64(last_lane, left);
        __m512d sl = _mm512_cvtepi64_pd(_mm512_sra_epi64(left, shift));
        __m512d wl = _mm512_cvtepi64_pd(_mm512_and_si512(left, weight_bits));
        __m512d d = _mm512_sub_pd(_mm512_mul_pd(sl, all_weight), _mm512_mul_pd(all_sum, wl));
        __m512d top = _mm512_mul_pd(d, d),
                bottom = _mm512_mul_pd(wl, _mm512_sub_pd(all_weight, wl));
        __mmask8 better = _mm512_cmp_pd_mask(top, _mm512_mul_pd(enough, bottom), _CMP_GE_OQ);
        if (i + 8 > last)
            better &= (__mmask8)low_bits(last - i);
        if (i + 1 < first)
            better &= (__mmask8)(i + 8 < first ? 0 : 0xffu << (first - i - 1));
        if (better && look_closely(&c, i + 1, better, left, top, bottom)) {
            enough = _mm512_set1_pd(c.enough);
            found = true;
        }
    }
    return found;
}

/* ---- the split ----------------------------------------------------------------------------- */

static void part(uint32_t *list, uint32_t n, uint32_t slots, const uint8_t *side, uint32_t *spare)
{
    __m512i slot_bits = _mm512_set1_epi32((int)slots), one = _mm512_set1_epi32(1);
    uint32_t left = 0, right = 0;
    for (uint32_t i = 0; i < n; i += 16) {
        __mmask16 valid = (__mmask16)low_bits(n - i < 16 ? n - i : 16);
        __m512i v = _mm512_loadu_si512(list + i);
        __m512i sides = _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), valid,
                                                    _mm512_and_si512(v, slot_bits), side, 1);
        __mmask16 is_left = _mm512_test_epi32_mask(sides, one);
        uint32_t count = count_bits(is_left);
        __m512i packed = _mm512_maskz_compress_epi32(is_left, v);
        if (i + 16 <= n) /* what is behind has been read */
            _mm512_storeu_si512(list + left, packed);
        else
            _mm512_mask_storeu_epi32(list + left, (__mmask16)low_bits(count), packed);
        _mm512_storeu_si512(spare + right,
                            _mm512_maskz_compress_epi32((__mmask16)(valid & ~is_left), v));
        left += count;
        right += count_bits(valid) - count;
    }
    memcpy(list + left, spare, right * sizeof *list);
}

const struct fast_kernels fast_kernels_avx512 = {
    .fill_list = fill_list,
    .scan = scan,
    .part = part,
    .tiny_bytes = fast_tiny_bytes_plain,
    .grow_tiny = fast_grow_tiny_avx512,
};

#pragma GCC pop_options
#endif
