/* SPDX-License-Identifier: MIT */
/*
 * Three seats that wait for each other's tasks, walked through exhaustively: every interleaving of
 * their notes and looks (circle.c), and a death between any two steps. Seat n has a task on its
 * stack, and waits, again and again, for the task of seat n + 1: now inside that task, so that a
 * circle may close, now inside another, after its own has ended. A wait that was not taken for a
 * circle sleeps, and may be woken for work. One step is one access to shared memory.
 *
 * Exact: who finds a circle was in one, of live processes, at the moment between its two walks.
 * Complete: when nobody has a next step, the sleepers are not a circle.
 *
 * The same with less: one walk only, no number of the wait, no question whether all live. Each is
 * caught.
 */
#include "explore.h"
#include "test.h"

#include <string.h>

enum { SEATS = 3, LINKS = SEATS };
enum { IDLE, NOTE_NUMBER, NOTE, WALK_TASK, WALK_NUMBER, WALK_AWAITS, LIVE, AGAIN_TASK, AGAIN_AWAITS,
       AGAIN_NUMBER, FOUND, ASLEEP, OVER };

struct seat {
    uint8_t alive, swept;
    uint8_t runs;   /* its task is on its stack */
    uint8_t awaits; /* the task of the next seat */
    uint8_t waits;  /* number of the last wait */
    uint8_t left;   /* how many waits it will begin */
    uint8_t pc, at; /* the link that it reads; of it: */
    uint8_t number[LINKS];
    uint8_t was_one; /* a circle, between the walks */
};
struct state {
    struct seat seat[SEATS];
    uint8_t waits;  /* that each seat begins */
    uint8_t deaths; /* that may come */
};

enum { RIGHT, LOOKS_ONCE, HAS_NO_NUMBER, ASKS_NOBODY, MISTAKES }; /* with less, see above */

/* A closed circle, and of live ones. */
static bool is_circle(const struct state *s)
{
    for (int i = 0; i < SEATS; i++)
        if (!s->seat[i].alive || !s->seat[i].runs || !s->seat[i].awaits)
            return false;
    return true;
}

static void sleep_now(struct seat *me)
{
    memset(me->number, 0, sizeof me->number);
    me->was_one = 0;
    me->at = 0;
    me->pc = ASLEEP;
}

/* The next link of a walk, or what comes after it. */
static void next_link(struct state *s, int n, uint8_t first, uint8_t after)
{
    struct seat *me = &s->seat[n];

    me->pc = first;
    if (++me->at < SEATS - 1)
        return;
    me->at = 0;
    me->pc = after;
}

/* False: it has no next step of its own. */
static bool step_seat(struct explorer *e, struct state *s, int n)
{
    struct seat *me = &s->seat[n], *it = &s->seat[(n + 1 + me->at) % SEATS];

    switch (me->pc) {
    case NOTE_NUMBER:
        me->waits++;
        me->pc = NOTE;
        break;
    case NOTE:
        me->awaits = 1;
        me->at = 0;
        me->pc = WALK_TASK;
        break;
    case WALK_TASK:
        me->pc = WALK_NUMBER;
        if (!it->runs)
            sleep_now(me);
        break;
    case WALK_NUMBER:
        me->number[me->at] = it->waits;
        me->pc = WALK_AWAITS;
        break;
    case WALK_AWAITS: /* the second look at the number is left out: fewer circles would be found */
        if (!it->awaits)
            sleep_now(me);
        else
            next_link(s, n, WALK_TASK, me->at == SEATS - 2 ? LIVE : WALK_TASK);
        break;
    case LIVE: /* our own task is on our stack, or our wait is none of a circle */
        if (me->at == 0)
            me->was_one = is_circle(s);
        if (!me->runs || (mistake != ASKS_NOBODY && !s->seat[(n + 1 + me->at) % SEATS].alive))
            sleep_now(me);
        else
            next_link(s, n, LIVE, mistake == LOOKS_ONCE ? FOUND : AGAIN_TASK);
        break;
    case AGAIN_TASK:
        me->pc = AGAIN_AWAITS;
        if (!it->runs)
            sleep_now(me);
        break;
    case AGAIN_AWAITS:
        me->pc = AGAIN_NUMBER;
        if (!it->awaits)
            sleep_now(me);
        break;
    case AGAIN_NUMBER:
        if (mistake != HAS_NO_NUMBER && it->waits != me->number[me->at])
            sleep_now(me);
        else
            next_link(s, n, AGAIN_TASK, FOUND);
        break;
    case FOUND:
        if (mistake == LOOKS_ONCE ? !is_circle(s) : !me->was_one)
            explore_fail(e, "what was found is no circle");
        sleep_now(me);
        me->awaits = 0;
        me->pc = OVER;
        break;
    default:
        return false;
    }
    return true;
}

