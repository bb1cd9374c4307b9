/* SPDX-License-Identifier: MIT */
/*
 * objstore_object.c -- the calls on one object: create, seal, abort, put, delete, get, release,
 * read.
 */
#include "alloc.h"
#include "copy.h"
#include "events.h"
#include "evict.h"
#include "index.h"
#include "lease.h"
#include "objects.h"
#include "pin.h"
#include "reap.h"
#include "slot.h"
#include "spill.h"
#include "wait.h"

#include <string.h>

_Static_assert(sizeof(struct objstore_meta) == sizeof(struct meta), "metadata is kept as it is");

/* A put of more than this takes long enough for those who wait to be told that it has begun. */
#define ANNOUNCE_MIN ((size_t)64 << 10)

static int check_key(const struct objstore *s, const struct objstore_id *id, struct key *key)
{
    int err = handle_check(s);

    if (err)
        return err;
    if (!id)
        return -EINVAL;
    *key = key_of(id);
    return key->id[0] || key->id[1] ? 0 : -EINVAL;
}

static int check_write(const struct objstore *s, const struct objstore_id *id, struct key *key)
{
    int err = check_key(s, id, key);

    return err ? err : s->rw ? 0 : -EROFS;
}

static bool meta_is_valid(const struct objstore_meta *meta)
{
    return meta->dtype <= OBJSTORE_FLOAT64 && meta->ndim <= OBJSTORE_DIMS_MAX &&
           memchr(meta->name, 0, sizeof meta->name) && memchr(meta->tag, 0, sizeof meta->tag);
}

static bool meta_is_zero(const struct objstore_meta *meta)
{
    static const struct objstore_meta zero;

    return !memcmp(meta, &zero, sizeof zero);
}

/* ---- writing ------------------------------------------------------------------------------- */

static void write_meta(struct objstore *s, uint32_t index, const struct objstore_meta *meta)
{
    uint64_t words[META_WORDS];

    memcpy(words, meta, sizeof words);
    for (uint32_t i = 0; i < META_WORDS; i++)
        au64_store_relaxed(&meta_at(s, index)->words[i], words[i]); /* relaxed: T2 publishes */
}

/*
 * The clock ticks every few milliseconds; what one thread after the other makes between two ticks
 * still gets its times in that order, which is that of evict.c's queue and so of spill files.
 */
static uint64_t time_of_making(struct cache *c)
{
    uint64_t now = (uint64_t)clock_ns(CLOCK_REALTIME_COARSE) & ~CREATED_FLAGS;

    c->last_created = now > c->last_created ? now : c->last_created + CREATED_FLAGS + 1;
    return c->last_created;
}

/* Fill in a slot that is ours, all but the bytes. */
static int describe(struct objstore *s, struct cache *c, uint32_t index, struct key key,
                    size_t size, const struct objstore_meta *meta)
{
    struct slot *slot = slot_at(s, index);
    bool has_meta = meta && !meta_is_zero(meta);

    if (has_meta) {
        int err = meta_reserve(s, index);

        if (err)
            return err;
        write_meta(s, index, meta);
    }
    /* relaxed: L1 and T2 publish */
    au64_store_relaxed(&slot->id[0], key.id[0]);
    au64_store_relaxed(&slot->id[1], key.id[1]);
    au64_store_relaxed(&slot->size, size);
    au64_store_relaxed(&slot->created, time_of_making(c) | has_meta);
    au64_store_relaxed(&slot->pinners, 0);
    return 0;
}

static void give_up(struct objstore *s, struct cache *c, uint32_t index, bool is_entered)
{
    uint64_t word = au64_load_relaxed(&slot_at(s, index)->word); /* relaxed: ours */

    if (!slot_change(s, index, &word, SLOT_RECLAIM)) /* T3 */
        return;
    POINT("object: given up, not undone");
    if (is_entered)
        reclaim(s, c, index, RECLAIM_FRESH);
    else
        slot_free(s, c, index);
}

