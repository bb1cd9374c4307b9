/* SPDX-License-Identifier: MIT */
/*
 * Spilling where io_uring is forbidden: from the beginning, as in many containers, and from some
 * moment on, as in a process that shuts itself into a sandbox; and where no write succeeds. Each in
 * a child of its own, as a filter cannot be taken off again.
 */
#include "help.h"
#include "test.h"

#include <dirent.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define OBJECTS 12u
#define OBJECT_BYTES (3u << 20) /* several chunks each */
#define SKIPPED 77

/* From now on the call fails with EPERM. */
static bool forbid(unsigned call)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { sizeof code / sizeof code[0], code };

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static bool uses_io_uring(struct objstore *s)
{
    struct objstore_stats stats = { 0 };

    CHILD_CHECK(objstore_stats(s, &stats) == 0);
    return stats.uses_io_uring;
}

static void put_all(struct objstore *s, uint64_t from)
{
    for (uint64_t n = from; n < from + OBJECTS; n++) {
        struct objstore_id id = help_id(n);
        void *data;

        CHILD_CHECK(objstore_create(s, &id, OBJECT_BYTES, NULL, &data) == 0);
        help_fill(data, OBJECT_BYTES, n);
        CHILD_CHECK(objstore_seal(s, &id) == 0);
    }
}

static void get_all(struct objstore *s, uint64_t from)
{
    for (uint64_t n = from; n < from + OBJECTS; n++) {
        struct objstore_id id = help_id(n);
        struct objstore_view view;

        CHILD_CHECK(objstore_get(s, &id, 0, &view) == 0);
        CHILD_CHECK(view.size == OBJECT_BYTES && help_is_filled(view.data, OBJECT_BYTES, n));
        objstore_release(s, &view);
    }
}

static struct objstore *store_in(const char *dir)
{
    struct objstore_options o = OBJSTORE_OPTIONS_INIT;
    struct objstore *s = NULL;

    o.capacity_bytes = 4 * OBJECT_BYTES;
    o.flags = OBJSTORE_CREATE;
    o.spill_dir = dir;
    CHILD_CHECK(objstore_open(NULL, &o, &s, NULL) == 0);
    return s;
}

static int forbidden_first(const char *dir)
{
    if (!forbid(SYS_io_uring_setup))
        return SKIPPED;
    struct objstore *s = store_in(dir);
    put_all(s, 1);
    get_all(s, 1);
    CHILD_CHECK(!uses_io_uring(s));
    objstore_close(s);
    return 0;
}

static int forbidden_later(const char *dir)
{
    struct objstore *s = store_in(dir);

    put_all(s, 1);
    if (!uses_io_uring(s) || !forbid(SYS_io_uring_enter))
        return SKIPPED;
    put_all(s, 1 + OBJECTS);
    CHILD_CHECK(!uses_io_uring(s));
    get_all(s, 1);
    get_all(s, 1 + OBJECTS);
    objstore_close(s);
    return 0;
}

/* No file but that of the owner, which begins with a dot. */
static bool is_empty_of_data(const char *dir)
{
    DIR *d = opendir(dir);
    bool is_empty = d != NULL;

    for (struct dirent *e; d && (e = readdir(d));)
        is_empty &= e->d_name[0] == '.';
    if (d)
        closedir(d);
    return is_empty;
}

/* No write succeeds: neither that of one file nor of the next, which is made meanwhile, goes through;
 * all stays in memory as it was, and no file. */
static int writes_refused(const char *dir)
{
    enum { MANY = 400 }; /* more than go into one file */
    static unsigned char bytes[5000];
    struct objstore *s = store_in(dir);
    struct objstore_stats stats = { 0 };

    for (uint64_t n = 0; n < MANY; n++) {
        struct objstore_id id = help_id(n);

        help_fill(bytes, sizeof bytes, n);
        CHILD_CHECK(objstore_put(s, &id, bytes, sizeof bytes, NULL) == 0);
    }
    if (!forbid(SYS_io_uring_setup) || !forbid(SYS_pwritev))
        return SKIPPED;
    CHILD_CHECK(objstore_spill(s, 4 * OBJECT_BYTES) == -EPERM);
    uint64_t used = help_used(s); /* with a table for so many pins, which is kept */
    CHILD_CHECK(objstore_spill(s, 4 * OBJECT_BYTES) == -EPERM);
    CHILD_CHECK(help_used(s) == used && help_is_sound(s));
    CHILD_CHECK(objstore_stats(s, &stats) == 0 && stats.objects_spilled == 0);
    CHILD_CHECK(is_empty_of_data(dir));
    for (uint64_t n = 0; n < MANY; n++) {
        struct objstore_id id = help_id(n);
        struct objstore_view view;

        CHILD_CHECK(objstore_get(s, &id, 0, &view) == 0);
        CHILD_CHECK(view.size == sizeof bytes && help_is_filled(view.data, sizeof bytes, n));
        objstore_release(s, &view);
        CHILD_CHECK(objstore_delete(s, &id) == 0);
    }
    CHILD_CHECK(help_used(s) + MANY * sizeof bytes < used);
    objstore_close(s);
    return 0;
}

static void in_a_child(int (*act)(const char *))
{
    char dir[] = "/tmp/objstore-sandbox-XXXXXX";
    int status;

    REQUIRE(mkdtemp(dir) != NULL);
    fflush(stdout);
    pid_t pid = fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        _exit(act(dir));
    }
    REQUIRE(waitpid(pid, &status, 0) == pid);
    CHECK(WIFEXITED(status));
    if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED)
        printf("    skipped: no io_uring here, or no filters\n");
    else
        CHECK_EQ(status, 0);
    CHECK_EQ(rmdir(dir), 0); /* and no file was left */
}

static void from_the_beginning(void)
{
    in_a_child(forbidden_first);
}

static void and_writing_too(void)
{
    in_a_child(writes_refused);
}

static void while_the_ring_is_in_use(void)
{
    in_a_child(forbidden_later);
}

TESTS("spilling without io_uring", { "forbidden from the beginning", from_the_beginning },
      { "forbidden while the ring is in use", while_the_ring_is_in_use },
      { "where no write succeeds", and_writing_too })
