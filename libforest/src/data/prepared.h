/* SPDX-License-Identifier: MIT */
/* prepared.h -- an opened prepared block. */
#ifndef PREPARED_H
#define PREPARED_H

#include "atomics.h"
#include "bins.h"
#include "codes.h"
#include "forest.h"
#include "levels.h"
#include "prep.h"

struct forest_prepared {
    struct prep prep; /* of binned data only rows and features */
    struct bins bins;
    bool is_binned;
    struct prepared_more *more;
};

/* What is made when it is first asked for; of several threads that do so, one has its way. */
struct prepared_more {
    struct au64 levels, codes; /* pointers, or 0 */
};

/*
 * Fill a block for trees of a mode, whose size is right, and open it: without a look at what was
 * just written, and with no more in it than this mode needs. It is not to be given away.
 */
int prepared_own(const struct forest_matrix *x, uint32_t mode,
                 const struct forest_executor *executor, void *block, size_t bytes,
                 struct forest_prepared **out);

/* By feature; valid as long as `prepared`. NULL: there are none, or no memory for them. */
const struct levels *prepared_levels(const struct forest_prepared *prepared);
const struct codes *prepared_codes(const struct forest_prepared *prepared);

#endif
