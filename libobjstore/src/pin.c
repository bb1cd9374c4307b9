/* SPDX-License-Identifier: MIT */
/*
 * pin.c -- who reads what.
 *
 * Every lease has a table of pins that only its own process writes: an entry packs
 * slot + 1:32 | generation:12 | views:20. The table is set-associative, so whoever wants to know
 * about a slot reads one cache line per level and lease. A full set goes on in the next level,
 * which is eight times as large; levels above the first are allocated from the data like
 * an object that is never sealed (so a sweep finds them) the first time they are needed.
 *
 * In level 0 the first ways of a set hold one view each. Such an entry is its view's alone, so
 * to end it is a plain store, whichever thread does it. The other entries count views.
 *
 * The first half of level 0 goes by thread, not by slot: the first entry of such a near set is for
 * the one view that a thread mostly has, the rest of the line keeps other threads off. Where that
 * entry is does not depend on the slot (struct pinned). The first thread that comes to a near set
 * has it for good: nobody else fills its entry. (A thread that is born with the thread pointer of
 * one that is gone has its set, too.) A lease announces each set of level 0 before it uses it, so
 * who wants to know about a slot reads one line for each thread that ever got something, and the
 * slot's own set only if somebody had several views at once.
 *
 * The locked instruction of N1 is half of what a get and its release take. An object that is read
 * often becomes hot (N5): then a thread fills its near entry by a plain store (N4), and whoever
 * wants to free the object has the kernel send a barrier to every processor that runs such a
 * thread (N6), for 0.3 us, or 2 if there are any. One pin in PIN_HEAT makes its object hot, so
 * what is read less often than a barrier costs mostly does not cost one.
 *
 *   N0  lease.sets | set                     own_set(), before the first N1 into the set
 *   N1  entry 0 -> (slot, 1), or views + 1   pin(), then it looks at the slot's word again
 *   N2  views - 1, the last one -> 0         unpin(), then whoever sees DOOMED tries to free
 *   N3  (slot, 1) of a single view -> 0      likewise, by a store that orders nothing after it
 *   N4  near entry 0 -> (slot, 1)            as N1, by a store that orders nothing after it; only
 *                                            if it saw N5, and its process gets barriers
 *   N5  slot.pinners | PINNERS_HOT           pin_note_near(), if its process gets barriers; a
 *                                            slot's next object is not hot
 *   N6  membarrier(2)                        pins_any(), after it saw DOOMED and then N5
 *
 * Invariants
 *   I1  A process that holds a view of generation g of a slot has an entry for both from before
 *       its second look at the word until after its last access to the bytes.
 *   I2  A DOOMED slot that no one holds and no one is about to free has been counted in
 *       header.doomed_left since anybody last looked at all slots (reap.c, D1 to D3).
 *
 * Ordering  E2 (slot.c): N1, N2, T4 and the loads that follow each of them are sequentially
 *   consistent. Reader: N1, then the word. Deleter: T4, then the entries. One of them sees the
 *   other, so either the deleter finds the pin or the reader finds DOOMED and withdraws. At
 *   the end: N2, then the word, against T4, then the entries: the last of all to leave frees.
 *   The mask slot.pinners and N0, before N1, are on the reader's side of the same argument: a
 *   lease whose bit the deleter does not see after T4 will see DOOMED, and so will a thread
 *   whose set it does not see.
 *   N4 is not: the load of the word may be over before others see it. A deleter who saw N5 has N6
 *   between T4 and its look at the entries: what the reader loaded before the barrier came to its
 *   processor it had noted before, too, and the deleter sees that; what it loads later is DOOMED.
 *   That the deleter sees N5 is the argument of the mask once more: the reader saw it before it
 *   looked at the word. A process has barriers come to it from before its lease is LIVE, if that
 *   takes no time (may_be_quick()); if not, its pins are all N1. Where nobody else reads, and one
 *   thread there is, it sees its own stores without N6. Where N6 is forbidden (a sandbox) the slot
 *   stays, as if it were held (D1), for one who may, or until its readers are gone.
 *   N3 is a release, which the deleter's loads acquire: no access to the bytes is later than
 *   what frees them. But the load of the word may be over before others see N3. If T4 and the
 *   deleter's look fall in between, each leaves the slot to the other. That takes a delete within
 *   the nanoseconds of a release, and costs no more than time: by I2 whoever needs the room,
 *   or asks how much there is, finds the slot. A locked instruction at each release would
 *   cost more than the rest of it.
 *
 * Crashes  A dead lease's entries mean nothing: pins_any() skips leases that are not LIVE, and
 *   nobody has a count to repair. The next owner of the lease number empties its table and `sets`
 *   before it goes LIVE. A death after N0 leaves a set that is read for nothing. A death after N2
 *   or N3 and before the attempt to free leaves the slot DOOMED and unpinned: the sweep of that
 *   lease looks at every DOOMED slot.
 *
 * A deleter may read a level's table just when its owner died and the bytes have a new owner:
 * then it finds garbage, which counts only if the lease is still the same LIVE one afterwards.
 *
 * Why not a count in the slot: two processes reading one object would fight for its line (40 to
 * 69 ns instead of 9), and a dead reader's share in a count cannot be told from the others'.
 */
