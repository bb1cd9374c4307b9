/* SPDX-License-Identifier: MIT */
/*
 * extent.c -- bytes for an object: from a cell or from pages, in the order of what is cheapest.
 */
#include "extent.h"
#include "alloc.h"
#include "blocks.h"
#include "pages.h"

#include <time.h>

/*
 * "Full" is decided by what somebody holds, not by what somebody is about to give back: while
 * another process is between claiming and deciding, look again. It may be stopped there for
 * ever, so this ends after about 20 ms.
 */
#define PATIENCE 60

static bool worth_another_look(struct objstore *s, uint32_t slot, int round)
{
    if (round >= PATIENCE || (!pages_undecided(s, slot) && !blocks_undecided(s)))
        return false;
    if (round < 20) {
        for (int i = 0; i < 50 << (round / 4); i++)
            cpu_pause();
    } else {
        struct timespec t = { 0, 500000 };

        nanosleep(&t, NULL);
    }
    return true;
}

static int alloc_small(struct objstore *s, struct cache *c, uint32_t slot, uint32_t class)
{
    if (cells_alloc_hinted(s, c, slot, class) == 0 || cells_alloc_open(s, c, slot, class) == 0 ||
        cells_alloc_scan(s, c, slot, class) == 0)
        return 0;
    if (blocks_retire_empty(s, slot) && cells_alloc_open(s, c, slot, class) == 0)
        return 0;
    if (pages_alloc(s, c, slot, 1) == 0)
        return 0;
    while (++class < CELL_CLASSES)
        if (cells_alloc_hinted(s, c, slot, class) == 0 || cells_alloc_scan(s, c, slot, class) == 0)
            return 0;
    return -ENOSPC;
}

static int alloc_large(struct objstore *s, struct cache *c, uint32_t slot, uint32_t count)
{
    int err = pages_alloc(s, c, slot, count);

    if (err == -ENOSPC && blocks_retire_empty(s, slot))
        err = pages_alloc(s, c, slot, count);
    return err;
}

int extent_alloc(struct objstore *s, struct cache *c, uint32_t slot, uint64_t size)
{
    uint32_t class = class_for(s, size);
    uint64_t count = (size + PAGE_BYTES - 1) / PAGE_BYTES;
    int err;

    if (size > s->geo.capacity_bytes)
        return -ENOSPC;
    for (int round = 0;; round++) {
        err = class < CELL_CLASSES ? alloc_small(s, c, slot, class)
                                   : alloc_large(s, c, slot, (uint32_t)count);
        if (err != -ENOSPC || !worth_another_look(s, slot, round))
            return err;
    }
}

/*
 * The order is that of giving everything back: `held` goes off first, the extent covers the tail
 * until the last page of it is free. A death in between is one in WRITING: the successor gives
 * back, page by page, whatever of the whole extent still names the slot.
 */
void extent_shrink(struct objstore *s, struct cache *c, uint32_t slot, uint64_t size)
{
    struct au64 *word = &slot_at(s, slot)->extent;
    struct extent e = extent_unpack(au64_load_acquire(word)); /* X1 */
    uint64_t at, bytes;
    uint32_t kept = (uint32_t)((size + PAGE_BYTES - 1) / PAGE_BYTES);

    if (e.kind != EXTENT_PAGES || !e.held || !extent_place(s, &e, &at, &bytes) || kept >= e.count)
        return;
    e.held = false;
    au64_store_release(word, extent_pack(e)); /* X1: before the first is given back */
    POINT("extent: shrinking");
    pages_release_held(s, e.first + kept, e.count - kept);
    pages_remember(c, e.first + kept, e.count - kept);
    e.count = kept;
    e.held = true;
    au64_store_release(word, extent_pack(e)); /* X1: after the last page of the tail is free */
    POINT("extent: shrunk");
}

void extent_free(struct objstore *s, struct cache *c, uint32_t slot, bool is_fresh)
{
    struct au64 *word = &slot_at(s, slot)->extent;
    struct extent e = extent_unpack(au64_load_acquire(word)); /* X1 */
    uint64_t at, bytes;

    if (e.kind == EXTENT_BLOCK) {
        if (e.first < s->geo.blocks)
            block_settle(s, slot, e.first);
    } else if (extent_place(s, &e, &at, &bytes)) {
        if (e.kind == EXTENT_PAGES) {
            if (is_fresh && e.held) {
                e.held = false;
                au64_store_release(word, extent_pack(e)); /* X1: before the first is given back */
                POINT("extent: not held any more");
                pages_release_held(s, e.first, e.count);
            } else {
                pages_release(s, slot, e.first, e.count);
            }
            if (c)
                pages_remember(c, e.first, e.count);
        } else {
            cells_release(s, c, slot, &e);
        }
    }
    if (e.kind != EXTENT_NONE)
        au64_store_release(word, 0); /* X1: after the last unit named the slot */
    POINT("extent: given back");
}
