/* SPDX-License-Identifier: MIT */
/*
 * objstore_wait.c -- waiting for several objects.
 *
 * Who needs all of them waits for one after the other on the word of that id, so that it is woken
 * for what it waits for, and looks at each id about twice however many there are. A last look
 * at all decides, as one that was there may be gone.
 *
 * Who needs some of many follows the events (events.c) and finds each id that is told of in a
 * private hash table: the cost follows what is sealed. Who needs some of a few is woken by any
 * seal and looks at those few, which spares the writers the telling.
 */
#include "events.h"
#include "index.h"
#include "lease.h"
#include "reap.h"
#include "wait.h"

#include <stdlib.h>

#define FEW 64u
#define TICK_MAX_MS 100

struct look {
    size_t sealed;
    bool is_any_written; /* by somebody alive */
    bool is_any_orphan;  /* by somebody dead */
    uint32_t lease_seen; /* the last writer that was looked at */
};

static int look_at(struct objstore *s, const struct objstore_id *id, struct look *look,
                   bool *is_sealed)
{
    struct key key = key_of(id);
    uint32_t slot;
    uint64_t word;

    if (!key.id[0] && !key.id[1])
        return -EINVAL;
    int err = index_find(s, key, &slot, &word);
    POINT("wait: an id looked at");
    *is_sealed = !err && word_is_readable(word);
    if (err == -EBADMSG)
        return err;
    look->sealed += *is_sealed;
    if (err || *is_sealed || word_lease(word) == look->lease_seen)
        return 0;
    look->lease_seen = word_lease(word);
    if (lease_writer_is_dead(s, word))
        look->is_any_orphan = true;
    else
        look->is_any_written = true;
    return 0;
}

/* Look at all ids; without a `ready` to fill, only until enough are sealed. */
static int look_at_all(struct objstore *s, const struct objstore_id *ids, size_t n, size_t need,
                       bool *ready, struct look *look)
{
    *look = (struct look){ .lease_seen = NONE };
    for (size_t i = 0; i < n && (ready || look->sealed < need); i++) {
        bool is_sealed;
        int err = look_at(s, &ids[i], look, &is_sealed);

        if (err)
            return err;
        if (ready)
            ready[i] = is_sealed;
    }
    return 0;
}

int wait_sealed(struct objstore *s, struct key key, int64_t deadline)
{
    struct au32 *on = NULL;

    for (;;) {
        uint32_t slot, announced = on ? wait_announce(on) : 0; /* V1 */
        uint64_t word = 0;
        int err = index_find(s, key, &slot, &word);

        POINT("wait: an id looked at");
        if (!err && word_is_sealed(word))
            return 0;
        if (err && err != -ENOENT)
            return err;
        bool is_written = !err;
        if (is_written && lease_writer_is_dead(s, word) && reap_dead(s))
            continue;
        if (deadline != INT64_MAX && monotonic_ns() >= deadline)
            return -ETIMEDOUT;
        if (on)
            (void)wait_sleep(on, announced, is_written ? wait_slice(deadline) : deadline);
        on = wait_word(s, key);
    }
}

int wait_sealed_all(struct objstore *s, const struct objstore_id *ids, size_t n, int64_t deadline)
{
    int err = 0;

    for (size_t i = 0; i < n && !err; i++)
        err = wait_sealed(s, key_of(&ids[i]), deadline);
    return err;
}

/* ---- some of many -------------------------------------------------------------------------- */

/* Ids that are not sealed yet: places in the caller's array + 1, by hash of the id. */
struct pending {
    uint32_t *table;
    uint64_t mask;
};
#define TAKEN_OUT UINT32_MAX

static uint64_t hash_of(struct key key)
{
    uint64_t h = (key.id[0] ^ (key.id[1] << 32 | key.id[1] >> 32)) * 0x9e3779b97f4a7c15u;

    return h ^ h >> 32;
}

static void pending_add(struct pending *p, const struct objstore_id *ids, size_t i)
{
    uint64_t at = hash_of(key_of(&ids[i])) & p->mask;

    while (p->table[at])
        at = (at + 1) & p->mask;
    p->table[at] = (uint32_t)i + 1;
}

/* Take an id out, as often as it stands there; returns how often. */
static size_t pending_take(struct pending *p, const struct objstore_id *ids, struct key key)
{
    size_t count = 0;

    for (uint64_t at = hash_of(key) & p->mask; p->table[at]; at = (at + 1) & p->mask) {
        if (p->table[at] == TAKEN_OUT)
            continue;
        struct key other = key_of(&ids[p->table[at] - 1]);
        if (other.id[0] == key.id[0] && other.id[1] == key.id[1]) {
            p->table[at] = TAKEN_OUT;
            count++;
        }
    }
    return count;
}

