/* SPDX-License-Identifier: MIT */
/*
 * blocks.c -- cells for small objects, and the blocks they are cut from.
 *
 * A block is 4 aligned pages. Its word packs version:24 | state:3 | class:5 | slot:32 and
 * changes only by compare-and-swap, version + 1 each time:
 *
 *   B1  PAGES -> OPENING(slot, class)      open_block()    when `slot` has all its pages
 *   B2  OPENING -> CELLS(class)            block_settle()  after pages slot -> BLOCK and
 *                                                          cells CLOSED -> FREE
 *   B3  CELLS(class) -> RETIRING(slot, class)  retire_block()
 *   B4  RETIRING -> CLOSING(slot)          retire_block()  after all cells FREE -> CLOSED
 *   B5  RETIRING -> CELLS(class)           block_settle()  a cell was taken: cells back to FREE
 *   B6  CLOSING -> PAGES                   block_settle()  after pages BLOCK -> FREE
 *
 * A cell's owner word says CLOSED, FREE or which slot has it:
 *
 *   K1  FREE -> slot   take_cell()      by the owner of the slot, in WRITING
 *   K2  slot -> FREE   cells_release()  by the owner of the slot, in WRITING or RECLAIM
 *   K3  FREE <-> CLOSED  the owner of a block in transition (B2, B4, B5)
 *
 * Invariants
 *   I1  Only the owner of the slot named in OPENING, RETIRING or CLOSING changes that block's
 *       word, its PAGE_BLOCK page words, and cells by K3.
 *   I2  A slot's extent says EXTENT_BLOCK(b) from before it takes b's first page or b's word
 *       until nothing of b names it: its successor knows where to look.
 *   I3  In PAGES every cell is CLOSED. A cell that is not FREE stops B4.
 *
 * A cell's class is the block's, so K1 is followed by a second look at the block word: if it is
 * not the very word that the class was read from, the cell goes back (K2) and the taker looks
 * elsewhere. While it holds the cell the block cannot be closed (I3), so the second look is final.
 *
 * Crashes  The successor of a dead owner calls block_settle(), which drives a block named in the
 *   slot's extent to a resting state from any step, and does nothing to one that others drive.
 *   All its steps are compare-and-swaps from what that owner alone could have left.
 *
 * Ordering  E1: K2 releases, K1 acquires: the bytes are the next owner's only after the last
 *   one's accesses. The same for B2/B6 and the readers of the block word.
 *
 * Limits  A version recurs after 2^24 transitions of one block, within one allocation.
 */
#include "blocks.h"
#include "hints.h"
#include "pages.h"

/* Four steps per doubling where 64-byte alignment allows; larger objects take pages. */
const uint16_t class_sizes[CELL_CLASSES] = { 128, 192,  256,  320,  384,  448,  512,  640,  768,
                                             896, 1024, 1280, 1536, 1792, 2048, 2560, 3072, 3584 };
_Static_assert(BLOCK_BYTES / 128 == BLOCK_CELLS, "the smallest class fills the owner words");

/*
 * In a store of few blocks only the powers of two are used, so that one small object of every
 * size does not take all blocks.
 */
uint32_t class_for(const struct objstore *s, uint64_t size)
{
    uint32_t low = 0, high = CELL_CLASSES;

    while (low < high) {
        uint32_t middle = (low + high) / 2;

        if (class_sizes[middle] < size)
            low = middle + 1;
        else
            high = middle;
    }
    if (s->geo.blocks < 8 * CELL_CLASSES)
        while (low < CELL_CLASSES && class_sizes[low] & (class_sizes[low] - 1))
            low++;
    return low;
}

uint32_t class_cells(uint32_t class)
{
    return BLOCK_BYTES / class_sizes[class];
}

static uint64_t block_next(uint64_t word, enum block_state state, uint32_t class, uint32_t slot)
{
    return ((word >> 40) + 1) << 40 | (uint64_t)state << 37 | (uint64_t) class << 32 | slot;
}

