/* SPDX-License-Identifier: MIT */
/* errors.c -- what errors are provoked on. */
#include "errors.h"

struct given given;

static struct objstore *attach(uint32_t flags)
{
    struct objstore_options o = OBJSTORE_OPTIONS_INIT;
    struct objstore *handle = NULL;

    o.flags = flags;
    REQUIRE_OK(objstore_open_fd(objstore_fd(given.store), &o, &handle, NULL));
    return handle;
}

void given_set_up(void)
{
    void *data;

    given.store = help_store(CAPACITY);
    given.read_only = attach(OBJSTORE_READ_ONLY);
    given.other = attach(0);
    given.absent = help_id(1);
    given.sealed = help_id(2);
    given.unsealed = help_id(3);
    given.theirs = help_id(4);
    REQUIRE_OK(objstore_put(given.store, &given.sealed, "sealed", 6, NULL));
    REQUIRE_OK(objstore_create(given.store, &given.unsealed, 100, NULL, &data));
    REQUIRE_OK(objstore_create(given.other, &given.theirs, 100, NULL, &data));
    snprintf(given.path, sizeof given.path, "/dev/shm/objstore-test-errors-%d", (int)getpid());
}

void given_tear_down(void)
{
    objstore_close(given.other);
    objstore_close(given.read_only);
    CHECK(help_is_sound(given.store));
    objstore_close(given.store);
    unlink(given.path);
}

int given_open(uint32_t flags, uint64_t capacity)
{
    struct objstore_options o = OBJSTORE_OPTIONS_INIT;
    struct objstore_diag diag = { "" };

    o.flags = flags;
    o.capacity_bytes = capacity;
    int err = objstore_open(given.path, &o, &given.out, &diag);
    CHECK(err == 0 || diag.text[0]);
    return err;
}
