/* SPDX-License-Identifier: MIT */
/*
 * Stopping a task by force, walked through exhaustively: a killer that gives task A a time, the
 * supervisor that sleeps until it is called or something is due, a worker that runs A, then B, and
 * somebody else who stops the worker and sets it going again. One step is one access to shared
 * memory, or one signal, of terms.c and timer.c. Killer and supervisor (and with it the worker) may
 * die between any two steps.
 *
 * In every state: whoever is killed for A's sake runs A; and the supervisor does not sleep while a
 * worker goes on at which it aims. In every state without a next step: if the killer's call returned,
 * A is over, and B has run.
 */
#include "explore.h"
#include "test.h"

enum task { PENDING, RUNNING, OVER };
enum killer {
    WRITE_STOP,
    SET_CANCEL,
    SET_BIT,
    SET_CALLED,
    READ_DUE,
    SIGNAL,
    RETURNED,
    REFUSED,
    DEAD
};
enum supervisor {
    TAKE_CALL,
    TAKE_BIT,
    EXAMINE,
    STOP,
    WRITE_DUE,
    READ_CALLED,
    SLEEP,
    LOOK,
    KILL,
    REAP
};
enum { NOBODY, A, B };

struct state {
    uint8_t a, b;         /* tasks */
    uint8_t stop, cancel; /* of A: time to kill, flag in the word */
    uint8_t bit, called;  /* the call map */
    uint8_t due;          /* next_due: the supervisor wakes by itself */
    uint8_t signal;       /* SIGCHLD is pending */
    uint8_t killer, supervisor;
    uint8_t heap;         /* A has an entry */
    uint8_t aims;         /* at the worker, for A's sake */
    uint8_t runs;         /* what the worker runs */
    uint8_t stops, still; /* SIGSTOP was sent; it stands still */
    uint8_t ours;         /* the supervisor sent it */
    uint8_t meddles;      /* what the other has done: stop, go, stop, go */
    uint8_t killed;       /* the worker, not reaped */
    uint8_t deaths;
};

enum {
    RIGHT,
    KILLS_AT_ONCE, /* without stopping it first */
    LOOKS_EARLY,   /* the last look at `called` comes before next_due is written */
    STOPS_ONCE,    /* only */
    MISTAKES,
};

static void next(struct explorer *e, struct state s)
{
    explore_emit(e, &s);
}

static void step_worker(struct explorer *e, struct state s)
{
    if (s.killed)
        return;
    if (s.stops && !s.still) { /* the stop arrives at some time, before or after its next step */
        struct state t = s;
        t.still = 1;
        t.signal = 1;
        next(e, t);
    }
    if (s.still)
        return;
    if (s.runs == A)
        s.a = OVER, s.runs = NOBODY;
    else if (s.runs == B)
        s.b = OVER, s.runs = NOBODY;
    else if (s.a == PENDING)
        s.a = RUNNING, s.runs = A;
    else if (s.b == PENDING)
        s.b = RUNNING, s.runs = B;
    else
        return;
    next(e, s);
}

/* Not between the look and the kill: against that there is no remedy (timer.c says so). */
static void step_meddler(struct explorer *e, struct state s)
{
    if (s.killed || s.meddles == 4 || s.supervisor == KILL)
        return;
    if (s.meddles++ % 2 == 0) {
        s.stops = 1;
    } else {
        s.stops = s.still = 0;
        s.signal = 1;
    }
    next(e, s);
}

static void step_killer(struct explorer *e, struct state s)
{
    if (s.killer >= RETURNED)
        return;
    struct state dead = s;
    dead.killer = DEAD;
    next(e, dead);
    switch (s.killer++) {
    case WRITE_STOP:
        s.stop = 1;
        break;
    case SET_CANCEL:
        if (s.a == OVER)
            s.killer = REFUSED;
        else if (s.a == PENDING) /* cancelled at once */
            s.a = OVER;
        s.cancel = 1;
        break;
    case SET_BIT:
        s.bit = 1;
        break;
    case SET_CALLED:
        s.called = 1;
        break;
    case READ_DUE:
        if (s.due)
            s.killer = RETURNED;
        break;
    case SIGNAL:
        s.signal = 1;
        break;
    default:
        break;
    }
    next(e, s);
}

static bool is_due(const struct state *s) /* time passes when the model likes */
{
    return s->a == RUNNING && s->cancel && s->stop;
}

/* Its worker dies with it; its successor sweeps and looks through the table before all else. */
static void supervisor_dies(struct explorer *e, struct state s)
{
    if (s.deaths++ == 2)
        return;
    if (s.a == RUNNING)
        s.a = s.cancel ? OVER : PENDING;
    if (s.b == RUNNING)
        s.b = PENDING;
    s.heap = (uint8_t)is_due(&s);
    s.runs = NOBODY;
    s.aims = s.stops = s.still = s.ours = s.killed = s.signal = 0;
    s.meddles = 4; /* the next worker is another */
    s.supervisor = TAKE_CALL;
    next(e, s);
}

