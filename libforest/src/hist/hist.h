/* SPDX-License-Identifier: MIT */
/*
 * hist.h -- one regression tree from binned data: the histogram mode.
 *
 * The same greedy search as grow.h, over the edges of bins in place of all values. Targets and
 * weights are whole numbers of a unit here (struct parcel), so that every sum is exact: a tree does
 * not depend on the order in which anything is added, nor on the processor.
 */
#ifndef HIST_H
#define HIST_H

#include "data/bins.h"
#include "exact/grow.h"

struct hist_scratch; /* memory that one caller's trees use again and again */

struct hist_scratch *hist_scratch_new(void); /* NULL: no memory */
void hist_scratch_free(struct hist_scratch *scratch);
/* Use certain loops from now on: for tests. -ENOSYS: the processor does not have what they need */
int hist_scratch_level(struct hist_scratch *scratch, enum kernels_level level);
/* Nodes of more rows have histograms, of fewer do not; of no more than `block` rows, copies of
 * their codes: for tests. */
void hist_scratch_limit(struct hist_scratch *scratch, uint32_t histogram, uint32_t block);

/* As grow_exact(), but for the bins. */
int hist_grow(const struct bins *b, const double *y, const double *w, uint32_t splitter_seed,
              const struct grow_limits *limits, struct hist_scratch *scratch, struct tree *out);

#endif
