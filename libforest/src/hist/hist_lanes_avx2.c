/* SPDX-License-Identifier: MIT */
/* hist_lanes_avx2.c -- eight features at a time. */
#include "base/avx2.h"

#ifdef HAVE_AVX2
#define WIDTH 8
#include "hist_lanes_search.h"

hist_lanes_search *const hist_lanes_avx2 = search;

#pragma GCC pop_options
#endif
