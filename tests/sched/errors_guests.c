/* SPDX-License-Identifier: MIT */
/* errors_guests.c -- the errors of joining a pool, and of working for it. */
#define _GNU_SOURCE
#include "errors.h"
#include "pool.h"

#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

static int join(const char *where, const struct wsched_kernel *kernels, size_t count)
{
    struct wsched *const untouched = (struct wsched *)(uintptr_t)16;
    struct wsched *guest = untouched;
    int err = wsched_join(where, kernels, count, NULL, &guest);

    CHECK(err >= 0 || guest == untouched);
    return err;
}
static int join_plain(void)
{
    return join(given.name, NULL, 0);
}

static int join_without_name(void)
{
    CHECK_EQ(join(NULL, NULL, 0), -EINVAL);
    return join("", NULL, 0);
}
static int join_bad_kernels(void)
{
    return join(given.name, NULL, 1);
}
static int join_bad_option(void)
{
    struct wsched_join_options o = WSCHED_JOIN_OPTIONS_INIT;
    struct wsched *guest;

    o.flags = 1u << 31;
    return wsched_join(given.name, NULL, 0, &o, &guest);
}
static int join_unknown_option(void)
{
    struct {
        struct wsched_join_options o;
        uint64_t later;
    } options = { WSCHED_JOIN_OPTIONS_INIT, 1 };
    struct wsched *guest;

    options.o.struct_size = sizeof options;
    return wsched_join(given.name, NULL, 0, &options.o, &guest);
}
static int join_nothing(void)
{
    return join(given.path, NULL, 0);
}
static int join_no_pool(void)
{
    given_write("something else", 14, 14);
    return join(given.path, NULL, 0);
}
static int join_with_others(void)
{
    return join(given.name, given_kernels, given_kernel_count - 1);
}
static int join_crowded(void)
{
    struct wsched *second;

    REQUIRE_OK(wsched_join(given.name, NULL, 0, NULL, &second));
    int err = join_plain();
    wsched_close(second);
    return err;
}
static int join_damaged(void)
{
    struct header h = *given.pool->header;

    h.workers = 0;
    given_write(&h, sizeof h, given.pool->bytes);
    return join(given.path, NULL, 0);
}

/* The pool says that it lives in another namespace. */
static int join_elsewhere(void)
{
    given.pool->header->pid_namespace++;
    int err = join_plain();
    given.pool->header->pid_namespace--;
    return err;
}

/* A driver in a child, which is killed. */
static int join_the_dead(void)
{
    int ready[2];
    char byte;

    REQUIRE(!pipe(ready));
    pid_t driver = fork();
    REQUIRE(driver >= 0);
    if (driver == 0) {
        struct wsched_options o = WSCHED_OPTIONS_INIT;
        struct wsched *pool;
        o.workers = 1;
        o.name = given.path;
        CHILD_CHECK(!wsched_open(&o, given_kernels, given_kernel_count, &pool));
        CHILD_CHECK(write(ready[1], "x", 1) == 1);
        for (;;)
            pause();
    }
    close(ready[1]);
    CHECK_EQ(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    kill(driver, SIGKILL);
    REQUIRE(waitpid(driver, NULL, 0) == driver);
    int err = join(given.path, NULL, 0);
    while (wsched_remove(given.path) == -EBUSY) /* until the last of its processes has left */
        sched_yield();
    return err;
}

/* ---- in a child that may not -------------------------------------------------------------- */

static int joins_without_memory(void)
{
    given_limit(RLIMIT_AS);
    return join_plain();
}
static int join_no_memory(void)
{
    return given_in_child(joins_without_memory);
}
static int joins_without_files(void)
{
    given_limit(RLIMIT_NOFILE);
    return join_plain();
}
static int join_no_files(void)
{
    return given_in_child(joins_without_files);
}

static struct wsched *everybodys;

static int joins_as_another(void)
{
    CHILD_CHECK(given_be_another());
    return join(given.path, NULL, 0);
}
/* All may open its file, but not signal its processes. */
static int join_another_users(void)
{
    struct wsched_options o = WSCHED_OPTIONS_INIT;

    if (geteuid())
        return ERRORS_NOT_HERE;
    o.workers = 1;
    o.name = given.path;
    REQUIRE_OK(wsched_open(&o, given_kernels, given_kernel_count, &everybodys));
    REQUIRE(!chmod(given.path, 0666));
    int err = given_in_child(joins_as_another);
    wsched_close(everybodys);
    return err;
}

/* ---- what guests do ------------------------------------------------------------------------- */

static int adopt_none(void)
{
    return wsched_adopt(given.guest, given.none);
}
static int work_for_nothing(void)
{
    CHECK_EQ(wsched_work(given.guest, 0), -ETIMEDOUT);
    return wsched_work(given.guest, 1);
}
static int work_when_closed(void)
{
    return wsched_work(given_closed(), -1);
}
static int work_as_driver(void)
{
    return wsched_work(given.pool, 0);
}
static int work_without_kernels(void)
{
    struct wsched *client;

    REQUIRE_OK(wsched_join(given.name, NULL, 0, NULL, &client));
    int err = wsched_work(client, 0);
    wsched_close(client);
    return err;
}

static int works(struct wsched_task *task, uint64_t arg)
{
    (void)arg;
    return wsched_work(wsched_task_pool(task), 0);
}
/* The crew is busy: it is the guest that runs it. */
static int work_inside(void)
{
    struct wsched_future busy = kit_submit(given.pool, "wait", NULL, 0), f;

    gate_arrival();
    f = given_submit(works, 0, 0);
    CHECK_EQ(wsched_work(given.guest, 0), -ETIMEDOUT);
    CHECK_EQ(given_end(f), 0);
    gate_open();
    CHECK_EQ(given_end(busy), 0);
    return given.shared->error;
}
static int leave_as_driver(void)
{
    return wsched_leave(given.pool);
}

const struct error_row errors_guests[] = {
    { "wsched_join", EINVAL, join_without_name },
    { "wsched_join", EINVAL, join_bad_kernels },
    { "wsched_join", EINVAL, join_bad_option },
    { "wsched_join", E2BIG, join_unknown_option },
    { "wsched_join", ENOENT, join_nothing },
    { "wsched_join", EPROTO, join_no_pool },
    { "wsched_join", EPROTO, join_with_others },
    { "wsched_join", EUSERS, join_crowded },
    { "wsched_join", EBADMSG, join_damaged },
    { "wsched_join", EXDEV, join_elsewhere },
    { "wsched_join", ESHUTDOWN, join_the_dead },
    { "wsched_join", ENOMEM, join_no_memory },
    { "wsched_join", EMFILE, join_no_files },
    { "wsched_join", EPERM, join_another_users },
    { "wsched_adopt", EINVAL, adopt_none },
    { "wsched_work", ETIMEDOUT, work_for_nothing },
    { "wsched_work", ESHUTDOWN, work_when_closed },
    { "wsched_work", EINVAL, work_as_driver },
    { "wsched_work", EINVAL, work_without_kernels },
    { "wsched_work", EDEADLK, work_inside },
    { "wsched_leave", EINVAL, leave_as_driver },
    { NULL, 0, NULL },
};
