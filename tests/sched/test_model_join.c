/* SPDX-License-Identifier: MIT */
/*
 * Joining a pool, walked through exhaustively: a guest that takes a seat, tells the supervisor,
 * submits a task and leaves; the supervisor, which scans, watches and sweeps; and the driver, which
 * adopts the future at some moment, or not, and starts another supervisor. One step is one access
 * to shared memory, or one signal, of guest.c and guard.c. Guest and supervisor may die between any
 * two steps; with the driver the pool is over, which is not walked here.
 *
 * In every state: a future that was adopted is not taken away. In every state without a next step:
 * of a guest that is gone, and had told the supervisor, nothing is left but what was adopted.
 */
#include "explore.h"
#include "test.h"

enum guest { TAKE, READ_SUPERVISOR, SIGNAL, SUBMIT, OWNER_GOES, RELEASE, GIVE_SEAT, LEFT, DEAD };
enum supervisor { BEGIN, SCAN, SLEEP, SWEEP, SWEEP_RELEASE, FREE_SEAT, GONE };
enum owner { NOBODY, GUEST, GOING, DRIVER };

struct state {
    uint8_t guest, supervisor;
    uint8_t is_taken, is_told; /* the seat; the signal was sent, or needed not be */
    uint8_t owner;             /* of the task; NOBODY: there is none (any more) */
    uint8_t was_adopted;
    uint8_t header;  /* the supervisor that header.supervisor names; 0: a dead one */
    uint8_t seen;    /* by the guest */
    uint8_t current; /* number of the supervisor */
    uint8_t signal, is_watched;
    uint8_t deaths;
};

enum {
    RIGHT,
    SCANS_FIRST,  /* before the supervisor says that it is there */
    NO_LAST_LOOK, /* the owner is not asked again */
    MISTAKES,
};

static void step_guest(struct explorer *e, struct state s)
{
    switch ((enum guest)s.guest) {
    case TAKE: /* J1 */
        s.is_taken = 1;
        break;
    case READ_SUPERVISOR:
        s.seen = s.header;
        break;
    case SIGNAL: /* J2 */
        s.signal |= s.seen && s.seen == s.current && s.supervisor != GONE;
        s.is_told = 1;
        break;
    case SUBMIT:
        s.owner = GUEST;
        break;
    case OWNER_GOES:
        if (s.owner == GUEST)
            s.owner = GOING;
        break;
    case RELEASE:
        if (s.owner == GOING)
            s.owner = NOBODY;
        break;
    case GIVE_SEAT: /* J3 */
        s.is_taken = 0;
        break;
    case LEFT:
    case DEAD:
        return;
    }
    s.guest++;
    explore_emit(e, &s);
}

static void die(struct explorer *e, struct state s)
{
    if (s.deaths == 3)
        return;
    s.deaths++;
    struct state t = s;
    if (s.guest < LEFT) {
        t.guest = DEAD;
        explore_emit(e, &t);
    }
    if (s.supervisor != GONE) {
        t = s;
        t.supervisor = GONE;
        t.header = t.signal = t.is_watched = 0; /* the kernel marks the word */
        explore_emit(e, &t);
    }
}

/* J4, and how it comes to it. */
static void step_supervisor(struct explorer *e, struct state s)
{
    switch ((enum supervisor)s.supervisor) {
    case BEGIN: /* J5 */
        if (mistake == SCANS_FIRST)
            s.is_watched = s.is_taken;
        else
            s.header = s.current;
        s.supervisor = SCAN;
        break;
    case SCAN:
        if (s.header)
            s.is_watched = s.is_taken;
        s.header = s.current; /* it is, but for the mistake */
        s.supervisor = SLEEP;
        break;
    case SLEEP:
        if (s.signal) {
            s.signal = 0;
            s.supervisor = SCAN;
        } else if (s.is_watched && s.guest == DEAD && s.is_taken) {
            s.supervisor = SWEEP;
        } else {
            return;
        }
        break;
    case SWEEP:
        if (s.owner == GUEST || (mistake == NO_LAST_LOOK && s.owner))
            s.owner = GOING;
        s.supervisor = SWEEP_RELEASE;
        break;
    case SWEEP_RELEASE:
        if (s.owner == GOING)
            s.owner = NOBODY;
        s.supervisor = FREE_SEAT;
        break;
    case FREE_SEAT:
        s.is_taken = s.is_watched = 0;
        s.supervisor = SLEEP;
        break;
    case GONE: /* the driver starts another */
        s.current++;
        s.supervisor = BEGIN;
        break;
    }
    explore_emit(e, &s);
}

static void step_driver(struct explorer *e, struct state s)
{
    if (s.owner != GUEST)
        return;
    s.owner = DRIVER; /* by CAS: not from GOING */
    s.was_adopted = 1;
    explore_emit(e, &s);
}

static bool is_at_rest(const struct state *s)
{
    return s->guest >= LEFT && s->supervisor == SLEEP && !s->signal &&
           !(s->is_watched && s->guest == DEAD && s->is_taken);
}

static void step(struct explorer *e, const void *state)
{
    struct state s;

    memcpy(&s, state, sizeof s);
    if (s.was_adopted && s.owner != DRIVER)
        explore_fail(e, "an adopted future was taken away");
    if (is_at_rest(&s) && (s.owner == GUEST || s.owner == GOING))
        explore_fail(e, "a future of nobody is left");
    if (is_at_rest(&s) && s.is_taken && s.is_told)
        explore_fail(e, "a seat of nobody is left");
    step_guest(e, s);
    step_supervisor(e, s);
    step_driver(e, s);
    die(e, s);
}

static void begin(void *state, size_t n)
{
    struct state *s = state;

    (void)n;
    s->supervisor = BEGIN;
    s->current = 1;
}

static const struct model model = { sizeof(struct state), begin, step, 500 };

static void all_interleavings(void)
{
    explore_holds(&model, 1);
}

static void mistakes_are_found(void)
{
    explore_breaks(&model, 1, MISTAKES);
}

TESTS("wsched: model of joining", { "every interleaving, with deaths", all_interleavings },
      { "mistakes in the model are found", mistakes_are_found })
