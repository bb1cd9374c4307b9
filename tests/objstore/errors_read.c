/* SPDX-License-Identifier: MIT */
/* errors_read.c -- the errors of getting, reading, waiting and handing over. */
#define _GNU_SOURCE
#include "errors.h"

#include <limits.h>
#include <signal.h>
#include <sys/mman.h>

static struct objstore_view view;
static void *data;

static int get_absent(void)
{
    CHECK_EQ(objstore_get(given.store, &given.unsealed, 0, &view), -ENOENT);
    return objstore_get(given.store, &given.absent, 0, &view);
}
static int get_late(void)
{
    CHECK_EQ(objstore_get(given.store, &given.theirs, 1, &view), -ETIMEDOUT);
    return objstore_get(given.store, &given.absent, 1, &view);
}
static int get_read_only(void)
{
    return objstore_get(given.read_only, &given.sealed, 0, &view);
}
static int get_nameless(void)
{
    CHECK_EQ(objstore_get(given.store, &given.sealed, -2, &view), -EINVAL);
    CHECK_EQ(objstore_get(given.store, &given.sealed, 0, NULL), -EINVAL);
    return objstore_get(given.store, &given.zero, 0, &view);
}

/* Views of more objects than the first table holds, in a store that is full. */
/* Views until there is no room to note one more; if `give`, by taking passes. */
static int views_no_room(bool give)
{
    enum { MANY = 2000 };
    struct objstore *full = help_store(256 << 10);
    struct objstore_id all = help_id(9999);
    struct objstore_stats stats;
    int err = 0;

    for (uint64_t n = 0; n < MANY; n++) {
        struct objstore_id id = help_id(n);

        REQUIRE_OK(objstore_put(full, &id, "x", 1, NULL));
    }
    REQUIRE_OK(objstore_stats(full, &stats));
    REQUIRE_OK(objstore_create(full, &all, stats.largest_free_bytes, NULL, &data));
    REQUIRE_OK(objstore_seal(full, &all));
    for (uint64_t n = 0; n < MANY && !err; n++) {
        struct objstore_id id = help_id(n);
        struct objstore_pass pass;

        err = objstore_get(full, &id, 0, &view);
        if (err || !give)
            continue;
        REQUIRE_OK(objstore_give(full, &view, INT_MAX, &pass));
        objstore_release(full, &view);
        err = objstore_take(full, &pass, &view);
        if (err)
            REQUIRE_OK(objstore_give_cancel(full, &pass));
    }
    CHECK(help_is_sound(full));
    REQUIRE_OK(objstore_delete(full, &all)); /* there is room again, and it works */
    for (uint64_t n = 0; n < MANY; n++) {
        struct objstore_id id = help_id(n);

        CHECK_EQ(objstore_get(full, &id, 0, &view), 0);
    }
    objstore_close(full);
    return err;
}

static int get_no_room(void)
{
    return views_no_room(false);
}

static int take_no_room(void)
{
    return views_no_room(true);
}

static int get_many_nameless(void)
{
    struct objstore_id ids[2] = { given.sealed, given.zero };
    struct objstore_view views[2];

    CHECK_EQ(objstore_get_many(given.store, NULL, 2, 0, views), -EINVAL);
    CHECK_EQ(objstore_get_many(given.store, ids, 2, 0, NULL), -EINVAL);
    CHECK_EQ(objstore_get_many(given.store, ids, 1ull << 31, 0, views), -EINVAL);
    return objstore_get_many(given.store, ids, 2, 0, views);
}
static int get_many_absent(void)
{
    struct objstore_id ids[2] = { given.sealed, given.absent };
    struct objstore_view views[2];

    return objstore_get_many(given.store, ids, 2, 0, views);
}
static int get_many_late(void)
{
    struct objstore_id ids[2] = { given.sealed, given.absent };
    struct objstore_view views[2];

    return objstore_get_many(given.store, ids, 2, 1, views);
}
static int get_many_read_only(void)
{
    struct objstore_view views[1];

    return objstore_get_many(given.read_only, &given.sealed, 1, 0, views);
}

static int read_absent(void)
{
    size_t size = 0;

    CHECK_EQ(objstore_read(given.read_only, &given.absent, NULL, 0, &size), -ENOENT);
    CHECK_EQ(objstore_read(given.read_only, &given.unsealed, NULL, 0, &size), -ENOENT);
    return objstore_read(given.store, &given.absent, NULL, 0, &size);
}
static int read_nowhere(void)
{
    size_t size = 0;

    CHECK_EQ(objstore_read(given.store, &given.sealed, NULL, 0, NULL), -EINVAL);
    return objstore_read(given.store, &given.sealed, NULL, 1, &size);
}

/* The copy stops at a page that cannot be written yet, and meanwhile the object goes. */
static void *closed_page;

static void delete_meanwhile(int signal)
{
    (void)signal;
    if (objstore_delete(given.store, &given.sealed))
        _exit(97);
    mprotect(closed_page, 4096, PROT_READ | PROT_WRITE);
}

