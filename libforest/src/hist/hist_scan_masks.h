/* SPDX-License-Identifier: MIT */
/*
 * hist_scan_masks.h -- the scan of hist_scan.h, for processors with masks beside their registers.
 *
 * For files that define BITS, the width of a register. Of the narrower ones a processor does more at
 * a time: the wide ones are better when they are more than half full.
 */
#ifndef HIST_SCAN_MASKS_H
#define HIST_SCAN_MASKS_H

#include "hist_scan.h"

#define JOIN(a, b, c) a##b##c
#define INTRINSIC(bits, name) JOIN(_mm, bits, _##name)
#define OF(name) INTRINSIC(BITS, name) /* for our width */
#if BITS == 512
#define LANES 16u
typedef __m512 floats;
typedef __m512i words;
typedef __mmask16 mask;
#define AS_FLOATS(v) _mm512_castsi512_ps(v)
#define AS_WORDS(v) _mm512_castps_si512(v)
#define STORE(to, v) _mm512_storeu_si512(to, v)
#define LOAD(from) _mm512_loadu_si512(from)
#else
#define LANES 8u
typedef __m256 floats;
typedef __m256i words;
typedef __mmask8 mask;
#define AS_FLOATS(v) _mm256_castsi256_ps(v)
#define AS_WORDS(v) _mm256_castps_si256(v)
#define STORE(to, v) _mm256_storeu_si256((__m256i *)(void *)(to), v)
#define LOAD(from) _mm256_loadu_si256((const __m256i *)(const void *)(from))
#endif

#define INLINE static inline __attribute__((always_inline))

/* ---- what there is at a place ---------------------------------------------------------------- */

INLINE __m128i cells_of(const struct hist_scan *c, uint32_t lane, uint32_t at)
{
    const hist_cell *even = c->cells + c->names[lane][at], *odd = c->cells + c->names[lane + 1][at];
    __m128i low = _mm_loadl_epi64((const __m128i *)(const void *)even);

    return _mm_insert_epi64(low, (long long)*odd, 1);
}

/* Of eight lanes from `first` on, in the order of 0 1 4 5, 2 3 6 7; 0 beyond `lanes`, which is even. */
INLINE void eight_cells_at(const struct hist_scan *c, uint32_t at, uint32_t first, uint32_t lanes,
                           __m256i *a, __m256i *b)
{
    *a = *b = _mm256_setzero_si256();
    if (lanes > first)
        *a = _mm256_zextsi128_si256(cells_of(c, first, at));
    if (lanes > first + 2)
        *b = _mm256_zextsi128_si256(cells_of(c, first + 2, at));
    if (lanes > first + 4)
        *a = _mm256_inserti32x4(*a, cells_of(c, first + 4, at), 1);
    if (lanes > first + 6)
        *b = _mm256_inserti32x4(*b, cells_of(c, first + 6, at), 1);
}

INLINE void cells_at(const struct hist_scan *c, uint32_t at, uint32_t lanes, words *a, words *b)
{
#if BITS == 512
    __m256i low_a, low_b, high_a, high_b;

    eight_cells_at(c, at, 0, lanes, &low_a, &low_b);
    eight_cells_at(c, at, 8, lanes, &high_a, &high_b);
    *a = _mm512_inserti64x4(_mm512_castsi256_si512(low_a), high_a, 1);
    *b = lanes > 10 ? _mm512_inserti64x4(_mm512_castsi256_si512(low_b), high_b, 1)
                    : _mm512_zextsi256_si512(low_b);
#else
    eight_cells_at(c, at, 0, lanes, a, b);
#endif
}

/* A bit for each of the places from `at` on whose code is that of the next place. */
INLINE words ties_at(const struct hist_scan *c, uint32_t at, uint32_t lanes)
{
    uint32_t ties[LANES] = { 0 };

    for (uint32_t i = 0; i < lanes; i++) {
        __m256i here = _mm256_loadu_si256((const __m256i *)(const void *)(c->codes[i] + at));
        __m256i next = _mm256_loadu_si256((const __m256i *)(const void *)(c->codes[i] + at + 1));
        ties[i] = _mm256_cmpeq_epi8_mask(here, next);
    }
    return LOAD(ties);
}

/* ---- the scan -------------------------------------------------------------------------------- */

INLINE uint32_t scan(const struct hist_scan *c, bool in_order, uint32_t lanes,
                     struct hist_lane_cuts *cuts, uint32_t lane)
{
    const words zero = AS_WORDS(OF(setzero_ps)()), one = OF(set1_epi32)(1);
    const floats sum = OF(set1_ps)(c->sum), weight = OF(set1_ps)(c->weight);
    const floats scale = OF(set1_ps)(c->scale), unit = OF(set1_ps)(c->weight * 0x1p-31f);
    const floats near_by = OF(set1_ps)(HIST_SCAN_NEAR), sign = OF(set1_ps)(-0.0f);
    floats best_top = OF(set1_ps)(-1.0f), best_bottom = OF(set1_ps)(1.0f);
    words a = zero, b = zero, ties = zero, pos = zero, best_pos = OF(set1_epi32)(-1);
    mask near = 0;

    for (uint32_t p = 0; p + 1 < c->n; p++) {
        words more_a, more_b;
        if (p % HIST_SCAN_TIES == 0)
            ties = ties_at(c, p, lanes);
        cells_at(c, p, lanes, &more_a, &more_b);
        a = OF(add_epi32)(a, more_a);
        b = OF(add_epi32)(b, more_b);
        floats af = AS_FLOATS(a), bf = AS_FLOATS(b);
        floats sl = OF(cvtepi32_ps)(AS_WORDS(OF(shuffle_ps)(af, bf, 0x88)));
        floats wl = OF(cvtepi32_ps)(AS_WORDS(OF(shuffle_ps)(af, bf, 0xdd)));
        mask is_cut = OF(testn_epi32_mask)(ties, one);
        ties = OF(srli_epi32)(ties, 1);
        wl = OF(mul_ps)(wl, scale);
        floats d = OF(sub_ps)(OF(mul_ps)(sl, unit), OF(mul_ps)(sum, wl));
        floats top = OF(mul_ps)(d, d), bottom = OF(mul_ps)(wl, OF(sub_ps)(weight, wl));
        floats here = OF(mul_ps)(top, best_bottom), best = OF(mul_ps)(best_top, bottom);
        mask better = OF(mask_cmp_ps_mask)(is_cut, here, best, _CMP_GT_OQ);
        if (!in_order) {
            floats off = OF(andnot_ps)(sign, OF(sub_ps)(here, best));
            near &= (mask)~better;
            near |= OF(mask_cmp_ps_mask)(is_cut, off, OF(mul_ps)(here, near_by), _CMP_LE_OQ);
        }
        best_top = OF(mask_mov_ps)(best_top, better, top);
        best_bottom = OF(mask_mov_ps)(best_bottom, better, bottom);
        best_pos = OF(mask_mov_epi32)(best_pos, better, pos);
        pos = OF(add_epi32)(pos, one);
    }
    OF(storeu_ps)(cuts->gain_top + lane, best_top);
    OF(storeu_ps)(cuts->gain_bottom + lane, best_bottom);
    STORE(cuts->code + lane, best_pos);
    near |= OF(cmp_ps_mask)(best_top, OF(set1_ps)(HIST_SCAN_LEAST), _CMP_LT_OQ);
    return in_order ? 0 : near & (mask)~OF(movepi32_mask)(best_pos); /* the sign is set: no cut */
}

#endif
