/* SPDX-License-Identifier: MIT */
/*
 * hints.c -- the shared bit maps, and the caches of private hints.
 *
 * All accesses are relaxed but for the lock of a private cache: a hint orders nothing.
 */
#include "hints.h"
#include "pause.h"

struct hint_map hints_of_slots(const struct objstore *s)
{
    return (struct hint_map){ s->slot_hints, s->geo.slot_hint_words, &s->header->slots_summary };
}

struct hint_map hints_of_class(const struct objstore *s, uint32_t class)
{
    uint64_t words = s->geo.class_hint_words;
    unsigned char *summaries = (unsigned char *)s->header + s->geo.class_summaries_at;

    return (struct hint_map){ s->class_hints + class * words, words,
                              (struct au64 *)(void *)(summaries + class * CACHE_LINE) };
}

static uint64_t words_per_bit(const struct hint_map *map)
{
    return (map->count + 63) / 64;
}

void hint_set(const struct hint_map *map, uint64_t bit)
{
    struct au64 *word = &map->words[bit / 64];
    uint64_t mask = 1ull << bit % 64;
    uint64_t part = 1ull << bit / 64 / words_per_bit(map);

    if (!(au64_load_relaxed(word) & mask)) /* relaxed: a hint */
        au64_or_acq_rel(word, mask);
    if (!(au64_load_relaxed(map->summary) & part)) /* relaxed: a hint */
        au64_or_acq_rel(map->summary, part);
}

static bool take_from(struct au64 *word, uint64_t *bit_in_word)
{
    uint64_t seen;

    while ((seen = au64_load_relaxed(word))) { /* relaxed: a hint */
        uint64_t mask = seen & -seen;

        if (au64_and_acq_rel(word, ~mask) & mask) {
            *bit_in_word = (uint64_t)__builtin_ctzll(mask);
            return true;
        }
    }
    return false;
}

bool hint_take(const struct hint_map *map, uint32_t *cursor, uint64_t *bit)
{
    uint64_t per = words_per_bit(map), parts;
    uint64_t in_word;

    if (*cursor >= map->count)
        *cursor = 0;
    if (map->count && take_from(&map->words[*cursor], &in_word)) {
        *bit = (uint64_t)*cursor * 64 + in_word;
        return true;
    }
    for (int tries = 0; tries < 64 && (parts = au64_load_relaxed(map->summary)); tries++) {
        uint64_t part = (uint64_t)__builtin_ctzll(parts);
        uint64_t end = (part + 1) * per < map->count ? (part + 1) * per : map->count;

        for (uint64_t i = part * per; i < end; i++)
            if (take_from(&map->words[i], &in_word)) {
                *cursor = (uint32_t)i;
                *bit = i * 64 + in_word;
                return true;
            }
        /* A bit set between the scan and this is lost until the word's next one: a hint. */
        au64_and_acq_rel(map->summary, ~(1ull << part));
    }
    return false;
}

/* ---- private caches ------------------------------------------------------------------------ */

static _Thread_local uint32_t thread_number;
static struct au32 threads_seen;

struct cache *cache_take(struct objstore *s)
{
    if (!thread_number)
        thread_number = 1 + au32_add_relaxed(&threads_seen, 1); /* relaxed: any number will do */
    for (uint32_t i = thread_number;; i++) {
        struct cache *c = &s->caches[i % CACHES];

        if (!au32_load_relaxed(&c->busy) && !au32_xchg_acq_rel(&c->busy, 1)) /* C1 */
            return c;
        if ((i - thread_number) % CACHES == CACHES - 1)
            pause_before((i - thread_number) / CACHES);
    }
}

/* Processes begin their searches in different places, so that they seldom meet. */
void cache_init(struct objstore *s)
{
    for (uint32_t i = 0; i < CACHES; i++) {
        struct cache *c = &s->caches[i];
        uint64_t spread = (uint32_t)((s->lease * CACHES + i) * 0x9e3779b1u);

        c->run_cursor = (uint32_t)(spread * s->geo.pages >> 32);
        c->run_back = UINT32_MAX;
        c->block_cursor = (uint32_t)s->geo.blocks;
        c->group_cursor = (uint32_t)(spread * s->geo.slot_hint_words >> 32);
    }
}

void cache_flush(struct objstore *s)
{
    struct hint_map slots = hints_of_slots(s);

    for (uint32_t i = 0; i < CACHES; i++) {
        struct cache *c = &s->caches[i];

        for (uint32_t j = 0; j < c->slots_count; j++)
            hint_set(&slots, c->slots[j] / SLOT_GROUP);
        for (uint32_t class = 0; class < CELL_CLASSES; class ++) {
            struct hint_map cells = hints_of_class(s, class);

            for (uint32_t j = 0; j < c->cells_count[class]; j++)
                hint_set(&cells, c->cells[class][j] / BLOCK_CELLS);
            c->cells_count[class] = 0;
        }
        c->slots_count = c->run_count = 0;
    }
}
