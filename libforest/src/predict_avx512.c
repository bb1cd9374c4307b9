/* SPDX-License-Identifier: MIT */
/*
 * predict_avx512.c -- the loops of predict_plain.c, eight or sixteen rows at a time. What is kept
 * is moved together by compressing; a store goes up to the end of the vector it came from or less,
 * so that it never runs over rows not yet read.
 */
#include "predict.h"

#include <stdbool.h>
#include <stddef.h>

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>

#define AVX512 __attribute__((target("avx512f,avx512vl,avx512dq,popcnt")))

/* The lowest n of sixteen lanes. */
static inline __mmask16 lanes(uint32_t n)
{
    return (__mmask16)(n >= 16 ? 0xffffu : (1u << n) - 1);
}

/*
 * Gathers of all lanes into cleared registers. A gather merges into its target, so it waits for
 * whatever was last in that register; the compiler takes any, for all lanes are replaced. The
 * empty asm keeps it from knowing.
 */
AVX512 static inline __mmask16 all_lanes(void)
{
    __mmask16 all = 0xffff;
    __asm__("" : "+Yk"(all));
    return all;
}

AVX512 static inline __m512d gather_doubles(__m256i at, const void *from)
{
    return _mm512_mask_i32gather_pd(_mm512_setzero_pd(), (__mmask8)all_lanes(), at, from, 8);
}

AVX512 static inline __m512i gather_longs(__m256i at, const void *from)
{
    return _mm512_mask_i32gather_epi64(_mm512_setzero_si512(), (__mmask8)all_lanes(), at, from, 8);
}

AVX512 static inline __m256 gather_floats(__m256i at, const float *from)
{
    return _mm256_mmask_i32gather_ps(_mm256_setzero_ps(), (__mmask8)all_lanes(), at, from, 4);
}

AVX512 static uint32_t split(const float *column, float threshold, uint32_t *row, uint32_t n,
                             uint32_t *spare)
{
    __m512 t = _mm512_set1_ps(threshold);
    uint32_t left = 0, right = 0;

    for (uint32_t k = 0; k < n; k += 16) {
        __mmask16 used = lanes(n - k);
        __m512i r = _mm512_maskz_loadu_epi32(used, row + k);
        __m512 value = _mm512_mask_i32gather_ps(_mm512_setzero_ps(), all_lanes(), r, column, 4);
        __mmask16 to_left = _mm512_mask_cmp_ps_mask(used, value, t, _CMP_LE_OQ);
        __mmask16 to_right = (__mmask16)(used & ~to_left);
        uint32_t count = (uint32_t)__builtin_popcount(to_left);
        _mm512_storeu_si512(spare + right, _mm512_maskz_compress_epi32(to_right, r));
        right += (uint32_t)__builtin_popcount(to_right);
        _mm512_mask_storeu_epi32(row + left, lanes(count), _mm512_maskz_compress_epi32(to_left, r));
        left += count;
    }
    for (uint32_t k = 0; k < right; k += 16)
        _mm512_mask_storeu_epi32(row + left + k, lanes(right - k), _mm512_loadu_si512(spare + k));
    return left;
}

AVX512 static void walk(const struct node *tree, const float *rows, uint64_t features,
                        uint32_t *row, uint32_t *at, uint32_t n, double *sums)
{
    const __m256i width = _mm256_set1_epi32((int)features), one = _mm256_set1_epi32(1);
    const char *links = (const char *)tree + offsetof(struct node, right);
    uint32_t arrived[WALK_BLOCK + 8], arrivals = 0, left = n;
    double number[WALK_BLOCK + 8];

    while (left) {
        uint32_t kept = 0;
        for (uint32_t k = 0; k < left; k += 8) {
            __mmask8 used = (__mmask8)(lanes(left - k) & 0xff);
            __m256i here = _mm256_maskz_loadu_epi32(used, at + k);
            __m256i r = _mm256_maskz_loadu_epi32(used, row + k);
            __m256i index = _mm256_slli_epi32(here, 1); /* a node is two units of eight bytes */
            __m512d limit = gather_doubles(index, tree);
            __m512i link = gather_longs(index, links);
            __m256i right = _mm512_cvtepi64_epi32(link);
            __m256i feature = _mm512_cvtepi64_epi32(_mm512_srli_epi64(link, 32));
            __m256i cell = _mm256_add_epi32(_mm256_mullo_epi32(r, width), feature);
            __m512d value = _mm512_cvtps_pd(gather_floats(cell, rows));
            __mmask8 to_left = _mm512_cmp_pd_mask(value, limit, _CMP_LE_OQ);
            __m256i next = _mm256_mask_add_epi32(right, to_left, here, one);
            __mmask8 inner = _mm256_mask_test_epi32_mask(used, right, right);
            __mmask8 leaf = (__mmask8)(used & ~inner);
            uint32_t count = (uint32_t)__builtin_popcount(inner);
            __mmask8 stay = (__mmask8)(lanes(count) & 0xff);
            _mm256_mask_storeu_epi32(row + kept, stay, _mm256_maskz_compress_epi32(inner, r));
            _mm256_mask_storeu_epi32(at + kept, stay, _mm256_maskz_compress_epi32(inner, next));
            kept += count;
            _mm256_storeu_epi32(arrived + arrivals, _mm256_maskz_compress_epi32(leaf, r));
            _mm512_storeu_pd(number + arrivals, _mm512_maskz_compress_pd(leaf, limit));
            arrivals += (uint32_t)__builtin_popcount(leaf);
        }
        left = kept;
    }
    for (uint32_t i = 0; i < n; i++)
        sums[arrived[i]] += number[i];
}

static const struct predict_kernels kernels = { split, walk };

const struct predict_kernels *predict_avx512(void)
{
    bool can = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
               __builtin_cpu_supports("avx512dq");

    return can ? &kernels : NULL;
}

#else

const struct predict_kernels *predict_avx512(void)
{
    return NULL;
}

#endif
