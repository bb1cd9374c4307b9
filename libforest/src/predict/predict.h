/* SPDX-License-Identifier: MIT */
/* predict.h -- the two hot loops of prediction, in plain C, for AVX2 and for AVX-512. */
#ifndef PREDICT_H
#define PREDICT_H

#include <stddef.h>
#include <stdint.h>

#include "model/layout.h"

#define WALK_ROWS 256 /* that walk together */
#define WALK_STEP 16

/* Room that the vector loops may use behind an array's end. */
#define PREDICT_SLACK 16

/*
 * What the next tree needs, fetched a few lines at a time while this one is walked: all at once would
 * stop the walk until it is there.
 */
struct ahead {
    const char *from, *to;
    size_t pace; /* bytes at a time */
};

static inline void ahead_fetch(struct ahead *ahead)
{
    if (ahead->from >= ahead->to)
        return;
    for (size_t i = 0; i < ahead->pace; i += 64)
        __builtin_prefetch(ahead->from + i, 0, 2);
    ahead->from += ahead->pace;
}

struct predict_kernels {
    /*
     * Reorder the n row numbers in `row`: first those whose value in `column` is <= threshold,
     * whose number is returned, then the others. `spare` has room for n + PREDICT_SLACK numbers.
     */
    uint32_t (*split)(const float *column, float threshold, uint32_t *row, uint32_t n,
                      uint32_t *spare);
    /*
     * Walk n rows, no two of them the same, down from the nodes `at`, and add the leaves' numbers
     * to sums[row]. Row r's values are at rows + r * features. ahead_fetch() for every WALK_STEP
     * rows that go down a level.
     */
    void (*walk)(const struct node *tree, const float *rows, uint64_t features, const uint32_t *row,
                 const uint32_t *at, uint32_t n, struct ahead *ahead, double *sums);
};

extern const struct predict_kernels predict_plain;

/* NULL where the processor, or this build, cannot. */
const struct predict_kernels *predict_avx2(void);
const struct predict_kernels *predict_avx512(void);

#endif
