/* SPDX-License-Identifier: MIT */
/*
 * grow.h -- one regression tree, equal to scikit-learn's bit for bit.
 *
 *     prep_open -> grow_scratch_new -> grow_exact, for as many trees as wanted -> grow_scratch_free
 *
 * A tree is a pure function of the prepared data, the targets, the weights of the rows, the
 * splitter's seed and the limits. Calls that share nothing but the prepared block may run at the
 * same time; each needs a scratch of its own.
 */
#ifndef GROW_H
#define GROW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/level.h"
#include "data/prep.h"
#include "model/grown.h"
#include "model/tree.h"

/* Limits under which a node is not split. Every field counts; there is no default. */
struct grow_limits {
    uint32_t max_depth;         /* UINT32_MAX: none */
    uint32_t min_samples_split; /* in rows, not in weight; so is the next */
    uint32_t min_samples_leaf;
    uint32_t max_features;  /* 1..F: non-constant features to look at in each node */
    double min_weight_leaf; /* absolute, not a fraction */
    double min_impurity_decrease;
    bool is_friedman; /* the criterion; else squared error */
    bool keep_stats;  /* of each node */
};

struct grow_scratch; /* memory that one caller's trees use again and again */

/* NULL if there is no memory. The first tree makes it as large as it needs. */
struct grow_scratch *grow_scratch_new(void);
void grow_scratch_free(struct grow_scratch *scratch);

/* Use certain loops from now on: for tests. -ENOSYS: the processor does not have what they need */
int grow_scratch_level(struct grow_scratch *scratch, enum kernels_level level);
/* Nodes of more than so many rows, if not of fewer, are treated as in large trees: for tests. */
void grow_scratch_limit(struct grow_scratch *scratch, uint32_t rows);

/*
 * Grow one tree into `out`, replacing what it held. `y` and `w` have one entry a row; a row of
 * weight 0 takes no part. All must be finite. On failure `out` is empty.
 *   -EINVAL  limits out of range, no row of non-zero weight, a y or w that is not finite
 *   -ENOMEM
 */
int grow_exact(const struct prep *p, const double *y, const double *w, uint32_t splitter_seed,
               const struct grow_limits *limits, struct grow_scratch *scratch, struct tree *out);

/*
 * The same best first, up to so many leaves, from 2 on, with all statistics. On failure what `out`
 * holds is no tree.
 *   -EAGAIN  there are too many rows for one block     and the errors of grow_exact()
 */
int grow_exact_best(const struct prep *p, const double *y, const double *w, uint32_t splitter_seed,
                    const struct grow_limits *limits, uint32_t leaves, struct grow_scratch *scratch,
                    struct grown *out);

#endif
