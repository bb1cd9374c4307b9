/* SPDX-License-Identifier: MIT */
/*
 * reap.c -- giving slots back.
 *
 * reclaim() takes a slot that is ours in RECLAIM to FREE: out of the index, units back, T7. Each
 * of its steps may have been done before by an owner who died, and doing it again does nothing.
 *
 * reap_dead() is the sweep: A3 for every dead lease (lease.c), then one look at all slots, then
 * A4. Slots of the dead are taken over one by one (T6), so several sweeps share the work; one
 * that stops keeps one slot, one that dies leaves it in RECLAIM under its own lease. DOOMED slots
 * are tried, too: the dead may have held the last pin, or died between T4 and T5. On the way the
 * shared hints that the dead had taken are set again.
 *
 * reap_left() looks for DOOMED slots that the last to leave did not see (pin.c, N3):
 *
 *   D1  doomed_left + 1         by whoever found a pin on a DOOMED slot and leaves it
 *   D2  read doomed_left        before a look at all slots, which does D1 for those that stay
 *   D3  doomed_looked = D2's    after it, by compare-and-swap
 *
 * While the two are equal there is nothing to look for: a slot that was counted before D2 was
 * DOOMED at the look, and was freed or counted again; one that is counted after D2 makes them
 * differ. doomed_looked only grows, so one who slept does not take a later look back. Who stops or
 * dies between D2 and D3 leaves them different. A death before D1: the sweep looks at every DOOMED
 * slot.
 *
 * As long as deleted objects are held they differ, so who needs room would look at all slots again
 * and again. A handle therefore remembers what stayed, if it did every D1 since D2 itself. While
 * doomed_left is what it was then, nothing else is DOOMED and counted: those few are looked at
 * instead, until none of them is left. That changes nothing that others see.
 */
#include "reap.h"
#include "alloc.h"
#include "blocks.h"
#include "events.h"
#include "index.h"
#include "lease.h"
#include "pass.h"
#include "pin.h"
#include "replace.h"
#include "slot.h"
#include "spill.h"
#include "wait.h"

#define LOOKS_AT_OPEN 32u /* at leases: all, in most stores */

void reclaim(struct objstore *s, struct cache *c, uint32_t slot, enum reclaim_from from)
{
    uint64_t word = au64_load_relaxed(&slot_at(s, slot)->word); /* relaxed: ours */

    if (from != RECLAIM_UNLINKED &&
        index_remove(s, slot, word)) /* a damaged chain: leave the slot, verify tells */
        return;
    spill_forget(s, c, slot);
    extent_free(s, c, slot, from != RECLAIM_ANYWHERE);
    slot_free(s, c, slot);
}

void reclaim_if_unpinned(struct objstore *s, uint32_t slot, uint64_t word, enum reclaim_from from)
{
    if (word_state(word) != SLOT_DOOMED)
        return;
    if (pins_any(s, slot, word)) {
        POINT("reap: pinned, not counted");
        au64_add_acq_rel(&s->header->doomed_left, 1); /* D1 */
        return;
    }
    POINT("reap: no pins, not taken");
    if (!slot_change(s, slot, &word, SLOT_RECLAIM)) /* T5 */
        return;
    POINT("reap: reclaiming");
    struct cache *c = cache_take(s);
    reclaim(s, c, slot, from);
    cache_give(c);
}

/* A slot that a dead one owned, as it was read: T6. */
static void take_over(struct objstore *s, uint32_t slot, uint64_t word)
{
    if (!au64_cas_seq_cst(&slot_at(s, slot)->word, &word, /* T6 */
                          word_make(word_generation(word) + 1, SLOT_RECLAIM, s->lease)))
        return;
    POINT("reap: a dead one's slot taken over");
    reclaim(s, NULL, slot, RECLAIM_ANYWHERE);
}

static void reap_slot(struct objstore *s, const struct graves *graves, uint32_t slot)
{
    uint64_t word = au64_load_acquire(&slot_at(s, slot)->word); /* T1 to T7 */

    switch (word_state(word)) {
    case SLOT_FREE:
        if (slot % 16 == 0) /* cheap, and every group is told of soon enough */
            slots_hint(s, slot);
        break;
    case SLOT_STANDBY:
    case SLOT_WRITING:
    case SLOT_RECLAIM:
        if (!grave_owns(s, graves, word))
            break;
        if (word_state(word) == SLOT_STANDBY) { /* M8: an heir is not its dead owner's */
            replace_settle(s, slot, word_lease(word));
            POINT("reap: an heir settled");
        }
        take_over(s, slot, word);
        break;
    case SLOT_DOOMED:
        reclaim_if_unpinned(s, slot, word, RECLAIM_FRESH);
        break;
    case SLOT_REPLACED:
        if (grave_owns(s, graves, word))
            replace_help(s, slot, word); /* M5, M6 */
        word = au64_load_seq_cst(&slot_at(s, slot)->word);
        if (word_state(word) == SLOT_DOOMED)
            reclaim_if_unpinned(s, slot, word, RECLAIM_FRESH);
        break;
    case SLOT_FILE:
        spill_file_drop_if_empty(s, NULL, slot, word);
        break;
    case SLOT_SEALED:
        if (au64_load_relaxed(&slot_at(s, slot)->created) & CREATED_CLAIMED) /* a hint */
            au64_and_acq_rel(&slot_at(s, slot)->created, ~CREATED_CLAIMED);
        break;
    case SLOT_SPILLED:
    default:
        break;
    }
}

