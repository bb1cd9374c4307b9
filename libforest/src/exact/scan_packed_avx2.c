/* SPDX-License-Identifier: MIT */
/*
 * scan_packed_avx2.c -- estimating cuts by sums of whole numbers, see struct block.
 *
 * As scan_packed_avx512.c, but of each cut only the excess is worked out in doubles; the rest is
 * done in floats, eight places at once. Then an estimate is off by up to five roundings of 2^-24,
 * two of which count twice: ROUGH allows for that, twice and more.
 */
#include "base/avx2.h"

#ifdef HAVE_AVX2
#include <math.h>

#include "scan_packed.h"
#include "kernels.h"

#pragma GCC target("fma")

#define ROUGH 0x1p-18
#define LEAST_MERIT 1e-30 /* below, floats might lose more bits */

struct packed_node {
    const struct block *b;
    const struct search *s;
    __m256d share, slope; /* excess: sum * share - weight * slope */
    __m256 weight, least;
    __m256i weight_bits, first, last; /* cuts that leave enough rows on both sides */
};

/* Of up to eight strands. */
struct bests {
    __m256 best, second;
    __m256i at; /* which cut is the best: number of the strand << 16 | place */
};

/* Numbers below 2^52. */
static inline __m256d small_to_double(__m256i v)
{
    const __m256d magic = _mm256_set1_pd(0x1p52);
    __m256d sum = _mm256_castsi256_pd(_mm256_or_si256(v, _mm256_castpd_si256(magic)));
    return _mm256_sub_pd(sum, magic);
}

/* The upper 48 bits are put into a double of 2^68 and the lower 16 into one of 2^52. */
static inline __m256d to_double(__m256i v)
{
    const __m256i high_magic = _mm256_castpd_si256(_mm256_set1_pd(0x3p67)),
                  low_magic = _mm256_castpd_si256(_mm256_set1_pd(0x1p52));
    __m256i high = _mm256_blend_epi16(_mm256_srai_epi32(v, 16), _mm256_setzero_si256(), 0x33);
    __m256i low = _mm256_blend_epi16(v, low_magic, 0x88);
    __m256d h = _mm256_castsi256_pd(_mm256_add_epi64(high, high_magic));
    return _mm256_add_pd(_mm256_sub_pd(h, _mm256_set1_pd(0x3p67 + 0x1p52)),
                         _mm256_castsi256_pd(low));
}

struct sides {
    __m128 excess, weight; /* of the left side */
};

static inline struct sides left_sides(const struct packed_node *c, const uint64_t *before)
{
    __m256i sum = _mm256_loadu_si256((const __m256i *)(const void *)before);
    __m256d weight = small_to_double(_mm256_and_si256(sum, c->weight_bits));
    __m256d excess = _mm256_mul_pd(to_double(sum), c->share);
    excess = _mm256_fnmadd_pd(weight, c->slope, excess);
    return (struct sides){ _mm256_cvtpd_ps(excess), _mm256_cvtpd_ps(weight) };
}

/* Places `from`..from+n-1 of the node; t->list is at the first of them. */
static inline __attribute__((always_inline)) void
rate_strand(const struct packed_node *c, const struct strand *t, uint32_t from, uint32_t n,
            uint32_t number, bool tied, bool weighted, struct bests *r)
{
    const __m256 none = _mm256_set1_ps(-1.0f);
    __m256i place = _mm256_add_epi32(_mm256_set1_epi32((int)from), word_numbers());
    const __m256i mark = _mm256_set1_epi32((int)(number << 16)), slots = _mm256_set1_epi32(0xffff);
    for (uint32_t i = 0; i < n; i += LANES) {
        struct sides a = left_sides(c, t->before + i), b = left_sides(c, t->before + i + LANES / 2);
        __m256 excess = _mm256_set_m128(b.excess, a.excess);
        __m256 weight = _mm256_set_m128(b.weight, a.weight),
               right = _mm256_sub_ps(c->weight, weight);
        __m256 merit = _mm256_div_ps(_mm256_mul_ps(excess, excess), _mm256_mul_ps(weight, right));
        __m256i no = _mm256_or_si256(_mm256_cmpgt_epi32(c->first, place),
                                     _mm256_cmpgt_epi32(place, c->last));
        if (tied) {
            __m256i changed =
                _mm256_xor_si256(load_words(t->list + i), load_words(t->list + i - 1));
            no = _mm256_or_si256(no, _mm256_cmpeq_epi32(_mm256_max_epu32(changed, slots), slots));
        }
        __m256 none_here = _mm256_castsi256_ps(no);
        if (weighted) {
            none_here = _mm256_or_ps(none_here, _mm256_cmp_ps(weight, c->least, _CMP_LT_OQ));
            none_here = _mm256_or_ps(none_here, _mm256_cmp_ps(right, c->least, _CMP_LT_OQ));
        }
        merit = _mm256_blendv_ps(merit, none, none_here);
        __m256i better = _mm256_castps_si256(_mm256_cmp_ps(merit, r->best, _CMP_GT_OQ));
        r->second = _mm256_max_ps(r->second, _mm256_min_ps(merit, r->best));
        r->at = _mm256_blendv_epi8(r->at, _mm256_or_si256(place, mark), better);
        r->best = _mm256_max_ps(merit, r->best);
        place = _mm256_add_epi32(place, _mm256_set1_epi32(LANES));
    }
}