/* Somebody wrote over what we noted in our own slot: give back what still names it. */
static void take_back(struct objstore *s, uint32_t index)
{
    uint64_t word = au64_load_relaxed(&slot_at(s, index)->word); /* relaxed: ours, or damage */

    if (word_state(word) == SLOT_WRITING && word_lease(word) == s->lease &&
        slot_change(s, index, &word, SLOT_RECLAIM)) /* T3 */
        reclaim(s, NULL, index, RECLAIM_ANYWHERE);
}

/* One attempt to get a slot, the id and the bytes. On -EEXIST *other and *word say who has the id. */
static int try_begin(struct objstore *s, struct cache *c, struct key key, size_t size,
                     const struct objstore_meta *meta, uint32_t *index, uint32_t *other,
                     uint64_t *word)
{
    int err = slot_take(s, c, index);

    if (err)
        return err;
    err = describe(s, c, *index, key, size, meta);
    POINT("object: described, not entered");
    if (!err)
        err = index_insert(s, *index, key, other, word); /* L1 */
    if (err) {
        give_up(s, c, *index, false);
        return err;
    }
    POINT("object: entered");
    if (size > INLINE_MAX) {
        err = extent_alloc(s, c, *index, size);
        if (err)
            give_up(s, c, *index, true);
    }
    return err;
}

/* Who has the id may be dead, or have given it up; whose sweep it is that frees it does not matter. */
static bool is_id_free(struct objstore *s, uint32_t other, uint64_t word)
{
    if (word_state(word) != SLOT_WRITING)
        return false;
    if (lease_writer_is_dead(s, word))
        reap_dead(s);
    return au64_load_acquire(&slot_at(s, other)->word) != word; /* T2, T3, T6 */
}

/* On success the slot is ours, in WRITING, and its bytes are at *at. */
static int begin(struct objstore *s, struct key key, size_t size, const struct objstore_meta *meta,
                 uint32_t *index, uint64_t *at)
{
    if (size > CAPACITY_MAX || (meta && !meta_is_valid(meta)))
        return -EINVAL;
    int64_t until = 0;
    index_prefetch(s, key);
    for (;;) {
        struct cache *c = cache_take(s);
        uint64_t word = 0, deaths = reap_deaths(s);
        uint32_t other = 0;
        int err = try_begin(s, c, key, size, meta, index, &other, &word);

        cache_give(c);
        if (!err)
            break;
        POINT("object: not to be had, not looked why");
        if ((err == -EEXIST && is_id_free(s, other, word)) ||
            (err == -ENOSPC && reap_for_room(s, deaths)))
            continue;
        /* Nobody has to make way for what would not fit into an empty store. */
        bool can_fit = err == -ENOSPC && size <= s->geo.capacity_bytes;
        int64_t freed = can_fit ? evict_or_wait(s, size, &until) : 0;
        if (freed <= 0)
            return freed ? (int)freed : err;
    }
    if (object_place(s, *index, size, at))
        return 0;
    take_back(s, *index);
    return -EBADMSG;
}

/* `is_announced`: who waited before the entry was woken then, and looks again by itself. */
static int finish(struct objstore *s, uint32_t index, uint64_t word, struct key key,
                  bool is_announced)
{
    struct slot *slot = slot_at(s, index);
    uint64_t on = events_on(s);

    if (events_has_listeners(on))
        events_tell(s, HINT_SEAL, index, word, key);                            /* H1 */
    bool is_sealed = !is_announced && au64_load_relaxed(&slot->word) == word && /* relaxed: ours */
                     wait_seal(s, key, slot);
    if (!is_sealed && !slot_change(s, index, &word, SLOT_SEALED)) /* T2, E1 */
        return -ENOENT;
    POINT("object: sealed, nobody woken");
    if (events_has_new_listeners(s, on))
        events_tell(s, HINT_SEAL, index, word, key); /* H3 */
    wait_wake(s, key);
    return 0;
}

int objstore_create(struct objstore *s, const struct objstore_id *id, size_t size,
                    const struct objstore_meta *meta, void **data)
{
    struct key key;
    uint32_t index;
    uint64_t at;
    int err = check_write(s, id, &key);

    if (!err && !data)
        err = -EINVAL;
    if (!err)
        err = begin(s, key, size, meta, &index, &at);
    if (err)
        return err;
    wait_wake(s, key);
    au64_add_relaxed(&s->unsealed, 1); /* relaxed: a private count */
    *data = size ? s->rw + at : NULL;
    return 0;
}

