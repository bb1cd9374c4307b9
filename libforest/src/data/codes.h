/* SPDX-License-Identifier: MIT */
/*
 * codes.h -- the values of a feature in up to 256 bins of about equally many rows: a byte a row
 * says which, and what is on either side of a bin is so of its rows. Worked out from a prepared
 * block, once per process that trains fast classifiers on it; no tree depends on which values make
 * bins.
 */
#ifndef CODES_H
#define CODES_H

#include <stdbool.h>
#include <stdint.h>

#include "edges.h"
#include "prep.h"

#define CODES_MAX EDGES_BINS
#define CODES_FEW 64u

/* Of one feature. */
struct codes {
    uint32_t count;    /* of bins */
    bool are_few;      /* no more than CODES_FEW, of one value each */
    const uint8_t *of; /* by row, `step` apart */
    size_t step;
    const float *least, *most; /* by bin: its values in the data set */
};

/* One for each feature, in one malloc()ed piece; NULL: no memory. */
struct codes *codes_make(const struct prep *prep);

#endif
