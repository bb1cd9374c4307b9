/* SPDX-License-Identifier: MIT */
/* kernels_avx512.c -- the inner loops with AVX-512. */
#include "base/avx512.h"

#ifdef HAVE_AVX512
#include <stddef.h>
#include <string.h>

#include "grow_large.h"
#include "few.h"
#include "kernels.h"

/* If all rows of the data set can have ranks of their own, these need not be dense. */
static void fill_list(const struct block *b, const uint32_t *slot_of, uint32_t feature)
{
    const uint32_t *order = prep_order(b->prep, feature);
    uint32_t *list = b->lists + feature * b->stride, rows = b->prep->rows, count = 0, rank = 0;
    uint16_t *ranks = b->ranks + feature * b->stride;
    __m512i none = _mm512_set1_epi32(-1), one = _mm512_set1_epi32(1),
            row_bits = _mm512_set1_epi32(PREP_ROW);
    __m512i up_to = _mm512_sub_epi32(_mm512_sllv_epi32(_mm512_set1_epi32(2), lane_numbers()), one);
    if (rows > BLOCK_ROWS_MAX) {
        kernels_plain.fill_list(b, slot_of, feature);
        return;
    }
    memcpy(b->near + feature * b->near_words, prep_near(b->prep, feature),
           prep_near_words(rows) * sizeof *b->near);
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
    memset(list + count, 0, BLOCK_PAD * sizeof *list);
#pragma GCC unroll 8
    for (uint32_t i = 0; i < count; i++)
        ranks[list[i] & 0xffff] = (uint16_t)(list[i] >> 16);
}

static bool find_ties(const struct block *b, const uint32_t *list, uint32_t n)
{
    const uint32_t *e = list;
    __m512i below = _mm512_set1_epi32(0xffff), before = _mm512_set1_epi32(-1);
    uint32_t any = 0;
    for (uint32_t i = 0; i < n; i += 16) {
        __m512i v = _mm512_loadu_si512(e + i);
        __m512i changed = _mm512_xor_si512(v, _mm512_alignr_epi32(v, before, 15));
        uint32_t tie = _mm512_cmple_epu32_mask(changed, below);
        if (i == 0)
            tie &= ~1u;
        if (n - i < 16)
            tie &= low_bits(n - i);
        memcpy((char *)b->ties + i / 8, &tie, sizeof(uint16_t));
        any |= tie;
        before = v;
    }
    return any != 0;
}

/* ---- the split --------------------------------------------------------------------------- */

/* Which slots go right: a byte each, in b->temp3, where all lists look them up. */
static void mark_sides(const struct block *b, const struct cut *c, const uint32_t *list)
{
    uint8_t *right = (uint8_t *)b->temp3;
#pragma GCC unroll 8
    for (uint32_t i = 0; i < c->left; i++)
        right[list[i] & 0xffff] = 0;
#pragma GCC unroll 8
    for (uint32_t i = c->left; i < c->n; i++)
        right[list[i] & 0xffff] = 1;
}

/* A bit for each of 16 entries that goes right. One by one: gathers are slower, or not faster. */
static inline uint32_t sides_of(const uint32_t *list, const uint8_t *right)
{
    uint32_t bits[4] = { 0, 0, 0, 0 };
#pragma GCC unroll 4
    for (int i = 3; i >= 0; i--)
#pragma GCC unroll 4
        for (int k = 0; k < 4; k++)
            bits[k] = 2 * bits[k] + right[list[4 * k + i] & 0xffff];
    return bits[0] | bits[1] << 4 | bits[2] << 8 | bits[3] << 12;
}

/* Ranks in the order mean nothing, so that the side where a sample goes takes their place. */
static void split_order(const struct block *b, const struct cut *c, const uint32_t *from,
                        uint32_t *order)
{
    const uint8_t *right = (const uint8_t *)b->temp3;
    __m512i slots = _mm512_set1_epi32(0xffff), flag = _mm512_set1_epi32(0x10000);
    mark_sides(b, c, b->lists + (size_t)c->feature * b->stride + (order - b->order));
    for (uint32_t i = 0; i < c->n; i += 16) {
        __mmask16 valid = (__mmask16)low_bits(c->n - i < 16 ? c->n - i : 16);
        __m512i v = _mm512_and_si512(_mm512_loadu_si512(from + i), slots);
        v = _mm512_mask_or_epi32(v, (__mmask16)sides_of(from + i, right), v, flag);
        _mm512_mask_storeu_epi32(order + i, valid, v);
    }
    part_avx512(order, c->n, c->left, 0xffff, b->temp2);
}

/* After split_order(), which has marked the sides. */
static void split_list(const struct block *b, const struct cut *c, uint32_t *list)
{
    const uint8_t *side = (const uint8_t *)b->temp3;
    uint32_t *right = b->temp, l = 0, r = 0;
    for (uint32_t i = 0; i < c->n; i += 16) {
        __mmask16 valid = (__mmask16)low_bits(c->n - i < 16 ? c->n - i : 16);
        __mmask16 goes_right = (__mmask16)(sides_of(list + i, side) & valid),
                  left = (__mmask16)(valid & ~goes_right);
        __m512i v = _mm512_loadu_si512(list + i);
        unsigned count = count_bits(left);
        _mm512_mask_storeu_epi32(list + l, (__mmask16)low_bits(count),
                                 _mm512_maskz_compress_epi32(left, v));
        _mm512_storeu_si512(right + r, _mm512_maskz_compress_epi32(goes_right, v));
        l += count;
        r += count_bits(goes_right);
    }
    memcpy(list + l, right, r * sizeof *list);
}

const struct kernels kernels_avx512 = {
    .fill_list = fill_list,
    .find_ties = find_ties,
    .sort_ties = sort_ties_avx512,
    .estimate = estimate_avx512,
    .rate = rate_avx512,
    .split_order = split_order,
    .split_list = split_list,
    .sum_children = sum_children_plain,
    .small_rows = SMALL_ROWS,
    .small_bytes = small_bytes_avx512,
    .grow_small = grow_small_avx512,
    .few_rows = FEW_ROWS,
    .few_features = FEW_FEATURES,
    .grow_few = grow_few_avx512,
    .sort_large = sort_large_avx512,
    .rate_large = rate_large_avx512,
};

#pragma GCC pop_options
#endif
