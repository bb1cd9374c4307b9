/* SPDX-License-Identifier: MIT */
/*
 * An exhaustive model of pass.c and of pins_any(): one object, two processes that hold it, give
 * it to each other, release it, and die at any step, somebody who deletes it, somebody who lets
 * passes expire, and the sweep. Each step is one access to shared memory.
 */
#include "explore.h"
#include "test.h"

enum { HOLDERS = 2, ACTORS = 4, PASSES = 2 };
enum slot_state { SEALED, DOOMED, FREED };
enum pass_state { FREE, FILLING, OPEN };

enum pc {
    IDLE,
    HOLDING,
    GIVE_FILL,  /* Q1 done */
    TAKE_PIN,   /* N1 */
    TAKE_COUNT, /* Q3 */
    TAKE_CLOSE, /* Q4 */
    TAKE_UNDO,
    RELEASE,     /* N2 */
    DELETE_MARK, /* T4 */
    EXPIRE,      /* Q4 of one that is over */
    SCAN_MOVES,
    SCAN_PINS,
    SCAN_PASSES,
    SCAN_AGAIN,
    SCAN_FREE, /* T5 */
    DEAD,
    SWEPT,
};

struct state {
    uint8_t slot, moves;
    struct {
        uint8_t state, owner, generation;
    } pass[PASSES];
    struct {
        uint8_t pc, i, moves, pass, generation, is_holding;
    } a[ACTORS];
    uint8_t pin[HOLDERS];
    uint8_t gives, takes, deaths, expiries; /* left */
};

/* Rules to leave out, to see the model break. */
enum {
    RIGHT,
    OMIT_MOVES,      /* Q3 */
    OMIT_PINS_FIRST, /* look at passes, then at pins */
    OMIT_PIN_FIRST,  /* Q4 before N1 */
    OMIT_LOOK_AFTER, /* who closes without taking does not try to free */
    MISTAKES,
};

static void scan(struct state *s, int who)
{
    s->a[who].pc = s->slot == DOOMED ? SCAN_MOVES : IDLE;
    if (s->a[who].is_holding && s->a[who].pc == IDLE)
        s->a[who].pc = HOLDING;
}

static void end(struct state *s, int who)
{
    s->a[who].pc = s->a[who].is_holding ? HOLDING : IDLE;
    s->a[who].i = s->a[who].moves = s->a[who].pass = s->a[who].generation = 0;
}

static void start(struct explorer *e, const struct state *s, int who)
{
    struct state n = *s;

    if (who == 2) { /* the deleter */
        if (s->slot != SEALED)
            return;
        n.a[who].pc = DELETE_MARK;
        explore_emit(e, &n);
        return;
    }
    for (uint8_t p = 0; p < PASSES; p++) {
        n = *s;
        if (who == 3) { /* time */
            if (!s->expiries || s->pass[p].state != OPEN)
                continue;
            n.expiries--;
            n.a[who].pc = EXPIRE;
        } else if (s->pass[p].state == OPEN && !s->a[who].is_holding && s->takes) {
            n.takes--;
            n.a[who].pc = mistake == OMIT_PIN_FIRST ? TAKE_CLOSE : TAKE_PIN;
        } else if (s->pass[p].state == FREE && s->a[who].is_holding && s->gives) { /* Q1 */
            n.gives--;
            n.pass[p].state = FILLING;
            n.pass[p].owner = (uint8_t)who;
            n.pass[p].generation++;
            n.a[who].pc = GIVE_FILL;
        } else {
            continue;
        }
        n.a[who].pass = p;
        n.a[who].generation = n.pass[p].generation;
        explore_emit(e, &n);
    }
    if (who < HOLDERS && s->a[who].is_holding) {
        n = *s;
        n.a[who].pc = RELEASE;
        explore_emit(e, &n);
    }
}

static void step_holder(struct explorer *e, struct state *s, int who)
{
    uint8_t p = s->a[who].pass;
    bool is_open = s->pass[p].state == OPEN && s->pass[p].generation == s->a[who].generation;

    switch (s->a[who].pc) {
    case GIVE_FILL: /* Q2 */
        s->pass[p].state = OPEN;
        s->pass[p].owner = 0;
        end(s, who);
        break;
    case TAKE_PIN: /* N1 */
        s->pin[who] = 1;
        s->a[who].pc = mistake == OMIT_MOVES ? TAKE_CLOSE : TAKE_COUNT;
        if (mistake == OMIT_PIN_FIRST) {
            s->a[who].is_holding = 1;
            end(s, who);
        }
        break;
    case TAKE_COUNT: /* Q3 */
        s->moves++;
        s->a[who].pc = TAKE_CLOSE;
        break;
    case TAKE_CLOSE: /* Q4 */
        if (is_open) {
            s->pass[p].state = FREE;
            s->a[who].is_holding = mistake != OMIT_PIN_FIRST;
            s->a[who].pc = mistake == OMIT_PIN_FIRST ? TAKE_PIN : HOLDING;
            if (mistake != OMIT_PIN_FIRST)
                end(s, who);
        } else {
            s->a[who].pc = TAKE_UNDO;
        }
        break;
    case TAKE_UNDO:
        s->pin[who] = 0;
        scan(s, who);
        break;
    default: /* RELEASE: the last access to the bytes, then N2 */
        if (s->slot == FREED)
            explore_fail(e, "freed under a view");
        s->a[who].is_holding = 0;
        s->pin[who] = 0;
        scan(s, who);
    }
}

