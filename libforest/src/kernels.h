/* SPDX-License-Identifier: MIT */
/* kernels.h -- the inner loops there are, and those that suit this processor. */
#ifndef KERNELS_H
#define KERNELS_H

#include "block.h"

extern const struct kernels kernels_narrow, kernels_wide;
/* clang does not take the target of a whole file from a pragma */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define HAVE_AVX512 1
#endif

#ifdef HAVE_AVX512
extern const struct kernels kernels_narrow_avx512, kernels_wide_avx512;
#endif

const struct kernels *kernels_for_narrow(void);
const struct kernels *kernels_for_wide(void);

#endif
