/* SPDX-License-Identifier: MIT */
/* sort_keys.c -- see sort_keys.h. */
#include "sort_keys.h"

#include <stdbool.h>
#include <string.h>

#include "exact/kernels.h"

/* Up to so many keys are sorted by insertion, and up to so many by comparing. */
#define INSERTION_MOST 14
#define COMPARE_MOST 256
#define DIGIT_BITS 8u
#define DIGIT_BITS_MANY 11u /* of many keys: fewer passes, and tables that are worth it */
#define MANY 2048

static void insertion_sort(uint64_t *a, uint32_t n)
{
    for (uint32_t i = 1; i < n; i++) {
        uint64_t key = a[i];
        uint32_t j = i;
        for (; j > 0 && a[j - 1] > key; j--)
            a[j] = a[j - 1];
        a[j] = key;
    }
}

static uint64_t median3(uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t min = a < b ? a : b, max = a < b ? b : a;

    return max < c ? max : c > min ? c : min;
}

/*
 * Quicksort that parts without a branch: the lesser keys to the front of b, the others to its end.
 * It ends because a key and its equals, if none is less, are parted from those that are greater.
 */
static void compare_sort(uint64_t *a, uint64_t *b, uint32_t n)
{
    while (n > INSERTION_MOST) {
        uint64_t pivot = median3(a[0], a[n / 2], a[n - 1]);
        uint32_t low = 0, high = n;
        for (uint32_t i = 0; i < n; i++) {
            bool is_less = a[i] < pivot;
            b[low] = b[high - 1] = a[i];
            low += is_less;
            high -= !is_less;
        }
        memcpy(a, b, n * sizeof *a);
        if (low == 0) { /* the pivot is the least: move it and its equals to the front */
            for (uint32_t i = 0; i < n; i++) {
                uint64_t key = a[i], other = a[low];
                bool is_equal = key == pivot;
                a[i] = is_equal ? other : key;
                a[low] = is_equal ? key : other;
                low += is_equal;
            }
        } else {
            compare_sort(a, b, low);
        }
        a += low;
        b += low;
        n -= low;
    }
    insertion_sort(a, n);
}

/* One stable pass by a digit of the value. */
static void radix_pass(const uint64_t *from, uint64_t *to, uint32_t n, unsigned shift,
                       unsigned bits)
{
    uint32_t start[1u << DIGIT_BITS_MANY], digits = 1u << bits, at = 0;

    memset(start, 0, digits * sizeof *start);
    for (uint32_t i = 0; i < n; i++)
        start[from[i] >> shift & (digits - 1)]++;
    for (uint32_t d = 0; d < digits; d++) {
        uint32_t count = start[d];
        start[d] = at;
        at += count;
    }
    for (uint32_t i = 0; i < n; i++)
        to[start[from[i] >> shift & (digits - 1)]++] = from[i];
}

/* By value, of which the bits in `varying` differ. */
static uint64_t *radix_sort_keys(uint64_t *a, uint64_t *b, uint32_t n, uint32_t varying)
{
    unsigned shift = (unsigned)__builtin_ctz(varying);
    unsigned bits = 32 - (unsigned)__builtin_clz(varying) - shift;
    unsigned most = n < MANY ? DIGIT_BITS : DIGIT_BITS_MANY, passes = (bits + most - 1) / most;
    unsigned each = (bits + passes - 1) / passes;
    for (; passes > 0; passes--, shift += each) {
        radix_pass(a, b, n, 32 + shift, each);
        uint64_t *t = a;
        a = b;
        b = t;
    }
    return a;
}

uint64_t *sort_keys(uint64_t *a, uint64_t *b, uint32_t n, uint32_t varying,
                    const struct key_sort *kernels)
{
    if (n > kernels->most)
        return radix_sort_keys(a, b, n, varying);
    kernels->sort(a, b, n);
    return a;
}

static const struct key_sort plain = { compare_sort, COMPARE_MOST };

const struct key_sort *key_sort_plain(void)
{
    return &plain;
}

const struct key_sort *key_sort_of(enum kernels_level level)
{
    return kernels_level_of(level) == KERNELS_AVX512 ? key_sort_avx512() : &plain;
}
