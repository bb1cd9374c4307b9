/* SPDX-License-Identifier: MIT */
/* fast_rough_avx512.c -- the rates of all cuts of a node, 16 at a time; see fast_rough.h. */
#include "base/avx512.h"

#ifdef HAVE_AVX512
#include <math.h>
#include <string.h>

#include "fast_rough_body.h"
#include "fast_sides.h"
#include "exact/rough_avx512.h"

static int32_t sum_up(const int32_t *rough, uint32_t n)
{
    __m512i sum = _mm512_setzero_si512();
    for (uint32_t i = 0; i < n; i += 16) {
        __mmask16 valid = (__mmask16)low_bits(n - i < 16 ? n - i : 16);
        sum = _mm512_add_epi32(sum, rough_sums(_mm512_maskz_loadu_epi32(valid, rough + i)));
    }
    return _mm512_reduce_add_epi32(sum);
}

/* Of 16 cuts, the first of which leaves p rows on the left, some seem good: the best rate. */
static __attribute__((noinline)) float look_closely(struct rough *r, const uint32_t *list,
                                                    uint32_t p, __mmask16 good, __m512 u,
                                                    __m512 bottom, __m512 wl)
{
    __m512i a = _mm512_loadu_si512(list + p), b = _mm512_loadu_si512(list + p - 1);
    __m512 least = _mm512_set1_ps(r->least);
    good = _mm512_mask_cmpgt_epu32_mask(good, _mm512_xor_si512(a, b),
                                        _mm512_set1_epi32((int)FAST_SLOTS));
    good = _mm512_mask_cmp_ps_mask(good, wl, least, _CMP_GE_OQ);
    good = _mm512_mask_cmp_ps_mask(good, _mm512_sub_ps(_mm512_set1_ps(r->weight), wl), least,
                                   _CMP_GE_OQ);
    if (!good)
        return ROUGH_NO_CUT;
    __m512 rates = _mm512_div_ps(_mm512_abs_ps(u), _mm512_sqrt_ps(bottom));
    float best = _mm512_mask_reduce_max_ps(good, rates);
    uint32_t at = _mm512_mask_cmp_ps_mask(good, rates, _mm512_set1_ps(best), _CMP_EQ_OQ);
    uint32_t near =
        _mm512_mask_cmp_ps_mask(good, rates, _mm512_set1_ps(rough_enough(best)), _CMP_GE_OQ);
    note_best(r, best, near & (near - 1), p + (uint32_t)__builtin_ctz(at));
    return best;
}

/* The best rate of a feature, if that is enough. */
static float rate_feature(struct rough *r, const uint32_t *list, const int32_t *rough)
{
    uint32_t first = r->s->min_rows, last = r->s->n - first; /* rows on the left */
    __m512i sum = _mm512_setzero_si512(), weight = sum, last_lane = _mm512_set1_epi32(15);
    __m512i mean = _mm512_set1_epi32(r->mean);
    __m512 rest = _mm512_set1_ps(r->rest), all = _mm512_set1_ps(r->weight);
    __m512 enough = _mm512_set1_ps(r->enough * fabsf(r->enough));
    float best = ROUGH_NO_CUT;
    for (uint32_t i = 0; i < last; i += 16) {
        __m512i up_to = rough_prefix_sums(_mm512_loadu_si512(rough + i));
        __m512i sl = _mm512_add_epi32(sum, rough_sums(up_to));
        __m512i weights = _mm512_add_epi32(weight, rough_weights(up_to));
        sum = _mm512_permutexvar_epi32(last_lane, sl);
        weight = _mm512_permutexvar_epi32(last_lane, weights);
        __m512 wl = _mm512_cvtepi32_ps(weights), wr = _mm512_sub_ps(all, wl);
        __m512 u = _mm512_cvtepi32_ps(_mm512_sub_epi32(sl, _mm512_mullo_epi32(mean, weights)));
        u = _mm512_fnmadd_ps(rest, wl, u);
        __m512 bottom = _mm512_mul_ps(wl, wr);
        __mmask16 good =
            _mm512_cmp_ps_mask(_mm512_mul_ps(u, u), _mm512_mul_ps(enough, bottom), _CMP_GE_OQ);
        if (i + 16 > last)
            good &= (__mmask16)low_bits(last - i);
        if (i + 1 < first)
            good &= (__mmask16)(i + 16 < first ? 0 : 0xffffu << (first - i - 1));
        if (good) {
            float here = look_closely(r, list, i + 1, good, u, bottom, wl);
            best = here > best ? here : best;
            enough = _mm512_set1_ps(r->enough * fabsf(r->enough));
        }
    }
    return best;
}

struct rough_best fast_rate_avx512(const struct fast_block *b, const struct fast_search *s)
{
    return rate_node(b, s);
}

/* The sides of up to FAST_NARROW_ROWS slots, a bit each. */
struct sides {
    __m512i low, high;
};

