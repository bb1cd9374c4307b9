/* SPDX-License-Identifier: MIT */
/* fast_rough_avx2.c -- the rates of all cuts of a node, 8 at a time; see fast_rough.h. */
#include "base/avx2.h"

#ifdef HAVE_AVX2
#include <math.h>
#include <string.h>

#include "fast_rough_body.h"
#include "fast_sides.h"

static inline __m256i sums_of(__m256i rough)
{
    return _mm256_srai_epi32(rough, ROUGH_WEIGHT_BITS);
}

static inline __m256i weights_of(__m256i rough)
{
    return _mm256_and_si256(rough, _mm256_set1_epi32((1 << ROUGH_WEIGHT_BITS) - 1));
}

static inline __m256i all_last(__m256i v)
{
    return _mm256_permutevar8x32_epi32(v, _mm256_set1_epi32(7));
}

/* Sums up to and with each lane, of sums and weights at once. */
static inline __m256i prefix_sums(__m256i x)
{
    x = _mm256_add_epi32(x, _mm256_slli_si256(x, 4));
    x = _mm256_add_epi32(x, _mm256_slli_si256(x, 8));
    __m256i low = _mm256_permute2x128_si256(x, x, 0x08); /* to the upper half; below: 0 */
    return _mm256_add_epi32(x, _mm256_shuffle_epi32(low, 0xff));
}

static int32_t sum_up(const int32_t *rough, uint32_t n)
{
    __m256i sum = _mm256_setzero_si256();
    for (uint32_t i = 0; i < n; i += WORDS) {
        __m256i sums = sums_of(load_words((const uint32_t *)rough + i));
        sum = _mm256_add_epi32(
            sum, n - i < WORDS ? _mm256_and_si256(sums, word_mask(low_bits(n - i))) : sums);
    }
    __m128i x = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
    x = _mm_add_epi32(x, _mm_shuffle_epi32(x, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(x, _mm_shuffle_epi32(x, 0xb1)));
}

static inline uint32_t not_less(__m256 a, __m256 b)
{
    return (uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_GE_OQ));
}

static inline float most_of(__m256 v)
{
    __m128 x = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    x = _mm_max_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_max_ss(x, _mm_shuffle_ps(x, x, 1)));
}

/* Of 8 cuts, the first of which leaves p rows on the left, some seem good: the best rate. */
static __attribute__((noinline)) float look_closely(struct rough *r, const uint32_t *list,
                                                    uint32_t p, uint32_t good, __m256 u,
                                                    __m256 bottom, __m256 wl)
{
    __m256i changed = _mm256_xor_si256(load_words(list + p), load_words(list + p - 1));
    __m256i is_tie = _mm256_cmpeq_epi32(_mm256_srli_epi32(changed, 16), _mm256_setzero_si256());
    __m256 least = _mm256_set1_ps(r->least);
    good &= ~mask_bits(is_tie);
    good &= not_less(wl, least);
    good &= not_less(_mm256_sub_ps(_mm256_set1_ps(r->weight), wl), least);
    if (!good)
        return ROUGH_NO_CUT;
    __m256 rates =
        _mm256_div_ps(_mm256_andnot_ps(_mm256_set1_ps(-0.0f), u), _mm256_sqrt_ps(bottom));
    float best = most_of(_mm256_and_ps(rates, _mm256_castsi256_ps(word_mask(good))));
    uint32_t at = good & not_less(rates, _mm256_set1_ps(best));
    uint32_t near = good & not_less(rates, _mm256_set1_ps(rough_enough(best)));
    note_best(r, best, near & (near - 1), p + (uint32_t)__builtin_ctz(at));
    return best;
}

/* The best rate of a feature, if that is enough. */
static float rate_feature(struct rough *r, const uint32_t *list, const int32_t *rough)
{
    uint32_t first = r->s->min_rows, last = r->s->n - first; /* rows on the left */
    __m256i sum = _mm256_setzero_si256(), weight = sum, mean = _mm256_set1_epi32(r->mean);
    __m256 rest = _mm256_set1_ps(r->rest), all = _mm256_set1_ps(r->weight);
    __m256 enough = _mm256_set1_ps(r->enough * fabsf(r->enough));
    float best = ROUGH_NO_CUT;
    for (uint32_t i = 0; i < last; i += WORDS) {
        __m256i up_to = prefix_sums(load_words((const uint32_t *)rough + i));
        __m256i sl = _mm256_add_epi32(sum, sums_of(up_to));
        __m256i weights = _mm256_add_epi32(weight, weights_of(up_to));
        __m256i end = all_last(up_to);
        sum = _mm256_add_epi32(sum, sums_of(end));
        weight = _mm256_add_epi32(weight, weights_of(end));
        __m256 wl = _mm256_cvtepi32_ps(weights), wr = _mm256_sub_ps(all, wl);
        __m256 u = _mm256_cvtepi32_ps(_mm256_sub_epi32(sl, _mm256_mullo_epi32(mean, weights)));
        u = _mm256_sub_ps(u, _mm256_mul_ps(rest, wl));
        __m256 bottom = _mm256_mul_ps(wl, wr);
        uint32_t good = not_less(_mm256_mul_ps(u, u), _mm256_mul_ps(enough, bottom));
        if (i + WORDS > last)
            good &= low_bits(last - i);
        if (i + 1 < first)
            good &= i + WORDS < first ? 0 : 0xffu << (first - i - 1);
        if (good) {
            float here = look_closely(r, list, i + 1, good, u, bottom, wl);
            best = here > best ? here : best;
            enough = _mm256_set1_ps(r->enough * fabsf(r->enough));
        }
    }
    return best;
}

struct rough_best fast_rate_avx2(const struct fast_block *b, const struct fast_search *s)
{
    return rate_node(b, s);
}

void fast_part_rough_avx2(uint32_t *list, int32_t *rough, uint32_t n, const uint8_t *side,
                          uint32_t *spare)
{
    uint32_t left = 0, right = 0, i = 0, *spare_rough = spare + ((n + 31) & ~15u);
    uint32_t *words = (uint32_t *)rough;
    for (; i + WORDS <= n; i += WORDS) {
        __m256i v = load_words(list + i), x = load_words(words + i);
        uint32_t is_left = fast_sides(list + i, side), is_right = is_left ^ 0xff;
        store_words(list + left, pack(v, is_left)); /* up to what has been read */
        store_words(words + left, pack(x, is_left));
        store_words(spare + right, pack(v, is_right));
        store_words(spare_rough + right, pack(x, is_right));
        left += count_bits(is_left);
        right += count_bits(is_right);
    }
    for (; i < n; i++) {
        uint32_t v = list[i], x = words[i], is_left = side[v & FAST_SLOTS];
        list[left] = v;
        words[left] = x;
        spare[right] = v;
        spare_rough[right] = x;
        left += is_left;
        right += !is_left;
    }
    memcpy(list + left, spare, right * sizeof *list);
    memcpy(words + left, spare_rough, right * sizeof *words);
}

#pragma GCC pop_options
#endif
