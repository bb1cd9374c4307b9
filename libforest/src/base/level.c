/* SPDX-License-Identifier: MIT */
/* level.c -- asks the processor once; the answer never changes, so racing callers agree. */
#include "level.h"

#include "atomics.h"

#ifdef HAVE_AVX512
#include <cpuid.h>

static bool has_lzcnt(void) /* clang's __builtin_cpu_supports() does not know it */
{
    uint32_t a, b, c, d;
    return __get_cpuid(0x80000001, &a, &b, &c, &d) && c & bit_ABM;
}

static enum kernels_level look(void)
{
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("bmi") ||
        !__builtin_cpu_supports("bmi2") || !has_lzcnt() || !__builtin_cpu_supports("popcnt") ||
        !__builtin_cpu_supports("fma"))
        return KERNELS_PLAIN;
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
        !__builtin_cpu_supports("avx512vl") || !__builtin_cpu_supports("avx512dq") ||
        !__builtin_cpu_supports("avx512vbmi") || !__builtin_cpu_supports("avx512vbmi2") ||
        !__builtin_cpu_supports("avx512vpopcntdq"))
        return KERNELS_AVX2;
    return KERNELS_AVX512;
}
#endif

enum kernels_level kernels_best_level(void)
{
#ifdef HAVE_AVX512
    static struct au32 level; /* relaxed: nothing else is published with it. 0: not known */
    uint32_t known = au32_load_relaxed(&level);
    if (known == KERNELS_BEST) {
        known = look();
        au32_store_relaxed(&level, known);
    }
    return (enum kernels_level)known;
#else
    return KERNELS_PLAIN;
#endif
}

enum kernels_level kernels_level_of(enum kernels_level level)
{
    enum kernels_level best = kernels_best_level();
    return level == KERNELS_BEST ? best : level > best ? KERNELS_BEST : level;
}
