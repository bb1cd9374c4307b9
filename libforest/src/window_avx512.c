/* SPDX-License-Identifier: MIT */
/*
 * window_avx512.c -- the rules' sort of ranges that lie within 64 places of each other.
 *
 * The names of the samples are one register; the ranges are its segments, [first, end) in each
 * of their lanes. One step parts all segments, each around a pivot of its own, after P1 to P3 of
 * sort_avx512.c. It works for all at once because compressing takes lanes in their order, and
 * every segment gives as many as it takes: k leave the front, k come from the back, and so on, so
 * that what is spread out again falls into the segments it came from. "From the end" means in a
 * copy whose segments are reversed.
 *
 * Lanes outside of the ranges, and those that are done, are segments of one, which a step leaves alone.
 */
#include "window_avx512.h"

#ifdef HAVE_AVX512

#define ONE _mm512_set1_epi8(1)

static inline uint64_t low_bits64(uint32_t n)
{
    return _bzhi_u64(~UINT64_C(0), n);
}

static inline __m512i byte_numbers(void)
{
    static const uint8_t numbers[WINDOW] = {
        0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
        22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43,
        44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63,
    };
    return _mm512_loadu_si512(numbers);
}

void window_clear(struct window *w)
{
    w->lanes = 0;
    w->first = byte_numbers();
    w->end = _mm512_add_epi8(byte_numbers(), ONE);
    w->depth = _mm512_set1_epi8(127);
}

void window_add(struct window *w, uint32_t from, uint32_t to, int depth)
{
    if (w->lanes == 0)
        w->from = from;
    from -= w->from;
    to -= w->from;
    uint64_t lanes = low_bits64(to) & ~low_bits64(from);
    w->lanes |= lanes;
    w->first = _mm512_mask_set1_epi8(w->first, lanes, (char)from);
    w->end = _mm512_mask_set1_epi8(w->end, lanes, (char)to);
    w->depth = _mm512_mask_set1_epi8(w->depth, lanes, (char)depth);
}

/* What the ties say: where runs begin and end, in the lanes of their members, and which are long. */
struct runs {
    uint64_t ties;  /* lanes equal to the one before */
    uint64_t pairs; /* the second ones of runs of two */
    uint64_t longer; /* the second ones of longer runs */
    __m512i low, end;
};

/* The lane that is `by` lower, or 0. */
static inline __m512i from_lower(__m512i v, uint32_t by)
{
    __m512i at = _mm512_sub_epi8(byte_numbers(), _mm512_set1_epi8((char)by));
    return _mm512_maskz_permutexvar_epi8(~low_bits64(by), at, v);
}

static struct runs find_runs(uint64_t ties)
{
    struct runs r = { .ties = ties };
    uint64_t second = ties & ~(ties << 1);
    r.pairs = second & ~(ties >> 1);
    r.longer = second & (ties >> 1);
    /* the highest start of a run so far, found by doubling */
    r.low = _mm512_maskz_mov_epi8(~ties, byte_numbers());
    for (uint32_t by = 1; by < WINDOW && ties; by *= 2, ties &= ties << by / 2)
        r.low = _mm512_max_epu8(r.low, from_lower(r.low, by));
    /* the place after the last member, which is where the next run starts; then to all members */
    __m512i ends = _mm512_maskz_compress_epi8(~(r.ties >> 1), _mm512_add_epi8(byte_numbers(), ONE));
    __m512i starts = _mm512_maskz_expand_epi8(~r.ties, ends);
    r.end = _mm512_permutexvar_epi8(r.low, starts);
    return r;
}

/* Median of the first, middle and last of each segment, in all its lanes. */
static inline __m512i pivots(__m512i v, __m512i first, __m512i end)
{
    __m512i half = _mm512_and_si512(_mm512_srli_epi16(_mm512_sub_epi8(end, first), 1), _mm512_set1_epi8(0x7f));
    __m512i a = _mm512_permutexvar_epi8(first, v);
    __m512i b = _mm512_permutexvar_epi8(_mm512_add_epi8(first, half), v);
    __m512i c = _mm512_permutexvar_epi8(_mm512_sub_epi8(end, ONE), v);
    return _mm512_max_epu8(_mm512_min_epu8(a, b), _mm512_min_epu8(_mm512_max_epu8(a, b), c));
}

/* P1 and P2 for all segments: what is not less than `bound` goes behind it. */
static inline __m512i part_greater(__m512i v, __m512i first, __m512i end, __m512i bound, __mmask64 front)
{
    __m512i numbers = byte_numbers();
    __m512i mirror = _mm512_sub_epi8(_mm512_add_epi8(first, _mm512_sub_epi8(end, ONE)), numbers);
    __m512i mirrored = _mm512_permutexvar_epi8(mirror, v), before = from_lower(mirrored, 1);
    __mmask64 back = _mm512_cmpge_epu8_mask(mirror, bound); /* in the mirrored copy */
    __mmask64 leave = _mm512_mask_cmpge_epu8_mask(front, v, bound);
    __mmask64 at_bound = _mm512_cmpeq_epi8_mask(numbers, bound);
    __mmask64 greater = leave | _mm512_mask_cmpge_epu8_mask(at_bound, v, bound);
    __mmask64 lesser = _mm512_mask_cmplt_epu8_mask(back, mirrored, bound);
    __mmask64 take = _mm512_mask_cmplt_epu8_mask(back, before, bound) |
                     _mm512_mask_cmpeq_epi8_mask(back, numbers, first);
    __m512i l = _mm512_mask_expand_epi8(v, leave, _mm512_maskz_compress_epi8(lesser, mirrored));
    __m512i g = _mm512_mask_expand_epi8(before, take, _mm512_maskz_compress_epi8(greater, v));
    return _mm512_mask_mov_epi8(_mm512_permutexvar_epi8(mirror, g), front, l);
}

