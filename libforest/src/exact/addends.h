/* SPDX-License-Identifier: MIT */
/* addends.h -- the sums of both children, by names of rows. Include after avx512.h or avx2.h. */
#ifndef ADDENDS_H
#define ADDENDS_H

#ifdef HAVE_AVX2
#include "small.h"

static inline struct sums as_sums(__m256d v)
{
    double a[4];
    _mm256_storeu_pd(a, v);
    return (struct sums){ a[0], a[1], a[2] };
}

/* `rest` is the node's; what is right is taken away from it where the rules do so. */
static inline void add_sides(const struct addends *addends, const uint8_t *rows, uint32_t n,
                             uint32_t left, struct sums child[2], struct sums *rest)
{
    uint32_t right = n - left, most = left > right ? left : right;
    __m256d l = _mm256_setzero_pd(), r = l;
    for (uint32_t i = 0; i < most; i++) {
        if (i < left)
            l = _mm256_add_pd(l, _mm256_loadu_pd(&addends[rows[i]].sum));
        if (i < right)
            r = _mm256_add_pd(r, _mm256_loadu_pd(&addends[rows[left + i]].sum));
    }
    child[0] = as_sums(l);
    child[1] = as_sums(r);
    for (uint32_t i = n; i-- > left && left > right;) {
        rest->sum -= addends[rows[i]].sum;
        rest->weight -= addends[rows[i]].weight;
    }
}

#endif
#endif
