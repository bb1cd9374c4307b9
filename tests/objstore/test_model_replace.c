/* SPDX-License-Identifier: MIT */
/*
 * An exhaustive model of how an object changes slots: replace.c, and L4 of index.c.
 *
 * One id, whose forms stand in one chain; processes that move it, delete it, look it up, sweep,
 * and die at any step. Each step is one access to shared memory. A lookup that ends with "not
 * there" must be right at some moment of it. With a rule left out the model must break.
 */
#include "explore.h"
#include "test.h"

enum { PROCESSES = 3, SLOTS = 5, NOBODY = 0xff };
enum slot_state { FREE, STANDBY, SEALED, SPILLED, REPLACED, DOOMED, GONE };
enum pc {
    DEAD,
    IDLE,
    MOVE_LINK,   /* M2 */
    MOVE_NAME,   /* M3 */
    MOVE_SWITCH, /* M4 */
    MOVE_ABANDON,
    MOVE_CLEAR,
    HELP_HEIR, /* of `old`, REPLACED by `by` */
    HELP_AGAIN,
    HELP_PRESENT, /* M5 */
    HELP_DOOM,    /* M6 */
    DELETE,
    LOOK,
    SWEEP,
    SWEEP_SETTLE,
    SWEEP_TAKE,
};

struct process {
    uint8_t pc, back; /* where help returns to */
    uint8_t old, heir, by, seen, at, is_absent_ok;
};
struct state {
    struct {
        uint8_t state, owner, is_on_disk, next; /* next: of the chain; NOBODY: the end */
        uint8_t is_linked;
    } slot[SLOTS];
    uint8_t head, is_deleted;
    uint8_t heir[PROCESSES], heir_of[PROCESSES]; /* each lease's: heir, and of which slot */
    uint8_t swept[PROCESSES];                    /* a dead one's slots were all looked at */
    uint8_t moves, deletes, looks, deaths, sweeps;
    struct process p[PROCESSES];
};

/* Rules to leave out, to see the model break. */
enum {
    RIGHT,
    OMIT_SETTLE,
    OMIT_BEHIND,
    OMIT_HELP,
    OMIT_KEEPING_THE_HEIR,
    OMIT_ORDER_OF_M5_M6,
    MISTAKES,
};

static bool is_present(uint8_t state)
{
    return state == SEALED || state == SPILLED;
}

static void emit(struct explorer *e, const struct state *s)
{
    explore_emit(e, s);
}

static uint8_t find_present(const struct state *s)
{
    for (uint8_t i = 0; i < SLOTS; i++)
        if (is_present(s->slot[i].state))
            return i;
    return NOBODY;
}

static void unlink_slot(struct state *s, uint8_t slot)
{
    uint8_t *from = &s->head;

    while (*from != NOBODY && *from != slot)
        from = &s->slot[*from].next;
    if (*from == slot)
        *from = s->slot[slot].next; /* its own next stays: one who stands on it goes on */
    s->slot[slot].is_linked = 0;
}

static void help(struct process *p, uint8_t old, uint8_t by, uint8_t back)
{
    p->old = old;
    p->by = by;
    p->back = back;
    p->pc = HELP_HEIR;
}

static void idle(struct process *p)
{
    *p = (struct process){ .pc = IDLE };
}

static void start(struct explorer *e, const struct state *s, int who)
{
    struct state n = *s;
    struct process *p = &n.p[who];
    uint8_t now = find_present(s);

    if (s->moves && now != NOBODY) { /* M1 */
        for (uint8_t i = 0; i < SLOTS; i++)
            if (s->slot[i].state == FREE) {
                n.moves--;
                n.slot[i].state = STANDBY;
                n.slot[i].owner = (uint8_t)who;
                n.slot[i].is_on_disk = !s->slot[now].is_on_disk;
                *p = (struct process){ .pc = MOVE_LINK, .old = now, .heir = i };
                p->seen = s->slot[now].state;
                emit(e, &n);
                break;
            }
    }
    n = *s;
    if (s->deletes) {
        n.deletes--;
        *p = (struct process){ .pc = DELETE, .at = s->head };
        emit(e, &n);
    }
    n = *s;
    if (s->looks) {
        n.looks--;
        *p = (struct process){ .pc = LOOK, .at = s->head, .is_absent_ok = s->is_deleted };
        emit(e, &n);
    }
    n = *s;
    for (uint8_t i = 0; i < PROCESSES; i++)
        if (s->p[i].pc == DEAD && !s->swept[i] && s->sweeps) {
            n = *s;
            n.sweeps--;
            *p = (struct process){ .pc = SWEEP, .at = SLOTS, .seen = i };
            emit(e, &n);
        }
}

