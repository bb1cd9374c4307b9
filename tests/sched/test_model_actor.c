/* SPDX-License-Identifier: MIT */
/*
 * One actor, two callers and the supervisor, walked through exhaustively: every interleaving, and
 * deaths between any two steps, of the actor, of a caller, of the supervisor (with which the actor
 * dies). Caller 0 makes two calls, the second of which runs again after a death; caller 1, a guest
 * whose calls outlive it, makes one. The mailbox holds one call, its ring two, so that all the
 * calls go through it in several laps and callers wait for room. One step is one access to shared
 * memory of mailbox.c, call.c, actor.c, actor_main.c and the sweep; memory is sequentially
 * consistent here, the ordering edges named there are the argument for the rest.
 *
 * In every state: a call is run at most once by each attempt, and sealed once; those of a caller
 * are run in order; a restart comes only while one is left. In every state without a next step: no
 * call that was made waits, no caller that lives sleeps.
 */
#include "explore.h"
#include "test.h"

#include <string.h>

enum { CALLS = 3, CALLERS = 2, RING = 2, LIMIT = 1, RESTARTS = 1 };
enum { NONE, PENDING, RUNNING, FAILING, DONE, FAILED }; /* a call */
enum { ALIVE, ENDING, DEAD };                           /* the record */

struct call {
    uint8_t state, attempt, ran; /* ran: a bit for each attempt */
    uint8_t by;                  /* FAILING: 0: the supervisor, else caller + 1 */
};
struct caller {
    uint8_t pc, made, tail, alive, woken, swept;
};
struct state {
    struct call call[CALLS];
    struct caller caller[CALLERS];
    uint8_t slot[RING];                   /* lap << 4 | call + 1; 0 in the low half: empty */
    uint8_t head, tail, word, lost, room; /* room: a bit for each caller */
    uint8_t actor_alive, actor_pc, actor_call, actor_scan, parked;
    uint8_t sup_pc, sup_scan;
    uint8_t restarts;
    uint8_t deaths; /* that may come */
};

static const uint8_t owner[CALLS] = { 0, 0, 1 };
enum { RIGHT, ROOM_NOT_LOOKED_AT, MISTAKES }; /* by who sleeps for room: is its bit still there? */

static uint8_t empty_at(uint8_t position)
{
    return (uint8_t)(position / RING << 4);
}
static uint8_t full_at(uint8_t position, uint8_t call)
{
    return (uint8_t)(position / RING << 4 | (call + 1));
}
static bool is_over(const struct call *c)
{
    return c->state >= DONE;
}
static bool has_room(const struct state *s, uint8_t limit)
{
    return (int8_t)(s->tail - s->head) < limit;
}

/* ---- a caller ------------------------------------------------------------------------------ */

enum {
    C_ROOM,
    C_ROOM_BIT,
    C_ROOM_PARK,
    C_ROOM_LOOK,
    C_ROOM_SLEEP,
    C_CHECK,
    C_MAKE,
    C_TAIL,
    C_SLOT,
    C_HELP,
    C_WORD,
    C_CAUSE,
    C_WAKE,
    C_WAIT
};

static uint8_t next_call(const struct state *s, int i)
{
    return i ? 2 : s->caller[0].made;
}

/* M1 and M2 of mailbox.c, with the tail that was read. True: M1 was ours. */
static bool push_slot(struct state *s, uint8_t tail, uint8_t call)
{
    uint8_t *slot = &s->slot[tail % RING];

    if (*slot != empty_at(tail))
        return false;
    *slot = full_at(tail, call);
    return true;
}
static void help_tail(struct state *s, uint8_t tail)
{
    if (s->tail == tail)
        s->tail++;
}

static void made(struct state *s, struct caller *c, int i)
{
    uint8_t all = i ? 1 : 2;

    c->pc = ++c->made < all ? C_ROOM : C_WAIT;
    (void)s;
}

