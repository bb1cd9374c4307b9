/* SPDX-License-Identifier: MIT */
/*
 * levels.h -- features of few distinct values: a byte a row says which of them it has.
 *
 * Worked out from a prepared block's orders, once per process that trains classifiers on it.
 */
#ifndef LEVELS_H
#define LEVELS_H

#include <stdint.h>

#include "prep.h"

#define LEVELS_MOST 64

/* Of one feature: its values, ascending, and the number of each row's. */
struct levels {
    uint32_t count;      /* 0: it has too many */
    const uint8_t *of;   /* by row */
    const float *values; /* LEVELS_MOST, the first `count` of them used */
};

/* One for each feature, in one malloc()ed piece; NULL: no memory, or no orders to tell them from.
 */
struct levels *levels_make(const struct prep *prep);

#endif
