/* SPDX-License-Identifier: MIT */
/* chunk_avx512.c -- cuts of fast classifiers rated eight at a time, see list_loops.h. */
#include "base/avx512.h"

#ifdef HAVE_AVX512
#include "list_loops.h"

#define INLINE static inline __attribute__((always_inline))

/* Is a cut worth no less? left, right: sums of squares. */
INLINE uint64_t rate(__m512i weight_left, __m512i left, __m512i right, __m512d all, __m512d enough)
{
    __m512d wl = _mm512_cvtepi64_pd(weight_left), wr = _mm512_sub_pd(all, wl);
    __m512d l = _mm512_mul_pd(_mm512_cvtepi64_pd(left), wr);
    __m512d r = _mm512_mul_pd(_mm512_cvtepi64_pd(right), wl);
    __m512d least = _mm512_mul_pd(enough, _mm512_mul_pd(wl, wr));

    return _mm512_cmp_pd_mask(_mm512_add_pd(l, r), least, _CMP_GE_OQ);
}

uint64_t chunk_rate_avx512(const struct chunk *c, uint32_t n, double weight, double enough)
{
    __m512d all = _mm512_set1_pd(weight), least = _mm512_set1_pd(enough);
    uint64_t good = 0;

    for (uint32_t i = 0; i < n; i += 8)
        good |= rate(_mm512_loadu_si512(c->weight + i), _mm512_loadu_si512(c->left + i),
                     _mm512_loadu_si512(c->right + i), all, least)
                << i;
    return good;
}

/* ---- weights by class in one word -------------------------------------------------------- */

INLINE __m512i load_tags(const struct sorted *rows, uint32_t at)
{
    if (rows->keys)
        return _mm512_and_si512(_mm512_loadu_si512(rows->keys + at), _mm512_set1_epi64(UINT32_MAX));
    __m256i e = _mm256_loadu_si256((const __m256i *)(const void *)(rows->list + at));
    __m256i slots = _mm256_and_si256(e, _mm256_set1_epi32((int)FAST_SLOTS));
    return _mm512_cvtepu32_epi64(
        _mm256_mmask_i32gather_epi32(_mm256_setzero_si256(), 0xff, slots, rows->tags, 4));
}

/* Both halves of each word together. */
INLINE __m512i add_halves(__m512i v)
{
    return _mm512_add_epi64(_mm512_and_si512(v, _mm512_set1_epi64(UINT32_MAX)),
                            _mm512_srli_epi64(v, 32));
}

INLINE __m512i squares_of(__m512i v, bool are_wide)
{
    __m512i high = _mm512_srli_epi64(v, 32);

    if (!are_wide)
        return add_halves(_mm512_madd_epi16(v, v));
    return _mm512_add_epi64(_mm512_mul_epu32(v, v), _mm512_mul_epu32(high, high));
}

INLINE __m512i sum_of(__m512i v, bool are_wide)
{
    return add_halves(are_wide ? v : _mm512_madd_epi16(v, _mm512_set1_epi16(1)));
}

/* Sums up to and with each lane. */
INLINE __m512i prefix_sums(__m512i x)
{
    __m512i zero = _mm512_setzero_si512();

    x = _mm512_add_epi64(x, _mm512_alignr_epi64(x, zero, 7));
    x = _mm512_add_epi64(x, _mm512_alignr_epi64(x, zero, 6));
    return _mm512_add_epi64(x, _mm512_alignr_epi64(x, zero, 4));
}

INLINE uint64_t pass(const struct sorted *rows, uint32_t from, uint32_t n, struct packed *packed,
                     __m512d all, __m512d enough, struct chunk *c, bool are_wide)
{
    __m512i before = _mm512_set1_epi64((int64_t)packed->left);
    __m512i total = _mm512_set1_epi64((int64_t)packed->total), last = _mm512_set1_epi64(7);
    __m512i classes = _mm512_set1_epi64(((int64_t)1 << rows->class_bits) - 1), left = before;
    __m128i class_bits = _mm_cvtsi32_si128((int)rows->class_bits);
    uint64_t good = 0;

    for (uint32_t i = 0; i < n; i += 8) {
        __m512i tags = load_tags(rows, from + i);
        __m512i place = _mm512_slli_epi64(_mm512_and_si512(tags, classes), are_wide ? 5 : 4);
        __m512i weights = _mm512_sllv_epi64(_mm512_srl_epi64(tags, class_bits), place);
        left = _mm512_add_epi64(prefix_sums(weights), before);
        before = _mm512_permutexvar_epi64(last, left);
        __m512i weight = sum_of(left, are_wide), l = squares_of(left, are_wide);
        __m512i r = squares_of(_mm512_sub_epi64(total, left), are_wide);
        _mm512_storeu_si512(c->weight + i, weight);
        _mm512_storeu_si512(c->left + i, l);
        _mm512_storeu_si512(c->right + i, r);
        good |= rate(weight, l, r, all, enough) << i;
    }
    left = _mm512_permutexvar_epi64(_mm512_set1_epi64((n - 1) % 8), left);
    packed->left = (uint64_t)_mm_cvtsi128_si64(_mm512_castsi512_si128(left));
    return good;
}

uint64_t chunk_pass_avx512(const struct sorted *rows, uint32_t from, uint32_t n,
                           struct packed *packed, double weight, double enough, struct chunk *c)
{
    __m512d all = _mm512_set1_pd(weight), least = _mm512_set1_pd(enough);

    if (packed->bits == 32)
        return pass(rows, from, n, packed, all, least, c, true);
    return pass(rows, from, n, packed, all, least, c, false);
}

#pragma GCC pop_options
#endif