/* D2 is done. What stays goes into `memory`, if that is not NULL. */
static uint32_t look_at_all(struct objstore *s, uint64_t looked, uint64_t left, struct left *memory)
{
    uint32_t freed = 0, stay = 0, slots = slots_in_use(s);

    POINT("reap: to look at all slots");
    for (uint32_t i = 0; i < slots; i++) {
        uint64_t word = au64_load_seq_cst(&slot_at(s, i)->word); /* E2 */

        if (word_state(word) != SLOT_DOOMED)
            continue;
        reclaim_if_unpinned(s, i, word, RECLAIM_FRESH);        /* or D1 */
        if (au64_load_relaxed(&slot_at(s, i)->word) != word) { /* relaxed: a count */
            freed++;
        } else if (memory && stay++ < LEFT_MAX) {
            memory->held[stay - 1].word = word;
            memory->held[stay - 1].slot = i;
        }
    }
    if (memory) {
        memory->seen = left + stay; /* every D1 was ours, or it is another number */
        memory->count = stay <= LEFT_MAX ? stay : 0;
    }
    POINT("reap: looked at all slots, not noted");
    au64_cas_acq_rel(&s->header->doomed_looked, &looked, left); /* D3 */
    return freed;
}

/* At those few that stayed. */
static uint32_t look_again(struct objstore *s, struct left *memory)
{
    uint32_t freed = 0, stay = 0;

    for (uint32_t i = 0; i < memory->count; i++) {
        uint32_t slot = memory->held[i].slot;
        uint64_t word = au64_load_seq_cst(&slot_at(s, slot)->word); /* E2 */

        if (word != memory->held[i].word)
            continue; /* whoever held it freed it */
        if (pins_any(s, slot, word)) {
            memory->held[stay++] = memory->held[i];
            continue;
        }
        reclaim_if_unpinned(s, slot, word, RECLAIM_FRESH);
        freed++;
    }
    memory->count = stay;
    return freed;
}

uint32_t reap_left(struct objstore *s)
{
    uint64_t looked = au64_load_acquire(&s->header->doomed_looked); /* D3 */
    uint64_t left = au64_load_acquire(&s->header->doomed_left);     /* D2 */
    struct left *memory = &s->left;
    uint32_t freed = 0;

    if (left == looked || !s->rw)
        return 0;
    if (au32_xchg_acq_rel(&memory->busy, 1)) /* another thread looks */
        return look_at_all(s, looked, left, NULL);
    if (memory->count && memory->seen == left)
        freed = look_again(s, memory);
    else
        memory->count = 0;
    if (!memory->count)
        freed += look_at_all(s, looked, left, memory);
    au32_store_release(&memory->busy, 0); /* pairs with the exchange */
    return freed;
}

/* One holder of it is gone. */
static void try_to_free(struct objstore *s, uint32_t slot)
{
    uint64_t word = au64_load_seq_cst(&slot_at(s, slot)->word); /* E2: after N2, Q4 */

    reclaim_if_unpinned(s, slot, word, RECLAIM_FRESH);
}

/* A sweep is done: those who wait or listen may have missed something. */
static void tell_all(struct objstore *s)
{
    blocks_hint_all(s);
    wait_wake_all(s); /* what they wait for may never come now: let them look */
}

void reap_inherited(struct objstore *s)
{
    uint32_t slots = slots_in_use(s);

    passes_inherited(s);
    for (uint32_t i = 0; i < slots; i++) {
        uint64_t word = au64_load_acquire(&slot_at(s, i)->word); /* T1 to T7 */
        bool is_owned = word_state(word) == SLOT_WRITING || word_state(word) == SLOT_RECLAIM;

        if (is_owned && word_lease(word) == s->lease)
            take_over(s, i, word);
        else
            reclaim_if_unpinned(s, i, word, RECLAIM_FRESH);
    }
    tell_all(s);
    events_forget_dead(s);
    au64_add_acq_rel(&s->header->deaths, 1); /* as after A4 */
}

uint32_t reap_dead(struct objstore *s)
{
    uint32_t freed = 0;
    struct graves graves;

    for (;;) {
        leases_bury(s, &graves);
        freed += passes_expire(s, &graves, try_to_free);
        if (graves.count == 0)
            return freed;
        uint32_t slots = slots_in_use(s);
        for (uint32_t i = 0; i < slots; i++)
            reap_slot(s, &graves, i);
        tell_all(s);
        freed += leases_free(s, &graves);
        events_forget_dead(s);
        if (graves.count < GRAVES_MAX)
            return freed;
    }
}

uint64_t reap_deaths(const struct objstore *s)
{
    return au64_load_acquire(&s->header->deaths); /* A4: what that death held is free */
}

/* Several may sweep at once: who finds nothing left to do must not take that for "no room". */
bool reap_for_room(struct objstore *s, uint64_t deaths)
{
    return reap_dead(s) || reap_left(s) || reap_deaths(s) != deaths;
}

uint32_t reap_at_open(struct objstore *s)
{
    const struct graves none = { .count = 0 };

    if (leases_glance(s, LOOKS_AT_OPEN))
        return reap_dead(s);
    return passes_expire(s, &none, try_to_free);
}

void reap_self(struct objstore *s)
{
    uint32_t slots = slots_in_use(s);

    pins_drop_all(s, try_to_free);
    for (uint32_t i = 0; i < slots && au64_load_relaxed(&s->unsealed); i++) { /* a private count */
        uint64_t word = au64_load_acquire(&slot_at(s, i)->word);              /* T1 */

        if (word_state(word) == SLOT_WRITING && word_lease(word) == s->lease &&
            slot_change(s, i, &word, SLOT_RECLAIM)) { /* T3 */
            reclaim(s, NULL, i, RECLAIM_FRESH);
            au64_add_relaxed(&s->unsealed, (uint64_t)-1); /* relaxed: a private count */
        }
    }
    cache_flush(s);
}