static void step_move(struct state *s, struct process *p, uint8_t who)
{
    switch (p->pc) {
    case MOVE_LINK:
        if (!s->slot[p->old].is_linked) { /* marked: it is being taken out */
            p->pc = MOVE_ABANDON;
            break;
        }
        s->slot[p->heir].is_linked = 1;
        if (mistake == OMIT_BEHIND) {
            s->slot[p->heir].next = s->head;
            s->head = p->heir;
        } else {
            s->slot[p->heir].next = s->slot[p->old].next;
            s->slot[p->old].next = p->heir;
        }
        p->pc = MOVE_NAME;
        break;
    case MOVE_NAME:
        s->heir[who] = p->heir;
        s->heir_of[who] = p->old;
        p->pc = MOVE_SWITCH;
        break;
    case MOVE_SWITCH:
        if (s->slot[p->old].state != p->seen) {
            p->pc = MOVE_ABANDON;
            break;
        }
        s->slot[p->old].state = REPLACED;
        s->slot[p->old].owner = who;
        if (mistake == OMIT_KEEPING_THE_HEIR)
            s->heir[who] = NOBODY;
        help(p, p->old, who, MOVE_CLEAR);
        break;
    case MOVE_ABANDON:
        s->slot[p->heir].state = GONE;
        unlink_slot(s, p->heir);
        p->pc = MOVE_CLEAR;
        break;
    default: /* MOVE_CLEAR */
        s->heir[who] = s->heir_of[who] = NOBODY;
        idle(p);
    }
}

static void step_help(struct state *s, struct process *p)
{
    bool is_still = s->slot[p->old].state == REPLACED && s->slot[p->old].owner == p->by;

    switch (p->pc) {
    case HELP_HEIR:
        p->heir = s->heir_of[p->by] == p->old ? s->heir[p->by] : NOBODY;
        p->pc = p->heir == NOBODY ? p->back : HELP_AGAIN;
        break;
    case HELP_AGAIN:
        p->pc = !is_still ? p->back : mistake == OMIT_ORDER_OF_M5_M6 ? HELP_DOOM : HELP_PRESENT;
        break;
    case HELP_PRESENT:
        if (s->slot[p->heir].state == STANDBY)
            s->slot[p->heir].state = s->slot[p->heir].is_on_disk ? SPILLED : SEALED;
        p->pc = mistake == OMIT_ORDER_OF_M5_M6 ? p->back : HELP_DOOM;
        break;
    default: /* HELP_DOOM */
        if (is_still)
            s->slot[p->old].state = DOOMED;
        p->pc = mistake == OMIT_ORDER_OF_M5_M6 ? HELP_PRESENT : p->back;
    }
}

/* One slot of a walk along the chain, to look, or to delete what is found. */
static void step_walk(struct explorer *e, struct state *s, struct process *p)
{
    if (p->at == NOBODY) {
        if (p->pc == LOOK && !s->is_deleted && !p->is_absent_ok)
            explore_fail(e, "a lookup missed the object");
        idle(p);
        return;
    }
    uint8_t state = s->slot[p->at].state;
    if (is_present(state)) {
        if (p->pc == DELETE) { /* T4 */
            s->slot[p->at].state = DOOMED;
            s->is_deleted = 1;
        }
        idle(p);
    } else if (state == REPLACED && mistake != OMIT_HELP) {
        help(p, p->at, s->slot[p->at].owner, p->pc);
    } else {
        if (state == DOOMED || state == GONE)
            unlink_slot(s, p->at); /* L2 and L3 */
        p->at = s->slot[p->at].next;
    }
}

