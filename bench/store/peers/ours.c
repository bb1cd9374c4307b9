/* SPDX-License-Identifier: MIT */
/* ours.c -- libobjstore. */
#include <objstore.h>

#include "../ops.h"

#include <string.h>

#ifndef FLAGS
#define FLAGS OBJSTORE_CREATE
#define NAME "ours"
#endif

_Static_assert(sizeof(struct id) == sizeof(struct objstore_id), "ids are 16 bytes");

static struct objstore *store;
static struct objstore_view view;

static bool start(uint64_t capacity)
{
    struct objstore_options o = OBJSTORE_OPTIONS_INIT;

    o.capacity_bytes = capacity;
    o.flags = FLAGS;
    return objstore_open(NULL, &o, &store, NULL) == 0;
}

static void stop(void)
{
    objstore_close(store);
}

static void *attach(void)
{
    struct objstore *own;

    return objstore_open_fd(objstore_fd(store), NULL, &own, NULL) ? NULL : own;
}

static void detach(void *h)
{
    objstore_close(h);
}

static const struct objstore_id *key(const struct id *id)
{
    return (const struct objstore_id *)(const void *)id;
}

static int put(void *h, const struct id *id, const void *data, size_t size)
{
    return objstore_put(h, key(id), data, size, NULL);
}

static int get_for(void *h, const struct id *id, int timeout_ms, const void **data, size_t *size)
{
    int err = objstore_get(h, key(id), timeout_ms, &view);

    if (!err) {
        *data = view.data;
        *size = view.size;
    }
    return err;
}

static int get(void *h, const struct id *id, const void **data, size_t *size)
{
    return get_for(h, id, 0, data, size);
}

static int get_blocking(void *h, const struct id *id, const void **data, size_t *size)
{
    return get_for(h, id, -1, data, size);
}

static void done(void *h)
{
    objstore_release(h, &view);
}

static int look_at_many(void *h, const struct id *ids, size_t n, volatile uint64_t *sum)
{
    struct objstore_view views[16];
    int err = objstore_get_many(h, key(ids), n, 0, views);

    for (size_t i = 0; i < n && !err; i++)
        *sum += *(const unsigned char *)views[i].data;
    if (!err)
        objstore_release_many(h, views, n);
    return err;
}

static int del(void *h, const struct id *id)
{
    return objstore_delete(h, key(id));
}

static int wait_for(void *h, const struct id *ids, size_t n, size_t need, bool *ready)
{
    return objstore_wait(h, key(ids), n, need, -1, ready);
}

static void *open_over(uint64_t capacity)
{
    struct objstore_options o = OBJSTORE_OPTIONS_INIT;
    struct objstore *own;

    o.capacity_bytes = capacity;
    o.flags = FLAGS;
    o.spill_dir = "/var/tmp";
    return objstore_open(NULL, &o, &own, NULL) ? NULL : own;
}

const struct ops ops = { .name = NAME,
                         .start = start,
                         .stop = stop,
                         .attach = attach,
                         .detach = detach,
                         .put = put,
                         .get = get,
                         .done = done,
                         .del = del,
                         .get_blocking = get_blocking,
                         .wait = wait_for,
                         .open_over = open_over,
                         .look_at_many = look_at_many };
