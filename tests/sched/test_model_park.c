/* SPDX-License-Identifier: MIT */
/*
 * Who sleeps, who searches and who wakes whom (park.c), walked through exhaustively: a client that
 * pushes tasks, three workers, and a supervisor that looks after one death. One step is one access
 * to shared memory. A task runs for ever: nobody who runs one may be relied on.
 *
 * In every state without a next step: no task is left in the queue while a worker sleeps.
 */
#include "explore.h"
#include "test.h"

#define WORKERS 3
#define MOST 1 /* that search by themselves, of three */

enum { CLIENT = WORKERS, SUPERVISOR, PROCESSES };

/* Where a process is. Waking is a routine of all of them: it ends at `then`. */
enum at {
    /* a worker */
    FIND,
    END_SEARCH,  /* it has a task: the mark goes */
    ANY_SLEEPER, /* then another is woken, if */
    ANY_TASK,
    RUNNING,
    REST,
    BEGIN_SEARCH,
    SPIN,
    SET_WORD,
    SET_SLEEPER,
    CLEAR_SEARCHER,
    LOOK,
    SLEEP,
    CLEAR_WORD,
    CLEAR_SLEEPER,
    DEAD,
    /* park_wake_one() */
    SEE_SEARCHERS,
    UNPARK_SEARCHERS,
    SEE_SLEEPERS,
    MARK,
    CHOOSE,
    UNMARK,
    UNPARK,
    /* the client */
    PUSH,
    OVER,
    /* the supervisor */
    WATCH,
    FORGET_SLEEPER,
    FORGET_SEARCHERS,
    UNPARK_FORGOTTEN,
    PUSH_AGAIN,
    WAKE_ALL,
    START_ANOTHER,
};

struct process {
    uint8_t at, then;
    uint8_t mask, n; /* what it has seen, whom it wakes */
    uint8_t is_searching, has_task;
};

struct state {
    uint8_t queue, pushes; /* tasks to be found; that the client still pushes */
    uint8_t again;         /* of those to be found, the supervisor's: they are taken first */
    uint8_t sleepers, searchers;
    uint8_t word[WORKERS];
    uint8_t deaths, dead; /* that may come; who died */
    struct process is[PROCESSES];
};

/* Mistakes that the walk must find. */
enum {
    RIGHT,
    TAKES_THE_NEXT,      /* a waker that comes too late goes on to the next sleeper */
    ONLY_CHOSEN_PASS_ON, /* who rises without being chosen is no searcher */
    NO_LOOK,             /* before it sleeps */
    NO_PASSING_ON,       /* who found something wakes nobody */
    CHOSEN_FIRST,        /* the sleeper's bit goes before the searcher's is set */
    GOES_HOME_EARLY,     /* a client does not look whether its task was taken */
    FORGETS_SEARCHERS,   /* after a death searchers are not woken, nor all others */
    MISTAKES,
};

static uint8_t bit(unsigned n)
{
    return (uint8_t)(1u << n);
}

static unsigned lowest(unsigned mask)
{
    return (unsigned)__builtin_ctz(mask);
}

static void wake_one(struct process *q, enum at then)
{
    q->at = SEE_SEARCHERS;
    q->then = (uint8_t)then;
}

/* park_wake_one(), a step of it: to be emitted by the caller, but for its alternatives. */
static void step_waker(struct explorer *e, struct state *s, struct process *q)
{
    switch (q->at) {
    case SEE_SEARCHERS:
        q->mask = s->searchers;
        q->at = q->mask ? UNPARK_SEARCHERS : SEE_SLEEPERS;
        break;
    case UNPARK_SEARCHERS: /* all that are marked and still parked */
        s->word[lowest(q->mask)] = 0;
        q->mask &= (uint8_t)(q->mask - 1);
        q->at = q->mask ? UNPARK_SEARCHERS : q->then;
        break;
    case SEE_SLEEPERS:
        q->mask = s->sleepers;
        q->at = q->mask ? mistake == CHOSEN_FIRST ? CHOOSE : MARK : q->then;
        for (unsigned m = q->mask; m; m &= m - 1) { /* any of them */
            q->n = (uint8_t)lowest(m);
            if (m & (m - 1))
                explore_emit(e, s);
        }
        break;
    case MARK:
        s->searchers |= bit(q->n);
        q->at = CHOOSE;
        break;
    case CHOOSE:
        q->at = s->sleepers & bit(q->n) ? UNPARK : UNMARK;
        s->sleepers &= (uint8_t)~bit(q->n);
        break;
    case UNMARK:
        s->searchers &= (uint8_t)~bit(q->n);
        q->mask &= (uint8_t)~bit(q->n);
        q->at = mistake != TAKES_THE_NEXT ? SEE_SEARCHERS : q->mask ? MARK : q->then;
        q->n = (uint8_t)(q->mask ? lowest(q->mask) : 0);
        break;
    default:
        if (mistake == CHOSEN_FIRST)
            s->searchers |= bit(q->n);
        s->word[q->n] = 0;
        q->at = q->then;
    }
    if (q->at == q->then)
        q->mask = q->n = q->then = 0;
}

