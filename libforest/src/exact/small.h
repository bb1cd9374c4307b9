/* SPDX-License-Identifier: MIT */
/* small.h -- subtrees of a few rows. */
#ifndef SMALL_H
#define SMALL_H

#include "grower.h"

#define SMALL_ROWS 16u

/* What the sums of a node are formed of, by row. */
struct addends {
    double sum, sumsq, weight, none;
};

#endif