int objstore_put(struct objstore *s, const struct objstore_id *id, const void *data, size_t size,
                 const struct objstore_meta *meta)
{
    struct key key;
    uint32_t index;
    uint64_t at;
    int err = check_write(s, id, &key);

    if (!err && size && !data)
        err = -EINVAL;
    if (!err)
        err = begin(s, key, size, meta, &index, &at);
    if (err)
        return err;
    bool is_announced = size > ANNOUNCE_MIN;
    if (is_announced)
        wait_wake(s, key);
    if (size)
        copy_in(&s->copies, s->rw + at, data, size);
    POINT("object: filled, not sealed");
    return finish(s, index, au64_load_relaxed(&slot_at(s, index)->word), key, /* relaxed: ours */
                  is_announced);
}

/* The slot under `key` that this handle created and did not seal. */
static int find_ours(struct objstore *s, struct key key, uint32_t *index, uint64_t *word)
{
    int err = index_find(s, key, index, word);

    if (!err && (word_state(*word) != SLOT_WRITING || word_lease(*word) != s->lease))
        err = -ENOENT;
    return err;
}

int objstore_seal(struct objstore *s, const struct objstore_id *id)
{
    struct key key;
    uint32_t index;
    uint64_t word;
    int err = check_write(s, id, &key);

    if (!err)
        err = find_ours(s, key, &index, &word);
    if (!err)
        err = finish(s, index, word, key, true);
    if (!err)
        au64_add_relaxed(&s->unsealed, (uint64_t)-1); /* relaxed: a private count */
    return err;
}

/* Cut a slot that is ours, in WRITING, to `size` bytes. */
static int shrink(struct objstore *s, uint32_t index, uint64_t size)
{
    struct slot *slot = slot_at(s, index);
    uint64_t before = au64_load_relaxed(&slot->size), at; /* relaxed: ours */

    if (!object_place(s, index, before, &at))
        return -EBADMSG;
    if (before > INLINE_MAX && size < before) {
        struct cache *c = cache_take(s);

        if (size <= INLINE_MAX) { /* such objects live in their slot */
            memcpy(slot->bytes, s->rw + at, size);
            extent_free(s, c, index, true);
        } else {
            extent_shrink(s, c, index, size);
        }
        cache_give(c);
    }
    au64_store_relaxed(&slot->size, size); /* relaxed: T2 publishes */
    return 0;
}

static int replace_meta(struct objstore *s, uint32_t index, const struct objstore_meta *meta)
{
    struct au64 *created = &slot_at(s, index)->created;
    uint64_t without = au64_load_relaxed(created) & ~1ull; /* relaxed: ours */
    bool has_meta = !meta_is_zero(meta);

    if (has_meta) {
        int err = meta_reserve(s, index);

        if (err)
            return err;
        write_meta(s, index, meta);
    }
    au64_store_relaxed(created, without | has_meta); /* relaxed: T2 publishes */
    return 0;
}

int objstore_seal_size(struct objstore *s, const struct objstore_id *id, size_t size,
                       const struct objstore_meta *meta)
{
    struct key key;
    uint32_t index;
    uint64_t word;
    int err = check_write(s, id, &key);

    if (!err && meta && !meta_is_valid(meta))
        err = -EINVAL;
    if (!err)
        err = find_ours(s, key, &index, &word);
    if (!err && size > au64_load_relaxed(&slot_at(s, index)->size)) /* relaxed: ours */
        err = -EINVAL;
    if (!err && meta)
        err = replace_meta(s, index, meta);
    if (!err)
        err = shrink(s, index, size);
    if (!err)
        err = finish(s, index, word, key, true);
    if (!err)
        au64_add_relaxed(&s->unsealed, (uint64_t)-1); /* relaxed: a private count */
    return err;
}