/* A live seat that looks at nothing begins a wait, is woken, or ends its task: each as it likes. */
static int choices(struct explorer *e, const struct state *s, int n)
{
    const struct seat *me = &s->seat[n];
    struct state next = *s;
    int count = 0;

    if (me->pc == IDLE && me->left && s->seat[(n + 1) % SEATS].runs) {
        next.seat[n].pc = NOTE_NUMBER;
        next.seat[n].left--;
        explore_emit(e, &next);
        count++;
    }
    next = *s;
    if (me->pc == IDLE && me->runs && !me->left) { /* all waits are over: so is its task */
        next.seat[n].runs = 0;
        explore_emit(e, &next);
        count++;
    } else if (me->pc == IDLE && me->runs && me->left < s->waits) { /* the others are outside it */
        next.seat[n].runs = 0;
        explore_emit(e, &next);
    }
    next = *s;
    if (me->pc == ASLEEP && (me->left || !s->seat[(n + 1) % SEATS].runs)) { /* for work, or over */
        next.seat[n].pc = IDLE;
        next.seat[n].awaits = 0;
        explore_emit(e, &next);
        count += !s->seat[(n + 1) % SEATS].runs; /* nobody need come with work */
    }
    next = *s;
    if (me->pc == OVER) { /* -EDEADLK: the kernel returns */
        next.seat[n].pc = IDLE;
        next.seat[n].runs = 0;
        next.seat[n].left = 0;
        explore_emit(e, &next);
        count++;
    }
    return count;
}

static void step(struct explorer *e, const void *state)
{
    const struct state *s = state;
    struct state next;
    int n = 0;

    for (int i = 0; i < SEATS; i++) {
        next = *s;
        if (!s->seat[i].alive) {
            if (!s->seat[i].swept) { /* its task goes on elsewhere, and waits for nothing yet */
                next.seat[i] = (struct seat){ .swept = 1, .waits = s->seat[i].waits };
                explore_emit(e, &next);
                n++;
            }
            continue;
        }
        if (step_seat(e, &next, i)) {
            explore_emit(e, &next);
            n++;
        } else {
            n += choices(e, s, i);
        }
        if (s->deaths) {
            next = *s;
            next.deaths--;
            next.seat[i].alive = 0;
            next.seat[i].pc = next.seat[i].at = next.seat[i].left = next.seat[i].was_one = 0;
            memset(next.seat[i].number, 0, sizeof next.seat[i].number);
            explore_emit(e, &next);
        }
    }
    if (!n && is_circle(s))
        explore_fail(e, "a circle that sleeps for ever");
}

static const struct budget {
    uint8_t waits, deaths;
} budgets[] = { { 2, 0 }, { 2, 1 }, { 3, 0 } };
enum { USUAL = 2, BREAKING = 3 }; /* in BREAKING each mistake is found */

static void begin(void *state, size_t n)
{
    struct state *s = state;

    s->waits = budgets[n].waits;
    s->deaths = budgets[n].deaths;
    for (int i = 0; i < SEATS; i++)
        s->seat[i] = (struct seat){ .alive = 1, .runs = 1, .left = s->waits };
}

static const struct model model = { sizeof(struct state), begin, step, 1000 };

static void all_interleavings(void)
{
    explore_holds(&model, USUAL);
}

static void with_less(void)
{
    explore_breaks(&model, BREAKING, MISTAKES);
}

TESTS("wsched: model of circles",
      { "three seats, their waits, a death: exact, and complete", all_interleavings },
      { "each part of the look is needed", with_less })
