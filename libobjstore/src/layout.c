/* SPDX-License-Identifier: MIT */
/* layout.c -- a store's geometry follows from its capacity alone. */
#include "layout.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

static uint64_t round_up(uint64_t x, uint64_t to)
{
    return (x + to - 1) / to * to;
}

static uint64_t pow2_at_least(uint64_t x)
{
    uint64_t p = 1;

    while (p < x)
        p *= 2;
    return p;
}

/* Append a region of `bytes` at *end, which stays a multiple of `align`. */
static uint64_t place(uint64_t *end, uint64_t bytes, uint64_t align)
{
    uint64_t at = round_up(*end, align);

    *end = round_up(at + bytes, align);
    return at;
}

/*
 * Slots: an object counts for at least 64 bytes of the capacity, so capacity / 64 slots never
 * run out before the bytes do; the rest is for what is deleted but still being read, and for
 * pin tables. Slots that are not used cost address space only.
 */
bool geometry_of(uint64_t capacity_bytes, struct geometry *g)
{
    if (capacity_bytes < CAPACITY_MIN || capacity_bytes > CAPACITY_MAX)
        return false;
    g->capacity_bytes = round_up(capacity_bytes, PAGE_BYTES);
    g->pages = g->capacity_bytes / PAGE_BYTES;
    g->blocks = g->pages / BLOCK_PAGES;
    g->slots = round_up(g->capacity_bytes / 64 + g->capacity_bytes / 1024, SLOT_PIECE) + SLOT_PIECE;
    if (g->slots > SLOTS_LIMIT)
        g->slots = SLOTS_LIMIT / SLOT_PIECE * SLOT_PIECE;
    g->slots_first = round_up(g->capacity_bytes / 8192, SLOT_GROUP);
    if (g->slots_first < 1024)
        g->slots_first = 1024;
    g->buckets = pow2_at_least(g->capacity_bytes / 512 < 1024 ? 1024 : g->capacity_bytes / 512);
    g->slot_hint_words = round_up(g->slots / SLOT_GROUP, 64) / 64;
    g->class_hint_words = round_up(g->blocks, 64) / 64;
    g->meta_bit_words = round_up(g->slots / META_PIECE, 64) / 64;

    uint64_t end = PAGE_BYTES;
    g->spill_at = place(&end, PAGE_BYTES, PAGE_BYTES);
    g->leases_at = place(&end, LEASES_MAX * sizeof(struct lease), PAGE_BYTES);
    g->waits_at = place(&end, (uint64_t)WAIT_WORDS * CACHE_LINE, PAGE_BYTES);
    g->events_at = place(&end, (uint64_t)EVENTS * EVENT_BYTES, PAGE_BYTES);
    g->passes_at = place(&end, (uint64_t)PASSES * PASS_BYTES, CACHE_LINE);
    g->slot_hints_at = place(&end, g->slot_hint_words * 8, CACHE_LINE);
    g->class_hints_at = place(&end, CELL_CLASSES * g->class_hint_words * 8, CACHE_LINE);
    g->class_summaries_at = place(&end, (uint64_t)CELL_CLASSES * CACHE_LINE, CACHE_LINE);
    g->meta_bits_at = place(&end, g->meta_bit_words * 8, CACHE_LINE);
    g->buckets_at = place(&end, g->buckets * 8, PAGE_BYTES);
    g->page_owners_at = place(&end, g->pages * 4, CACHE_LINE);
    g->block_words_at = place(&end, g->blocks * 8, CACHE_LINE);
    g->cell_owners_at = place(&end, g->blocks * BLOCK_CELLS * 4, PAGE_BYTES);
    g->control_bytes = end;
    g->pins_at = place(&end, (uint64_t)LEASES_MAX * PIN_TABLE_BYTES, PAGE_BYTES);
    g->slots_at = place(&end, g->slots * sizeof(struct slot), PAGE_BYTES);
    g->metas_at = place(&end, g->slots * sizeof(struct meta), PAGE_BYTES);
    g->data_at = place(&end, g->capacity_bytes, HUGE_BYTES);
    g->file_bytes = g->data_at + g->capacity_bytes;
    return true;
}

/* Whatever two builds could disagree about. */
uint32_t layout_fingerprint(void)
{
    const uint32_t facts[] = {
        LAYOUT_VERSION,
        sizeof(struct header),
        sizeof(struct lease),
        sizeof(struct slot),
        PAGE_BYTES,
        BLOCK_BYTES,
        BLOCK_CELLS,
        CELL_CLASSES,
        INLINE_MAX,
        LEASES_MAX,
        WAIT_WORDS,
        EVENTS,
        sizeof(struct spill_page),
        PASSES,
        SLOT_GROUP,
        SLOT_PIECE,
        META_PIECE,
        PIN_LEVELS,
        PIN_WAYS,
        PIN_ALONE,
        PIN_SETS0,
        PIN_NEAR,
        sizeof(struct meta),
        HUGE_BYTES,
        CACHE_LINE,
        0x01020304u, /* byte order */
    };

    return (uint32_t)XXH3_64bits(facts, sizeof facts);
}

uint64_t header_check(const struct header_fixed *fixed)
{
    return XXH3_64bits(fixed, offsetof(struct header_fixed, check));
}
