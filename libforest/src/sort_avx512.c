/* SPDX-License-Identifier: MIT */
/*
 * sort_avx512.c -- the order that the rules' sort gives to ties, 16 entries at a time.
 *
 * The rules part a range around a pivot by looking at one entry after the other: at the front,
 * until one is greater; this goes to the back, and what was there is looked at in its place.
 * So entries are looked at in an order of their own, but where each ends up can be said in full.
 * Let `left` be how many are not greater, and call the range below that the front, that
 * above the back.
 *
 *   P1  The k-th greater one of the front leaves its place to the k-th not greater one of
 *       the back, counted from the end. The others of the front stay.
 *   P2  Counted from the end, place j of the back takes the entry of place j - 1, if that is a
 *       greater one; else (and at the very end) the next greater one of the front. When the
 *       front has run out, that is the entry at place `left` itself.
 *   P3  Of the front as it is then, lesser ones move ahead and keep their order. The equal
 *       ones form a queue: a lesser one that passes takes the place of the first of them,
 *       which goes to the end of the queue.
 *
 * P1 and P2 are compressions and expansions. For P3 it is enough to know how many lesser ones
 * pass between two equal ones. Ranges of up to 16 are sorted in one register.
 */
#include "avx512.h"

#ifdef HAVE_AVX512
#include <string.h>

#include "ties.h"

#define QUEUE_MAX 64 /* more equal ones than this are taken one by one */

/* ---- parting in memory ------------------------------------------------------------------- */

/* The greater ones of a[0..end), in order, to `out`. */
static uint32_t collect_greater(const uint32_t *a, uint32_t end, __m512i pivot, uint32_t *out)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < end; i += 16) {
        __m512i v = _mm512_loadu_si512(a + i);
        __mmask16 valid = (__mmask16)low_bits(end - i < 16 ? end - i : 16);
        __mmask16 greater = _mm512_mask_cmpgt_epu32_mask(valid, v, pivot);
        _mm512_storeu_si512(out + count, _mm512_maskz_compress_epi32(greater, v));
        count += count_bits(greater);
    }
    return count;
}

/* P2 for a[left..n): take from `greater`, put what is not greater into `out`, last first. */
static void part_back(uint32_t *a, uint32_t n, uint32_t left, __m512i pivot,
                      const uint32_t *greater, uint32_t *out)
{
    __m512i before = _mm512_setzero_si512(); /* stands for the "else" at the very end */
    for (uint32_t end = n; end > left;) {
        uint32_t m = end - left < 16 ? end - left : 16;
        __mmask16 valid = (__mmask16)low_bits(m);
        end -= m;
        __m512i v = reverse(_mm512_maskz_loadu_epi32(valid, a + end), m);
        __m512i shifted = _mm512_alignr_epi32(v, before, 15);
        __mmask16 take = _mm512_mask_cmple_epu32_mask(valid, shifted, pivot);
        __mmask16 lesser = _mm512_mask_cmple_epu32_mask(valid, v, pivot);
        shifted = _mm512_mask_expandloadu_epi32(shifted, take, greater);
        greater += count_bits(take);
        _mm512_storeu_si512(out, _mm512_maskz_compress_epi32(lesser, v));
        out += count_bits(lesser);
        _mm512_mask_storeu_epi32(a + end, valid, reverse(shifted, m));
        before = v;
    }
}

/* P1 for a[0..left). */
static void part_front(uint32_t *a, uint32_t left, __m512i pivot, const uint32_t *lesser)
{
    for (uint32_t i = 0; i < left; i += 16) {
        __m512i v = _mm512_loadu_si512(a + i);
        __mmask16 valid = (__mmask16)low_bits(left - i < 16 ? left - i : 16);
        __mmask16 greater = _mm512_mask_cmpgt_epu32_mask(valid, v, pivot);
        v = _mm512_mask_expandloadu_epi32(v, greater, lesser);
        lesser += count_bits(greater);
        _mm512_mask_storeu_epi32(a + i, valid, v);
    }
}

