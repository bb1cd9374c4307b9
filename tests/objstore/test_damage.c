/* SPDX-License-Identifier: MIT */
/*
 * Damaged stores: bytes flipped, overwritten with noise, files cut off, before they are opened and
 * while they are used. Every call may fail, and verify should say so; nothing may crash, hang
 * or write outside the store. FUZZ=n makes it n rounds.
 */
#define _GNU_SOURCE
#include "help.h"
#include "extent.h"
#include "store.h"
#include "test.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum { OBJECTS = 40 };
#define CAPACITY (256u << 10)

static unsigned char bytes[20000];

static size_t size_of(uint64_t n)
{
    return n % 3 == 0 ? n : n % 3 == 1 ? n * 30 : n * 200;
}

static struct objstore *filled_store(void)
{
    struct objstore *s = help_store(CAPACITY);
    const struct objstore_meta meta = { .ndim = 1, .dims = { 7 }, .name = "damaged" };

    for (uint64_t n = 1; n <= OBJECTS; n++) {
        struct objstore_id id = help_id(n);

        help_fill(bytes, size_of(n), n);
        REQUIRE_OK(objstore_put(s, &id, bytes, size_of(n), n % 4 ? NULL : &meta));
    }
    for (uint64_t n = 1; n <= OBJECTS; n += 5) {
        struct objstore_id id = help_id(n);

        REQUIRE_OK(objstore_delete(s, &id));
    }
    return s;
}

static int visit_object(const struct objstore_info *info, void *ctx)
{
    (void)ctx;
    return memchr(info->meta.name, 0, sizeof info->meta.name) ? 0 : 1;
}

static int visit_holder(const struct objstore_holder *holder, void *ctx)
{
    (void)holder, (void)ctx;
    return 0;
}

static int visit_lease(const struct objstore_lease *lease, void *ctx)
{
    (void)lease, (void)ctx;
    return 0;
}

/* Every call there is, whatever it answers. What it lends must be readable. */
static void use(struct objstore *s, uint64_t *random, int rounds)
{
    struct objstore_view views[4] = { { 0 } };
    struct objstore_stats stats;
    struct objstore_info info;
    struct objstore_diag diag;
    bool ready[OBJECTS];
    struct objstore_id ids[OBJECTS];
    volatile unsigned char sum = 0;
    void *data;
    size_t size;

    for (uint64_t n = 0; n < OBJECTS; n++)
        ids[n] = help_id(n + 1);
    for (int i = 0; i < rounds; i++) {
        uint64_t n = test_random(random) % OBJECTS;
        struct objstore_view *view = &views[test_random(random) % 4];

        (void)!objstore_put(s, &ids[n], bytes, size_of(n), NULL);
        (void)!objstore_delete(s, &ids[test_random(random) % OBJECTS]);
        if (!view->size && !objstore_get(s, &ids[n], 0, view))
            for (size_t j = 0; j < view->size; j += 64)
                sum = (unsigned char)(sum + ((const unsigned char *)view->data)[j]);
        else
            objstore_release(s, view);
        if (!objstore_create(s, &ids[test_random(random) % OBJECTS], 5000, NULL, &data)) {
            memset(data, 1, 5000);
            (void)!(n % 3 == 0   ? objstore_seal(s, &ids[n])
                    : n % 3 == 1 ? objstore_seal_size(s, &ids[n], n * 50, NULL)
                                 : objstore_abort(s, &ids[n]));
        }
        (void)!objstore_read(s, &ids[n], bytes, sizeof bytes, &size);
        (void)!objstore_stat(s, &ids[n], &info);
    }
    objstore_release(s, &views[0]);
    (void)!objstore_get(s, &ids[1], 1, &views[0]);
    (void)!objstore_wait(s, ids, OBJECTS, OBJECTS, 1, ready);
    struct objstore_view many[OBJECTS];
    if (!objstore_get_many(s, ids, OBJECTS, 1, many))
        objstore_release_many(s, many, OBJECTS);
    struct objstore_pass pass;
    for (int i = 0; i < 8; i++) {
        if (!views[0].size)
            (void)!objstore_get(s, &ids[i], 0, &views[0]);
        if (!objstore_give(s, &views[0], 1 + i * 1000, &pass) && i % 3)
            (void)!(i % 2 ? objstore_give_cancel(s, &pass) : objstore_take(s, &pass, &views[1]));
        objstore_release(s, &views[1]);
        pass.words[i % 2] = test_random(random);
        (void)!objstore_take(s, &pass, &views[1]);
        objstore_release(s, &views[1]);
    }
    struct objstore_events *events;
    struct objstore_event event[8];
    if (!objstore_events_open(s, &events)) {
        for (int i = 0; i < 4; i++) {
            (void)!objstore_put(s, &ids[i], bytes, 9, NULL);
            (void)!objstore_delete(s, &ids[i + 1]);
            (void)!objstore_events_next(events, event, 8, i % 2);
        }
        objstore_events_close(events);
    }
    (void)!objstore_list(s, visit_object, NULL);
    (void)!objstore_leases(s, visit_lease, NULL);
    (void)!objstore_stats(s, &stats);
    struct objstore_space space;
    (void)!objstore_space(s, &space);
    if (!objstore_stat(s, &ids[0], &info))
        (void)!objstore_holders(s, &info, visit_holder, NULL);
    (void)!objstore_reap(s);
    (void)!objstore_verify(s, &diag);
    for (int i = 0; i < 4; i++)
        objstore_release(s, &views[i]);
}