static bool step_caller(struct explorer *e, struct state *s, int i) /* false: no step */
{
    struct caller *c = &s->caller[i];
    uint8_t n = next_call(s, i);
    bool is_called;

    switch (c->pc) {
    case C_ROOM:
        c->pc = has_room(s, LIMIT) || s->word != ALIVE ? C_CHECK : C_ROOM_BIT;
        break;
    case C_ROOM_BIT:
        s->room |= (uint8_t)(1 << i);
        c->pc = C_ROOM_PARK;
        break;
    case C_ROOM_PARK: /* a wake before this goes by */
        c->woken = 0;
        c->pc = C_ROOM_LOOK;
        break;
    case C_ROOM_LOOK:
        is_called = mistake != ROOM_NOT_LOOKED_AT && !(s->room >> i & 1); /* by such a wake */
        c->pc = has_room(s, LIMIT) || s->word != ALIVE || is_called ? C_ROOM : C_ROOM_SLEEP;
        break;
    case C_ROOM_SLEEP:
        if (!c->woken)
            return false;
        c->pc = C_ROOM;
        break;
    case C_CHECK:
        c->pc = C_MAKE;
        if (s->word != ALIVE) /* -EOWNERDEAD: nothing was made */
            made(s, c, i);
        break;
    case C_MAKE:
        s->call[n] = (struct call){ .state = PENDING, .attempt = 1 };
        c->pc = C_TAIL;
        break;
    case C_TAIL:
        c->tail = s->tail;
        if (!has_room(s, RING))
            s->lost = 1; /* as when the ring is full */
        c->pc = has_room(s, RING) ? C_SLOT : C_WORD;
        break;
    case C_SLOT: /* C_HELP with the high bit: the slot was ours */
        c->pc = push_slot(s, c->tail, n) ? C_HELP | 0x80 : C_HELP;
        break;
    case C_HELP:
        help_tail(s, c->tail);
        c->pc = C_TAIL;
        break;
    case C_HELP | 0x80:
        help_tail(s, c->tail);
        c->pc = C_WORD;
        break;
    case C_WORD: /* E1 */
        c->pc = C_WAKE;
        if (s->word != ALIVE && s->call[n].state == PENDING) {
            s->call[n].state = FAILING;
            s->call[n].by = (uint8_t)(i + 1);
            c->pc = C_CAUSE;
        }
        break;
    case C_CAUSE:
        if (s->call[n].state != FAILING || s->call[n].by != i + 1)
            explore_fail(e, "somebody took a call that we fail");
        s->call[n].state = FAILED;
        c->pc = C_WAKE;
        break;
    case C_WAKE: /* E2 */
        s->parked = 0;
        made(s, c, i);
        break;
    default:
        return false;
    }
    return true;
}

/* ---- the actor ----------------------------------------------------------------------------- */

enum {
    A_LOST,
    A_FIND,
    A_FIND_TAIL,
    A_LOOK,
    A_CLAIM,
    A_RUN,
    A_SEAL,
    A_AFTER,
    A_EMPTY,
    A_HEAD,
    A_ROOM,
    A_PARK,
    A_RECHECK,
    A_SLEEP
};

static bool in_ring(const struct state *s, uint8_t call)
{
    for (uint8_t p = s->head; p < s->head + RING; p++)
        if (s->slot[p % RING] == full_at(p, call))
            return true;
    return false;
}

static void run(struct explorer *e, struct state *s, uint8_t n)
{
    struct call *c = &s->call[n];

    if (c->state != RUNNING)
        explore_fail(e, "somebody took a running call");
    if (c->ran >> c->attempt & 1)
        explore_fail(e, "run twice by one attempt");
    if (n == 1 && !is_over(&s->call[0]))
        explore_fail(e, "out of order");
    c->ran |= (uint8_t)(1 << c->attempt);
}

