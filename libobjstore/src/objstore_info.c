/* SPDX-License-Identifier: MIT */
/*
 * objstore_info.c -- looking at a store: stat, list, stats, leases, reap.
 *
 * All of it works on a read-only handle. What is read together is believed only if the slot's
 * word is the same before and after.
 */
#include "alloc.h"
#include "blocks.h"
#include "index.h"
#include "lease.h"
#include "pages.h"
#include "pin.h"
#include "reap.h"

#include <string.h>
#include <sys/stat.h>

static bool meta_is_reserved(const struct objstore *s, uint32_t index)
{
    uint64_t piece = index / META_PIECE;

    return au64_load_acquire(&s->meta_bits[piece / 64]) >> piece % 64 & 1; /* S3 */
}

static void read_meta(const struct objstore *s, uint32_t index, struct objstore_meta *out)
{
    uint64_t words[META_WORDS];

    for (uint32_t i = 0; i < META_WORDS; i++)
        words[i] =
            au64_load_relaxed(&meta_at(s, index)->words[i]); /* relaxed: the word is read again */
    memcpy(out, words, sizeof *out);
    /* Another process's bytes: make them fit what the type promises. */
    out->name[sizeof out->name - 1] = 0;
    out->tag[sizeof out->tag - 1] = 0;
    if (out->ndim > OBJSTORE_DIMS_MAX)
        out->ndim = 0;
    if (out->dtype > OBJSTORE_FLOAT64)
        out->dtype = OBJSTORE_BYTES;
}

static int32_t pid_of(const struct objstore *s, uint32_t lease)
{
    return lease < LEASES_MAX ? (int32_t)au64_load_relaxed(&s->leases[lease].pid) : 0; /* display */
}

/* False: it is no object (any more), or one that has no id: a pin table. */
static bool read_info(const struct objstore *s, uint32_t index, struct objstore_info *out)
{
    const struct slot *slot = slot_at(s, index);
    uint64_t word = au64_load_acquire(&slot->word), id[2], created; /* E1 */
    enum slot_state state = word_state(word);

    if (state != SLOT_WRITING && state != SLOT_SEALED && state != SLOT_DOOMED)
        return false;
    memset(out, 0, sizeof *out);
    id[0] = au64_load_relaxed(&slot->id[0]); /* relaxed, all: the word is read again */
    id[1] = au64_load_relaxed(&slot->id[1]);
    memcpy(out->id.bytes, id, sizeof id);
    out->size = au64_load_relaxed(&slot->size);
    created = au64_load_relaxed(&slot->created);
    out->created_ns = created & ~1ull;
    if (created & 1 && meta_is_reserved(s, index))
        read_meta(s, index, &out->meta);
    out->state = state == SLOT_WRITING  ? OBJSTORE_UNSEALED
                 : state == SLOT_SEALED ? OBJSTORE_SEALED
                                        : OBJSTORE_DELETED;
    if (state == SLOT_WRITING)
        out->owner_pid = pid_of(s, word_lease(word));
    else
        out->pins = pins_count(s, index, word);
    atomic_thread_fence(memory_order_acquire); /* all of these before the word */
    return au64_load_relaxed(&slot->word) == word && (id[0] || id[1]);
}

int objstore_stat(struct objstore *s, const struct objstore_id *id, struct objstore_info *out)
{
    int err = handle_check(s);
    struct objstore_info info;
    uint32_t index;
    uint64_t word;

    /* A slot without an id is no object: damage may lead to one, which would never be believed. */
    if (!err && (!id || !out || !memcmp(id, &(struct objstore_id){ { 0 } }, sizeof *id)))
        err = -EINVAL;
    if (err)
        return err;
    for (;;) {
        err = index_find(s, key_of(id), &index, &word);
        if (err)
            return err;
        if (read_info(s, index, &info) && !memcmp(&info.id, id, sizeof *id)) {
            *out = info;
            return 0;
        }
    }
}

int objstore_list(struct objstore *s, int (*visit)(const struct objstore_info *info, void *ctx),
                  void *ctx)
{
    int err = handle_check(s);

    if (err || !visit)
        return err ? err : -EINVAL;
    uint32_t slots = slots_in_use(s);
    for (uint32_t i = 0; i < slots; i++) {
        struct objstore_info info;

        /* One that changes while we look is looked at again: it may only have been sealed. */
        for (int tries = 0; tries < 8; tries++) {
            uint64_t before = au64_load_acquire(&slot_at(s, i)->word); /* E1 */
            bool is_object = read_info(s, i, &info);

            if (is_object || au64_load_acquire(&slot_at(s, i)->word) == before) { /* E1 */
                err = is_object ? visit(&info, ctx) : 0;
                break;
            }
        }
        if (err)
            return err;
    }
    return 0;
}

/* ---- statistics ---------------------------------------------------------------------------- */

