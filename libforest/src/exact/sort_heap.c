/* SPDX-License-Identifier: MIT */
/*
 * sort_heap.c -- the rules' heap sort, to which their sort turns when dividing goes badly: seldom,
 * so it need not be fast. It is that of sort_exact.c, for names instead of values.
 */
#include "ties.h"

/* The sort of an array of names, which compare as RANK(context, name) does. */
#define DEFINE_HEAP_SORT(function, type, context_type, RANK)                              \
    static void function##_sift(context_type context, type *a, uint32_t root, uint32_t n) \
    {                                                                                     \
        for (;;) {                                                                        \
            uint64_t child = (uint64_t)root * 2 + 1;                                      \
            uint32_t largest = root;                                                      \
            if (child < n && RANK(context, a[largest]) < RANK(context, a[child]))         \
                largest = (uint32_t)child;                                                \
            if (child + 1 < n && RANK(context, a[largest]) < RANK(context, a[child + 1])) \
                largest = (uint32_t)child + 1;                                            \
            if (largest == root)                                                          \
                return;                                                                   \
            type t = a[root];                                                             \
            a[root] = a[largest];                                                         \
            a[largest] = t;                                                               \
            root = largest;                                                               \
        }                                                                                 \
    }                                                                                     \
                                                                                          \
    void function(context_type context, type *a, uint32_t n)                              \
    {                                                                                     \
        for (uint32_t root = n / 2; root-- > 0;)                                          \
            function##_sift(context, a, root, n);                                         \
        for (uint32_t last = n - 1; last > 0; last--) {                                   \
            type t = a[0];                                                                \
            a[0] = a[last];                                                               \
            a[last] = t;                                                                  \
            function##_sift(context, a, 0, last);                                         \
        }                                                                                 \
    }

#define RANK_OF_BYTE(rank, name) (rank)[name]

DEFINE_HEAP_SORT(heap_sort_names, uint32_t, const uint64_t *, run_start)
DEFINE_HEAP_SORT(heap_sort_shorts, uint16_t, const uint64_t *, run_start)
DEFINE_HEAP_SORT(heap_sort_bytes, uint8_t, const uint8_t *, RANK_OF_BYTE)
