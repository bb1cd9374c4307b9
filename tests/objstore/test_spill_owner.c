/* SPDX-License-Identifier: MIT */
/* Spill files whose store is gone are found and removed; those of a store that is not, are not. */
#define _GNU_SOURCE
#include "help.h"
#include "point.h"
#include "spill_owner.h"
#include "test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define SIZE 300000u

static char dir[64];

static void make_dir(void)
{
    snprintf(dir, sizeof dir, "/var/tmp/objstore-test-XXXXXX");
    REQUIRE(mkdtemp(dir) != NULL);
}

/* Files in it: of bytes, and one for each store. */
static unsigned count(bool owners)
{
    DIR *d = opendir(dir);
    unsigned n = 0;

    for (struct dirent *e; d && (e = readdir(d));)
        n += e->d_name[0] == '.' ? owners && !strncmp(e->d_name, ".objstore-", 10) : !owners;
    if (d)
        closedir(d);
    return n;
}

static int make(const char *where, struct objstore **out)
{
    struct objstore_options o = OBJSTORE_OPTIONS_INIT;

    o.capacity_bytes = 1 << 20;
    o.flags = OBJSTORE_CREATE;
    o.spill_dir = dir;
    return objstore_open(where, &o, out, NULL);
}

static int put_one(struct objstore *s, uint64_t number)
{
    struct objstore_id id = help_id(number);
    void *data;
    int err = objstore_create(s, &id, SIZE, NULL, &data);

    if (err)
        return err;
    help_fill(data, SIZE, number);
    return objstore_seal(s, &id);
}

static bool get_one(struct objstore *s, uint64_t number)
{
    struct objstore_id id = help_id(number);
    struct objstore_view view;

    if (objstore_get(s, &id, 0, &view))
        return false;
    bool is_right = view.size == SIZE && help_is_filled(view.data, SIZE, number);
    objstore_release(s, &view);
    return is_right;
}

/* A child that made a store with a spilled object, and sleeps. */
static pid_t child_with_store(const char *where)
{
    int ready[2];

    REQUIRE(pipe(ready) == 0);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        struct objstore *s;

        CHILD_CHECK(make(where, &s) == 0 && put_one(s, 1) == 0);
        CHILD_CHECK(objstore_spill(s, 1 << 20) > 0);
        CHILD_CHECK(write(ready[1], "r", 1) == 1);
        for (;;)
            pause();
    }
    char c;
    close(ready[1]);
    REQUIRE(read(ready[0], &c, 1) == 1);
    close(ready[0]);
    return child;
}

static void end(pid_t child)
{
    CHECK_EQ(kill(child, SIGKILL), 0);
    (void)help_wait(child);
}

static struct objstore_orphans orphans(bool remove)
{
    struct objstore_orphans found = { 99, 99, 99 };

    CHECK_EQ(objstore_spill_orphans(dir, remove, &found), 0);
    return found;
}

static void check_empty(void)
{
    CHECK_EQ(count(false), 0);
    CHECK_EQ(count(true), 0);
    CHECK_EQ(rmdir(dir), 0);
}

static void nameless(void)
{
    struct objstore *s;

    make_dir();
    pid_t child = child_with_store(NULL);
    CHECK_EQ(kill(child, SIGSTOP), 0);
    CHECK_EQ(orphans(true).stores, 0); /* it may go on */
    REQUIRE_OK(make(NULL, &s));        /* nor does the making of another take it */
    CHECK_EQ(count(false), 1);
    end(child);
    struct objstore_orphans found = orphans(false);
    CHECK(found.stores == 1 && found.files == 1 && found.bytes >= SIZE);
    CHECK_EQ(count(false), 1);
    CHECK_EQ(orphans(true).files, 1);
    CHECK_EQ(count(false), 0);
    CHECK_EQ(orphans(true).stores, 0);
    for (uint64_t n = 1; n <= 6; n++) /* the living one is as it was */
        CHECK_EQ(put_one(s, n), 0);
    unsigned own = count(false);
    CHECK(own > 0);
    end(child_with_store(NULL));
    CHECK_EQ(count(false), own + 1);
    struct objstore *next;
    REQUIRE_OK(make(NULL, &next)); /* the next of that directory cleans up */
    objstore_close(next);
    CHECK_EQ(count(false), own);
    for (uint64_t n = 1; n <= 6; n++)
        CHECK(get_one(s, n));
    objstore_close(s);
    check_empty();
}

static void handed_on(void)
{
    struct objstore *s;

    make_dir();
    REQUIRE_OK(make(NULL, &s));
    REQUIRE_OK(put_one(s, 1));
    CHECK(objstore_spill(s, 1 << 20) > 0);
    int fd = dup(objstore_fd(s)), ready[2];
    REQUIRE(pipe(ready) == 0);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        struct objstore *own;

        CHILD_CHECK(objstore_open_fd(fd, NULL, &own, NULL) == 0);
        objstore_close(s);
        CHILD_CHECK(write(ready[1], "r", 1) == 1);
        for (;;)
            pause();
    }
    char c;
    close(ready[1]);
    REQUIRE(read(ready[0], &c, 1) == 1);
    close(ready[0]);
    objstore_close(s);
    CHECK_EQ(orphans(true).stores, 0);
    REQUIRE_OK(objstore_open_fd(fd, NULL, &s, NULL));
    CHECK_EQ(orphans(true).stores, 0);
    CHECK(get_one(s, 1));
    objstore_close(s);
    end(child);
    CHECK_EQ(orphans(true).stores, 1);
    close(fd);
    check_empty();
}

