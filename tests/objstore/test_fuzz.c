/* SPDX-License-Identifier: MIT */
/*
 * Hostile bytes: a store's file is damaged with noise and with well-formed lies, before it is
 * opened, while it is used, and by another process that never stops. Every call may fail; none
 * may crash, run for ever or touch memory outside the store.
 *
 * Each round is a child of its own, so that its end is seen whatever it is; a budget of CPU
 * time, not of wall-clock time, tells a loop. A round is repeated by SEED=<its seed> FUZZ=1.
 * FUZZ=n makes it n rounds of each kind; FUZZ_SECONDS=n goes on for n seconds of CPU time.
 */
#define _GNU_SOURCE
#include "extent.h"
#include "blocks.h"
#include "fuzz.h"
#include "help.h"
#include "lease.h"
#include "store.h"
#include "test.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

static const unsigned char bytes[20000];

/* A store with objects of every kind; some ids free, some slots used before, a second lease. */
static struct objstore *filled_store(uint64_t *random)
{
    static const uint64_t capacities[] = { 4096, 64 << 10, 256 << 10, 4 << 20 };
    struct objstore *s = help_store(capacities[test_random(random) % 4]);
    const struct objstore_meta meta = { .ndim = 1, .dims = { 7 }, .name = "damaged" };
    void *data;

    for (uint64_t n = 1; n <= FUZZ_IDS; n++) {
        struct objstore_id id = help_id(n);

        (void)!objstore_put(s, &id, bytes, fuzz_size(n), n % 4 ? NULL : &meta);
    }
    for (uint64_t n = 1; n <= FUZZ_IDS; n += 5) {
        struct objstore_id id = help_id(n);

        (void)!objstore_delete(s, &id);
        if (n % 2)
            (void)!objstore_create(s, &id, fuzz_size(n), NULL, &data);
    }
    return s;
}

/* ---- ways to damage -------------------------------------------------------------------------- */

struct victim {
    unsigned char *file;
    const struct geometry *geo;
    uint64_t slots; /* that lies are about */
};

/* A place in the file that is used: the header, control words, used slots, a little of the data. */
static uint64_t any_place(const struct victim *v, uint64_t *random)
{
    const struct geometry *g = v->geo;
    const struct {
        uint64_t at, size;
    } regions[] = {
        { 0, 704 },
        { g->events_at, 1024 },
        { g->passes_at, 256 },
        { g->leases_at, 8 * sizeof(struct lease) },
        { g->waits_at, 4096 },
        { g->slot_hints_at, g->meta_bits_at - g->slot_hints_at + 64 },
        { g->buckets_at, g->buckets * 8 },
        { g->page_owners_at, g->pages * 4 },
        { g->block_words_at, g->blocks * 8 },
        { g->cell_owners_at, g->blocks * BLOCK_CELLS * 4 },
        { g->pins_at, 2 * PIN_TABLE_BYTES },
        { g->slots_at, v->slots * sizeof(struct slot) },
        { g->slots_at, v->slots * sizeof(struct slot) },
        { g->metas_at, v->slots * sizeof(struct meta) },
        { g->data_at, g->capacity_bytes },
    };
    size_t r = test_random(random) % (sizeof regions / sizeof *regions);

    return regions[r].at + (regions[r].size ? test_random(random) % regions[r].size : 0);
}

static void set64(struct au64 *word, uint64_t to)
{
    au64_store_relaxed(word, to);
}

static void noise(const struct victim *v, uint64_t *random)
{
    uint64_t at = any_place(v, random), word = test_random(random);

    switch (test_random(random) % 4) {
    case 0: /* one bit */
        v->file[at] ^= (unsigned char)(1u << test_random(random) % 8);
        break;
    case 1: /* a word, aligned as the words are */
        memcpy(v->file + (at & ~7ull), &word, 8);
        break;
    case 2: /* a word from elsewhere */
        memcpy(&word, v->file + (any_place(v, random) & ~7ull), 8);
        memcpy(v->file + (at & ~7ull), &word, 8);
        break;
    default: /* zeros or ones */
        memset(v->file + (at & ~63ull), word % 2 ? 0xff : 0, 64);
    }
}