static int look_for_pending(struct objstore *s, const struct objstore_id *ids, size_t n,
                            struct pending *p, struct look *look)
{
    *look = (struct look){ .lease_seen = NONE };
    for (uint64_t i = 0; i <= p->mask; i++)
        p->table[i] = 0;
    for (size_t i = 0; i < n; i++) {
        bool is_sealed;
        int err = look_at(s, &ids[i], look, &is_sealed);

        if (err)
            return err;
        if (!is_sealed)
            pending_add(p, ids, i);
    }
    return 0;
}

static bool is_anybody_dead(const struct objstore *s)
{
    uint32_t used = leases_in_use(s);

    for (uint32_t i = 0; i < used; i++)
        if (lease_has_died(s, i, au64_load_acquire(&s->leases[i].word))) /* A1 */
            return true;
    return false;
}

/*
 * Sleep until there are events, or the deadline. Somebody may have begun to write one of ours and
 * die: now and then, less and less often, look whether anybody did.
 */
static int sleep_for_events(struct objstore *s, const struct events_reader *reader,
                            int64_t deadline)
{
    struct au32 *on = wait_word_any(s);
    int64_t slice_ms = 5;

    for (;;) {
        uint32_t announced = wait_announce(on); /* V1 */
        int64_t now = monotonic_ns();

        if (events_any(s, reader))
            return 0;
        if (deadline != INT64_MAX && now >= deadline)
            return -ETIMEDOUT;
        if (is_anybody_dead(s) && reap_dead(s))
            continue;
        int64_t slice = now + slice_ms * NS_PER_MS;
        (void)wait_sleep(on, announced, slice < deadline ? slice : deadline);
        if (reader->pending_count)
            return 0;
        slice_ms = slice_ms * 2 < TICK_MAX_MS ? slice_ms * 2 : TICK_MAX_MS;
    }
}

/* Until `need` were seen sealed, or it is time to look at all again. */
static int follow_events(struct objstore *s, const struct objstore_id *ids, size_t need,
                         struct events_reader *reader, struct pending *p, size_t sealed,
                         int64_t deadline)
{
    while (sealed < need) {
        struct hint hint;
        uint32_t slot;
        uint64_t word;
        enum hint_step step = events_read(s, reader, &hint);

        if (step == HINTS_LOST)
            return 0;
        if (step == HINTS_NONE) {
            int err = sleep_for_events(s, reader, deadline);

            if (err)
                return err;
            continue;
        }
        if (hint.kind == HINT_SEAL && !index_find(s, hint.key, &slot, &word) &&
            word_is_sealed(word))
            sealed += pending_take(p, ids, hint.key);
    }
    return 0;
}

/* 0: `need` of them were sealed a moment ago. -ENOMEM: do it in another way. */
static int wait_some(struct objstore *s, const struct objstore_id *ids, size_t n, size_t need,
                     int64_t deadline)
{
    struct events_reader *reader = malloc(sizeof *reader);
    struct pending p = { NULL, 1 };
    struct look look;
    int err = 0;

    while (p.mask < 2 * n)
        p.mask = 2 * p.mask + 1;
    p.table = calloc(p.mask + 1, sizeof *p.table);
    if (!reader || !p.table) {
        err = -ENOMEM;
        goto done;
    }
    events_open(s, reader);
    do {
        err = look_for_pending(s, ids, n, &p, &look);
        if (err || look.sealed >= need)
            break;
        if (look.is_any_orphan && reap_dead(s))
            continue;
        err = follow_events(s, ids, need, reader, &p, look.sealed, deadline);
    } while (!err);
    events_close(s);
done:
    free(p.table);
    free(reader);
    return err;
}

/* ---- the call ------------------------------------------------------------------------------ */

int objstore_wait(struct objstore *s, const struct objstore_id *ids, size_t n, size_t need,
                  int timeout_ms, bool *ready)
{
    int64_t deadline;
    struct au32 *on = NULL;
    struct look look;
    bool is_by_events = true;
    int err = handle_check(s);

    if (err)
        return err;
    if (need > n || n > INT32_MAX || (n && !ids) || timeout_ms < -1)
        return -EINVAL;
    deadline = deadline_from_ms(timeout_ms);
    for (;;) {
        uint32_t announced = on ? wait_announce(on) : 0; /* V1 */

        err = look_at_all(s, ids, n, need, ready, &look);
        if (err || look.sealed >= need)
            return err ? err : (int)look.sealed;
        if (look.is_any_orphan && s->rw && reap_dead(s))
            continue;
        if (timeout_ms == 0 || (deadline != INT64_MAX && monotonic_ns() >= deadline))
            return -ETIMEDOUT;
        if (!s->rw) /* to be woken takes a word that we may not write */
            return -EROFS;
        if (need == n || (n > FEW && is_by_events)) {
            err = need == n ? wait_sealed_all(s, ids, n, deadline)
                            : wait_some(s, ids, n, need, deadline);
            if (err && err != -ETIMEDOUT && err != -ENOMEM)
                return err;
            is_by_events = err != -ENOMEM;
            continue;
        }
        if (on)
            (void)wait_sleep(on, announced, look.is_any_written ? wait_slice(deadline) : deadline);
        on = wait_word_any(s);
    }
}
