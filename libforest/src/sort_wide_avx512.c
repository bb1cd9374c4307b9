/* SPDX-License-Identifier: MIT */
/*
 * sort_wide_avx512.c -- the rules' sort in wide blocks: until ranges have names of 16 bits.
 *
 * As sort_avx512.c, with names of 32 bits. The sort permutes the places of the list, and the list
 * is brought into that order at the end.
 */
#include "sort_avx512.h"

#ifdef HAVE_AVX512
#include <string.h>

#include "kernels.h"
#include "ties.h"

#define QUEUE_MAX 64u

struct wide_sorter {
    uint32_t *names;       /* the samples in their present order */
    uint32_t *places;      /* which place of the list each place shall take */
    uint32_t *temp;        /* room for all names */
    uint64_t *narrow_ties; /* of a range that is sorted with narrow names */
    struct sort_room room; /* for such a range */
    const uint64_t *ties;
    uint32_t narrow_rows;
};

/* ---- P3 ---------------------------------------------------------------------------------- */

struct members {
    uint32_t names[QUEUE_MAX + 16], found_at[QUEUE_MAX + 16];
    uint32_t count;
};

static void part_lesser_plainly(uint32_t *a, uint32_t left, uint32_t low)
{
    uint32_t l = 0;
    for (uint32_t i = 0; i < left; i++) {
        uint32_t v = a[i], first = a[l];
        bool lesser = v < low;
        a[l] = lesser ? v : first;
        a[i] = lesser ? first : v;
        l += lesser;
    }
}

/* The lesser ones of a[0..left) to the front; the equal ones join the queue. */
static void part_lesser(uint32_t *a, uint32_t left, uint32_t low, struct members *q)
{
    __m512i bound = _mm512_set1_epi32((int)low);
    uint32_t l = 0;
    for (uint32_t i = 0; i < left; i += 16) {
        __m512i v = _mm512_loadu_si512(a + i);
        __mmask16 valid = (__mmask16)low_bits(left - i < 16 ? left - i : 16);
        __mmask16 less = _mm512_mask_cmplt_epu32_mask(valid, v, bound),
                  same = (__mmask16)(valid & ~less);
        unsigned count = count_bits(less);
        _mm512_mask_storeu_epi32(a + l, (__mmask16)low_bits(count),
                                 _mm512_maskz_compress_epi32(less, v));
        l += count;
        if (same) {
            __m512i at = _mm512_add_epi32(lane_numbers(), _mm512_set1_epi32((int)i));
            _mm512_storeu_si512(q->names + q->count, _mm512_maskz_compress_epi32(same, v));
            _mm512_storeu_si512(q->found_at + q->count, _mm512_maskz_compress_epi32(same, at));
            q->count += count_bits(same);
        }
    }
}

/* A run of places takes the order of the queue when a front of `left` is done. */
static void order_members(uint32_t *places, const struct members *q, uint32_t left)
{
    uint32_t queue[QUEUE_MAX];
    for (uint32_t size = 1; size <= q->count; size++) {
        uint32_t next = size < q->count ? q->found_at[size] : left;
        uint32_t passed = (next - q->found_at[size - 1] - 1) % size, turned[QUEUE_MAX];
        queue[size - 1] = q->names[size - 1];
        for (uint32_t i = 0; i < size; i++)
            turned[i] = queue[i + passed < size ? i + passed : i + passed - size];
        memcpy(queue, turned, size * sizeof *queue);
    }
    memcpy(places, queue, q->count * sizeof *queue);
}

/* Part names[from..to) around the run low..end-1. */
static void part(const struct wide_sorter *s, uint32_t from, uint32_t to, uint32_t low,
                 uint32_t end)
{
    uint32_t *a = s->names + from, left = end - from;
    part_avx512(a, to - from, left, end - 1, s->temp);
    if (end - low > QUEUE_MAX) {
        part_lesser_plainly(a, left, low);
        memcpy(s->places + low, s->names + low, (end - low) * sizeof *a);
        return;
    }
    struct members q;
    q.count = 0;
    part_lesser(a, left, low, &q);
    order_members(s->places + low, &q, left);
}

/* ---- the sort ---------------------------------------------------------------------------- */

