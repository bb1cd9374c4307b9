/* SPDX-License-Identifier: MIT */
/*
 * slot.c -- the life of one object: who may touch its bytes, and when.
 *
 * A slot is one control word and what it governs: id, chain link, size, extent, the bytes. The
 * word packs generation:44 | state:4 | lease:16 and changes only by compare-and-swap (T7 by the
 * store of its one owner, T2 perhaps by the kernel's addition for it, which leaves its lease in the
 * word), so a slot's history is one total order that all processes agree on.
 *
 *   T1  FREE           -> WRITING(self)  slot_take()        generation + 1
 *   T2  WRITING(self)  -> SEALED         objstore_seal(); by the kernel, if somebody sleeps (V4)
 *   T3  WRITING(self)  -> RECLAIM(self)  objstore_abort()
 *   T4  SEALED         -> DOOMED         objstore_delete()
 *   T5  DOOMED         -> RECLAIM(self)  reclaim_if_unpinned()  after no lease had a pin
 *   T6  WRITING(dead), RECLAIM(dead) -> RECLAIM(self)  reap.c               generation + 1
 *   T7  RECLAIM(self)  -> FREE           slot_free()        out of the index, extent given back
 *
 * WRITING and RECLAIM are exclusive: the word names the lease that owns the slot, so ownership
 * and owner change in one step and no death leaves a slot owned by nobody we know. Pins are not
 * counted here: every lease notes its own (pin.c), which is what lets a dead reader's go. T6
 * raises the generation so that no word with an owner ever recurs: else a sweeper that slept
 * since it read RECLAIM(dead) could take the slot from a live owner who got the same number.
 *
 * Invariants
 *   I1  A slot has at most one owner, and only in WRITING or RECLAIM. A lease number is not
 *       used again while any slot names it, but by an heir that takes them over (lease.c, A5).
 *   I2  Only WRITING's owner writes the slot's fields and its bytes; only the owner in WRITING
 *       or RECLAIM takes or gives units in the slot's name.
 *   I3  While a process holds a pin on generation g, the word says g, and SEALED or DOOMED.
 *   I4  A slot is FREE only if no chain leads to it and no unit names it.
 *   I5  At most one slot per id is in WRITING or SEALED and in the index (index.c).
 *
 * Ordering
 *   E1  T2 release -> a reader's acquire of the word: it sees every byte the writer wrote.
 *   E2  A pin and T4/T5 are sequentially consistent, both sides, or the one who would free has had
 *       a barrier come to all who may pin otherwise (pin.c, N6): the pin is seen by the
 *       one who would free, or the reader sees DOOMED. A pin's end comes before T5: who frees
 *       has acquired it. That somebody sees both, and frees, may take a look at all slots.
 *   E3  T7 release -> T1 acquire: the next owner finds the slot as it was given back.
 *
 * Crashes  A death in WRITING: T6, then as an abort. In RECLAIM: T6 and once more from the
 *   start, every step of which may be done twice. Between T4 and T5: the sweep looks at every
 *   DOOMED slot. A sweeper is a process like any other and may die, too.
 *
 * Progress  Lock-free. Nobody waits for a slot's owner but those who want that very object.
 * Limits    A generation recurs after 2^44 lives of a slot: half a year at a million a second.
 *
 * A FREE slot is found through private caches and shared hints (hints.h), then among slots that
 * were never used, then by a scan; T1 alone decides.
 */
#define _GNU_SOURCE /* fallocate */
#include "slot.h"
#include "hints.h"

#include <fcntl.h>

bool slot_change(struct objstore *s, uint32_t index, uint64_t *seen, enum slot_state state)
{
    bool owned = state == SLOT_WRITING || state == SLOT_RECLAIM || state == SLOT_STANDBY ||
                 state == SLOT_REPLACED;

    return au64_cas_seq_cst(&slot_at(s, index)->word, seen, /* E1, E2 */
                            word_with(*seen, state, owned ? s->lease : 0));
}

static bool try_take(struct objstore *s, uint32_t index)
{
    struct slot *slot = slot_at(s, index);
    uint64_t word = au64_load_relaxed(&slot->word); /* relaxed: T1 decides */

    return word_state(word) == SLOT_FREE &&
           au64_cas_acq_rel(&slot->word, &word, /* T1, E3 */
                            word_make(word_generation(word) + 1, SLOT_WRITING, s->lease));
}

