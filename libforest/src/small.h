/* SPDX-License-Identifier: MIT */
/* small.h -- subtrees of a few rows. */
#ifndef SMALL_H
#define SMALL_H

#include "grower.h"

#define SMALL_ROWS 16u

#endif
