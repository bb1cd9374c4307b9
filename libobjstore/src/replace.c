/* SPDX-License-Identifier: MIT */
/*
 * replace.c -- one object, two forms: how its bytes move to a file and back.
 *
 * Sealed bytes never move. To spill or to restore an object is to make a second slot for it, its
 * heir, complete with the bytes in their other place, and then to let the heir take over in one
 * step. The old slot goes the way of every deleted object, with the last pin on it. So a move needs
 * no state in which an object cannot be read, and nobody ever waits for one who moves it.
 *
 *   M1  FREE -> WRITING(self) -> STANDBY(self)  replace_begin()   T1 of slot.c, then not present
 *   M2  the heir enters the chain behind the old slot              L4 of index.c
 *   M3  lease.heir = (heir, old)                replace_finish()   by the lease's owner
 *   M4  old: SEALED, SPILLED -> REPLACED(self)  replace_finish()   the one step that decides
 *   M5  heir: STANDBY(lease) -> SEALED, SPILLED replace_help()     by anybody who meets M4
 *   M6  old: REPLACED(lease) -> DOOMED          replace_help()     likewise, after M5
 *   M7  STANDBY(self) -> RECLAIM(self)          replace_abandon()  M4 failed, or was not tried
 *   M8  STANDBY(dead) -> RECLAIM(self)          reap_dead()        T6, after replace_settle()
 *
 * The word of a REPLACED slot says whose heir it has, the lease's `heir` which slot that is; the
 * heir's extent says whether it becomes SEALED (bytes in memory) or SPILLED (a file).
 *
 * Invariants
 *   I1  Of all slots with an id, at most one is present or REPLACED: an heir becomes present (M5)
 *       only while its old slot is REPLACED, and that was present until M4.
 *   I2  lease.heir does not change while a slot is REPLACED under this lease: its owner sets
 *       it before M4, and again only after M6; threads of one process take turns; a dead one
 *       changes nothing. So what names `old` in lease.heir while old's word stands is its heir.
 *   I3  A sweep does not reclaim the heir of a REPLACED slot: replace_settle() first does M5. Once
 *       the lease is dead M4 cannot happen any more, so what is not an heir then never is.
 *   I4  From M2 to M6 the old slot is in its chain: its owner holds a pin until M4, and who
 *       finds REPLACED does M5 before it can be taken out. See I4 of index.c.
 *
 * Ordering  M4 and M5 release, readers of either word acquire: they see the heir's bytes, which
 *   were complete before M3. M3 -> M4 -> who reads REPLACED reads lease.heir.
 *
 * Crashes  Before M4: the old form is untouched, the sweep reclaims the heir (M8) and with it
 *   the bytes in memory or in the file. After M4: any reader of that object, or the sweep, goes on
 *   with M5 and M6. After M6: a DOOMED slot, which the sweep looks at.
 * Stops  Nobody waits, but for who finds no room: for the move of what alone could make some
 *   (evict.c), or for the heir that another has for the same object (spill.c); and that is bounded.
 *   One who stopped before M4 keeps its heir's bytes and a pin, no more; others
 *   move the same object meanwhile, and the first M4 wins. After M4 others finish.
 *
 * Pins are no obstacle: a view that was taken of the old form stays valid, as after a delete. To
 * spill an object that is being read only frees nothing at once, so evict.c avoids it.
 *
 * Why not states of the slot itself: to free its bytes or to fill them again in place, somebody
 * would have to own the slot alone for as long as the I/O takes, and if he stopped everybody who
 * wants the object would stop with him.
 */
#include "replace.h"
#include "alloc.h"
#include "index.h"
#include "pause.h"
#include "reap.h"
#include "slot.h"
#include "spill.h"

#include <string.h>

static uint64_t heir_make(uint32_t heir, uint32_t old)
{
    return ((uint64_t)heir + 1) << 32 | old;
}

static int copy_meta(struct objstore *s, uint32_t from, uint32_t to)
{
    int err = meta_reserve(s, to);

    for (uint32_t i = 0; !err && i < META_WORDS; i++) /* relaxed: M5 publishes */
        au64_store_relaxed(&meta_at(s, to)->words[i],
                           au64_load_relaxed(&meta_at(s, from)->words[i]));
    return err;
}