void part_avx512(uint32_t *a, uint32_t n, uint32_t left, uint32_t pivot, uint32_t *temp)
{
    __m512i p = _mm512_set1_epi32((int)pivot);
    if (left == n)
        return;
    uint32_t greater = collect_greater(a, left + 1, p, temp);
    uint32_t *lesser = temp + greater + 16;
    part_back(a, n, left, p, temp, lesser);
    part_front(a, left, p, lesser);
}

/* ---- P3 ---------------------------------------------------------------------------------- */

/*
 * The queue of `count` equal ones, found at `places` of the front, of which there are `left`.
 * Each one's index in the queue is followed: it falls by one, round and round, as a lesser passes.
 */
static void order_queue(const uint32_t *equal, const uint32_t *places, uint32_t count, uint32_t left,
                        uint32_t *out)
{
    uint32_t index[QUEUE_MAX];
    if (count == 2) { /* of all queues the most frequent */
        uint32_t swapped = (left - places[1] - 1) & 1;
        out[swapped] = equal[0];
        out[!swapped] = equal[1];
        return;
    }
    for (uint32_t k = 0; k < count; k += 16)
        _mm512_storeu_si512(index + k, _mm512_add_epi32(lane_numbers(), _mm512_set1_epi32((int)k)));
    for (uint32_t size = 2; size <= count; size++) {
        uint32_t next = size < count ? places[size] : left;
        uint32_t passed = (next - places[size - 1] - 1) % size;
        __m512i by = _mm512_set1_epi32((int)passed), round = _mm512_set1_epi32((int)(size - passed));
        if (passed == 0)
            continue;
        for (uint32_t k = 0; k < size; k += 16) {
            __m512i at = _mm512_loadu_si512(index + k);
            /* those not yet in the queue keep their index, which is its size when they come */
            __mmask16 in = (__mmask16)low_bits(size - k < 16 ? size - k : 16);
            __mmask16 wraps = _mm512_cmplt_epu32_mask(at, by);
            __m512i moved = _mm512_mask_add_epi32(_mm512_sub_epi32(at, by), wraps, at, round);
            _mm512_mask_storeu_epi32(index + k, in, moved);
        }
    }
    for (uint32_t k = 0; k < count; k++)
        out[index[k]] = equal[k];
}

/* P3 entry by entry. Returns how many are lesser. */
static uint32_t part_lesser_plainly(uint32_t *a, uint32_t left, uint32_t low)
{
    uint32_t l = 0;
    for (uint32_t i = 0; i < left; i++) {
        uint32_t v = a[i], first = a[l];
        bool lesser = v < low;
        a[l] = lesser ? v : first;
        a[i] = lesser ? first : v;
        l += lesser;
    }
    return l;
}

/* P3 for a[0..left), of which `equals` have the pivot's rank; these to `out`. */
static void part_lesser(uint32_t *a, uint32_t left, uint32_t equals, uint32_t low, uint32_t *out)
{
    uint32_t equal[QUEUE_MAX + 16], places[QUEUE_MAX + 16], l = 0, k = 0;
    __m512i pivot = _mm512_set1_epi32((int)low);
    if (equals > QUEUE_MAX) {
        part_lesser_plainly(a, left, low);
        memcpy(out, a + (left - equals), equals * sizeof *a);
        return;
    }
    for (uint32_t i = 0; i < left; i += 16) {
        __m512i v = _mm512_loadu_si512(a + i);
        __mmask16 valid = (__mmask16)low_bits(left - i < 16 ? left - i : 16);
        __mmask16 less = _mm512_mask_cmplt_epu32_mask(valid, v, pivot);
        __mmask16 same = (__mmask16)(valid & ~less);
        unsigned count = count_bits(less);
        _mm512_mask_storeu_epi32(a + l, (__mmask16)low_bits(count), _mm512_maskz_compress_epi32(less, v));
        l += count;
        if (same) {
            __m512i at = _mm512_add_epi32(lane_numbers(), _mm512_set1_epi32((int)i));
            _mm512_storeu_si512(equal + k, _mm512_maskz_compress_epi32(same, v));
            _mm512_storeu_si512(places + k, _mm512_maskz_compress_epi32(same, at));
            k += count_bits(same);
        }
    }
    if (k > 1)
        order_queue(equal, places, k, left, out);
}

/* ---- ranges of up to 16, in a register ----------------------------------------------------- */

