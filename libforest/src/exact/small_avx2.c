/* SPDX-License-Identifier: MIT */
/* small_avx2.c -- subtrees of up to 16 rows with AVX2: two features are looked at at a time. */
#include "base/avx2.h"

#ifdef HAVE_AVX2
#include "small_body.h"
#include "kernels.h"

/* ---- ties -------------------------------------------------------------------------------- */

static void find_ties(const struct small *s, uint32_t level, uint32_t n)
{
    const uint8_t(*lists)[ROWS] = (const uint8_t(*)[ROWS])lists_of(s, level);
    uint32_t valid = (low_bits(n) & ~1u) * 0x10001;
    for (uint32_t i = 0; i < 4 * s->groups; i += 2) {
        __m256i list = _mm256_loadu_si256((const __m256i *)(const void *)lists[i]);
        __m256i ranks = _mm256_loadu_si256((const __m256i *)(const void *)s->ranks[i]);
        __m256i rank = _mm256_shuffle_epi8(ranks, list);
        __m256i tie = _mm256_cmpeq_epi8(rank, _mm256_bslli_epi128(rank, 1));
        uint32_t ties = (uint32_t)_mm256_movemask_epi8(tie) & valid;
        memcpy(s->ties + i, &ties, sizeof ties);
    }
}

/* ---- the search -------------------------------------------------------------------------- */

#define LANES 4u

struct lanes {
    const uint8_t *list[LANES]; /* those without a feature have that of lane 0 */
    __m256i ties, used, done;   /* done: up to which place the sums go, see scan_avx512.c */
    __m256d sum, weight;
};

static unsigned set_lanes(const struct small *s, const struct drawn *d, uint32_t from,
                          const uint8_t (*lists)[ROWS], struct lanes *l)
{
    unsigned count = d->scanned - from < LANES ? d->scanned - from : LANES;
    long long ties[LANES];
    for (unsigned i = 0; i < LANES; i++) {
        uint32_t feature = s->g->scanned[from + (i < count ? i : 0)];
        l->list[i] = lists[feature];
        ties[i] = s->ties[feature];
    }
    l->ties = _mm256_loadu_si256((const __m256i *)(const void *)ties);
    l->used = _mm256_cmpgt_epi64(_mm256_set1_epi64x(count), _mm256_set_epi64x(3, 2, 1, 0));
    l->done = _mm256_setzero_si256();
    return count;
}

/* Where the rules start from the total and take away what is behind. */
static __attribute__((noinline)) void add_backwards(const struct small *s, const struct sums *all,
                                                    uint32_t n, struct lanes *l, uint32_t p,
                                                    uint32_t which)
{
    double sum[LANES], weight[LANES];
    _mm256_storeu_pd(sum, l->sum);
    _mm256_storeu_pd(weight, l->weight);
    for (; which; which &= which - 1) {
        int k = __builtin_ctz(which);
        sum[k] = all->sum;
        weight[k] = all->weight;
        for (uint32_t i = n; i-- > p;) {
            sum[k] -= s->wy[l->list[k][i]];
            weight[k] -= s->w[l->list[k][i]];
        }
    }
    l->sum = _mm256_loadu_pd(sum);
    l->weight = _mm256_loadu_pd(weight);
}

static inline __attribute__((always_inline)) __m256d
rate_merit(bool is_friedman, const struct lanes *l, __m256d total, __m256d weight_right)
{
    __m256d right = _mm256_sub_pd(total, l->sum);
    if (is_friedman) {
        __m256d diff =
            _mm256_sub_pd(_mm256_mul_pd(weight_right, l->sum), _mm256_mul_pd(l->weight, right));
        return _mm256_div_pd(_mm256_mul_pd(diff, diff), _mm256_mul_pd(l->weight, weight_right));
    }
    __m256d merit = _mm256_div_pd(_mm256_mul_pd(l->sum, l->sum), l->weight);
    return _mm256_add_pd(merit, _mm256_div_pd(_mm256_mul_pd(right, right), weight_right));
}

static inline uint32_t lane_bits(__m256i mask)
{
    return (uint32_t)_mm256_movemask_pd(_mm256_castsi256_pd(mask));
}

static inline __m256d four(const double *table, const struct lanes *l, uint32_t p)
{
    return _mm256_set_pd(table[l->list[3][p]], table[l->list[2][p]], table[l->list[1][p]],
                         table[l->list[0][p]]);
}

