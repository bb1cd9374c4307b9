/* SPDX-License-Identifier: MIT */
/*
 * objstore_many.c -- views of several objects, all or none.
 *
 * First wait for all, holding nothing, then take them one after the other; if one is gone by then
 * give the others back and wait again. Whoever held views while it waits could keep for ever
 * the room that the writer of the last object needs.
 */
#include "index.h"
#include "wait.h"

#include <string.h>

#define AHEAD 16u             /* objects whose lines are on their way at once */
#define AHEAD_SLOTS_MIN 4096u /* fewer are in the caches anyway */

static bool is_large(const struct objstore *s)
{
    return au32_load_relaxed(&s->known.slots) >= AHEAD_SLOTS_MIN; /* relaxed: a hint */
}

/*
 * Gets of these will follow, and each would wait for its bucket, then for its slot, before the next
 * can begin, as a pin is noted by a locked instruction. So fetch them all together.
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

/* 0, or what the first that could not be had says; then none is held. */
static int try_all(struct objstore *s, const struct objstore_id *ids, size_t n,
                   struct objstore_view *views)
{
    int err = 0;
    size_t i = 0;

    while (i < n && !err) {
        if (i % AHEAD == 0 && n > 1 && is_large(s))
            fetch_ahead(s, ids + i, n - i < AHEAD ? n - i : AHEAD);
        err = objstore_get(s, &ids[i], 0, &views[i]);
        i += !err;
        POINT("many: one more is held");
    }
    if (err)
        objstore_release_many(s, views, i);
    return err;
}

int objstore_get_many(struct objstore *s, const struct objstore_id *ids, size_t n, int timeout_ms,
                      struct objstore_view *views)
{
    int64_t deadline;
    int err = handle_check(s);

    if (err)
        return err;
    if (n > INT32_MAX || (n && (!ids || !views)) || timeout_ms < -1)
        return -EINVAL;
    if (!s->rw)
        return -EROFS;
    if (n)
        memset(views, 0, n * sizeof *views);
    for (size_t i = 0; i < n; i++) {
        struct key key = key_of(&ids[i]);

        if (!key.id[0] && !key.id[1])
            return -EINVAL;
    }
    deadline = deadline_from_ms(timeout_ms);
    for (;;) {
        err = try_all(s, ids, n, views);
        if (err != -ENOENT || timeout_ms == 0)
            return err;
        err = wait_sealed_all(s, ids, n, deadline);
        if (err)
            return err;
    }
}

void objstore_release_many(struct objstore *s, struct objstore_view *views, size_t n)
{
    for (size_t i = 0; views && i < n; i++)
        objstore_release(s, &views[i]);
}
