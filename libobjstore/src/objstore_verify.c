/* SPDX-License-Identifier: MIT */
/*
 * objstore_verify.c -- is everything as the protocols promise?
 *
 * One pass each over leases, buckets, slots and units, linear in the store. Others may work
 * meanwhile: whatever looks wrong is looked at again, and counts only if the words that
 * contradict each other stood still: a slot word that reads the same before and after did not
 * change, as it never recurs within a check (slot.c).
 */
#include "alloc.h"
#include "blocks.h"
#include "file.h"
#include "index.h"
#include "lease.h"
#include "pages.h"
#include "pass.h"
#include "pin.h"
#include "spill.h"

struct check {
    const struct objstore *s;
    struct objstore_diag *diag;
    uint32_t slots;
    uint64_t place; /* in the list: no slot may be before it */
};

#define LOOKS 100 /* at what looks wrong; a real fault does not go away */

/*
 * Beyond the caches each step would wait for memory. So ask for what will be read FAR steps later,
 * and, that being here, for what it leads to NEAR steps before its turn.
 */
#define FAR 16u
#define NEAR 8u

static int check_header(struct check *c)
{
    struct header_fixed fixed;
    struct geometry g;
    struct objstore_diag said = { "" };
    const struct objstore *s = c->s;
    int err =
        file_check(s->fd, &fixed, &g, &said); /* before any of it is touched: is it all there? */

    if (err) {
        diag_set(c->diag, "header: %s", said.text);
        return -EBADMSG;
    }
    uint64_t ready = au64_load_acquire(&s->header->slots_ready); /* S2 */
    uint64_t fresh = au64_load_acquire(&s->header->slots_fresh); /* S1 */
    if (ready > s->geo.slots || ready < s->geo.slots_first || fresh % SLOT_GROUP ||
        fresh > au64_load_acquire(&s->header->slots_ready)) { /* S2: it only grows */
        diag_set(c->diag, "header: %llu slots reserved and %llu used of %llu make no sense",
                 (unsigned long long)ready, (unsigned long long)fresh,
                 (unsigned long long)s->geo.slots);
        return -EBADMSG;
    }
    if (au64_load_relaxed(&s->header->leases_used) > LEASES_MAX) { /* relaxed: it only grows */
        diag_set(c->diag, "header: more leases used than there are");
        return -EBADMSG;
    }
    return 0;
}

static int check_leases(struct check *c)
{
    uint32_t used = leases_in_use(c->s);

    for (uint32_t i = 0; i < LEASES_MAX; i++) {
        uint64_t word = au64_load_acquire(&c->s->leases[i].word); /* A1 */

        if (lease_word_state(word) > LEASE_DEAD) {
            diag_set(c->diag, "lease %u: unknown state %u", i, (unsigned)lease_word_state(word));
            return -EBADMSG;
        }
        if (i >= used && lease_word_state(word) != LEASE_FREE && i >= leases_in_use(c->s)) {
            diag_set(c->diag, "lease %u: in use beyond the last one", i);
            return -EBADMSG;
        }
    }
    return 0;
}

/* ---- the list: every slot in it is in its place -------------------------------------------- */

static struct key slot_key(const struct objstore *s, uint32_t index)
{
    const struct slot *slot = slot_at(s, index);

    return (struct key){ { au64_load_relaxed(&slot->id[0]), /* relaxed: the word is read again, */
                           au64_load_relaxed(&slot->id[1]) } }; /* or nothing hangs on it */
}

static int check_link(uint32_t index, void *ctx)
{
    struct check *c = ctx;
    const struct slot *slot = slot_at(c->s, index);

    for (int i = 0; i < LOOKS; i++) {
        uint64_t word = au64_load_acquire(&slot->word); /* E1 */
        uint64_t hash = key_hash(slot_key(c->s, index));

        if (word_state(word) != SLOT_FREE && !index_is_before(hash, c->place)) {
            c->place = hash;
            return 0;
        }
        atomic_thread_fence(memory_order_acquire);  /* the id before the word */
        if (au64_load_relaxed(&slot->word) != word) /* relaxed: the fence orders it */
            return -EAGAIN;
    }
    return -EAGAIN; /* wrong, if the list still leads here: check_stretch looks again */
}

