/* SPDX-License-Identifier: MIT */
/* space.h -- what of the data is taken, and how the rest is cut up. */
#ifndef OBJSTORE_SPACE_H
#define OBJSTORE_SPACE_H

#include "store.h"

struct space {
    uint64_t used_bytes; /* in pages and cells, as they are taken */
    uint64_t largest_cell_bytes;
    struct objstore_space free;
};

/* One pass over all units. Others may work meanwhile: it is a statistic. */
void space_measure(const struct objstore *s, struct space *out);

#endif
