/* SPDX-License-Identifier: MIT */
/* errors_write.c -- the errors of creating, sealing and deleting. */
#define _GNU_SOURCE
#include "errors.h"
#include "faults.h"

static void *data;

static int create_sealed(void)
{
    return objstore_create(given.store, &given.sealed, 1, NULL, &data);
}
static int create_taken(void)
{
    CHECK_EQ(objstore_create(given.store, &given.theirs, 1, NULL, &data), -EEXIST);
    return objstore_create(given.store, &given.unsealed, 1, NULL, &data);
}
static int create_too_much(void)
{
    return objstore_create(given.store, &given.absent, CAPACITY + 1, NULL, &data);
}
static int create_read_only(void)
{
    return objstore_create(given.read_only, &given.absent, 1, NULL, &data);
}
static int create_nameless(void)
{
    return objstore_create(given.store, &given.zero, 1, NULL, &data);
}
static int create_absurd(void)
{
    return objstore_create(given.store, &given.absent, SIZE_MAX, NULL, &data);
}
static int create_nowhere(void)
{
    return objstore_create(given.store, &given.absent, 1, NULL, NULL);
}
static int create_undescribable(void)
{
    struct objstore_meta meta = { .ndim = OBJSTORE_DIMS_MAX + 1 };

    return objstore_create(given.store, &given.absent, 1, &meta, &data);
}
static int seal_theirs(void)
{
    CHECK_EQ(objstore_seal(given.store, &given.absent), -ENOENT);
    CHECK_EQ(objstore_seal(given.store, &given.sealed), -ENOENT);
    return objstore_seal(given.store, &given.theirs);
}
static int seal_read_only(void)
{
    return objstore_seal(given.read_only, &given.unsealed);
}
static int seal_size_theirs(void)
{
    return objstore_seal_size(given.store, &given.theirs, 1, NULL);
}
static int seal_size_longer(void)
{
    return objstore_seal_size(given.store, &given.unsealed, 101, NULL);
}

static int seal_size_no_room(void)
{
    struct objstore_meta meta = { .name = "first" };

    fault_arm(1, ENOSPC, true);
    int err = objstore_seal_size(given.store, &given.unsealed, 1, &meta);
    CHECK(fault_disarm() != NULL);
    return err;
}

static int abort_theirs(void)
{
    CHECK_EQ(objstore_abort(given.store, &given.absent), -ENOENT);
    CHECK_EQ(objstore_abort(given.store, &given.sealed), -ENOENT);
    return objstore_abort(given.store, &given.theirs);
}
static int put_nothing(void)
{
    return objstore_put(given.store, &given.absent, NULL, 1, NULL);
}
static int put_taken(void)
{
    return objstore_put(given.store, &given.sealed, "x", 1, NULL);
}
static int delete_absent(void)
{
    CHECK_EQ(objstore_delete(given.store, &given.unsealed), -ENOENT);
    return objstore_delete(given.store, &given.absent);
}
static int delete_read_only(void)
{
    return objstore_delete(given.read_only, &given.sealed);
}

const struct error_row errors_write[] = {
    { "objstore_create", EEXIST, create_sealed },
    { "objstore_create", EEXIST, create_taken },
    { "objstore_create", ENOSPC, create_too_much },
    { "objstore_create", EROFS, create_read_only },
    { "objstore_create", EINVAL, create_nameless },
    { "struct objstore_id", EINVAL, create_nameless },
    { "objstore_create", EINVAL, create_absurd },
    { "objstore_create", EINVAL, create_nowhere },
    { "objstore_create", EINVAL, create_undescribable },
    { "objstore_seal", ENOENT, seal_theirs },
    { "objstore_seal", EROFS, seal_read_only },
    { "objstore_seal_size", ENOENT, seal_size_theirs },
    { "objstore_seal_size", EINVAL, seal_size_longer },
    { "objstore_seal_size", ENOSPC, seal_size_no_room },
    { "objstore_abort", ENOENT, abort_theirs },
    { "objstore_put", EINVAL, put_nothing },
    { "objstore_put", EEXIST, put_taken },
    { "objstore_delete", ENOENT, delete_absent },
    { "objstore_delete", EROFS, delete_read_only },
    { NULL, 0, NULL },
};
