/* SPDX-License-Identifier: MIT */
/* events.h -- taking a stamp and writing an event: events.c, what every task does. */
#ifndef WSCHED_EVENTS_H
#define WSCHED_EVENTS_H

#include "pool.h"

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

static inline uint64_t ticks_now(const struct wsched *p)
{
#if defined(__x86_64__)
    if (p->has_tsc)
        return __rdtsc();
#endif
    return (uint64_t)monotonic_ns();
}

/* What an event says beside its time and its task: all but its kind. */
static inline uint64_t event_what(pid_t pid, uint32_t kernel, uint32_t attempt, const void *label)
{
    return (uint64_t)(uint32_t)pid << 32 | (uint64_t)(kernel & 0xffff) << 16 |
           (uint64_t)(attempt & 0xff) << 8 | (label ? EVENT_LABELLED : 0);
}

void event_label_put(struct event_label *to, const void *label);

/* Have the pages made of the next events, of which `number` at `place` is the first. */
void events_ahead(struct wsched *p, uint32_t seat, uint32_t place, uint64_t number);

/* A process goes through its own ring place by place, which saves a division. */
static inline uint64_t event_place(struct wsched *p, uint32_t seat, uint64_t number)
{
    uint32_t place = p->event_place; /* event_number % event_places */

    if (number != p->event_number)
        place = (uint32_t)(number % p->event_places);
    if (number >= p->event_ready)
        events_ahead(p, seat, place, number);
    p->event_number = number + 1;
    p->event_place = place + 1 < p->event_places ? place + 1 : 0;
    return (uint64_t)seat * p->event_places + place;
}

#define EVENTS_AHEAD 8 /* four lines: what stores wait for is there by then */

/* `what`: event_what(), for all events of a task once. */
static inline void event_write(struct wsched *p, uint32_t seat, enum wsched_event_kind kind,
                               uint64_t ticks, uint64_t future, uint64_t what, const void *label)
{
    struct seat *s = &p->seats[seat];
    uint64_t number = au64_load_relaxed(&s->events); /* relaxed: ours */
    uint64_t at = event_place(p, seat, number);
    struct event_record *r = &p->events[at];

    line_want(r + EVENTS_AHEAD);
    atomic_thread_fence(memory_order_release); /* V1; free on x86 */
    au64_store_relaxed(&r->ticks, ticks);      /* relaxed: V1 */
    au64_store_relaxed(&r->task, future);
    au64_store_relaxed(&r->what, what | (uint64_t)kind);
    if (label)
        event_label_put(&p->event_labels[at], label);
    au64_store_release(&s->events, number + 1); /* V1 */
}

static inline void event_put(struct wsched *p, uint32_t seat, enum wsched_event_kind kind,
                             uint64_t ticks, uint64_t future, uint32_t attempt, uint32_t kernel,
                             pid_t pid, const void *label)
{
    event_write(p, seat, kind, ticks, future, event_what(pid, kernel, attempt, label), label);
}

#endif
