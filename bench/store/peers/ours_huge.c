/* SPDX-License-Identifier: MIT */
/* ours_huge.c -- ours.c, the data in huge pages as far as the kernel gives them. */
#define FLAGS (OBJSTORE_CREATE | OBJSTORE_HUGE_PAGES)
#define NAME "ours, huge pages"
#include "ours.c"