static bool step_actor(struct explorer *e, struct state *s)
{
    uint8_t v = s->slot[s->head % RING], n = s->actor_call;

    switch (s->actor_pc) {
    case A_LOST:
        s->actor_pc = s->lost ? A_FIND : A_LOOK;
        s->lost = 0;
        s->actor_scan = 0;
        break;
    case A_FIND:
        n = s->actor_scan;
        if (n == CALLS) {
            s->actor_pc = A_LOOK;
        } else if (s->call[n].state == PENDING && !in_ring(s, n)) {
            if (!has_room(s, RING)) {
                s->lost = 1;
                s->actor_pc = A_LOOK;
            } else {
                s->actor_call = s->tail;
                s->actor_pc = A_FIND_TAIL;
                if (push_slot(s, s->tail, n))
                    s->actor_scan++;
            }
        } else {
            s->actor_scan++;
        }
        break;
    case A_FIND_TAIL:
        help_tail(s, s->actor_call);
        s->actor_pc = A_FIND;
        break;
    case A_LOOK:
        if (v == empty_at(s->head)) {
            s->actor_pc = A_ROOM;
        } else if (v & 15) {
            s->actor_call = (uint8_t)((v & 15) - 1);
            s->actor_pc = A_CLAIM;
        } else {
            s->actor_pc = A_HEAD; /* a death between M3 and M4 */
        }
        break;
    case A_CLAIM:
        s->actor_pc = s->call[n].state == PENDING ? A_RUN : A_EMPTY;
        if (s->call[n].state == PENDING)
            s->call[n].state = RUNNING;
        break;
    case A_RUN:
        run(e, s, n);
        s->actor_pc = A_SEAL;
        break;
    case A_SEAL:
        if (s->call[n].state != RUNNING)
            explore_fail(e, "somebody took a running call");
        s->call[n].state = DONE;
        s->actor_pc = A_EMPTY;
        break;
    case A_EMPTY:
        s->slot[s->head % RING] = empty_at((uint8_t)(s->head + RING));
        s->actor_pc = A_HEAD;
        break;
    case A_HEAD:
        s->head++;
        s->actor_pc = A_LOST;
        break;
    case A_ROOM: /* E3; after some calls and before resting: here, before resting only */
        for (int i = 0; i < CALLERS; i++)
            if (s->room >> i & 1)
                s->caller[i].woken = 1;
        s->room = 0;
        s->actor_pc = A_PARK;
        break;
    case A_PARK:
        s->parked = 1;
        s->actor_pc = A_RECHECK;
        break;
    case A_RECHECK: /* E2 */
        s->actor_pc = v != empty_at(s->head) || s->lost ? A_LOST : A_SLEEP;
        break;
    case A_SLEEP:
        if (s->parked)
            return false;
        s->actor_pc = A_LOST;
        break;
    default:
        return false;
    }
    return true;
}

/* ---- the supervisor ------------------------------------------------------------------------ */

enum { S_IDLE, S_SETTLE, S_RESTART, S_SCAN, S_CAUSE, S_DEAD, S_ROOM, S_LOST, S_WAKE };

static uint8_t attempts_max(uint8_t n)
{
    return n == 1 ? 3 : 1;
}

static void forget_actor(struct state *s)
{
    s->actor_alive = s->actor_pc = s->actor_call = s->actor_scan = s->parked = 0;
}

static bool step_supervisor(struct explorer *e, struct state *s)
{
    struct call *c = &s->call[s->sup_scan % CALLS];

    switch (s->sup_pc) {
    case S_IDLE:
        if (!s->actor_alive && s->word != DEAD)
            s->sup_pc = s->word == ALIVE ? S_SETTLE : S_SCAN;
        else if ((!s->caller[0].alive && !s->caller[0].swept) ||
                 (!s->caller[1].alive && !s->caller[1].swept))
            s->sup_pc = S_LOST;
        else
            return false;
        s->sup_scan = 0;
        break;
    case S_SETTLE: /* the call it was running */
        if (s->sup_scan == CALLS) {
            s->sup_pc = S_RESTART;
            break;
        }
        if (c->state == RUNNING) {
            bool again = c->attempt < attempts_max(s->sup_scan) && s->restarts < RESTARTS;
            c->state = again ? PENDING : FAILED;
            c->attempt++;
        }
        s->sup_scan++;
        break;
    case S_RESTART:
        s->sup_scan = 0;
        if (s->restarts < RESTARTS) {
            s->restarts++;
            s->actor_alive = 1;
            s->actor_pc = A_LOST;
            s->parked = 0;
            s->sup_pc = S_LOST; /* as after any death */
        } else {
            s->word = ENDING; /* A6 */
            s->sup_pc = S_SCAN;
        }
        break;
    case S_SCAN:
        if (s->sup_scan == CALLS) {
            s->sup_pc = S_DEAD;
        } else if (c->state == PENDING || (c->state == FAILING && c->by == 0)) {
            c->state = FAILING;
            c->by = 0;
            s->sup_pc = S_CAUSE;
        } else {
            s->sup_scan++;
        }
        break;
    case S_CAUSE:
        if (c->state != FAILING || c->by)
            explore_fail(e, "somebody took a call that we fail");
        c->state = FAILED;
        s->sup_pc = S_SCAN;
        break;
    case S_DEAD:
        s->word = DEAD; /* A7 */
        s->sup_pc = S_ROOM;
        break;
    case S_ROOM:
        for (int i = 0; i < CALLERS; i++)
            if (s->room >> i & 1)
                s->caller[i].woken = 1;
        s->room = 0;
        s->sup_pc = S_LOST;
        break;
    case S_LOST: /* sweeps of callers, too: what they were failing fails */
        for (uint8_t n = 0; n < CALLS; n++)
            if (s->call[n].state == FAILING && s->call[n].by == owner[n] + 1 &&
                !s->caller[owner[n]].alive)
                s->call[n].state = FAILED;
        for (int i = 0; i < CALLERS; i++)
            s->caller[i].swept = !s->caller[i].alive;
        s->lost = 1;
        s->sup_pc = S_WAKE;
        break;
    case S_WAKE:
        s->parked = 0;
        s->sup_pc = S_IDLE;
        break;
    default:
        return false;
    }
    return true;
}