int objstore_abort(struct objstore *s, const struct objstore_id *id)
{
    struct key key;
    uint32_t index;
    uint64_t word;
    int err = check_write(s, id, &key);

    if (!err)
        err = find_ours(s, key, &index, &word);
    if (err)
        return err;
    if (!slot_change(s, index, &word, SLOT_RECLAIM)) /* T3 */
        return -ENOENT;
    POINT("object: aborted, not undone");
    struct cache *c = cache_take(s);
    reclaim(s, c, index, RECLAIM_FRESH);
    cache_give(c);
    au64_add_relaxed(&s->unsealed, (uint64_t)-1); /* relaxed: a private count */
    return 0;
}

int objstore_delete(struct objstore *s, const struct objstore_id *id)
{
    struct key key;
    uint32_t index;
    uint64_t word;
    uint64_t on;
    int err = check_write(s, id, &key);

    if (err)
        return err;
    do {
        err = index_find(s, key, &index, &word);
        if (err)
            return err;
        if (!word_is_sealed(word))
            return -ENOENT;
        on = events_on(s);
        if (events_has_listeners(on))
            events_tell(s, HINT_DELETE, index, word, key); /* H1 */
    } while (!slot_change(s, index, &word, SLOT_DOOMED));  /* T4, E2 */
    POINT("object: doomed, still in its chain");
    if (events_has_new_listeners(s, on))
        events_tell(s, HINT_DELETE, index, word, key); /* H3 */
    else if (events_has_listeners(on))
        wait_wake_any(s);
    word = word_with(word, SLOT_DOOMED, 0);
    err = index_remove(s, index, word);
    if (!err)
        reclaim_if_unpinned(s, index, word, RECLAIM_UNLINKED);
    return 0; /* a damaged chain is verify's to tell: the object is gone */
}

void object_set_created(struct objstore *s, const struct objstore_id *id, uint64_t created)
{
    uint32_t index;
    uint64_t word;

    if (find_ours(s, key_of(id), &index, &word))
        return;
    struct au64 *at = &slot_at(s, index)->created;
    au64_store_relaxed(at, (created & ~CREATED_FLAGS) |
                               (au64_load_relaxed(at) & CREATED_META)); /* T2 publishes */
}

/* ---- reading ------------------------------------------------------------------------------- */

/* Pin what was found SEALED. -EAGAIN: it is not any more. */
static int open_view(struct objstore *s, uint32_t index, uint64_t word, struct objstore_view *view)
{
    struct pinned held;
    int err = pin(s, index, word, &held);

    if (err == -EAGAIN) /* we may have stood in the way of the one who wanted to free it */
        reclaim_if_unpinned(s, index, au64_load_seq_cst(&slot_at(s, index)->word), /* E2 */
                            RECLAIM_FRESH);
    if (err)
        return err;
    err = view_open(s, index, held, view);
    if (err)
        unpin(s, held.ref, held.key);
    else
        evict_note_use(s, slot_at(s, index));
    return err;
}

static int try_get(struct objstore *s, struct key key, struct objstore_view *view, uint64_t *word)
{
    uint32_t index;
    int err;

    do {
        uint64_t deaths = reap_deaths(s);

        *word = 0;
        err = index_find(s, key, &index, word);
        if (err)
            return err;
        if (!word_is_sealed(*word))
            return -ENOENT;
        err = word_state(*word) == SLOT_SEALED ? open_view(s, index, *word, view)
                                               : spill_restore(s, index, *word, view);
        if (err == -ENOSPC && /* for a table of views */
            (reap_for_room(s, deaths) || evict_make_room(s, PAGE_BYTES) > 0))
            err = -EAGAIN;
    } while (err == -EAGAIN);
    return err;
}

/*
 * Wait for an object that is not there. Woken, it looks before it announces itself again: a bit
 * that nobody sleeps behind costs the next sealer a wake.
 */
static int wait_and_get(struct objstore *s, struct key key, int timeout_ms,
                        struct objstore_view *view)
{
    int64_t deadline = deadline_from_ms(timeout_ms);
    struct au32 *on = wait_word(s, key);
    uint32_t announced = 0;
    bool is_announced = true;

