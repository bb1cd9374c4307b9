/* SPDX-License-Identifier: MIT */
/*
 * objstore_many.c -- views of several objects, all or none.
 *
 * First wait for all, holding nothing, then take them one after the other; if one is gone by then
 * give the others back and wait again. Whoever held views while it waits could keep for ever
 * the room that the writer of the last object needs.
 */
#include "index.h"
#include "objects.h"
#include "wait.h"

#include <string.h>

#define AHEAD 16u             /* objects that are looked up before the first is pinned */
#define AHEAD_SLOTS_MIN 4096u /* fewer are in the caches anyway */

static bool is_large(const struct objstore *s)
{
    return au32_load_relaxed(&s->known.slots) >= AHEAD_SLOTS_MIN; /* relaxed: a hint */
}

/*
 * Each look-up would wait for its bucket, then for its slot: fetch all buckets, then all slots,
 * together.
 */
static void fetch_ahead(const struct objstore *s, const struct objstore_id *ids, size_t n)
{
    for (size_t i = 0; i < n; i++)
        __builtin_prefetch(index_bucket(s, key_of(&ids[i])));
    for (size_t i = 0; i < n; i++) {
        const struct slot *at = index_first_slot(s, key_of(&ids[i]));

        __builtin_prefetch(at);
        __builtin_prefetch(at->bytes + s->view_from_rw); /* where its reader will look */
    }
}

/*
 * At most AHEAD. A pin is noted by a locked instruction, which nothing that comes after it
 * overtakes; so look all of them up before the first. *held says how many are, whatever is returned.
 */
static int try_some(struct objstore *s, const struct objstore_id *ids, size_t n,
                    struct objstore_view *views, size_t *held)
{
    struct lead leads[AHEAD];
    uint32_t found = 0;
    int err = 0;

    if (n > 1 && is_large(s))
        fetch_ahead(s, ids, n);
    for (size_t i = 0; i < n; i++)
        found |= (uint32_t)index_find_to_pin(s, &ids[i], &leads[i]) << i;
    for (*held = 0; *held < n && !err; *held += !err) {
        size_t i = *held;

        err = found >> i & 1 ? object_get_led(s, &ids[i], &leads[i], &views[i])
                             : objstore_get(s, &ids[i], 0, &views[i]);
        POINT("many: one more is held");
    }
    return err;
}

/* 0, or what the first that could not be had says; then none is held. */
static int try_all(struct objstore *s, const struct objstore_id *ids, size_t n,
                   struct objstore_view *views)
{
    size_t all = 0, held;
    int err = 0;

    for (; all < n && !err; all += held)
        err = try_some(s, ids + all, n - all < AHEAD ? n - all : AHEAD, views + all, &held);
    if (err)
        objstore_release_many(s, views, all);
    return err;
}

static __attribute__((noinline)) int wait_and_get_all(struct objstore *s,
                                                      const struct objstore_id *ids, size_t n,
                                                      int timeout_ms, struct objstore_view *views)
{
    int64_t deadline = deadline_from_ms(timeout_ms);
    int err;

    do {
        err = wait_sealed_all(s, ids, n, deadline);
        if (err)
            return err;
        err = try_all(s, ids, n, views);
    } while (err == -ENOENT);
    return err;
}

int objstore_get_many(struct objstore *s, const struct objstore_id *ids, size_t n, int timeout_ms,
                      struct objstore_view *views)
{
    int err = handle_check(s);

    if (err)
        return err;
    if (n > INT32_MAX || (n && (!ids || !views)) || timeout_ms < -1)
        return -EINVAL;
    if (!s->rw)
        return -EROFS;
    for (size_t i = 0; i < n && !err; i++) {
        struct key key = key_of(&ids[i]);

        err = key.id[0] || key.id[1] ? 0 : -EINVAL;
    }
    if (!err)
        err = try_all(s, ids, n, views);
    if (err == -ENOENT && timeout_ms)
        err = wait_and_get_all(s, ids, n, timeout_ms, views);
    if (err) /* all of them: as if released */
        memset(views, 0, n * sizeof *views);
    return err;
}

void objstore_release_many(struct objstore *s, struct objstore_view *views, size_t n)
{
    for (size_t i = 0; views && i < n; i++)
        objstore_release(s, &views[i]);
}
