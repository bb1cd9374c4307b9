/* SPDX-License-Identifier: MIT */
#include "kernels.h"

#include <stddef.h>

const struct kernels *kernels_of(enum kernels_level level)
{
    level = kernels_level_of(level);
    if (level == KERNELS_BEST)
        return NULL;
#ifdef HAVE_AVX512
    if (level == KERNELS_AVX512)
        return &kernels_avx512;
    if (level == KERNELS_AVX2)
        return &kernels_avx2;
#endif
    return &kernels_plain;
}