    for (;; is_announced = !is_announced) {
        uint64_t word;

        if (is_announced)
            announced = wait_announce(on); /* V1 */
        int err = try_get(s, key, view, &word);
        if (err != -ENOENT)
            return err;
        if (!is_announced)
            continue;
        bool is_written = word_state(word) == SLOT_WRITING;
        if (is_written && lease_writer_is_dead(s, word) && reap_dead(s))
            continue;
        if (deadline != INT64_MAX && monotonic_ns() >= deadline)
            return -ETIMEDOUT;
        (void)wait_sleep(on, announced, is_written ? wait_slice(deadline) : deadline);
    }
}

/* The ways of get that are not the quick one take its arguments, which it leaves in their place. */
static __attribute__((cold, noinline)) int get_slowly(struct objstore *s,
                                                      const struct objstore_id *id, int timeout_ms,
                                                      struct objstore_view *view)
{
    struct key key;
    uint32_t index;
    uint64_t word;
    int err = check_write(s, id, &key);

    if (!err && (!view || timeout_ms < -1))
        err = -EINVAL;
    if (err)
        return err;
    if (timeout_ms && !index_find_quickly(s, key, &index, &word))
        return wait_and_get(s, key, timeout_ms, view);
    err = try_get(s, key, view, &word);
    return err != -ENOENT || timeout_ms == 0 ? err : wait_and_get(s, key, timeout_ms, view);
}

/* Something is in the way of a quick pin. */
static __attribute__((noinline)) int get_crowded(struct objstore *s, const struct objstore_id *id,
                                                 int timeout_ms, struct objstore_view *view,
                                                 uint32_t index, uint64_t word)
{
    int err = open_view(s, index, word, view);

    return err == -EAGAIN || err == -ENOSPC ? get_slowly(s, id, timeout_ms, view) : err;
}

/* A pin was noted, and its object is not what it was. */
static __attribute__((cold, noinline)) int get_again(struct objstore *s,
                                                     const struct objstore_id *id, int timeout_ms,
                                                     struct objstore_view *view, struct pinned held)
{
    uint32_t index = pin_slot(held.key);

    unpin(s, held.ref, held.key);
    /* We may have stood in the way of the one who wanted to free it. */
    reclaim_if_unpinned(s, index, au64_load_seq_cst(&slot_at(s, index)->word), /* E2 */
                        RECLAIM_FRESH);
    return get_slowly(s, id, timeout_ms, view);
}

/* It is pinned, but does not live in its slot, or has no bytes. */
static __attribute__((noinline)) int get_outside(struct objstore *s, struct objstore_view *view,
                                                 struct pinned held)
{
    int err = view_open(s, pin_slot(held.key), held, view);

    if (err)
        unpin(s, held.ref, held.key);
    return err;
}

/* The quick way, once a look-up has led somewhere. */
static inline __attribute__((always_inline)) int get_led(struct objstore *s,
                                                         const struct objstore_id *id,
                                                         const struct lead *lead, int timeout_ms,
                                                         struct objstore_view *view)
{
    struct pinned held;
    uint64_t key = pin_key(lead->slot, lead->word);

    if (!pin_note_near(s, lead->at, key, &held) && !pin_note_far(s, lead->at, key, &held))
        return get_crowded(s, id, timeout_ms, view, lead->slot, lead->word);
    if (au64_load_seq_cst(&lead->at->word) != lead->word) /* E2 */
        return get_again(s, id, timeout_ms, view, held);
    evict_note_use(s, lead->at);
    uint64_t size = au64_load_relaxed(&lead->at->size); /* relaxed: E1 */
    if (size - 1 >= INLINE_MAX)
        return get_outside(s, view, held);
    view->data = lead->at->bytes + s->view_from_rw;
    view->size = size;
    view->pin[0] = held.ref;
    view->pin[1] = held.key;
    return 0;
}

int objstore_get(struct objstore *s, const struct objstore_id *id, int timeout_ms,
                 struct objstore_view *view)
{
    struct lead lead;

    if (!s || !id || !view || timeout_ms < -1 || s->guard.may != MAY_WRITE ||
        !index_find_to_pin(s, id, &lead))
        return get_slowly(s, id, timeout_ms, view);
    return get_led(s, id, &lead, timeout_ms, view);
}

int object_get_led(struct objstore *s, const struct objstore_id *id, const struct lead *lead,
                   struct objstore_view *view)
{
    return get_led(s, id, lead, 0, view);
}

