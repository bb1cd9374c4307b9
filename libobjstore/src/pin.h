/* SPDX-License-Identifier: MIT */
/* pin.h -- who reads what: every lease's own list of the slots it holds. */
#ifndef OBJSTORE_PIN_H
#define OBJSTORE_PIN_H

#include "store.h"

/*
 * Keep `slot` from being freed as long as its word, which was `word` (SEALED) when the caller
 * read it, is the same. 0: pinned, and *ref is for unpin(). -EAGAIN: the word has changed; look
 * the object up again. -ENOSPC.
 */
int pin(struct objstore *s, uint32_t slot, uint64_t word, uint64_t *ref);
/* The same without looking at the word: for who knows that it cannot change. Never -EAGAIN. */
int pin_note(struct objstore *s, uint32_t slot, uint64_t word, uint64_t *ref);
/* Is `ref` a pin of ours? */
bool pin_is_held(const struct objstore *s, uint64_t ref, uint64_t word);
/* End it. The slot and the generation it was taken for; false if `ref` is no pin. */
bool unpin(struct objstore *s, uint64_t ref, uint64_t word);
uint32_t pin_slot(uint64_t ref);
/* Does any attached process, or a pass, hold this generation of the slot? The word must be DOOMED.
 */
bool pins_any(const struct objstore *s, uint32_t slot, uint64_t word);
/* How many views of it one lease has. */
uint32_t pins_held_by(const struct objstore *s, uint32_t lease, uint32_t slot, uint64_t word);
/* How many views of it are out, over all leases. */
uint32_t pins_count(const struct objstore *s, uint32_t slot, uint64_t word);

/* Views that one lease has; the whole table is read. */
uint64_t pins_of_lease(const struct objstore *s, uint32_t lease);
/* For verify: does every pin of the lease name a slot that there is? */
bool pins_are_sound(const struct objstore *s, uint32_t lease);
/* Drop all of ours, calling `dropped` for the slot of each. */
void pins_drop_all(struct objstore *s, void (*dropped)(struct objstore *s, uint32_t slot));
/* Make lease's first table touchable and empty: by its new owner before it goes LIVE. */
int pins_prepare(struct objstore *s, uint32_t lease);

#endif