/* Improve on `best`, among four features; returns the lane and place in `pos`, or -1. */
static inline __attribute__((always_inline)) int rate_lanes(const struct small *s,
                                                            const struct sums *all, uint32_t n,
                                                            struct lanes *l, bool tied,
                                                            double *best, uint32_t *pos)
{
    uint32_t first = s->g->limits->min_samples_leaf, last = n - first;
    bool is_friedman = s->g->limits->is_friedman;
    __m256d total = _mm256_set1_pd(all->sum), weight = _mm256_set1_pd(all->weight);
    __m256d least = _mm256_set1_pd(s->g->limits->min_weight_leaf), bests = _mm256_set1_pd(*best);
    __m256i at = _mm256_setzero_si256();
    l->sum = l->weight = _mm256_setzero_pd();
    for (uint32_t p = 1; p <= last; p++) {
        l->sum = _mm256_add_pd(l->sum, four(s->wy, l, p - 1));
        l->weight = _mm256_add_pd(l->weight, four(s->w, l, p - 1));
        if (p < first)
            continue;
        __m256i here = _mm256_set1_epi64x(p), cut = l->used;
        if (tied) {
            __m256i tie = _mm256_and_si256(l->ties, _mm256_set1_epi64x(1 << p));
            cut = _mm256_and_si256(cut, _mm256_cmpeq_epi64(tie, _mm256_setzero_si256()));
            __m256i bound = _mm256_set1_epi64x(2 * (int64_t)p - n);
            uint32_t far = lane_bits(_mm256_and_si256(cut, _mm256_cmpgt_epi64(bound, l->done)));
            if (__builtin_expect(far != 0, 0))
                add_backwards(s, all, n, l, p, far);
            l->done = _mm256_blendv_epi8(l->done, here, cut);
        }
        __m256d right = _mm256_sub_pd(weight, l->weight);
        __m256d allowed = _mm256_and_pd(_mm256_cmp_pd(l->weight, least, _CMP_NLT_UQ),
                                        _mm256_cmp_pd(right, least, _CMP_NLT_UQ));
        __m256d merit = rate_merit(is_friedman, l, total, right);
        __m256d better = _mm256_and_pd(_mm256_cmp_pd(merit, bests, _CMP_GT_OQ), allowed);
        better = _mm256_and_pd(better, _mm256_castsi256_pd(cut));
        bests = _mm256_blendv_pd(bests, merit, better);
        at = _mm256_blendv_epi8(at, here, _mm256_castpd_si256(better));
    }
    /* lanes without a better cut still have *best, and 0 in `at` */
    __m256d most = _mm256_max_pd(bests, _mm256_permute4x64_pd(bests, 0x4e));
    most = _mm256_max_pd(most, _mm256_permute_pd(most, 5));
    uint32_t lanes = (uint32_t)_mm256_movemask_pd(_mm256_cmp_pd(bests, most, _CMP_EQ_OQ));
    lanes &= ~lane_bits(_mm256_cmpeq_epi64(at, _mm256_setzero_si256()));
    if (!lanes)
        return -1;
    int lane = __builtin_ctz(lanes);
    uint64_t places[LANES];
    _mm256_storeu_si256((__m256i *)(void *)places, at);
    *best = _mm256_cvtsd_f64(most);
    *pos = (uint32_t)places[lane];
    return lane;
}

static struct found rate(const struct small *s, const struct drawn *d, const struct sums *all,
                         uint32_t n, const uint8_t (*lists)[ROWS])
{
    struct found found = { 0, 0 };
    double best = -HUGE_VAL;
    for (uint32_t from = 0; from < d->scanned; from += LANES) {
        struct lanes l;
        set_lanes(s, d, from, lists, &l);
        int lane = _mm256_testz_si256(l.ties, l.ties)
                       ? rate_lanes(s, all, n, &l, false, &best, &found.pos)
                       : rate_lanes(s, all, n, &l, true, &best, &found.pos);
        if (lane >= 0)
            found.feature = s->g->scanned[from + (uint32_t)lane];
    }
    return found;
}

/* ---- the split --------------------------------------------------------------------------- */

static void split_lists(const struct small *s, uint32_t level, __m128i goes_left, uint32_t n,
                        uint32_t left)
{
    const uint8_t(*from)[ROWS] = (const uint8_t(*)[ROWS])lists_of(s, level);
    uint8_t(*r)[ROWS] = lists_of(s, level), (*l)[ROWS] = lists_of(s, level + 1);
    uint32_t valid = low_bits(n);
    (void)left;
    for (uint32_t i = 0; i < s->g->features_count; i++) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)from[i]);
        uint32_t is_left = (uint32_t)_mm_movemask_epi8(_mm_shuffle_epi8(goes_left, v)) & valid;
        _mm_storeu_si128((__m128i *)(void *)l[i], pack_bytes(v, is_left));
        _mm_storeu_si128((__m128i *)(void *)r[i], pack_bytes(v, valid & ~is_left));
    }
}

/* ---- the subtree ------------------------------------------------------------------------- */

size_t small_bytes_avx2(uint32_t features)
{
    return small_bytes(features);
}

int grow_small_avx2(struct grower *g, const struct block *b, const struct pending *root)
{
    return grow_small(g, b, root);
}

#pragma GCC pop_options
#endif
