/* SPDX-License-Identifier: MIT */
/*
 * scan_large_avx512.c -- rating the cuts of one feature, eight places at a time.
 *
 * The sums are added up one after the other, as the rules do; the rest is done for eight cuts at
 * once. Whether a cut may be better than the best is found by multiplying, with some tolerance for
 * rounding; only if so, it is rated as the rules do, with divisions.
 */
#include "base/avx512.h"

#ifdef HAVE_AVX512

#include "merit_avx512.h"
#include "scan_large.h"
#include "kernels.h"

#define LANES 8u
#define AHEAD 32u /* places; less than LARGE_PAD, and it does not matter what is there */
#define TOLERANCE 1e-12
#define PROXY_MIN 1e-100 /* below, products might vanish */

/* Sums before each of the places behind the one at hand. */
struct before {
    __m512d sum, weight;
};

static inline __attribute__((always_inline)) struct before add_up(struct rating *r,
                                                                  const uint32_t *slots)
{
    double sum[LANES], weight[LANES], s = r->sum, t = r->weight;
    for (uint32_t i = 0; i < LANES; i++) {
        const struct target *at = r->l->target + slots[i];
        weight[i] = at->w;
        sum[i] = at->w * at->y;
        __builtin_prefetch(r->l->target + slots[i + AHEAD]);
    }
    double s0 = s + sum[0], s1 = s0 + sum[1], s2 = s1 + sum[2], s3 = s2 + sum[3];
    double s4 = s3 + sum[4], s5 = s4 + sum[5], s6 = s5 + sum[6], s7 = s6 + sum[7];
    double t0 = t + weight[0], t1 = t0 + weight[1], t2 = t1 + weight[2], t3 = t2 + weight[3];
    double t4 = t3 + weight[4], t5 = t4 + weight[5], t6 = t5 + weight[6], t7 = t6 + weight[7];
    r->sum = s7;
    r->weight = t7;
    return (struct before){ _mm512_set_pd(s7, s6, s5, s4, s3, s2, s1, s0),
                            _mm512_set_pd(t7, t6, t5, t4, t3, t2, t1, t0) };
}

static inline __m256 values(const uint32_t *keys)
{
    __m256i k = _mm256_loadu_si256((const __m256i *)(const void *)keys);
    __m256i sign = _mm256_set1_epi32((int)0x80000000u);
    __mmask8 positive = _mm256_movepi32_mask(k);
    __m256i negative = _mm256_xor_si256(k, _mm256_set1_epi32(-1));
    return _mm256_castsi256_ps(_mm256_mask_xor_epi32(negative, positive, k, sign));
}

/* Which of the places p+1..p+8 are cuts. */
static inline __mmask8 find_cuts(const struct rating *r, uint32_t p)
{
    const struct large *l = r->l;
    uint32_t least = r->s->min_samples_leaf;
    __m256 below = values(l->keys + p), above = values(l->keys + p + 1);
    __mmask8 apart =
        _mm256_cmp_ps_mask(above, _mm256_add_ps(below, _mm256_set1_ps(PREP_APART)), _CMP_GT_OQ);
    if (p + 1 < least)
        apart &= (__mmask8)~low_bits(least - p - 1 < LANES ? least - p - 1 : LANES);
    if (p + LANES > l->n - least)
        apart &= (__mmask8)low_bits(l->n - least > p ? l->n - least - p : 0);
    return apart;
}

/* Merits times both weights, roughly. */
static inline __attribute__((always_inline)) __m512d
merit_products(bool is_friedman, __m512d sum, __m512d weight, __m512d rest, __m512d rest_weight)
{
    if (is_friedman) {
        __m512d diff = _mm512_sub_pd(_mm512_mul_pd(rest_weight, sum), _mm512_mul_pd(weight, rest));
        return _mm512_mul_pd(diff, diff);
    }
    return _mm512_add_pd(_mm512_mul_pd(_mm512_mul_pd(sum, sum), rest_weight),
                         _mm512_mul_pd(_mm512_mul_pd(rest, rest), weight));
}

static inline __attribute__((always_inline)) void improve(struct rating *r, const struct before *b,
                                                          __mmask8 cuts, uint32_t p)
{
    const struct search *s = r->s;
    __m512d rest = _mm512_sub_pd(_mm512_set1_pd(s->sum), b->sum);
    __m512d rest_weight = _mm512_sub_pd(_mm512_set1_pd(s->weight), b->weight);
    __m512d least = _mm512_set1_pd(s->min_weight_leaf);
    if (s->weight_min > 0.0 && r->best.proxy > PROXY_MIN) {
        __m512d bound = _mm512_mul_pd(_mm512_mul_pd(b->weight, rest_weight),
                                      _mm512_set1_pd(r->best.proxy * (1 - TOLERANCE)));
        __m512d merit = merit_products(s->is_friedman, b->sum, b->weight, rest, rest_weight);
        cuts = _mm512_mask_cmp_pd_mask(cuts, merit, bound, _CMP_NLT_UQ);
        if (!cuts)
            return;
    }
    cuts = _mm512_mask_cmp_pd_mask(cuts, b->weight, least, _CMP_NLT_UQ);
    cuts = _mm512_mask_cmp_pd_mask(cuts, rest_weight, least, _CMP_NLT_UQ);
    __m512d proxy = merits_of(s->is_friedman, b->sum, b->weight, rest, rest_weight);
    cuts = _mm512_mask_cmp_pd_mask(cuts, proxy, _mm512_set1_pd(r->best.proxy), _CMP_GT_OQ);
    if (!cuts)
        return;
    double most = _mm512_mask_reduce_max_pd(cuts, proxy); /* the first of the greatest */
    cuts = _mm512_mask_cmp_pd_mask(cuts, proxy, _mm512_set1_pd(most), _CMP_EQ_OQ);
    r->best = (struct rated_cut){ most, p + 1 + (uint32_t)__builtin_ctz(cuts) };
}

void rate_large_avx512(const struct large *l, const struct search *s, struct rated_cut *best)
{
    struct rating r = { .l = l, .s = s, .best = *best };
    uint32_t p = 0, last = l->n - 1;
    for (; p + LANES <= last; p += LANES) {
        if (p + LANES - r.before > l->n - (p + LANES)) {
            rate_places(&r, p, p + LANES); /* may have to start from the total */
            continue;
        }
        struct before b = add_up(&r, l->slots + p);
        __mmask8 cuts = find_cuts(&r, p);
        if (cuts) {
            improve(&r, &b, cuts, p);
            r.before = p + 32 - (uint32_t)__builtin_clz(cuts);
        }
    }
    rate_places(&r, p, last);
    *best = r.best;
}

#pragma GCC pop_options
#endif
