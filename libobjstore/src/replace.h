/* SPDX-License-Identifier: MIT */
/* replace.h -- give a sealed object another slot: bytes in a file for bytes in memory, or back. */
#ifndef OBJSTORE_REPLACE_H
#define OBJSTORE_REPLACE_H

#include "store.h"

/*
 * A new form of the object in slot `old`, which the caller holds a pin on: a slot of ours in
 * STANDBY with the same id, size and description, without bytes. -ENOSPC, -EAGAIN: no more.
 */
int replace_begin(struct objstore *s, struct cache *c, uint32_t old, uint32_t *heir);
/*
 * The heir is complete: let it take the place of `old`, whose word was read as `word` (SEALED or
 * SPILLED) and which the caller still has a pin on. 0: done; `old` is DOOMED, to be freed with its
 * last pin. -EAGAIN: it was deleted, or replaced by another; the heir is still ours.
 */
int replace_finish(struct objstore *s, uint32_t old, uint64_t word, uint32_t heir);
/* Give up an heir of ours. */
void replace_abandon(struct objstore *s, uint32_t heir);
/* The word of `old` was read as REPLACED: do what is left to do of it. Anybody may. */
void replace_help(const struct objstore *s, uint32_t old, uint64_t word);
/* A sweep met the STANDBY slot of a dead one. Afterwards it is nobody's heir, or no longer STANDBY.
 */
void replace_settle(const struct objstore *s, uint32_t heir, uint32_t lease);

#endif