#define _GNU_SOURCE /* fallocate, syscall */
#include "pin.h"
#include "alloc.h"
#include "lease.h"
#include "pass.h"
#include "slot.h"

#include <fcntl.h>
#include <linux/membarrier.h>
#include <sys/single_threaded.h>
#include <sys/syscall.h>
#include <unistd.h>

static uint64_t level_sets(uint32_t level)
{
    return (uint64_t)PIN_SETS0 << 3 * level;
}
static uint64_t level_bytes(uint32_t level)
{
    return level_sets(level) * PIN_WAYS * sizeof(uint64_t);
}
/*
 * Add a level: an unsealed, nameless object of ours holds it. Only one thread at a time; the
 * others meanwhile find no room by enter_anywhere() in any level, so they wait for it here.
 */
static __attribute__((cold, noinline)) int grow(struct objstore *s, uint32_t levels)
{
    struct cache *c;
    struct extent e;
    uint64_t at, bytes;
    uint32_t slot;
    int err = 0;

    while (au32_xchg_acq_rel(&s->pin_growing, 1)) /* G1: threads of this process only */
        cpu_pause();
    if (au32_load_acquire(&s->pin_levels) != levels) /* another thread did it */
        goto done;
    err = -ENOSPC;
    if (levels == PIN_LEVELS)
        goto done;
    c = cache_take(s);
    err = slot_take(s, c, &slot);
    if (!err) {
        au64_add_relaxed(&s->unsealed, 1); /* relaxed: a private count */
        au64_store_relaxed(&slot_at(s, slot)->size, level_bytes(levels)); /* relaxed: ours */
        err = extent_alloc(s, c, slot, level_bytes(levels));
        if (err) {
            uint64_t word = au64_load_relaxed(&slot_at(s, slot)->word); /* relaxed: ours */

            slot_change(s, slot, &word, SLOT_RECLAIM); /* T3 */
            slot_free(s, c, slot);
            au64_add_relaxed(&s->unsealed, (uint64_t)-1); /* relaxed: a private count */
        }
    }
    cache_give(c);
    if (err)
        goto done;
    e = extent_unpack(au64_load_relaxed(&slot_at(s, slot)->extent)); /* relaxed: ours */
    err = extent_place(s, &e, &at, &bytes) && bytes >= level_bytes(levels) ? 0 : -EBADMSG;
    if (err)
        goto done;
    struct au64 *table = (struct au64 *)(void *)(s->rw + at);
    for (uint64_t i = 0; i < level_sets(levels) * PIN_WAYS; i++)
        au64_store_relaxed(&table[i], 0); /* relaxed: G2 publishes */
    s->pin_tables[levels] = table;
    au64_xchg_seq_cst(&s->leases[s->lease].tables[levels], at); /* G2, E2: pairs with table_of */
    POINT("pin: table announced");
    au32_store_release(&s->pin_levels, levels + 1); /* G3: pairs with pin */
done:
    au32_store_release(&s->pin_growing, 0); /* G1 */
    return err;
}

/* ---- noting a view ------------------------------------------------------------------------- */

static uint64_t ref_make(const struct objstore *s, uint32_t level, const struct au64 *entry)
{
    return (uint64_t)level << PIN_LEVEL_SHIFT | (uint64_t)(entry - s->pin_tables[level]);
}

/* A way of its own; NULL: none is free. */
static struct au64 *enter_alone(struct au64 *set, uint32_t ways, uint64_t key)
{
    for (uint32_t i = 0; i < ways; i++) {
        uint64_t seen = au64_load_relaxed(&set[i]); /* relaxed: N1 decides */

        if (seen == 0 && au64_cas_seq_cst(&set[i], &seen, key)) /* N1, E2 */
            return &set[i];
    }
    return NULL;
}

