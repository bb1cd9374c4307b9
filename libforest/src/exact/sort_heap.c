/* SPDX-License-Identifier: MIT */
/*
 * sort_heap.c -- the rules' heap sort, to which their sort turns when dividing goes badly: seldom,
 * so it need not be fast. It is that of sort_exact.c, for names instead of values.
 */
#include "ties.h"

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

void heap_sort_names(const uint64_t *ties, uint32_t *a, uint32_t n)
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

static void sift_down_bytes(const uint8_t *rank, uint8_t *a, uint32_t root, uint32_t n)
{
    for (;;) {
        uint32_t child = root * 2 + 1, largest = root;
        if (child < n && rank[a[largest]] < rank[a[child]])
            largest = child;
        if (child + 1 < n && rank[a[largest]] < rank[a[child + 1]])
            largest = child + 1;
        if (largest == root)
            return;
        uint8_t t = a[root];
        a[root] = a[largest];
        a[largest] = t;
        root = largest;
    }
}

void heap_sort_bytes(const uint8_t *rank, uint8_t *a, uint32_t n)
{
    for (uint32_t root = n / 2; root-- > 0;)
        sift_down_bytes(rank, a, root, n);
    for (uint32_t last = n - 1; last > 0; last--) {
        uint8_t t = a[0];
        a[0] = a[last];
        a[last] = t;
        sift_down_bytes(rank, a, 0, last);
    }
}

static void sift_down_shorts(const uint64_t *ties, uint16_t *a, uint32_t root, uint32_t n)
{
    for (;;) {
        uint32_t child = root * 2 + 1, largest = root;
        if (child < n && run_start(ties, a[largest]) < run_start(ties, a[child]))
            largest = child;
        if (child + 1 < n && run_start(ties, a[largest]) < run_start(ties, a[child + 1]))
            largest = child + 1;
        if (largest == root)
            return;
        uint16_t t = a[root];
        a[root] = a[largest];
        a[largest] = t;
        root = largest;
    }
}

void heap_sort_shorts(const uint64_t *ties, uint16_t *a, uint32_t n)
{
    for (uint32_t root = n / 2; root-- > 0;)
        sift_down_shorts(ties, a, root, n);
    for (uint32_t last = n - 1; last > 0; last--) {
        uint16_t t = a[0];
        a[0] = a[last];
        a[last] = t;
        sift_down_shorts(ties, a, 0, last);
    }
}