static void step_sweep(struct state *s, struct process *p)
{
    /* From the last to the first: heirs are met before the slots that they are heirs of. */
    uint8_t dead = p->seen, at = (uint8_t)(p->at - 1);

    switch (p->pc) {
    case SWEEP:
        if (p->at == 0) {
            s->swept[dead] = 1;
            idle(p);
        } else if (s->slot[at].owner == dead && s->slot[at].state == STANDBY) {
            p->pc = SWEEP_SETTLE;
        } else if (s->slot[at].owner == dead && s->slot[at].state == REPLACED) {
            help(p, at, dead, SWEEP);
        } else {
            p->at--;
        }
        break;
    case SWEEP_SETTLE:
        p->pc = SWEEP_TAKE;
        if (mistake != OMIT_SETTLE && s->heir[dead] == at && s->heir_of[dead] != NOBODY &&
            s->slot[s->heir_of[dead]].state == REPLACED && s->slot[s->heir_of[dead]].owner == dead)
            help(p, s->heir_of[dead], dead, SWEEP_TAKE);
        break;
    default: /* SWEEP_TAKE: T6 */
        if (s->slot[at].state == STANDBY && s->slot[at].owner == dead) {
            s->slot[at].state = GONE;
            unlink_slot(s, at);
        }
        p->pc = SWEEP;
        p->at--;
    }
}

static void check(struct explorer *e, const struct state *s)
{
    int forms = 0, left = 0;

    for (int i = 0; i < SLOTS; i++) {
        /* In the middle of M5 and M6 the old form and its heir are both there: one of them present. */
        forms += is_present(s->slot[i].state);
        left += s->slot[i].state == STANDBY || s->slot[i].state == REPLACED;
    }
    if (forms > 1)
        explore_fail(e, "two forms are present");
    for (int i = 0; i < PROCESSES; i++)
        if ((s->p[i].pc != DEAD && s->p[i].pc != IDLE) || (s->p[i].pc == DEAD && !s->swept[i]))
            return;
    if (left)
        explore_fail(e, "a move was left half-way");
    if (forms != !s->is_deleted)
        explore_fail(e, "a sealed object is lost");
}

static void step(struct explorer *e, const void *state)
{
    const struct state *s = state;

    check(e, s);
    for (uint8_t who = 0; who < PROCESSES; who++) {
        struct state n = *s;
        struct process *p = &n.p[who];

        if (p->pc == DEAD)
            continue;
        if (s->deaths) {
            n.deaths--;
            *p = (struct process){ .pc = DEAD };
            emit(e, &n);
            n = *s;
        }
        if (p->pc == IDLE) {
            start(e, s, who);
            continue;
        }
        if (p->pc <= MOVE_CLEAR)
            step_move(&n, p, who);
        else if (p->pc <= HELP_DOOM)
            step_help(&n, p);
        else if (p->pc <= LOOK)
            step_walk(e, &n, p);
        else
            step_sweep(&n, p);
        emit(e, &n);
    }
}

struct budget {
    uint8_t moves, deletes, looks, deaths, sweeps;
};
static const struct budget budgets[] = {
    { 3, 1, 1, 0, 0 }, { 2, 0, 1, 1, 1 }, { 2, 1, 0, 1, 1 }, { 2, 0, 0, 2, 2 },
};
enum { BEGINNINGS = sizeof budgets / sizeof *budgets };

static void begin(void *state, size_t n)
{
    const struct budget *b = &budgets[n];
    struct state *s = state;

    for (int i = 0; i < SLOTS; i++)
        s->slot[i].next = s->slot[i].owner = NOBODY;
    s->slot[0].state = SEALED;
    s->slot[0].is_linked = 1;
    for (int i = 0; i < PROCESSES; i++) {
        idle(&s->p[i]);
        s->heir[i] = s->heir_of[i] = NOBODY;
    }
    s->moves = b->moves;
    s->deletes = b->deletes;
    s->looks = b->looks;
    s->deaths = b->deaths;
    s->sweeps = b->sweeps;
}

static const struct model model = { sizeof(struct state), begin, step, 1000 };

static void holds(void)
{
    explore_holds(&model, BEGINNINGS);
}

static void breaks(void)
{
    explore_breaks(&model, BEGINNINGS, MISTAKES);
}

TESTS("replace model", { "the protocol holds in every interleaving with every death", holds },
      { "and breaks if one of its rules is left out", breaks })
