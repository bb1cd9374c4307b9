/* SPDX-License-Identifier: MIT */
/*
 * scan_packed_avx512.c -- estimating cuts by sums of whole numbers, see struct block.
 *
 * For how they are summed up see scan_packed.h; for what is estimated and why, scan_avx512.c.
 */
#include "base/avx512.h"

#ifdef HAVE_AVX512

#include "scan_packed.h"
#include "kernels.h"

struct packed_node {
    const struct block *b;
    const struct search *s;
    __m512d mean, weight, least;
    __m512i weight_bits;
    __m128i shift;
};

struct bests {
    __m512d best, second;
    __m512i at; /* which cut is the best: number of the feature and place, 32 bits each */
};

/* Which of the places p..p+7 of a node leave enough rows on both sides. */
static inline __mmask8 allowed(const struct search *s, uint32_t p)
{
    uint32_t first = s->min_samples_leaf, end = s->n - first + 1;
    uint32_t not_below = first > p ? first - p : 0, below = end > p ? end - p : 0;
    return (__mmask8)(low_bits(below < LANES ? below : LANES) &
                      ~low_bits(not_below < LANES ? not_below : LANES));
}

/* Places `from`..from+n-1 of the node; t->list is at the first of them. */
static inline __attribute__((always_inline)) void rate_strand(const struct packed_node *c,
                                                              const struct strand *t, uint32_t from,
                                                              uint32_t n, uint64_t number,
                                                              bool weighted, struct bests *r)
{
    __m512d none = _mm512_set1_pd(-1.0), two = _mm512_set1_pd(2.0);
    __m512i eight = _mm512_set1_epi64(LANES),
            at = _mm512_add_epi64(_mm512_set1_epi64((long long)(number << 32 | from)),
                                  _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0));
    __m256i slots = _mm256_set1_epi32(0xffff);
    for (uint32_t i = 0; i < n; i += LANES) {
        __m256i entry = _mm256_loadu_si256((const __m256i *)(const void *)(t->list + i));
        __m256i before = _mm256_loadu_si256((const __m256i *)(const void *)(t->list + i - 1));
        __m512i left = _mm512_loadu_si512(t->before + i);
        __mmask8 cut = _mm256_mask_cmpgt_epu32_mask(allowed(c->s, from + i),
                                                    _mm256_xor_si256(entry, before), slots);
        __m512d sum = _mm512_cvtepi64_pd(_mm512_sra_epi64(left, c->shift));
        __m512d weight = _mm512_cvtepi64_pd(_mm512_and_si512(left, c->weight_bits));
        __m512d right = _mm512_sub_pd(c->weight, weight), sides = _mm512_mul_pd(weight, right);
        __m512d excess = _mm512_fnmadd_pd(c->mean, weight, sum), share = _mm512_rcp14_pd(sides);
        share = _mm512_mul_pd(share, _mm512_fnmadd_pd(sides, share, two));
        __m512d merit = _mm512_mul_pd(_mm512_mul_pd(excess, excess), share);
        if (weighted) {
            cut = _mm512_mask_cmp_pd_mask(cut, weight, c->least, _CMP_NLT_UQ);
            cut = _mm512_mask_cmp_pd_mask(cut, right, c->least, _CMP_NLT_UQ);
        }
        merit = _mm512_mask_mov_pd(none, cut, merit);
        __mmask8 better = _mm512_cmp_pd_mask(merit, r->best, _CMP_GT_OQ);
        r->second = _mm512_max_pd(r->second, _mm512_min_pd(merit, r->best));
        r->at = _mm512_mask_mov_epi64(r->at, better, at);
        r->best = _mm512_max_pd(merit, r->best);
        at = _mm512_add_epi64(at, eight);
    }
}

/* Up to eight features, from number `from` of the search on. */
static inline __attribute__((always_inline)) void
rate_strands(const struct packed_node *c, uint32_t from, bool weighted, struct bests *r)
{
    const struct search *s = c->s;
    struct strand strands[LANES];
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
            rate_strand(c, &strands[k], p, n, from + k, weighted, r);
            strands[k].list += n;
        }
    }
}

/* The best of all lanes, in the units of the targets. */
static struct estimated best_of(const struct packed_node *c, const struct bests *r)
{
    double unit = c->b->unit * c->b->unit, best = _mm512_reduce_max_pd(r->best);
    __mmask8 equal = _mm512_cmp_pd_mask(r->best, _mm512_set1_pd(best), _CMP_EQ_OQ);
    __mmask8 lane = (__mmask8)(equal & -equal);
    __m512d others = _mm512_mask_mov_pd(r->best, lane, r->second);
    uint64_t at = (uint64_t)_mm_cvtsi128_si64(
        _mm512_castsi512_si128(_mm512_maskz_compress_epi64(lane, r->at)));
    double second = _mm512_reduce_max_pd(_mm512_max_pd(others, r->second));
    return (
        struct estimated){ best * unit, second * unit, { c->s->features[at >> 32], (uint32_t)at } };
}

static __attribute__((noinline)) void rate_weighted(const struct packed_node *c, uint32_t from,
                                                    struct bests *r)
{
    rate_strands(c, from, true, r);
}

struct found estimate_packed_avx512(const struct block *b, const struct search *s)
{
    double mean = (s->sum / s->weight - b->center) / b->unit;
    struct packed_node c = { .b = b,
                             .s = s,
                             .mean = _mm512_set1_pd(mean),
                             .weight = _mm512_set1_pd(s->weight),
                             .least = _mm512_set1_pd(s->min_weight_leaf),
                             .weight_bits = _mm512_set1_epi64(((int64_t)1 << b->weight_bits) - 1),
                             .shift = _mm_cvtsi32_si128((int)b->weight_bits) };
    struct bests r = { _mm512_set1_pd(-1.0), _mm512_set1_pd(-1.0), _mm512_setzero_si512() };
    for (uint32_t from = 0; from < s->count; from += LANES) {
        if (s->min_weight_leaf > 0.0)
            rate_weighted(&c, from, &r);
        else
            rate_strands(&c, from, false, &r);
    }
    struct estimated e = best_of(&c, &r);
    return clear_best(s, &e);
}

#pragma GCC pop_options
#endif