static void step_worker(struct explorer *e, struct state s, unsigned i)
{
    struct process *q = &s.is[i];
    const uint8_t me = bit(i);

    switch (q->at) {
    case FIND:
        q->at = !s.queue ? REST : q->is_searching ? END_SEARCH : RUNNING;
        q->has_task = s.queue > 0;
        s.queue = (uint8_t)(s.queue - (s.queue > 0));
        s.again = (uint8_t)(s.again - (s.again > 0));
        break;
    case END_SEARCH:
        q->at = mistake == NO_PASSING_ON ? RUNNING : ANY_SLEEPER;
        s.searchers &= (uint8_t)~me;
        q->is_searching = 0;
        break;
    case ANY_SLEEPER:
        q->at = s.sleepers ? ANY_TASK : RUNNING;
        break;
    case ANY_TASK:
        q->at = RUNNING;
        if (s.queue)
            wake_one(q, RUNNING);
        break;
    case REST:
        q->at = q->is_searching                          ? SPIN
                : __builtin_popcount(s.searchers) < MOST ? BEGIN_SEARCH
                                                         : SET_WORD;
        break;
    case BEGIN_SEARCH:
        s.searchers |= me;
        q->is_searching = 1;
        q->at = SPIN;
        break;
    case SPIN:
        q->at = s.queue ? FIND : SET_WORD;
        break;
    case SET_WORD:
        s.word[i] = 1;
        q->at = SET_SLEEPER;
        break;
    case SET_SLEEPER:
        s.sleepers |= me;
        q->is_searching = 0;
        q->at = CLEAR_SEARCHER;
        break;
    case CLEAR_SEARCHER:
        s.searchers &= (uint8_t)~me;
        q->at = mistake == NO_LOOK ? SLEEP : LOOK;
        break;
    case LOOK:
        q->at = s.queue ? CLEAR_WORD : SLEEP;
        break;
    case SLEEP:
        if (s.word[i])
            return;
        q->at = CLEAR_WORD;
        break;
    case CLEAR_WORD:
        s.word[i] = 0;
        q->at = CLEAR_SLEEPER;
        break;
    case CLEAR_SLEEPER:
        q->is_searching =
            mistake != ONLY_CHOSEN_PASS_ON || !(s.sleepers & me) || (s.searchers & me);
        s.sleepers &= (uint8_t)~me;
        q->at = FIND;
        break;
    case RUNNING:
    case DEAD:
        return;
    default:
        step_waker(e, &s, q);
    }
    explore_emit(e, &s);
}

static void step_client(struct explorer *e, struct state s)
{
    struct process *q = &s.is[CLIENT];

    if (q->at == OVER)
        return;
    if (q->at == PUSH) {
        s.queue++;
        s.pushes--;
        wake_one(q, s.pushes ? PUSH : OVER);
    } else if (q->at == SEE_SEARCHERS &&
               (s.queue == s.again || mistake == GOES_HOME_EARLY)) {
        struct state t = s; /* it looked for a moment, and its task was taken */
        t.is[CLIENT] = (struct process){ .at = q->then };
        explore_emit(e, &t);
        step_waker(e, &s, q);
    } else {
        step_waker(e, &s, q);
    }
    explore_emit(e, &s);
}

