/* SPDX-License-Identifier: MIT */
/*
 * predict_avx512.c -- the loops of predict_plain.c, eight or sixteen rows at a time. What is kept
 * is moved together by compressing; a store goes up to the end of the vector it came from or less,
 * so that it never runs over rows not yet read.
 */
#include "predict.h"

#include <stdbool.h>
#include <string.h>

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>

#define FETCHED_AHEAD 48u /* rows whose nodes are on their way */

#define AVX512 __attribute__((target("avx512f,avx512vl,avx512dq,popcnt")))

/* The lowest n of sixteen lanes. */
static inline __mmask16 lanes(uint32_t n)
{
    return (__mmask16)(n >= 16 ? 0xffffu : (1u << n) - 1);
}

/* Sixteen values of a column, one by one: here a gather is slower, on some processors several times. */
AVX512 static inline __m512 look_up(const float *values, const uint32_t *at)
{
    __m128 v[4];

#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        v[i] = _mm_load_ss(values + at[4 * i]);
        v[i] = _mm_insert_ps(v[i], _mm_load_ss(values + at[4 * i + 1]), 0x10);
        v[i] = _mm_insert_ps(v[i], _mm_load_ss(values + at[4 * i + 2]), 0x20);
        v[i] = _mm_insert_ps(v[i], _mm_load_ss(values + at[4 * i + 3]), 0x30);
    }
    return _mm512_insertf32x8(_mm512_castps256_ps512(_mm256_set_m128(v[1], v[0])),
                              _mm256_set_m128(v[3], v[2]), 1);
}

/*
 * For gathers of all lanes into cleared registers. A gather merges into its target, so it waits for
 * whatever was last in that register; the compiler takes any, for all lanes are replaced. The
 * empty asm keeps it from knowing.
 */
AVX512 static inline __mmask16 all_lanes(void)
{
    __mmask16 all = 0xffff;
    __asm__("" : "+Yk"(all));
    return all;
}

/* The largest floats that are not above the numbers: the same floats are <= to both. */
AVX512 static inline __m256 round_down(__m512d number)
{
    return _mm512_cvt_roundpd_ps(number, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
}

AVX512 static uint32_t split(const float *column, float threshold, uint32_t *row, uint32_t n,
                             uint32_t *spare)
{
    __m512 t = _mm512_set1_ps(threshold);
    uint32_t left = 0, right = 0;

    for (uint32_t k = 0; k < n; k += 16) {
        __mmask16 used = lanes(n - k);
        __m512i r = _mm512_maskz_loadu_epi32(used, row + k);
        uint32_t at[16];
        _mm512_storeu_si512(at, r);
        __m512 value = look_up(column, at);
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

/* A list of those on their way. */
struct list {
    uint32_t n;
    uint32_t row[WALK_ROWS + WALK_STEP], at[WALK_ROWS + FETCHED_AHEAD + WALK_STEP];
};

/* Those who have arrived. */
struct arrivals {
    uint32_t n;
    uint32_t row[2 * WALK_ROWS + WALK_STEP];
    double number[2 * WALK_ROWS + WALK_STEP];
};

/* Four nodes. Gathers are slower: on some processors several times. */
AVX512 static inline __m512i four_nodes(const struct node *tree, const uint32_t *at)
{
    __m512i nodes = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)(tree + at[0])));

    nodes = _mm512_inserti32x4(nodes, _mm_loadu_si128((const __m128i *)(tree + at[1])), 1);
    nodes = _mm512_inserti32x4(nodes, _mm_loadu_si128((const __m128i *)(tree + at[2])), 2);
    return _mm512_inserti32x4(nodes, _mm_loadu_si128((const __m128i *)(tree + at[3])), 3);
}

/*
 * Sixteen rows take a step each; those behind the end of the list stand at node 0 and are not kept.
 * The lists that are written are none of those that are read: a load that overlaps a store before
 * it, even if only with what that leaves alone, would have to wait.
 */
