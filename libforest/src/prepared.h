/* SPDX-License-Identifier: MIT */
/* prepared.h -- an opened prepared block. */
#ifndef PREPARED_H
#define PREPARED_H

#include "atomics.h"
#include "bins.h"
#include "forest.h"
#include "levels.h"
#include "prep.h"

struct forest_prepared {
    struct prep prep; /* of binned data only rows and features */
    struct bins bins;
    bool is_binned;
    struct prepared_levels *levels;
};

/* The levels are made when they are first asked for; of several threads that do so, one has its
 * way. */
struct prepared_levels {
    struct au64 made; /* a struct levels *, or 0 */
};

/* By feature; valid as long as `prepared`. NULL: there are none. */
const struct levels *prepared_levels(const struct forest_prepared *prepared);

#endif
