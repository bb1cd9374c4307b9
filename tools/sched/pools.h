/* SPDX-License-Identifier: MIT */
/* pools.h -- all pools of the user: those with names, and those found among processes. */
#ifndef POOLS_H
#define POOLS_H

#include <stdint.h>

/*
 * Call `visit` for each, with what pool_open() takes: a name, or the pid of the driver of a pool
 * without a name. A visit that does not return 0 ends it. Returns that, or a negative errno value.
 */
int pools_visit(int (*visit)(const char *where, void *ctx), void *ctx);

#endif
