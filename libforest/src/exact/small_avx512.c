/* SPDX-License-Identifier: MIT */
/* small_avx512.c -- subtrees of up to 16 rows with AVX-512: four features are parted at a time. */
#include "base/avx512.h"

#ifdef HAVE_AVX512
#include "few_rates.h"
#include "merit_avx512.h"
#include "small_body.h"
#include "kernels.h"

#define EACH UINT64_C(0x0001000100010001) /* a bit for each of four features */

static void find_ties(const struct small *s, uint32_t level, uint32_t n)
{
    const uint8_t(*lists)[ROWS] = (const uint8_t(*)[ROWS])lists_of(s, level);
    uint64_t valid = EACH * (low_bits(n) & ~1u);
    for (uint32_t i = 0; i < s->groups; i++) {
        __m512i rank = _mm512_shuffle_epi8(_mm512_loadu_si512(s->ranks + 4 * i),
                                           _mm512_loadu_si512(lists + 4 * i));
        uint64_t ties = _mm512_cmpeq_epi8_mask(rank, _mm512_bslli_epi128(rank, 1)) & valid;
        memcpy(s->ties + 4 * i, &ties, sizeof ties);
    }
}

/* ---- the search: see scan_avx512.c -------------------------------------- */

struct lanes {
    __m512d sum, weight;
    __m512i rows[2]; /* rows[p / 8]: eight bytes for each place p, one a lane */
    __m512i ties, done;
    __mmask8 used;
};

static unsigned set_lanes(const struct small *s, const struct drawn *d, uint32_t from,
                          const uint8_t (*lists)[ROWS], struct lanes *l)
{
    static const uint8_t by_place[64] = {
        0, 16, 32, 48, 64, 80, 96,  112, 1, 17, 33, 49, 65, 81, 97,  113,
        2, 18, 34, 50, 66, 82, 98,  114, 3, 19, 35, 51, 67, 83, 99,  115,
        4, 20, 36, 52, 68, 84, 100, 116, 5, 21, 37, 53, 69, 85, 101, 117,
        6, 22, 38, 54, 70, 86, 102, 118, 7, 23, 39, 55, 71, 87, 103, 119,
    };
    unsigned count = d->scanned - from < 8 ? d->scanned - from : 8;
    uint64_t ties[2] = { 0, 0 };
    __m128i a[8];
    for (unsigned i = 0; i < 8; i++) {
        uint32_t feature = s->g->scanned[from + (i < count ? i : 0)];
        a[i] = _mm_loadu_si128((const __m128i *)(const void *)lists[feature]);
        ties[i / 4] |= (uint64_t)s->ties[feature] << i % 4 * 16;
    }
    __m512i low = _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_set_m128i(a[1], a[0])),
                                     _mm256_set_m128i(a[3], a[2]), 1);
    __m512i high = _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_set_m128i(a[5], a[4])),
                                      _mm256_set_m128i(a[7], a[6]), 1);
    __m512i at = _mm512_loadu_si512(by_place);
    l->rows[0] = _mm512_permutex2var_epi8(low, at, high);
    l->rows[1] = _mm512_permutex2var_epi8(low, _mm512_add_epi8(at, _mm512_set1_epi8(8)), high);
    l->sum = l->weight = _mm512_setzero_pd();
    l->ties = _mm512_cvtepu16_epi64(_mm_set_epi64x((long long)ties[1], (long long)ties[0]));
    l->done = _mm512_setzero_si512();
    l->used = (__mmask8)low_bits(count);
    return count;
}

/* Where the rules start from the total and take away what is behind. */
static __attribute__((noinline)) void add_backwards(const struct small *s, const struct sums *all,
                                                    uint32_t n, const uint8_t rows[][8],
                                                    struct lanes *l, uint32_t p, uint32_t which)
{
    double sum[8], weight[8];
    _mm512_storeu_pd(sum, l->sum);
    _mm512_storeu_pd(weight, l->weight);
    for (; which; which &= which - 1) {
        int k = __builtin_ctz(which);
        sum[k] = all->sum;
        weight[k] = all->weight;
        for (uint32_t i = n; i-- > p;) {
            sum[k] -= s->wy[rows[i][k]];
            weight[k] -= s->w[rows[i][k]];
        }
    }
    l->sum = _mm512_loadu_pd(sum);
    l->weight = _mm512_loadu_pd(weight);
}

