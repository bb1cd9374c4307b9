/* SPDX-License-Identifier: MIT */
/*
 * evict.c -- which objects make room when bytes run out.
 *
 * The policy is SIEVE (Zhang et al., "SIEVE is Simpler than LRU", NSDI 2024): objects stand in a
 * queue in the order in which they came; a hand goes from the oldest to the newest and round
 * again. One that was used since the hand last came by stays, and the mark of its use goes; one
 * that was not makes room. A scan's objects, never used again, go at the hand's first visit and
 * push nothing out that is in use. A get costs a look at a word that is in its cache already, and
 * one or once per round of the hand.
 *
 * Here the queue is not kept but found: its order is that of the objects' age, the hand is an age
 * (in the spill page), and who needs room looks once at all slots for those that follow
 * the hand, as many as make the room. That is linear in the slots, so it takes many at a time.
 * A restored object keeps its age and so stands behind the hand: as far from it as a new one.
 *
 * Everything here is advice. Two processes that make room at once may choose the same objects; a
 * mark in the slot, CLAIMED, makes that rare, and the move itself decides (replace.c). The mark
 * of one who died goes with the sweep, that of one who stopped at the hand's next visit.
 *
 * One alone may have claimed all that could go. Who finds nothing else waits until the first such
 * object that it met has gone, or is no longer held, and looks again: as long as a disk may take, as
 * its claimer may have stopped.
 */
#include "evict.h"
#include "alloc.h"
#include "events.h"
#include "index.h"
#include "pin.h"
#include "reap.h"
#include "slot.h"
#include "spill.h"
#include "wait.h"

#include <stdlib.h>

#define CANDIDATES 65536u

struct candidate {
    uint64_t age; /* created, without flags */
    uint32_t slot;
    uint32_t bytes; /* in units of 64 that come free; 0: it was used, or cannot go now */
    uint64_t word;
};

/* The candidates are a heap with the youngest on top, so that it can be let go first. */
struct queue {
    struct candidate *heap;
    uint32_t count;
    uint64_t bytes, wanted;   /* in units of 64 */
    struct candidate claimed; /* one that somebody else moves; age 0: there was none */
};

static bool is_older(const struct candidate *a, const struct candidate *b)
{
    return a->age != b->age ? a->age < b->age : a->slot < b->slot;
}

static void sift_down(struct queue *q, uint32_t i)
{
    struct candidate c = q->heap[i];

    for (uint32_t child; (child = 2 * i + 1) < q->count; i = child) {
        if (child + 1 < q->count && is_older(&q->heap[child], &q->heap[child + 1]))
            child++;
        if (!is_older(&c, &q->heap[child]))
            break;
        q->heap[i] = q->heap[child];
    }
    q->heap[i] = c;
}

static void pop(struct queue *q)
{
    q->bytes -= q->heap[0].bytes;
    q->heap[0] = q->heap[--q->count];
    if (q->count)
        sift_down(q, 0);
}

/* Is there no need of it? */
static bool is_too_young(const struct queue *q, const struct candidate *c)
{
    bool is_enough = q->count == CANDIDATES || q->bytes >= q->wanted;

    return is_enough && !is_older(c, &q->heap[0]);
}

static void push(struct queue *q, const struct candidate *c)
{
    if (q->count == CANDIDATES)
        pop(q);
    uint32_t i = q->count++;
    q->bytes += c->bytes;
    for (; i > 0 && is_older(&q->heap[(i - 1) / 2], c); i = (i - 1) / 2)
        q->heap[i] = q->heap[(i - 1) / 2];
    q->heap[i] = *c;
    while (q->count > 1 && q->bytes - q->heap[0].bytes >= q->wanted)
        pop(q);
}

/* What the hand would meet at this slot, but for its bytes. False: nothing. */
static bool look(const struct objstore *s, uint32_t index, struct candidate *c)
{
    const struct slot *slot = slot_at(s, index);

    c->word = au64_load_acquire(&slot->word);                    /* E1 */
    c->age = au64_load_relaxed(&slot->created) & ~CREATED_FLAGS; /* relaxed: advice */
    c->slot = index;
    return word_state(c->word) == SLOT_SEALED;
}