/*
 * From one open bucket the list leads to the next, `to` (NONE: to its end), all in order. Buckets
 * that were opened since are on the way.
 */
static int check_stretch(struct check *c, uint32_t from, uint32_t to)
{
    int err = 0;

    for (int i = 0; i < LOOKS; cpu_pause(), i++) {
        uint32_t end;

        c->place = from;
        err = index_walk(c->s, from, check_link, c, &end);
        if (err)
            continue;
        bool is_in_order = end == NONE || index_is_before(c->place, end);
        if (is_in_order && end == to)
            return 0;
        if (is_in_order && end != NONE && (to == NONE || index_is_before(end, to))) {
            from = end;
            i = 0;
        }
        err = is_in_order ? -ENOENT : -EAGAIN;
    }
    if (err == -ENOENT)
        diag_set(c->diag, "bucket %u: the list does not lead to it", to);
    else
        diag_set(c->diag, "bucket %u: its chain %s", from,
                 err == -EAGAIN ? "leads to a slot that is free or not its own"
                                : "is broken or does not end");
    return -EBADMSG;
}

static bool is_open(const struct objstore *s, uint32_t bucket)
{
    return bucket_is_open(bucket, au64_load_acquire(&s->buckets[bucket])); /* B3 */
}

/* The highest bucket that is open: all up to the next power of two may be. */
static uint32_t highest_open(const struct objstore *s)
{
    uint64_t bucket = s->geo.buckets - 1;

    while (bucket && !is_open(s, (uint32_t)bucket))
        bucket--;
    return (uint32_t)bucket;
}

/* All buckets, in the order of the list: each that is open is where the one before it leads. */
static int check_buckets(struct check *c)
{
    const struct objstore *s = c->s;
    uint32_t highest = highest_open(s);
    uint32_t mask = highest ? UINT32_MAX >> __builtin_clz(highest) : 0;
    uint32_t from = 0, far = 0, near = 0;
    int err = 0;

    index_learn(s);
    for (uint32_t i = 0; i < FAR; i++)
        far = index_next_bucket(far, mask);
    for (uint32_t i = 0; i < NEAR; i++)
        near = index_next_bucket(near, mask);
    for (uint32_t at = index_next_bucket(0, mask); at && !err; at = index_next_bucket(at, mask)) {
        far = index_next_bucket(far, mask);
        near = index_next_bucket(near, mask);
        __builtin_prefetch(&s->buckets[far]);
        __builtin_prefetch(index_slot_of(s, near));
        if (!is_open(s, at))
            continue;
        /* What it was split from is open, too: it is begun at to look for this one. */
        if (!is_open(s, at ^ 1u << (31 - __builtin_clz(at)))) {
            diag_set(c->diag, "bucket %u: what it was split from is not open", at);
            return -EBADMSG;
        }
        err = check_stretch(c, from, at);
        from = at;
    }
    return err ? err : check_stretch(c, from, NONE);
}

/* ---- slots: sealed ones can be found and have their bytes ---------------------------------- */

static bool units_are_ours(const struct objstore *s, uint32_t index, const struct extent *e)
{
    if (e->kind == EXTENT_CELL)
        return au32_load_acquire(&s->cell_owners[(uint64_t)e->first * BLOCK_CELLS + e->count]) ==
                   index + OWNER_SLOT &&                                              /* K1 */
               block_class(au64_load_acquire(&s->block_words[e->first])) == e->class; /* B2 */
    for (uint32_t i = 0; i < e->count; i++)
        if (au32_load_acquire(&s->page_owners[e->first + i]) != index + OWNER_SLOT) /* P1 */
            return false;
    return true;
}

