/* SPDX-License-Identifier: MIT */
/*
 * prep.h -- what is worked out once per data set and shared by all trees.
 *
 * A flat block without pointers: it may be written to a file or to shared memory, mapped by any
 * number of processes at any address, and is used in place. It holds, per feature, the column
 * as float32 and, unless there are too many rows, the order of its rows by value; it does not refer
 * to the caller's matrix.
 */
#ifndef PREP_H
#define PREP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "forest.h"

#define PREP_ROWS_MAX ((uint64_t)1 << 31)
/* In an order list: this row's value equals the one before it. */
#define PREP_TIE 0x80000000u
#define PREP_ROW 0x7fffffffu
/* Two values no further apart than this are not told apart by a split (float32 arithmetic). */
#define PREP_APART 1e-7f

/*
 * How much a worker may keep of its own to have all features of some rows at hand, sorted: a block,
 * see block.h. Larger sets of rows are worked on feature by feature.
 */
#define PREP_BLOCK_ROWS_MAX ((uint64_t)65536)
#define PREP_BLOCK_BYTES ((uint64_t)8 << 20)      /* and */
#define PREP_BLOCK_SHARE 2u                       /* a part of the columns, */
#define PREP_BLOCK_BYTES_MAX ((uint64_t)32 << 20) /* but no more than that */

static inline uint64_t prep_block_rows(uint64_t rows, uint64_t features)
{
    uint64_t each = 56 + 7 * features, cells = rows * features;
    uint64_t bytes = PREP_BLOCK_BYTES + cells * sizeof(float) / PREP_BLOCK_SHARE;
    bytes = bytes < PREP_BLOCK_BYTES_MAX ? bytes : PREP_BLOCK_BYTES_MAX;
    uint64_t most = bytes / each < PREP_BLOCK_ROWS_MAX ? bytes / each : PREP_BLOCK_ROWS_MAX;
    return most > 64 ? most : 64;
}

/* Orders are kept if a tree's rows, about two thirds of all, may be one block from the start. */
static inline uint64_t prep_order_rows(uint64_t rows, uint64_t features)
{
    return 2 * prep_block_rows(rows, features);
}

/* The caller's matrix, read only while prep_build() runs. Strides are in bytes, of any sign. */
struct prep_source {
    const void *data;
    bool is_double; /* float64, rounded to the nearest float32; else float32 */
    uint64_t rows, cols;
    ptrdiff_t row_stride, col_stride;
    bool lacks_near; /* `close` and `near` are left as they are: only the exact mode asks for them */
    const struct forest_executor *executor; /* shares the work; NULL: none does */
};

/* What prep_open() found. Points into the block: valid as long as the block is. */
struct prep {
    uint32_t rows, features;
    const float *columns; /* features x rows: values, column after column */
    /* These are NULL if rows > prep_order_rows(). */
    const uint32_t *orders; /* features x rows: row | PREP_TIE, by ascending value, then row */
    const uint32_t *close;  /* features: 1 if some values differ, but not by PREP_APART */
    const uint64_t *near;   /* features x prep_near_words(): see prep_near() */
};

static inline const float *prep_column(const struct prep *p, uint32_t feature)
{
    return p->columns + (size_t)feature * p->rows;
}

static inline const uint32_t *prep_order(const struct prep *p, uint32_t feature)
{
    return p->orders + (size_t)feature * p->rows;
}

static inline size_t prep_near_words(uint32_t rows)
{
    return ((size_t)rows + 63) / 64;
}

/*
 * A bit for each distinct value in ascending order: it is not PREP_APART from the one before. Where
 * two values of any set of rows are that close, the bit of the greater one is set, for whatever
 * lies between them is close to them as well.
 */
static inline const uint64_t *prep_near(const struct prep *p, uint32_t feature)
{
    return p->near + (size_t)feature * prep_near_words(p->rows);
}

/* How large the block is. -EINVAL no row or column, -E2BIG more than PREP_ROWS_MAX or memory */
int prep_bytes(uint64_t rows, uint64_t features, size_t *bytes);

/*
 * Fill `block`, aligned to 8 bytes, of exactly `bytes` as prep_bytes() said.
 *   -EINVAL  NaN, infinite, or too large for float32; wrong size or alignment
 *   -ENOMEM
 */
int prep_build(const struct prep_source *x, void *block, size_t bytes);

/*
 * Look into a block that anybody may have written. Takes time linear in its size; what passes is
 * safe to use, as long as nobody writes to it.
 *   -EBADMSG  damaged     -EPROTO  another layout     -EINVAL  not aligned to 8     -ENOMEM
 */
int prep_open(const void *block, size_t bytes, struct prep *view);

/* The same of a block that this process has just built, and nobody else has written to. */
int prep_view(const void *block, size_t bytes, struct prep *view);

#endif
