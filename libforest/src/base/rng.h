/* SPDX-License-Identifier: MIT */
/* rng.h -- numpy's legacy random numbers (numpy.random.RandomState), MT19937. */
#ifndef RNG_H
#define RNG_H

#include <stdint.h>

#define MT_WORDS 624

struct mt19937 {
    uint32_t key[MT_WORDS];
    uint32_t out[MT_WORDS]; /* the tempered outputs of this round */
    uint32_t used;
};

void mt_seed(struct mt19937 *mt, uint32_t seed);
uint32_t mt_next(struct mt19937 *mt);

/* RandomState.randint(0, max + 1): uniform in 0..max. */
uint32_t mt_bounded(struct mt19937 *mt, uint32_t max);

/* RandomState.permutation(n), n < 2^32. */
void mt_permutation(struct mt19937 *mt, uint32_t *order, uint64_t n);

/* RandomState.shuffle(order), n < 2^32. */
void mt_shuffle(struct mt19937 *mt, uint32_t *order, uint64_t n);

/* counts[k] += how often k comes up in `draws` calls of mt_bounded(mt, max). */
void mt_count_draws(struct mt19937 *mt, uint32_t max, uint64_t draws, double *counts);

#endif
