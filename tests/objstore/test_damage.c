/* SPDX-License-Identifier: MIT */
/*
 * Damaged stores, one known fault at a time: verify says which. (test_fuzz.c damages at random.)
 */
#define _GNU_SOURCE
#include "help.h"
#include "extent.h"
#include "index.h"
#include "pin.h"
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

/* ---- damage in the middle of a call ---------------------------------------------------------- */

static struct objstore *forged;
static uint32_t forged_pages; /* 0: nothing was forged yet */

/* As if another process wrote over the extent of whoever has just taken pages. */
static void forge_extent(const char *point)
{
    if (strcmp(point, "pages: all taken") || forged_pages)
        return;
    for (uint32_t i = 0; i < slots_in_use(forged); i++) {
        struct slot *slot = slot_at(forged, i);
        struct extent e = extent_unpack(au64_load_relaxed(&slot->extent));

        if (word_state(au64_load_relaxed(&slot->word)) != SLOT_WRITING || !e.held)
            continue;
        forged_pages = e.count;
        e.first = (uint32_t)forged->geo.pages - 1;
        e.count = 1;
        au64_store_relaxed(&slot->extent, extent_pack(e));
    }
}

static int create_forged(void)
{
    struct objstore_id id = help_id(1000);
    void *data;

    return objstore_create(forged, &id, 30000, NULL, &data);
}

/* So many views that their table gets a second level, which is taken like an object. */
static int get_forged(void)
{
    int err = 0;

    for (uint64_t n = 0; n < 600 && !err; n++) {
        struct objstore_id id = help_id(2000 + n);
        struct objstore_view view;

        err = objstore_put(forged, &id, "x", 1, NULL);
        if (!err)
            err = objstore_get(forged, &id, 0, &view);
    }
    return err;
}

/* What a call notes in shared memory and reads again is checked again. */
static void extent_changes_under_its_owner(void)
{
    static int (*const calls[])(void) = { create_forged, get_forged };

    for (int i = 0; i < 2; i++) {
        struct objstore_stats stats;

        forged = help_store(CAPACITY);
        forged_pages = 0;
        test_point = forge_extent;
        int err = calls[i]();
        test_point = NULL;
        CHECK_EQ(err, -EBADMSG);
        CHECK_EQ(forged_pages, 8);
        CHECK_EQ(objstore_stats(forged, &stats), 0);
        CHECK_EQ(stats.objects_unsealed, 0); /* nothing stays half made */
        objstore_close(forged);
    }
}

/* As if another process made a bucket lead to the slot that somebody is about to enter. */
static void forge_chain(const char *point)
{
    const struct objstore_id id = help_id(1000);

    if (strcmp(point, "object: described, not entered"))
        return;
    for (uint32_t i = 0; i < slots_in_use(forged); i++) {
        struct slot *slot = slot_at(forged, i);

        if (word_state(au64_load_relaxed(&slot->word)) != SLOT_WRITING)
            continue;
        au64_store_relaxed(&slot->next, 0);
        au64_store_relaxed(&forged->buckets[index_bucket_number(forged, key_of(&id))],
                           ((uint64_t)i + 1) << 32 | LINK_FLAG);
    }
}

static void chain_leads_to_what_is_not_entered(void)
{
    struct objstore_id id = help_id(1000);
    struct objstore_stats stats;

    forged = help_store(CAPACITY);
    REQUIRE_OK(objstore_put(forged, &id, "x", 1, NULL)); /* its bucket is open */
    REQUIRE_OK(objstore_delete(forged, &id));
    test_point = forge_chain;
    int err = objstore_put(forged, &id, "x", 1, NULL); /* not for ever "there", and free again */
    test_point = NULL;
    CHECK_EQ(err, -EBADMSG);
    CHECK_EQ(objstore_stats(forged, &stats), 0);
    CHECK_EQ(stats.objects_unsealed, 0);
    objstore_close(forged);
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
    const uint64_t ones = UINT64_MAX, zero = 0, open_end = 1ull << 31, entry = 1ull << 32 | 1;
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
    verify_finds(s, &s->buckets[s->geo.buckets - 1], 8, &open_end, "bucket 1023"); /* not listed */
    uint32_t unlisted = 1;
    while (bucket_is_open(unlisted, au64_load_relaxed(&s->buckets[unlisted])))
        unlisted++; /* what it would be split from is lower */
    verify_finds(s, &s->buckets[unlisted], 8, &open_end, "the list does not lead to it");
    verify_finds(s, &s->buckets[0], 8, &open_end, "the list does not lead to it");
    verify_finds(s, &s->buckets[0], 8, &ones, "bucket 0");
    struct extent e = extent_unpack(au64_load_relaxed(&slot_at(s, paged)->extent));
    verify_finds(s, &s->page_owners[e.first], 4, &zero32, "bytes belong to another");
    verify_finds(s, &s->page_owners[s->geo.pages - 1], 4, &ones32, "");
    e = extent_unpack(au64_load_relaxed(&slot_at(s, celled)->extent));
    verify_finds(s, &s->cell_owners[(uint64_t)e.first * BLOCK_CELLS + e.count], 4, &zero32,
                 "bytes belong to another");
    verify_finds(s, &s->block_words[e.first], 8, &zero, "");
    verify_finds(s, &s->pin_tables[0][5], 8, &ones, "pin");
    uint64_t unused = ~au64_load_relaxed(&s->pin_sets) & PIN_NEAR_ALL; /* sets of no thread */
    verify_finds(s, &s->pin_tables[0][(uint64_t)__builtin_ctzll(unused) * PIN_WAYS], 8, &entry,
                 "pin");
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

/* A nameless store cannot be cut; of a named one that was, verify says so and does not touch it. */
static void truncated_while_open(void)
{
    struct objstore *s = help_store(CAPACITY);
    struct objstore_options o = OBJSTORE_OPTIONS_INIT;
    struct objstore_diag diag = { "" };
    char path[64];

    CHECK(ftruncate(objstore_fd(s), 4096) == -1 && errno == EPERM);
    CHECK(ftruncate(objstore_fd(s), 1 << 30) == -1 && errno == EPERM);
    objstore_close(s);
    snprintf(path, sizeof path, "/dev/shm/objstore-test-cut-%d", (int)getpid());
    o.flags = OBJSTORE_CREATE;
    o.capacity_bytes = CAPACITY;
    REQUIRE_OK(objstore_open(path, &o, &s, NULL));
    CHECK(unlink(path) == 0);
    static const off_t sizes[] = { 1 << 20, 4096, 0 };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        REQUIRE(ftruncate(objstore_fd(s), sizes[i]) == 0);
        CHECK_EQ(objstore_verify(s, &diag), -EBADMSG);
        CHECK(strstr(diag.text, "header") != NULL);
    }
    REQUIRE(ftruncate(objstore_fd(s), (off_t)s->geo.file_bytes) == 0); /* to close it */
    objstore_close(s);
}

TESTS("damage", { "verify sees each kind of damage and says where", verify_sees_each_kind },
      { "files that were cut off or are of another layout", truncated },
      { "a file that is cut off while it is mapped", truncated_while_open },
      { "an extent that somebody changes under its owner", extent_changes_under_its_owner },
      { "a chain that leads to what is not entered", chain_leads_to_what_is_not_entered })
