/* SPDX-License-Identifier: MIT */
/*
 * kernels_avx512.c -- the inner loops of narrow blocks with AVX-512.
 *
 * The scan goes through up to eight features at once, one per lane: the rules add up in
 * sample order, so a sum cannot be divided, but eight sums do not wait for each other. It first
 * estimates every cut without dividing. With m the mean of the node, a cut's merit exceeds
 * the constant sum * sum / weight by (sl - m * wl)^2 * weight / (wl * wr), and this is estimated
 * to some 2^-27. Only if the second best estimate is too near to the best for the
 * estimate's error and the rounding of the rules' own formula, all cuts are
 * rated again as the rules do, with divisions. This is rare, but for cuts that part the
 * same rows: these differ by rounding alone, and then each bit counts.
 */
#include "avx512.h"

#ifdef HAVE_AVX512
#include <math.h>
#include <string.h>

#include "kernels.h"
#include "small.h"

/* If all rows of the data set can have ranks of their own, these need not be dense. */
static void fill_list(const struct block *b, const uint32_t *slot_of, uint32_t feature)
{
    const uint32_t *order = prep_order(b->prep, feature);
    uint32_t *list = (uint32_t *)b->lists + feature * b->stride, rows = b->prep->rows, count = 0, rank = 0;
    uint16_t *ranks = (uint16_t *)b->ranks + feature * b->stride;
    __m512i none = _mm512_set1_epi32(-1), one = _mm512_set1_epi32(1), row_bits = _mm512_set1_epi32(PREP_ROW);
    __m512i up_to = _mm512_sub_epi32(_mm512_sllv_epi32(_mm512_set1_epi32(2), lane_numbers()), one);
    if (rows > NARROW_ROWS_MAX) {
        kernels_narrow.fill_list(b, slot_of, feature);
        return;
    }
    memcpy(b->near + feature * b->near_words, prep_near(b->prep, feature), prep_near_words(rows) * sizeof *b->near);
    for (uint32_t i = 0; i < rows; i += 16) {
        __mmask16 valid = (__mmask16)low_bits(rows - i < 16 ? rows - i : 16);
        __m512i v = _mm512_maskz_loadu_epi32(valid, order + i);
        uint32_t fresh = valid & ~(uint32_t)_mm512_movepi32_mask(v);
        __m512i slot = _mm512_mask_i32gather_epi32(none, valid, _mm512_and_si512(v, row_bits), slot_of, 4);
        __mmask16 active = _mm512_cmpneq_epi32_mask(slot, none);
        __m512i steps = _mm512_popcnt_epi32(_mm512_and_si512(up_to, _mm512_set1_epi32((int)fresh)));
        __m512i ranked = _mm512_slli_epi32(_mm512_add_epi32(steps, _mm512_set1_epi32((int)rank - 1)), 16);
        _mm512_storeu_si512(list + count, _mm512_maskz_compress_epi32(active, _mm512_or_si512(ranked, slot)));
        count += count_bits(active);
        rank += count_bits(fresh);
    }
    memset(list + count, 0, BLOCK_PAD * sizeof *list);
    for (uint32_t i = 0; i < count; i++)
        ranks[list[i] & 0xffff] = (uint16_t)(list[i] >> 16);
}

static bool find_ties(const struct block *b, const void *list, uint32_t n)
{
    const uint32_t *e = list;
    uint16_t *bits = (uint16_t *)b->ties;
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
        bits[i / 16] = (uint16_t)tie;
        any |= tie;
        before = v;
    }
    return any != 0;
}

/* ---- the scan ---------------------------------------------------------------------------- */

struct scan {
    const struct block *b;
    const struct search *s;
    const uint32_t *list[8]; /* of each lane; those without a feature have that of lane 0 */
    __mmask8 lanes;
};

struct rated {
    double best[8], second[8]; /* `second` only of estimates */
    uint32_t pos[8];
};

/* Rows p..p+7 of eight lists; row[i] gets the entries at p + i of all lanes. */
static inline __attribute__((always_inline)) void load_rows(const struct scan *c, uint32_t p, __m256i row[8])
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

struct lanes {
    __m512d sum, weight, best, second;
    __m256i pos;  /* of the best */
    __m256i done; /* up to where the sums go, in rows: matters to the rules only after ties */
    __m256i before;
};

/*
 * Where more rows lie between two cuts than behind the second, the rules start from the total
 * and take away what is behind. Only ties leave such gaps.
 */
