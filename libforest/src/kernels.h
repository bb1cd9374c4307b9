/* SPDX-License-Identifier: MIT */
/* kernels.h -- the inner loops there are, and those that suit this processor. */
#ifndef KERNELS_H
#define KERNELS_H

#include "block.h"
#include "grow.h"

extern const struct kernels kernels_plain;
/* clang does not take the target of a whole file from a pragma */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define HAVE_AVX512 1
#define HAVE_AVX2 1
#endif

#ifdef HAVE_AVX512
extern const struct kernels kernels_avx512, kernels_avx2;
#endif

/* The level itself, or for KERNELS_BEST what this processor has; KERNELS_BEST: it does not have it. */
enum kernels_level kernels_level_of(enum kernels_level level);

/* Those of kernels_plain that others use, too. */
void fill_list_plain(const struct block *b, const uint32_t *slot_of, uint32_t feature);
struct found rate_plain(const struct block *b, const struct search *s);
void split_order_plain(const struct block *b, const struct cut *c, const uint32_t *from,
                       uint32_t *order);
void sum_children_plain(const struct block *b, const struct cut *c, const uint32_t *order,
                        struct sums child[2], struct sums *rest);

/* The best level that this processor can do. */
enum kernels_level kernels_best_level(void);

/* The loops of a level; NULL if this processor cannot do them. */
const struct kernels *kernels_of(enum kernels_level level);

#endif
