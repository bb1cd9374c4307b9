/* SPDX-License-Identifier: MIT */
/* Opening, sharing, leaving and destroying stores: names, paths, descriptors, leftovers, fork. */
#define _GNU_SOURCE
#include "help.h"
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

static char name[64], path[128];

static void choose_names(void)
{
    static int n;

    snprintf(name, sizeof name, "test-%d-%d", (int)getpid(), ++n);
    snprintf(path, sizeof path, "/dev/shm/objstore-%u/%s", (unsigned)geteuid(), name);
}

static struct objstore_options options(uint32_t flags)
{
    struct objstore_options o = OBJSTORE_OPTIONS_INIT;

    o.flags = flags;
    o.capacity_bytes = 1 << 20;
    return o;
}

static void by_name(void)
{
    struct objstore_options create = options(OBJSTORE_CREATE);
    struct objstore_options exclusive = options(OBJSTORE_CREATE | OBJSTORE_EXCLUSIVE);
    struct objstore *a = NULL, *b = NULL;
    struct objstore_id id = help_id(1);
    struct objstore_diag diag = { "" };
    struct stat st;

    choose_names();
    CHECK_EQ(objstore_open(name, NULL, &a, &diag), -ENOENT);
    CHECK(diag.text[0] != 0);
    CHECK(a == NULL);
    REQUIRE_OK(objstore_open(name, &create, &a, NULL));
    CHECK_EQ(objstore_open(name, &exclusive, &b, NULL), -EEXIST);
    CHECK(b == NULL);
    REQUIRE_OK(objstore_open(name, &create, &b, NULL));
    CHECK_EQ(stat(path, &st), 0);
    CHECK_EQ(st.st_mode & 0777, 0600);
    REQUIRE_OK(objstore_put(a, &id, "x", 1, NULL));
    CHECK(objstore_contains(b, &id));
    objstore_close(a);
    objstore_close(b);
    /* It stays, with what is in it, until it is destroyed. */
    REQUIRE_OK(objstore_open(name, NULL, &a, NULL));
    CHECK(objstore_contains(a, &id));
    CHECK_EQ(objstore_destroy(name), 0);
    CHECK_EQ(objstore_destroy(name), -ENOENT);
    CHECK(objstore_contains(a, &id)); /* for those who are attached, too */
    REQUIRE_OK(objstore_open(name, &exclusive, &b, NULL));
    CHECK(!objstore_contains(b, &id));
    objstore_close(a);
    objstore_close(b);
    CHECK_EQ(objstore_destroy(name), 0);
}

static void by_path(void)
{
    struct objstore_options create = options(OBJSTORE_CREATE | OBJSTORE_PREFAULT);
    struct objstore *a = NULL;
    struct objstore_id id = help_id(1);
    char dir[] = "/tmp/objstore-test-XXXXXX", file[64];
    struct stat st;

    REQUIRE(mkdtemp(dir) != NULL);
    snprintf(file, sizeof file, "%s/store", dir);
    create.mode = 0640;
    umask(077);
    REQUIRE_OK(objstore_open(file, &create, &a, NULL));
    CHECK_EQ(stat(file, &st), 0);
    CHECK_EQ(st.st_mode & 0777, 0640);
    REQUIRE_OK(objstore_put(a, &id, "x", 1, NULL));
    objstore_close(a);
    CHECK_EQ(objstore_destroy(file), 0);
    CHECK_EQ(rmdir(dir), 0); /* nothing else was left in it */
    CHECK_EQ(objstore_open(file, &create, &a, NULL), -ENOENT);
}

/* Bytes of huge pages in the mapping that `at` lies in. */
static unsigned long huge_at(const void *at)
{
    FILE *maps = fopen("/proc/self/smaps", "r");
    unsigned long from, to, kib = 0, found = 0;
    bool is_it = false;
    char line[512];

    REQUIRE(maps != NULL);
    while (fgets(line, sizeof line, maps)) {
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            is_it = from <= (uintptr_t)at && (uintptr_t)at < to;
        else if (is_it && sscanf(line, "ShmemPmdMapped: %lu", &kib) == 1)
            found = kib << 10;
    }
    fclose(maps);
    return found;
}