static __attribute__((noinline)) void add_backwards(const struct scan *c, struct lanes *l, uint32_t p,
                                                    uint32_t lanes)
{
    double sum[8], weight[8];
    _mm512_storeu_pd(sum, l->sum);
    _mm512_storeu_pd(weight, l->weight);
    for (; lanes; lanes &= lanes - 1) {
        int k = __builtin_ctz(lanes);
        double s = c->s->sum, w = c->s->weight;
        for (uint32_t i = c->s->n; i-- > p;) {
            s -= c->b->wy[c->list[k][i] & 0xffff];
            w -= c->b->w[c->list[k][i] & 0xffff];
        }
        sum[k] = s;
        weight[k] = w;
    }
    l->sum = _mm512_loadu_pd(sum);
    l->weight = _mm512_loadu_pd(weight);
}

static inline __attribute__((always_inline)) __m512d estimate_merit(__m512d sum, __m512d weight,
                                                              __m512d mean, __m512d weight_right)
{
    __m512d excess = _mm512_fnmadd_pd(mean, weight, sum), product = _mm512_mul_pd(weight, weight_right);
    __m512d r = _mm512_rcp14_pd(product), two = _mm512_set1_pd(2.0);
    r = _mm512_mul_pd(r, _mm512_fnmadd_pd(product, r, two));
    return _mm512_mul_pd(_mm512_mul_pd(excess, excess), r);
}

static inline __attribute__((always_inline)) __m512d rate_merit(__m512d sum, __m512d weight, __m512d total,
                                                          __m512d weight_right)
{
    __m512d right = _mm512_sub_pd(total, sum);
    __m512d l = _mm512_div_pd(_mm512_mul_pd(sum, sum), weight);
    return _mm512_add_pd(l, _mm512_div_pd(_mm512_mul_pd(right, right), weight_right));
}

static inline __attribute__((always_inline)) void scan_lanes(const struct scan *c, struct rated *out, bool exact,
                                                             bool tied, bool weighted)
{
    const struct search *s = c->s;
    uint32_t n = s->n, first = s->min_samples_leaf, last = n - first;
    __m512d total = _mm512_set1_pd(s->sum), all = _mm512_set1_pd(s->weight);
    __m512d mean = _mm512_set1_pd(s->sum / s->weight), least = _mm512_set1_pd(s->min_weight_leaf);
    __m512d none = _mm512_set1_pd(exact ? -HUGE_VAL : -1.0);
    __m256i slots = _mm256_set1_epi32(0xffff);
    struct lanes l = { .sum = _mm512_setzero_pd(), .weight = _mm512_setzero_pd(), .best = none,
                       .second = none, .pos = _mm256_setzero_si256(), .done = _mm256_setzero_si256(),
                       .before = _mm256_setzero_si256() };
    for (uint32_t block = 0; block < n; block += 8) {
        __m256i row[8], start = _mm256_set1_epi32((int)block);
        load_rows(c, block, row);
#pragma GCC unroll 8
        for (uint32_t i = 0; i < 8; i++) {
            uint32_t p = block + i;
            __mmask8 is_cut = p >= first && p <= last ? c->lanes : 0;
            __m256i at = _mm256_add_epi32(start, _mm256_set1_epi32((int)i));
            if (tied) {
                is_cut = _mm256_mask_cmpgt_epu32_mask(is_cut, _mm256_xor_si256(row[i], l.before), slots);
                l.before = row[i];
            }
            if (exact) {
                __m256i bound = _mm256_set1_epi32((int)(2 * p - n));
                __mmask8 far = _mm256_mask_cmplt_epi32_mask(is_cut, l.done, bound);
                if (__builtin_expect(far, 0))
                    add_backwards(c, &l, p, far);
                l.done = _mm256_mask_mov_epi32(l.done, is_cut, at);
            }
            __m512d right = _mm512_sub_pd(all, l.weight);
            if (weighted) {
                is_cut = _mm512_mask_cmp_pd_mask(is_cut, l.weight, least, _CMP_NLT_UQ);
                is_cut = _mm512_mask_cmp_pd_mask(is_cut, right, least, _CMP_NLT_UQ);
            }
            __m512d merit = exact ? rate_merit(l.sum, l.weight, total, right)
                                  : estimate_merit(l.sum, l.weight, mean, right);
            __mmask8 better = _mm512_mask_cmp_pd_mask(is_cut, merit, l.best, _CMP_GT_OQ);
            if (!exact) {
                merit = _mm512_mask_mov_pd(none, is_cut, merit);
                l.second = _mm512_max_pd(l.second, _mm512_min_pd(merit, l.best));
            }
            l.best = _mm512_mask_mov_pd(l.best, better, merit);
            l.pos = _mm256_mask_mov_epi32(l.pos, better, at);
            __m256i slot = _mm256_and_si256(row[i], slots);
            l.sum = _mm512_add_pd(l.sum, gather_doubles(c->b->wy, slot));
            l.weight = _mm512_add_pd(l.weight, gather_doubles(c->b->w, slot));
        }
    }
    _mm512_storeu_pd(out->best, l.best);
    _mm512_storeu_pd(out->second, l.second);
    _mm256_storeu_si256((__m256i *)(void *)out->pos, l.pos);
}

