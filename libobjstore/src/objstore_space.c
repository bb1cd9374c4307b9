/* SPDX-License-Identifier: MIT */
/* objstore_space.c -- what of the data is taken, and how the rest is cut up. */
#include "blocks.h"
#include "pages.h"
#include "reap.h"
#include "space.h"

/* Bytes in cells that are taken; *room: in those that are not. */
static uint64_t count_cells(const struct objstore *s, uint32_t block, uint64_t *room,
                            uint64_t *largest)
{
    uint64_t word = au64_load_acquire(&s->block_words[block]), taken = 0; /* B2 */
    uint32_t class = block_class(word);

    *room = 0;
    if (block_state(word) == BLOCK_PAGES_STATE || class >= CELL_CLASSES)
        return 0;
    for (uint32_t i = 0; i < class_cells(class); i++) {
        uint32_t owner = au32_load_relaxed(&s->cell_owners[(uint64_t)block * BLOCK_CELLS + i]);

        /* relaxed: statistics */
        if (owner >= OWNER_SLOT)
            taken += class_bytes(class);
        else
            *room += class_bytes(class);
    }
    if (*room && class_bytes(class) > *largest)
        *largest = class_bytes(class);
    return taken;
}

static void end_run(struct space *out, uint64_t *pages)
{
    uint64_t bytes = *pages * PAGE_BYTES;

    if (!bytes)
        return;
    uint32_t class = 63u - (uint32_t)__builtin_clzll(*pages);
    out->free.runs++;
    out->free.free_bytes += bytes;
    if (bytes > out->free.largest_bytes)
        out->free.largest_bytes = bytes;
    out->free.classes[class < OBJSTORE_RUN_CLASSES ? class : OBJSTORE_RUN_CLASSES - 1]++;
    *pages = 0;
}

/* A block whose cells are all free counts as free pages: it becomes that when they are needed. */
void space_measure(const struct objstore *s, struct space *out)
{
    uint64_t run = 0;

    *out = (struct space){ .largest_cell_bytes = INLINE_MAX };
    for (uint64_t page = 0; page < s->geo.pages; page++) {
        uint32_t owner = au32_load_relaxed(&s->page_owners[page]); /* relaxed: statistics */

        if (owner == PAGE_BLOCK && page / BLOCK_PAGES < s->geo.blocks) {
            uint64_t room, taken = count_cells(s, (uint32_t)(page / BLOCK_PAGES), &room,
                                               &out->largest_cell_bytes);

            if (taken) {
                out->used_bytes += taken;
                out->free.cell_free_bytes += room;
                end_run(out, &run);
            } else {
                run += BLOCK_PAGES - page % BLOCK_PAGES;
            }
            page |= BLOCK_PAGES - 1;
        } else if (owner == PAGE_FREE) {
            run++;
        } else {
            out->used_bytes += PAGE_BYTES;
            end_run(out, &run);
        }
    }
    end_run(out, &run);
}

int objstore_space(struct objstore *s, struct objstore_space *out)
{
    struct space space;
    int err = handle_check(s);

    if (err || !out)
        return err ? err : -EINVAL;
    reap_left(s);
    space_measure(s, &space);
    *out = space.free;
    return 0;
}