/* Up to eight features, from number `from` of the search on. */
static inline __attribute__((always_inline)) struct bests
rate_strands(const struct packed_node *c, uint32_t from, bool tied, bool weighted)
{
    const struct search *s = c->s;
    struct strand strands[LANES];
    struct bests r = { _mm256_set1_ps(-1.0f), _mm256_set1_ps(-1.0f), _mm256_setzero_si256() };
    uint32_t count = s->count - from < LANES ? s->count - from : LANES;
    for (uint32_t k = 0; k < count; k++) {
        strands[k].list = c->b->lists + s->features[from + k] * c->b->stride + s->start;
        strands[k].sum = 0;
    }
    for (uint32_t p = 0; p < s->n; p += PLACES) {
        uint32_t n = s->n - p < PLACES ? s->n - p : PLACES;
        for (uint32_t k = 0; k < count; k++)
            add_up(&strands[k], c->b->worth, n);
        for (uint32_t k = 0; k < count; k++) {
            rate_strand(c, &strands[k], p, n, k, tied, weighted, &r);
            strands[k].list += n;
        }
    }
    return r;
}

/* Take in the best of all lanes, in the units of the targets. */
static void add_bests(const struct packed_node *c, const struct bests *r, uint32_t from,
                      struct estimated *e)
{
    float best[LANES], second[LANES];
    uint32_t at[LANES];
    double unit = c->b->unit * c->b->unit;
    _mm256_storeu_ps(best, r->best);
    _mm256_storeu_ps(second, r->second);
    store_words(at, r->at);
    for (uint32_t i = 0; i < LANES; i++) {
        double merit = (double)best[i] * unit, other = (double)second[i] * unit;
        if (merit > e->best) {
            other = e->best > other ? e->best : other;
            e->best = merit;
            e->found = (struct found){ c->s->features[from + (at[i] >> 16)], at[i] & 0xffff };
        } else {
            other = merit > other ? merit : other;
        }
        e->second = other > e->second ? other : e->second;
    }
}

static __attribute__((noinline)) struct bests rate_weighted(const struct packed_node *c,
                                                            uint32_t from)
{
    return rate_strands(c, from, true, true);
}

struct found estimate_packed_avx2(const struct block *b, const struct search *s)
{
    double share = ldexp(1.0, -(int)b->weight_bits), mean = s->sum / s->weight;
    struct packed_node c = { .b = b,
                             .s = s,
                             .share = _mm256_set1_pd(share),
                             .slope = _mm256_set1_pd((mean - b->center) / b->unit + share),
                             .weight = _mm256_set1_ps((float)s->weight),
                             .least = _mm256_set1_ps((float)ceil(s->min_weight_leaf)),
                             .weight_bits = _mm256_set1_epi64x(((int64_t)1 << b->weight_bits) - 1),
                             .first = _mm256_set1_epi32((int)s->min_samples_leaf),
                             .last = _mm256_set1_epi32((int)(s->n - s->min_samples_leaf)) };
    struct estimated e = { .best = -1.0, .second = -1.0 };
    for (uint32_t from = 0; from < s->count; from += LANES) {
        struct bests r = s->min_weight_leaf > 0.0 ? rate_weighted(&c, from)
                         : s->tied                ? rate_strands(&c, from, true, false)
                                                  : rate_strands(&c, from, false, false);
        add_bests(&c, &r, from, &e);
    }
    if (e.best < LEAST_MERIT * b->unit * b->unit || e.best - e.second < ROUGH * e.best)
        return (struct found){ 0, 0 };
    return clear_best(s, &e);
}

#pragma GCC pop_options
#endif