static unsigned set_lanes(struct scan *c, uint32_t from)
{
    const struct search *s = c->s;
    unsigned count = s->count - from < 8 ? s->count - from : 8;
    for (unsigned i = 0; i < 8; i++) {
        size_t feature = s->features[from + (i < count ? i : 0)];
        c->list[i] = (const uint32_t *)c->b->lists + feature * c->b->stride + s->start;
    }
    c->lanes = (__mmask8)low_bits(count);
    return count;
}

/* The best cut by estimate; pos 0 if another one might be better. */
static struct found estimate(const struct block *b, const struct search *s)
{
    struct scan c = { .b = b, .s = s };
    struct rated r;
    struct found found = { 0, 0 };
    double best = -1.0, second = -1.0;
    for (uint32_t from = 0; from < s->count; from += 8) {
        unsigned count = set_lanes(&c, from);
        /* sides that weigh nothing for rounding are too uncertain to be told apart anyway */
        if (s->min_weight_leaf > 0.0)
            scan_lanes(&c, &r, false, true, true);
        else if (s->tied)
            scan_lanes(&c, &r, false, true, false);
        else
            scan_lanes(&c, &r, false, false, false);
        for (unsigned i = 0; i < count; i++) {
            double other = r.best[i] > best ? best : r.best[i];
            if (r.best[i] > best) {
                best = r.best[i];
                found = (struct found){ s->features[from + i], r.pos[i] };
            }
            second = fmax(second, fmax(other, r.second[i]));
        }
    }
    if (!(best - second > estimate_error(s, best)) || !(best > 1e-200))
        found.pos = 0;
    return found;
}

static struct found rate(const struct block *b, const struct search *s)
{
    if (s->close)
        return kernels_narrow.rate(b, s);
    struct scan c = { .b = b, .s = s };
    struct rated r;
    struct found found = { 0, 0 };
    double best = -HUGE_VAL;
    for (uint32_t from = 0; from < s->count; from += 8) {
        unsigned count = set_lanes(&c, from);
        scan_lanes(&c, &r, true, true, true);
        for (unsigned i = 0; i < count; i++) {
            if (r.best[i] > best) {
                best = r.best[i];
                found = (struct found){ s->features[from + i], r.pos[i] };
            }
        }
    }
    return found;
}

/* ---- the split --------------------------------------------------------------------------- */

static void split_order(const struct block *b, const struct cut *c, const void *from, void *order)
{
    const uint16_t *ranks = (const uint16_t *)b->ranks + c->feature * b->stride;
    const uint32_t *e = from;
    uint32_t *o = order;
    for (uint32_t i = 0; i < c->n; i += 16) {
        __mmask16 valid = (__mmask16)low_bits(c->n - i < 16 ? c->n - i : 16);
        _mm512_mask_storeu_epi32(o + i, valid, look_up_entries(ranks, _mm512_loadu_si512(e + i)));
    }
    part_avx512(o, c->n, c->left, c->last_rank << 16 | 0xffff, b->temp2);
}

static void split_list(const struct block *b, const struct cut *c, void *list)
{
    const uint16_t *ranks = (const uint16_t *)b->ranks + c->feature * b->stride;
    uint32_t *e = list, *right = b->temp, l = 0, r = 0;
    __m512i slots = _mm512_set1_epi32(0xffff), last = _mm512_set1_epi32((int)c->last_rank);
    for (uint32_t i = 0; i < c->n; i += 16) {
        __mmask16 valid = (__mmask16)low_bits(c->n - i < 16 ? c->n - i : 16);
        __m512i v = _mm512_loadu_si512(e + i);
        __m512i rank = gather_words(ranks, _mm512_and_si512(v, slots));
        __mmask16 left = _mm512_mask_cmple_epu32_mask(valid, _mm512_and_si512(rank, slots), last);
        unsigned count = count_bits(left);
        _mm512_mask_storeu_epi32(e + l, (__mmask16)low_bits(count), _mm512_maskz_compress_epi32(left, v));
        _mm512_storeu_si512(right + r, _mm512_maskz_compress_epi32((__mmask16)(valid & ~left), v));
        l += count;
        r += count_bits(valid) - count;
    }
    memcpy(e + l, right, r * sizeof *e);
}

static void sum_children(const struct block *b, const struct cut *c, const void *order,
                         struct sums child[2], struct sums *rest)
{
    kernels_narrow.sum_children(b, c, order, child, rest);
}

const struct kernels kernels_narrow_avx512 = {
    fill_list,  find_ties,    sort_ties_avx512, estimate,    rate,              split_order,
    split_list, sum_children, SMALL_ROWS,       small_bytes, grow_small_avx512,
};

#pragma GCC pop_options
#endif
