/* SPDX-License-Identifier: MIT */
/*
 * scan_avx512.c -- the search for the best cut with AVX-512.
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
#include "base/avx512.h"

#ifdef HAVE_AVX512
#include <math.h>

#include "kernels.h"
#include "merit_avx512.h"
#include "scan.h"

struct scan {
    const struct block *b;
    const struct search *s;
    const uint32_t *list[8]; /* of each lane; those without a feature have that of lane 0 */
    __mmask8 lanes;
};

/* What stands at one place of eight lists. */
struct row {
    __m256i rank, slot;
};

/* Places p..p+7 of the lists. */
static inline __attribute__((always_inline)) void load_rows(const struct scan *c, uint32_t p,
                                                            struct row row[8])
{
    __m256i a[8], t[8], slots = _mm256_set1_epi32(0xffff);
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
        __m256i low = _mm256_permute2x128_si256(a[i], a[i + 4], 0x20);
        __m256i high = _mm256_permute2x128_si256(a[i], a[i + 4], 0x31);
        row[i] = (struct row){ _mm256_srli_epi32(low, 16), _mm256_and_si256(low, slots) };
        row[i + 4] = (struct row){ _mm256_srli_epi32(high, 16), _mm256_and_si256(high, slots) };
    }
}

static uint32_t slot_at(const struct scan *c, int lane, uint32_t i)
{
    return c->list[lane][i] & 0xffff;
}

struct lanes {
    __m512d sum, weight, best, second;
    __m256i pos;    /* of the best */
    __m256i done;   /* up to where the sums go, in rows: matters to the rules only after ties */
    __m256i before; /* ranks at the place before */
};

/*
 * Where more rows lie between two cuts than behind the second, the rules start from the total
 * and take away what is behind. Only ties leave such gaps.
 */
static __attribute__((noinline)) void add_backwards(const struct scan *c, struct lanes *l,
                                                    uint32_t p, uint32_t lanes)
{
    double sum[8], weight[8];
    _mm512_storeu_pd(sum, l->sum);
    _mm512_storeu_pd(weight, l->weight);
    for (; lanes; lanes &= lanes - 1) {
        int k = __builtin_ctz(lanes);
        double s = c->s->sum, w = c->s->weight;
        for (uint32_t i = c->s->n; i-- > p;) {
            s -= c->b->wy[slot_at(c, k, i)];
            w -= c->b->w[slot_at(c, k, i)];
        }
        sum[k] = s;
        weight[k] = w;
    }
    l->sum = _mm512_loadu_pd(sum);
    l->weight = _mm512_loadu_pd(weight);
}

static inline __attribute__((always_inline)) __m512d
estimate_merit(__m512d sum, __m512d weight, __m512d mean, __m512d weight_right)
{
    __m512d excess = _mm512_fnmadd_pd(mean, weight, sum),
            product = _mm512_mul_pd(weight, weight_right);
    __m512d r = _mm512_rcp14_pd(product), two = _mm512_set1_pd(2.0);
    r = _mm512_mul_pd(r, _mm512_fnmadd_pd(product, r, two));
    return _mm512_mul_pd(_mm512_mul_pd(excess, excess), r);
}

static inline __attribute__((always_inline)) void
scan_lanes(const struct scan *c, struct scanned *out, bool exact, bool tied, bool weighted)
{
    const struct search *s = c->s;
    uint32_t n = s->n, first = s->min_samples_leaf, last = n - first;
    __m512d total = _mm512_set1_pd(s->sum), all = _mm512_set1_pd(s->weight);
    __m512d mean = _mm512_set1_pd(s->sum / s->weight), least = _mm512_set1_pd(s->min_weight_leaf);
    __m512d none = _mm512_set1_pd(exact ? -HUGE_VAL : -1.0);
    struct lanes l = { .sum = _mm512_setzero_pd(),
                       .weight = _mm512_setzero_pd(),
                       .best = none,
                       .second = none,
                       .pos = _mm256_setzero_si256(),
                       .done = _mm256_setzero_si256(),
                       .before = _mm256_setzero_si256() };
    for (uint32_t block = 0; block < n; block += 8) {
        struct row row[8];
        __m256i start = _mm256_set1_epi32((int)block);
        load_rows(c, block, row);
#pragma GCC unroll 8
        for (uint32_t i = 0; i < 8; i++) {
            uint32_t p = block + i;
            __mmask8 is_cut = p >= first && p <= last ? c->lanes : 0;
            __m256i at = _mm256_add_epi32(start, _mm256_set1_epi32((int)i));
            if (tied) {
                is_cut = _mm256_mask_cmpneq_epi32_mask(is_cut, row[i].rank, l.before);
                l.before = row[i].rank;
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
            __m512d merit = exact ? merits_of(s->is_friedman, l.sum, l.weight,
                                              _mm512_sub_pd(total, l.sum), right)
                                  : estimate_merit(l.sum, l.weight, mean, right);
            __mmask8 better = _mm512_mask_cmp_pd_mask(is_cut, merit, l.best, _CMP_GT_OQ);
            if (!exact) {
                merit = _mm512_mask_mov_pd(none, is_cut, merit);
                l.second = _mm512_max_pd(l.second, _mm512_min_pd(merit, l.best));
            }
            l.best = _mm512_mask_mov_pd(l.best, better, merit);
            l.pos = _mm256_mask_mov_epi32(l.pos, better, at);
            l.sum = _mm512_add_pd(l.sum, gather_doubles(c->b->wy, row[i].slot));
            l.weight = _mm512_add_pd(l.weight, gather_doubles(c->b->w, row[i].slot));
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
        size_t at = feature * c->b->stride + s->start;
        c->list[i] = c->b->lists + at;
    }
    c->lanes = (__mmask8)low_bits(count);
    return count;
}

/* Estimate the cuts of up to eight features. */
static void estimate_lanes(const struct scan *c, struct scanned *out)
{
    const struct search *s = c->s;
    /* sides that weigh nothing for rounding are too uncertain to be told apart anyway */
    bool weighted = s->min_weight_leaf > 0.0;
    if (weighted)
        scan_lanes(c, out, false, true, true);
    else if (s->tied)
        scan_lanes(c, out, false, true, false);
    else
        scan_lanes(c, out, false, false, false);
}

struct found estimate_avx512(const struct block *b, const struct search *s)
{
    if (b->worth)
        return estimate_packed_avx512(b, s);
    struct scan c = { .b = b, .s = s };
    struct scanned r;
    struct estimated e = { .best = -1.0, .second = -1.0 };
    for (uint32_t from = 0; from < s->count; from += SCAN_FEATURES) {
        unsigned count = set_lanes(&c, from);
        estimate_lanes(&c, &r);
        add_scanned(&e, &r, s->features + from, count);
    }
    return clear_best(s, &e);
}

static struct found rate(const struct block *b, const struct search *s)
{
    struct scan c = { .b = b, .s = s };
    struct scanned r;
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

struct found rate_avx512(const struct block *b, const struct search *s)
{
    return s->close ? kernels_plain.rate(b, s) : rate(b, s);
}

#pragma GCC pop_options
#endif
