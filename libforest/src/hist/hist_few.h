/* SPDX-License-Identifier: MIT */
/*
 * hist_few.h -- subtrees of up to 256 rows of the histogram mode, from lists that are sorted once.
 *
 * A row is called by its place among the root's, a byte. Each feature has a list of names by
 * ascending code, and beside it the codes. Of a node's children the left one's lists stay where the
 * node's were, the right one's go behind all that wait: these have different rows, so there is an
 * end to them.
 *
 * The cuts found are those of hist_lanes.h, to the last bit.
 */
#ifndef HIST_FEW_H
#define HIST_FEW_H

#include <stddef.h>
#include <stdint.h>

#define HIST_FEW_NAMES 256u
#define HIST_FEW_FEATURES 128u /* with more, the lists are too much memory */

struct hist_grower;
struct hist_pending;

/* Grow the subtree of a node of no more rows, whose lists fit g->scratch->few. -ENOMEM */
typedef int hist_few_grow(struct hist_grower *g, const struct hist_pending *root);

size_t hist_few_bytes(uint32_t features);
int hist_few_grow_avx2(struct hist_grower *g, const struct hist_pending *root);

#endif