AVX512 static inline void step(const struct node *tree, const float *rows, __m512i width,
                               const struct list *from, uint32_t k, struct list *to,
                               struct arrivals *arrivals)
{
    const __m512i even =
        _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i evens = _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14);
    const __m512i odds = _mm512_setr_epi64(1, 3, 5, 7, 9, 11, 13, 15);
    const __m512i one = _mm512_set1_epi32(1), odd = _mm512_add_epi32(even, one);
    __mmask16 used = lanes(from->n - k);
    __m512i here = _mm512_loadu_si512(from->at + k);
    __m512i r = _mm512_maskz_loadu_epi32(used, from->row + k);
    const uint32_t *at = from->at + k;
    __m512i nodes0 = four_nodes(tree, at), nodes1 = four_nodes(tree, at + 4);
    __m512i nodes2 = four_nodes(tree, at + 8), nodes3 = four_nodes(tree, at + 12);
    __m512d number0 = _mm512_castsi512_pd(_mm512_permutex2var_epi64(nodes0, evens, nodes1));
    __m512d number1 = _mm512_castsi512_pd(_mm512_permutex2var_epi64(nodes2, evens, nodes3));
    __m512i link0 = _mm512_permutex2var_epi64(nodes0, odds, nodes1);
    __m512i link1 = _mm512_permutex2var_epi64(nodes2, odds, nodes3);
    __m512i right = _mm512_permutex2var_epi32(link0, even, link1);
    __m512i feature = _mm512_permutex2var_epi32(link0, odd, link1);
    __m512i cell = _mm512_add_epi32(_mm512_mullo_epi32(r, width), feature);
    __m512 value = _mm512_mask_i32gather_ps(_mm512_setzero_ps(), all_lanes(), cell, rows, 4);
    __m512 limit =
        _mm512_insertf32x8(_mm512_castps256_ps512(round_down(number0)), round_down(number1), 1);
    __mmask16 to_left = _mm512_cmp_ps_mask(value, limit, _CMP_LE_OQ);
    __m512i next = _mm512_mask_add_epi32(right, to_left, here, one);
    __mmask16 inner = _mm512_mask_test_epi32_mask(used, right, right);
    uint32_t leaf = used & ~(uint32_t)inner, leaf0 = leaf & 0xff;
    _mm512_storeu_si512(to->row + to->n, _mm512_maskz_compress_epi32(inner, r));
    _mm512_storeu_si512(to->at + to->n, _mm512_maskz_compress_epi32(inner, next));
    to->n += (uint32_t)__builtin_popcount(inner);
    if (!leaf)
        return;
    _mm512_storeu_si512(arrivals->row + arrivals->n,
                        _mm512_maskz_compress_epi32((__mmask16)leaf, r));
    _mm512_storeu_pd(arrivals->number + arrivals->n,
                     _mm512_maskz_compress_pd((__mmask8)leaf0, number0));
    _mm512_storeu_pd(arrivals->number + arrivals->n + __builtin_popcount(leaf0),
                     _mm512_maskz_compress_pd((__mmask8)(leaf >> 8), number1));
    arrivals->n += (uint32_t)__builtin_popcount(leaf);
}

/* Whoever arrives makes room for another: so there are always many, up to the last. */
AVX512 static void walk(const struct node *tree, const float *rows, uint64_t features,
                        const uint32_t *row, const uint32_t *at, uint32_t n, struct ahead *ahead,
                        double *sums)
{
    const __m512i width = _mm512_set1_epi32((int)features);
    uint32_t started = 0;
    struct list lists[2], *from = &lists[0], *to = &lists[1];
    struct arrivals arrivals;

    from->n = arrivals.n = 0;
    while (from->n || started < n) {
        uint32_t more = n - started < WALK_ROWS - from->n ? n - started : WALK_ROWS - from->n;
        memcpy(from->row + from->n, row + started, more * sizeof *row);
        memcpy(from->at + from->n, at + started, more * sizeof *at);
        from->n += more;
        memset(from->at + from->n, 0, (FETCHED_AHEAD + WALK_STEP) * sizeof *at);
        started += more;
        to->n = 0;
        for (uint32_t k = 0; k < from->n; k += WALK_STEP) {
            ahead_fetch(ahead);
#pragma GCC unroll 16
            for (uint32_t i = 0; i < WALK_STEP; i++)
                __builtin_prefetch(tree + from->at[k + FETCHED_AHEAD + i]);
            step(tree, rows, width, from, k, to, &arrivals);
        }
        struct list *empty = from;
        from = to;
        to = empty;
        if (arrivals.n < WALK_ROWS && from->n)
            continue;
        for (uint32_t i = 0; i < arrivals.n; i++)
            sums[arrivals.row[i]] += arrivals.number[i];
        arrivals.n = 0;
    }
}

static const struct predict_kernels kernels = { split, walk };

const struct predict_kernels *predict_avx512(void)
{
    bool can = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("popcnt");

    return can ? &kernels : NULL;
}

#else

const struct predict_kernels *predict_avx512(void)
{
    return NULL;
}

#endif
