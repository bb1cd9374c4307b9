/* SPDX-License-Identifier: MIT */
/*
 * An exhaustive model of a spill file and its parts: spill_file.c.
 *
 * One makes a file of some parts and keeps some of them; others clear the objects' bits, take empty
 * parts away, sweep, and die at any step, as he may. Each step is one access to shared memory or
 * one call. A part whose object is there has its file, and when no part is left no name is, either.
 * With a rule left out the model must break.
 */
#include "explore.h"
#include "test.h"

#include <string.h>

enum { PARTS = 3, PROCESSES = 3, MAKER = 0 };
enum part_state { FREE, WRITING, FILE_, RECLAIM };
enum pc {
    DEAD,
    IDLE,
    DESCRIBE, /* the parts, one after the other */
    MAKE,     /* F1 */
    KEEP,     /* F2 of a part, or it is given up */
    CLEAR,    /* F3 */
    TAKE,     /* F4 */
    ASK_WORD, /* of another part: is it in use? */
    ASK_REST,
    UNLINK, /* F5 */
    UNNOTE,
    GIVE, /* T7 */
    STAY, /* OMIT_ASKING_AFTERWARDS: another part needs the name */
};

struct process {
    uint8_t pc, part, other; /* the part that is taken away, and the one that is looked at */
    uint8_t making;          /* the maker: the part that is next */
};
struct state {
    struct {
        uint8_t state, owner, is_noted, has_object;
    } part[PARTS];
    uint8_t has_name, is_begun, deaths, kept; /* kept: parts that may get objects */
    struct process p[PROCESSES];
};

/* Rules to leave out, to see the model break. */
enum {
    RIGHT,
    OMIT_ASKING,
    OMIT_ASKING_AFTERWARDS,
    OMIT_PARTS_BEING_WRITTEN,
    OMIT_NOTING_FIRST,
    OMIT_PASSING_OVER_RECLAIM, /* who leaves waits for others who leave */
    OMIT_SWEEPING_RECLAIM,     /* what the dead had begun to take away stays */
    MISTAKES,
};

static void forget(struct state *s, int who, uint8_t part)
{
    struct process *p = &s->p[who];

    p->part = part;
    p->other = 0;
    p->pc = s->part[part].is_noted ? ASK_WORD : GIVE;
    if (p->pc == ASK_WORD && mistake == OMIT_ASKING)
        p->pc = UNLINK;
}

static void next_part_kept(struct process *p)
{
    bool is_making = p->making > 0 && p->making < PARTS;

    p->pc = is_making ? KEEP : IDLE;
    p->part = p->other = 0;
    if (!is_making)
        p->making = 0;
}

static void ask(struct state *s, struct process *p, uint8_t part)
{
    uint8_t other = s->part[p->other].state;
    bool is_in_use = other == FILE_ || (other == WRITING && mistake != OMIT_PARTS_BEING_WRITTEN) ||
                     (other == RECLAIM && mistake == OMIT_PASSING_OVER_RECLAIM);

    if (p->pc == ASK_WORD && p->other != part && is_in_use)
        p->pc = ASK_REST;
    else if (p->pc == ASK_REST && s->part[p->other].is_noted)
        p->pc = mistake == OMIT_ASKING_AFTERWARDS ? STAY : UNNOTE; /* that one needs the name */
    else if (++p->other < PARTS)
        p->pc = ASK_WORD;
    else
        p->pc = UNLINK;
}

static void step_keep(struct explorer *e, const struct state *s, int who)
{
    for (int is_kept = 0; is_kept < 2; is_kept++) {
        struct state n = *s;
        struct process *p = &n.p[who];
        uint8_t part = p->making++;

        if (is_kept && part >= s->kept)
            continue;
        if (is_kept) {
            n.part[part].state = FILE_;
            n.part[part].has_object = 1;
            next_part_kept(p);
        } else {
            n.part[part].state = RECLAIM;
            forget(&n, who, part);
        }
        explore_emit(e, &n);
    }
}

/* Owned by one who is dead, and for the sweep. */
static bool is_left(const struct state *s, int part)
{
    uint8_t state = s->part[part].state;

    return (state == WRITING || (state == RECLAIM && mistake != OMIT_SWEEPING_RECLAIM)) &&
           s->p[s->part[part].owner].pc == DEAD;
}

static void start(struct explorer *e, const struct state *s, int who)
{
    struct state n = *s;

    if (who == MAKER && !s->is_begun) {
        n.is_begun = 1;
        for (int i = 0; i < PARTS; i++) {
            n.part[i].state = WRITING;
            n.part[i].owner = MAKER;
        }
        n.p[who] = (struct process){ .pc = mistake == OMIT_NOTING_FIRST ? MAKE : DESCRIBE };
        explore_emit(e, &n);
    }
    for (uint8_t i = 0; i < PARTS; i++) {
        n = *s;
        if (is_left(s, i)) { /* T6 */
            n.part[i].state = RECLAIM;
            n.part[i].owner = (uint8_t)who;
            n.p[who].making = 0;
            forget(&n, who, i);
            explore_emit(e, &n);
        }
        if (s->part[i].state == FILE_) {
            n.p[who] = (struct process){ .pc = s->part[i].has_object ? CLEAR : TAKE, .part = i };
            explore_emit(e, &n);
        }
    }
}