static void check_huge_pages(uint32_t flags)
{
    enum { HUGE = 2 << 20, SIZE = 3 * HUGE };
    struct objstore_options create = options(OBJSTORE_CREATE | flags);
    struct objstore *a = NULL, *b;
    struct objstore_id id = help_id(1), next = help_id(2);
    struct objstore_view view;
    void *data;

    create.capacity_bytes = SIZE + HUGE / 2; /* the last piece is not whole */
    REQUIRE_OK(objstore_open(NULL, &create, &a, NULL));
    b = help_attach(a);
    REQUIRE_OK(objstore_create(a, &id, SIZE, NULL, &data));
    help_fill(data, SIZE, 1);
    REQUIRE_OK(objstore_seal(a, &id));
    REQUIRE_OK(objstore_get(b, &id, 0, &view));
    CHECK(help_is_filled(view.data, SIZE, 1));
    unsigned long written = huge_at(data), read = huge_at(view.data);
    printf("    %lu and %lu KiB in huge pages\n", written >> 10, read >> 10);
    CHECK(written == read); /* whatever the kernel gives: in each mapping */
    CHECK_EQ(objstore_put(a, &next, data, HUGE, NULL), -ENOSPC);
    CHECK_EQ(objstore_put(a, &next, data, HUGE / 2, NULL), 0);
    objstore_release(b, &view);
    CHECK(help_is_sound(b));
    objstore_close(b);
    objstore_close(a);
}

static void in_huge_pages(void)
{
    check_huge_pages(OBJSTORE_HUGE_PAGES);
    check_huge_pages(0);
}

/* What another user's process is told, in a child; 1000: it can get the object. */
static int as_another_user(const char *file, uint32_t flags, gid_t group)
{
    pid_t child = fork();

    REQUIRE(child >= 0);
    if (child == 0) {
        struct objstore_options o = OBJSTORE_OPTIONS_INIT;
        struct objstore_id id = help_id(1);
        struct objstore *s = NULL;
        char byte = 0;
        size_t size;

        o.flags = flags;
        CHILD_CHECK(setgroups(0, NULL) == 0 && setgid(group) == 0 && setuid(65534) == 0);
        int err = objstore_open(file, &o, &s, NULL);
        if (err)
            _exit(-err);
        CHILD_CHECK(objstore_read(s, &id, &byte, 1, &size) == 0 && byte == 'x');
        if (!(flags & OBJSTORE_READ_ONLY))
            CHILD_CHECK(objstore_delete(s, &id) == 0);
        else
            CHILD_CHECK(objstore_delete(s, &id) == -EROFS);
        _exit(200);
    }
    return help_wait(child);
}

static void by_others(void)
{
    enum { GROUP = 54321, CAN = 200 };
    struct objstore_options create = options(OBJSTORE_CREATE);
    char dir[] = "/tmp/objstore-test-XXXXXX", file[64];
    struct objstore_id id = help_id(1);
    struct objstore *s;

    if (geteuid() != 0)
        return; /* only root can be somebody else */
    REQUIRE(mkdtemp(dir) != NULL);
    REQUIRE(chmod(dir, 0755) == 0);
    snprintf(file, sizeof file, "%s/store", dir);
    REQUIRE_OK(objstore_open(file, &create, &s, NULL)); /* 0600 */
    REQUIRE_OK(objstore_put(s, &id, "x", 1, NULL));
    CHECK_EQ(as_another_user(file, 0, GROUP), EACCES);
    CHECK_EQ(as_another_user(file, OBJSTORE_READ_ONLY, GROUP), EACCES);
    CHECK(objstore_contains(s, &id) && help_is_sound(s));
    objstore_close(s);
    CHECK_EQ(objstore_destroy(file), 0);

    create.mode = 0640; /* its group may look, and disturb nobody */
    REQUIRE_OK(objstore_open(file, &create, &s, NULL));
    REQUIRE_OK(objstore_put(s, &id, "x", 1, NULL));
    REQUIRE(chown(file, 0, GROUP) == 0);
    CHECK_EQ(as_another_user(file, 0, GROUP), EACCES);
    CHECK_EQ(as_another_user(file, OBJSTORE_READ_ONLY, GROUP), CAN);
    CHECK_EQ(as_another_user(file, OBJSTORE_READ_ONLY, GROUP + 1), EACCES);
    REQUIRE(chmod(file, 0660) == 0); /* or take part */
    CHECK(objstore_contains(s, &id));
    CHECK_EQ(as_another_user(file, 0, GROUP), CAN);
    CHECK(!objstore_contains(s, &id) && help_is_sound(s));
    objstore_close(s);
    CHECK_EQ(objstore_destroy(file), 0);
    CHECK_EQ(rmdir(dir), 0);
}