/* ---- all of it ----------------------------------------------------------------------------- */

/* What nobody will look at again is 0, so that states differ only where it matters. */
static void emit(struct explorer *e, struct state *s)
{
    for (int i = 0; i < CALLERS; i++)
        if (s->caller[i].pc != C_SLOT && (s->caller[i].pc & 0x7f) != C_HELP)
            s->caller[i].tail = 0;
    for (int i = 0; i < CALLERS; i++)
        if (s->caller[i].pc != C_ROOM_LOOK && s->caller[i].pc != C_ROOM_SLEEP)
            s->caller[i].woken = 0;
    if (s->actor_pc != A_FIND && s->actor_pc != A_FIND_TAIL)
        s->actor_scan = 0;
    if (s->actor_pc < A_FIND_TAIL || s->actor_pc == A_LOOK || s->actor_pc >= A_EMPTY)
        s->actor_call = 0;
    if (s->sup_pc != S_SETTLE && s->sup_pc != S_SCAN && s->sup_pc != S_CAUSE)
        s->sup_scan = 0;
    explore_emit(e, s);
}

static void step_deaths(struct explorer *e, const struct state *s)
{
    struct state next;

    if (!s->deaths)
        return;
    for (int i = 0; i < CALLERS; i++)
        if (s->caller[i].alive) {
            next = *s;
            next.deaths--;
            next.caller[i] = (struct caller){ 0 };
            next.room &= (uint8_t) ~(1 << i);
            emit(e, &next);
        }
    if (s->actor_alive) {
        next = *s;
        next.deaths--;
        forget_actor(&next);
        emit(e, &next);
    }
    next = *s; /* the supervisor: its successor begins anew, and sweeps everybody */
    next.deaths--;
    forget_actor(&next);
    next.sup_pc = S_IDLE;
    next.sup_scan = 0;
    for (int i = 0; i < CALLERS; i++)
        next.caller[i].swept = 0;
    emit(e, &next);
}

static void expect_end(struct explorer *e, const struct state *s)
{
    for (int n = 0; n < CALLS; n++)
        if (s->call[n].state != NONE && !is_over(&s->call[n]))
            explore_fail(e, "a call waits for ever");
    for (int i = 0; i < CALLERS; i++)
        if (s->caller[i].alive && s->caller[i].pc != C_WAIT)
            explore_fail(e, "a caller sleeps for ever");
    if (s->restarts > RESTARTS)
        explore_fail(e, "restarted too often");
}

static void step(struct explorer *e, const void *state)
{
    const struct state *s = state;
    struct state next;
    int n = 0;

    for (int i = 0; i < CALLERS; i++) {
        next = *s;
        if (s->caller[i].alive && step_caller(e, &next, i)) {
            emit(e, &next);
            n++;
        }
    }
    next = *s;
    if (s->actor_alive && step_actor(e, &next)) {
        emit(e, &next);
        n++;
    }
    next = *s;
    if (step_supervisor(e, &next)) {
        emit(e, &next);
        n++;
    }
    if (!n)
        expect_end(e, s);
    step_deaths(e, s);
}

static void begin(void *state, size_t deaths)
{
    struct state *s = state;

    s->actor_alive = s->caller[0].alive = s->caller[1].alive = 1;
    s->deaths = (uint8_t)deaths;
}

static const struct model model = { sizeof(struct state), begin, step, 1000 };

static void all_interleavings(void)
{
    explore_holds(&model, 3);
}

static void mistakes_are_found(void)
{
    explore_breaks(&model, 1, MISTAKES);
}

TESTS("wsched: model of an actor",
      { "two callers, an actor, two deaths: every interleaving", all_interleavings },
      { "mistakes in the model are found", mistakes_are_found })
