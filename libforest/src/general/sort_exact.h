/* SPDX-License-Identifier: MIT */
/*
 * sort_exact.h -- scikit-learn's unstable sort, to the same permutation where values tie.
 *
 * Introsort with a median of three and a three-way partition, and heapsort beyond 2 * (int)log2(n)
 * levels. Few values are sorted so. For many there is a shorter way: where no values tie there is
 * only one sorted order, which a radix sort finds sooner; and where some do, the loops of the fast
 * grower tell how the rules' sort leaves each run of ties, see grow_large.h.
 */
#ifndef SORT_EXACT_H
#define SORT_EXACT_H

#include <stdint.h>

struct exact_sort; /* memory to sort with */

struct exact_sort *exact_sort_new(void); /* NULL: no memory */
void exact_sort_free(struct exact_sort *sort);
/* Make room for so many values. -ENOMEM */
int exact_sort_reserve(struct exact_sort *sort, uint32_t n);

/*
 * Sort n values ascending, no -0 among them, and the samples beside them. `level`, if not NULL, has a
 * number for each sample, which compare as the values do.
 */
void sort_exact(struct exact_sort *sort, float *v, uint32_t *samples, uint32_t n,
                const uint8_t *level);
/* The same in the plainest way. */
void sort_exact_plain(float *v, uint32_t *samples, uint32_t n);

#endif
