/* SPDX-License-Identifier: MIT */
/*
 * circle.c -- who would wait for whom in a circle: -EDEADLK instead of waiting for ever.
 *
 * Before it sleeps in a wait, a seat notes in seat.awaits what it waits for: a future, if all that
 * are not over are needed, or an actor with a full mailbox. From there the table leads on: a task
 * that runs, to the seat it runs in; a call that waits, to its actor's seat; a full mailbox
 * likewise; that seat to what it awaits. If that comes back to our own seat, nobody in the circle
 * would ever wake: a call runs only when its actor has finished the one before, and what stands on
 * a stack goes on only when all above it is over. (Of workers alone there is no circle: worker.c.)
 * A stream that runs beside the stack (fiber.c) notes in its own record, in place of the seat's; what
 * its attempt before noted does not count. That it waits for who takes its items is not noted.
 *
 *   C1  seat.waits + 1; seat.awaits = what            note(), before a seat sleeps
 *   C2  walk from what we await, link by link         if it does not come back to us: sleep
 *   C3  are all processes on the way alive?           one that is dead waits no more: the sweep
 *                                                     takes what it ran further
 *   C4  walk again; is every link the same?           then it is a circle, else sleep
 *   C5  seat.awaits = 0                               when it is over, or by the sweep
 *
 * One walk reads its words at different times: a seat may be seen to run what it has ended, and to
 * await what it noted only then. The second finds every word as the first did, and none can have
 * changed between: a task's word without its flags never comes back, for each attempt has another
 * number; `waits` grows with every note; and only its actor moves the head of a mailbox. So all links
 * held at one moment, between the two walks, and all processes were alive.
 *
 * A circle is not missed: a link is closed by a note, C1, before the look of whoever notes, C2, all
 * seq_cst. Of those that close a circle at the same time, the one that notes last sees the others'
 * notes, and they stand until it has looked twice. A link that changes in the meantime was not yet,
 * or is no more, part of one; who changed it notes again before it sleeps, and looks.
 *
 * Death     Before C5 the word stays until the sweep: C3. Model: tests/sched/test_model_circle.c.
 */
#include "actor.h"

#include "identity.h"
#include "stream.h"

#define AWAITS_ACTOR (1ull << 63)

#define ATTEMPT_SHIFT 56

struct link { /* from what is awaited to a seat, and what that awaits */
    uint64_t awaited;
    uint64_t held; /* by which it stands: the task's word without flags, or the mailbox's head */
    uint64_t waits, awaits;
    const struct stream_record *beside; /* or a task that runs beside that seat's stack */
    uint32_t seat, attempt;
};

struct way {
    uint32_t length;
    struct link links[SEATS_MAX];
};

/* Is its mailbox full? Then *head is the first call's place. */
static bool is_full(const struct actor *a, uint64_t *head)
{
    uint32_t capacity = a->capacity < MAILBOX_MAX ? a->capacity : MAILBOX_MAX;

    *head = au64_load_acquire(&a->mailbox.head); /* before the tail: while it stays, that only grows */
    return au64_load_acquire(&a->mailbox.tail) - *head >= capacity;
}

/* The seat that has to do something before this is over. False: nobody in particular. */
static bool find_seat(struct wsched *p, struct link *l)
{
    uint32_t index, place;
    uint64_t word;

    if (l->awaited & AWAITS_ACTOR) {
        place = (uint32_t)l->awaited;
        if (!place || place > p->actors_max || !is_full(actor_at(p, place - 1), &l->held))
            return false;
        l->seat = actor_seat(p, place - 1);
        return true;
    }
    if (!future_look(p, l->awaited, &index, &word))
        return false;
    place = task_at(p, index)->place;
    l->held = word & ~(WORD_WAITED | WORD_CANCEL | WORD_RELEASED);
    if (word_state(word) == TASK_RUNNING && !place)
        l->beside = stream_of(p, index);
    l->attempt = word_attempt(word);
    if (word_state(word) == TASK_RUNNING)
        l->seat = word_seat(word);
    else if (word_state(word) == TASK_PENDING && place && place <= p->actors_max)
        l->seat = actor_seat(p, place - 1);
    else
        return false;
    return l->seat < p->seat_count;
}

