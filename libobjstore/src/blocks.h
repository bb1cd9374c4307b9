/* SPDX-License-Identifier: MIT */
/* blocks.h -- blocks of 4 pages divided into equal cells for small objects. */
#ifndef OBJSTORE_BLOCKS_H
#define OBJSTORE_BLOCKS_H

#include "extent.h"
#include "store.h"

#define CELL_CLOSED 0u /* cannot be taken: the block is not divided, or not like this */
#define CELL_FREE 1u
/* n >= OWNER_SLOT (pages.h): slot n - OWNER_SLOT has the cell */

enum block_state {
    BLOCK_PAGES_STATE = 0, /* pages like any others */
    BLOCK_CELLS_STATE = 1, /* cells of one class */
    BLOCK_OPENING = 2,     /* owned by a slot: becoming cells; cannot fail any more */
    BLOCK_RETIRING = 3,    /* owned by a slot: closing its cells; may go back to cells */
    BLOCK_CLOSING = 4,     /* owned by a slot: becoming pages; cannot fail any more */
};

static inline enum block_state block_state(uint64_t word)
{
    return (enum block_state)(word >> 37 & 7);
}
static inline uint32_t block_class(uint64_t word)
{
    return (uint32_t)(word >> 32 & 31);
}

/* The class for objects of `size` bytes; CELL_CLASSES if they take whole pages. */
uint32_t class_for(const struct objstore *s, uint64_t size);
extern const uint16_t class_sizes[CELL_CLASSES];
static inline uint32_t class_bytes(uint32_t class)
{
    return class_sizes[class];
}
uint32_t class_cells(uint32_t class); /* per block */

/*
 * Take a cell of exactly this class for `slot`, which the caller owns and which has no extent,
 * from the cells that hints know, opening no block. -ENOSPC: no hint helped.
 */
int cells_alloc_hinted(struct objstore *s, struct cache *c, uint32_t slot, uint32_t class);
/* Open a block of free pages, then take a cell of it. -ENOSPC: no such block. */
int cells_alloc_open(struct objstore *s, struct cache *c, uint32_t slot, uint32_t class);
/* Look at every cell of the class. */
int cells_alloc_scan(struct objstore *s, struct cache *c, uint32_t slot, uint32_t class);
void cells_release(struct objstore *s, struct cache *c, uint32_t slot, const struct extent *e);
/* Turn the blocks whose cells are all free back into pages; returns how many. */
uint32_t blocks_retire_empty(struct objstore *s, uint32_t slot);
/* Finish or undo what `slot` had begun with its block, and clear its extent. */
void block_settle(struct objstore *s, uint32_t slot, uint32_t block);
bool blocks_undecided(struct objstore *s);
/* A sweep: tell everybody which blocks have free cells. */
void blocks_hint_all(struct objstore *s);

#endif
