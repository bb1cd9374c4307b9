/* SPDX-License-Identifier: MIT */
/* hash_avx2.c -- see hash.h. */
#if defined(__x86_64__)
#pragma GCC target("avx2")
#include "hash_body.h"

const struct hash_kind hash_avx2 = { all64, all128, add };
#endif
