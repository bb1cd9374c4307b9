/* SPDX-License-Identifier: MIT */
/*
 * What others see of objects that go to files and come back, and of the room that this takes or makes:
 * readers that may not help, processes that want the same, a child.
 */
#include "spill_kit.h"
#include "point.h"
#include "test.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

/* ---- read, while it moves -------------------------------------------------------------------- */

static struct objstore *moved_by;
static bool is_to_go;

/* A read-only handle has copied the object out: it goes to a file, comes back, or is deleted. */
static void move_it(const char *name)
{
    struct objstore_id id = help_id(1);

    if (strcmp(name, "object: copied out, not looked at again") &&
        strcmp(name, "spill: copied out, not looked at again"))
        return;
    test_point = NULL;
    if (is_to_go) {
        CHECK_EQ(objstore_delete(moved_by, &id), 0);
    } else if (name[0] == 'o') {
        CHECK(objstore_spill(moved_by, 1 << 20) > 0);
    } else {
        CHECK(kit_get(moved_by, 1, 300000));
    }
}

static void read_only_while_it_moves(void)
{
    static unsigned char bytes[300000];
    struct objstore_options o = OBJSTORE_OPTIONS_INIT;
    struct objstore_id id = help_id(1);
    struct objstore *reader;
    size_t size;

    kit_make_dir();
    struct objstore *s = moved_by = kit_make(1 << 20, 0);
    CHECK_EQ(kit_put(s, 1, sizeof bytes), 0);
    is_to_go = false;
    o.flags = OBJSTORE_READ_ONLY;
    REQUIRE_OK(objstore_open_fd(objstore_fd(s), &o, &reader, NULL));
    for (int i = 0; i < 4; i++) { /* from memory to a file, and back; twice */
        memset(bytes, 0, sizeof bytes);
        test_point = move_it;
        CHECK_EQ(objstore_read(reader, &id, bytes, sizeof bytes, &size), 0);
        CHECK(test_point == NULL);
        CHECK(size == sizeof bytes && help_is_filled(bytes, size, 1));
    }
    is_to_go = true;
    test_point = move_it;
    CHECK_EQ(objstore_read(reader, &id, bytes, sizeof bytes, &size), -EAGAIN);
    CHECK_EQ(objstore_read(reader, &id, bytes, sizeof bytes, &size), -ENOENT);
    objstore_close(reader);
    kit_end(s);
}

static void die_between_forms(const char *name)
{
    if (!strcmp(name, "replace: replaced, its heir stands by"))
        raise(SIGKILL);
}

/* Its mover died, or stopped, in the middle: who may not help it on sees it all the same. */
static void read_only_between_forms(void)
{
    static unsigned char bytes[300000];
    struct objstore_options o = OBJSTORE_OPTIONS_INIT;
    struct objstore_id id = help_id(1);
    struct objstore_info info;
    struct objstore *reader;
    bool ready = false;
    size_t size;

    kit_make_dir();
    struct objstore *s = kit_make(1 << 20, 0);
    CHECK_EQ(kit_put(s, 1, sizeof bytes), 0);
    o.flags = OBJSTORE_READ_ONLY;
    REQUIRE_OK(objstore_open_fd(objstore_fd(s), &o, &reader, NULL));
    pid_t child = fork();
    if (child == 0) {
        struct objstore *mover = help_attach(s);

        test_point = die_between_forms;
        (void)!objstore_spill(mover, 1 << 20);
        _exit(1);
    }
    CHECK_EQ(help_wait(child), 128 + SIGKILL);
    CHECK(objstore_contains(reader, &id));
    CHECK_EQ(objstore_wait(reader, &id, 1, 1, 0, &ready), 1);
    CHECK(ready);
    CHECK_EQ(objstore_stat(reader, &id, &info), 0);
    CHECK_EQ(objstore_read(reader, &id, bytes, sizeof bytes, &size), 0);
    CHECK(size == sizeof bytes && help_is_filled(bytes, size, 1));
    objstore_close(reader);
    CHECK_EQ(objstore_wait(s, &id, 1, 1, 0, &ready), 1);
    kit_end(s);
}

