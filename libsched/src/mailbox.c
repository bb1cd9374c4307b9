/* SPDX-License-Identifier: MIT */
/*
 * mailbox.c -- the calls that wait for one actor: a ring into which anybody pushes, and which only
 * the actor's process reads, in order.
 *
 * Position n of the endless queue is slot n % MAILBOX_SLOTS in lap n / MAILBOX_SLOTS. A slot is
 *
 *     empty(lap)   lap << 1            free for position lap * MAILBOX_SLOTS + slot
 *     full         future << 1 | 1     of the lap in which it was empty
 *
 *   M1  empty(lap) -> full        push   by CAS; who wins has the position tail had
 *   M2  tail -> tail + 1          push   by CAS: by the winner, or by whoever finds the slot at
 *                                        tail no longer empty in tail's lap
 *   M3  full -> empty(lap + 1)    pop    by store, after the call is over
 *   M4  head -> head + 1          pop    by store
 *
 * Invariants
 *   I1  head is written by one process: the actor's. After its death the next one's, or the
 *       supervisor's, never two at a time (the seat is filled again after the sweep).
 *   I2  Slots of positions in [head, tail) are full, but for the one at head between M3 and M4.
 *       The slot at tail is full between M1 and M2. All others are empty in their next lap.
 *   I3  A push takes position n only while n - head < limit <= MAILBOX_SLOTS: it looked at a head
 *       that can only have grown since, so the slot is not that of a call which still waits.
 *   I4  A lap never comes again in 63 bits: a pusher that was stopped between its look at tail and
 *       M1 finds another lap, and tries again.
 *   I5  Two pushes of one thread take positions in their order: the second looks at a tail behind
 *       the first one's position, for M2 of it was done, by itself or another, before it returned.
 *
 * Ordering
 *   X1  M1 (release) -> acquire in mailbox_first(): the reader sees what the pusher wrote before.
 *   X2  M3 (release), M4 (release) -> acquire of head in push: I3.
 *   Who sleeps and who wakes is the caller's matter (A3 of actor.c).
 *
 * Deaths   A pusher before M1 has done nothing; after it, anybody does M2 for it. A reader before
 *   M3: the call is still first, which is what a call that is retried, or has ended, may be.
 *   Between M3 and M4 the next reader finds an empty slot of the next lap at head, and does M4.
 * Damage   Any value is full, empty here, or neither; "neither" is passed over by pushers, as if it
 *   had been read, and made empty in the next lap by the reader. So everybody gets on, or, when
 *   head and tail are nonsense, a push says after a while that there is no room.
 * Progress Lock-free: a push tries again only because another one, or the reader, got on.
 *
 * Why not one list through the task table, which would need no ring: a word per call would then
 * change by several processes for the order alone, and a death in the middle needs a walk.
 */
#include "mailbox.h"

#include "point.h"

#define SLOT_MASK (MAILBOX_SLOTS - 1)
#define FULL 1u
#define TRIES (1u << 20) /* in vain, of one push: more than luck explains */

static uint64_t empty_at(uint64_t position)
{
    return position / MAILBOX_SLOTS << 1;
}

static bool has_room(const struct mailbox *m, uint64_t tail, uint32_t limit, struct au64 *head_seen)
{
    /* Relaxed: any head that ever was will do; it is looked at again before we say no. */
    if ((int64_t)(tail - au64_load_relaxed(head_seen)) < (int64_t)limit)
        return true;
    uint64_t head = au64_load_acquire(&m->ends->head); /* X2 */
    au64_store_relaxed(head_seen, head);
    return (int64_t)(tail - head) < (int64_t)limit;
}

bool mailbox_has_room(const struct mailbox *m, uint32_t limit, struct au64 *head_seen)
{
    return has_room(m, au64_load_acquire(&m->ends->tail), limit, head_seen);
}

bool mailbox_push(const struct mailbox *m, uint64_t future, uint32_t limit, struct au64 *head_seen)
{
    for (uint32_t n = 0; n < TRIES; n++) {
        uint64_t tail = au64_load_acquire(&m->ends->tail);
        if (!has_room(m, tail, limit, head_seen))
            return false;
        struct au64 *slot = &m->slots[tail & SLOT_MASK];
        uint64_t empty = empty_at(tail);
        bool is_ours = au64_load_relaxed(slot) == empty && /* relaxed: the CAS decides */
                       au64_cas_seq_cst(slot, &empty, future << 1 | FULL); /* M1, X1, A3 */
        if (is_ours)
            POINT("mailbox: slot full, tail not moved");
        au64_cas_acq_rel(&m->ends->tail, &tail, tail + 1); /* M2 */
        if (is_ours)
            return true;
    }
    return false; /* damaged */
}

bool mailbox_first(const struct mailbox *m, uint64_t *future)
{
    for (uint32_t n = 0; n <= MAILBOX_SLOTS; n++) {
        uint64_t head = au64_load_relaxed(&m->ends->head);           /* relaxed: ours */
        uint64_t v = au64_load_seq_cst(&m->slots[head & SLOT_MASK]); /* X1, A3 */
        if (v & FULL) {
            *future = v >> 1;
            return true;
        }
        if (v == empty_at(head))
            return false;
        mailbox_pop(m); /* a death between M3 and M4; or damage */
    }
    return false;
}

void mailbox_pop(const struct mailbox *m)
{
    uint64_t head = au64_load_relaxed(&m->ends->head); /* relaxed: ours */

    au64_store_release(&m->slots[head & SLOT_MASK], empty_at(head + MAILBOX_SLOTS)); /* M3, X2 */
    POINT("mailbox: slot empty, head not moved");
    au64_store_release(&m->ends->head, head + 1); /* M4, X2 */
}

uint32_t mailbox_size(const struct mailbox *m)
{
    uint64_t head = au64_load_acquire(&m->ends->head);
    int64_t n = (int64_t)(au64_load_acquire(&m->ends->tail) - head);

    return n < 0 ? 0 : n > (int64_t)MAILBOX_SLOTS ? MAILBOX_SLOTS : (uint32_t)n;
}

uint64_t mailbox_peek(const struct mailbox *m, uint32_t number)
{
    uint64_t at = au64_load_relaxed(&m->ends->head) + number; /* relaxed: a look */
    uint64_t v = number < MAILBOX_SLOTS ? au64_load_acquire(&m->slots[at & SLOT_MASK]) : 0;

    return v & FULL ? v >> 1 : 0;
}
