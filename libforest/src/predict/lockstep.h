/* SPDX-License-Identifier: MIT */
/* lockstep.h -- one row down all trees. */
#ifndef LOCKSTEP_H
#define LOCKSTEP_H

#include "model/model.h"

/* The number of the leaf that a row ends in, of each tree. */
void leaves_of_row(const struct forest *model, const float *row, uint32_t *leaves);

#endif
