/* SPDX-License-Identifier: MIT */
/*
 * sort_keys_avx512.c -- quicksort that parts eight keys at a time, down to what a sorting network
 * of up to four registers can do (K. E. Batcher, "Sorting networks and their applications", 1968).
 */
#include "exact/kernels.h"
#include "sort_keys.h"

#ifdef HAVE_AVX512
#pragma GCC push_options
#pragma GCC target("avx512f,avx512vl,avx512dq,avx512bw,bmi2,popcnt")
#include <immintrin.h>
#include <string.h>

#define NETWORK_MOST 32
#define MOST \
    1024 /* beyond, radix sort is faster, and a bad choice of pivots would cost too much \
                   */

/* ---- the network --------------------------------------------------------------------- */

/* Compare each lane with another; those in `greater` keep the greater key. */
static inline __m512i exchange(__m512i v, __m512i other, __mmask8 greater)
{
    return _mm512_mask_max_epu64(_mm512_min_epu64(v, other), greater, v, other);
}

static inline __m512i by1(__m512i v)
{
    return _mm512_shuffle_epi32(v, _MM_PERM_BADC);
}

static inline __m512i by2(__m512i v)
{
    return _mm512_permutex_epi64(v, 0x4e);
}

static inline __m512i by4(__m512i v)
{
    return _mm512_shuffle_i64x2(v, v, 0x4e);
}

static inline __m512i reverse(__m512i v)
{
    return _mm512_permutexvar_epi64(_mm512_set_epi64(0, 1, 2, 3, 4, 5, 6, 7), v);
}

/* Sort a register whose keys rise and then fall, or the other way round. */
static inline __m512i sort_bitonic(__m512i v)
{
    v = exchange(v, by4(v), 0xf0);
    v = exchange(v, by2(v), 0xcc);
    return exchange(v, by1(v), 0xaa);
}

static inline __m512i sort8(__m512i v)
{
    v = exchange(v, by1(v), 0x66);
    v = exchange(v, by2(v), 0x3c);
    v = exchange(v, by1(v), 0x5a);
    return sort_bitonic(v);
}

/* Two sorted registers into sixteen sorted keys. */
static inline void merge8(__m512i *a, __m512i *b)
{
    __m512i turned = reverse(*b), low = _mm512_min_epu64(*a, turned);
    __m512i high = _mm512_max_epu64(*a, turned);

    *a = sort_bitonic(low);
    *b = sort_bitonic(high);
}

/* Sixteen keys that rise and then fall. */
static inline void sort_bitonic16(__m512i *a, __m512i *b)
{
    __m512i low = _mm512_min_epu64(*a, *b), high = _mm512_max_epu64(*a, *b);

    *a = sort_bitonic(low);
    *b = sort_bitonic(high);
}

static inline void merge16(__m512i v[4])
{
    __m512i x = reverse(v[3]), y = reverse(v[2]);

    v[2] = _mm512_max_epu64(v[0], x);
    v[3] = _mm512_max_epu64(v[1], y);
    v[0] = _mm512_min_epu64(v[0], x);
    v[1] = _mm512_min_epu64(v[1], y);
    sort_bitonic16(&v[0], &v[1]);
    sort_bitonic16(&v[2], &v[3]);
}

static inline __mmask8 first(uint32_t n)
{
    return (__mmask8)(n >= 8 ? 0xff : (1u << n) - 1);
}

static inline __m512i load(const uint64_t *a, uint32_t from, uint32_t n)
{
    uint32_t left = from < n ? n - from : 0;

    return _mm512_mask_loadu_epi64(_mm512_set1_epi64(-1), first(left), a + (left ? from : 0));
}

static inline void store(uint64_t *a, uint32_t from, uint32_t n, __m512i v)
{
    if (from < n)
        _mm512_mask_storeu_epi64(a + from, first(n - from), v);
}

static void sort_network(uint64_t *a, uint32_t n)
{
    __m512i v[4];

    v[0] = sort8(load(a, 0, n));
    if (n > 8) {
        v[1] = sort8(load(a, 8, n));
        merge8(&v[0], &v[1]);
        if (n > 16) {
            v[2] = sort8(load(a, 16, n));
            v[3] = sort8(load(a, 24, n));
            merge8(&v[2], &v[3]);
            merge16(v);
            store(a, 16, n, v[2]);
            store(a, 24, n, v[3]);
        }
        store(a, 8, n, v[1]);
    }
    store(a, 0, n, v[0]);
}

/* ---- quicksort ----------------------------------------------------------------------- */

static uint64_t median3(uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t min = a < b ? a : b, max = a < b ? b : a;

    return max < c ? max : c > min ? c : min;
}

/* The keys below `bound` to the front, whose number is returned; the others stay in order. */
static uint32_t part(uint64_t *a, uint64_t *b, uint32_t n, uint64_t bound)
{
    __m512i limit = _mm512_set1_epi64((long long)bound);
    uint32_t low = 0, high = 0;

    for (uint32_t i = 0; i < n; i += 8) {
        __mmask8 used = first(n - i);
        __m512i v = _mm512_maskz_loadu_epi64(used, a + i);
        __mmask8 less = _mm512_mask_cmplt_epu64_mask(used, v, limit);
        __mmask8 rest = (__mmask8)(used & ~less);
        uint32_t count = (uint32_t)__builtin_popcount(less);
        _mm512_mask_storeu_epi64(a + low, first(count), _mm512_maskz_compress_epi64(less, v));
        _mm512_storeu_si512(b + high, _mm512_maskz_compress_epi64(rest, v));
        low += count;
        high += (uint32_t)__builtin_popcount(used) - count;
    }
    memcpy(a + low, b, high * sizeof *a);
    return low;
}

/* It ends: if no key is below the pivot, those that equal it are done. */
static void sort(uint64_t *a, uint64_t *b, uint32_t n)
{
    while (n > NETWORK_MOST) {
        uint64_t pivot = median3(a[0], a[n / 2], a[n - 1]);
        uint32_t low = part(a, b, n, pivot);
        if (low > 0)
            sort(a, b, low);
        else
            low = pivot < UINT64_MAX ? part(a, b, n, pivot + 1) : n;
        a += low;
        n -= low;
    }
    if (n > 1)
        sort_network(a, n);
}

static const struct key_sort kernels = { sort, MOST };

const struct key_sort *key_sort_avx512(void)
{
    return &kernels;
}

#pragma GCC pop_options
#else

const struct key_sort *key_sort_avx512(void)
{
    return NULL;
}

#endif
