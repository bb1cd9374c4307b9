/* SPDX-License-Identifier: MIT */
/*
 * pages.c -- who has which page of the data.
 *
 * One 32-bit owner word per page, changed only by compare-and-swap:
 *
 *   P1  FREE -> slot   pages_claim()    by the owner of the slot, in WRITING
 *   P2  slot -> FREE   pages_release()  by the owner of the slot, in WRITING or RECLAIM
 *   P3  slot -> BLOCK  and back: blocks.c
 *
 * Invariants
 *   I1  A page's word names a slot only while the slot's extent word covers that page (or its
 *       block): the extent is written before the first P1 and changed after the last P2.
 *   I2  Only the slot's one owner (slot.c, I1) takes or gives units in its name.
 *
 * A run is claimed in ascending order. Who meets a page that is not free gives back what it has
 * and searches on. Of several that collide, the one with the highest page gets its run: the
 * rest meet it, so somebody always succeeds (lock-free).
 *
 * Crashes  Whoever takes the slot over from a dead owner runs P2 over the slot's extent. It does
 *   nothing to a page that names another slot and is the same done twice; how far the dead one
 *   came does not matter. By I2 nobody else can do P2 for the slot meanwhile.
 *
 *   An owner that has all of its run and gives it back for the first time takes `held` off the
 *   extent and then simply stores FREE: its successor, who sees that `held` is off, uses P2.
 *
 * Ordering  E1: P2 releases, P1 acquires. The last access of the former owner comes before the
 *   first of the next one.
 *
 * Why not a bit map or a tree of extents: with a bit per page a dead owner's half-taken run
 * cannot be told from its neighbours', and a tree needs a lock or a log. One word costs 4 bytes
 * in 4096 and a compare-and-swap a page, a few percent of filling it.
 */
#include "pages.h"

bool pages_claim(struct objstore *s, uint32_t slot, uint32_t first, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t seen = PAGE_FREE;

        if (!au32_cas_acq_rel(&s->page_owners[first + i], &seen, slot + OWNER_SLOT)) { /* E1 */
            pages_release(s, slot, first, i);
            return false;
        }
        POINT("pages: one page taken");
    }
    return true;
}

void pages_release(struct objstore *s, uint32_t slot, uint32_t first, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t seen = slot + OWNER_SLOT;

        au32_cas_acq_rel(&s->page_owners[first + i], &seen, PAGE_FREE); /* E1 */
        POINT("pages: one page given back");
    }
}

void pages_release_held(struct objstore *s, uint32_t first, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        au32_store_release(&s->page_owners[first + i], PAGE_FREE); /* E1, P2 */
        POINT("pages: one page given back");
    }
}

/*
 * Pages that were used are in the process's page tables, and perhaps in the caches: they are worth
 * more than the next that nobody touched yet. When the oldest runs are forgotten, the next search
 * begins at the first of them; but what it then reads again on its way there shall cost
 * no more than the pages are worth.
 */
#define WORDS_PER_PAGE 64u

static void forget_half(struct cache *c)
{
    for (uint32_t i = 0; i < CACHE_RUNS / 2; i++) {
        if (c->runs[i].first < c->run_back)
            c->run_back = c->runs[i].first;
        c->run_forgotten += c->runs[i].pages;
        c->runs[i] = c->runs[i + CACHE_RUNS / 2];
    }
    c->run_count = CACHE_RUNS / 2;
    if (c->run_back < c->run_cursor &&
        c->run_cursor - c->run_back <= c->run_forgotten * WORDS_PER_PAGE) {
        c->run_cursor = c->run_back;
        c->run_back = UINT32_MAX;
        c->run_forgotten = 0;
    }
}

void pages_remember(struct cache *c, uint32_t first, uint32_t count)
{
    struct run *last = &c->runs[c->run_count ? c->run_count - 1 : 0];

    if (c->run_count && last->first + last->pages == first) {
        last->pages += count;
        return;
    }
    if (c->run_count && first + count == last->first) {
        *last = (struct run){ first, last->pages + count };
        return;
    }
    if (c->run_count == CACHE_RUNS)
        forget_half(c);
    c->runs[c->run_count++] = (struct run){ first, count };
}

/* Write the intent, then take. */
static bool try_run(struct objstore *s, uint32_t slot, uint32_t first, uint32_t count)
{
    struct au64 *extent = &slot_at(s, slot)->extent;
    struct extent e = { EXTENT_PAGES, false, 0, first, count };

    au64_store_release(extent, extent_pack(e)); /* X1: before the first page names the slot */
    POINT("pages: extent written, no page taken");
    if (!pages_claim(s, slot, first, count)) {
        au64_store_release(extent, 0); /* X1 */
        return false;
    }
    e.held = true;
    au64_store_release(extent, extent_pack(e)); /* X1 */
    POINT("pages: all taken");
    return true;
}

/* The last freed run that is large enough; what it has more than that stays remembered. */
static bool alloc_remembered(struct objstore *s, struct cache *c, uint32_t slot, uint32_t count)
{
    for (uint32_t i = c->run_count; i-- > 0;) {
        struct run r = c->runs[i];

        if (r.pages < count)
            continue;
        if (r.pages > count)
            c->runs[i] = (struct run){ r.first + count, r.pages - count };
        else
            c->runs[i] = c->runs[--c->run_count];
        if (try_run(s, slot, r.first, count))
            return true;
    }
    return false;
}

/* Search [from, to) for `count` free pages in a row and take them. */
static bool alloc_between(struct objstore *s, struct cache *c, uint32_t slot, uint32_t count,
                          uint64_t from, uint64_t to)
{
    uint64_t run = from; /* pages [run, page) are free */

    for (uint64_t page = from; page < to; page++) {
        uint32_t owner = au32_load_relaxed(&s->page_owners[page]); /* relaxed: P1 decides */

        if (owner != PAGE_FREE) {
            if (owner == PAGE_BLOCK)
                page |= BLOCK_PAGES - 1;
            run = page + 1;
            continue;
        }
        if (page - run + 1 < count)
            continue;
        if (try_run(s, slot, (uint32_t)run, count)) {
            c->run_cursor = (uint32_t)(run + count);
            return true;
        }
        page = run - 1; /* somebody took one of them: look again, it is not free any more */
    }
    return false;
}

int pages_alloc(struct objstore *s, struct cache *c, uint32_t slot, uint32_t count)
{
    uint64_t pages = s->geo.pages;
    uint64_t from = c->run_cursor < pages && count < pages / 16 ? c->run_cursor : 0;

    if (count == 0 || count > pages)
        return -ENOSPC;
    if (alloc_remembered(s, c, slot, count) || alloc_between(s, c, slot, count, from, pages))
        return 0;
    if (from && alloc_between(s, c, slot, count, 0, pages))
        return 0;
    return -ENOSPC;
}

bool pages_undecided(struct objstore *s, uint32_t self)
{
    uint32_t last = PAGE_FREE, slots = slots_in_use(s);

    for (uint64_t page = 0; page < s->geo.pages; page++) {
        uint32_t owner = au32_load_relaxed(&s->page_owners[page]); /* relaxed: a guess */

        if (owner < OWNER_SLOT || owner == last || owner - OWNER_SLOT == self)
            continue;
        last = owner;
        if (owner - OWNER_SLOT >= slots)
            continue;
        struct slot *other = slot_at(s, owner - OWNER_SLOT);
        struct extent e = extent_unpack(au64_load_relaxed(&other->extent)); /* a guess */
        uint64_t word = au64_load_relaxed(&other->word);

        if (word_state(word) == SLOT_WRITING && !e.held)
            return true;
    }
    return false;
}
