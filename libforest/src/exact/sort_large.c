/* SPDX-License-Identifier: MIT */
/*
 * sort_large.c -- the rules' sort of a large node, in plain C; see kernels_plain.c.
 *
 * What is sorted are names: places in the list of the feature, sorted already. They compare as the
 * values do, but for ties, which lie between the first and the last place of their run.
 */
#include <string.h>

#include "grow_large.h"
#include "ties.h"

struct sorter {
    uint32_t *names;
    uint32_t *slots; /* the sorted list, of which runs of ties are reordered */
    uint32_t *temp;
    const uint64_t *ties;
};

size_t large_sort_bytes(uint32_t rows)
{
    size_t narrow = rows < BLOCK_ROWS_MAX ? rows : BLOCK_ROWS_MAX;
    /* names and temp of 16 bits, entries of 32, and the ties of a part: see sort_large_avx512.c */
    return (narrow + 8 * LARGE_PAD) * (2 * sizeof(uint16_t) + sizeof(uint32_t)) +
           (narrow / 64 + 2) * sizeof(uint64_t);
}

static void swap(uint32_t *a, uint32_t i, uint32_t j)
{
    uint32_t t = a[i];
    a[i] = a[j];
    a[j] = t;
}

void reorder_slots(uint32_t *slots, uint32_t low, const uint32_t *names, uint32_t n, uint32_t *temp)
{
    for (uint32_t i = 0; i < n; i++)
        temp[i] = slots[names[i]];
    memcpy(slots + low, temp, n * sizeof *slots);
}

static void sort_range(const struct sorter *s, uint32_t from, uint32_t to, int depth)
{
    while (has_tie(s->ties, from, to)) {
        uint32_t *a = s->names, n = to - from, i = from, l = from, r = to;
        if (depth-- <= 0) {
            heap_sort_names(s->ties, a + from, n);
            reorder_slots(s->slots, from, a + from, n, s->temp);
            return;
        }
        uint32_t pivot = median_name(a[from], a[from + n / 2], a[to - 1]);
        uint32_t low = run_start(s->ties, pivot), end = run_end(s->ties, pivot, to);
        while (i < r) {
            if (a[i] < low)
                swap(a, i++, l++);
            else if (a[i] >= end)
                swap(a, i, --r);
            else
                i++;
        }
        if (end - low > 1)
            reorder_slots(s->slots, low, a + low, end - low, s->temp);
        sort_range(s, from, low, depth);
        from = end;
    }
}

void sort_large_plain(const struct large *l)
{
    struct sorter s = { l->names, l->slots, l->temp, l->ties };
    large_name_samples(l);
    sort_range(&s, 0, l->n, sort_depth(l->n));
}