static void bad_arguments(void)
{
    struct objstore_options o = options(OBJSTORE_CREATE);
    struct {
        struct objstore_options options;
        uint64_t unknown;
    } newer = { options(OBJSTORE_CREATE), 0 };
    struct objstore *s = NULL;

    CHECK_EQ(objstore_open("", &o, &s, NULL), -EINVAL);
    CHECK_EQ(objstore_open("..", &o, &s, NULL), -EINVAL);
    CHECK_EQ(objstore_open("/tmp/", &o, &s, NULL), -EINVAL);
    char longest[5000];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    CHECK_EQ(objstore_open(longest, &o, &s, NULL), -ENAMETOOLONG);
    o.capacity_bytes = 1;
    CHECK_EQ(objstore_open(NULL, &o, &s, NULL), -EINVAL);
    o.capacity_bytes = UINT64_MAX;
    CHECK_EQ(objstore_open(NULL, &o, &s, NULL), -EINVAL);
    o = options(OBJSTORE_CREATE | OBJSTORE_READ_ONLY);
    CHECK_EQ(objstore_open("x", &o, &s, NULL), -EINVAL);
    o = options(OBJSTORE_EXCLUSIVE);
    CHECK_EQ(objstore_open("x", &o, &s, NULL), -EINVAL);
    o = options(1u << 20);
    CHECK_EQ(objstore_open("x", &o, &s, NULL), -EINVAL);
    o = options(0);
    o.mode = 01000;
    CHECK_EQ(objstore_open("x", &o, &s, NULL), -EINVAL);
    o = options(0);
    o.struct_size = 3;
    CHECK_EQ(objstore_open(NULL, &o, &s, NULL), -EINVAL);
    newer.options.struct_size = sizeof newer;
    CHECK_EQ(objstore_open(NULL, &newer.options, &s, NULL), 0);
    objstore_close(s);
    s = NULL;
    newer.unknown = 1;
    CHECK_EQ(objstore_open(NULL, &newer.options, &s, NULL), -E2BIG);
    CHECK_EQ(objstore_open_fd(-1, NULL, &s, NULL), -EBADF);
    CHECK(s == NULL);
}

static void not_a_store(void)
{
    char file[] = "/tmp/objstore-test-XXXXXX";
    struct objstore_options create = options(OBJSTORE_CREATE);
    struct objstore_options exclusive = options(OBJSTORE_CREATE | OBJSTORE_EXCLUSIVE);
    struct objstore *s = NULL;
    struct objstore_diag diag;
    int fd = mkstemp(file);

    REQUIRE(fd >= 0);
    CHECK_EQ(objstore_open(file, NULL, &s, &diag), -EPROTO); /* empty */
    CHECK_EQ(ftruncate(fd, 1 << 20), 0);
    CHECK_EQ(objstore_open(file, &create, &s, &diag), -EPROTO); /* zeros; and it is not replaced */
    CHECK_EQ(objstore_open(file, &exclusive, &s, &diag), -EEXIST);
    CHECK_EQ(objstore_open_fd(fd, NULL, &s, &diag), -EPROTO);
    CHECK_EQ(objstore_destroy(file), -EPROTO);
    CHECK_EQ(access(file, F_OK), 0);
    CHECK_EQ(objstore_open("/tmp", NULL, &s, &diag), -EPROTO);
    int pipes[2];
    REQUIRE(pipe(pipes) == 0);
    CHECK_EQ(objstore_open_fd(pipes[0], NULL, &s, &diag), -EPROTO);
    close(pipes[0]);
    close(pipes[1]);
    close(fd);
    unlink(file);
    CHECK_EQ(objstore_open("/dev/null", NULL, &s, &diag), -EPROTO);
}

