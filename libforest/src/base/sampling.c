/* SPDX-License-Identifier: MIT */
#include "sampling.h"

#include "forest.h"

#include <errno.h>
#include <math.h>
#include <string.h>

/* Both kinds of seeds are drawn below 2^31 - 1. */
#define SEED_MAX 2147483646u

uint32_t tree_seed(struct tree_seeds *seeds, uint32_t forest_seed, uint32_t index)
{
    if (!seeds->started || seeds->forest_seed != forest_seed || seeds->next > index) {
        mt_seed(&seeds->mt, forest_seed);
        seeds->forest_seed = forest_seed;
        seeds->next = 0;
        seeds->started = true;
    }
    for (; seeds->next < index; seeds->next++)
        mt_bounded(&seeds->mt, SEED_MAX);
    seeds->next++;
    return mt_bounded(&seeds->mt, SEED_MAX);
}

uint32_t tree_splitter_seed(uint32_t seed)
{
    struct mt19937 mt;

    mt_seed(&mt, seed);
    return mt_bounded(&mt, SEED_MAX);
}

void tree_bootstrap(uint32_t seed, uint32_t rows, uint64_t draws, double *counts)
{
    struct mt19937 mt;

    memset(counts, 0, rows * sizeof *counts);
    mt_seed(&mt, seed);
    mt_count_draws(&mt, rows - 1, draws, counts);
}

int forest_train_test_split(uint64_t rows, double test_size, uint32_t seed, uint32_t *order,
                            uint64_t *test_count)
{
    struct mt19937 mt;

    if (rows > UINT32_MAX || !(test_size > 0.0 && test_size < 1.0) || !order || !test_count)
        return -EINVAL;
    double count = ceil(test_size * (double)rows);
    if (count < 1.0 || count >= (double)rows)
        return -EINVAL;
    mt_seed(&mt, seed);
    mt_permutation(&mt, order, rows);
    *test_count = (uint64_t)count;
    return 0;
}
