/* SPDX-License-Identifier: MIT */
/* fast_avx512.c -- the inner loops of the fast mode with AVX-512. */
#include "base/avx512.h"

#ifdef HAVE_AVX512
#include <string.h>

#include "fast_few.h"
#include "fast_rough.h"
#include "fast_sides.h"

/* Ranks are those of the data set, unless these are too many: then they are made dense. */
static inline __attribute__((always_inline)) void fill(const struct prep *prep, uint32_t feature,
                                                       const uint32_t *slot_of, bool make_dense,
                                                       uint32_t *list)
{
    const uint32_t *order = prep_order(prep, feature);
    uint32_t rows = prep->rows, count = 0, rank = 0, dense = 0;
    __m512i none = _mm512_set1_epi32(-1), one = _mm512_set1_epi32(1), last = none,
            row_bits = _mm512_set1_epi32(PREP_ROW);
    __m512i up_to = _mm512_sub_epi32(_mm512_sllv_epi32(_mm512_set1_epi32(2), lane_numbers()), one);
    for (uint32_t i = 0; i < rows; i += 16) {
        __mmask16 valid = (__mmask16)low_bits(rows - i < 16 ? rows - i : 16);
        __m512i v = _mm512_maskz_loadu_epi32(valid, order + i);
        uint32_t fresh = valid & ~(uint32_t)_mm512_movepi32_mask(v);
        __m512i slot =
            _mm512_mask_i32gather_epi32(none, valid, _mm512_and_si512(v, row_bits), slot_of, 4);
        __mmask16 active = _mm512_cmpneq_epi32_mask(slot, none);
        uint32_t n = count_bits(active);
        __m512i steps = _mm512_popcnt_epi32(_mm512_and_si512(up_to, _mm512_set1_epi32((int)fresh)));
        __m512i ranks = _mm512_add_epi32(steps, _mm512_set1_epi32((int)rank - 1)), entries;
        rank += count_bits(fresh);
        if (make_dense) {
            ranks = _mm512_maskz_compress_epi32(active, ranks);
            __m512i before = _mm512_alignr_epi32(ranks, last, 15);
            uint32_t changed = _mm512_cmpneq_epi32_mask(ranks, before) & low_bits(n);
            last = _mm512_mask_permutexvar_epi32(last, n ? 0xffff : 0,
                                                 _mm512_set1_epi32((int)n - 1), ranks);
            steps = _mm512_popcnt_epi32(_mm512_and_si512(up_to, _mm512_set1_epi32((int)changed)));
            ranks = _mm512_add_epi32(steps, _mm512_set1_epi32((int)dense - 1));
            dense += count_bits(changed);
            entries = _mm512_or_si512(_mm512_slli_epi32(ranks, 16),
                                      _mm512_maskz_compress_epi32(active, slot));
        } else {
            entries = _mm512_or_si512(_mm512_slli_epi32(ranks, 16), slot);
            entries = _mm512_maskz_compress_epi32(active, entries);
        }
        _mm512_storeu_si512(list + count, entries);
        count += n;
    }
    memset(list + count, 0, FAST_PAD * sizeof *list);
}

static void fill_list(const struct prep *prep, uint32_t feature, const uint32_t *slot_of,
                      uint32_t *list)
{
    if (prep->rows > FAST_BLOCK_ROWS)
        fill(prep, feature, slot_of, true, list);
    else
        fill(prep, feature, slot_of, false, list);
}

/* ---- the search ---------------------------------------------------------------------------- */

#define LANES_LEAST 5u /* so many features pay */

/* One feature a lane: a sum waits for the one before, but eight do not wait for each other. */
struct scan {
    const struct fast_block *b;
    const struct fast_search *s;
    const uint32_t *list[8]; /* of each lane; those without a feature have that of lane 0 */
    __mmask8 lanes;
};

struct bests {
    __m512d top, bottom;
    __m512i left, pos;
};