static void ephemeral(void)
{
    struct objstore_options o = options(OBJSTORE_CREATE | OBJSTORE_EPHEMERAL);
    struct objstore *a = NULL, *b = NULL;
    struct objstore_id id = help_id(1);

    choose_names();
    REQUIRE_OK(objstore_open(name, &o, &a, NULL));
    REQUIRE_OK(objstore_open(name, NULL, &b, NULL));
    REQUIRE_OK(objstore_put(a, &id, "x", 1, NULL));
    objstore_close(a);
    CHECK_EQ(access(path, F_OK), 0);
    CHECK(objstore_contains(b, &id));
    objstore_close(b);
    CHECK(access(path, F_OK) != 0);

    /* All users killed: whoever opens next finds nothing, or gets a new one. */
    for (int create = 0; create < 2; create++) {
        pid_t child = fork();

        REQUIRE(child >= 0);
        if (child == 0) {
            CHILD_CHECK(objstore_open(name, &o, &a, NULL) == 0);
            CHILD_CHECK(objstore_put(a, &id, "x", 1, NULL) == 0);
            raise(SIGKILL);
        }
        CHECK_EQ(help_wait(child), 128 + SIGKILL);
        CHECK_EQ(access(path, F_OK), 0);
        if (create) {
            REQUIRE_OK(objstore_open(name, &o, &a, NULL));
            CHECK(!objstore_contains(a, &id));
            objstore_close(a);
        } else {
            CHECK_EQ(objstore_open(name, NULL, &a, NULL), -ENOENT);
        }
        CHECK(access(path, F_OK) != 0);
    }
}

static void no_room(void)
{
    struct objstore_options o = options(OBJSTORE_CREATE);
    struct objstore *s = NULL;
    struct objstore_diag diag = { "" };

    choose_names();
    o.capacity_bytes = 1ull << 40;
    CHECK_EQ(objstore_open(name, &o, &s, &diag), -ENOSPC);
    CHECK(strstr(diag.text, "MiB") != NULL);
    CHECK(s == NULL);
    CHECK(access(path, F_OK) != 0);
}

static void file_size_limit(void)
{
    struct objstore_options o = options(0);
    struct objstore *s = NULL;
    pid_t child = fork();

    REQUIRE(child >= 0);
    if (child == 0) {
        struct rlimit limit = { 1 << 20, 1 << 20 };

        CHILD_CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
        CHILD_CHECK(objstore_open(NULL, &o, &s, NULL) == -EFBIG);
        _exit(0);
    }
    CHECK_EQ(help_wait(child), 0);
}

static void after_fork(void)
{
    struct objstore *s = help_store(1 << 20);
    struct objstore_id id = help_id(1);
    struct objstore_view view;

    REQUIRE_OK(objstore_put(s, &id, "x", 1, NULL));
    REQUIRE_OK(objstore_get(s, &id, 0, &view));
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        struct objstore *own;
        struct objstore_stats stats;
        struct objstore_view other;
        void *data;
        size_t size;

        CHILD_CHECK(objstore_put(s, &id, "x", 1, NULL) == -ECHILD);
        CHILD_CHECK(objstore_create(s, &id, 1, NULL, &data) == -ECHILD);
        CHILD_CHECK(objstore_seal(s, &id) == -ECHILD);
        CHILD_CHECK(objstore_abort(s, &id) == -ECHILD);
        CHILD_CHECK(objstore_delete(s, &id) == -ECHILD);
        CHILD_CHECK(objstore_get(s, &id, 0, &other) == -ECHILD);
        CHILD_CHECK(objstore_read(s, &id, NULL, 0, &size) == -ECHILD);
        CHILD_CHECK(objstore_wait(s, &id, 1, 1, 0, NULL) == -ECHILD);
        CHILD_CHECK(objstore_stats(s, &stats) == -ECHILD);
        CHILD_CHECK(objstore_verify(s, NULL) == -ECHILD);
        CHILD_CHECK(objstore_reap(s) == -ECHILD);
        CHILD_CHECK(!objstore_contains(s, &id));
        CHILD_CHECK(objstore_open_fd(objstore_fd(s), NULL, &own, NULL) == 0);
        objstore_close(s);
        CHILD_CHECK(objstore_get(own, &id, 0, &other) == 0);
        objstore_release(own, &other);
        objstore_close(own);
        _exit(0);
    }
    CHECK_EQ(help_wait(child), 0);
    CHECK_EQ(objstore_delete(s, &id), 0);
    CHECK(*(const char *)view.data == 'x'); /* the parent's view is as it was */
    objstore_release(s, &view);
    CHECK_EQ(help_used(s), 0);
    objstore_close(s);
}

