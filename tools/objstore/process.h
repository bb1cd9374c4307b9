/* SPDX-License-Identifier: MIT */
/* process.h -- a process that is attached: what the store and /proc tell of it. */
#ifndef PROCESS_H
#define PROCESS_H

#include "emit.h"
#include "objstore.h"

/* Begin its row: pid, whether it lives, command, pins, unsealed. More may follow. */
void process_emit(struct emit *e, const struct objstore_lease *lease);
/* How long it has run, if it lives. */
double process_seconds(const struct objstore_lease *lease);

#endif
