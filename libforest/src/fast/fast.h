/* SPDX-License-Identifier: MIT */
/*
 * fast.h -- one regression tree from all thresholds: the fast mode.
 *
 * The same greedy search as grow.h, with the same draws, but without its order of rows. Targets and
 * weights are whole numbers of a unit in the search (fast_units.h), so that every sum is exact: a
 * tree does not depend on the order in which anything is added, nor on the processor. Of equal
 * cuts the feature drawn first wins, then the lowest threshold. Values are told apart wherever they
 * differ.
 */
#ifndef FAST_H
#define FAST_H

#include "exact/grow.h"

struct fast_scratch; /* memory that one caller's trees use again and again */

struct fast_scratch *fast_scratch_new(void); /* NULL: no memory */
void fast_scratch_free(struct fast_scratch *scratch);
/* Use certain loops from now on: for tests. -ENOSYS: the processor does not have what they need */
int fast_scratch_level(struct fast_scratch *scratch, enum kernels_level level);
/* Blocks have no more rows: for tests. Trees may differ by it in what units round off. */
void fast_scratch_limit(struct fast_scratch *scratch, uint32_t rows);

/* As grow_exact(), but weights must not be negative. */
int fast_grow(const struct prep *p, const double *y, const double *w, uint32_t splitter_seed,
              const struct grow_limits *limits, struct fast_scratch *scratch, struct tree *out);

#endif