/* Its bytes; to look for pins takes a while. False: it lives in its slot. */
static bool measure(const struct objstore *s, struct candidate *c)
{
    const struct slot *slot = slot_at(s, c->slot);
    uint64_t created = au64_load_relaxed(&slot->created), at, room;    /* relaxed: advice */
    struct extent e = extent_unpack(au64_load_relaxed(&slot->extent)); /* relaxed: advice */

    if (!extent_place(s, &e, &at, &room))
        return false;
    c->bytes = 0;
    if (!(created & (CREATED_USED | CREATED_CLAIMED)) && !pins_seen(s, c->slot, c->word))
        c->bytes = room / 64 < UINT32_MAX ? (uint32_t)(room / 64) : UINT32_MAX;
    return true;
}

static bool is_claimed(const struct objstore *s, const struct candidate *c)
{
    return au64_load_relaxed(&slot_at(s, c->slot)->created) & CREATED_CLAIMED; /* advice */
}

static int by_age(const void *a, const void *b)
{
    return is_older(a, b) ? -1 : 1;
}

/* The hand goes on from `from`: whoever follows, the oldest first, until it is enough. */
static void collect(struct objstore *s, struct queue *q, const struct candidate *from)
{
    uint32_t slots = slots_in_use(s);
    struct candidate c;

    q->count = 0;
    q->bytes = 0;
    for (uint32_t i = 0; i < slots; i++)
        if (look(s, i, &c) && is_older(from, &c) && !is_too_young(q, &c) && measure(s, &c)) {
            if (!q->claimed.age && is_claimed(s, &c))
                q->claimed = c;
            push(q, &c);
        }
    if (q->count > 1)
        qsort(q->heap, q->count, sizeof *q->heap, by_age);
}

/* Hide it, and give its bytes back. */
static bool evict_one(struct objstore *s, const struct candidate *c)
{
    struct slot *slot = slot_at(s, c->slot);
    struct key key = { { au64_load_relaxed(&slot->id[0]), au64_load_relaxed(&slot->id[1]) } };
    uint64_t seen = c->word, on = events_on(s); /* relaxed, above: T4 decides */

    if (events_has_listeners(on))
        events_tell(s, HINT_DELETE, c->slot, c->word, key); /* H1 */
    if (!slot_change(s, c->slot, &seen, SLOT_DOOMED))       /* T4, E2 */
        return false;
    POINT("evict: doomed, still in its chain");
    if (events_has_new_listeners(s, on))
        events_tell(s, HINT_DELETE, c->slot, c->word, key); /* H3 */
    uint64_t word = word_with(c->word, SLOT_DOOMED, 0);
    if (!index_remove(s, c->slot, word))
        reclaim_if_unpinned(s, c->slot, word, RECLAIM_UNLINKED);
    au64_add_relaxed(&s->spill->page->evicted, 1); /* relaxed: statistics */
    au64_add_relaxed(&s->spill->page->evicted_bytes, au64_load_relaxed(&slot->size));
    return true;
}

static bool claim(struct objstore *s, const struct candidate *c)
{
    struct slot *slot = slot_at(s, c->slot);
    uint64_t before = au64_or_acq_rel(&slot->created, CREATED_CLAIMED);

    if (before & CREATED_CLAIMED)
        return false;
    if (!(before & CREATED_USED) && au64_load_acquire(&slot->word) == c->word)
        return true;
    au64_and_acq_rel(&slot->created, ~CREATED_CLAIMED);
    return false;
}

/* The hand on its way through a queue. */
struct hand {
    struct objstore *s;
    const struct queue *q;
    uint32_t at;
};

/* The next that makes room; who was used gets another round. NULL: the hand is through. */
static const struct candidate *hand_next(struct hand *h)
{
    while (h->at < h->q->count) {
        const struct candidate *c = &h->q->heap[h->at++];

        if (c->bytes)
            return c;
        au64_and_acq_rel(&slot_at(h->s, c->slot)->created, ~(CREATED_USED | CREATED_CLAIMED));
    }
    return NULL;
}

