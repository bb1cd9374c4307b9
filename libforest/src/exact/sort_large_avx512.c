/* SPDX-License-Identifier: MIT */
/*
 * sort_large_avx512.c -- the rules' sort of a large node: until ranges have names of 16 bits.
 *
 * As sort_avx512.c, with names of 32 bits.
 */
#include "grow_large.h"
#include "sort_avx512.h"

#ifdef HAVE_AVX512
#include <string.h>

#include "kernels.h"
#include "ties.h"

#define QUEUE_MAX 64u

struct large_sorter {
    uint32_t *names;       /* the samples in their present order */
    uint32_t *slots;       /* the sorted list, of which runs of ties are reordered */
    uint32_t *temp;        /* room for all names */
    uint64_t *narrow_ties; /* of a range that is sorted with names of 16 bits */
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

/* A run of the list takes the order of the queue when a front of `left` is done. */
static void order_members(uint32_t *slots, uint32_t low, const struct members *q, uint32_t left,
                          uint32_t *temp)
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
    reorder_slots(slots, low, queue, q->count, temp);
}

/* Part names[from..to) around the run low..end-1. */
static void part(const struct large_sorter *s, uint32_t from, uint32_t to, uint32_t low,
                 uint32_t end)
{
    uint32_t *a = s->names + from, left = end - from;
    part_avx512(a, to - from, left, end - 1, s->temp);
    if (end - low > QUEUE_MAX) {
        part_lesser_plainly(a, left, low);
        reorder_slots(s->slots, low, s->names + low, end - low, s->temp);
        return;
    }
    struct members q;
    q.count = 0;
    part_lesser(a, left, low, &q);
    order_members(s->slots, low, &q, left, s->temp);
}

/* ---- the sort ---------------------------------------------------------------------------- */

static void sort_narrow(const struct large_sorter *s, uint32_t from, uint32_t n, int depth)
{
    __m512i base = _mm512_set1_epi32((int)from);
    for (uint32_t i = 0; i < n; i += 16) {
        __m512i name = _mm512_sub_epi32(_mm512_loadu_si512(s->names + from + i), base);
        _mm256_storeu_si256((__m256i *)(void *)(s->room.names + i), _mm512_cvtepi32_epi16(name));
    }
    for (uint32_t i = 0; i < n; i += 64)
        s->narrow_ties[i / 64] = ties_from(s->ties, from + i);
    s->narrow_ties[0] &= ~UINT64_C(1);
    sort_names_avx512(&s->room, s->slots + from, s->narrow_ties, n, depth);
}

static void sort_range(const struct large_sorter *s, uint32_t from, uint32_t to, int depth)
{
    while (has_tie(s->ties, from, to)) {
        uint32_t n = to - from;
        const uint32_t *a = s->names + from;
        if (n <= s->narrow_rows) {
            sort_narrow(s, from, n, depth);
            return;
        }
        if (depth-- <= 0) {
            heap_sort_names(s->ties, s->names + from, n);
            reorder_slots(s->slots, from, a, n, s->temp);
            return;
        }
        uint32_t pivot = median_name(a[0], a[n / 2], a[n - 1]);
        uint32_t low = run_start(s->ties, pivot), end = run_end(s->ties, pivot, to);
        part(s, from, to, low, end);
        sort_range(s, from, low, depth);
        from = end;
    }
}

void sort_large_avx512(const struct large *l)
{
    size_t narrow = l->n < BLOCK_ROWS_MAX ? l->n : BLOCK_ROWS_MAX;
    struct large_sorter s = { .names = l->names,
                              .slots = l->slots,
                              .temp = l->temp,
                              .ties = l->ties,
                              .narrow_rows = l->narrow_rows };
    s.narrow_ties = l->sort_room;
    s.room.entries = (uint32_t *)(void *)(s.narrow_ties + narrow / 64 + 2);
    s.room.names = (uint16_t *)(void *)(s.room.entries + narrow + LARGE_PAD);
    s.room.temp = s.room.names + narrow + LARGE_PAD;
    large_name_samples(l);
    sort_range(&s, 0, l->n, sort_depth(l->n));
}

#pragma GCC pop_options
#endif