/* A lie about a slot that has the right form: it gets past the first checks. */
static void lie_about_slot(const struct victim *v, uint64_t *random)
{
    const struct geometry *g = v->geo;
    struct slot *slots = (void *)(v->file + g->slots_at);
    struct slot *slot = &slots[test_random(random) % v->slots];
    uint64_t r = test_random(random), other = test_random(random) % (v->slots + 2);
    static const uint64_t sizes[] = { 0, 1, 64, 65, 4096, 1 << 20, UINT64_MAX };
    struct extent e = { (uint32_t)(r % 4), r >> 8 & 1, (uint32_t)(r >> 9 & 31),
                        (uint32_t)((r >> 16) % (g->pages + 1)),
                        (uint32_t)((r >> 32) % (g->pages + 2)) };

    switch (test_random(random) % 7) {
    case 0: /* a state, and who owns it */
        set64(&slot->word, word_make(word_generation(au64_load_relaxed(&slot->word)) + r % 2,
                                     (enum slot_state)(r >> 8 & 7), (uint32_t)(r >> 16) % 6));
        break;
    case 1: /* a chain that leads elsewhere, in a circle, or is marked */
        set64(&slot->next, other << 32 | (r & 3) << 30 | (r >> 40));
        break;
    case 2:
        set64((struct au64 *)(void *)(v->file + g->buckets_at) + (r % 2 ? 0 : r % g->buckets),
              other << 32 | (r >> 20 & 3) << 30); /* the first is where the list begins */
        break;
    case 3:
        set64(&slot->extent, extent_pack(e));
        break;
    case 4:
        set64(&slot->size, sizes[r % 7]);
        break;
    case 5:
        set64(&slot->id[0], r % 4 ? (r >> 8) % (FUZZ_IDS + 1) : 0);
        set64(&slot->id[1], (r >> 32) % 2 ? 0 : au64_load_relaxed(&slots[other % v->slots].id[1]));
        break;
    default:
        set64(&slot->pinners, r % 2 ? UINT64_MAX : 0);
    }
}

/* Leases of the dead, of the living, of nobody; pin tables where none are. */
static void lie_about_leases(const struct victim *v, uint64_t *random)
{
    struct lease *leases = (void *)(v->file + v->geo->leases_at);
    struct header *header = (void *)v->file;
    uint64_t r = test_random(random), n = test_random(random) % 12;

    switch (test_random(random) % 4) {
    case 0:
        set64(&leases[n].word, (r >> 32) % 4 << 32 | r % 4);
        break;
    case 1: /* a massacre: more than one sweep takes at once */
        for (uint64_t i = 0; i < 600; i++)
            set64(&leases[8 + i].word, 1ull << 32 | (1 + r % 2));
        set64(&header->leases_used, 608);
        break;
    case 2:
        set64(&leases[n].tables[r % PIN_LEVELS],
              r % 2 ? v->geo->data_at : v->geo->file_bytes - 4096);
        break;
    default:
        set64(&header->leases_used, r % 3 ? r % (2ull * LEASES_MAX) : r);
    }
}

static void lie_about_units(const struct victim *v, uint64_t *random)
{
    const struct geometry *g = v->geo;
    struct au32 *pages = (void *)(v->file + g->page_owners_at);
    struct au64 *blocks = (void *)(v->file + g->block_words_at);
    struct au64 *ring = (void *)(v->file + g->events_at);
    struct au32 *cells = (void *)(v->file + g->cell_owners_at);
    struct header *header = (void *)v->file;
    uint64_t r = test_random(random), owner = (r >> 32) % (v->slots + 3);

    switch (test_random(random) % 6) {
    case 4: /* hints of the first lap, told or not, by anybody, for any slot */
        set64(&ring[r % 64],
              (r >> 8) % 3 << 48 | (r >> 16) % 4 << 46 | (r >> 20) % 5 << 32 | owner);
        break;
    case 5:
        set64(r % 3 == 0   ? &header->events_on
              : r % 3 == 1 ? &header->events_head
                           : &header->events_lost,
              (r >> 8) % 3 ? (r >> 16) % 16 : r);
        break;
    case 0:
        au32_store_relaxed(&pages[r % g->pages], (uint32_t)owner);
        break;
    case 1:
        if (g->blocks)
            set64(&blocks[r % g->blocks],
                  r << 40 | (r >> 8 & 7) << 37 | (r >> 12 & 31) << 32 | owner);
        break;
    case 2:
        if (g->blocks)
            au32_store_relaxed(&cells[r % (g->blocks * BLOCK_CELLS)], (uint32_t)owner);
        break;
    default:
        set64(r % 2 ? &header->slots_fresh : &header->slots_ready,
              (r >> 8) % 3 ? (r >> 16) % (g->slots + 100) : r);
    }
}

static void damage(const struct victim *v, uint64_t *random)
{
    switch (test_random(random) % 8) {
    case 0:
    case 1:
        noise(v, random);
        break;
    case 2:
        lie_about_leases(v, random);
        break;
    case 3:
        lie_about_units(v, random);
        break;
    default:
        lie_about_slot(v, random);
    }
}

/* ---- rounds ---------------------------------------------------------------------------------- */

static struct victim map_victim(const struct objstore *s)
{
    struct victim v = { .geo = &s->geo, .slots = 64 };
    void *at = mmap(NULL, s->geo.file_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, objstore_fd(s), 0);

    CHILD_CHECK(at != MAP_FAILED);
    v.file = at;
    return v;
}

