/* SPDX-License-Identifier: MIT */
/*
 * queue.c -- tasks from outside: a client (the driver, the supervisor, a guest) pushes into the
 *            queue of its seat, any worker pops, in order.
 *
 * One producer, many consumers: slot[tail % capacity] = hint, then tail + 1 by a plain store, once
 * for all that are pushed together; a consumer reads up to 32 hints from head on and takes them
 * with one CAS of head. Producer and
 * consumers meet in the slots only, so a producer in full flight does not make thieves fail, as it
 * would in the deque. Head and tail only grow (64 bits), so a CAS of head that succeeds proves that
 * nobody popped meanwhile, and the producer does not overwrite what head has not passed.
 *
 * Who looks at the tail, after it was written, takes its line from the producer altogether. So the
 * producer writes it without reading it first: to read would be to fetch it twice, once to read
 * and once to write.
 *
 * A hint that is published alone also stands beside the tail, with its position: who waits for the
 * tail to move has it in the line that it looks at, and need not fetch that of the slot.
 *
 * Why not one ring for all producers: a ring in which several may push needs a CAS per slot and
 * helping (19 ns against 3 here), and nobody else has to push: a worker has its deque.
 *
 * Ordering  R1  slot (relaxed), tail (release) -> tail acquire, slot.
 *           R2  slots read, head CAS (acq_rel) -> head acquire of the producer, which then
 *               overwrites them.
 *           R3  newest_at = n (relaxed), newest (release), tail = n + 1 (release)  |  tail acquire,
 *               newest_at is n, newest acquire, newest_at still n. The tail brings both; a later
 *               `newest` brings a later newest_at.
 * Crashes   Both words are whole at every instant. Hints popped by a process that died are lost:
 *   header.lost. Between newest_at and tail: position n will be written by the seat's next
 *   process, which takes newest_at away first.
 */
#include "pool.h"

#define LINE_SLOTS (CACHE_LINE / sizeof(struct au64))
#define PUBLISH_EVERY 32u

static struct au64 *slots_of(const struct wsched *p, uint32_t seat)
{
    return &p->queues[(uint64_t)(seat - p->workers) * p->queue_capacity];
}

/* The producer's threads hold its lock. */
bool queue_push(struct wsched *p, uint64_t hint)
{
    struct seat *s = &p->seats[p->seat];
    struct au64 *slots = slots_of(p, p->seat);
    const uint64_t mask = p->queue_capacity - 1;
    uint64_t tail = p->queue_tail;

    if (!tail) { /* where the seat's process before us ended, if there was one; relaxed: ours */
        tail = p->queue_published = au64_load_relaxed(&s->tail);
        au64_store_relaxed(&s->newest_at, UINT64_MAX); /* R3: it may have died just there */
    }
    if (tail - p->queue_head_seen >= p->queue_capacity) {
        p->queue_head_seen = au64_load_acquire(&s->head); /* R2 */
        if (tail - p->queue_head_seen >= p->queue_capacity)
            return false;
    }
    if (tail % LINE_SLOTS == 0)
        line_want(&slots[(tail + 2 * LINE_SLOTS) & mask]);
    au64_store_relaxed(&slots[tail & mask], hint); /* relaxed: R1 */
    p->queue_tail = tail + 1;
    if (p->queue_tail % PUBLISH_EVERY == 0) /* workers need not wait for the last of a million */
        queue_publish(p);
    return true;
}

void queue_publish(struct wsched *p)
{
    struct seat *s = &p->seats[p->seat];
    uint64_t mine = p->queue_tail, published = p->queue_published;

    POINT("queue: slots written, tail not");
    if (!mine || mine == published)
        return;
    if (mine == published + 1) {
        const struct au64 *slot = &slots_of(p, p->seat)[published & (p->queue_capacity - 1)];
        au64_store_relaxed(&s->newest_at, published); /* relaxed: R3 */
        POINT("queue: place of the hint beside the tail, not the hint");
        au64_store_release(&s->newest, au64_load_relaxed(slot)); /* relaxed: ours */
        POINT("queue: hint beside the tail, tail not written");
    }
    au64_store_release(&s->tail, mine); /* R1, R3 */
    p->queue_published = mine;
}

/* The hint at head, after a look at the tail; a CAS of head will say whether it is still there. */
static uint64_t hint_at(const struct wsched *p, uint32_t seat, uint64_t head)
{
    const struct seat *s = &p->seats[seat];

    if (au64_load_relaxed(&s->newest_at) == head) { /* relaxed: R3 */
        uint64_t hint = au64_load_acquire(&s->newest);
        if (au64_load_relaxed(&s->newest_at) == head) /* relaxed: R3 */
            return hint;
    }
    return au64_load_relaxed(&slots_of(p, seat)[head & (p->queue_capacity - 1)]); /* relaxed: R1 */
}

uint32_t queue_pop(struct wsched *p, uint32_t seat, uint32_t max, uint64_t hints[STEAL_MAX])
{
    struct seat *s = &p->seats[seat];
    const struct au64 *slots = slots_of(p, seat);
    uint64_t head = au64_load_acquire(&s->head);
    uint64_t tail = au64_load_acquire(&s->tail); /* R1 */
    uint64_t n = tail - head;

    if (n == 0 || n > p->queue_capacity) /* empty; damaged */
        return 0;
    if (n > 1)
        n = ((uint32_t)n + p->workers - 1) / p->workers; /* leave the others their part */
    n = n > max ? max : n;
    n = n > STEAL_MAX ? STEAL_MAX : n;
    hints[0] = hint_at(p, seat, head);
    for (uint32_t i = 1; i < n; i++) /* relaxed: R1 */
        hints[i] = au64_load_relaxed(&slots[(head + i) & (p->queue_capacity - 1)]);
    if (!au64_cas_acq_rel(&s->head, &head, head + n)) /* R2 */
        return 0;
    POINT("queue: hints popped, not in our deque");
    return (uint32_t)n;
}

/* The oldest hint, and what queue_drop() needs to take just that. */
bool queue_peek(struct wsched *p, uint32_t seat, uint64_t *hint, uint64_t *head)
{
    *head = au64_load_acquire(&p->seats[seat].head);
    uint64_t n = au64_load_acquire(&p->seats[seat].tail) - *head; /* R1 */

    if (n == 0 || n > p->queue_capacity) /* empty; damaged */
        return false;
    *hint = hint_at(p, seat, *head);
    return true;
}

void queue_drop(struct wsched *p, uint32_t seat, uint64_t head)
{
    au64_cas_acq_rel(&p->seats[seat].head, &head, head + 1); /* R2 */
}

void queue_want(struct wsched *p, uint32_t seat)
{
    uint64_t hint, head;

    if (queue_peek(p, seat, &hint, &head))
        task_want(p, hint);
}

bool queue_is_damaged(const struct wsched *p, uint32_t seat)
{
    uint64_t head = au64_load_acquire(&p->seats[seat].head);
    uint64_t tail = au64_load_acquire(&p->seats[seat].tail); /* R1 */

    return tail - head > p->queue_capacity && au64_load_acquire(&p->seats[seat].head) == head;
}