static struct au32 *cells_of(const struct objstore *s, uint32_t block)
{
    return &s->cell_owners[(uint64_t)block * BLOCK_CELLS];
}

static bool cell_change(struct au32 *cell, uint32_t from, uint32_t to)
{
    return au32_cas_acq_rel(cell, &from, to); /* E1 */
}

static bool is_cells_of(uint64_t word, uint32_t class)
{
    return block_state(word) == BLOCK_CELLS_STATE && block_class(word) == class;
}

/* ---- blocks -------------------------------------------------------------------------------- */

static void pages_change(struct objstore *s, uint32_t block, uint32_t from, uint32_t to)
{
    for (uint32_t i = 0; i < BLOCK_PAGES; i++) {
        uint32_t seen = from;

        au32_cas_acq_rel(&s->page_owners[(uint64_t)block * BLOCK_PAGES + i], &seen, to); /* E1 */
        POINT("blocks: one page changed");
    }
}

void block_settle(struct objstore *s, uint32_t slot, uint32_t block)
{
    struct au64 *at = &s->block_words[block];
    uint64_t word = au64_load_acquire(at); /* E1 */
    enum block_state state = block_state(word);
    uint32_t class = block_class(word);
    bool is_ours = (uint32_t)word == slot && class < CELL_CLASSES;

    if (is_ours && (state == BLOCK_OPENING || state == BLOCK_RETIRING)) {
        if (state == BLOCK_OPENING)
            pages_change(s, block, slot + OWNER_SLOT, PAGE_BLOCK);
        for (uint32_t i = 0; i < class_cells(class); i++) {
            cell_change(&cells_of(s, block)[i], CELL_CLOSED, CELL_FREE); /* K3 */
            POINT("blocks: one cell opened");
        }
        au64_cas_acq_rel(at, &word, block_next(word, BLOCK_CELLS_STATE, class, 0)); /* B2, B5 */
    } else if (is_ours && state == BLOCK_CLOSING) {
        pages_change(s, block, PAGE_BLOCK, PAGE_FREE);
        au64_cas_acq_rel(at, &word, block_next(word, BLOCK_PAGES_STATE, 0, 0)); /* B6 */
    }
    POINT("blocks: word at rest, extent not cleared");
    pages_release(s, slot, block * BLOCK_PAGES, BLOCK_PAGES);
    au64_store_release(&slot_at(s, slot)->extent, 0); /* X1 */
}

static void note_block(struct objstore *s, uint32_t slot, uint32_t block)
{
    struct extent e = { EXTENT_BLOCK, false, 0, block, 0 };

    au64_store_release(&slot_at(s, slot)->extent, extent_pack(e)); /* X1 */
    POINT("blocks: extent names the block");
}

/* Divide a block whose pages are all free. False: they are not, or not any more. */
static bool open_block(struct objstore *s, uint32_t slot, uint32_t block, uint32_t class)
{
    struct au64 *at = &s->block_words[block];
    uint64_t word = au64_load_acquire(at); /* E1 */

    if (block_state(word) != BLOCK_PAGES_STATE)
        return false;
    note_block(s, slot, block);
    bool claimed =
        pages_claim(s, slot, block * BLOCK_PAGES, BLOCK_PAGES) &&
        au64_cas_acq_rel(at, &word, block_next(word, BLOCK_OPENING, class, slot)); /* B1 */
    POINT("blocks: opening");
    block_settle(s, slot, block);
    return claimed;
}

static bool is_empty(const struct objstore *s, uint32_t block)
{
    uint64_t word = au64_load_acquire(&s->block_words[block]); /* E1 */

    if (block_state(word) != BLOCK_CELLS_STATE || block_class(word) >= CELL_CLASSES)
        return false;
    for (uint32_t i = 0; i < class_cells(block_class(word)); i++)
        if (au32_load_relaxed(&cells_of(s, block)[i]) != CELL_FREE) /* relaxed: a guess */
            return false;
    return true;
}

