/* SPDX-License-Identifier: MIT */
/* prepared.h -- an opened prepared block. */
#ifndef PREPARED_H
#define PREPARED_H

#include "forest.h"
#include "prep.h"

struct forest_prepared {
    struct prep prep;
};

#endif
