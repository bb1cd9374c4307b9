/* SPDX-License-Identifier: MIT */
/* prepared.h -- an opened prepared block. */
#ifndef PREPARED_H
#define PREPARED_H

#include "bins.h"
#include "forest.h"
#include "prep.h"

struct forest_prepared {
    struct prep prep; /* of binned data only rows and features */
    struct bins bins;
    bool is_binned;
};

#endif
