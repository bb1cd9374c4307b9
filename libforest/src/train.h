/* SPDX-License-Identifier: MIT */
/* train.h -- what forest_train() knows of a scratch besides the public calls. */
#ifndef TRAIN_H
#define TRAIN_H

#include "forest.h"

/*
 * A tree that forest_tree_train() has just grown in the scratch, to keep and to free(). NULL: it can
 * only be copied.
 */
void *scratch_take(struct forest_scratch *scratch, const void *tree, size_t bytes);

#endif