/* ---- ways to damage ------------------------------------------------------------------------ */

/* A place in the file that is used: the header, control words, used slots, a little of the data. */
static uint64_t any_place(const struct objstore *s, uint64_t *random)
{
    const struct geometry *g = &s->geo;
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
        { g->slots_at, 128 * sizeof(struct slot) },
        { g->metas_at, 128 * sizeof(struct meta) },
        { g->data_at, g->capacity_bytes },
    };
    size_t r = test_random(random) % (sizeof regions / sizeof *regions);

    return regions[r].at + test_random(random) % regions[r].size;
}

static void damage(unsigned char *file, const struct objstore *s, uint64_t *random)
{
    uint64_t at = any_place(s, random), word;

    switch (test_random(random) % 4) {
    case 0: /* one bit */
        file[at] ^= (unsigned char)(1u << test_random(random) % 8);
        break;
    case 1: /* a word of noise, aligned as the words are */
        word = test_random(random);
        memcpy(file + (at & ~7ull), &word, 8);
        break;
    case 2: /* a word from elsewhere */
        memcpy(&word, file + (any_place(s, random) & ~7ull), 8);
        memcpy(file + (at & ~7ull), &word, 8);
        break;
    default: /* zeros or ones */
        memset(file + (at & ~63ull), test_random(random) % 2 ? 0xff : 0, 64);
    }
}

/* Run in a child, so that a crash or a hang is seen as one. */
static void in_child(void (*run)(struct objstore *s, uint64_t seed), struct objstore *s,
                     uint64_t seed)
{
    pid_t child = fork();

    REQUIRE(child >= 0);
    if (child == 0) {
        alarm(60); /* a hang, not a speed limit */
        signal(SIGSEGV, SIG_DFL);
        run(s, seed);
        _exit(0);
    }
    int status = help_wait(child);
    if (status)
        fprintf(stderr, "damage with seed %llu: status %d\n", (unsigned long long)seed, status);
    CHECK_EQ(status, 0);
}

static void damage_then_open(struct objstore *s, uint64_t seed)
{
    uint64_t random = seed;
    int fd = objstore_fd(s);
    struct stat st;
    CHILD_CHECK(fstat(fd, &st) == 0);
    unsigned char *file = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    struct objstore_options ro = OBJSTORE_OPTIONS_INIT;
    struct objstore *own = NULL;
    struct objstore_diag diag;

    CHILD_CHECK(file != MAP_FAILED);
    for (uint64_t i = 0, n = 1 + test_random(&random) % 20; i < n; i++)
        damage(file, s, &random);
    ro.flags = OBJSTORE_READ_ONLY;
    if (objstore_open_fd(fd, &ro, &own, &diag) == 0) {
        use(own, &random, 20);
        objstore_close(own);
    }
    if (objstore_open_fd(fd, NULL, &own, &diag) == 0) {
        use(own, &random, 100);
        objstore_close(own);
    }
}

static void damage_while_used(struct objstore *s, uint64_t seed)
{
    uint64_t random = seed;
    int fd = objstore_fd(s);
    struct stat st;
    CHILD_CHECK(fstat(fd, &st) == 0);
    unsigned char *file = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    struct objstore *own = NULL;

    CHILD_CHECK(file != MAP_FAILED);
    CHILD_CHECK(objstore_open_fd(fd, NULL, &own, NULL) == 0);
    for (int i = 0; i < 40; i++) {
        use(own, &random, 5);
        damage(file, s, &random);
    }
    objstore_close(own);
}

static uint64_t rounds(uint64_t otherwise)
{
    return getenv("FUZZ") ? strtoull(getenv("FUZZ"), NULL, 0) : otherwise;
}

static void before_open(void)
{
    for (uint64_t i = 0; i < rounds(300); i++) {
        struct objstore *s = filled_store();

        in_child(damage_then_open, s, test_seed * 1000003 + i);
        objstore_close(s); /* it, too, must bear what the child did */
    }
}

static void during_use(void)
{
    for (uint64_t i = 0; i < rounds(40); i++) {
        struct objstore *s = filled_store();

        in_child(damage_while_used, s, test_seed * 2000003 + i);
        objstore_close(s);
    }
}