/* A copy needs no room, so it is to be had when there is none to bring the object back. */
static void copies_without_room(void)
{
    static unsigned char bytes[900000];
    struct objstore_id spilled = help_id(1), viewed = help_id(2);
    struct objstore_view view;
    size_t size;

    kit_make_dir();
    struct objstore *s = kit_make(1 << 20, 0);
    CHECK_EQ(kit_put(s, 1, sizeof bytes), 0);
    CHECK(objstore_spill(s, 1 << 20) > 0);
    CHECK_EQ(kit_put(s, 2, sizeof bytes), 0);
    CHECK_EQ(objstore_get(s, &viewed, 0, &view), 0);
    CHECK_EQ(objstore_read(s, &spilled, bytes, sizeof bytes, &size), 0);
    CHECK(size == sizeof bytes && help_is_filled(bytes, size, 1));
    CHECK_EQ(kit_stats(s).objects_spilled, 1);
    objstore_release(s, &view);
    kit_end(s);
}

/* ---- two want room, and there is not enough for both ------------------------------------------- */

static int ready[2], go[2]; /* pipes */

/* The first one, a child, stops at a point of what it does while the second one looks for room. */
struct scene {
    int (*prepares)(struct objstore *s);
    int (*first)(struct objstore *s), (*second)(struct objstore *s); /* 0, or the error */
    const char *first_at, *second_at;
};

static int two_objects(struct objstore *s)
{
    int err = kit_put(s, 1, 400000);

    return err ? err : kit_put(s, 2, 400000);
}

static int spills_all(struct objstore *s)
{
    int64_t freed = objstore_spill(s, 1 << 20);

    return freed > 0 ? 0 : freed ? (int)freed : -ENODATA;
}

static int one_in_a_file(struct objstore *s)
{
    int err = kit_put(s, 1, 700000);

    return err ? err : spills_all(s);
}

static int gets_it(struct objstore *s)
{
    struct objstore_id id = help_id(1);
    struct objstore_view view;
    int err = objstore_get(s, &id, 0, &view);

    if (err)
        return err;
    CHECK(view.size == 700000 && help_is_filled(view.data, view.size, 1));
    objstore_release(s, &view);
    return 0;
}

static int puts_a_third(struct objstore *s)
{
    int err = kit_put(s, 3, 500000);

    CHECK(err || kit_get(s, 3, 500000));
    return err;
}

static const struct scene *scene;
static int first_gets; /* the signal that it gives itself on the way, or 0 */

static void first_point(const char *name)
{
    char byte = 0;

    if (strcmp(name, scene->first_at))
        return;
    test_point = NULL;
    CHILD_CHECK(write(ready[1], &byte, 1) == 1);
    CHILD_CHECK(read(go[0], &byte, 1) == 1);
    if (first_gets)
        raise(first_gets);
}

static void second_point(const char *name)
{
    if (strcmp(name, scene->second_at))
        return;
    test_point = NULL;
    CHECK_EQ(write(go[1], "", 1), 1);
}

/* What the second one's call says. */
static int play(const struct scene *of, int signal)
{
    char byte;

    kit_make_dir();
    struct objstore *s = kit_make(1 << 20, 0);
    scene = of;
    first_gets = signal;
    CHECK_EQ(of->prepares(s), 0);
    REQUIRE(!pipe(ready) && !pipe(go));
    pid_t child = fork();
    if (child == 0) {
        struct objstore *own = help_attach(s);

        test_point = first_point;
        CHILD_CHECK(of->first(own) == 0);
        CHILD_CHECK(read(go[0], &byte, 1) == 1);
        objstore_close(own);
        _exit(0);
    }
    CHECK_EQ(read(ready[0], &byte, 1), 1);
    test_point = second_point;
    int err = of->second(s);
    CHECK(test_point == NULL);
    if (test_point) /* it did not wait */
        second_point(of->second_at);
    if (signal == SIGSTOP)
        CHECK_EQ(kill(child, SIGKILL), 0);
    CHECK_EQ(write(go[1], "", 1), 1);
    CHECK_EQ(help_wait(child), signal ? 128 + SIGKILL : 0);
    close(ready[0]), close(ready[1]), close(go[0]), close(go[1]);
    if (of->prepares == two_objects) {
        CHECK(kit_get(s, 1, 400000) && kit_get(s, 2, 400000));
    } else {
        CHECK(kit_get(s, 1, 700000));
    }
    kit_end(s);
    return err;
}