/* Let pairs change places of which the second one was passed by an odd number. */
static inline __m512i swap_pairs(__m512i v, __m512i places, uint64_t seconds)
{
    __m512i at = byte_numbers();
    __mmask64 odd = _mm512_mask_test_epi8_mask(seconds, _mm512_xor_si512(places, at), ONE);
    at = _mm512_mask_sub_epi8(at, odd, at, ONE);
    at = _mm512_mask_add_epi8(at, odd >> 1, at, ONE);
    return _mm512_permutexvar_epi8(at, v);
}

/* Runs of more than two, whose second lanes are given, take the order of their queues in `v`. */
static __m512i order_longer(__m512i sorted, __m512i v, uint64_t equal, __m512i first, __m512i low, __m512i end,
                            uint64_t seconds)
{
    uint8_t firsts[WINDOW], lows[WINDOW], ends[WINDOW];
    _mm512_storeu_si512(firsts, first);
    _mm512_storeu_si512(lows, low);
    _mm512_storeu_si512(ends, end);
    for (; seconds; seconds &= seconds - 1) {
        uint32_t lane = (uint32_t)_tzcnt_u64(seconds);
        uint64_t members = equal & low_bits64(ends[lane]) & ~low_bits64(firsts[lane]);
        __m512i run = order_queue(v, members, ends[lane]);
        uint64_t to = low_bits64(ends[lane]) & ~low_bits64(lows[lane]);
        sorted = _mm512_mask_expand_epi8(sorted, to, run);
    }
    return sorted;
}

/* What has used up its depth and still has ties is sorted by heap; returns the lanes of such. */
static __attribute__((noinline)) __m512i sort_heaps(const struct window *w, const struct runs *r, __m512i v,
                                                    uint64_t ties, uint64_t *done)
{
    uint8_t first[WINDOW], end[WINDOW], names[WINDOW], low[WINDOW];
    _mm512_storeu_si512(first, w->first);
    _mm512_storeu_si512(end, w->end);
    _mm512_storeu_si512(names, v);
    _mm512_storeu_si512(low, r->low);
    while (ties) {
        uint32_t lane = (uint32_t)_tzcnt_u64(ties);
        uint64_t lanes = low_bits64(end[lane]) & ~low_bits64(first[lane]);
        heap_sort_bytes(names + first[lane], low, end[lane] - first[lane]);
        *done |= lanes;
        ties &= ~lanes;
    }
    return _mm512_loadu_si512(names);
}

__m512i window_sort(struct window *w, __m512i v, uint64_t ties)
{
    __m512i numbers = byte_numbers();
    struct runs r = find_runs(ties);
    uint64_t open = ties & w->lanes; /* ties that have no order yet */
    v = _mm512_mask_mov_epi8(numbers, w->lanes, v);
    while (open) {
        uint64_t exhausted = _mm512_mask_testn_epi8_mask(open, w->depth, w->depth);
        if (__builtin_expect(exhausted != 0, 0)) {
            uint64_t done = 0;
            v = sort_heaps(w, &r, v, exhausted, &done);
            w->first = _mm512_mask_mov_epi8(w->first, done, numbers);
            w->end = _mm512_mask_add_epi8(w->end, done, numbers, ONE);
            w->depth = _mm512_mask_set1_epi8(w->depth, done, 127);
            open &= ~done;
            continue;
        }
        w->depth = _mm512_sub_epi8(w->depth, ONE);
        __m512i pivot = pivots(v, w->first, w->end);
        __m512i low = _mm512_permutexvar_epi8(pivot, r.low), end = _mm512_permutexvar_epi8(pivot, r.end);
        __mmask64 front = _mm512_cmplt_epu8_mask(numbers, end);
        v = part_greater(v, w->first, w->end, end, front);
        __mmask64 less = _mm512_mask_cmplt_epu8_mask(front, v, low);
        __mmask64 equal = _mm512_mask_cmpge_epu8_mask(front, v, low);
        __mmask64 less_to = _mm512_mask_cmplt_epu8_mask(front, numbers, low);
        __mmask64 equal_to = _mm512_mask_cmpge_epu8_mask(front, numbers, low);
        __m512i sorted = _mm512_mask_expand_epi8(v, less_to, _mm512_maskz_compress_epi8(less, v));
        sorted = _mm512_mask_expand_epi8(sorted, equal_to, _mm512_maskz_compress_epi8(equal, v));
        __m512i places = _mm512_maskz_expand_epi8(equal_to, _mm512_maskz_compress_epi8(equal, numbers));
        uint64_t closing = open & equal_to;
        sorted = swap_pairs(sorted, places, closing & r.pairs);
        if (closing & r.longer)
            sorted = order_longer(sorted, v, equal, w->first, low, end, closing & r.longer);
        v = sorted;
        open &= ~closing;
        w->first = _mm512_mask_mov_epi8(w->first, equal_to, numbers);
        w->first = _mm512_mask_mov_epi8(end, front, w->first);
        w->end = _mm512_mask_mov_epi8(w->end, less_to, low);
        w->end = _mm512_mask_add_epi8(w->end, equal_to, numbers, ONE);
    }
    /* the rest may not have been sorted to the end, but has only one order */
    return _mm512_mask_mov_epi8(numbers, w->lanes & (ties | ties >> 1), v);
}

#pragma GCC pop_options
#endif
