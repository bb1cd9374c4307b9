/* SPDX-License-Identifier: MIT */
/* sampling.h -- what scikit-learn draws for a forest: a seed per tree, and what follows from it. */
#ifndef SAMPLING_H
#define SAMPLING_H

#include <stdbool.h>
#include <stdint.h>

#include "rng.h"

/*
 * The seeds of a forest's trees come one after the other from one generator. The stream
 * remembers where it is, so that asking for them in order costs one draw each; the answer
 * does not depend on what was asked before.
 */
struct tree_seeds {
    struct mt19937 mt;
    uint32_t forest_seed;
    uint64_t next; /* index of the tree whose seed comes next */
    bool started;
};

uint32_t tree_seed(struct tree_seeds *seeds, uint32_t forest_seed, uint32_t index);

/* The seed of the small generator that draws a tree's features. */
uint32_t tree_splitter_seed(uint32_t tree_seed);

/* counts[row] = how often the tree's bootstrap of `draws` draws takes that row. */
void tree_bootstrap(uint32_t tree_seed, uint32_t rows, uint64_t draws, double *counts);

#endif
