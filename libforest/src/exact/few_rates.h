/* SPDX-License-Identifier: MIT */
/*
 * few_rates.h -- rating the cuts of a node of up to 64 rows, see rough.h: 16 at a time, and
 * without a branch, so that none is mispredicted. Include after avx512.h.
 */
#ifndef FEW_RATES_H
#define FEW_RATES_H

#ifdef HAVE_AVX512
#include <math.h>

#include "few.h"
#include "rough_avx512.h"

/* What all places of a node are rated with. */
struct rating {
    __m512i rough[4]; /* by name */
    __m512i mean;
    __m512 rest, weight, least;
    bool is_weighted; /* `least` is more than a row weighs */
};

/* Of the node of these names, which weighs `weight`; no side may weigh less than `least`. */
static inline void start_rating(struct rating *r, const int32_t *rough, uint64_t names,
                                double weight, double least)
{
    __m512i sum = _mm512_setzero_si512();
    for (int i = 0; i < 4; i++) {
        r->rough[i] = _mm512_loadu_si512(rough + 16 * i);
        sum =
            _mm512_mask_add_epi32(sum, (__mmask16)(names >> 16 * i), sum, rough_sums(r->rough[i]));
    }
    double mean = _mm512_reduce_add_epi32(sum) / weight, whole = rint(mean);
    r->mean = _mm512_set1_epi32((int32_t)whole);
    r->rest = _mm512_set1_ps((float)(mean - whole));
    r->weight = _mm512_set1_ps((float)weight);
    r->least = _mm512_set1_ps((float)ceil(least));
    r->is_weighted = least > 1.0;
}

static inline __m512i rough_of(const struct rating *r, __m512i name)
{
    __m512i low = _mm512_permutex2var_epi32(r->rough[0], name, r->rough[1]);
    __m512i high = _mm512_permutex2var_epi32(r->rough[2], name, r->rough[3]);
    return _mm512_mask_mov_epi32(low, _mm512_test_epi32_mask(name, _mm512_set1_epi32(32)), high);
}

/*
 * The squared rates of the cuts behind each place of a list, -1 where there is none; `cuts` are the
 * places that a cut may be before. Returns the greatest by lane.
 */
static inline __m512 rate_list(const struct rating *r, const uint8_t *list, uint64_t cuts,
                               uint32_t n, __m512 most, float *rates)
{
    __m512i sum = _mm512_setzero_si512(), weight = sum, last_lane = _mm512_set1_epi32(15);
    __m512 none = _mm512_set1_ps(-1.0f), two = _mm512_set1_ps(2.0f);
    cuts >>= 1;
    for (uint32_t i = 0; i < n; i += 16, cuts >>= 16) {
        __m512i name =
            _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)(list + i)));
        __m512i up_to = rough_prefix_sums(rough_of(r, name));
        __m512i sl = _mm512_add_epi32(sum, rough_sums(up_to));
        __m512i weights = _mm512_add_epi32(weight, rough_weights(up_to));
        sum = _mm512_permutexvar_epi32(last_lane, sl);
        weight = _mm512_permutexvar_epi32(last_lane, weights);
        __m512 wl = _mm512_cvtepi32_ps(weights), wr = _mm512_sub_ps(r->weight, wl);
        __m512 u = _mm512_cvtepi32_ps(_mm512_sub_epi32(sl, _mm512_mullo_epi32(r->mean, weights)));
        u = _mm512_fnmadd_ps(r->rest, wl, u);
        __m512 sides = _mm512_mul_ps(wl, wr), share = _mm512_rcp14_ps(sides);
        share = _mm512_mul_ps(share, _mm512_fnmadd_ps(sides, share, two));
        __mmask16 here = (__mmask16)cuts;
        if (r->is_weighted) {
            here = _mm512_mask_cmp_ps_mask(here, wl, r->least, _CMP_GE_OQ);
            here = _mm512_mask_cmp_ps_mask(here, wr, r->least, _CMP_GE_OQ);
        }
        __m512 rate = _mm512_mask_mul_ps(none, here, _mm512_mul_ps(u, u), share);
        _mm512_storeu_ps(rates + i, rate);
        most = _mm512_max_ps(most, rate);
    }
    return most;
}

/* The least squared rate that may be of the best cut, where the greatest is `most`. */
static inline float rate_enough(float most)
{
    float enough = rough_enough(sqrtf(most));
    return enough > 0.0f ? enough * enough * (1.0f - ROUGH_ROUNDING) : 0.0f;
}

/* The cuts of a list that are rated so high: a bit for each number of rows on the left. */
static inline uint64_t rated_cuts(const float *rates, uint32_t n, float enough)
{
    uint64_t cuts = 0;
    for (uint32_t i = 0; i < n; i += 16)
        cuts |= (uint64_t)_mm512_cmp_ps_mask(_mm512_loadu_ps(rates + i), _mm512_set1_ps(enough),
                                             _CMP_GE_OQ)
                << i;
    return cuts << 1;
}

