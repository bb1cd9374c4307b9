/* SPDX-License-Identifier: MIT */
/* kernels_wide.c -- plain C for blocks of any size. */
#define ENTRY uint64_t
#define RANK uint32_t
#define KERNELS kernels_wide
#include "kernels_plain.h"
