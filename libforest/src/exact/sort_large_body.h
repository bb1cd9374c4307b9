/* SPDX-License-Identifier: MIT */
/*
 * sort_large_body.h -- the rules' sort of a large node: until ranges have names of 16 bits. As
 * sort_avx512.c, with names of 32 bits. What vectors are for is the includer's:
 *     part_greater()  P1 and P2 for a[0..n), of which `left` are up to `high`
 *     part_lesser()   P3
 *     narrow_names()  n names less `base`, as 16 bits
 *     sort_names()    see sort_names.h
 */
#ifndef SORT_LARGE_BODY_H
#define SORT_LARGE_BODY_H

#include <string.h>

#include "grow_large.h"
#include "sort_names.h"
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

struct members {
    uint32_t names[QUEUE_MAX + 16], found_at[QUEUE_MAX + 16];
    uint32_t count;
};

/* The loops of the includer. */
static void part_greater(uint32_t *a, uint32_t n, uint32_t left, uint32_t high, uint32_t *temp);
static void part_lesser(uint32_t *a, uint32_t left, uint32_t low, struct members *q);
static void narrow_names(const uint32_t *from, uint32_t n, uint32_t base, uint16_t *to);
static void sort_names(const struct sort_room *room, uint32_t *list, const uint64_t *ties,
                       uint32_t n, int depth);

/* P3 one by one. */
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
    part_greater(a, to - from, left, end - 1, s->temp);
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

static void sort_narrow(const struct large_sorter *s, uint32_t from, uint32_t n, int depth)
{
    narrow_names(s->names + from, n, from, s->room.names);
    for (uint32_t i = 0; i < n; i += 64)
        s->narrow_ties[i / 64] = ties_from(s->ties, from + i);
    s->narrow_ties[0] &= ~UINT64_C(1);
    sort_names(&s->room, s->slots + from, s->narrow_ties, n, depth);
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

static void sort_large(const struct large *l)
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
    s.room.few = l->few;
    large_name_samples(l);
    sort_range(&s, 0, l->n, sort_depth(l->n));
}

#endif