/* Improve on `best`, among eight features; returns the lane and place in `pos`, or -1. */
static int rate_lanes(const struct small *s, const struct sums *all, uint32_t n, struct lanes *l,
                      double *best, uint32_t *pos)
{
    uint8_t rows[ROWS][8];
    uint32_t first = s->g->limits->min_samples_leaf, last = n - first;
    bool is_friedman = s->g->limits->is_friedman;
    __m512d wy0 = _mm512_loadu_pd(s->wy), wy1 = _mm512_loadu_pd(s->wy + 8);
    __m512d w0 = _mm512_loadu_pd(s->w), w1 = _mm512_loadu_pd(s->w + 8);
    __m512d total = _mm512_set1_pd(all->sum), weight = _mm512_set1_pd(all->weight);
    __m512d least = _mm512_set1_pd(s->g->limits->min_weight_leaf), bests = _mm512_set1_pd(*best);
    __m512i at = _mm512_setzero_si512();
    _mm512_storeu_si512(rows[0], l->rows[0]);
    _mm512_storeu_si512(rows[8], l->rows[1]);
    for (uint32_t p = 1; p <= last; p++) {
        __m512i row =
            _mm512_cvtepu8_epi64(_mm_loadl_epi64((const __m128i *)(const void *)rows[p - 1]));
        l->sum = _mm512_add_pd(l->sum, _mm512_permutex2var_pd(wy0, row, wy1));
        l->weight = _mm512_add_pd(l->weight, _mm512_permutex2var_pd(w0, row, w1));
        if (p < first)
            continue;
        __m512i here = _mm512_set1_epi64(p), bound = _mm512_set1_epi64(2 * (int64_t)p - n);
        __mmask8 cut = _mm512_mask_testn_epi64_mask(l->used, l->ties, _mm512_set1_epi64(1 << p));
        __mmask8 far = _mm512_mask_cmplt_epi64_mask(cut, l->done, bound);
        if (__builtin_expect(far, 0))
            add_backwards(s, all, n, (const uint8_t(*)[8])rows, l, p, far);
        l->done = _mm512_mask_mov_epi64(l->done, cut, here);
        __m512d right = _mm512_sub_pd(weight, l->weight);
        cut = _mm512_mask_cmp_pd_mask(cut, l->weight, least, _CMP_NLT_UQ);
        cut = _mm512_mask_cmp_pd_mask(cut, right, least, _CMP_NLT_UQ);
        __m512d merit =
            merits_of(is_friedman, l->sum, l->weight, _mm512_sub_pd(total, l->sum), right);
        __mmask8 better = _mm512_mask_cmp_pd_mask(cut, merit, bests, _CMP_GT_OQ);
        bests = _mm512_mask_mov_pd(bests, better, merit);
        at = _mm512_mask_mov_epi64(at, better, here);
    }
    /* lanes without a better cut still have *best, and 0 in `at` */
    double most = _mm512_reduce_max_pd(bests);
    __mmask8 lanes = _mm512_cmp_pd_mask(bests, _mm512_set1_pd(most), _CMP_EQ_OQ);
    lanes = _mm512_mask_test_epi64_mask(lanes, at, at);
    if (!lanes)
        return -1;
    int lane = __builtin_ctz(lanes);
    *best = most;
    *pos = (uint32_t)_mm_cvtsi128_si32(
        _mm512_castsi512_si128(_mm512_permutexvar_epi64(_mm512_set1_epi64(lane), at)));
    return lane;
}

static struct found rate(const struct small *s, const struct drawn *d, const struct sums *all,
                         uint32_t n, const uint8_t (*lists)[ROWS])
{
    struct found found = { 0, 0 };
    double best = -HUGE_VAL;
    for (uint32_t from = 0; from < d->scanned; from += 8) {
        struct lanes l;
        set_lanes(s, d, from, lists, &l);
        int lane = rate_lanes(s, all, n, &l, &best, &found.pos);
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
    __m512i side = _mm512_broadcast_i32x4(goes_left);
    uint64_t valid = EACH * low_bits(n), l_places = EACH * low_bits(left),
             r_places = EACH * low_bits(n - left);
    for (uint32_t i = 0; i < s->groups; i++) {
        __m512i v = _mm512_loadu_si512(from + 4 * i);
        uint64_t is_left = _mm512_movepi8_mask(_mm512_shuffle_epi8(side, v)) & valid;
        /* every feature has as many on the left, so that packing and spreading keeps them apart */
        __m512i a = _mm512_maskz_compress_epi8(is_left, v),
                c = _mm512_maskz_compress_epi8(valid & ~is_left, v);
        _mm512_storeu_si512(r + 4 * i, _mm512_maskz_expand_epi8(r_places, c));
        _mm512_storeu_si512(l + 4 * i, _mm512_maskz_expand_epi8(l_places, a));
    }
}

static size_t rounded(size_t bytes)
{
    return (bytes + 63) & ~(size_t)63;
}

size_t small_bytes_avx512(uint32_t features)
{
    return rounded(small_bytes(features)) + (features <= FEW_FEATURES ? few_bytes(features) : 0);
}

char *few_memory_avx512(const struct block *b)
{
    return (char *)b->small + rounded(small_bytes(b->features));
}

int grow_small_avx512(struct grower *g, const struct block *b, const struct pending *root)
{
    return grow_small(g, b, root);
}

int grow_small_of_few_avx512(const struct few *f, const struct pending *root, const uint8_t *order,
                             uint32_t level)
{
    uint32_t n = root->end - root->start;
    uint8_t renamed[FEW_ROWS];
    struct small s;
    int err = tree_reserve(f->g->out, 2 * ROWS);
    if (err)
        return err;
    start(&s, f->g, f->b);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t name = order[i];
        renamed[name] = (uint8_t)i;
        s.wy[i] = f->wy[name];
        s.w[i] = f->w[name];
        s.addends[i] = f->addends[name];
        s.row[i] = f->row[name];
    }
    few_hand_over(&f->l, level, _mm512_loadu_si512(order), _mm512_loadu_si512(renamed), s.lists,
                  s.ranks);
    grow(&s, root);
    set_thresholds(&s);
    return 0;
}

#pragma GCC pop_options
#endif
