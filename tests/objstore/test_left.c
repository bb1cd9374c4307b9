/* SPDX-License-Identifier: MIT */
/*
 * Readers that leave just when an object is deleted: reader and deleter may both leave it to the
 * other (pin.c, N3). Whoever needs the room, or asks how much there is, finds it.
 */
#include "help.h"
#include "pin.h"
#include "point.h"
#include "store.h"
#include "test.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

enum { CAPACITY = 1 << 20, LARGE = 600 << 10 };

/* An object of LARGE bytes, deleted under a view whose end saw nothing of it. */
static void leave_one(struct objstore *reader, struct objstore *deleter)
{
    static const char bytes[LARGE];
    const struct objstore_id id = help_id(1);
    struct objstore_view view;

    REQUIRE_OK(objstore_put(deleter, &id, bytes, LARGE, NULL));
    REQUIRE_OK(objstore_get(reader, &id, 0, &view));
    REQUIRE_OK(objstore_delete(deleter, &id));
    CHECK(unpin(reader, view.pin[0], view.pin[1]));
}

static bool is_noted(const struct objstore *s)
{
    return au64_load_acquire(&s->header->doomed_left) !=
           au64_load_acquire(&s->header->doomed_looked);
}

static void makes_room(void)
{
    struct objstore *s = help_store(CAPACITY), *other = help_attach(s);
    static const char bytes[LARGE];
    const struct objstore_id id = help_id(2);

    leave_one(other, s);
    CHECK(is_noted(s));
    REQUIRE_OK(objstore_put(other, &id, bytes, LARGE, NULL)); /* there is room for one only */
    CHECK(!is_noted(s));
    CHECK_EQ(objstore_put(s, &(struct objstore_id){ { 3 } }, bytes, LARGE, NULL), -ENOSPC);
    REQUIRE_OK(objstore_delete(s, &id));
    CHECK_EQ(help_used(s), 0);
    CHECK(help_is_sound(s));
    objstore_close(other);
    objstore_close(s);
}

static int count(const struct objstore_info *info, void *ctx)
{
    (void)info;
    ++*(int *)ctx;
    return 0;
}

static void is_not_counted(void)
{
    struct objstore *s = help_store(CAPACITY), *other = help_attach(s);
    struct objstore_space space;
    struct objstore_stats stats;
    int listed = 0;

    leave_one(other, s);
    REQUIRE_OK(objstore_stats(s, &stats));
    CHECK_EQ(stats.used_bytes, 0);
    leave_one(s, s);
    REQUIRE_OK(objstore_space(s, &space));
    CHECK_EQ(space.free_bytes + space.cell_free_bytes, CAPACITY);
    leave_one(s, other);
    REQUIRE_OK(objstore_list(other, count, &listed));
    CHECK_EQ(listed, 0);
    objstore_close(other);
    objstore_close(s);
}

/* One that is held stays noted, and is not freed. */
static void is_held(void)
{
    struct objstore *s = help_store(CAPACITY);
    const struct objstore_id id = help_id(1);
    struct objstore_stats stats;
    struct objstore_view view;

    REQUIRE_OK(objstore_put(s, &id, "bytes", 5, NULL));
    REQUIRE_OK(objstore_get(s, &id, 0, &view));
    REQUIRE_OK(objstore_delete(s, &id));
    for (int i = 0; i < 3; i++) {
        REQUIRE_OK(objstore_stats(s, &stats));
        CHECK_EQ(stats.objects_deleted, 1);
        CHECK(is_noted(s));
        CHECK(!memcmp(view.data, "bytes", 5));
    }
    objstore_release(s, &view);
    REQUIRE_OK(objstore_stats(s, &stats));
    CHECK_EQ(stats.objects_deleted, 0);
    CHECK(!is_noted(s));
    objstore_close(s);
}

static int looks;
static void count_looks(const char *point)
{
    looks += !strcmp(point, "reap: to look at all slots");
}

static uint64_t looks_of_stats(struct objstore *s, int *deleted)
{
    struct objstore_stats stats;

    looks = 0;
    REQUIRE_OK(objstore_stats(s, &stats));
    *deleted = (int)stats.objects_deleted;
    return (uint64_t)looks;
}