/*
 * Rate all cuts of `count` features that leave `first` rows on both sides: the greatest squared
 * rate, negative if there is no cut.
 */
static inline float rate_lists(const struct few_lists *l, const struct rating *r, uint32_t level,
                               const uint32_t *features, uint32_t count, uint32_t n, uint32_t first)
{
    uint8_t(*lists)[FEW_ROWS] = few_lists(l, level);
    uint64_t allowed = low_bits64(n - first + 1) & ~low_bits64(first);
    __m512 most = _mm512_set1_ps(-1.0f);
    for (uint32_t i = 0; i < count; i++)
        most =
            rate_list(r, lists[features[i]], l->fresh[features[i]] & allowed, n, most, l->rates[i]);
    return _mm512_reduce_max_ps(most);
}

/* ---- lists ----------------------------------------------------------------------------------- */

/* From n entries of a block; `names` is by slot. */
static inline void few_take_list(const struct few_lists *l, uint32_t feature, const uint32_t *list,
                                 uint32_t n, const uint8_t *names)
{
    uint8_t *to = l->lists[feature], *ranks = l->ranks[feature], rank = 0;
    uint32_t before = list[0];
    if (list[0] >> 16 == list[n - 1] >> 16) { /* not kept up: may be of other rows */
        _mm512_storeu_si512(to, byte_numbers());
        _mm512_storeu_si512(ranks, _mm512_setzero_si512());
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        uint32_t entry = list[i];
        uint8_t name = names[entry & 0xffff];
        rank = (uint8_t)(rank + ((entry ^ before) > 0xffff));
        to[i] = name;
        ranks[name] = rank;
        before = entry;
    }
}

/* The node at hand: where values change. */
static inline void few_start(const struct few_lists *l, uint32_t level, uint32_t n)
{
    uint8_t(*lists)[FEW_ROWS] = few_lists(l, level);
    __m512i before = _mm512_sub_epi8(byte_numbers(), _mm512_set1_epi8(1));
    uint64_t places = low_bits64(n) & ~UINT64_C(1);
    for (uint32_t f = 0; f < l->features; f++) {
        __m512i rank =
            _mm512_permutexvar_epi8(_mm512_loadu_si512(lists[f]), _mm512_loadu_si512(l->ranks[f]));
        l->fresh[f] = places & _mm512_cmpneq_epi8_mask(rank, _mm512_permutexvar_epi8(before, rank));
    }
}

static inline bool few_is_constant(void *context, uint32_t feature)
{
    const struct few_lists *l = context;
    return l->fresh[feature] == 0;
}

/* The names that go left where this one is the last to. */
static inline uint64_t few_left(const struct few_lists *l, uint32_t feature, uint8_t last)
{
    const uint8_t *ranks = l->ranks[feature];
    return _mm512_cmple_epu8_mask(_mm512_loadu_si512(ranks), _mm512_set1_epi8((char)ranks[last]));
}

/* Part all lists of n names: the left side's go one level up. */
static inline void few_part(const struct few_lists *l, uint32_t level, uint32_t n, uint64_t left)
{
    uint8_t(*from)[FEW_ROWS] = few_lists(l, level), (*up)[FEW_ROWS] = few_lists(l, level + 1);
    __m512i sides = _mm512_movm_epi8(left);
    uint64_t valid = low_bits64(n);
    for (uint32_t f = 0; f < l->features; f++) {
        __m512i v = _mm512_loadu_si512(from[f]);
        uint64_t bits = _mm512_movepi8_mask(_mm512_permutexvar_epi8(v, sides));
        _mm512_storeu_si512(up[f], _mm512_maskz_compress_epi8(bits & valid, v));
        _mm512_storeu_si512(from[f], _mm512_maskz_compress_epi8(~bits & valid, v));
    }
}

/*
 * The lists of a node of up to 16 rows: `member` are its names in the order of their new names,
 * `renamed` the new ones by name.
 */
static inline void few_hand_over(const struct few_lists *l, uint32_t level, __m512i member,
                                 __m512i renamed, uint8_t (*lists)[SMALL_ROWS],
                                 uint8_t (*ranks)[SMALL_ROWS])
{
    uint8_t(*from)[FEW_ROWS] = few_lists(l, level);
    for (uint32_t f = 0; f < l->features; f++) {
        __m512i list = _mm512_permutexvar_epi8(_mm512_loadu_si512(from[f]), renamed);
        __m512i rank = _mm512_permutexvar_epi8(member, _mm512_loadu_si512(l->ranks[f]));
        _mm_storeu_si128((__m128i *)(void *)lists[f], _mm512_castsi512_si128(list));
        _mm_storeu_si128((__m128i *)(void *)ranks[f], _mm512_castsi512_si128(rank));
    }
}

#endif
#endif
