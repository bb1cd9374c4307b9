/* SPDX-License-Identifier: MIT */
/* node_loops.h -- what is done to all rows of a node, with values of one feature. */
#ifndef NODE_LOOPS_H
#define NODE_LOOPS_H

#include "base/level.h"

#include <stdint.h>

#define NODE_PAD 64u /* numbers behind those of a node that may be read */

struct value_range {
    float least, most;
};

/* For one kind of processor; all give the same. Of n > 0 samples. */
struct node_loops {
    /* Gather their values from the column. If the least is zero, its sign is that of the first. */
    struct value_range (*gather)(const float *column, const uint32_t *samples, uint32_t n,
                                 float *values);
    /*
     * Part them: values up to the threshold to the front. The order in which scikit-learn leaves
     * both sides is part of the result, see sort_avx512.c. Returns how many are in front; `spare`
     * has room for n + NODE_PAD.
     */
    uint32_t (*part)(uint32_t *samples, const float *values, uint32_t n, double threshold,
                     uint32_t *spare);
};

extern const struct node_loops node_loops_plain;
#ifdef HAVE_AVX512
extern const struct node_loops node_loops_avx2, node_loops_avx512;
#endif

/* NULL: the processor does not have what they need. */
const struct node_loops *node_loops_of(enum kernels_level level);

#endif