/* One more among the entries from `from` on, which count; NULL: they are taken. */
static struct au64 *enter_counted(struct au64 *set, uint32_t from, uint64_t key)
{
    for (uint32_t i = from; i < PIN_WAYS; i++) {
        uint64_t seen = au64_load_relaxed(&set[i]); /* relaxed: N1 decides */

        while (seen == 0 || (pin_names(seen, key) && pin_views(seen) < PIN_VIEWS_MAX))
            if (au64_cas_seq_cst(&set[i], &seen, seen == 0 ? key : seen + 1)) /* N1, E2 */
                return &set[i];
    }
    return NULL;
}

/* In any level, adding levels as needed. */
static int enter_anywhere(struct objstore *s, uint32_t slot, uint64_t key, uint64_t *ref)
{
    for (;;) {
        uint32_t levels = au32_load_acquire(&s->pin_levels); /* G3 */

        for (uint32_t level = 0; level < levels; ++level) {
            struct au64 *entry = enter_counted(pin_set(s->pin_tables[level], level, slot),
                                               level == 0 ? PIN_ALONE : 0, key);

            if (entry) {
                *ref = PIN_COUNTS | ref_make(s, level, entry);
                return 0;
            }
        }
        int err = grow(s, levels);
        if (err)
            return err;
    }
}

/* A set of level 0, announced. */
static struct au64 *own_set(struct objstore *s, uint32_t set)
{
    if (!(au64_load_acquire(&s->pin_sets) >> set & 1)) {         /* N0 */
        au64_or_seq_cst(&s->leases[s->lease].sets, 1ull << set); /* N0, E2 */
        POINT("pin: set announced, no entry");
        au64_or_acq_rel(&s->pin_sets, 1ull << set); /* N0: for our other threads */
    }
    return &s->pin_tables[0][(uint64_t)set * PIN_WAYS];
}

/* The one entry of this thread's near set, or NULL: another thread has that. */
static struct au64 *own_near(struct objstore *s)
{
    uint32_t set = pin_near_set();
    struct au64 *entry = own_set(s, set); /* before it is ours: a signal's handler may get, too */
    uint64_t thread = 0;

    return au64_cas_acq_rel(&s->pin_near[set].thread, &thread, pin_thread()) ||
                   thread == pin_thread()
               ? entry
               : NULL;
}

int pin_note(struct objstore *s, uint32_t slot, uint64_t word, struct pinned *held)
{
    struct slot *at = slot_at(s, slot);
    uint64_t key = pin_key(slot, word), bit = s->pin_bit, ref;

    if (!(au64_load_relaxed(&at->pinners) & bit)) /* relaxed: once set it stays */
        au64_or_seq_cst(&at->pinners, bit);       /* E2 */
    POINT("pin: mask set, no entry");
    struct au64 *entry = own_near(s);
    if (entry)
        entry = enter_alone(entry, 1, key);
    if (!entry)
        entry = enter_alone(own_set(s, pin_set_number(0, slot)), PIN_ALONE, key);
    if (entry) {
        ref = ref_make(s, 0, entry);
    } else {
        int err = enter_anywhere(s, slot, key, &ref);

        if (err)
            return err;
    }
    *held = (struct pinned){ ref, key };
    POINT("pin: entry set, word not looked at again");
    return 0;
}

bool pins_can_be_many(struct objstore *s, bool may_grow)
{
    return au32_load_acquire(&s->pin_levels) > 1 || (may_grow && grow(s, 1) == 0); /* G3 */
}

/* ---- ending one ---------------------------------------------------------------------------- */

/* The entry that a ref names, or NULL. */
static struct au64 *entry_of(const struct objstore *s, uint64_t ref)
{
    uint64_t which = ref & ((1ull << PIN_LEVEL_SHIFT) - 1), level = ref >> PIN_LEVEL_SHIFT & 7;

    if (level >= au32_load_acquire(&s->pin_levels) || /* G3 */
        which >= (uint64_t)PIN_SETS0 * PIN_WAYS << 3 * level)
        return NULL;
    return &s->pin_tables[level][which];
}

