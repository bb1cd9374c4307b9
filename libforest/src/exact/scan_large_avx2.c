/* SPDX-License-Identifier: MIT */
/* scan_large_avx2.c -- rating the cuts of one feature, eight places at a time; as with AVX-512. */
#include "base/avx2.h"

#ifdef HAVE_AVX2

#include "scan_large.h"
#include "kernels.h"

#define AHEAD 32u /* places; less than LARGE_PAD, and it does not matter what is there */
#define TOLERANCE 1e-12
#define PROXY_MIN 1e-100 /* below, products might vanish */

/* Sums before each of the places behind the one at hand. */
struct before {
    __m256d sum[2], weight[2];
};

static inline __attribute__((always_inline)) struct before add_up(struct rating *r,
                                                                  const uint32_t *slots)
{
    double sum[WORDS], weight[WORDS], s = r->sum, t = r->weight;
    for (uint32_t i = 0; i < WORDS; i++) {
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
    return (struct before){ { _mm256_set_pd(s3, s2, s1, s0), _mm256_set_pd(s7, s6, s5, s4) },
                            { _mm256_set_pd(t3, t2, t1, t0), _mm256_set_pd(t7, t6, t5, t4) } };
}

static inline __m256 values(const uint32_t *keys)
{
    __m256i k = load_words(keys), sign = _mm256_set1_epi32((int)0x80000000u);
    __m256i is_positive = _mm256_srai_epi32(k, 31); /* else all bits are turned */
    __m256i turned = _mm256_or_si256(_mm256_andnot_si256(is_positive, _mm256_set1_epi32(-1)), sign);
    return _mm256_castsi256_ps(_mm256_xor_si256(k, turned));
}

/* Which of the places p+1..p+8 are cuts. */
static inline uint32_t find_cuts(const struct rating *r, uint32_t p)
{
    const struct large *l = r->l;
    uint32_t least = r->s->min_samples_leaf;
    __m256 below = values(l->keys + p), above = values(l->keys + p + 1);
    __m256 apart =
        _mm256_cmp_ps(above, _mm256_add_ps(below, _mm256_set1_ps(PREP_APART)), _CMP_GT_OQ);
    uint32_t cuts = (uint32_t)_mm256_movemask_ps(apart);
    if (p + 1 < least)
        cuts &= ~low_bits(least - p - 1 < WORDS ? least - p - 1 : WORDS);
    if (p + WORDS > l->n - least)
        cuts &= low_bits(l->n - least > p ? l->n - least - p : 0);
    return cuts;
}

/* Which of four cuts may be better than the best, found by multiplying. */
static inline uint32_t may_be_better(const struct rating *r, __m256d sum, __m256d weight)
{
    const struct search *s = r->s;
    __m256d rest = _mm256_sub_pd(_mm256_set1_pd(s->sum), sum);
    __m256d rest_weight = _mm256_sub_pd(_mm256_set1_pd(s->weight), weight);
    __m256d bound = _mm256_mul_pd(_mm256_mul_pd(weight, rest_weight),
                                  _mm256_set1_pd(r->best.proxy * (1 - TOLERANCE)));
    __m256d merit = _mm256_add_pd(_mm256_mul_pd(_mm256_mul_pd(sum, sum), rest_weight),
                                  _mm256_mul_pd(_mm256_mul_pd(rest, rest), weight));
    if (s->is_friedman) {
        __m256d diff = _mm256_sub_pd(_mm256_mul_pd(rest_weight, sum), _mm256_mul_pd(weight, rest));
        merit = _mm256_mul_pd(diff, diff);
    }
    return (uint32_t)_mm256_movemask_pd(_mm256_cmp_pd(merit, bound, _CMP_NLT_UQ));
}

static inline __attribute__((always_inline)) void improve(struct rating *r, const struct before *b,
                                                          uint32_t cuts, uint32_t p)
{
    const struct search *s = r->s;
    double sum[WORDS], weight[WORDS];
    if (s->weight_min > 0.0 && r->best.proxy > PROXY_MIN)
        cuts &= may_be_better(r, b->sum[0], b->weight[0]) |
                may_be_better(r, b->sum[1], b->weight[1]) << 4;
    if (!cuts)
        return;
    for (int i = 0; i < 2; i++) {
        _mm256_storeu_pd(sum + 4 * i, b->sum[i]);
        _mm256_storeu_pd(weight + 4 * i, b->weight[i]);
    }
    for (; cuts; cuts &= cuts - 1) { /* as rate_places() does */
        uint32_t i = (uint32_t)__builtin_ctz(cuts);
        double rest = s->sum - sum[i], rest_weight = s->weight - weight[i];
        if (weight[i] < s->min_weight_leaf || rest_weight < s->min_weight_leaf)
            continue;
        double proxy = merit_of(s->is_friedman, sum[i], weight[i], rest, rest_weight);
        if (proxy > r->best.proxy)
            r->best = (struct rated_cut){ proxy, p + 1 + i };
    }
}

void rate_large_avx2(const struct large *l, const struct search *s, struct rated_cut *best)
{
    struct rating r = { .l = l, .s = s, .best = *best };
    uint32_t p = 0, last = l->n - 1;
    for (; p + WORDS <= last; p += WORDS) {
        if (p + WORDS - r.before > l->n - (p + WORDS)) {
            rate_places(&r, p, p + WORDS); /* may have to start from the total */
            continue;
        }
        struct before b = add_up(&r, l->slots + p);
        uint32_t cuts = find_cuts(&r, p);
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