static void look_at_aims(struct explorer *e, struct state *s)
{
    (void)e;
    s->supervisor = TAKE_CALL;
    if (s->aims && s->still && s->a == RUNNING && s->cancel)
        s->supervisor = KILL;
    else if (s->aims && s->still && s->ours) /* SIGCONT */
        s->aims = s->stops = s->still = s->ours = 0;
    else if (s->aims && s->still)
        s->aims = 0;
    else if (s->aims && mistake != STOPS_ONCE)
        s->stops = s->ours = 1;
}

static void step_supervisor(struct explorer *e, struct state s)
{
    supervisor_dies(e, s);
    switch (s.supervisor) {
    case TAKE_CALL:
        s.supervisor = s.called ? TAKE_BIT : EXAMINE;
        s.called = 0;
        break;
    case TAKE_BIT:
        s.heap |= s.bit && is_due(&s);
        s.bit = 0;
        s.supervisor = EXAMINE;
        break;
    case EXAMINE:
        if (s.heap && !is_due(&s))
            s.heap = 0;
        s.supervisor = s.heap && !s.aims ? STOP : mistake == LOOKS_EARLY ? READ_CALLED : WRITE_DUE;
        break;
    case STOP:
        s.aims = 1;
        if (!s.still)
            s.stops = s.ours = 1;
        if (mistake == KILLS_AT_ONCE)
            s.killed = 1;
        s.supervisor = mistake == LOOKS_EARLY ? READ_CALLED : WRITE_DUE;
        if (mistake == KILLS_AT_ONCE && s.runs != A)
            explore_fail(e, "the wrong one was killed");
        break;
    case WRITE_DUE:
        s.due = s.heap;
        s.supervisor = mistake == LOOKS_EARLY ? SLEEP : READ_CALLED;
        break;
    case READ_CALLED:
        s.supervisor = s.called ? TAKE_CALL : mistake == LOOKS_EARLY ? WRITE_DUE : SLEEP;
        break;
    case SLEEP:
        if (!s.signal && !s.due)
            return;
        s.signal = 0;
        s.supervisor = s.killed ? REAP : LOOK;
        break;
    case LOOK:
        look_at_aims(e, &s);
        break;
    case KILL:
        if (s.runs != A)
            explore_fail(e, "the wrong one was killed");
        s.killed = 1;
        s.signal = 1;
        s.supervisor = TAKE_CALL;
        break;
    default: /* REAP */
        if (s.a == RUNNING)
            s.a = s.cancel ? OVER : PENDING;
        if (s.b == RUNNING)
            s.b = PENDING;
        s.runs = NOBODY;
        s.aims = s.stops = s.still = s.ours = s.killed = 0;
        s.meddles = 4;
        s.supervisor = TAKE_CALL;
    }
    next(e, s);
}

/* Nothing moves any more, but for deaths. */
static bool is_at_rest(const struct state *s)
{
    bool worker_rests =
        s->killed || s->still || (s->runs == NOBODY && s->a != PENDING && s->b != PENDING);

    return worker_rests && s->meddles % 2 == 0 && !(s->stops && !s->still) && s->killer >= RETURNED &&
           s->supervisor == SLEEP && !s->signal && !s->due;
}

static void step(struct explorer *e, const void *state)
{
    struct state s;

    memcpy(&s, state, sizeof s);
    /* A runs for ever if it likes: then the worker makes no step of its own. */
    bool a_is_stubborn_and_waits = s.runs == A && !s.stops && s.supervisor == SLEEP && !s.signal &&
                                   !s.due && s.killer == RETURNED && s.cancel;
    if (a_is_stubborn_and_waits)
        explore_fail(e, "the supervisor sleeps while A should be stopped");
    if (s.supervisor == SLEEP && s.aims && s.runs == A && !s.stops && !s.killed && !s.signal)
        explore_fail(e, "the supervisor sleeps, and whom it aims at goes on");
    if (is_at_rest(&s) && (s.a != OVER || s.b != OVER))
        explore_fail(e, "a task was left, or its worker stands still for ever");
    step_worker(e, s);
    step_meddler(e, s);
    step_killer(e, s);
    step_supervisor(e, s);
}

static void begin(void *state, size_t n)
{
    struct state *s = state;

    (void)n;
    s->due = 1; /* for another task's sake, which is soon over */
}

static const struct model model = { sizeof(struct state), begin, step, 1000 };

static void all_interleavings(void)
{
    explore_holds(&model, 1);
}

static void mistakes_are_found(void)
{
    explore_breaks(&model, 1, MISTAKES);
}

TESTS("wsched: model of stopping by force",
      { "every interleaving, with deaths", all_interleavings },
      { "mistakes in the model are found", mistakes_are_found })
