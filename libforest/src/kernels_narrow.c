/* SPDX-License-Identifier: MIT */
/* kernels_narrow.c -- plain C for blocks of up to 65,536 rows. */
#define ENTRY uint32_t
#define RANK uint16_t
#define KERNELS kernels_narrow
#include "kernels_plain.h"