/* Places p..p+7 of the lists, those of one place in each row. */
static inline __attribute__((always_inline)) void load_rows(const struct scan *c, uint32_t p,
                                                            __m256i row[8])
{
    __m256i a[8], t[8];
    for (int i = 0; i < 8; i++)
        a[i] = _mm256_loadu_si256((const __m256i *)(const void *)(c->list[i] + p));
    for (int i = 0; i < 8; i += 2) {
        t[i] = _mm256_unpacklo_epi32(a[i], a[i + 1]);
        t[i + 1] = _mm256_unpackhi_epi32(a[i], a[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
        a[i] = _mm256_unpacklo_epi64(t[i], t[i + 2]);
        a[i + 1] = _mm256_unpackhi_epi64(t[i], t[i + 2]);
        a[i + 2] = _mm256_unpacklo_epi64(t[i + 1], t[i + 3]);
        a[i + 3] = _mm256_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    for (int i = 0; i < 4; i++) {
        row[i] = _mm256_permute2x128_si256(a[i], a[i + 4], 0x20);
        row[i + 4] = _mm256_permute2x128_si256(a[i], a[i + 4], 0x31);
    }
}

static inline __attribute__((always_inline)) struct bests scan_lanes(const struct scan *c,
                                                                     bool weighted)
{
    const struct fast_search *s = c->s;
    double weight = fast_packed_weight(s->all, s->bits);
    __m512d all_sum = _mm512_set1_pd(fast_packed_sum(s->all, s->bits));
    __m512d all_weight = _mm512_set1_pd(weight), least = _mm512_set1_pd(s->weight_least);
    __m512i weight_bits = _mm512_set1_epi64(((int64_t)1 << s->bits) - 1);
    __m256i slots = _mm256_set1_epi32((int)FAST_SLOTS), before = _mm256_setzero_si256();
    __m128i shift = _mm_cvtsi32_si128((int)s->bits);
    __m512i left = _mm512_setzero_si512();
    struct bests best = { _mm512_setzero_pd(), _mm512_set1_pd(1.0), left, left };
    uint32_t first = s->min_rows, last = s->n - first;
    for (uint32_t block = 0; block <= last; block += 8) {
        __m256i row[8];
        load_rows(c, block, row);
#pragma GCC unroll 8
        for (uint32_t i = 0; i < 8; i++) {
            uint32_t p = block + i;
            __mmask8 cut = p >= first && p <= last ? c->lanes : 0;
            __m512d sl = _mm512_cvtepi64_pd(_mm512_sra_epi64(left, shift));
            __m512d wl = _mm512_cvtepi64_pd(_mm512_and_si512(left, weight_bits));
            __m512d wr = _mm512_sub_pd(all_weight, wl);
            __m512d d = _mm512_sub_pd(_mm512_mul_pd(sl, all_weight), _mm512_mul_pd(all_sum, wl));
            __m512d top = _mm512_mul_pd(d, d), bottom = _mm512_mul_pd(wl, wr);
            cut = _mm256_mask_cmpgt_epu32_mask(cut, _mm256_xor_si256(row[i], before), slots);
            before = row[i];
            if (weighted) {
                cut = _mm512_mask_cmp_pd_mask(cut, wl, least, _CMP_GE_OQ);
                cut = _mm512_mask_cmp_pd_mask(cut, wr, least, _CMP_GE_OQ);
            }
            cut = _mm512_mask_cmp_pd_mask(cut, _mm512_mul_pd(top, best.bottom),
                                          _mm512_mul_pd(best.top, bottom), _CMP_GT_OQ);
            best.top = _mm512_mask_mov_pd(best.top, cut, top);
            best.bottom = _mm512_mask_mov_pd(best.bottom, cut, bottom);
            best.left = _mm512_mask_mov_epi64(best.left, cut, left);
            best.pos = _mm512_mask_mov_epi64(best.pos, cut, _mm512_set1_epi64(p));
            left = _mm512_add_epi64(
                left, _mm512_mask_i32gather_epi64(_mm512_setzero_si512(), 0xff,
                                                  _mm256_and_si256(row[i], slots), c->b->worth, 8));
        }
    }
    return best;
}

static __attribute__((noinline)) struct bests scan_weighted(const struct scan *c)
{
    return scan_lanes(c, true);
}

/* ---- one feature, eight places side by side -------------------------------------------------- */

struct one {
    const uint32_t *list;
    const struct fast_search *s;
    double weight, top, bottom; /* of all; of the best cut */
    double enough;              /* what is less cannot be the best of all, even by rounding */
    uint32_t pos;
    fast_worth left;
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
static __attribute__((noinline)) void look_closely(struct one *c, uint32_t p, __mmask8 better,
                                                   __m512i left, __m512d top, __m512d bottom)
{
    const uint32_t *list = c->list + p;
    double tops[8], bottoms[8];
    fast_worth lefts[8];
    __m256i a = _mm256_loadu_si256((const __m256i *)(const void *)list);
    __m256i b = _mm256_loadu_si256((const __m256i *)(const void *)(list - 1));
    better = _mm256_mask_cmpgt_epu32_mask(better, _mm256_xor_si256(a, b),
                                          _mm256_set1_epi32((int)FAST_SLOTS));
    if (!better)
        return;
    _mm512_storeu_pd(tops, top);
    _mm512_storeu_pd(bottoms, bottom);
    _mm512_storeu_si512(lefts, left);
    for (uint32_t bits = better; bits; bits &= bits - 1) {
        int i = __builtin_ctz(bits);
        double wl = fast_packed_weight(lefts[i], c->s->bits);
        if (!(tops[i] * c->bottom > c->top * bottoms[i]) || wl < c->s->weight_least ||
            c->weight - wl < c->s->weight_least)
            continue;
        c->top = tops[i];
        c->bottom = bottoms[i];
        c->pos = p + (uint32_t)i;
        c->left = lefts[i];
    }
    double enough = c->top / c->bottom * (1.0 - 0x1p-40);
    c->enough = enough > c->enough ? enough : c->enough;
}

static void scan_one(struct one *c, const fast_worth *worth)
{
    const struct fast_search *s = c->s;
    __m512d all_sum = _mm512_set1_pd(fast_packed_sum(s->all, s->bits));
    __m512d all_weight = _mm512_set1_pd(c->weight), enough = _mm512_set1_pd(c->enough);
    __m512i weight_bits = _mm512_set1_epi64(((int64_t)1 << s->bits) - 1),
            before = _mm512_setzero_si512(), last_lane = _mm512_set1_epi64(7);
    __m256i slots = _mm256_set1_epi32((int)FAST_SLOTS);
    __m128i shift = _mm_cvtsi32_si128((int)s->bits);
    uint32_t first = s->min_rows, last = s->n - first; /* rows on the left */
    for (uint32_t i = 0; i < last; i += 8) {
        __m256i e = _mm256_loadu_si256((const __m256i *)(const void *)(c->list + i));
        __m512i w = _mm512_mask_i32gather_epi64(_mm512_setzero_si512(), 0xff,
                                                _mm256_and_si256(e, slots), worth, 8);
        __m512i left = _mm512_add_epi64(prefix_sums(w), before);
        before = _mm512_permutexvar_epi64(last_lane, left);
        __m512d sl = _mm512_cvtepi64_pd(_mm512_sra_epi64(left, shift));
        __m512d wl = _mm512_cvtepi64_pd(_mm512_and_si512(left, weight_bits));
        __m512d d = _mm512_sub_pd(_mm512_mul_pd(sl, all_weight), _mm512_mul_pd(all_sum, wl));
        __m512d top = _mm512_mul_pd(d, d);
        __m512d bottom = _mm512_mul_pd(wl, _mm512_sub_pd(all_weight, wl));
        __mmask8 better = _mm512_cmp_pd_mask(top, _mm512_mul_pd(enough, bottom), _CMP_GE_OQ);
        if (i + 8 > last)
            better &= (__mmask8)low_bits(last - i);
        if (i + 1 < first)
            better &= (__mmask8)(i + 8 < first ? 0 : 0xffu << (first - i - 1));
        if (better) {
            look_closely(c, i + 1, better, left, top, bottom);
            enough = _mm512_set1_pd(c->enough);
        }
    }
}

/*
 * A feature by itself. What is passed over is less than the best by more than rounding, so that
 * comparing crosswise cannot take it for the best.
 */
static void search_one(const struct fast_block *b, const struct fast_search *s, uint32_t feature,
                       struct fast_cut *best)
{
    struct one c = { .list = b->lists + feature * b->stride + s->start,
                     .s = s,
                     .weight = fast_packed_weight(s->all, s->bits),
                     .bottom = 1.0,
                     .enough = best->gain * (1.0 - 0x1p-40) };
    scan_one(&c, b->worth);
    double gain = c.top / c.bottom;
    if (gain > best->gain)
        *best = (struct fast_cut){ gain, c.pos, feature, c.left };
}

/* ---- all features ---------------------------------------------------------------------------- */

static inline int64_t lane_of(__m512i v, int lane)
{
    __m512i at = _mm512_permutexvar_epi64(_mm512_set1_epi64(lane), v);
    return _mm_cvtsi128_si64(_mm512_castsi512_si128(at));
}

static struct fast_cut search(const struct fast_block *b, const struct fast_search *s)
{
    struct fast_cut best = { 0.0, 0, 0, 0 };
    if (b->rough && s->count > 1) {
        struct rough_best rated = fast_rate_avx512(b, s);
        return fast_search_rated(b, s, &rated, search_one);
    }
    struct scan c = { .b = b, .s = s };
    for (uint32_t from = 0; from < s->count; from += 8) {
        uint32_t count = s->count - from < 8 ? s->count - from : 8;
        if (count < LANES_LEAST) {
            for (uint32_t i = 0; i < count; i++)
                search_one(b, s, s->features[from + i], &best);
            break;
        }
        for (uint32_t i = 0; i < 8; i++)
            c.list[i] = b->lists + s->features[from + (i < count ? i : 0)] * b->stride + s->start;
        c.lanes = (__mmask8)low_bits(count);
        /* no side weighs less than one unit */
        struct bests r = s->weight_least > 1.0 ? scan_weighted(&c) : scan_lanes(&c, false);
        __m512d gains = _mm512_div_pd(r.top, r.bottom);
        double most = _mm512_reduce_max_pd(gains);
        if (!(most > best.gain))
            continue;
        int lane = __builtin_ctz(_mm512_cmp_pd_mask(gains, _mm512_set1_pd(most), _CMP_EQ_OQ));
        best = (struct fast_cut){ most, (uint32_t)lane_of(r.pos, lane),
                                  s->features[from + (uint32_t)lane], lane_of(r.left, lane) };
    }
    return best;
}

/* ---- the split ----------------------------------------------------------------------------- */

static void part(uint32_t *list, uint32_t n, const uint8_t *side, uint32_t *spare)
{
    uint32_t left = 0, right = 0;
    for (uint32_t i = 0; i < n; i += 16) {
        __mmask16 valid = (__mmask16)low_bits(n - i < 16 ? n - i : 16);
        __m512i v = _mm512_loadu_si512(list + i);
        __mmask16 is_left =
            (__mmask16)(valid & (fast_sides(list + i, side) | fast_sides(list + i + 8, side) << 8));
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

/* ---- bins ------------------------------------------------------------------------------------ */

/* Sixteen edges tell the block of sixteen, and these the edge. The last of all is never reached. */
static void fill_codes(const struct fast_coding *c, const float *column, const uint32_t *row,
                       uint32_t n)
{
    __m512i ends = _mm512_add_epi32(_mm512_slli_epi32(lane_numbers(), 4), _mm512_set1_epi32(15));
    __m512 last = _mm512_i32gather_ps(ends, c->edges, sizeof(float));
    for (uint32_t i = 0; i < n; i++) {
        float value = column[row[i]];
        __m512 v = _mm512_set1_ps(value);
        uint32_t block = count_bits(0x7fffu & _mm512_cmp_ps_mask(last, v, _CMP_LE_OQ));
        __m512 edges = _mm512_loadu_ps(c->edges + 16 * block);
        uint32_t code = 16 * block + count_bits(_mm512_cmp_ps_mask(edges, v, _CMP_LE_OQ));
        code = code < EDGES_BINS ? code : EDGES_BINS - 1;
        c->codes[i * c->stride] = (uint8_t)code;
        c->least[code] = value < c->least[code] ? value : c->least[code];
        c->most[code] = value > c->most[code] ? value : c->most[code];
    }
}

const struct fast_kernels fast_kernels_avx512 = {
    .fill_list = fill_list,
    .search = search,
    .fill_codes = fill_codes,
    .part = part,
    .part_rough = fast_part_rough_avx512,
    .part_narrow = fast_part_narrow_avx512,
    .tiny_bytes = fast_few_bytes_avx512,
    .grow_tiny = fast_grow_tiny_avx512,
    .few_rows = FEW_ROWS,
    .few_features = FEW_FEATURES,
    .grow_few = fast_grow_few_avx512,
};

#pragma GCC pop_options
#endif