static int read_changing(void)
{
    struct sigaction act = { .sa_handler = delete_meanwhile }, before;
    size_t size = 77;

    closed_page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(closed_page != MAP_FAILED && sigaction(SIGSEGV, &act, &before) == 0);
    int err = objstore_read(given.read_only, &given.sealed, closed_page, 4096, &size);
    sigaction(SIGSEGV, &before, NULL);
    munmap(closed_page, 4096);
    CHECK_EQ(size, 77);
    return err;
}

static int wait_late(void)
{
    struct objstore_id ids[2] = { given.sealed, given.unsealed };
    bool ready[2] = { false, true };
    int err = objstore_wait(given.store, ids, 2, 2, 1, ready);

    CHECK(ready[0] && !ready[1]);
    CHECK_EQ(objstore_wait(given.store, ids, 2, 1, 0, ready), 1);
    return err;
}
static int wait_too_many(void)
{
    CHECK_EQ(objstore_wait(given.store, &given.zero, 1, 1, 0, NULL), -EINVAL);
    CHECK_EQ(objstore_wait(given.store, NULL, 1, 1, 0, NULL), -EINVAL);
    return objstore_wait(given.store, &given.sealed, 1, 2, 0, NULL);
}
static int wait_read_only(void)
{
    CHECK_EQ(objstore_wait(given.read_only, &given.sealed, 1, 1, -1, NULL), 1);
    CHECK_EQ(objstore_wait(given.read_only, &given.absent, 1, 1, 0, NULL), -ETIMEDOUT);
    return objstore_wait(given.read_only, &given.absent, 1, 1, 1000, NULL);
}

static int give_no_view(void)
{
    struct objstore_view none = { 0 };
    struct objstore_pass pass;
    struct objstore_view mine;

    REQUIRE_OK(objstore_get(given.store, &given.sealed, 0, &mine));
    CHECK_EQ(objstore_give(given.store, NULL, 1, &pass), -EINVAL);
    CHECK_EQ(objstore_give(given.store, &mine, 1, NULL), -EINVAL);
    CHECK_EQ(objstore_give(given.store, &mine, 0, &pass), -EINVAL);
    int err = objstore_give(given.store, &none, 1, &pass);
    objstore_release(given.store, &mine);
    return err;
}

static int give_read_only(void)
{
    struct objstore_pass pass;
    struct objstore_view mine;

    REQUIRE_OK(objstore_get(given.store, &given.sealed, 0, &mine));
    int err = objstore_give(given.read_only, &mine, 1, &pass);
    objstore_release(given.store, &mine);
    return err;
}

static int give_too_often(void)
{
    static struct objstore_pass passes[1024];
    struct objstore_view mine;
    struct objstore_pass more;

    REQUIRE_OK(objstore_get(given.store, &given.sealed, 0, &mine));
    for (int i = 0; i < 1024; i++)
        REQUIRE_OK(objstore_give(given.store, &mine, INT_MAX, &passes[i]));
    int err = objstore_give(given.store, &mine, INT_MAX, &more);
    for (int i = 0; i < 1024; i++)
        REQUIRE_OK(objstore_give_cancel(given.store, &passes[i]));
    objstore_release(given.store, &mine);
    return err;
}

static struct objstore_pass cancelled_pass(void)
{
    struct objstore_pass pass;
    struct objstore_view mine;

    REQUIRE_OK(objstore_get(given.store, &given.sealed, 0, &mine));
    REQUIRE_OK(objstore_give(given.store, &mine, INT_MAX, &pass));
    objstore_release(given.store, &mine);
    REQUIRE_OK(objstore_give_cancel(given.store, &pass));
    return pass;
}

static int take_cancelled(void)
{
    struct objstore_pass pass = cancelled_pass();
    struct objstore_view taken;

    return objstore_take(given.store, &pass, &taken);
}

static int cancel_twice(void)
{
    struct objstore_pass pass = cancelled_pass();

    return objstore_give_cancel(given.store, &pass);
}

const struct error_row errors_read[] = {
    { "objstore_get", ENOENT, get_absent },
    { "objstore_get", ETIMEDOUT, get_late },
    { "objstore_get", EROFS, get_read_only },
    { "objstore_get", EINVAL, get_nameless },
    { "objstore_get", ENOSPC, get_no_room },
    { "objstore_get_many", EINVAL, get_many_nameless },
    { "objstore_get_many", ENOENT, get_many_absent },
    { "objstore_get_many", ETIMEDOUT, get_many_late },
    { "objstore_get_many", EROFS, get_many_read_only },
    { "objstore_read", ENOENT, read_absent },
    { "objstore_read", EINVAL, read_nowhere },
    { "objstore_read", EAGAIN, read_changing },
    { "objstore_wait", ETIMEDOUT, wait_late },
    { "objstore_wait", EINVAL, wait_too_many },
    { "objstore_wait", EROFS, wait_read_only },
    { "objstore_give", EINVAL, give_no_view },
    { "objstore_give", ENOSPC, give_too_often },
    { "objstore_give", EROFS, give_read_only },
    { "objstore_take", ENOENT, take_cancelled },
    { "objstore_take", ENOSPC, take_no_room },
    { "objstore_give_cancel", ENOENT, cancel_twice },
    { NULL, 0, NULL },
};
