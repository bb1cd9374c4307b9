/* SPDX-License-Identifier: MIT */
/*
 * general.h -- trees of every kind: any criterion, best or random thresholds, depth or best first.
 *
 * grow.h has the commonest kinds in regression, and is many times faster at them; this is for the
 * rest. Trees are scikit-learn's, bit for bit; or grown from bins; or those of the fast mode.
 */
#ifndef GENERAL_H
#define GENERAL_H

#include "data/bins.h"
#include "data/codes.h"
#include "exact/grow.h"
#include "model/grown.h"
#include "data/levels.h"

struct general_params {
    struct grow_limits limits;
    uint32_t criterion;          /* enum forest_criterion, not the default one */
    uint32_t classes;            /* 0: regression */
    bool is_random;              /* thresholds are drawn */
    bool keep_all;               /* the classes' weights of inner nodes, too */
    const struct levels *levels; /* by feature, or NULL */
    uint32_t max_leaf_nodes;     /* 0: depth first, without a limit */
    const struct bins *bins;     /* in histogram mode, else NULL */
    bool is_fast;
    const struct codes *codes; /* in fast mode: by feature, or NULL */
};

struct general; /* memory that one caller's trees use again and again */

struct general *general_new(void); /* NULL: no memory */
void general_free(struct general *g);

/* For tests: sort rows as scikit-learn does, never count classes in its place; keep no lists. */
void general_sort_always(struct general *g, bool always);
/* Use certain loops from now on: for tests. -ENOSYS: the processor does not have what they need */
int general_level(struct general *g, enum kernels_level level);

/*
 * Grow one tree into `out`, replacing what it held. Of `prep` only rows and features count if there
 * are bins. `y` (in regression) or `code` (the rows'
 * classes) and `w` have one entry a row; a row of weight 0 takes no part. Weights are finite and
 * not negative. -EINVAL  limits out of range, no row of positive weight      -ENOMEM
 */
int general_grow(struct general *g, const struct prep *prep, const double *y, const uint16_t *code,
                 const double *w, uint32_t splitter_seed, const struct general_params *params,
                 struct grown *out);

#endif
