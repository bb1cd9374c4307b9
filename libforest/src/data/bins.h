/* SPDX-License-Identifier: MIT */
/*
 * bins.h -- a data set whose values are numbers of bins: what histogram trees are grown from.
 *
 * Each feature has up to 255 bins, and one for NaN. Bin c holds the values in (edge[c-1], edge[c]],
 * so a row goes left at the cut behind bin c exactly if its value is <= edge[c]: a tree grown from
 * bins is used with values. The bins have about equally many rows; a feature of up to 255 distinct
 * values has a bin for each, with edges half-way between them.
 */
#ifndef BINS_H
#define BINS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "prep.h"

#define BINS_MAX 256u /* the number of codes */
#define BIN_NAN 255u  /* the code of a NaN */

/* What bins_open() found. Points into the block: valid as long as the block is. */
struct bins {
    uint32_t rows, features;
    size_t stride;        /* codes from one row to the next: the features, filled up to 16 */
    const uint8_t *codes; /* rows x stride */
    const double *edges;  /* features x BINS_MAX, ascending; DBL_MAX from the last bin on */
};

/* The threshold of a cut behind bin `code`. */
static inline double bins_edge(const struct bins *b, uint32_t feature, uint32_t code)
{
    return b->edges[(size_t)feature * BINS_MAX + code];
}

/* How large the block is. -EINVAL no row or column, -E2BIG more than PREP_ROWS_MAX or memory */
int bins_bytes(uint64_t rows, uint64_t features, size_t *bytes);

/*
 * Fill `block`, aligned to 8 bytes, of exactly `bytes` as bins_bytes() said.
 *   -EINVAL  infinite, or too large for float32; wrong size or alignment     -ENOMEM
 */
int bins_build(const struct prep_source *x, void *block, size_t bytes);

/* Is it such a block, good or bad? */
bool bins_are(const void *block, size_t bytes);

/*
 * Look into a block that anybody may have written; what passes is safe to use, as long as nobody
 * writes to it.
 *   -EBADMSG  damaged     -EPROTO  another layout     -EINVAL  not aligned to 8
 */
int bins_open(const void *block, size_t bytes, struct bins *view);

#endif
