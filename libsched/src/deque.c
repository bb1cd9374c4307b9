/* SPDX-License-Identifier: MIT */
/*
 * deque.c -- a worker's own tasks: it pushes and takes at one end, others steal at the other.
 *
 * The idempotent deque of Michael, Vechev and Saraswat (PPoPP 2009): one word, the anchor, packs
 * tag:37 | size:14 | head:13. The owner changes it by plain stores, thieves by CAS. A store of the
 * owner may undo a steal that happened meanwhile; then a hint is handed out twice, which is
 * harmless, because a task is claimed by CAS in the table. In return the owner needs neither a
 * fence nor a CAS: 2.5 ns instead of 6 to 11 for Chase and Lev's.
 *
 *   push   slot[head + size] = hint, then anchor = (head, size + 1, tag + 1)
 *   take   hint = slot[head + size - 1], anchor = (head, size - 1, tag)
 *   steal  read k hints from head on, then CAS anchor -> (head + k, size - k, tag)
 *
 * Why no hint is lost while its owner lives: a slot changes only by push, and each push changes
 * the tag, so the CAS of a thief succeeds only if no slot it read has changed. What the owner's
 * store undoes are removals, never pushes.
 *
 * Ordering  Q1  push: slot (relaxed), anchor (release) -> anchor acquire in steal, slot. For the
 *   second half of a steal the CAS is acq_rel: the slots are read before it.
 * Crashes   The anchor is whole at every instant. Hints a dead process had in hand are lost, the
 *   supervisor raises header.lost for them. The deque of a dead worker can be stolen from, and its
 *   successor goes on with it.
 * Limits    8,192 hints, then push says so (and header.lost is raised). A tag recurs after 2^37
 *   pushes; a thief would have to sleep exactly so long between its read and its CAS.
 */
#include "pool.h"

#define HEAD_MASK (DEQUE_CAPACITY - 1)

_Static_assert(DEQUE_CAPACITY == 1u << ANCHOR_HEAD_BITS, "the anchor's head");

struct anchor {
    uint32_t head, size;
    uint64_t tag;
};

static struct anchor unpack(uint64_t v)
{
    struct anchor a = { (uint32_t)v & HEAD_MASK,
                        (uint32_t)(v >> ANCHOR_HEAD_BITS) & ANCHOR_SIZE_MASK,
                        v >> (ANCHOR_HEAD_BITS + ANCHOR_SIZE_BITS) };

    if (a.size > DEQUE_CAPACITY) /* damaged */
        a.size = 0;
    return a;
}

static uint64_t pack(uint32_t head, uint32_t size, uint64_t tag)
{
    return tag << (ANCHOR_HEAD_BITS + ANCHOR_SIZE_BITS) | (uint64_t)size << ANCHOR_HEAD_BITS |
           (head & HEAD_MASK);
}

static struct au64 *slots_of(const struct wsched *p, uint32_t seat)
{
    uint32_t n =
        seat_is_crew(p, seat) ? seat : seat - guest_seat(p, 0) + p->workers; /* actors too */

    return &p->deques[(uint64_t)n * DEQUE_CAPACITY];
}

bool deque_push(struct wsched *p, uint64_t hint)
{
    struct au64 *anchor = &p->seats[p->seat].anchor;
    struct anchor a = unpack(au64_load_acquire(anchor));

    if (a.size == DEQUE_CAPACITY)
        return false;
    au64_store_relaxed(&slots_of(p, p->seat)[(a.head + a.size) & HEAD_MASK],
                       hint); /* relaxed: Q1 */
    POINT("deque: slot written, anchor not");
    au64_store_release(anchor, pack(a.head, a.size + 1, a.tag + 1)); /* Q1 */
    return true;
}