/* A view of it has ended. */
static inline void look_at_released(struct objstore *s, uint64_t key)
{
    uint64_t now = au64_load_seq_cst(&s->slots[(key >> 32) - 1].word); /* E2 */

    if (__builtin_expect(word_is_in(now, SLOT_DOOMED), 0))
        reclaim_if_unpinned(s, pin_slot(key), now, RECLAIM_FRESH);
}

static __attribute__((noinline)) void release_counted(struct objstore *s, uint64_t ref,
                                                      uint64_t key)
{
    if (unpin(s, ref, key)) /* N2 */
        look_at_released(s, key);
}

/* Does nothing to what is no view, or one that was released. */
void objstore_release(struct objstore *s, struct objstore_view *view)
{
    if (!view || !s || s->guard.may != MAY_WRITE)
        return;
    uint64_t ref = view->pin[0], key = view->pin[1];
    *view = (struct objstore_view){ 0 };
    if (__builtin_expect((ref & PIN_COUNTS) != 0, 0))
        release_counted(s, ref, key);
    else if (__builtin_expect(unpin_alone(s, ref, key), 1)) /* N3 */
        look_at_released(s, key);
}

/* Copy without a pin, then see if the object is still the same. */
static int copy_out(const struct objstore *s, struct key key, void *buf, size_t cap, size_t *size)
{
    uint32_t index;
    uint64_t word, at = 0, full;
    int err = index_find(s, key, &index, &word);

    if (err)
        return err;
    if (extent_is_spilled(au64_load_relaxed(&slot_at(s, index)->extent)) &&
        (word_state(word) == SLOT_SPILLED || word_state(word) == SLOT_REPLACED))
        return spill_copy_out(s, index, word, buf, cap, size);
    if (word_state(word) == SLOT_SPILLED) /* its slot has been given back since, or is damaged */
        return au64_load_acquire(&slot_at(s, index)->word) != word ? -EAGAIN : -EBADMSG;
    if (!word_is_readable(word))
        return -ENOENT;
    full = au64_load_relaxed(&slot_at(s, index)->size); /* relaxed: the word is read again */
    bool is_sound = object_place(s, index, full, &at);
    if (is_sound && full && cap)
        memcpy(buf, s->view + at, full < cap ? full : cap);
    POINT("object: copied out, not looked at again");
    atomic_thread_fence(memory_order_acquire);               /* the bytes before the word */
    if (au64_load_relaxed(&slot_at(s, index)->word) != word) /* relaxed: the fence orders it */
        return -EAGAIN;
    if (!is_sound)
        return -EBADMSG;
    *size = full;
    return 0;
}

/* What only went to a file meanwhile, or came back, is there. */
static int read_unpinned(const struct objstore *s, struct key key, void *buf, size_t cap,
                         size_t *size)
{
    int err = copy_out(s, key, buf, cap, size);

    if (err != -EAGAIN)
        return err;
    while (err == -EAGAIN)
        err = copy_out(s, key, buf, cap, size);
    return err == -ENOENT ? -EAGAIN : err;
}

int objstore_read(struct objstore *s, const struct objstore_id *id, void *buf, size_t cap,
                  size_t *size)
{
    struct objstore_view view;
    struct key key;
    int err = check_key(s, id, &key);

    if (!err && (!size || (cap && !buf)))
        err = -EINVAL;
    if (err || !s->rw)
        return err ? err : read_unpinned(s, key, buf, cap, size);
    err = objstore_get(s, id, 0, &view);
    if (err == -ENOSPC) /* to bring it back, or to note the view: a copy takes none */
        return read_unpinned(s, key, buf, cap, size);
    if (err)
        return err;
    if (view.size && cap)
        memcpy(buf, view.data, view.size < cap ? view.size : cap);
    *size = view.size;
    objstore_release(s, &view);
    return 0;
}

bool objstore_contains(struct objstore *s, const struct objstore_id *id)
{
    struct key key;
    uint32_t index;
    uint64_t word;

    return !check_key(s, id, &key) && !index_find(s, key, &index, &word) &&
           word_is_readable(word);
}
