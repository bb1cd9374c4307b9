/* SPDX-License-Identifier: MIT */
/* errors_open.c -- the errors of opening and destroying a store, and of ids. */
#define _GNU_SOURCE
#include "errors.h"
#include "crowd.h"
#include "faults.h"
#include "store.h"

#include <sys/stat.h>

static int open_none(void)
{
    return given_open(0, 0);
}

static int open_taken(void)
{
    REQUIRE_OK(given_open(OBJSTORE_CREATE, CAPACITY));
    objstore_close(given.out);
    return given_open(OBJSTORE_CREATE | OBJSTORE_EXCLUSIVE, CAPACITY);
}

/* A file at `path` with these first bytes of s changed by xor. */
static int open_changed(off_t at, unsigned char bits)
{
    static unsigned char page[4096];
    struct stat st;
    int fd = open(given.path, O_RDWR | O_CREAT | O_TRUNC, 0600);

    REQUIRE(fd >= 0 && fstat(objstore_fd(given.store), &st) == 0);
    REQUIRE(pread(objstore_fd(given.store), page, sizeof page, 0) == sizeof page);
    page[at] ^= bits;
    REQUIRE(pwrite(fd, page, sizeof page, 0) == sizeof page && ftruncate(fd, st.st_size) == 0);
    close(fd);
    int err = given_open(0, 0);
    unlink(given.path);
    return err;
}

static int open_no_store(void)
{
    return open_changed(0, 1);
}
static int open_other_layout(void)
{
    return open_changed(8, 2);
}
static int open_damaged(void)
{
    return open_changed(16, 1);
}
static int open_no_room(void)
{
    return given_open(OBJSTORE_CREATE, 1ull << 40);
}
static int open_too_small(void)
{
    return given_open(OBJSTORE_CREATE, 1);
}
static int open_bad_flags(void)
{
    return given_open(OBJSTORE_EXCLUSIVE, 0);
}

static int open_unknown_option(void)
{
    struct {
        struct objstore_options o;
        uint64_t later;
    } options = { OBJSTORE_OPTIONS_INIT, 1 };

    options.o.struct_size = sizeof options;
    return objstore_open(given.path, &options.o, &given.out, NULL);
}

/* With the kept leases free, which sweep and find nothing, and without. */
static int open_crowded(void)
{
    int err = 0;

    for (uint64_t last = LEASES_MAX - 9; last < LEASES_MAX; last += 8) {
        struct objstore *full = help_store(4096), *one = NULL;
        struct objstore_stats stats;
        int fd = crowd_forge(full, last);

        err = objstore_open_fd(objstore_fd(full), NULL, &one, NULL);
        CHECK_EQ(err, -EUSERS);
        REQUIRE_OK(objstore_stats(full, &stats));
        CHECK_EQ(stats.processes, last + 1);
        CHECK(help_is_sound(full));
        close(fd);
        /* They died attached, all of them; there is room again for whoever comes next. */
        REQUIRE_OK(objstore_open_fd(objstore_fd(full), NULL, &one, NULL));
        CHECK_EQ(objstore_reap(full), 0);
        CHECK_EQ(objstore_stats(full, &stats), 0);
        CHECK_EQ(stats.processes, 2);
        CHECK_EQ(stats.deaths, last);
        objstore_close(one);
        CHECK(help_is_sound(full));
        objstore_close(full);
    }
    return err;
}

static int open_fd_of_earlier_boot(void)
{
    uint64_t boot = 3;
    int fd, err;

    REQUIRE_OK(given_open(OBJSTORE_CREATE, 1 << 20));
    objstore_close(given.out);
    fd = open(given.path, O_RDWR);
    REQUIRE(pwrite(fd, &boot, sizeof boot, offsetof(struct header, boot)) == sizeof boot);
    err = objstore_open_fd(fd, NULL, &given.out, NULL);
    close(fd);
    REQUIRE_OK(objstore_destroy(given.path));
    return err;
}
static int open_fd_closed(void)
{
    return objstore_open_fd(-1, NULL, &given.out, NULL);
}
static int open_fd_no_store(void)
{
    int fd = open("/dev/null", O_RDWR), err = objstore_open_fd(fd, NULL, &given.out, NULL);

    close(fd);
    return err;
}

static int destroy_none(void)
{
    return objstore_destroy(given.path);
}

static int destroy_no_store(void)
{
    int fd = open(given.path, O_RDWR | O_CREAT | O_EXCL, 0600);

    REQUIRE(fd >= 0 && write(fd, "something else", 14) == 14);
    close(fd);
    int err = objstore_destroy(given.path);
    CHECK(unlink(given.path) == 0); /* it is still there */
    return err;
}

static int random_id_fails(void)
{
    struct objstore_id id = given.sealed;

    fault_arm(1, ENOSYS, false);
    int err = objstore_id_random(&id);
    CHECK(fault_disarm() != NULL && !memcmp(&id, &given.sealed, sizeof id));
    return err;
}

static int parse_nonsense(void)
{
    struct objstore_id id;

    CHECK_EQ(objstore_id_parse("00000000000000000000000000000000", &id), -EINVAL);
    CHECK_EQ(objstore_id_parse("0123456789abcdef0123456789ABCDEF0", &id), -EINVAL);
    CHECK_EQ(objstore_id_parse("0123456789abcdef0123456789ABCDE", &id), -EINVAL);
    CHECK_EQ(objstore_id_parse(NULL, &id), -EINVAL);
    CHECK_EQ(objstore_id_parse("0123456789abcdef0123456789abcdef", NULL), -EINVAL);
    return objstore_id_parse("0123456789abcdef0123456789ABCDEG", &id);
}

const struct error_row errors_open[] = {
    { "objstore_open", ENOENT, open_none },
    { "objstore_open", EEXIST, open_taken },
    { "enum objstore_flag", EEXIST, open_taken },
    { "objstore_open", EPROTO, open_no_store },
    { "objstore_open", EPROTO, open_other_layout },
    { "objstore_open", EBADMSG, open_damaged },
    { "objstore_open", ENOSPC, open_no_room },
    { "objstore_open", EINVAL, open_too_small },
    { "objstore_open", EINVAL, open_bad_flags },
    { "objstore_open", E2BIG, open_unknown_option },
    { "objstore_open", EUSERS, open_crowded },
    { "objstore_open_fd", EBADF, open_fd_closed },
    { "objstore_open_fd", EPROTO, open_fd_no_store },
    { "objstore_destroy", ENOENT, destroy_none },
    { "objstore_destroy", EPROTO, destroy_no_store },
    { "objstore_id_random", ENOSYS, random_id_fails },
    { "objstore_id_parse", EINVAL, parse_nonsense },
    { "objstore_open_fd", ESTALE, open_fd_of_earlier_boot },
    { NULL, 0, NULL },
};