static void take(struct state *s, int who)
{
    struct process *p = &s->p[who];
    uint8_t part = p->part;

    if (s->part[part].state != FILE_ || s->part[part].has_object) {
        next_part_kept(p);
        return;
    }
    if (mistake != OMIT_ASKING_AFTERWARDS) {
        s->part[part].state = RECLAIM;
        s->part[part].owner = (uint8_t)who;
    }
    forget(s, who, part);
}

/* OMIT_ASKING_AFTERWARDS: it asked before; whatever the answer was, it goes now. */
static void take_late(struct state *s, int who, bool with_name)
{
    struct process *p = &s->p[who];
    uint8_t part = p->part;

    if (s->part[part].state == FILE_) {
        s->part[part].state = RECLAIM;
        s->part[part].owner = (uint8_t)who;
    }
    if (s->part[part].state != RECLAIM || s->part[part].owner != who)
        next_part_kept(p);
    else if (with_name)
        s->has_name = 0, p->pc = UNNOTE;
    else
        p->pc = UNNOTE;
}

static void step_one(struct explorer *e, const struct state *s, int who)
{
    struct state n = *s;
    struct process *p = &n.p[who];

    switch (p->pc) {
    case DESCRIBE:
        n.part[p->making].is_noted = 1;
        if (++p->making == PARTS) {
            p->making = 0;
            p->pc = mistake == OMIT_NOTING_FIRST ? KEEP : MAKE;
        }
        break;
    case MAKE:
        n.has_name = 1;
        p->pc = mistake == OMIT_NOTING_FIRST ? DESCRIBE : KEEP;
        break;
    case CLEAR:
        if (n.part[p->part].state == FILE_)
            n.part[p->part].has_object = 0;
        p->pc = TAKE;
        break;
    case TAKE:
        take(&n, who);
        break;
    case ASK_WORD:
    case ASK_REST:
        ask(&n, p, p->part);
        break;
    case UNLINK:
        if (mistake == OMIT_ASKING_AFTERWARDS) {
            take_late(&n, who, true);
            break;
        }
        n.has_name = 0;
        p->pc = UNNOTE;
        break;
    case STAY:
        take_late(&n, who, false);
        break;
    case UNNOTE:
        n.part[p->part].is_noted = 0;
        p->pc = GIVE;
        break;
    case GIVE:
        n.part[p->part].state = FREE;
        next_part_kept(p);
        break;
    default:
        return;
    }
    explore_emit(e, &n);
}

static void check(struct explorer *e, const struct state *s)
{
    bool is_noted = false;

    for (int i = 0; i < PARTS; i++) {
        is_noted |= s->part[i].is_noted;
        if (s->part[i].state == FILE_ && s->part[i].has_object && !s->has_name)
            explore_fail(e, "an object's file is gone");
        bool is_owned = s->part[i].state == WRITING || s->part[i].state == RECLAIM;
        uint8_t owner = s->p[s->part[i].owner].pc;

        if (is_owned && (owner == DEAD ? !is_left(s, i) : owner == IDLE))
            explore_fail(e, "nobody will ever give a part away");
    }
    if (s->has_name && !is_noted)
        explore_fail(e, "a file has a name, and nobody knows it"); /* I3 */
}

static void step(struct explorer *e, const void *state)
{
    const struct state *s = state;
    int alive = 0;

    check(e, s);
    for (int i = 0; i < PROCESSES; i++)
        alive += s->p[i].pc != DEAD;
    for (int i = 0; i < PROCESSES; i++) {
        if (s->p[i].pc == DEAD)
            continue;
        if (s->p[i].pc == IDLE)
            start(e, s, i);
        else if (s->p[i].pc == KEEP)
            step_keep(e, s, i);
        else
            step_one(e, s, i);
        if (s->deaths && alive > 1) {
            struct state n = *s;

            n.deaths--;
            n.p[i] = (struct process){ .pc = DEAD };
            explore_emit(e, &n);
        }
    }
}

/* Some of the parts are there from the beginning. */
static void begin(void *state, size_t kept)
{
    struct state *s = state;

    for (int i = 0; i < PROCESSES; i++)
        s->p[i].pc = IDLE;
    s->kept = (uint8_t)kept;
    s->deaths = 2;
}

static const struct model model = { sizeof(struct state), begin, step, 1000 };

static void holds(void)
{
    explore_holds(&model, PARTS + 1);
}

static void breaks(void)
{
    explore_breaks(&model, PARTS + 1, MISTAKES);
}

TESTS("parts model", { "a file lives as long as its parts, and no longer", holds },
      { "but not if one of the rules is left out", breaks })
