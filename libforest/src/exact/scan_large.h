/* SPDX-License-Identifier: MIT */
/* scan_large.h -- a scan over the places of one feature of a large node. */
#ifndef SCAN_LARGE_H
#define SCAN_LARGE_H

#include "grow_large.h"

struct rating {
    const struct large *l;
    const struct search *s;
    double sum, weight; /* of the rows before the place at hand */
    /* The cut before. If more rows lie in between than behind, the rules start from the total and
     * take away what is behind. */
    uint32_t before;
    struct rated_cut best;
};

/* Go on from the cut at place `from` to that at `to`, which is less than n. */
void rate_places(struct rating *r, uint32_t from, uint32_t to);

#endif
