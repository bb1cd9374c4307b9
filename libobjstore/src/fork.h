/* SPDX-License-Identifier: MIT */
/* fork.h -- handles belong to the process that opened them. */
#ifndef OBJSTORE_FORK_H
#define OBJSTORE_FORK_H

#include "store.h"

/* Watch over this handle from now on, which this process may use so, and no child. */
void fork_guard(struct objstore *s, enum may may);
/* No more. */
void fork_unguard(struct objstore *s);

#endif