static bool retire_block(struct objstore *s, uint32_t slot, uint32_t block)
{
    struct au64 *at = &s->block_words[block];
    uint64_t word = au64_load_acquire(at); /* E1 */
    uint32_t class = block_class(word);
    bool is_closed = false;

    if (block_state(word) != BLOCK_CELLS_STATE || class >= CELL_CLASSES)
        return false;
    note_block(s, slot, block);
    uint64_t retiring = block_next(word, BLOCK_RETIRING, class, slot);
    if (au64_cas_acq_rel(at, &word, retiring)) { /* B3 */
        uint32_t i = 0;

        POINT("blocks: retiring");
        while (i < class_cells(class) &&
               cell_change(&cells_of(s, block)[i], CELL_FREE, CELL_CLOSED)) {
            POINT("blocks: one cell closed");
            i++;
        }
        is_closed = i == class_cells(class) &&
                    au64_cas_acq_rel(at, &retiring,
                                     block_next(retiring, BLOCK_CLOSING, class, slot)); /* B4 */
        POINT("blocks: closing, or cannot");
    }
    block_settle(s, slot, block);
    return is_closed;
}

uint32_t blocks_retire_empty(struct objstore *s, uint32_t slot)
{
    uint32_t retired = 0;

    for (uint32_t block = 0; block < s->geo.blocks; block++)
        if (is_empty(s, block))
            retired += retire_block(s, slot, block);
    return retired;
}

/* Is a block on its way between states, driven by a slot's owner? */
bool blocks_undecided(struct objstore *s)
{
    uint32_t slots = slots_in_use(s);

    for (uint32_t block = 0; block < s->geo.blocks; block++) {
        uint64_t word = au64_load_relaxed(&s->block_words[block]); /* relaxed, all: a guess */
        enum block_state state = block_state(word);

        if (state == BLOCK_PAGES_STATE || state == BLOCK_CELLS_STATE || (uint32_t)word >= slots)
            continue;
        const struct slot *slot = slot_at(s, (uint32_t)word);
        struct extent e = extent_unpack(au64_load_relaxed(&slot->extent));

        if (word_state(au64_load_relaxed(&slot->word)) == SLOT_WRITING && e.kind == EXTENT_BLOCK &&
            e.first == block)
            return true;
    }
    return false;
}

/* ---- cells --------------------------------------------------------------------------------- */

/* Take this cell; false if it is not there to be taken as one of this class. */
static bool take_cell(struct objstore *s, uint32_t slot, uint32_t class, uint64_t which)
{
    uint32_t block = (uint32_t)(which / BLOCK_CELLS), cell = (uint32_t)(which % BLOCK_CELLS);
    struct au64 *extent = &slot_at(s, slot)->extent;
    struct au32 *owner = &s->cell_owners[which];
    uint64_t word = au64_load_acquire(&s->block_words[block]); /* E1 */
    struct extent e = { EXTENT_CELL, false, class, block, cell };

    if (!is_cells_of(word, class) ||
        au32_load_relaxed(owner) != CELL_FREE) /* relaxed: K1 decides */
        return false;
    au64_store_release(extent, extent_pack(e)); /* X1: before the cell names the slot */
    POINT("cells: extent written, cell not taken");
    if (cell_change(owner, CELL_FREE, slot + OWNER_SLOT)) { /* K1 */
        POINT("cells: cell taken, block not looked at again");
        if (au64_load_acquire(&s->block_words[block]) == word) { /* E1 */
            e.held = true;
            au64_store_release(extent, extent_pack(e)); /* X1 */
            POINT("cells: taken");
            return true;
        }
        cell_change(owner, slot + OWNER_SLOT, CELL_FREE); /* K2 */
    }
    au64_store_release(extent, 0); /* X1 */
    return false;
}

