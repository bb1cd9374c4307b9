/* SPDX-License-Identifier: MIT */
/* kernels.h -- the inner loops there are, and those that suit this processor. */
#ifndef KERNELS_H
#define KERNELS_H

#include "block.h"

extern const struct kernels kernels_plain;
/* clang does not take the target of a whole file from a pragma */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define HAVE_AVX512 1
#endif

#ifdef HAVE_AVX512
extern const struct kernels kernels_avx512;
#endif

void sum_children_plain(const struct block *b, const struct cut *c, const uint32_t *order,
                        struct sums child[2], struct sums *rest);

/* The best there is for this processor. */
const struct kernels *kernels_best(void);

#endif