/* As order_queue, for the places given by the bits of `equal`; returns lanes 0.. of `v`. */
static __m512i order_small_queue(__m512i v, uint32_t equal, uint32_t left)
{
    uint64_t queue = 0; /* a nibble per member */
    unsigned size = 0;
    for (uint32_t rest = equal; rest;) {
        uint32_t at = (uint32_t)__builtin_ctz(rest);
        rest &= rest - 1;
        queue |= (uint64_t)size << 4 * size;
        size++;
        uint32_t next = rest ? (uint32_t)__builtin_ctz(rest) : left;
        unsigned passed = next - at - 1;
        while (passed >= size)
            passed -= size;
        if (passed)
            queue = _bzhi_u64(queue >> 4 * passed | queue << 4 * (size - passed), 4 * size);
    }
    uint64_t nibbles = UINT64_C(0x0f0f0f0f0f0f0f0f);
    __m128i bytes = _mm_set_epi64x((long long)_pdep_u64(queue >> 32, nibbles),
                                   (long long)_pdep_u64(queue, nibbles));
    v = _mm512_maskz_compress_epi32((__mmask16)equal, v);
    return _mm512_permutexvar_epi32(_mm512_cvtepu8_epi32(bytes), v);
}

/* P1 and P2. */
static __m512i part_register(__m512i v, uint32_t greater, uint32_t n, uint32_t left)
{
    uint32_t valid = low_bits(n), front = low_bits(left), not_greater = valid & ~greater;
    uint32_t from_front = greater & low_bits(left + 1), from_back = not_greater & ~front;
    uint32_t take = valid & ~front & (not_greater >> 1 | 1u << (n - 1));
    __m512i next = _mm512_add_epi32(lane_numbers(), _mm512_set1_epi32(1));
    __m512i g = _mm512_maskz_compress_epi32((__mmask16)from_front, v);
    __m512i l = _mm512_maskz_compress_epi32((__mmask16)from_back, v);
    g = reverse(g, count_bits(from_front));
    l = reverse(l, count_bits(from_back));
    __m512i back = _mm512_mask_expand_epi32(_mm512_permutexvar_epi32(next, v), (__mmask16)take, g);
    v = _mm512_mask_expand_epi32(v, (__mmask16)(greater & front), l);
    return _mm512_mask_mov_epi32(v, (__mmask16)(valid & ~front), back);
}

/* The entry of median rank among the first, middle and last: an entry of that rank, at least. */
static __m512i pivot_of_register(__m512i v, uint32_t n)
{
    __m512i a = _mm512_broadcastd_epi32(_mm512_castsi512_si128(v));
    __m512i b = _mm512_permutexvar_epi32(_mm512_set1_epi32((int)(n / 2)), v);
    __m512i c = _mm512_permutexvar_epi32(_mm512_set1_epi32((int)(n - 1)), v);
    return _mm512_max_epu32(_mm512_min_epu32(a, b), _mm512_min_epu32(_mm512_max_epu32(a, b), c));
}

static void heap_sort_register(__m512i v, uint32_t n, uint32_t *list);

/* Sort lanes 0..n-1; `ties` tells of the sorted range, which is at `list`. */
static void sort_register(__m512i v, uint32_t n, uint32_t ties, uint32_t *list, int depth)
{
    __m512i low16 = _mm512_set1_epi32(0xffff);
    while (ties & low_bits(n) & ~1u) {
        if (depth-- <= 0) {
            heap_sort_register(v, n, list);
            return;
        }
        __m512i pivot = pivot_of_register(v, n), high = _mm512_or_si512(pivot, low16);
        __mmask16 valid = (__mmask16)low_bits(n);
        uint32_t greater = _mm512_mask_cmpgt_epu32_mask(valid, v, high);
        uint32_t left = n - count_bits(greater);
        if (greater)
            v = part_register(v, greater, n, left);
        __mmask16 front = (__mmask16)low_bits(left);
        __mmask16 less = _mm512_mask_cmplt_epu32_mask(front, v, _mm512_andnot_si512(low16, pivot));
        uint32_t equal = front & ~(uint32_t)less, lesser = count_bits(less);
        if (left - lesser > 1)
            _mm512_mask_storeu_epi32(list + lesser, (__mmask16)low_bits(left - lesser),
                                     order_small_queue(v, equal, left));
        if (ties & low_bits(lesser) & ~1u)
            sort_register(_mm512_maskz_compress_epi32(less, v), lesser, ties, list, depth);
        v = _mm512_permutexvar_epi32(_mm512_add_epi32(lane_numbers(), _mm512_set1_epi32((int)left)), v);
        ties >>= left;
        list += left;
        n -= left;
    }
}