/* Remember up to a cache's worth of a block's free cells, the lowest on top. */
static void learn_block(struct objstore *s, struct cache *c, uint32_t class, uint32_t block)
{
    uint32_t count = class_cells(class), *known = &c->cells_count[class];

    for (uint32_t i = count; i-- > 0;) {
        if (au32_load_relaxed(&cells_of(s, block)[i]) != CELL_FREE) /* relaxed: a hint */
            continue;
        if (*known == CACHE_CELLS) { /* the rest is for whoever looks next */
            struct hint_map map = hints_of_class(s, class);

            hint_set(&map, block);
            return;
        }
        c->cells[class][(*known)++] = (uint64_t)block * BLOCK_CELLS + i;
    }
}

static bool take_known(struct objstore *s, struct cache *c, uint32_t slot, uint32_t class)
{
    while (c->cells_count[class] > 0)
        if (take_cell(s, slot, class, c->cells[class][--c->cells_count[class]]))
            return true;
    return false;
}

int cells_alloc_hinted(struct objstore *s, struct cache *c, uint32_t slot, uint32_t class)
{
    struct hint_map map = hints_of_class(s, class);
    uint64_t block;
    uint32_t cursor = 0;

    if (take_known(s, c, slot, class))
        return 0;
    while (hint_take(&map, &cursor, &block)) {
        if (block >= s->geo.blocks ||
            !is_cells_of(au64_load_acquire(&s->block_words[block]), class)) /* E1 */
            continue;
        learn_block(s, c, class, (uint32_t)block);
        if (take_known(s, c, slot, class))
            return 0;
    }
    return -ENOSPC;
}

/* Blocks are opened from the end of the data downwards, runs of pages from the start. */
int cells_alloc_open(struct objstore *s, struct cache *c, uint32_t slot, uint32_t class)
{
    uint64_t blocks = s->geo.blocks;

    for (uint64_t tries = 0; tries < blocks; tries++) {
        if (c->block_cursor == 0 || c->block_cursor > blocks)
            c->block_cursor = (uint32_t)blocks;
        uint32_t block = --c->block_cursor, free_pages = 0;

        while (free_pages < BLOCK_PAGES && /* relaxed: P1 decides */
               !au32_load_relaxed(&s->page_owners[(uint64_t)block * BLOCK_PAGES + free_pages]))
            free_pages++;
        if (free_pages < BLOCK_PAGES || !open_block(s, slot, block, class))
            continue;
        learn_block(s, c, class, block);
        if (take_known(s, c, slot, class))
            return 0;
    }
    return -ENOSPC;
}

int cells_alloc_scan(struct objstore *s, struct cache *c, uint32_t slot, uint32_t class)
{
    for (uint32_t block = 0; block < s->geo.blocks; block++) {
        if (!is_cells_of(au64_load_acquire(&s->block_words[block]), class)) /* E1 */
            continue;
        learn_block(s, c, class, block);
        if (take_known(s, c, slot, class))
            return 0;
    }
    return -ENOSPC;
}

void cells_release(struct objstore *s, struct cache *c, uint32_t slot, const struct extent *e)
{
    uint64_t which = (uint64_t)e->first * BLOCK_CELLS + e->count;

    if (!cell_change(&s->cell_owners[which], slot + OWNER_SLOT, CELL_FREE)) /* K2 */
        return;
    POINT("cells: given back");
    if (c && c->cells_count[e->class] < CACHE_CELLS) {
        c->cells[e->class][c->cells_count[e->class]++] = which;
    } else {
        struct hint_map map = hints_of_class(s, e->class);

        hint_set(&map, e->first);
    }
}

void blocks_hint_all(struct objstore *s)
{
    for (uint32_t block = 0; block < s->geo.blocks; block++) {
        uint64_t word = au64_load_acquire(&s->block_words[block]); /* E1 */

        if (block_state(word) != BLOCK_CELLS_STATE || block_class(word) >= CELL_CLASSES)
            continue;
        struct hint_map map = hints_of_class(s, block_class(word));
        hint_set(&map, block);
    }
}