/* ---- verify says so ------------------------------------------------------------------------ */

static void verify_finds(struct objstore *s, void *at, size_t size, const void *what,
                         const char *expected)
{
    unsigned char saved[64];
    struct objstore_diag diag = { "" };

    REQUIRE(size <= sizeof saved);
    memcpy(saved, at, size);
    CHECK_EQ(objstore_verify(s, NULL), 0);
    memcpy(at, what, size);
    CHECK_EQ(objstore_verify(s, &diag), -EBADMSG);
    if (!strstr(diag.text, expected))
        fprintf(stderr, "verify says '%s', not '%s'\n", diag.text, expected);
    CHECK(strstr(diag.text, expected) != NULL);
    memcpy(at, saved, size);
    CHECK_EQ(objstore_verify(s, NULL), 0);
}

static uint32_t slot_with(struct objstore *s, uint64_t from, uint64_t to)
{
    for (uint32_t i = 0; i < slots_in_use(s); i++) {
        uint64_t size = au64_load_relaxed(&slot_at(s, i)->size);

        if (word_state(au64_load_relaxed(&slot_at(s, i)->word)) == SLOT_SEALED && size >= from &&
            size < to)
            return i;
    }
    return 0;
}

static void verify_sees_each_kind(void)
{
    struct objstore *s = filled_store();
    const uint64_t ones = UINT64_MAX, zero = 0;
    const uint32_t ones32 = UINT32_MAX - 5, zero32 = 0;
    uint32_t paged = slot_with(s, 4096, 8192), celled = slot_with(s, 100, 2000),
             other = slot_with(s, 1, 64);
    uint64_t other_id[2];

    verify_finds(s, &s->header->fixed.capacity_bytes, 8, &ones, "header");
    verify_finds(s, &s->header->slots_fresh, 8, &ones, "header");
    verify_finds(s, &s->leases[3].word, 8, &ones, "lease 3");
    verify_finds(s, &slot_at(s, paged)->extent, 8, &zero, "extent");
    verify_finds(s, &slot_at(s, paged)->extent, 8, &ones, "extent");
    verify_finds(s, &slot_at(s, celled)->extent, 8, &slot_at(s, paged)->extent, "");
    verify_finds(s, &slot_at(s, paged)->size, 8, &ones, "extent");
    memcpy(other_id, slot_at(s, other)->id, sizeof other_id);
    verify_finds(s, slot_at(s, celled)->id, 16, other_id, "");
    verify_finds(s, &slot_at(s, celled)->next, 8, &ones, "bucket");
    struct extent e = extent_unpack(au64_load_relaxed(&slot_at(s, paged)->extent));
    verify_finds(s, &s->page_owners[e.first], 4, &zero32, "bytes belong to another");
    verify_finds(s, &s->page_owners[s->geo.pages - 1], 4, &ones32, "");
    e = extent_unpack(au64_load_relaxed(&slot_at(s, celled)->extent));
    verify_finds(s, &s->cell_owners[(uint64_t)e.first * BLOCK_CELLS + e.count], 4, &zero32,
                 "bytes belong to another");
    verify_finds(s, &s->block_words[e.first], 8, &zero, "");
    verify_finds(s, &s->pin_tables[0][5], 8, &ones, "pin");
    objstore_close(s);
}

static void truncated(void)
{
    struct objstore *s = help_store(CAPACITY), *own = NULL;
    struct objstore_diag diag;
    int fd = memfd_create("cut", MFD_CLOEXEC);
    char *copy = malloc(1 << 20);

    REQUIRE(fd >= 0 && copy);
    REQUIRE(pread(objstore_fd(s), copy, 1 << 20, 0) == 1 << 20);
    static const size_t sizes[] = { 0, 1, 8, 55, 56, 4095, 4096, 65536, 1 << 20 };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        REQUIRE(ftruncate(fd, 0) == 0 && pwrite(fd, copy, sizes[i], 0) == (ssize_t)sizes[i]);
        int err = objstore_open_fd(fd, NULL, &own, &diag);
        CHECK_EQ(err, sizes[i] < 4096 ? -EPROTO : -EBADMSG);
        CHECK(diag.text[0] != 0);
    }
    /* Another layout is refused, and said to be one. */
    copy[8] ^= 2;
    REQUIRE(pwrite(fd, copy, 4096, 0) == 4096);
    CHECK_EQ(objstore_open_fd(fd, NULL, &own, &diag), -EPROTO);
    CHECK(strstr(diag.text, "layout") != NULL);
    free(copy);
    close(fd);
    objstore_close(s);
}

TESTS("damage", { "verify sees each kind of damage and says where", verify_sees_each_kind },
      { "files that were cut off or are of another layout", truncated },
      { "no crash and no hang on a store damaged before it is opened", before_open },
      { "nor on one that is damaged while it is used", during_use })
