/* SPDX-License-Identifier: MIT */
/* fork.h -- handles belong to the process that opened them. */
#ifndef OBJSTORE_FORK_H
#define OBJSTORE_FORK_H

#include "store.h"

/* Watch over this handle from now on: *s->own is 1 here and 0 in a child. mmap(2)'s errors. */
int fork_guard(struct objstore *s);
/* No more, and unmap what guarded it. */
void fork_unguard(struct objstore *s);

#endif
