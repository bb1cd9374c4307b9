/* SPDX-License-Identifier: MIT */
/* errors_pools.c -- the errors of opening a pool. */
#define _GNU_SOURCE
#include "errors.h"

#include <sys/resource.h>
#include <sys/stat.h>

static int open_with(struct wsched_options o)
{
    struct wsched *const untouched = (struct wsched *)(uintptr_t)16;
    struct wsched *pool = untouched;

    o.workers = 1;
    int err = wsched_open(&o, given_kernels, given_kernel_count, &pool);
    CHECK(err >= 0 || pool == untouched);
    return err;
}
static int open_plain(void)
{
    return open_with((struct wsched_options)WSCHED_OPTIONS_INIT);
}

static int open_bad_option(void)
{
    struct wsched_options o = WSCHED_OPTIONS_INIT;

    o.guests = 65;
    return open_with(o);
}
static int open_bad_kernels(void)
{
    const struct wsched_kernel twice[] = { given_kernels[0], given_kernels[0] };
    struct wsched *pool;

    CHECK_EQ(wsched_open(NULL, NULL, 0, &pool), -EINVAL);
    return wsched_open(NULL, twice, 2, &pool);
}
static int open_no_output(void)
{
    struct wsched_options o = WSCHED_OPTIONS_INIT;

    o.output_fd = 1 << 30;
    return open_with(o);
}
static int open_taken(void)
{
    struct wsched_options o = WSCHED_OPTIONS_INIT;

    o.name = given.name;
    return open_with(o);
}
static int open_over_no_pool(void)
{
    struct wsched_options o = WSCHED_OPTIONS_INIT;

    given_write("precious", 8, 8);
    o.name = given.path;
    int err = open_with(o);
    CHECK_EQ(access(given.path, F_OK), 0);
    return err;
}
static int open_unknown_option(void)
{
    struct {
        struct wsched_options o;
        uint64_t later;
    } options = { WSCHED_OPTIONS_INIT, 1 };
    struct wsched *pool;

    options.o.struct_size = sizeof options;
    return wsched_open(&options.o, given_kernels, given_kernel_count, &pool);
}

/* ---- in a child that may not -------------------------------------------------------------- */

static int opens_without_memory(void)
{
    given_limit(RLIMIT_AS);
    return open_plain();
}
static int open_no_memory(void)
{
    return given_in_child(opens_without_memory);
}
static int opens_without_files(void)
{
    given_limit(RLIMIT_NOFILE);
    return open_plain();
}
static int open_no_files(void)
{
    return given_in_child(opens_without_files);
}

/* No limit of processes holds for root. */
static int opens_without_processes(void)
{
    CHILD_CHECK(given_be_another());
    given_limit(RLIMIT_NPROC);
    return open_plain();
}
static int open_no_processes(void)
{
    return given_in_child(opens_without_processes);
}

static int opens_as_another(void)
{
    struct wsched_options o = WSCHED_OPTIONS_INIT;

    CHILD_CHECK(given_be_another());
    o.name = "test-errors";
    return open_with(o);
}
/* Its folder is another's, ours, for who can be both. */
static int open_in_no_folder_of_ours(void)
{
    char folder[64];

    if (geteuid())
        return ERRORS_NOT_HERE;
    snprintf(folder, sizeof folder, "/dev/shm/wsched-%u", (unsigned)given_another());
    REQUIRE(!mkdir(folder, 0700));
    int err = given_in_child(opens_as_another);
    CHECK_EQ(rmdir(folder), 0);
    return err;
}

const struct error_row errors_pools[] = {
    { "wsched_open", EINVAL, open_bad_option },
    { "wsched_open", EINVAL, open_bad_kernels },
    { "wsched_open", ENOMEM, open_no_memory },
    { "wsched_open", EAGAIN, open_no_processes },
    { "wsched_open", EMFILE, open_no_files },
    { "wsched_open", EBADF, open_no_output },
    { "wsched_open", EEXIST, open_taken },
    { "wsched_open", EEXIST, open_over_no_pool },
    { "wsched_open", EPERM, open_in_no_folder_of_ours },
    { "wsched_open", E2BIG, open_unknown_option },
    { NULL, 0, NULL },
};
