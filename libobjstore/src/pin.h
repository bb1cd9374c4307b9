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
#define PIN_HEAT 1024u /* pins for one that makes an object hot: they cost what a barrier does */

/* An entry is slot + 1:32 | generation:12 | views:20. Its key is the same with one view. */
static inline uint64_t pin_key(uint32_t slot, uint64_t word)
{
    return ((uint64_t)slot + 1) << 32 | (word_generation(word) & PIN_GENERATION_MASK) << 20 | 1;
}
static inline uint32_t pin_views(uint64_t entry)
{
    return (uint32_t)(entry & PIN_VIEWS_MAX);
}
static inline bool pin_names(uint64_t entry, uint64_t key)
{
    return entry >> 20 == key >> 20;
}
/* Where in a table of this level the entries for a slot are, but those that go by thread. */
static inline uint32_t pin_set_number(uint32_t level, uint32_t slot)
{
    uint32_t hash = slot * 0x9e3779b1u;

    return level == 0 ? PIN_NEAR + (hash >> 27) : hash >> (26 - 3 * level);
}
_Static_assert(PIN_SETS0 == 64 && PIN_NEAR == 32, "the bits that pin_set_number() takes");
#define PIN_NEAR_ALL ((1ull << PIN_NEAR) - 1)
static inline uint64_t pin_thread(void)
{
    return (uintptr_t)__builtin_thread_pointer();
}
/* The near set that this thread may have, if another has not. */
static inline uint32_t pin_near_set(void)
{
    return (uint32_t)(pin_thread() >> 12) * 0x9e3779b1u >> 27;
}
static inline struct au64 *pin_set(struct au64 *table, uint32_t level, uint32_t slot)
{
    return &table[(uint64_t)pin_set_number(level, slot) * PIN_WAYS];
}
/*
 * A pin that is held; a view has it in its private words. `ref` says where the entry is, counts:1 |
 * level:3 | entry:60, and nothing of the slot: where a get finds its entry free, and a release
 * clears it, is known before the slot is. A processor that does not know yet where a store
 * goes may let later loads wait for it.
 */
struct pinned {
    uint64_t ref, key;
};
#define PIN_COUNTS (1ull << 63)
#define PIN_LEVEL_SHIFT 60u

static inline uint32_t pin_slot(uint64_t key)
{
    return (uint32_t)(key >> 32) - 1;
}

/* Note a view without looking at the word: for who knows that it cannot change. -ENOSPC. */
int pin_note(struct objstore *s, uint32_t slot, uint64_t word, struct pinned *held);

/*
 * The same where nothing is in the way, for the key of a slot. False: nothing is noted. True: the
 * caller has to look at the word again, which must be what the key was made of.
 */
static inline __attribute__((always_inline)) bool pin_note_in(struct objstore *s, struct slot *at,
                                                              struct au64 *entry, uint64_t key)
{
    uint64_t bit = s->pin_bit, none = 0;

    if (__builtin_expect(!(au64_load_relaxed(&at->pinners) & bit), 0)) /* relaxed: it stays */
        au64_or_seq_cst(&at->pinners, bit);                            /* E2 */
    POINT("pin: mask set, no entry");
    if (__builtin_expect(au64_load_relaxed(entry) != 0, 0) ||      /* relaxed: N1 decides */
        __builtin_expect(!au64_cas_seq_cst(entry, &none, key), 0)) /* N1, E2 */
        return false;
    POINT("pin: entry set, word not looked at again");
    return true;
}
static inline __attribute__((always_inline)) bool pin_note_near(struct objstore *s, struct slot *at,
                                                                uint64_t key, struct pinned *held)
{
    uint32_t set = pin_near_set();
    struct near *near = &s->pin_near[set];
    struct au64 *entry = &s->pin_tables[0][set * PIN_WAYS];
    uint64_t whose = au64_load_relaxed(&near->thread); /* relaxed: ours, if we wrote it */

    *held = (struct pinned){ set * PIN_WAYS, key };
    if (__builtin_expect(whose != pin_thread(), 0))
        return false;
    if ((au64_load_acquire(&at->pinners) & s->pin_hot) == s->pin_hot) { /* N5 */
        if (__builtin_expect(au64_load_acquire(entry) != 0, 0))         /* N3 */
            return false;
        au64_store_release(entry, key);            /* N4 */
        atomic_signal_fence(memory_order_seq_cst); /* the processor's part is N6's */
        POINT("pin: entry set quickly, word not looked at again");
        return true;
    }
    if (!pin_note_in(s, at, entry, key))
        return false;
    uint32_t pins = au32_load_relaxed(&near->pins) + 1; /* relaxed: this thread's */
    au32_store_relaxed(&near->pins, pins);              /* relaxed: likewise */
    if (__builtin_expect(pins % PIN_HEAT == 0 && s->pin_hot != UINT64_MAX, 0))
        au64_or_seq_cst(&at->pinners, PINNERS_HOT); /* N5 */
    return true;
}
/* For a thread that has a view already, or no near set. */
static inline __attribute__((always_inline)) bool pin_note_far(struct objstore *s, struct slot *at,
                                                               uint64_t key, struct pinned *held)
{
    uint32_t slot = pin_slot(key), set = pin_set_number(0, slot);
    uint64_t entry = (uint64_t)set * PIN_WAYS + slot % 4;

    *held = (struct pinned){ entry, key };
    return au64_load_acquire(&s->pin_sets) >> set & 1 && /* N0 */
           pin_note_in(s, at, &s->pin_tables[0][entry], key);
}

/* End one whose entry is for it alone. False if there is no such pin. */
static inline __attribute__((always_inline)) bool unpin_alone(struct objstore *s, uint64_t ref,
                                                              uint64_t key)
{
    struct au64 *entry = &s->pin_tables[0][ref & (PIN_SETS0 * PIN_WAYS - 1)];
    if (au64_load_relaxed(entry) != (key | 1)) /* relaxed: the view's alone; no key is 0 */
        return false;
    au64_store_release(entry, 0); /* N3 */
    POINT("pin: entry cleared");
    return true;
}
/* End any. */
bool unpin(struct objstore *s, uint64_t ref, uint64_t key);

/*
 * Keep `slot` from being freed as long as its word, which was `word` (SEALED) when the caller
 * read it, is the same. 0: pinned, and *held is for unpin(). -EAGAIN: the word has changed; look
 * the object up again. -ENOSPC.
 */
static inline int pin(struct objstore *s, uint32_t slot, uint64_t word, struct pinned *held)
{
    int err = pin_note(s, slot, word, held);

    if (err)
        return err;
    if (au64_load_seq_cst(&slot_at(s, slot)->word) == word) /* E2 */
        return 0;
    unpin(s, held->ref, held->key);
    return -EAGAIN;
}

/* Can this process have thousands? With `may_grow` it makes what that takes, if there is room. */
bool pins_can_be_many(struct objstore *s, bool may_grow);
/* Is this a pin of ours? */
bool pin_is_held(const struct objstore *s, uint64_t ref, uint64_t key);
/*
 * Does any attached process, or a pass, hold this generation of the slot? The word must be DOOMED.
 * True also if this process may not ask (N6).
 */
bool pins_any(const struct objstore *s, uint32_t slot, uint64_t word);
/* The same as advice, whatever the word: a pin that has just begun may be missed. */
bool pins_seen(const struct objstore *s, uint32_t slot, uint64_t word);
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