static void named(void)
{
    char where[64], elsewhere[80];
    struct objstore *s;

    make_dir();
    snprintf(where, sizeof where, "/dev/shm/objstore-test-%d", (int)getpid());
    snprintf(elsewhere, sizeof elsewhere, "%s.other", where);
    end(child_with_store(where));
    CHECK_EQ(orphans(true).stores, 0); /* nobody uses it, but it is there */
    REQUIRE_OK(objstore_open(where, NULL, &s, NULL));
    CHECK(get_one(s, 1));
    CHECK(objstore_spill(s, 1 << 20) > 0);
    REQUIRE(rename(where, elsewhere) == 0);
    CHECK_EQ(orphans(true).stores, 0); /* it is not there, but used */
    CHECK(get_one(s, 1));
    CHECK(objstore_spill(s, 1 << 20) > 0);
    REQUIRE(unlink(elsewhere) == 0);
    objstore_close(s); /* the last one out */
    CHECK_EQ(count(false), 0);
    end(child_with_store(where));
    REQUIRE(unlink(where) == 0); /* as a restart does */
    end(child_with_store(where));
    CHECK_EQ(count(false), 2);
    CHECK_EQ(orphans(true).files, 1); /* of the first; the second of that name is there */
    REQUIRE_OK(objstore_open(where, NULL, &s, NULL));
    CHECK(get_one(s, 1));
    objstore_close(s);
    CHECK_EQ(objstore_destroy(where), 0);
    check_empty();
}

/* Somebody stopped in the middle of a sweep. */
static void swept_meanwhile(void)
{
    struct objstore *s, *own = NULL;
    char name[300] = "";

    make_dir();
    REQUIRE_OK(make(NULL, &s));
    int fd = dup(objstore_fd(s));
    DIR *d = opendir(dir);
    REQUIRE(d != NULL);
    for (struct dirent *e; (e = readdir(d));)
        if (!strncmp(e->d_name, ".objstore-", 10))
            snprintf(name, sizeof name, "%s/%.200s", dir, e->d_name);
    closedir(d);
    pid_t child = fork(); /* has it open without being a participant */
    REQUIRE(child >= 0);
    if (child == 0)
        for (;;)
            pause();
    objstore_close(s);
    end(child);
    int lock = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    REQUIRE(lock >= 0 && flock(lock, LOCK_EX | LOCK_NB) == 0);
    /* -ESTALE inside; a descriptor has no other store to offer. */
    CHECK_EQ(objstore_open_fd(fd, NULL, &own, NULL), -ENOENT);
    close(lock);
    REQUIRE_OK(objstore_open_fd(fd, NULL, &own, NULL));
    objstore_close(own);
    close(fd);
    CHECK_EQ(orphans(true).stores, count(true));
    check_empty();
}

static void bad_directories(void)
{
    struct objstore_orphans found = { 1, 2, 3 };

    make_dir();
    CHECK_EQ(objstore_spill_orphans(NULL, true, &found), -EINVAL);
    CHECK_EQ(objstore_spill_orphans("/nowhere/at/all", true, &found), -ENOENT);
    CHECK_EQ(objstore_spill_orphans("/dev/null", true, &found), -ENOTDIR);
    CHECK(found.stores == 1 && found.files == 2 && found.bytes == 3);
    char name[128];
    snprintf(name, sizeof name, "%s/.objstore-0123456789abcdef0123456789abcdeX", dir);
    int fd = open(name, O_WRONLY | O_CREAT, 0600); /* not one of ours */
    REQUIRE(fd >= 0);
    close(fd);
    CHECK_EQ(objstore_spill_orphans(dir, true, NULL), 0);
    CHECK_EQ(unlink(name), 0);
    check_empty();
}

static long steps_left;
static void die_at_step(const char *name)
{
    if (!strncmp(name, "owner: ", 7) && --steps_left == 0)
        raise(SIGKILL);
}

static void killed_at_every_step(void)
{
    long killed = 0;
    bool has_died = true;

    make_dir();
    for (long n = 1; has_died; n++) {
        struct objstore *s;

        end(child_with_store(NULL)); /* whose files are to be swept */
        pid_t child = fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            steps_left = n;
            test_point = die_at_step;
            CHILD_CHECK(make(NULL, &s) == 0);
            objstore_close(s);
            _exit(0);
        }
        has_died = help_wait(child) == 128 + SIGKILL;
        killed += has_died;
        REQUIRE_OK(make(NULL, &s)); /* whoever comes next */
        CHECK_EQ(count(false), 0);
        CHECK_EQ(count(true), 1);
        objstore_close(s);
    }
    CHECK(killed >= 4);
    check_empty();
}

TESTS("spill_owner", { "of a nameless store, when its last process was killed", nameless },
      { "not while one that was given its descriptor lives", handed_on },
      { "of a named store when it is not where it was made, and nobody has it open", named },
      { "who opens a store while its files are swept is told that it is gone", swept_meanwhile },
      { "directories that are none, files that are not ours", bad_directories },
      { "a death while a store is made, or files are swept, leaves nothing", killed_at_every_step })
