/* SPDX-License-Identifier: MIT */
/*
 * set.c -- futures waited for together, each taken out when it is done.
 *
 *     futures:  [0 .. ready) taken out | [ready .. pending) done, not taken out | [pending .. end)
 *
 * Tasks end about in the order they were submitted, so a look begins with the oldest of those that
 * were not done, and goes on past MISSES of them that still are not only if it has found none. So
 * a wait costs a few looks more than it finds; only a wait that finds nothing looks at all, and
 * then it sleeps, which costs more. Nothing here is shared: the truth is in the table.
 */
#include "pool.h"

#include <stdlib.h>
#include <string.h>

#define MISSES 32u

struct wsched_set {
    struct wsched *pool;
    struct wsched_future *futures;
    size_t ready, pending, end, capacity;
};

int wsched_set_new(struct wsched *p, struct wsched_set **out)
{
    int err = pool_check_part(p);

    if (err || !out)
        return err ? err : -EINVAL;
    struct wsched_set *set = calloc(1, sizeof *set);
    if (!set)
        return -ENOMEM;
    set->pool = p;
    *out = set;
    return 0;
}

void wsched_set_free(struct wsched_set *set)
{
    if (set)
        free(set->futures);
    free(set);
}

size_t wsched_set_size(const struct wsched_set *set)
{
    return set ? set->end - set->ready : 0;
}

static int make_room(struct wsched_set *set, size_t n)
{
    if (set->ready > set->end / 2) { /* what was taken out goes */
        memmove(set->futures, set->futures + set->ready,
                (set->end - set->ready) * sizeof *set->futures);
        set->pending -= set->ready;
        set->end -= set->ready;
        set->ready = 0;
    }
    if (n <= set->capacity - set->end)
        return 0;
    size_t capacity = 2 * set->capacity > set->end + n ? 2 * set->capacity : set->end + n;
    struct wsched_future *more = realloc(set->futures, capacity * sizeof *more);
    if (!more)
        return -ENOMEM;
    set->futures = more;
    set->capacity = capacity;
    return 0;
}

int wsched_set_add(struct wsched_set *set, const struct wsched_future *futures, size_t n)
{
    size_t over;
    int err = set ? pool_check_part(set->pool) : -EINVAL;

    if (!err && ((n && !futures) || n > INT32_MAX || set->end - set->ready > INT32_MAX - n))
        err = -EINVAL;
    if (!err)
        err = futures_count(set->pool, futures, n, NULL, &over);
    if (!err)
        err = make_room(set, n);
    if (!err && n) {
        memcpy(set->futures + set->end, futures, n * sizeof *futures);
        set->end += n;
    }
    return err;
}

/* Move those that are done to the front of those that are not, in their order. */
static void look(struct wsched_set *set)
{
    size_t found = set->pending, misses = 0;

    for (size_t i = set->pending; i < set->end && (misses < MISSES || found == set->pending); i++) {
        struct wsched_future f = set->futures[i];
        uint32_t index;
        uint64_t word;
        if (future_look(set->pool, f.v, &index, &word) && !word_is_over(word)) {
            misses++;
            continue;
        }
        /* Those before it that are not done move up by one; mostly there are none, or few. */
        memmove(&set->futures[found + 1], &set->futures[found], (i - found) * sizeof f);
        set->futures[found++] = f;
    }
    set->pending = found;
}

int wsched_set_wait(struct wsched_set *set, int timeout_ms, struct wsched_future *out, size_t cap)
{
    int err = set ? pool_check_part(set->pool) : -EINVAL;

    if (!err && (!out || !cap || timeout_ms < -1))
        err = -EINVAL;
    if (err || set->ready == set->end)
        return err;
    if (set->ready == set->pending)
        look(set);
    if (set->ready == set->pending) {
        err = futures_wait(set->pool, set->futures + set->pending, set->end - set->pending, 1,
                           timeout_ms);
        if (err)
            return err;
        look(set);
    }
    size_t n = set->pending - set->ready;
    n = n < cap ? n : cap;
    memcpy(out, set->futures + set->ready, n * sizeof *out);
    set->ready += n;
    return (int)n;
}