/* While what is deleted stays held nobody looks at all slots twice; and yet all is found. */
static void is_looked_for_once(void)
{
    enum { HELD = 5 };
    struct objstore *s = help_store(CAPACITY), *other = help_attach(s);
    struct objstore_view views[HELD];
    int deleted;

    test_point = count_looks;
    for (uint64_t n = 0; n < HELD; n++) {
        struct objstore_id id = help_id(n);

        REQUIRE_OK(objstore_put(s, &id, "x", 1, NULL));
        REQUIRE_OK(objstore_get(other, &id, 0, &views[n]));
        if (n < HELD - 1)
            REQUIRE_OK(objstore_delete(s, &id));
    }
    CHECK_EQ(looks_of_stats(s, &deleted), 1);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(looks_of_stats(s, &deleted), 0);
    CHECK_EQ(deleted, HELD - 1);

    CHECK(unpin(other, views[0].pin[0], views[0].pin[1])); /* unseen: found all the same */
    objstore_release(other, &views[1]);
    CHECK_EQ(looks_of_stats(s, &deleted), 0);
    CHECK_EQ(deleted, HELD - 3);

    struct objstore_id last = help_id(HELD - 1); /* one more is held: a new look, by who has not */
    REQUIRE_OK(objstore_delete(other, &last));
    CHECK(unpin(other, views[HELD - 1].pin[0], views[HELD - 1].pin[1]));
    CHECK_EQ(looks_of_stats(s, &deleted), 1);
    CHECK_EQ(deleted, HELD - 3);

    CHECK(unpin(other, views[2].pin[0], views[2].pin[1]));
    CHECK(unpin(other, views[3].pin[0], views[3].pin[1]));
    CHECK_EQ(looks_of_stats(s, &deleted), 1); /* none is left: the last look says so to all */
    CHECK_EQ(deleted, 0);
    CHECK(!is_noted(s));
    test_point = NULL;
    CHECK_EQ(help_used(s), 0);
    objstore_close(other);
    CHECK(help_is_sound(s));
    objstore_close(s);
}

/* A reader and a deleter of the same few ids, as fast as they can. */
enum { IDS = 4, TURNS = 200000, VIEWS = 20000, RACING = 200 };

struct race {
    struct au64 views; /* that the reader had */
    struct au32 stop;
};

static void read_all_the_time(const struct objstore *store, struct race *race)
{
    struct objstore *s = help_attach(store);

    for (uint64_t i = 0; !au32_load_acquire(&race->stop); i++) {
        struct objstore_id id = help_id(1 + i % IDS);
        struct objstore_view view;

        if (objstore_get(s, &id, 0, &view))
            continue;
        if (view.size != RACING || !help_is_filled(view.data, RACING, 1 + i % IDS)) {
            au64_store_release(&race->views, VIEWS);
            _exit(2);
        }
        objstore_release(s, &view);
        au64_add_relaxed(&race->views, 1);
    }
    objstore_close(s);
    _exit(0);
}

/* How many slots are deleted, and nobody frees them. */
static uint32_t unseen(const struct objstore *s)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < slots_in_use(s); i++)
        n += word_state(au64_load_acquire(&slot_at(s, i)->word)) == SLOT_DOOMED;
    return n;
}

static void races(void)
{
    struct objstore *s = help_store(CAPACITY);
    struct race *race = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct objstore_stats stats;
    char bytes[RACING];

    REQUIRE(race != MAP_FAILED);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0)
        read_all_the_time(s, race);
    for (uint64_t i = 0; i < TURNS || au64_load_acquire(&race->views) < VIEWS; i++) {
        struct objstore_id id = help_id(1 + i % IDS);

        help_fill(bytes, RACING, 1 + i % IDS);
        REQUIRE_OK(objstore_put(s, &id, bytes, RACING, NULL));
        if (i >= IDS) {
            id = help_id(1 + (i + 1) % IDS);
            REQUIRE_OK(objstore_delete(s, &id));
        } else if (i == IDS - 1) {
            id = help_id(1);
            REQUIRE_OK(objstore_delete(s, &id));
        }
    }
    au32_store_release(&race->stop, 1);
    CHECK_EQ(help_wait(child), 0);
    printf("    a view kept a deleted object %llu times; left unseen: %u\n",
           (unsigned long long)au64_load_relaxed(&s->header->doomed_left), unseen(s));
    for (uint64_t n = 1; n <= IDS; n++) {
        struct objstore_id id = help_id(n);
        int err = objstore_delete(s, &id);

        CHECK(!err || err == -ENOENT); /* one of them is not there */
    }
    REQUIRE_OK(objstore_stats(s, &stats));
    CHECK_EQ(stats.used_bytes, 0);
    CHECK_EQ(stats.objects_deleted, 0);
    CHECK(help_is_sound(s));
    munmap(race, 4096);
    objstore_close(s);
}

TESTS("left unseen", { "makes room for who needs it", makes_room },
      { "is not counted or listed", is_not_counted }, { "but stays while it is held", is_held },
      { "is looked for once while it is held", is_looked_for_once },
      { "a reader and a deleter race", races })