static uint32_t hand_claim(void *ctx, struct victim *victims, uint32_t most)
{
    struct hand *h = ctx;
    const struct candidate *c;
    uint32_t count = 0;

    while (count < most && (c = hand_next(h)))
        if (claim(h->s, c))
            victims[count++] = (struct victim){ c->slot, c->word };
    return count;
}

/* What the hand comes to makes room. */
static int64_t sweep(struct objstore *s, const struct queue *q)
{
    struct hand h = { s, q, 0 };
    const struct candidate *c;
    uint64_t freed = 0;
    int err = 0;

    if (s->spill->mode == SPILL_TO_FILES)
        err = spill_move(s, hand_claim, &h, &freed);
    else
        while ((c = hand_next(&h)))
            freed += evict_one(s, c) ? (uint64_t)c->bytes * 64 : 0;
    return freed ? (int64_t)freed : err;
}

/* A little ahead, so that the look at all slots is paid for by many objects. */
static uint64_t wanted_for(const struct objstore *s, uint64_t bytes)
{
    uint64_t capacity = s->geo.capacity_bytes;
    uint64_t ahead = s->spill->mode == SPILL_EVICT ? capacity / 256 : capacity / 16;

    if (ahead > 8u << 20)
        ahead = 8u << 20;
    return bytes > ahead ? bytes : ahead;
}

/* As evict_make_room(); *claimed is one that somebody else was moving, if nothing could go. */
static int64_t make_room(struct objstore *s, uint64_t bytes, struct candidate *claimed)
{
    struct spill_page *page = s->spill ? s->spill->page : NULL;
    struct queue q = { .wanted = page ? (wanted_for(s, bytes) + 63) / 64 : 0 };
    int64_t freed = 0;

    if (!page)
        return 0;
    q.heap = malloc(CANDIDATES * sizeof *q.heap);
    if (!q.heap)
        return -ENOMEM;
    /* To the end, once round taking marks away, and once more. */
    for (int rounds = 0; rounds < 3 && freed == 0;) {
        struct candidate from = { .age = au64_load_relaxed(&page->hand), /* relaxed: advice */
                                  .slot = (uint32_t)au64_load_relaxed(&page->hand_slot) };

        collect(s, &q, &from);
        if (q.count) {
            from = q.heap[q.count - 1];
            freed = sweep(s, &q);
        }
        if (q.count < CANDIDATES && q.bytes < q.wanted) { /* that was the end */
            from = (struct candidate){ 0 };
            rounds++;
        }
        au64_store_relaxed(&page->hand, from.age);
        au64_store_relaxed(&page->hand_slot, from.slot);
    }
    free(q.heap);
    *claimed = q.claimed;
    return freed;
}

int64_t evict_make_room(struct objstore *s, uint64_t bytes)
{
    struct candidate claimed;

    return make_room(s, bytes, &claimed);
}

/* It has gone elsewhere, or nobody holds it, or it is time to give up. */
static void wait_until_moved(struct objstore *s, const struct candidate *c, int64_t until)
{
    struct au32 *on = wait_word_any(s);

    POINT("evict: nothing but what another moves");
    do {
        uint32_t announced = wait_announce(on); /* what is sealed meanwhile may make room, too */

        if (au64_load_seq_cst(&slot_at(s, c->slot)->word) != c->word) /* M4 of replace.c */
            return;
        (void)wait_sleep(on, announced, wait_slice(until));
    } while (pins_seen(s, c->slot, c->word) && monotonic_ns() < until);
}

int64_t evict_or_wait(struct objstore *s, uint64_t bytes, int64_t *until)
{
    struct candidate claimed = { .age = 0 };
    int64_t freed = make_room(s, bytes, &claimed);

    if (freed || !claimed.age)
        return freed;
    if (!*until)
        *until = wait_patience(bytes);
    if (monotonic_ns() >= *until)
        return 0;
    wait_until_moved(s, &claimed, *until);
    return 1;
}