/* The last of them first: so the owner takes them in their order. How many found room. */
uint32_t deque_push_reversed(struct wsched *p, const uint64_t *hints, uint32_t n)
{
    struct au64 *anchor = &p->seats[p->seat].anchor;
    struct au64 *slots = slots_of(p, p->seat);
    struct anchor a = unpack(au64_load_acquire(anchor));
    uint32_t room = DEQUE_CAPACITY - a.size;

    if (!n)
        return 0;
    room = n < room ? n : room;
    for (uint32_t i = 0; i < room; i++) /* relaxed: Q1 */
        au64_store_relaxed(&slots[(a.head + a.size + i) & HEAD_MASK], hints[n - 1 - i]);
    POINT("deque: slots written, anchor not");
    au64_store_release(anchor, pack(a.head, a.size + room, a.tag + 1)); /* Q1 */
    return room;
}

/* What deque_take() will take; it may be gone by then, as another may have taken it. */
bool deque_newest(struct wsched *p, uint64_t *hint)
{
    struct anchor a = unpack(au64_load_acquire(&p->seats[p->seat].anchor));

    if (a.size) /* relaxed: our own store */
        *hint = au64_load_relaxed(&slots_of(p, p->seat)[(a.head + a.size - 1) & HEAD_MASK]);
    return a.size != 0;
}

/* The victim's oldest hint, and what deque_drop() needs to take just that. */
bool deque_peek(struct wsched *p, uint32_t victim, uint64_t *hint, uint64_t *seen)
{
    *seen = au64_load_acquire(&p->seats[victim].anchor); /* Q1 */
    struct anchor a = unpack(*seen);

    if (a.size) /* relaxed: a hint, and the CAS says whether it was still there */
        *hint = au64_load_relaxed(&slots_of(p, victim)[a.head & HEAD_MASK]);
    return a.size != 0;
}

void deque_drop(struct wsched *p, uint32_t victim, uint64_t seen)
{
    struct anchor a = unpack(seen);

    au64_cas_acq_rel(&p->seats[victim].anchor, &seen, pack(a.head + 1, a.size - 1, a.tag)); /* Q1 */
}

bool deque_take(struct wsched *p, uint64_t *hint)
{
    struct au64 *anchor = &p->seats[p->seat].anchor;
    struct anchor a = unpack(au64_load_acquire(anchor));

    if (a.size == 0)
        return false;
    /* relaxed: our own store */
    *hint = au64_load_relaxed(&slots_of(p, p->seat)[(a.head + a.size - 1) & HEAD_MASK]);
    au64_store_release(anchor, pack(a.head, a.size - 1, a.tag)); /* Q1 */
    POINT("deque: hint taken, task not claimed");
    return true;
}

/* Up to `max` of the victim's oldest hints, at most half of them; 0 also if somebody was faster. */
uint32_t deque_steal(struct wsched *p, uint32_t victim, uint32_t max, uint64_t hints[STEAL_MAX])
{
    struct au64 *anchor = &p->seats[victim].anchor;
    uint64_t seen = au64_load_acquire(anchor); /* Q1 */
    struct anchor a = unpack(seen);
    uint32_t n = (a.size + 1) / 2;

    n = n > max ? max : n;
    n = n > STEAL_MAX ? STEAL_MAX : n;
    if (n == 0)
        return 0;
    for (uint32_t i = 0; i < n; i++) /* relaxed: the CAS says whether they were still there */
        hints[i] = au64_load_relaxed(&slots_of(p, victim)[(a.head + i) & HEAD_MASK]);
    if (!au64_cas_acq_rel(anchor, &seen, pack(a.head + n, a.size - n, a.tag))) /* Q1 */
        return 0;
    POINT("deque: hints stolen, not in our deque");
    return n;
}

bool deque_is_damaged(const struct wsched *p, uint32_t seat)
{
    uint64_t anchor = au64_load_acquire(&p->seats[seat].anchor);

    return (anchor >> ANCHOR_HEAD_BITS & ANCHOR_SIZE_MASK) > DEQUE_CAPACITY;
}
