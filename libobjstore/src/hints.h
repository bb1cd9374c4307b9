/* SPDX-License-Identifier: MIT */
/*
 * hints.h -- shared bit maps that say where something may be free.
 *
 * A bit is advice: a set bit may be stale, and a bit can be lost with a process that took it and
 * died. Nothing is believed without a compare-and-swap on the thing itself, and what no bit
 * tells is found by a scan before anyone answers -ENOSPC; a sweep sets the lost bits again. So
 * the bits need no invariant, no order and no repair.
 */
#ifndef OBJSTORE_HINTS_H
#define OBJSTORE_HINTS_H

#include "atomics.h"
#include "store.h"

struct hint_map {
    struct au64 *words;
    uint64_t count;       /* of words */
    struct au64 *summary; /* bit i: one of words [i * ceil(count / 64), ...) may be non-zero */
};

struct hint_map hints_of_slots(const struct objstore *s);
struct hint_map hints_of_class(const struct objstore *s, uint32_t class);
void hint_set(const struct hint_map *map, uint64_t bit);
/* Take one set bit, searching from *cursor (a word); false: none is set. */
bool hint_take(const struct hint_map *map, uint32_t *cursor, uint64_t *bit);

#endif