static inline struct sides load_sides(const uint8_t *side)
{
    uint64_t bits[FAST_NARROW_ROWS / 64];
    for (uint32_t i = 0; i < FAST_NARROW_ROWS / 64; i++) {
        __m512i v = _mm512_loadu_si512(side + 64 * i);
        bits[i] = _mm512_test_epi8_mask(v, v);
    }
    return (struct sides){ _mm512_loadu_si512(bits), _mm512_loadu_si512(bits + 8) };
}

/* Of sixteen entries. A rotation looks at the lowest five bits of an entry, a permutation likewise. */
static inline __mmask16 sides_of(const struct sides *s, __m512i v)
{
    __m512i bits = _mm512_permutex2var_epi32(s->low, _mm512_srli_epi32(v, 5), s->high);
    return _mm512_test_epi32_mask(_mm512_rorv_epi32(bits, v), _mm512_set1_epi32(1));
}

/* `narrow` is NULL, or has the sides in place of `side`. */
static inline __attribute__((always_inline)) void part(uint32_t *list, int32_t *rough, uint32_t n,
                                                       const uint8_t *side,
                                                       const struct sides *narrow, uint32_t *spare)
{
    uint32_t left = 0, right = 0, *spare_rough = spare + ((n + 31) & ~15u);
    for (uint32_t i = 0; i < n; i += 16) {
        __mmask16 valid = (__mmask16)low_bits(n - i < 16 ? n - i : 16);
        __m512i v = _mm512_loadu_si512(list + i), x = _mm512_loadu_si512(rough + i);
        uint32_t sides = narrow ? sides_of(narrow, v)
                                : fast_sides(list + i, side) | fast_sides(list + i + 8, side) << 8;
        __mmask16 is_left = (__mmask16)(valid & sides);
        __mmask16 is_right = (__mmask16)(valid & ~is_left);
        uint32_t count = count_bits(is_left);
        __m512i packed = _mm512_maskz_compress_epi32(is_left, v);
        __m512i packed_rough = _mm512_maskz_compress_epi32(is_left, x);
        if (i + 16 <= n) { /* what is behind has been read */
            _mm512_storeu_si512(list + left, packed);
            _mm512_storeu_si512(rough + left, packed_rough);
        } else {
            _mm512_mask_storeu_epi32(list + left, (__mmask16)low_bits(count), packed);
            _mm512_mask_storeu_epi32(rough + left, (__mmask16)low_bits(count), packed_rough);
        }
        _mm512_storeu_si512(spare + right, _mm512_maskz_compress_epi32(is_right, v));
        _mm512_storeu_si512(spare_rough + right, _mm512_maskz_compress_epi32(is_right, x));
        left += count;
        right += count_bits(valid) - count;
    }
    for (uint32_t i = 0; i < right; i += 16) {
        __mmask16 valid = (__mmask16)low_bits(right - i < 16 ? right - i : 16);
        _mm512_mask_storeu_epi32(list + left + i, valid, _mm512_loadu_si512(spare + i));
        _mm512_mask_storeu_epi32(rough + left + i, valid, _mm512_loadu_si512(spare_rough + i));
    }
}

void fast_part_rough_avx512(uint32_t *list, int32_t *rough, uint32_t n, const uint8_t *side,
                            uint32_t *spare)
{
    part(list, rough, n, side, NULL, spare);
}

static void part_order(uint32_t *order, uint32_t n, const struct sides *sides, uint32_t *spare)
{
    uint32_t left = 0, right = 0;
    for (uint32_t i = 0; i < n; i += 16) {
        __mmask16 valid = (__mmask16)low_bits(n - i < 16 ? n - i : 16);
        __m512i v = _mm512_maskz_loadu_epi32(valid, order + i);
        __mmask16 is_left = (__mmask16)(valid & sides_of(sides, v));
        uint32_t count = count_bits(is_left);
        _mm512_mask_storeu_epi32(order + left, (__mmask16)low_bits(count),
                                 _mm512_maskz_compress_epi32(is_left, v));
        _mm512_storeu_si512(spare + right,
                            _mm512_maskz_compress_epi32((__mmask16)(valid & ~is_left), v));
        left += count;
        right += count_bits(valid) - count;
    }
    memcpy(order + left, spare, right * sizeof *order);
}

void fast_part_narrow_avx512(const struct fast_block *b, uint32_t start, uint32_t n,
                             uint32_t feature)
{
    struct sides sides = load_sides(b->side);
    for (uint32_t f = 0; f < b->features; f++) {
        size_t at = f * b->stride + start;
        if (f != feature && !fast_are_ties(b->lists + at, n))
            part(b->lists + at, b->rough + at, n, b->side, &sides, b->spare);
    }
    part_order(b->order + start, n, &sides, b->spare);
}

#pragma GCC pop_options
#endif
