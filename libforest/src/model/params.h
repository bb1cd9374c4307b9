/* SPDX-License-Identifier: MIT */
/* params.h -- what a struct forest_params means for given data. */
#ifndef PARAMS_H
#define PARAMS_H

#include <stdint.h>

#include "forest.h"
#include "layout.h"

/*
 * Check `params` (NULL: all defaults) and fill in the defaults that do not depend on the data.
 *   -EINVAL  a value out of its range     -E2BIG  of a newer library, with fields we do not know
 */
int params_read(const struct forest_params *params, struct stored_params *out);

/* The same in the caller's form. */
struct forest_params params_write(const struct stored_params *stored, uint32_t flags);

/* What blocks of such a forest keep: HAS_STATS, HAS_IDS. 0 also for what params_read() refuses. */
uint32_t params_flags(const struct forest_params *params);

/* Two trees belong to forests that differ in size alone if and only if they agree in this. */
uint64_t params_kind(const struct stored_params *params, uint64_t features);

/* How many features are looked at in each node, 1..features. */
uint32_t params_max_features(const struct stored_params *params, uint32_t features);

/* How many rows a bootstrap draws. -EINVAL: none, or more than there are */
int params_draws(const struct stored_params *params, uint32_t rows, uint64_t *out);

/* How many of so many rows a node must have to be split, and each of its children. */
void params_least_rows(const struct stored_params *params, uint32_t rows, uint32_t *split,
                       uint32_t *leaf);

#endif