/* Make slots below `end` touchable. */
static int reserve_slots(struct objstore *s, uint64_t end)
{
    uint64_t ready = au64_load_acquire(&s->header->slots_ready); /* S2 */

    while (ready < end) {
        uint64_t to = ready + SLOT_PIECE < s->geo.slots ? ready + SLOT_PIECE : s->geo.slots;

        if (fallocate(s->fd, 0, (off_t)(s->geo.slots_at + ready * sizeof(struct slot)),
                      (off_t)((to - ready) * sizeof(struct slot))))
            return -errno;
        POINT("slot: piece reserved, not announced");
        if (au64_cas_acq_rel(&s->header->slots_ready, &ready, to)) /* S2 */
            ready = to;
    }
    return 0;
}

/* A group of slots that nobody ever used; a death here loses hints only. */
static int learn_fresh(struct objstore *s, struct cache *c)
{
    struct au64 *fresh = &s->header->slots_fresh;
    uint64_t from = au64_load_acquire(fresh); /* S1 */

    do {
        if (from > s->geo.slots - SLOT_GROUP)
            return -ENOSPC;
        int err = reserve_slots(s, from + SLOT_GROUP);
        if (err)
            return err;
    } while (!au64_cas_acq_rel(fresh, &from, from + SLOT_GROUP)); /* S1 */
    POINT("slot: fresh group taken");
    for (uint32_t i = SLOT_GROUP; i-- > 0;)
        c->slots[c->slots_count++] = (uint32_t)from + i;
    return 0;
}

static bool learn_hinted(struct objstore *s, struct cache *c)
{
    struct hint_map map = hints_of_slots(s);
    uint64_t group;

    while (c->slots_count + SLOT_GROUP <= CACHE_SLOTS &&
           hint_take(&map, &c->group_cursor, &group)) {
        uint32_t before = c->slots_count;

        for (uint32_t i = SLOT_GROUP; i-- > 0;) {
            uint64_t index = group * SLOT_GROUP + i;

            if (index < slots_in_use(s) && /* relaxed: a hint */
                word_state(au64_load_relaxed(&slot_at(s, (uint32_t)index)->word)) == SLOT_FREE)
                c->slots[c->slots_count++] = (uint32_t)index;
        }
        if (c->slots_count > before)
            return true;
    }
    return false;
}

int slot_take(struct objstore *s, struct cache *c, uint32_t *index)
{
    do {
        while (c->slots_count > 0) {
            uint32_t candidate = c->slots[--c->slots_count];

            if (c->slots_count > 0) { /* the next put's, while this one has other things to do */
                const struct slot *next = slot_at(s, c->slots[c->slots_count - 1]);

                __builtin_prefetch(&next->word, 1);
                __builtin_prefetch(next->bytes, 1);
            }
            if (try_take(s, candidate)) {
                POINT("slot: taken");
                *index = candidate;
                return 0;
            }
        }
    } while (learn_hinted(s, c) || learn_fresh(s, c) == 0);
    uint32_t slots = slots_in_use(s);
    for (uint32_t i = 0; i < slots; i++)
        if (try_take(s, i)) {
            *index = i;
            return 0;
        }
    return -ENOSPC;
}

void slots_hint(struct objstore *s, uint32_t index)
{
    struct hint_map map = hints_of_slots(s);

    hint_set(&map, index / SLOT_GROUP);
}

void slot_free(struct objstore *s, struct cache *c, uint32_t index)
{
    struct slot *slot = slot_at(s, index);
    uint64_t word = au64_load_relaxed(&slot->word); /* relaxed: it is ours */

    if (word_state(word) != SLOT_RECLAIM || word_lease(word) != s->lease)
        return; /* damage: then it is not ours to give */
    /* A store will do: in RECLAIM the word is its owner's alone. */
    au64_store_release(&slot->word, word_with(word, SLOT_FREE, 0)); /* T7, E3 */
    POINT("slot: freed");
    if (c && c->slots_count < CACHE_SLOTS)
        c->slots[c->slots_count++] = index;
    else
        slots_hint(s, index);
}

int meta_reserve(struct objstore *s, uint32_t index)
{
    uint64_t piece = index / META_PIECE, first = piece * META_PIECE;
    uint64_t count = s->geo.slots - first < META_PIECE ? s->geo.slots - first : META_PIECE;
    struct au64 *word = &s->meta_bits[piece / 64];
    uint64_t bit = 1ull << piece % 64;

    if (au64_load_acquire(word) & bit) /* S3: pairs with the or below */
        return 0;
    if (fallocate(s->fd, 0, (off_t)(s->geo.metas_at + first * sizeof(struct meta)),
                  (off_t)(count * sizeof(struct meta))))
        return -errno;
    POINT("slot: metadata reserved, not announced");
    au64_or_acq_rel(word, bit); /* S3 */
    return 0;
}
