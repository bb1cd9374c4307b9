/* SPDX-License-Identifier: MIT */
/* sort_keys.h -- a sort of 64-bit keys whose upper half is what counts. */
#ifndef SORT_KEYS_H
#define SORT_KEYS_H

#include <stdint.h>

#include "exact/grow.h"

#define SORT_KEYS_SLACK 8 /* keys behind b's end that may be overwritten */

/* A sort by comparison, with `b` to work in, for up to `most` keys; beyond it is a radix sort. */
struct key_sort {
    void (*sort)(uint64_t *a, uint64_t *b, uint32_t n);
    uint32_t most;
};

/* Sort by value, of which the bits in `varying` differ. Returns where the result is: a or b. */
uint64_t *sort_keys(uint64_t *a, uint64_t *b, uint32_t n, uint32_t varying,
                    const struct key_sort *kernels);

/* That of a level, which the processor has; and one of either kind. */
const struct key_sort *key_sort_of(enum kernels_level level);
const struct key_sort *key_sort_plain(void);
const struct key_sort *
key_sort_avx512(void); /* NULL: not in this build. The processor is not asked */

#endif