/* ---- the sort ---------------------------------------------------------------------------- */

static void swap(uint32_t *a, uint32_t i, uint32_t j)
{
    uint32_t t = a[i];
    a[i] = a[j];
    a[j] = t;
}

static void sift_down(uint32_t *a, uint32_t root, uint32_t n)
{
    for (;;) {
        uint32_t child = root * 2 + 1, largest = root;
        if (child < n && a[largest] >> 16 < a[child] >> 16)
            largest = child;
        if (child + 1 < n && a[largest] >> 16 < a[child + 1] >> 16)
            largest = child + 1;
        if (largest == root)
            return;
        swap(a, root, largest);
        root = largest;
    }
}

static void heap_sort(uint32_t *a, uint32_t n)
{
    for (uint32_t root = n / 2; root-- > 0;)
        sift_down(a, root, n);
    for (uint32_t last = n - 1; last > 0; last--) {
        swap(a, 0, last);
        sift_down(a, 0, last);
    }
}

static void heap_sort_register(__m512i v, uint32_t n, uint32_t *list)
{
    uint32_t a[16];
    _mm512_storeu_si512(a, v);
    heap_sort(a, n);
    memcpy(list, a, n * sizeof *a);
}

/* How many of the sorted list's n entries are less than `bound`. */
static uint32_t lower_bound(const uint32_t *list, uint32_t n, uint64_t bound)
{
    const uint32_t *at = list;
    for (; n > 0; n -= (n + 1) / 2)
        at += at[(n + 1) / 2 - 1] < bound ? (n + 1) / 2 : 0;
    return (uint32_t)(at - list);
}

struct sorter {
    uint32_t *a, *list, *temp;
    const uint64_t *ties;
};

static uint32_t ties_from(const uint64_t *ties, uint32_t from)
{
    uint64_t bits = ties[from / 64] >> from % 64;
    if (from % 64 > 48)
        bits |= ties[from / 64 + 1] << (64 - from % 64);
    return (uint32_t)bits & 0xffff;
}

static void sort_range(const struct sorter *s, uint32_t from, uint32_t to, int depth)
{
    while (has_tie(s->ties, from, to)) {
        uint32_t n = to - from, *a = s->a + from, *list = s->list + from;
        if (n <= 16) {
            sort_register(_mm512_loadu_si512(a), n, ties_from(s->ties, from), list, depth);
            return;
        }
        if (depth-- <= 0) {
            heap_sort(a, n);
            memcpy(list, a, n * sizeof *a);
            return;
        }
        uint32_t x = a[0], y = a[n / 2], z = a[n - 1], min = x < y ? x : y, max = x < y ? y : x;
        uint32_t pivot = max < z ? max : z > min ? z : min, low = pivot & 0xffff0000u;
        uint32_t lesser = lower_bound(list, n, low);
        uint32_t left = lesser + lower_bound(list + lesser, n - lesser, (uint64_t)low + 0x10000);
        part_avx512(a, n, left, pivot | 0xffff, s->temp);
        part_lesser(a, left, left - lesser, low, list + lesser);
        sort_range(s, from, from + lesser, depth);
        from += left;
    }
}

void sort_ties_avx512(const struct block *b, uint32_t feature, const void *from, void *list,
                      uint32_t n)
{
    const uint16_t *ranks = (const uint16_t *)b->ranks + feature * b->stride;
    const uint32_t *e = from;
    uint32_t *a = b->temp;
    for (uint32_t i = 0; i < n; i += 16)
        _mm512_storeu_si512(a + i, look_up_entries(ranks, _mm512_loadu_si512(e + i)));
    struct sorter s = { a, list, b->temp2, b->ties };
    sort_range(&s, 0, n, sort_depth(n));
}

#pragma GCC pop_options
#endif
