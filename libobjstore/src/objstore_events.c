/* SPDX-License-Identifier: MIT */
/* objstore_events.c -- subscriptions: what became of the ids that events.c hints at. */
#include "events.h"
#include "lease.h"
#include "reap.h"
#include "wait.h"

#include <stdlib.h>
#include <string.h>

struct objstore_events {
    struct objstore *store;
    struct events_reader reader;
};

int objstore_events_open(struct objstore *s, struct objstore_events **out)
{
    int err = handle_check(s);

    if (err || !out)
        return err ? err : -EINVAL;
    if (!s->rw)
        return -EROFS;
    struct objstore_events *e = calloc(1, sizeof *e);
    if (!e)
        return -ENOMEM;
    e->store = s;
    events_open(s, &e->reader);
    *out = e;
    return 0;
}

void objstore_events_close(struct objstore_events *e)
{
    if (!e)
        return;
    if (handle_check(e->store) == 0)
        events_close(e->store);
    free(e);
}

/* What is true of the id now. */
static void look(const struct objstore *s, const struct hint *hint, uint64_t number,
                 struct objstore_event *out)
{
    uint32_t slot;
    uint64_t word = 0;
    int err = index_find(s, hint->key, &slot, &word);

    memset(out, 0, sizeof *out);
    memcpy(out->id.bytes, hint->key.id, sizeof out->id.bytes);
    out->kind = !err && word_is_sealed(word) ? OBJSTORE_EVENT_SEALED : OBJSTORE_EVENT_DELETED;
    out->number = number;
}

/* As many as there are now, up to max. -EOVERFLOW. */
static int take(struct objstore_events *e, struct objstore_event *out, size_t max)
{
    size_t n = 0;

    while (n < max) {
        struct hint hint;
        enum hint_step step = events_read(e->store, &e->reader, &hint);

        if (step == HINTS_LOST)
            return -EOVERFLOW;
        if (step == HINTS_NONE)
            break;
        look(e->store, &hint, e->reader.at, &out[n++]);
    }
    return (int)n;
}

int objstore_events_next(struct objstore_events *e, struct objstore_event *out, size_t max,
                         int timeout_ms)
{
    int err = e ? handle_check(e->store) : -EINVAL;

    if (err)
        return err;
    if (!out || max == 0 || max > INT32_MAX || timeout_ms < -1)
        return -EINVAL;
    struct objstore *s = e->store;
    struct au32 *on = wait_word_any(s);
    int64_t deadline = deadline_from_ms(timeout_ms);
    uint32_t announced = 0;
    bool is_announced = false;
    for (;;) {
        int n = take(e, out, max);

        if (n)
            return n;
        if (timeout_ms == 0 || (deadline != INT64_MAX && monotonic_ns() >= deadline))
            return -ETIMEDOUT;
        if (is_announced) {
            int64_t until = e->reader.pending_count ? wait_slice(deadline) : deadline;

            if (wait_sleep(on, announced, until) == -EINTR) {
                n = take(e, out, max);
                return n ? n : -EINTR;
            }
        }
        announced = wait_announce(on); /* V1 */
        is_announced = true;
    }
}
