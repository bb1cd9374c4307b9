/* SPDX-License-Identifier: MIT */
/* sum.h -- sums to the bit as numpy reckons them. */
#ifndef SUM_H
#define SUM_H

#include <stdint.h>

/* numpy.sum(x) */
double numpy_sum(const double *x, uint64_t n);

#endif