/* A file, or an object in one. */
static const char *fault_of_spilled(const struct objstore *s, uint32_t index, enum slot_state state)
{
    const struct slot *slot = slot_at(s, index);
    uint64_t extent = au64_load_relaxed(&slot->extent); /* relaxed: the word is read again */
    struct key key = slot_key(s, index);
    struct spill_record r;
    uint32_t found;
    uint64_t word;

    if (!s->spill)
        return "it is of a store that spills";
    if (state == SLOT_FILE)
        return extent_is_file(extent) ? NULL : "it is a spill file that does not say so";
    if (!extent_is_spilled(extent) || !spill_record_read(s, index, &r))
        return "its record of where it was spilled to is damaged";
    if (!spill_record_is_kept(s, &r))
        return "it is in a spill file that there is none of";
    if (index_find(s, key, &found, &word) || found != index)
        return "its id does not lead to it";
    return NULL;
}

static const char *fault_of_slot(const struct objstore *s, uint32_t index, uint64_t word)
{
    const struct slot *slot = slot_at(s, index);
    struct key key = slot_key(s, index);
    uint64_t extent = au64_load_relaxed(&slot->extent);
    struct extent e = extent_unpack(extent);
    uint64_t size = au64_load_relaxed(&slot->size), at, room, found_word;
    enum slot_state state = word_state(word);
    uint32_t found;

    /* relaxed, all of the above: the word is read again by the caller */
    if (state > SLOT_FILE)
        return "its state is none";
    if (state == SLOT_WRITING || state == SLOT_RECLAIM || state == SLOT_STANDBY ||
        state == SLOT_REPLACED)
        return word_lease(word) >= LEASES_MAX || /* A4 */
                       lease_word_state(au64_load_acquire(&s->leases[word_lease(word)].word)) ==
                           LEASE_FREE
                   ? "its owner has no lease"
                   : NULL;
    if (state == SLOT_FREE)
        return extent ? "it is free and has an extent" : NULL;
    if (state == SLOT_FILE || state == SLOT_SPILLED)
        return fault_of_spilled(s, index, state);
    if (size > INLINE_MAX && !(state == SLOT_DOOMED && s->spill && extent_is_spilled(extent))) {
        if (!e.held || !extent_place(s, &e, &at, &room) || size > room)
            return "its extent makes no sense";
        if (!units_are_ours(s, index, &e))
            return "its bytes belong to another";
    }
    if (!key.id[0] && !key.id[1])
        return "it has no id";
    if (state == SLOT_SEALED && (index_find(s, key, &found, &found_word) || found != index))
        return "its id does not lead to it";
    return NULL;
}

/* What check_slot() will look up. */
static void fetch_for_slots(const struct check *c, uint32_t index)
{
    if (index + FAR < c->slots)
        __builtin_prefetch(index_bucket(c->s, slot_key(c->s, index + FAR)));
    if (index + NEAR < c->slots)
        __builtin_prefetch(index_first_slot(c->s, slot_key(c->s, index + NEAR)));
}

static int check_slot(struct check *c, uint32_t index)
{
    const struct slot *slot = slot_at(c->s, index);
    const char *fault = NULL;

    fetch_for_slots(c, index);
    for (int i = 0; i < LOOKS; i++) {
        uint64_t word = au64_load_acquire(&slot->word); /* E1 */

        fault = fault_of_slot(c->s, index, word);
        if (!fault)
            return 0;
        atomic_thread_fence(memory_order_acquire); /* what was seen before the word */
        if (au64_load_relaxed(&slot->word) == word && i > LOOKS / 2) /* relaxed: the fence */
            break;
        cpu_pause();
    }
    diag_set(c->diag, "slot %u: %s", index, fault);
    return -EBADMSG;
}

/* ---- units: who has one says so himself ---------------------------------------------------- */

static bool extent_covers_page(const struct extent *e, uint64_t page)
{
    if (e->kind == EXTENT_PAGES)
        return page >= e->first && page - e->first < e->count;
    return e->kind == EXTENT_BLOCK && page / BLOCK_PAGES == e->first;
}

static bool extent_covers_cell(const struct extent *e, uint64_t which)
{
    return e->kind == EXTENT_CELL && which == (uint64_t)e->first * BLOCK_CELLS + e->count;
}

