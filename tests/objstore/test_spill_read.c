/* SPDX-License-Identifier: MIT */
/*
 * What is spilled comes back as it was, in whatever order it is asked for; who goes through a file
 * in order is read ahead for, who jumps about is not; and what lands late lands in no object.
 */
#include "help.h"
#include "point.h"
#include "spill.h"
#include "store.h"
#include "test.h"

#include <stdlib.h>
#include <string.h>

#define CAPACITY ((uint64_t)48 << 20)

static char dir[64];

static struct objstore *make(uint32_t flags)
{
    struct objstore_options o = OBJSTORE_OPTIONS_INIT;
    struct objstore *s = NULL;

    snprintf(dir, sizeof dir, "/var/tmp/objstore-test-XXXXXX");
    REQUIRE(mkdtemp(dir) != NULL);
    o.capacity_bytes = CAPACITY;
    o.flags = flags | OBJSTORE_CREATE;
    o.spill_dir = dir;
    REQUIRE_OK(objstore_open(NULL, &o, &s, NULL));
    return s;
}

static void end(struct objstore *s)
{
    CHECK(help_is_sound(s));
    objstore_close(s);
    CHECK_EQ(rmdir(dir), 0);
}

static void put(struct objstore *s, uint64_t n, size_t size)
{
    struct objstore_id id = help_id(n);
    void *data;

    REQUIRE_OK(objstore_create(s, &id, size, NULL, &data));
    help_fill(data, size, n);
    CHECK_EQ(objstore_seal(s, &id), 0);
}

static void get(struct objstore *s, uint64_t n, size_t size)
{
    struct objstore_id id = help_id(n);
    struct objstore_view view;

    REQUIRE_OK(objstore_get(s, &id, 0, &view));
    CHECK(view.size == size && help_is_filled(view.data, size, n));
    objstore_release(s, &view);
}

static bool uses_ring(const struct objstore *s)
{
    return au32_load_acquire(&s->spill->io_kind) == IO_URING;
}

/* Cells, single pages, several frames; and lengths around a page and a frame. */
static const size_t sizes[] = {
    65,      100,    3000,          4096,          4097, 65536,          (1 << 20) - 1,
    1 << 20, 300001, (1 << 20) + 1, (5 << 20) + 7, 2000, (2 << 20) + 64, 12288,
    640
};
#define SIZES (sizeof sizes / sizeof *sizes)

static void in_any_order(uint32_t flags)
{
    uint64_t random = test_seed;

    for (int round = 0; round < 4; round++) {
        struct objstore *s = make(flags);
        uint64_t order[2 * SIZES];

        for (uint64_t n = 0; n < 2 * SIZES; n++) {
            put(s, n, sizes[n % SIZES]);
            order[n] = n;
        }
        CHECK(objstore_spill(s, CAPACITY) > 0);
        for (uint64_t n = 2 * SIZES - 1; n > 0 && round; n--) { /* first in order, then any */
            uint64_t other = test_random(&random) % (n + 1), kept = order[n];

            order[n] = order[other];
            order[other] = kept;
        }
        for (uint64_t n = 0; n < 2 * SIZES; n++)
            get(s, order[n], sizes[order[n] % SIZES]);
        end(s);
    }
}

static void plain(void)
{
    in_any_order(0);
}

static void compressed(void)
{
    in_any_order(OBJSTORE_COMPRESS);
}

static void ahead(void)
{
    struct objstore *s = make(0);
    const struct reader *rd = &s->spill->reader;
    enum { FILE_OBJECTS = 64 }; /* 4 MiB */

    for (uint64_t n = 0; n < 2 * FILE_OBJECTS; n++)
        put(s, n, 65536);
    CHECK(objstore_spill(s, CAPACITY) > 0);
    for (uint64_t n = 0; n < 32; n++)
        get(s, n, 65536);
    if (uses_ring(s)) {
        CHECK(rd->count > 0);
        CHECK(rd->number > rd->last_number || rd->end > 32 * 65536); /* object 32 is on its way */
    }
    for (uint64_t n = 127; n > 100; n -= 9) { /* here and there */
        get(s, n, 65536);
        if (uses_ring(s))
            CHECK_EQ(rd->end, (n % FILE_OBJECTS + 1) * 65536);
    }
    for (uint64_t n = 90; n >= 78; n--) /* backwards */
        get(s, n, 65536);
    if (uses_ring(s))
        CHECK(rd->frames[rd->head].at <= 77 % FILE_OBJECTS * 65536 &&
              rd->end >= 78 % FILE_OBJECTS * 65536);
    end(s);
}

/* Reads go on when their process has died: they may have no aim that is ever somebody else's. */
static void into_no_object(void)
{
    struct objstore *s = make(0);
    const struct reader *rd = &s->spill->reader;

    put(s, 1, 3 << 20);
    CHECK(objstore_spill(s, CAPACITY) > 0);
    get(s, 1, 3 << 20);
    if (uses_ring(s)) {
        CHECK(rd->buffer + READ_FRAMES * READ_FRAME_BYTES <= s->rw ||
              rd->buffer >= s->rw + s->geo.file_bytes);
    }
    end(s);
}

/* ---- while another writes --------------------------------------------------------------------- */

#define SMALL ((size_t)200 << 10)

static struct {
    struct objstore *reader;
    uint64_t count, next; /* objects that are there; and the first that was not read yet */
    bool is_reading;
    uint32_t files;
} meanwhile;

static bool is_spilled(struct objstore *s, uint64_t n)
{
    struct objstore_id id = help_id(n);
    struct objstore_info info;

    REQUIRE_OK(objstore_stat(s, &id, &info));
    return info.state == OBJSTORE_SPILLED;
}

static void read_next(struct objstore *s)
{
    static unsigned char bytes[SMALL];
    struct objstore_id id = help_id(meanwhile.next);
    size_t size = 0;

    CHECK_EQ(objstore_read(s, &id, bytes, sizeof bytes, &size), 0);
    CHECK(size == SMALL && help_is_filled(bytes, size, meanwhile.next));
    meanwhile.next++;
}

/* Go on to the end of what is spilled: what lies behind is read ahead. */
static void read_before_it_is_written(const char *point)
{
    if (meanwhile.is_reading || strcmp(point, "spill: file has its room, nothing written"))
        return;
    meanwhile.is_reading = true;
    meanwhile.files++;
    while (meanwhile.next < meanwhile.count && is_spilled(meanwhile.reader, meanwhile.next))
        read_next(meanwhile.reader);
    meanwhile.is_reading = false;
}

static void what_was_read_too_early_is_read_again(void)
{
    struct objstore *s = make(0);
    uint64_t objects = 3 * CAPACITY / SMALL;

    meanwhile.reader = help_attach(s);
    meanwhile.next = meanwhile.files = 0;
    test_point = read_before_it_is_written;
    for (meanwhile.count = 0; meanwhile.count < objects; meanwhile.count++)
        put(s, meanwhile.count, SMALL);
    test_point = NULL;
    CHECK(meanwhile.files > 3);
    CHECK(meanwhile.next > 0);
    while (meanwhile.next < objects)
        read_next(meanwhile.reader);
    objstore_close(meanwhile.reader);
    end(s);
}

TESTS("spill read", { "as it was, in any order", plain }, { "compressed, too", compressed },
      { "ahead of those who go on, and of nobody else", ahead },
      { "a late read hits no object", into_no_object },
      { "what was read before it was written is read again",
        what_was_read_too_early_is_read_again })