static struct objstore *attach(const struct objstore *s, uint32_t flags)
{
    struct objstore_options o = OBJSTORE_OPTIONS_INIT;
    struct objstore *own = NULL;
    struct objstore_diag diag = { "" };

    o.flags = flags;
    int err = objstore_open_fd(objstore_fd(s), &o, &own, &diag);
    CHILD_CHECK(!err || diag.text[0]);
    return err ? NULL : own;
}

static void before_open(uint64_t random)
{
    struct objstore *s = filled_store(&random), *own;
    struct victim v = map_victim(s);

    for (uint64_t i = 0, n = 1 + test_random(&random) % 40; i < n; i++)
        damage(&v, &random);
    if ((own = attach(s, OBJSTORE_READ_ONLY))) {
        fuzz_use(own, &random, 60);
        objstore_close(own);
    }
    if ((own = attach(s, 0))) {
        fuzz_use(own, &random, 200);
        if (test_random(&random) % 8 == 0)
            fuzz_use_widely(own, &random);
        objstore_close(own);
    }
    objstore_close(s); /* it had views, unsealed objects and hints */
}

static void while_used(uint64_t random)
{
    struct objstore *s = filled_store(&random), *own = attach(s, 0);
    struct victim v = map_victim(s);

    for (int i = 0; i < 30; i++) {
        fuzz_use(own, &random, 10);
        for (uint64_t n = test_random(&random) % 4; n-- > 0;)
            damage(&v, &random);
    }
    fuzz_use_widely(own, &random);
    objstore_close(own);
    objstore_close(s);
}

/* Another process that scribbles all the time, also between two loads of one call. */
static void scribbled(uint64_t random)
{
    struct objstore *s = filled_store(&random), *own = attach(s, 0), *reader;
    struct victim v = map_victim(s);
    pid_t scribbler = fork();

    CHILD_CHECK(scribbler >= 0);
    if (scribbler == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            damage(&v, &random);
    }
    for (int i = 0; i < 4; i++) {
        fuzz_use(own, &random, 100);
        if ((reader = attach(s, OBJSTORE_READ_ONLY))) {
            fuzz_use(reader, &random, 50);
            objstore_close(reader);
        }
    }
    objstore_close(own);
    kill(scribbler, SIGKILL);
    CHILD_CHECK(help_wait(scribbler) == 128 + SIGKILL);
    fuzz_use(s, &random, 100);
    objstore_close(s);
}

/* A header whose checksum is right and whose contents are not; files that are shorter or longer. */
static void headers(uint64_t random)
{
    struct objstore *s = filled_store(&random), *own = NULL;
    int fd = memfd_create("header", MFD_CLOEXEC);
    struct header_fixed fixed;
    static char page[8192];

    CHILD_CHECK(fd >= 0);
    for (int i = 0; i < 50; i++) {
        uint64_t words[sizeof fixed / 8];
        CHILD_CHECK(pread(objstore_fd(s), page, sizeof page, 0) == sizeof page);
        memcpy(words, page, sizeof words);
        for (uint64_t n = test_random(&random) % 3; n-- > 0;) {
            uint64_t *word = &words[test_random(&random) % 6];
            *word = test_random(&random) % 2 ? *word ^ 1ull << test_random(&random) % 64
                                             : test_random(&random) >> test_random(&random) % 64;
        }
        memcpy(&fixed, words, sizeof fixed);
        if (test_random(&random) % 8)
            fixed.check = header_check(&fixed);
        memcpy(page, &fixed, sizeof fixed);
        uint64_t size = test_random(&random) % 2 ? fixed.file_bytes : test_random(&random) % 99999;
        if (size > s->geo.file_bytes * 4)
            size = s->geo.file_bytes;
        CHILD_CHECK(ftruncate(fd, 0) == 0);
        CHILD_CHECK(pwrite(fd, page, sizeof page, 0) == sizeof page);
        CHILD_CHECK(ftruncate(fd, (off_t)size) == 0);
        if (objstore_open_fd(fd, NULL, &own, NULL) == 0) {
            fuzz_use(own, &random, 20);
            objstore_close(own);
        }
    }
    objstore_close(s);
}

static void fuzz_before_open(void)
{
    fuzz_rounds(before_open, 200);
}
static void fuzz_while_used(void)
{
    fuzz_rounds(while_used, 60);
}
static void fuzz_scribbled(void)
{
    fuzz_rounds(scribbled, 15);
}
static void fuzz_headers(void)
{
    fuzz_rounds(headers, 40);
}

TESTS("fuzz", { "a store damaged before it is opened", fuzz_before_open },
      { "a store damaged while it is used", fuzz_while_used },
      { "another process scribbles on it all the time", fuzz_scribbled },
      { "headers that lie", fuzz_headers })
