/* SPDX-License-Identifier: MIT */
/* sort_exact.c -- see sort_exact.h. */
#include "sort_exact.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "exact/grow_large.h"
#include "exact/kernels.h"

static inline void swap(float *v, uint32_t *s, uint32_t i, uint32_t j)
{
    float value = v[i];
    uint32_t sample = s[i];

    v[i] = v[j];
    s[i] = s[j];
    v[j] = value;
    s[j] = sample;
}

static inline float median3(float a, float b, float c)
{
    float min = a < b ? a : b, max = a < b ? b : a;

    return max < c ? max : c > min ? c : min;
}

static void sift_down(float *v, uint32_t *s, uint32_t root, uint32_t n)
{
    for (;;) {
        uint32_t largest = root, child = root * 2 + 1;
        if (child < n && v[largest] < v[child])
            largest = child;
        if (child + 1 < n && v[largest] < v[child + 1])
            largest = child + 1;
        if (largest == root)
            return;
        swap(v, s, root, largest);
        root = largest;
    }
}

static void heap_sort(float *v, uint32_t *s, uint32_t n)
{
    for (uint32_t root = n / 2; root-- > 0;)
        sift_down(v, s, root, n);
    for (uint32_t last = n - 1; last > 0; last--) {
        swap(v, s, 0, last);
        sift_down(v, s, 0, last);
    }
}

/* The levels are limited, so is the recursion. */
static void sort(float *v, uint32_t *s, uint32_t n, int levels)
{
    while (n > 1) {
        if (levels-- <= 0) {
            heap_sort(v, s, n);
            return;
        }
        float pivot = median3(v[0], v[n / 2], v[n - 1]);
        uint32_t i = 0, l = 0, r = n;
        while (i < r) {
            if (v[i] < pivot)
                swap(v, s, i++, l++);
            else if (v[i] > pivot)
                swap(v, s, i, --r);
            else
                i++;
        }
        sort(v, s, l, levels);
        v += r;
        s += r;
        n -= r;
    }
}

void sort_exact_plain(float *v, uint32_t *samples, uint32_t n)
{
    sort(v, samples, n, 2 * (int)(log((double)n) / log(2.0)));
}

/* ---- many ---------------------------------------------------------------------------- */

#define FEW 40u

struct exact_sort {
    const struct kernels *kernels;
    uint32_t capacity;
    char *memory;
    struct large large;
    struct item *items, *spare;
};

struct exact_sort *exact_sort_new(void)
{
    struct exact_sort *sort = calloc(1, sizeof *sort);

    if (sort)
        sort->kernels = kernels_of(KERNELS_BEST);
    return sort;
}

void exact_sort_free(struct exact_sort *sort)
{
    if (!sort)
        return;
    free(sort->memory);
    free(sort);
}

static void *allot(char **at, size_t bytes)
{
    char *here = *at;

    *at += (bytes + 63) & ~(size_t)63;
    return here;
}

int exact_sort_reserve(struct exact_sort *sort, uint32_t n)
{
    struct large *l = &sort->large;
    size_t words = ((size_t)n + 3 * LARGE_PAD) * sizeof(uint32_t), ties = ((size_t)n / 64 + 4) * 8;
    size_t items = n * sizeof(struct item);

    if (n <= sort->capacity)
        return 0;
    size_t bytes = 4 * words + ties + 2 * items + large_sort_bytes(n) + 10 * 64;
    char *memory = memory_make(bytes), *at = memory;
    if (!memory)
        return -ENOMEM;
    free(sort->memory);
    memset(memory, 0, bytes); /* what lies in the padding is read, if never used */
    sort->memory = memory;
    sort->capacity = n;
    l->order = allot(&at, words);
    l->slots = allot(&at, words);
    l->names = allot(&at, words);
    l->temp = allot(&at, words);
    l->ties = allot(&at, ties);
    l->sort_room = allot(&at, large_sort_bytes(n));
    l->narrow_rows = BLOCK_ROWS_MAX;
    sort->items = allot(&at, items);
    sort->spare = allot(&at, items);
    return 0;
}

/* Slots here are the places where the values stood. True: some tie. */
static bool sort_slots(struct exact_sort *sort, const float *v, const uint32_t *samples, uint32_t n,
                       const uint8_t *level)
{
    struct large *l = &sort->large;
    uint32_t any = 0, all = UINT32_MAX, previous = 0;
    bool has_ties = false;

    for (uint32_t i = 0; i < n; i++) {
        uint32_t key = level ? level[samples[i]] : sort_key(v[i]);
        sort->items[i] = (struct item){ key, i };
        any |= key;
        all &= key;
    }
    const struct item *sorted = radix_sort(sort->items, sort->spare, n, any ^ all);
    memset(l->ties, 0, ((size_t)n / 64 + 3) * sizeof *l->ties);
    for (uint32_t i = 0; i < n; i++) {
        bool ties = i && sorted[i].key == previous;
        previous = sorted[i].key;
        l->slots[i] = sorted[i].slot;
        l->ties[i / 64] |= (uint64_t)ties << i % 64;
        has_ties |= ties;
    }
    return has_ties;
}

void sort_exact(struct exact_sort *sort, float *v, uint32_t *samples, uint32_t n,
                const uint8_t *level)
{
    struct large *l = &sort->large;

    if (n <= FEW) {
        sort_exact_plain(v, samples, n);
        return;
    }
    l->n = n;
    if (sort_slots(sort, v, samples, n, level)) {
        for (uint32_t i = 0; i < n; i++)
            l->order[i] = i;
        sort->kernels->sort_large(l);
    }
    for (uint32_t i = 0; i < n; i++) {
        uint32_t slot = l->slots[i];
        memcpy(&l->names[i], &v[slot], sizeof *v);
        l->temp[i] = samples[slot];
    }
    memcpy(v, l->names, n * sizeof *v);
    memcpy(samples, l->temp, n * sizeof *samples);
}
