/* SPDX-License-Identifier: MIT */
/* pass.h -- views on their way from one process to another. */
#ifndef OBJSTORE_PASS_H
#define OBJSTORE_PASS_H

#include "lease.h"
#include "store.h"

/* How many takings were begun so far; see pins_any(). */
uint64_t pass_moves(const struct objstore *s);
/* Passes that are open for this slot. */
uint32_t passes_of(const struct objstore *s, uint32_t slot);
/* The caller holds a view of `slot`. *pass is for passes_slot() and passes_close(). -ENOSPC. */
int passes_open(struct objstore *s, uint32_t slot, int64_t keep_ms, uint64_t pass[2]);
/* The slot that an open pass holds; false: it is open no more. */
bool passes_slot(const struct objstore *s, const uint64_t pass[2], uint32_t *slot);
/* The caller has noted a pin, and is about to close the pass. */
void passes_taking(struct objstore *s);
/* Close it; false: somebody else did. Then look whether its slot can be freed. */
bool passes_close(struct objstore *s, const uint64_t pass[2]);
/*
 * Close what has expired and what the dead had begun, calling `closed` for the slot of each that
 * was open; returns how many those were.
 */
uint32_t passes_expire(struct objstore *s, const struct graves *graves,
                       void (*closed)(struct objstore *s, uint32_t slot));
/* Close what the dead one had begun whose lease is ours now (lease.c, A5). */
void passes_inherited(struct objstore *s);
/* For verify: what is wrong with the n-th; NULL: nothing. */
const char *pass_fault(const struct objstore *s, uint32_t n);

#endif