static bool read_link(struct wsched *p, struct link *l)
{
    if (!find_seat(p, l))
        return false;
    POINT("circle: a seat found, what it awaits not read");
    const struct seat *s = &p->seats[l->seat];
    const struct au64 *waits = l->beside ? &l->beside->waits : &s->waits;
    l->waits = au64_load_acquire(waits);
    l->awaits = au64_load_seq_cst(l->beside ? &l->beside->awaits : &s->awaits);
    if (l->beside && l->waits >> ATTEMPT_SHIFT != l->attempt)
        l->awaits = 0;
    return au64_load_acquire(waits) == l->waits;
}

/* Where the running task notes, if not in its seat. */
static struct stream_record *beside(const struct wsched *p)
{
    return p->current && p->current->fiber ? stream_of(p, p->current->index) : NULL;
}

/* C2. True: the way leads back to us. */
static bool walk(struct wsched *p, uint64_t awaited, struct way *way)
{
    const struct stream_record *mine = beside(p);

    for (way->length = 0; way->length < p->seat_count && awaited;) {
        struct link *l = &way->links[way->length++];
        *l = (struct link){ .awaited = awaited };
        if (!read_link(p, l))
            return false;
        if (l->beside ? l->beside == mine : !mine && l->seat == p->seat)
            return true;
        awaited = l->awaits;
    }
    return false;
}

/* C3. */
static bool all_live(const struct wsched *p, const struct way *way)
{
    for (uint32_t i = 0; i < way->length; i++)
        if (identity_is_dead(au64_load_acquire(&p->seats[way->links[i].seat].identity)))
            return false;
    return true;
}

/* C4. */
static bool is_unchanged(struct wsched *p, const struct way *way)
{
    for (uint32_t i = 0; i < way->length; i++) {
        const struct link *before = &way->links[i];
        struct link now = { .awaited = before->awaited };
        if (!read_link(p, &now) || now.seat != before->seat || now.held != before->held ||
            now.waits != before->waits || now.awaits != before->awaits)
            return false;
    }
    return true;
}

static int note(struct wsched *p, uint64_t awaited)
{
    struct seat *me = &p->seats[p->seat];
    struct stream_record *mine = beside(p);
    struct au64 *waits = mine ? &mine->waits : &me->waits;
    struct way way;

    uint64_t count = au64_load_relaxed(waits) + 1; /* relaxed: ours */
    if (mine)
        count = (count & ((1ull << ATTEMPT_SHIFT) - 1)) |
                (uint64_t)p->current->attempt << ATTEMPT_SHIFT;
    au64_store_release(waits, count); /* C1 */
    au64_xchg_seq_cst(mine ? &mine->awaits : &me->awaits, awaited);
    POINT("circle: noted, not looked");
    if (!walk(p, awaited, &way) || !all_live(p, &way))
        return 0;
    POINT("circle: seen once");
    if (!is_unchanged(p, &way))
        return 0;
    circle_leave(p);
    return -EDEADLK;
}

int circle_await(struct wsched *p, const struct wanted *w)
{
    return w->need == w->n && w->left ? note(p, w->futures[w->left - 1].v) : 0;
}

int circle_await_room(struct wsched *p, uint32_t place)
{
    return note(p, AWAITS_ACTOR | place);
}

void circle_leave(struct wsched *p)
{
    struct stream_record *mine = beside(p);
    struct au64 *awaits = mine ? &mine->awaits : &p->seats[p->seat].awaits;

    if (au64_load_relaxed(awaits)) /* relaxed: ours */
        au64_store_release(awaits, 0); /* C5 */
}
