/* SPDX-License-Identifier: MIT */
/* kernels.c -- asks the processor once; the answer never changes, so racing callers agree. */
#include "kernels.h"

#include <stddef.h>

#include "atomics.h"

enum { UNKNOWN, PLAIN, AVX512 };

static bool has_avx512(void)
{
#ifdef HAVE_AVX512
    static struct au32 level; /* relaxed: nothing else is published with it */
    uint32_t known = au32_load_relaxed(&level);
    if (known == UNKNOWN) {
        __builtin_cpu_init();
        known =
            __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                    __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
                    __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vbmi2") &&
                    __builtin_cpu_supports("avx512vpopcntdq") && __builtin_cpu_supports("fma") &&
                    __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
                    __builtin_cpu_supports("lzcnt") && __builtin_cpu_supports("popcnt")
                ? AVX512
                : PLAIN;
        au32_store_relaxed(&level, known);
    }
    return known == AVX512;
#else
    return false;
#endif
}

const struct kernels *kernels_best(void)
{
#ifdef HAVE_AVX512
    if (has_avx512())
        return &kernels_avx512;
#endif
    return &kernels_plain;
}
