/* SPDX-License-Identifier: MIT */
/*
 * pin.h -- who reads what: every lease's own list of the slots it holds. Its rules are in pin.c;
 * what every get and release does is here, to be part of them.
 */
#ifndef OBJSTORE_PIN_H
#define OBJSTORE_PIN_H

#include "store.h"

#define PIN_VIEWS_MAX 0xfffffu
#define PIN_GENERATION_MASK 0xfffu

/* An entry, but for its views: slot + 1:32 | generation:12 | views:20. */
static inline uint64_t pin_entry(uint32_t slot, uint64_t word)
{
    return ((uint64_t)slot + 1) << 32 | (word_generation(word) & PIN_GENERATION_MASK) << 20;
}
static inline uint32_t pin_views(uint64_t entry)
{
    return (uint32_t)(entry & PIN_VIEWS_MAX);
}
static inline bool pin_names(uint64_t entry, uint64_t key)
{
    return entry >> 20 == key >> 20;
}
/* Where in a table of this level the entries for a slot are. */
static inline uint32_t pin_set_number(uint32_t level, uint32_t slot)
{
    return slot * 0x9e3779b1u >> (26 - 3 * level);
}
static inline struct au64 *pin_set(struct au64 *table, uint32_t level, uint32_t slot)
{
    return &table[(uint64_t)pin_set_number(level, slot) * PIN_WAYS];
}
/* ref: counts:1 | level:3 | entry:28 | slot:32 */
#define PIN_COUNTS (1ull << 63)
static inline uint32_t pin_slot(uint64_t ref)
{
    return (uint32_t)ref;
}

/* Note a view without looking at the word: for who knows that it cannot change. -ENOSPC. */
int pin_note(struct objstore *s, uint32_t slot, uint64_t word, uint64_t *ref);

/*
 * The same where nothing is in the way. False: nothing is noted. True: the caller has to look at the
 * word again, which must be `word` still.
 */
static inline __attribute__((always_inline)) bool
pin_note_quickly(struct objstore *s, struct slot *at, uint32_t slot, uint64_t word, uint64_t *ref)
{
    uint64_t entry = (uint64_t)pin_set_number(0, slot) * PIN_WAYS, none = 0, bit = s->pin_bit;

    if (__builtin_expect(!(au64_load_relaxed(&at->pinners) & bit), 0)) /* relaxed: it stays */
        au64_or_seq_cst(&at->pinners, bit);                            /* E2 */
    POINT("pin: mask set, no entry");
    if (!au64_cas_seq_cst(&s->pin_tables[0][entry], &none, pin_entry(slot, word) | 1)) /* N1, E2 */
        return false;
    POINT("pin: entry set, word not looked at again");
    *ref = entry << 32 | slot;
    return true;
}

/* For unpin(): a ref to an entry that counts. */
bool unpin_counted(struct objstore *s, uint64_t ref, uint64_t key);

/* End it. False if `ref` is no pin for this slot and generation. */
static inline __attribute__((always_inline)) bool unpin(struct objstore *s, uint64_t ref,
                                                        uint64_t word)
{
    uint64_t key = pin_entry(pin_slot(ref), word);

    if (__builtin_expect((ref & PIN_COUNTS) != 0, 0))
        return unpin_counted(s, ref, key);
    struct au64 *entry = &s->pin_tables[0][ref >> 32 & (PIN_SETS0 * PIN_WAYS - 1)];
    if (au64_load_relaxed(entry) != (key | 1)) /* relaxed: the view's alone */
        return false;
    au64_store_release(entry, 0); /* N3 */
    POINT("pin: entry cleared");
    return true;
}

/*
 * Keep `slot` from being freed as long as its word, which was `word` (SEALED) when the caller
 * read it, is the same. 0: pinned, and *ref is for unpin(). -EAGAIN: the word has changed; look
 * the object up again. -ENOSPC.
 */
static inline int pin(struct objstore *s, uint32_t slot, uint64_t word, uint64_t *ref)
{
    int err = pin_note(s, slot, word, ref);

    if (err)
        return err;
    if (au64_load_seq_cst(&slot_at(s, slot)->word) == word) /* E2 */
        return 0;
    unpin(s, *ref, word);
    return -EAGAIN;
}

/* Is `ref` a pin of ours? */
bool pin_is_held(const struct objstore *s, uint64_t ref, uint64_t word);
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
