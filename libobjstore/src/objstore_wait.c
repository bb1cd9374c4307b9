/* SPDX-License-Identifier: MIT */
/*
 * objstore_wait.c -- waiting for several objects.
 *
 * Who needs all of them waits for one after the other on the word of that id, so that it is woken
 * for what it waits for, and looks at each id about twice however many there are. A last look
 * at all decides, as one that was there may be gone.
 */
#include "index.h"
#include "lease.h"
#include "reap.h"
#include "wait.h"

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
    *is_sealed = !err && word_state(word) == SLOT_SEALED;
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
        if (!err && word_state(word) == SLOT_SEALED)
            return 0;
        if (err && err != -ENOENT)
            return err;
        bool is_written = !err;
        if (is_written && lease_writer_is_dead(s, word) && reap_dead(s))
            continue;
        if (deadline != INT64_MAX && monotonic_ns() >= deadline)
            return -ETIMEDOUT;
        if (on)
            wait_sleep(on, announced, is_written ? wait_slice(deadline) : deadline);
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

int objstore_wait(struct objstore *s, const struct objstore_id *ids, size_t n, size_t need,
                  int timeout_ms, bool *ready)
{
    int64_t deadline;
    struct au32 *on = NULL;
    struct look look;
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
        if (need == n) {
            err = wait_sealed_all(s, ids, n, deadline);
            if (err && err != -ETIMEDOUT)
                return err;
            continue;
        }
        if (on)
            wait_sleep(on, announced, look.is_any_written ? wait_slice(deadline) : deadline);
        on = wait_word_any(s);
    }
}