/* The child outlives its parent, and the parent's lease is seen to be dead all the same. */
static void child_does_not_keep_the_lease(void)
{
    struct objstore *s = help_store(1 << 20);
    struct objstore_id id = help_id(1);
    int ready[2], go[2];
    char c;

    REQUIRE(pipe(ready) == 0 && pipe(go) == 0);
    pid_t parent = fork();
    REQUIRE(parent >= 0);
    if (parent == 0) {
        struct objstore *own;
        void *data;

        CHILD_CHECK(objstore_open_fd(objstore_fd(s), NULL, &own, NULL) == 0);
        CHILD_CHECK(objstore_create(own, &id, 1000, NULL, &data) == 0);
        if (fork() == 0) {
            CHILD_CHECK(write(ready[1], "r", 1) == 1);
            close(go[1]);
            CHILD_CHECK(read(go[0], &c, 1) == 0); /* until the test closes its end */
            _exit(0);
        }
        pause();
    }
    REQUIRE(read(ready[0], &c, 1) == 1);
    kill(parent, SIGKILL);
    CHECK_EQ(help_wait(parent), 128 + SIGKILL);
    CHECK_EQ(objstore_reap(s), 1);
    CHECK_EQ(help_used(s), 0);
    close(go[1]);
    objstore_close(s);
}

static void views_cannot_be_written(void)
{
    struct objstore *s = help_store(1 << 20);

    for (size_t size = 10; size <= 100000; size *= 100) {
        struct objstore_id id = help_id(size);
        struct objstore_view view;
        void *data;

        REQUIRE_OK(objstore_create(s, &id, size, NULL, &data));
        memset(data, 1, size);
        REQUIRE_OK(objstore_seal(s, &id));
        REQUIRE_OK(objstore_get(s, &id, 0, &view));
        pid_t child = fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            signal(SIGSEGV, SIG_DFL); /* a sanitizer may have its own handler */
            *(char *)(uintptr_t)view.data = 2;
            _exit(0);
        }
        CHECK_EQ(help_wait(child), 128 + SIGSEGV);
        CHECK(*(const char *)view.data == 1);
        objstore_release(s, &view);
    }
    objstore_close(s);
}

static void makers_race(void)
{
    struct objstore_options o = options(OBJSTORE_CREATE | OBJSTORE_EPHEMERAL);
    enum { PROCESSES = 8, ROUNDS = 20 };

    choose_names();
    for (int round = 0; round < ROUNDS; round++) {
        pid_t child[PROCESSES];

        for (int i = 0; i < PROCESSES; i++) {
            child[i] = fork();
            REQUIRE(child[i] >= 0);
            if (child[i] == 0) {
                struct objstore *s;
                struct objstore_id id = help_id((uint64_t)i + 1);

                CHILD_CHECK(objstore_open(name, &o, &s, NULL) == 0);
                CHILD_CHECK(objstore_put(s, &id, "x", 1, NULL) == 0);
                CHILD_CHECK(objstore_delete(s, &id) == 0);
                if ((i + round) % 3 == 0)
                    raise(SIGKILL);
                objstore_close(s);
                _exit(0);
            }
        }
        for (int i = 0; i < PROCESSES; i++)
            CHECK_EQ(help_wait(child[i]), (i + round) % 3 == 0 ? 128 + SIGKILL : 0);
    }
    struct objstore *s;
    REQUIRE_OK(objstore_open(name, &o, &s, NULL));
    CHECK(help_is_sound(s));
    objstore_close(s);
    CHECK(access(path, F_OK) != 0);
}

TESTS("open", { "by name: create, exclusive, attach, destroy", by_name },
      { "in huge pages", in_huge_pages },
      { "by path, with a mode, prefaulted", by_path },
      { "another user can do what the mode says, and nothing else", by_others },
      { "bad names, options and descriptors", bad_arguments },
      { "what is not a store is refused and left alone", not_a_store },
      { "an ephemeral store goes with its last user, or at the next open", ephemeral },
      { "too large for the file system: -ENOSPC and words", no_room },
      { "over the file size limit: an error, no signal", file_size_limit },
      { "after fork every call says -ECHILD and harms nothing", after_fork },
      { "a child does not keep its parent's lease alive", child_does_not_keep_the_lease },
      { "writing to a view faults in the culprit", views_cannot_be_written },
      { "makers, openers and closers race for one name", makers_race })