static bool unpin_counted(struct objstore *s, uint64_t ref, uint64_t key)
{
    struct au64 *entry = entry_of(s, ref);

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

bool unpin(struct objstore *s, uint64_t ref, uint64_t key)
{
    return ref & PIN_COUNTS ? unpin_counted(s, ref, key) : unpin_alone(s, ref, key);
}

bool pin_is_held(const struct objstore *s, uint64_t ref, uint64_t key)
{
    const struct au64 *entry = entry_of(s, ref);

    if (!entry)
        return false;
    uint64_t seen = au64_load_seq_cst(entry); /* N1 */
    return pin_names(seen, key) && pin_views(seen) > 0;
}

/* ---- looking at others' -------------------------------------------------------------------- */

/* A lease's table of one level, or NULL. Its offset is another process's word: check it. */
static struct au64 *table_of(const struct objstore *s, uint32_t lease, uint32_t level)
{
    unsigned char *base = s->rw ? s->rw : (unsigned char *)(uintptr_t)s->view;
    uint64_t at = s->geo.pins_at + (uint64_t)lease * PIN_TABLE_BYTES;

    if (level > 0) {
        at = au64_load_seq_cst(&s->leases[lease].tables[level]); /* G2, E2 */
        if (at < s->geo.data_at || at % PAGE_BYTES || at > s->geo.file_bytes ||
            s->geo.file_bytes - at < level_bytes(level))
            return NULL;
    }
    return (struct au64 *)(void *)(base + at);
}

static uint32_t views_in_set(const struct au64 *set, uint64_t key)
{
    uint32_t views = 0;

    for (uint32_t i = 0; i < PIN_WAYS; i++) {
        uint64_t entry = au64_load_seq_cst(&set[i]); /* E2 */

        if (pin_names(entry, key))
            views += pin_views(entry);
    }
    return views;
}

static uint32_t views_of_lease(const struct objstore *s, uint32_t lease, uint32_t slot,
                               uint64_t key)
{
    uint64_t before = au64_load_seq_cst(&s->leases[lease].word); /* E2 */
    uint64_t sets = au64_load_seq_cst(&s->leases[lease].sets);   /* N0, E2 */
    uint32_t views = 0;

    if (!lease_word_is_live(before))
        return 0;
    struct au64 *table = table_of(s, lease, 0);
    for (uint64_t near = sets & PIN_NEAR_ALL; near; near &= near - 1)
        views +=
            au64_load_seq_cst(&table[(uint64_t)__builtin_ctzll(near) * PIN_WAYS]) == key; /* E2 */
    if (sets >> pin_set_number(0, slot) & 1)
        views += views_in_set(pin_set(table, 0, slot), key);
    for (uint32_t level = 1; level < PIN_LEVELS && (table = table_of(s, lease, level)); level++)
        views += views_in_set(pin_set(table, level, slot), key);
    return views && au64_load_seq_cst(&s->leases[lease].word) == before ? views : 0; /* E2 */
}

static bool has_pin(const struct objstore *s, uint32_t slot, uint64_t mask, uint64_t key)
{
    uint32_t used = leases_in_use(s);

    for (uint32_t lease = 0; lease < used; lease++)
        if (mask >> lease % PINNERS_LEASES & 1 && views_of_lease(s, lease, slot, key))
            return true;
    return false;
}

#define LOOKS 1000 /* each means that somebody took a pass meanwhile */

/* Pins, then passes, then whether somebody took one meanwhile: pass.c, I2. */
static bool is_pinned(const struct objstore *s, uint32_t slot, uint64_t mask, uint64_t word)
{
    if (!mask)
        return false;
    for (int looks = 0; looks < LOOKS; looks++) {
        uint64_t moves = pass_moves(s);

        if (has_pin(s, slot, mask, pin_key(slot, word)) || passes_of(s, slot))
            return true;
        if (pass_moves(s) == moves)
            return false;
    }
    return true;
}

/* May another thread, of this process or another, have pinned by a store that is on its way? */
static bool may_be_on_the_way(const struct objstore *s, uint64_t mask)
{
    uint32_t used = mask & PINNERS_HOT ? leases_in_use(s) : 0;

    if ((mask & s->pin_hot) == s->pin_hot && !__libc_single_threaded) /* of ours */
        return true;
    for (uint32_t lease = 0; lease < used; lease++) /* of others' */
        if (mask >> lease % PINNERS_LEASES & 1 && lease != s->lease &&
            lease_word_is_live(au64_load_seq_cst(&s->leases[lease].word))) /* E2 */
            return true;
    return false;
}

/* Before it returns every processor that runs a thread which may pin quickly has had a barrier. */
static bool barrier_everywhere(void)
{
    return syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0) == 0;
}

bool pins_any(const struct objstore *s, uint32_t slot, uint64_t word)
{
    uint64_t mask = au64_load_seq_cst(&slot_at(s, slot)->pinners); /* E2, N5 */

    return (may_be_on_the_way(s, mask) && !barrier_everywhere()) || /* N6 */
           is_pinned(s, slot, mask, word);
}

