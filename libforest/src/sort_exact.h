/* SPDX-License-Identifier: MIT */
/*
 * sort_exact.h -- scikit-learn's unstable sort, to the same permutation where values tie.
 *
 * Introsort with a median of three and a three-way partition, and heapsort beyond 2 * (int)log2(n)
 * levels.
 */
#ifndef SORT_EXACT_H
#define SORT_EXACT_H

#include <stdint.h>

/* Sort n values ascending, and the samples beside them. */
void sort_exact(float *v, uint32_t *samples, uint32_t n);

#endif