/* Whether the first one goes on, dies or stops. */
static void play_all(const struct scene *of)
{
    CHECK_EQ(play(of, 0), 0);
    CHECK_EQ(play(of, SIGKILL), 0);
    CHECK_EQ(play(of, SIGSTOP), -ENOSPC);
}

static void room_for_one(void)
{
    const struct scene both_get = { one_in_a_file, gets_it, gets_it,
                                    "spill: read back, not in its place",
                                    "spill: no room, another brings it back" };

    play_all(&both_get);
}

static void others_make_room(void)
{
    const struct scene one_makes_all = { two_objects, spills_all, puts_a_third, "spill: all held",
                                         "evict: nothing but what another moves" };

    play_all(&one_makes_all);
}

/* ---- what moves nothing, or not the others' -------------------------------------------------- */

/* What would not fit into an empty store makes nobody go. */
static void too_large_moves_nothing(void)
{
    kit_make_dir();
    for (int cache = 0; cache < 2; cache++) {
        struct objstore *s = kit_make(1 << 20, cache ? OBJSTORE_CACHE : 0);

        for (uint64_t i = 0; i < 8; i++)
            CHECK_EQ(kit_put(s, i, 100000), 0);
        CHECK_EQ(kit_put(s, 8, (1 << 20) + 1), -ENOSPC);
        CHECK_EQ(kit_stats(s).objects_sealed, 8);
        CHECK_EQ(kit_put(s, 8, 1 << 20), 0);
        CHECK_EQ(kit_stats(s).objects_sealed, 1);
        if (cache)
            objstore_close(s);
        else
            kit_end(s);
        if (!cache)
            kit_make_dir();
    }
    rmdir(kit_dir);
}

/* A child has a copy of the handle, and closes it: what its parent has under way stays its parent's. */
static void child_closes(void)
{
    kit_make_dir();
    struct objstore *s = kit_make(4 << 20, 0);
    pid_t parent = fork();
    if (parent == 0) {
        struct objstore *own = help_attach(s);

        alarm(60); /* if it waits for answers that somebody else took */
        for (uint64_t i = 0; i < 5; i++)
            CHILD_CHECK(kit_put(own, i, 500000) == 0);
        CHILD_CHECK(objstore_spill(own, 4 << 20) > 0);
        for (uint64_t i = 0; i < 5; i++)
            CHILD_CHECK(kit_get(own, i, 500000));
        pid_t child = fork();
        if (child == 0) {
            objstore_close(own);
            _exit(0);
        }
        CHILD_CHECK(help_wait(child) == 0);
        CHILD_CHECK(objstore_spill(own, 4 << 20) > 0);
        for (uint64_t i = 0; i < 5; i++)
            CHILD_CHECK(kit_get(own, i, 500000));
        objstore_close(own);
        _exit(0);
    }
    CHECK_EQ(help_wait(parent), 0);
    kit_end(s);
}

TESTS("spill: as others see it",
      { "a read-only handle reads what moves meanwhile", read_only_while_it_moves },
      { "a read-only handle sees what a dead one was moving", read_only_between_forms },
      { "what cannot be brought back can be copied", copies_without_room },
      { "a child closes its copy of a handle", child_closes },
      { "two bring one object back, and there is room for one", room_for_one },
      { "one makes all the room there is, and another needs some", others_make_room },
      { "what is too large for the store makes nobody go", too_large_moves_nothing })
