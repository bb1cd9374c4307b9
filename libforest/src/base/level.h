/* SPDX-License-Identifier: MIT */
/* level.h -- what kinds of vectors the processor has. Asked for once. */
#ifndef LEVEL_H
#define LEVEL_H

/* clang does not take the target of a whole file from a pragma, but from its options: common.mk */
#if defined(__x86_64__) && defined(__GNUC__) && (!defined(__clang__) || defined(VECTORS_BY_FLAGS))
#define HAVE_AVX512 1
#define HAVE_AVX2 1
#endif

/* Kinds of inner loops, each for better processors than the one before. The trees are the same. */
enum kernels_level {
    KERNELS_BEST, /* for this processor */
    KERNELS_PLAIN,
    KERNELS_AVX2,
    KERNELS_AVX512,
};

/* The best level that this processor can do. */
enum kernels_level kernels_best_level(void);
/* The level itself, or for KERNELS_BEST what this processor has; KERNELS_BEST: it does not have it. */
enum kernels_level kernels_level_of(enum kernels_level level);

#endif
