/* SPDX-License-Identifier: MIT */
/* crowd.h -- as many attached processes as a store can have, without making them. */
#ifndef OBJSTORE_TEST_CROWD_H
#define OBJSTORE_TEST_CROWD_H

#include "store.h"

/*
 * Every lease from the second to `last` is LIVE, and one lock holds them all. Closing the
 * descriptor that is returned is the death of all.
 */
int crowd_forge(const struct objstore *s, uint64_t last);

#endif
