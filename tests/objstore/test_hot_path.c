/* SPDX-License-Identifier: MIT */
/*
 * The hot path makes no system call: a child warms a store up, then has the kernel kill it at the
 * first call other than exit, and puts, gets, releases and deletes. (A clock that the machine
 * cannot read without one is let through.)
 */
#define _GNU_SOURCE
#include "help.h"
#include "test.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

enum { OBJECTS = 200, ROUNDS = 20, REFUSED = 77 };

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
static bool forbid_all_calls(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clock_gettime, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { sizeof code / sizeof code[0], code };

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static int put_get_delete(struct objstore *s, size_t size)
{
    static const char bytes[20000];
    static struct objstore_view views[OBJECTS];
    int wrong = 0;

    for (uint64_t n = 1; n <= OBJECTS; n++) {
        struct objstore_id id = help_id(n);

        wrong += objstore_put(s, &id, bytes, size, NULL) != 0;
        wrong += objstore_get(s, &id, -1, &views[n - 1]) != 0;
        wrong += !objstore_contains(s, &id);
    }
    for (uint64_t n = 1; n <= OBJECTS; n++) {
        struct objstore_id id = help_id(n);

        objstore_release(s, &views[n - 1]);
        wrong += objstore_delete(s, &id) != 0;
    }
    return wrong;
}

static void no_call(size_t size)
{
    struct objstore *s = help_store(16 << 20);
    pid_t child = fork();

    REQUIRE(child >= 0);
    if (child == 0) {
        struct objstore *own = help_attach(s);

        for (int i = 0; i < 3; i++)
            CHILD_CHECK(put_get_delete(own, size) == 0);
        if (!forbid_all_calls())
            syscall(SYS_exit_group, REFUSED);
        int wrong = 0;
        for (int i = 0; i < ROUNDS; i++)
            wrong += put_get_delete(own, size);
        syscall(SYS_exit_group, wrong ? 1 : 0);
    }
    int status = help_wait(child);
    if (status == REFUSED)
        printf("    no seccomp here\n");
    else
        CHECK_EQ(status, 0); /* 128 + SIGSYS: it made one */
    objstore_close(s);
}
#else
static void no_call(size_t size)
{
    (void)size; /* a sanitizer makes calls of its own */
}
#endif

static void small_objects(void)
{
    no_call(40);
    no_call(64);
}
static void objects_in_cells(void)
{
    no_call(700);
}
static void objects_of_pages(void)
{
    no_call(20000);
}

TESTS("hot path", { "small objects", small_objects }, { "objects in cells", objects_in_cells },
      { "objects of pages", objects_of_pages })
