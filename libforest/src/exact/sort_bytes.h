/* SPDX-License-Identifier: MIT */
/*
 * sort_bytes.h -- the rules' sort of up to 16 samples, whose names are bytes of one register.
 *
 * P1 to P3 are those of sort_avx512.c. Include after avx512.h or avx2.h, which have pack_bytes() and
 * its like.
 */
#ifndef SORT_BYTES_H
#define SORT_BYTES_H

#ifdef HAVE_AVX2
#include "sort_few.h"
#include "ties.h"

#define SORT_BYTES 16u

static inline __m128i byte_numbers16(void)
{
    return _mm_set_epi8(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
}

/* Bytes count-1..0 of v; what follows is of no meaning. */
static inline __m128i reverse_few(__m128i v, unsigned count)
{
    __m128i from = _mm_sub_epi8(_mm_set1_epi8((char)(count - 1)), byte_numbers16());
    return _mm_shuffle_epi8(v, from);
}

/* Bytes from..15 of v, then some zeros. */
static inline __m128i bytes_from(__m128i v, uint32_t from)
{
    return _mm_shuffle_epi8(v, _mm_add_epi8(byte_numbers16(), _mm_set1_epi8((char)from)));
}

/* P1 and P2. */
static __m128i part_few(__m128i v, uint32_t greater, uint32_t n, uint32_t left)
{
    uint32_t valid = low_bits(n), front = low_bits(left), not_greater = valid & ~greater;
    uint32_t from_front = greater & low_bits(left + 1), from_back = not_greater & ~front;
    uint32_t take = valid & ~front & (not_greater >> 1 | 1u << (n - 1));
    __m128i g = reverse_few(pack_bytes(v, from_front), count_bits(from_front));
    __m128i l = reverse_few(pack_bytes(v, from_back), count_bits(from_back));
    __m128i back = spread_bytes(_mm_bsrli_si128(v, 1), take, g);
    v = spread_bytes(v, greater & front, l);
    return pick_bytes(valid & ~front, back, v);
}

/* For each place of a sorted range, the first one of its run. */
static inline __m128i run_starts(uint32_t ties)
{
    __m128i v = pick_bytes(ties, _mm_setzero_si128(), byte_numbers16());
    v = _mm_max_epu8(v, _mm_bslli_si128(v, 1));
    v = _mm_max_epu8(v, _mm_bslli_si128(v, 2));
    v = _mm_max_epu8(v, _mm_bslli_si128(v, 4));
    return _mm_max_epu8(v, _mm_bslli_si128(v, 8));
}

/* The rank, in all bytes, of the median of the first, middle and last. */
static inline __m128i pivot_rank(__m128i rank, uint32_t n)
{
    __m128i a = _mm_broadcastb_epi8(rank);
    __m128i b = _mm_shuffle_epi8(rank, _mm_set1_epi8((char)(n / 2)));
    __m128i c = _mm_shuffle_epi8(rank, _mm_set1_epi8((char)(n - 1)));
    return _mm_max_epu8(_mm_min_epu8(a, b), _mm_min_epu8(_mm_max_epu8(a, b), c));
}

static __attribute__((noinline)) __m128i heap_sort_few(__m128i v, __m128i by_name, uint32_t n)
{
    uint8_t a[SORT_BYTES], ranks[SORT_BYTES];
    _mm_storeu_si128((__m128i *)(void *)ranks, by_name);
    _mm_storeu_si128((__m128i *)(void *)a, v);
    heap_sort_bytes(ranks, a, n);
    return _mm_loadu_si128((const __m128i *)(const void *)a);
}

/* Bytes 0..count-1 of `run` to `place` of `sorted`. */
static inline __m128i put(__m128i sorted, __m128i run, uint32_t place, uint32_t count)
{
    return spread_bytes(sorted, low_bits(count) << place, run);
}

/*
 * P3 of sort_avx512.c for up to 16 equal ones, whose places in a front of `left` are given as bits:
 * who is at each place of the queue, in bytes.
 */
static inline __m128i small_queue(uint64_t equal, uint32_t left)
{
    static const uint16_t inverse[17] = { 0,     65535, 32768, 21846, 16384, 13108,
                                          10923, 9363,  8192,  7282,  6554,  5958,
                                          5462,  5042,  4682,  4370,  4096 };
    uint64_t queue = 0; /* a nibble per member */
    for (uint32_t size = 1; equal; size++) {
        uint32_t at = (uint32_t)_tzcnt_u64(equal);
        equal &= equal - 1;
        uint32_t next = equal ? (uint32_t)_tzcnt_u64(equal) : left, passed = next - at - 1;
        passed = size == 1 ? 0 : passed - (passed * inverse[size] >> 16) * size; /* modulo size */
        queue |= (uint64_t)(size - 1) << 4 * (size - 1);
        queue = _bzhi_u64(queue >> 4 * passed | queue << 4 * (size - passed - 1) << 4, 4 * size);
    }
    __m128i v = _mm_cvtsi64_si128((long long)queue), nibble = _mm_set1_epi8(15);
    return _mm_unpacklo_epi8(_mm_and_si128(v, nibble), _mm_and_si128(_mm_srli_epi64(v, 4), nibble));
}

/* Up to SORT_FEW bytes of v in their order. */
static inline __m128i sort_few_bytes(const struct few_sorts *few, __m128i rank, __m128i v,
                                     uint32_t n)
{
    const __m128i weights = _mm_setr_epi8(1, 5, 25, 125, 125, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    const __m128i more = _mm_setr_epi16(1, 1, 5, 0, 0, 0, 0, 0), nibble = _mm_set1_epi8(15);
    __m128i in = _mm_cmpgt_epi8(_mm_set1_epi8((char)n), byte_numbers16());
    __m128i less = _mm_setzero_si128(); /* minus one for each that is less */
    rank = _mm_blendv_epi8(_mm_set1_epi8(0x7f), rank, in);
    for (int i = 0; i < (int)SORT_FEW; i++)
        less = _mm_add_epi8(less,
                            _mm_cmpgt_epi8(rank, _mm_shuffle_epi8(rank, _mm_set1_epi8((char)i))));
    __m128i digits = _mm_and_si128(in, _mm_sub_epi8(_mm_setzero_si128(), less));
    __m128i sums = _mm_madd_epi16(_mm_maddubs_epi16(digits, weights), more);
    uint64_t both = (uint64_t)_mm_cvtsi128_si64(sums);
    uint32_t order = few_sort_of(few, (uint32_t)both + (uint32_t)(both >> 32), n);
    __m128i at = _mm_cvtsi32_si128((int)order);
    at = _mm_unpacklo_epi8(_mm_and_si128(at, nibble), _mm_and_si128(_mm_srli_epi32(at, 4), nibble));
    return _mm_shuffle_epi8(v, at);
}

struct sort_bytes {
    __m128i rank;                /* by name */
    uint32_t ties;               /* by place */
    const struct few_sorts *few; /* or NULL */
};

/*
 * Sort bytes 0..n-1 of v, which belong to the places from `off` on, as far as ties are there. Runs
 * of ties go to their places in `sorted`, which is returned.
 */
static __m128i sort_bytes(const struct sort_bytes *s, __m128i sorted, __m128i v, uint32_t off,
                          uint32_t n, int depth)
{
    while (s->ties >> off & low_bits(n) & ~1u) {
        __m128i rank = _mm_shuffle_epi8(s->rank, v);
        if (n <= SORT_FEW && depth >= SORT_FEW_DIVISIONS && s->few)
            return put(sorted, sort_few_bytes(s->few, rank, v, n), off, n);
        if (depth-- <= 0)
            return put(sorted, heap_sort_few(v, s->rank, n), off, n);
        if ((~s->ties >> off & low_bits(n) & ~1u) == 0) /* all equal: they stay as they are */
            return put(sorted, v, off, n);
        __m128i pivot = pivot_rank(rank, n);
        uint32_t greater = bytes_greater(rank, pivot) & low_bits(n), left = n - count_bits(greater);
        if (greater) {
            v = part_few(v, greater, n, left);
            rank = _mm_shuffle_epi8(s->rank, v);
        }
        uint32_t less = bytes_greater(pivot, rank) & low_bits(left), lesser = count_bits(less);
        uint32_t equal = low_bits(left) & ~less;
        if (left - lesser > 1) {
            __m128i run = pack_bytes(v, equal);
            if (less)
                run = _mm_shuffle_epi8(run, small_queue(equal, left));
            sorted = put(sorted, run, off + lesser, left - lesser);
        }
        if (s->ties >> off & low_bits(lesser) & ~1u)
            sorted = sort_bytes(s, sorted, pack_bytes(v, less), off, lesser, depth);
        v = bytes_from(v, left);
        off += left;
        n -= left;
    }
    return sorted;
}

#endif
#endif