/* A unit word that stands still must name a slot whose extent covers the unit. */
static bool unit_is_sound(const struct check *c, const struct au32 *unit, uint64_t which,
                          bool is_cell)
{
    for (int i = 0; i < LOOKS; i++) {
        uint32_t owner = au32_load_acquire(unit); /* P1, K1 */

        if (owner < OWNER_SLOT)
            return true;
        if (owner - OWNER_SLOT < slots_in_use(c->s)) {
            struct extent e = extent_unpack(
                au64_load_acquire(&slot_at(c->s, owner - OWNER_SLOT)->extent)); /* X1 */

            if (is_cell ? extent_covers_cell(&e, which) : extent_covers_page(&e, which))
                return true;
        }
        cpu_pause();
    }
    return false;
}

static int check_block(struct check *c, uint32_t block)
{
    const struct objstore *s = c->s;
    uint64_t word = au64_load_acquire(&s->block_words[block]); /* B1 to B6 */

    if (block_state(word) > BLOCK_CLOSING || block_class(word) >= CELL_CLASSES) {
        diag_set(c->diag, "block %u: its word makes no sense", block);
        return -EBADMSG;
    }
    for (uint32_t i = 0; i < BLOCK_CELLS; i++) {
        uint64_t which = (uint64_t)block * BLOCK_CELLS + i;

        if (!unit_is_sound(c, &s->cell_owners[which], which, true)) {
            diag_set(c->diag, "cell %u of block %u: belongs to a slot that does not know it", i,
                     block);
            return -EBADMSG;
        }
    }
    return 0;
}

/* A page of cells is in a block that is one, or on its way. */
static bool block_page_is_sound(const struct objstore *s, uint64_t page)
{
    uint64_t block = page / BLOCK_PAGES;

    for (int i = 0; i < LOOKS; i++) {
        if (au32_load_acquire(&s->page_owners[page]) != PAGE_BLOCK) /* P3 */
            return true;
        if (block < s->geo.blocks &&
            block_state(au64_load_acquire(&s->block_words[block])) != BLOCK_PAGES_STATE) /* B6 */
            return true;
        cpu_pause();
    }
    return false;
}

static int check_units(struct check *c)
{
    const struct objstore *s = c->s;

    for (uint64_t page = 0; page < s->geo.pages; page++)
        if (!unit_is_sound(c, &s->page_owners[page], page, false) ||
            !block_page_is_sound(s, page)) {
            diag_set(c->diag, "page %llu: its owner does not know it", (unsigned long long)page);
            return -EBADMSG;
        }
    for (uint32_t block = 0; block < s->geo.blocks; block++) {
        int err = check_block(c, block);

        if (err)
            return err;
    }
    return 0;
}

/* ---- pins: a live reader's object is there ------------------------------------------------- */

static int check_pins(struct check *c)
{
    uint32_t used = leases_in_use(c->s);

    for (uint32_t lease = 0; lease < used; lease++) {
        uint64_t word = au64_load_acquire(&c->s->leases[lease].word); /* A1 */

        if (!lease_word_is_live(word) || pins_are_sound(c->s, lease))
            continue;
        if (au64_load_acquire(&c->s->leases[lease].word) != word) /* A2 */
            continue;
        diag_set(c->diag, "lease %u: has a pin on no slot, or where nobody looks for it", lease);
        return -EBADMSG;
    }
    return 0;
}

static int check_passes(struct check *c)
{
    for (uint32_t i = 0; i < PASSES; i++) {
        const char *fault = pass_fault(c->s, i);

        if (fault) {
            diag_set(c->diag, "pass %u: %s", i, fault);
            return -EBADMSG;
        }
    }
    return 0;
}

int objstore_verify(struct objstore *s, struct objstore_diag *diag)
{
    struct check c = { .s = s, .diag = diag };
    int err = handle_check(s);

    if (err)
        return err;
    err = check_header(&c);
    if (err)
        return err;
    c.slots = slots_in_use(s);
    err = check_leases(&c);
    if (!err)
        err = check_buckets(&c);
    for (uint32_t i = 0; !err && i < c.slots; i++)
        err = check_slot(&c, i);
    if (!err)
        err = check_units(&c);
    if (!err)
        err = check_pins(&c);
    if (!err)
        err = check_passes(&c);
    return err;
}