static void count_slots(const struct objstore *s, struct objstore_stats *out)
{
    uint32_t slots = slots_in_use(s);

    for (uint32_t i = 0; i < slots; i++) {
        const struct slot *slot = slot_at(s, i);
        uint64_t size;

        switch (word_state(au64_load_relaxed(&slot->word))) { /* relaxed: statistics */
        case SLOT_WRITING:
            if (!au64_load_relaxed(&slot->id[0]) && !au64_load_relaxed(&slot->id[1]))
                continue; /* a pin table: its bytes count, it does not */
            out->objects_unsealed++;
            break;
        case SLOT_SEALED:
            out->objects_sealed++;
            break;
        case SLOT_DOOMED:
            out->objects_deleted++;
            break;
        case SLOT_FREE:
        case SLOT_RECLAIM:
        default:
            continue;
        }
        size = au64_load_relaxed(&slot->size);
        if (size > 0 && size <= INLINE_MAX)
            out->used_bytes += INLINE_MAX;
    }
}

/* Bytes in cells that are taken; *largest: the largest cell that is not. */
static uint64_t count_cells(const struct objstore *s, uint32_t block, uint64_t *largest)
{
    uint64_t word = au64_load_acquire(&s->block_words[block]), taken = 0; /* B2 */
    uint32_t class = block_class(word);

    if (block_state(word) == BLOCK_PAGES_STATE || class >= CELL_CLASSES)
        return 0;
    for (uint32_t i = 0; i < class_cells(class); i++) {
        uint32_t owner = au32_load_relaxed(&s->cell_owners[(uint64_t)block * BLOCK_CELLS + i]);

        if (owner >= OWNER_SLOT)
            taken += class_bytes(class);
        else if (class_bytes(class) > *largest)
            *largest = class_bytes(class);
    }
    return taken;
}

static void count_units(const struct objstore *s, struct objstore_stats *out)
{
    uint64_t run = 0, longest = 0, largest_cell = INLINE_MAX;

    for (uint64_t page = 0; page < s->geo.pages; page++) {
        uint32_t owner = au32_load_relaxed(&s->page_owners[page]); /* relaxed: statistics */

        if (owner == PAGE_BLOCK && page / BLOCK_PAGES < s->geo.blocks) {
            uint64_t taken = count_cells(s, (uint32_t)(page / BLOCK_PAGES), &largest_cell);

            out->used_bytes += taken;
            run = taken ? 0 : run + BLOCK_PAGES - page % BLOCK_PAGES;
            page |= BLOCK_PAGES - 1;
        } else if (owner == PAGE_FREE) {
            run++;
        } else {
            out->used_bytes += PAGE_BYTES;
            run = 0;
        }
        if (run > longest)
            longest = run;
    }
    out->largest_free_bytes = longest ? longest * PAGE_BYTES : largest_cell;
}

int objstore_stats(struct objstore *s, struct objstore_stats *out)
{
    struct objstore_stats stats = { 0 };
    struct stat st;
    int err = handle_check(s);

    if (err || !out)
        return err ? err : -EINVAL;
    if (fstat(s->fd, &st))
        return -errno;
    stats.capacity_bytes = s->geo.capacity_bytes;
    stats.reserved_bytes = (uint64_t)st.st_blocks * 512;
    count_slots(s, &stats);
    count_units(s, &stats);
    if (stats.used_bytes > stats.capacity_bytes) /* tiny objects have room of their own */
        stats.used_bytes = stats.capacity_bytes;
    uint32_t used = leases_in_use(s);
    for (uint32_t i = 0; i < used; i++) {
        uint64_t word = au64_load_acquire(&s->leases[i].word); /* A1 */

        stats.processes += lease_word_is_live(word) && !lease_has_died(s, i, word);
    }
    stats.deaths = au64_load_relaxed(&s->header->deaths); /* relaxed: a statistic */
    stats.is_ephemeral = s->header->fixed.flags & HEADER_EPHEMERAL;
    *out = stats;
    return 0;
}

/* ---- leases -------------------------------------------------------------------------------- */

static uint64_t count_unsealed(const struct objstore *s, uint32_t lease)
{
    uint32_t slots = slots_in_use(s);
    uint64_t count = 0;

    for (uint32_t i = 0; i < slots; i++) {
        const struct slot *slot = slot_at(s, i);
        uint64_t word = au64_load_relaxed(&slot->word); /* relaxed: statistics */

        count += word_state(word) == SLOT_WRITING && word_lease(word) == lease &&
                 (au64_load_relaxed(&slot->id[0]) || au64_load_relaxed(&slot->id[1]));
    }
    return count;
}

int objstore_leases(struct objstore *s, int (*visit)(const struct objstore_lease *lease, void *ctx),
                    void *ctx)
{
    int err = handle_check(s);

    if (err || !visit)
        return err ? err : -EINVAL;
    uint32_t used = leases_in_use(s);
    for (uint32_t i = 0; i < used; i++) {
        uint64_t word = au64_load_acquire(&s->leases[i].word); /* A1 */

        if (lease_word_state(word) == LEASE_FREE)
            continue;
        struct objstore_lease lease = {
            .pid = pid_of(s, i),
            .alive = !lease_has_died(s, i, word),
            .start_time = au64_load_relaxed(&s->leases[i].start_time), /* relaxed: A1 */
            .pins = pins_of_lease(s, i),
            .unsealed = count_unsealed(s, i),
        };
        if (au64_load_acquire(&s->leases[i].word) != word) /* A2: gone meanwhile */
            continue;
        err = visit(&lease, ctx);
        if (err)
            return err;
    }
    return 0;
}

int objstore_reap(struct objstore *s)
{
    int err = handle_check(s);

    if (err)
        return err;
    return s->rw ? (int)reap_dead(s) : -EROFS;
}
