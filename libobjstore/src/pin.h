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
static inline struct au64 *pin_set(struct au64 *table, uint32_t level, uint32_t slot)
{
    uint32_t bits = 6 + 3 * level;

    return &table[(uint64_t)(slot * 0x9e3779b1u >> (32 - bits)) * PIN_WAYS];
}
/* ref: level:4 | entry:28 | slot:32 */
static inline uint64_t pin_ref(const struct objstore *s, uint32_t level, const struct au64 *entry,
                               uint32_t slot)
{
    return (uint64_t)level << 60 | (uint64_t)(entry - s->pin_tables[level]) << 32 | slot;
}
static inline uint32_t pin_slot(uint64_t ref)
{
    return (uint32_t)ref;
}

/* Note one more view in a set; NULL: it is full. */
static inline __attribute__((always_inline)) struct au64 *pin_enter(struct au64 *set, uint64_t key)
{
    for (uint32_t i = 0; i < PIN_WAYS; i++) {
        uint64_t seen = au64_load_relaxed(&set[i]); /* relaxed: N1 decides */

        while (seen == 0 || (pin_names(seen, key) && pin_views(seen) < PIN_VIEWS_MAX))
            if (au64_cas_seq_cst(&set[i], &seen, seen == 0 ? key | 1 : seen + 1)) /* N1, E2 */
                return &set[i];
    }
    return NULL;
}

/* In a level above the first, adding levels as needed. -ENOSPC. */
int pin_enter_above(struct objstore *s, uint32_t slot, uint64_t key, uint64_t *ref);

/* Note a view without looking at the word: for who knows that it cannot change. -ENOSPC. */
static inline __attribute__((always_inline)) int pin_note(struct objstore *s, uint32_t slot,
                                                          uint64_t word, uint64_t *ref)
{
    struct slot *at = slot_at(s, slot);
    uint64_t key = pin_entry(slot, word), bit = s->pin_bit;

    if (!(au64_load_relaxed(&at->pinners) & bit)) /* relaxed: once set it stays */
        au64_or_seq_cst(&at->pinners, bit);       /* E2 */
    POINT("pin: mask set, no entry");
    struct au64 *entry = pin_enter(pin_set(s->pin_tables[0], 0, slot), key);
    if (!entry)
        return pin_enter_above(s, slot, key, ref);
    POINT("pin: entry set, word not looked at again");
    *ref = pin_ref(s, 0, entry, slot);
    return 0;
}

/* The entry that a ref names, or NULL. */
static inline struct au64 *pin_entry_of(const struct objstore *s, uint64_t ref)
{
    uint64_t which = ref >> 32, level = ref >> 60;

    if (__builtin_expect(which < PIN_SETS0 * PIN_WAYS, 1)) /* of level 0 */
        return &s->pin_tables[0][which];
    which &= 0xfffffff;
    if (level >= au32_load_acquire(&s->pin_levels) || /* G3 */
        which >= (uint64_t)PIN_SETS0 * PIN_WAYS << 3 * level)
        return NULL;
    return &s->pin_tables[level][which];
}

/* End it. False if `ref` is no pin for this slot and generation. */
static inline bool unpin(struct objstore *s, uint64_t ref, uint64_t word)
{
    struct au64 *entry = pin_entry_of(s, ref);
    uint64_t key = pin_entry(pin_slot(ref), word);

    if (!entry)
        return false;
    uint64_t seen = au64_load_relaxed(entry); /* relaxed: N2 decides */
    do {
        if (!pin_names(seen, key) || pin_views(seen) == 0)
            return false;
    } while (!au64_cas_seq_cst(entry, &seen, pin_views(seen) == 1 ? 0 : seen - 1)); /* N2, E2 */
    POINT("pin: entry cleared");
    return true;
}

/*
 * Keep `slot` from being freed as long as its word, which was `word` (SEALED) when the caller
 * read it, is the same. 0: pinned, and *ref is for unpin(). -EAGAIN: the word has changed; look
 * the object up again. -ENOSPC.
 */
static inline __attribute__((always_inline)) int pin(struct objstore *s, uint32_t slot,
                                                     uint64_t word, uint64_t *ref)
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
