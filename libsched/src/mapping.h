/* SPDX-License-Identifier: MIT */
/* mapping.h -- does another process have the pool's memory? */
#ifndef WSCHED_MAPPING_H
#define WSCHED_MAPPING_H

#include "pool.h"

/* It runs, and has not. False also if it has no memory any more, or nobody can tell. */
bool mapping_is_foreign(const struct wsched *p, pid_t pid);

#endif