static void sift_down(const uint64_t *ties, uint32_t *a, uint32_t root, uint32_t n)
{
    for (;;) {
        uint64_t child = (uint64_t)root * 2 + 1;
        uint32_t largest = root;
        if (child < n && run_start(ties, a[largest]) < run_start(ties, a[child]))
            largest = (uint32_t)child;
        if (child + 1 < n && run_start(ties, a[largest]) < run_start(ties, a[child + 1]))
            largest = (uint32_t)child + 1;
        if (largest == root)
            return;
        uint32_t t = a[root];
        a[root] = a[largest];
        a[largest] = t;
        root = largest;
    }
}

static void heap_sort(const uint64_t *ties, uint32_t *a, uint32_t n)
{
    for (uint32_t root = n / 2; root-- > 0;)
        sift_down(ties, a, root, n);
    for (uint32_t last = n - 1; last > 0; last--) {
        uint32_t t = a[0];
        a[0] = a[last];
        a[last] = t;
        sift_down(ties, a, 0, last);
    }
}

static void sort_narrow(const struct wide_sorter *s, uint32_t from, uint32_t n, int depth)
{
    __m512i base = _mm512_set1_epi32((int)from);
    for (uint32_t i = 0; i < n; i += 16) {
        __m512i name = _mm512_sub_epi32(_mm512_loadu_si512(s->names + from + i), base);
        _mm256_storeu_si256((__m256i *)(void *)(s->room.names + i), _mm512_cvtepi32_epi16(name));
    }
    for (uint32_t i = 0; i < n; i += 64)
        s->narrow_ties[i / 64] = ties_from(s->ties, from + i);
    s->narrow_ties[0] &= ~UINT64_C(1);
    sort_names_avx512(&s->room, s->places + from, s->narrow_ties, n, depth);
}

static void sort_range(const struct wide_sorter *s, uint32_t from, uint32_t to, int depth)
{
    while (has_tie(s->ties, from, to)) {
        uint32_t n = to - from;
        const uint32_t *a = s->names + from;
        if (n <= s->narrow_rows) {
            sort_narrow(s, from, n, depth);
            return;
        }
        if (depth-- <= 0) {
            heap_sort(s->ties, s->names + from, n);
            memcpy(s->places + from, a, n * sizeof *a);
            return;
        }
        uint32_t x = a[0], y = a[n / 2], z = a[n - 1], min = x < y ? x : y, max = x < y ? y : x;
        uint32_t pivot = max < z ? max : z > min ? z : min;
        uint32_t low = run_start(s->ties, pivot), end = run_end(s->ties, pivot, to);
        part(s, from, to, low, end);
        sort_range(s, from, low, depth);
        from = end;
    }
}

static void name_samples(const struct wide_sorter *s, const uint64_t *from, const uint64_t *list,
                         uint32_t n, uint32_t *place)
{
    for (uint32_t i = 0; i < n; i++)
        place[(uint32_t)list[i]] = i;
    for (uint32_t i = 0; i < n; i++) {
        s->names[i] = place[(uint32_t)from[i]];
        s->places[i] = i;
    }
}

void sort_ties_wide_avx512(const struct block *b, uint32_t feature, const void *from, void *list,
                           uint32_t n)
{
    (void)feature;
    uint64_t *e = list, *sorted = b->temp3;
    uint32_t *names = b->temp, *places = b->temp2;
    struct wide_sorter s = { .names = names,
                             .places = places,
                             .temp = places + b->stride,
                             .ties = b->ties,
                             .narrow_rows = b->narrow_rows };
    s.room.names = b->temp3; /* not needed otherwise until the end */
    s.room.temp = s.room.names + b->narrow_rows + BLOCK_PAD;
    s.room.entries = (uint32_t *)(void *)(s.room.temp + b->narrow_rows + 4 * BLOCK_PAD);
    s.narrow_ties = (uint64_t *)(void *)(s.room.entries + b->narrow_rows + BLOCK_PAD);
    name_samples(&s, from, e, n, names + b->stride);
    sort_range(&s, 0, n, sort_depth(n));
    for (uint32_t i = 0; i < n; i++)
        sorted[i] = e[places[i]];
    memcpy(e, sorted, n * sizeof *e);
}

#pragma GCC pop_options
#endif