static bool is_held_by_pass(const struct state *s)
{
    for (int p = 0; p < PASSES; p++)
        if (s->pass[p].state == OPEN)
            return true;
    return false;
}

static void step_scan(struct state *s, int who)
{
    bool is_reversed = mistake == OMIT_PINS_FIRST;

    switch (s->a[who].pc) {
    case SCAN_MOVES:
        s->a[who].moves = s->moves;
        s->a[who].i = 0;
        s->a[who].pc = is_reversed ? SCAN_PASSES : SCAN_PINS;
        break;
    case SCAN_PASSES: /* one look at each record; the table is small, the looks are in turn */
        if (s->pass[s->a[who].i].state == OPEN) {
            end(s, who);
        } else if (++s->a[who].i == PASSES) {
            s->a[who].i = 0;
            s->a[who].pc = is_reversed ? SCAN_PINS : SCAN_AGAIN;
        }
        break;
    case SCAN_PINS:
        if (s->pin[s->a[who].i] && s->a[s->a[who].i].pc < DEAD) {
            end(s, who);
        } else if (++s->a[who].i == HOLDERS) {
            s->a[who].i = 0;
            s->a[who].pc = is_reversed ? SCAN_AGAIN : SCAN_PASSES;
        }
        break;
    case SCAN_AGAIN:
        s->a[who].pc = s->moves == s->a[who].moves ? SCAN_FREE : SCAN_MOVES;
        break;
    default: /* T5, by compare-and-swap */
        if (s->slot == DOOMED)
            s->slot = FREED;
        end(s, who);
    }
}

static void step_other(struct state *s, int who)
{
    uint8_t p = s->a[who].pass;

    if (s->a[who].pc == DELETE_MARK) {
        s->slot = DOOMED;
        scan(s, who);
        return;
    }
    bool is_open = s->pass[p].state == OPEN && s->pass[p].generation == s->a[who].generation;
    if (is_open)
        s->pass[p].state = FREE; /* Q4 */
    if (is_open && mistake != OMIT_LOOK_AFTER)
        scan(s, who);
    else
        end(s, who);
}

static void check(struct explorer *e, const struct state *s)
{
    bool is_held = is_held_by_pass(s);

    for (int i = 0; i < HOLDERS; i++)
        if (s->a[i].is_holding && s->a[i].pc < DEAD && s->slot == FREED)
            explore_fail(e, "freed under a view");
    if (is_held && s->slot == FREED)
        explore_fail(e, "freed under a pass");
    for (int i = 0; i < ACTORS; i++) {
        if (s->a[i].pc != IDLE && s->a[i].pc != HOLDING && s->a[i].pc != SWEPT)
            return;
        is_held |= s->a[i].is_holding;
    }
    if (s->slot == DOOMED && !is_held)
        explore_fail(e, "a deleted object leaks");
    for (int p = 0; p < PASSES; p++)
        if (s->pass[p].state == FILLING)
            explore_fail(e, "a pass leaks");
}

static void step(struct explorer *e, const void *state)
{
    const struct state *s = state;

    check(e, s);
    for (int who = 0; who < ACTORS; who++) {
        struct state n = *s;
        uint8_t pc = s->a[who].pc;

        if (pc == SWEPT)
            continue;
        if (pc == DEAD) { /* the sweep: Q5, and a look at the DOOMED slot, by the deleter */
            if (s->a[2].pc != IDLE)
                continue;
            for (int p = 0; p < PASSES; p++)
                if (n.pass[p].state == FILLING && n.pass[p].owner == who)
                    n.pass[p].state = FREE;
            n.a[who].pc = SWEPT;
            scan(&n, 2);
            explore_emit(e, &n);
            continue;
        }
        if (s->deaths && who < HOLDERS) {
            n.deaths--;
            memset(&n.a[who], 0, sizeof n.a[who]);
            n.a[who].pc = DEAD;
            explore_emit(e, &n);
            n = *s;
        }
        if (pc == IDLE || pc == HOLDING)
            start(e, s, who);
        if (pc == IDLE || pc == HOLDING)
            continue;
        if (pc >= SCAN_MOVES)
            step_scan(&n, who);
        else if (pc >= DELETE_MARK)
            step_other(&n, who);
        else
            step_holder(e, &n, who);
        explore_emit(e, &n);
    }
}

static const struct budget {
    uint8_t gives, deaths, expiries;
} budgets[] = { { 2, 0, 0 }, { 1, 1, 0 }, { 1, 0, 1 }, { 1, 2, 1 }, { 2, 1, 0 } };
enum { USUAL = 3, LARGE = 5 };

static void begin(void *state, size_t n)
{
    struct state *s = state;

    s->gives = budgets[n].gives;
    s->takes = (uint8_t)(s->gives + 1);
    s->deaths = budgets[n].deaths;
    s->expiries = budgets[n].expiries;
    s->a[0].pc = HOLDING;
    s->a[0].is_holding = s->pin[0] = 1;
}

static const struct model model = { sizeof(struct state), begin, step, 1000 };

static void holds(void)
{
    explore_holds(&model, explore_is_large() ? LARGE : USUAL);
}

static void breaks(void)
{
    explore_breaks(&model, USUAL, MISTAKES);
}

TESTS("pass model", { "nothing is freed under a view or a pass, and nothing leaks", holds },
      { "and it breaks if one of its rules is left out", breaks })
