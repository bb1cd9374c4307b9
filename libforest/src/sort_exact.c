/* SPDX-License-Identifier: MIT */
/* sort_exact.c -- see sort_exact.h. */
#include "sort_exact.h"

#include <math.h>

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

void sort_exact(float *v, uint32_t *samples, uint32_t n)
{
    sort(v, samples, n, 2 * (int)(log((double)n) / log(2.0)));
}
