/* SPDX-License-Identifier: MIT */
/* hist_lanes_avx512.c -- sixteen features at a time. */
#include "base/avx512.h"

#ifdef HAVE_AVX512
#define WIDTH 16
#include "hist_lanes_search.h"

hist_lanes_search *const hist_lanes_avx512 = search;

#pragma GCC pop_options
#endif
