/* SPDX-License-Identifier: MIT */
/*
 * whole.h -- weights and targets as whole numbers of a unit, whose sums are exact in any order.
 *
 * Weights that are whole numbers stay as they are, if they fit; others become so many units, but
 * one at least. Targets are counted from the middle of their range, in steps so fine that the sum
 * of weight times target of all rows stays below 2^53 in absolute value: every sum of them is
 * exact in double. Units and steps depend on which rows there are, not on their order.
 */
#ifndef WHOLE_H
#define WHOLE_H

#include <stddef.h>
#include <stdint.h>

/* All weights together are no more units, or so many and one a row: squares fit 63 bits. */
#define WHOLE_WEIGHT_MOST 0x1p29

struct whole {
    double *w, *y;       /* by row; y only where there are targets */
    double unit;         /* a weight is unit * w */
    double centre, step; /* a target is centre + step * y */
    double weight;       /* of all rows, in units */
    uint32_t count;      /* rows that weigh something */
    double *memory;
    size_t capacity;
};

/*
 * Fill it from what `rows` rows weigh and their targets (NULL: there are none). No row has more
 * than `most` units.  -EINVAL  a weight that is negative or not finite, none that is positive
 * -ENOMEM
 */
int whole_fill(struct whole *whole, const double *y, const double *w, uint32_t rows, double most);

#endif
