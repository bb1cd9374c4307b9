/* SPDX-License-Identifier: MIT */
/* hash_avx512.c -- see hash.h. */
#if defined(__x86_64__)
#pragma GCC target("avx512f")
#include "hash_body.h"

const struct hash_kind hash_avx512 = { all64, all128, add };
#endif