bool pins_seen(const struct objstore *s, uint32_t slot, uint64_t word)
{
    return is_pinned(s, slot, au64_load_seq_cst(&slot_at(s, slot)->pinners), word); /* E2 */
}

uint32_t pins_held_by(const struct objstore *s, uint32_t lease, uint32_t slot, uint64_t word)
{
    return views_of_lease(s, lease, slot, pin_key(slot, word));
}

uint32_t pins_count(const struct objstore *s, uint32_t slot, uint64_t word)
{
    uint64_t mask = au64_load_seq_cst(&slot_at(s, slot)->pinners); /* E2 */
    uint32_t used = leases_in_use(s), views = 0;

    for (uint32_t lease = 0; mask && lease < used; lease++)
        if (mask >> lease % PINNERS_LEASES & 1)
            views += views_of_lease(s, lease, slot, pin_key(slot, word));
    return views;
}

uint64_t pins_of_lease(const struct objstore *s, uint32_t lease)
{
    uint64_t views = 0;

    for (uint32_t level = 0; level < PIN_LEVELS; level++) {
        struct au64 *table = table_of(s, lease, level);

        for (uint64_t i = 0; table && i < level_sets(level) * PIN_WAYS; i++)
            views += pin_views(au64_load_relaxed(&table[i])); /* relaxed: a statistic */
    }
    return views;
}

/* Would who looks for this entry find it? */
static bool is_looked_for(const struct objstore *s, uint32_t lease, uint32_t level, uint64_t entry)
{
    uint64_t set = entry / PIN_WAYS;

    return level > 0 || (au64_load_acquire(&s->leases[lease].sets) >> set & 1 && /* N0 */
                         (set >= PIN_NEAR || entry % PIN_WAYS == 0));
}

bool pins_are_sound(const struct objstore *s, uint32_t lease)
{
    for (uint32_t level = 0; level < PIN_LEVELS; level++) {
        struct au64 *table = table_of(s, lease, level);

        for (uint64_t i = 0; table && i < level_sets(level) * PIN_WAYS; i++) {
            uint64_t entry = au64_load_acquire(&table[i]); /* N1 */

            if (!entry)
                continue;
            if ((entry >> 32) - 1 >= slots_in_use(s) || !is_looked_for(s, lease, level, i))
                return false;
        }
    }
    return true;
}

void pins_drop_all(struct objstore *s, void (*dropped)(struct objstore *s, uint32_t slot))
{
    for (uint32_t level = 0; level < au32_load_acquire(&s->pin_levels); level++) /* G3 */
        for (uint64_t i = 0; i < level_sets(level) * PIN_WAYS; i++) {
            struct au64 *entry = &s->pin_tables[level][i];
            uint64_t seen = au64_load_relaxed(entry); /* relaxed: ours */

            if (!seen)
                continue;
            au64_xchg_seq_cst(entry, 0); /* N2, E2 */
            if ((seen >> 32) - 1 < slots_in_use(s))
                dropped(s, (uint32_t)((seen >> 32) - 1));
        }
}

/* Let others' barriers come to this process. With several threads it takes the kernel 10 ms. */
static bool may_be_quick(void)
{
    return __libc_single_threaded &&
           syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0) == 0;
}

int pins_prepare(struct objstore *s, uint32_t lease)
{
    uint64_t at = s->geo.pins_at + (uint64_t)lease * PIN_TABLE_BYTES;

    if (fallocate(s->fd, 0, (off_t)at, PIN_TABLE_BYTES))
        return -errno;
    struct au64 *table = (struct au64 *)(void *)(s->rw + at);
    for (uint32_t i = 0; i < PIN_SETS0 * PIN_WAYS; i++)
        au64_store_relaxed(&table[i], 0); /* relaxed: going LIVE publishes */
    for (uint32_t level = 0; level < PIN_LEVELS; level++)
        au64_store_relaxed(&s->leases[lease].tables[level], 0); /* relaxed: likewise */
    au64_store_relaxed(&s->leases[lease].sets, 0);              /* relaxed: likewise */
    au64_store_relaxed(&s->pin_sets, 0);                        /* relaxed: no other thread yet */
    for (uint32_t set = 0; set < PIN_NEAR; set++)
        au64_store_relaxed(&s->pin_near[set].thread, 0); /* relaxed: likewise */
    s->pin_hot = may_be_quick() ? s->pin_bit | PINNERS_HOT : UINT64_MAX;
    s->pin_tables[0] = table;
    au32_store_release(&s->pin_levels, 1); /* G3 */
    return 0;
}