/* sweep_seat(), as far as it matters here. */
static void step_supervisor(struct explorer *e, struct state s)
{
    struct process *q = &s.is[SUPERVISOR], *dead = &s.is[s.dead];

    switch (q->at) {
    case WATCH:
        if (dead->at != DEAD)
            return;
        q->at = FORGET_SLEEPER;
        break;
    case FORGET_SLEEPER:
        s.sleepers &= (uint8_t)~bit(s.dead);
        q->at = FORGET_SEARCHERS;
        break;
    case FORGET_SEARCHERS:
        q->mask = s.searchers;
        s.searchers = 0;
        q->at = q->mask && mistake != FORGETS_SEARCHERS ? UNPARK_FORGOTTEN : PUSH_AGAIN;
        break;
    case UNPARK_FORGOTTEN:
        s.word[lowest(q->mask)] = 0;
        q->mask &= (uint8_t)(q->mask - 1);
        q->at = q->mask ? UNPARK_FORGOTTEN : PUSH_AGAIN;
        break;
    case PUSH_AGAIN:
        q->at = WAKE_ALL;
        q->mask = 0;
        if (dead->has_task) {
            s.queue++;
            s.again++;
            wake_one(q, WAKE_ALL);
        }
        break;
    case WAKE_ALL:
        if (mistake != FORGETS_SEARCHERS)
            s.word[q->n] = 0;
        q->n++;
        q->at = q->n < WORKERS ? WAKE_ALL : START_ANOTHER;
        break;
    case START_ANOTHER:
        *dead = (struct process){ .at = FIND };
        *q = (struct process){ .at = OVER };
        break;
    case OVER:
        return;
    default:
        step_waker(e, &s, q);
    }
    explore_emit(e, &s);
}

static bool has_step(const struct state *s, unsigned i)
{
    return i == CLIENT       ? s->is[i].at != OVER
           : i == SUPERVISOR ? s->is[i].at != OVER && s->is[s->dead].at == DEAD
                             : s->is[i].at != DEAD && s->is[i].at != RUNNING &&
                                   !(s->is[i].at == SLEEP && s->word[i]);
}

static void step(struct explorer *e, const void *state)
{
    const struct state *s = state;
    bool is_end = true, sleeps = false;

    for (unsigned i = 0; i < PROCESSES; i++)
        is_end &= !has_step(s, i);
    for (unsigned i = 0; i < WORKERS; i++)
        sleeps |= s->is[i].at == SLEEP && s->word[i];
    if (is_end && sleeps && s->queue)
        explore_fail(e, "a task waits, and a worker sleeps");
    for (unsigned i = 0; i < WORKERS; i++) {
        step_worker(e, *s, i);
        if (s->deaths && s->is[i].at != DEAD && (s->is[i].at != RUNNING || s->is[i].has_task)) {
            struct state t = *s;
            t.deaths--;
            t.dead = (uint8_t)i;
            t.is[i].at = DEAD;
            t.is[i].then = t.is[i].mask = t.is[i].n = t.is[i].is_searching = 0;
            explore_emit(e, &t);
        }
    }
    step_client(e, *s);
    step_supervisor(e, *s);
}

/* `busy` workers run something for ever from the beginning. */
static const struct budget {
    uint8_t pushes, busy, deaths;
} budgets[] = { { 2, 1, 1 }, { 3, 0, 0 } };
enum { BEGINNINGS = sizeof budgets / sizeof *budgets };

static void begin(void *state, size_t n)
{
    struct state *s = state;

    s->pushes = budgets[n].pushes;
    s->deaths = budgets[n].deaths;
    s->is[CLIENT].at = PUSH;
    s->is[SUPERVISOR].at = WATCH;
    for (int i = 0; i < budgets[n].busy; i++)
        s->is[WORKERS - 1 - i].at = RUNNING;
}

static const struct model model = { sizeof(struct state), begin, step, 1000 };

static void holds(void)
{
    explore_holds(&model, BEGINNINGS);
}

static void mistakes(void)
{
    explore_breaks(&model, BEGINNINGS, MISTAKES);
}

TESTS("wsched: model of sleeping and waking",
      { "nobody sleeps while a task waits, with a death anywhere", holds },
      { "and breaks if one of its rules is left out", mistakes })