int replace_begin(struct objstore *s, struct cache *c, uint32_t old, uint32_t *heir)
{
    const struct slot *from = slot_at(s, old);
    uint64_t created = au64_load_relaxed(&from->created), word; /* relaxed: pinned */
    int err = slot_take(s, c, heir);

    if (err)
        return err;
    struct slot *to = slot_at(s, *heir);
    au64_store_relaxed(&to->id[0], au64_load_relaxed(&from->id[0])); /* relaxed, all: L4, M5 */
    au64_store_relaxed(&to->id[1], au64_load_relaxed(&from->id[1]));
    au64_store_relaxed(&to->size, au64_load_relaxed(&from->size));
    au64_store_relaxed(&to->created, created & ~(CREATED_USED | CREATED_CLAIMED));
    au64_store_relaxed(&to->pinners, 0);
    word = au64_load_relaxed(&to->word);             /* relaxed: ours */
    if (!slot_change(s, *heir, &word, SLOT_STANDBY)) /* M1 */
        return -EAGAIN;                              /* damage */
    POINT("replace: an heir, described");
    if (created & CREATED_META)
        err = copy_meta(s, old, *heir);
    if (err)
        replace_abandon(s, *heir);
    return err;
}

void replace_help(const struct objstore *s, uint32_t old, uint64_t word)
{
    uint32_t lease = word_lease(word);

    if (!s->rw || lease >= LEASES_MAX)
        return;
    uint64_t heir = au64_load_seq_cst(&s->leases[lease].heir); /* I2 */
    uint32_t index = (uint32_t)(heir >> 32) - 1;
    if ((uint32_t)heir != old || index >= slots_in_use(s))
        return; /* it is done, or the words are damaged */
    struct slot *to = slot_at(s, index);
    uint64_t standby = au64_load_seq_cst(&to->word);       /* M5 */
    uint64_t extent = au64_load_acquire(&to->extent);      /* complete before M3 */
    if (au64_load_seq_cst(&slot_at(s, old)->word) != word) /* M6: I2 holds no more */
        return;
    POINT("replace: replaced, its heir stands by");
    if (word_state(standby) == SLOT_STANDBY && word_lease(standby) == lease)
        au64_cas_seq_cst(
            &to->word, &standby, /* M5 */
            word_with(standby, extent_is_spilled(extent) ? SLOT_SPILLED : SLOT_SEALED, 0));
    POINT("replace: the heir is present, the old one not doomed");
    au64_cas_seq_cst(&slot_at(s, old)->word, &word, word_with(word, SLOT_DOOMED, 0)); /* M6 */
    POINT("replace: the old one is doomed");
}

void replace_settle(const struct objstore *s, uint32_t heir, uint32_t lease)
{
    uint64_t seen = au64_load_seq_cst(&s->leases[lease].heir); /* I2 */
    uint32_t old = (uint32_t)seen;

    if ((uint32_t)(seen >> 32) - 1 != heir || old >= slots_in_use(s))
        return;
    uint64_t word = au64_load_seq_cst(&slot_at(s, old)->word); /* M4 */
    if (word_state(word) == SLOT_REPLACED && word_lease(word) == lease)
        replace_help(s, old, word);
}

int replace_finish(struct objstore *s, uint32_t old, uint64_t word, uint32_t heir)
{
    struct au64 *ours = &s->leases[s->lease].heir;
    int err = index_insert_behind(s, heir, old); /* M2 */

    if (err)
        return err;
    POINT("replace: entered, not in its place");
    for (uint32_t n = 0; au32_xchg_acq_rel(&s->replacing, 1);
         n++) /* threads of this process only */
        pause_before(n);
    au64_add_acq_rel(&s->spill->page->moves, 1);   /* M3: pairs with objstore_list_where() */
    au64_xchg_seq_cst(ours, heir_make(heir, old)); /* M3 */
    POINT("replace: heir named");
    uint64_t seen = word;
    err = slot_change(s, old, &seen, SLOT_REPLACED) ? 0 : -EAGAIN; /* M4 */
    if (!err)
        replace_help(s, old, word_with(word, SLOT_REPLACED, s->lease));
    au64_store_release(ours, 0);
    au32_store_release(&s->replacing, 0);
    if (!err)
        (void)index_remove(s, old, word_with(word, SLOT_DOOMED, 0));
    return err;
}

void replace_abandon(struct objstore *s, uint32_t heir)
{
    uint64_t word = au64_load_relaxed(&slot_at(s, heir)->word); /* relaxed: ours */

    if (!slot_change(s, heir, &word, SLOT_RECLAIM)) /* M7 */
        return;
    POINT("replace: abandoned, not undone");
    reclaim(s, NULL, heir, RECLAIM_FRESH);
}
