/* SPDX-License-Identifier: MIT */
/*
 * An exhaustive model of events.c: three writers that make, seal and delete objects of one id, and
 * die at any step, a sweep that may or may not come, a ring of two entries of two cells, and a
 * subscriber that lists, then follows the hints. Whenever everybody rests, what the subscriber
 * believes of the id is true.
 */
#include "explore.h"
#include "test.h"

enum { WRITERS = 3, SLOTS = 2, RING = 2, PENDING = 3 };
enum slot_state { NONE, WRITING, SEALED, GONE };
enum kind { SEAL, DELETE };
enum told { EMPTY, TELLING, TOLD };

enum writer_pc {
    IDLE,
    LOOK_ON,
    CLAIM_HEAD,
    CLAIM,
    MOVE_HEAD,
    FILL,
    TELL,
    CHANGE,
    LOOK_AGAIN,
    DEAD,
    SWEPT,
    FORGOTTEN, /* and all subscribers were told to list again */
};

enum reader_pc { OFF, LOST, PLACED, LIST_0, LIST_1, READ, LOOK };

struct cell {
    uint8_t tag, told, kind, slot, writer;
};

struct state {
    struct cell first[RING];
    struct {
        uint8_t tag, slot;
    } second[RING];
    uint8_t head, on, lost;
    struct {
        uint8_t state, owner;
    } slot[SLOTS];
    uint8_t deaths, deletes, extra; /* left */
    struct {
        uint8_t pc, kind, slot, h, on, has_changed;
    } w[WRITERS];
    struct {
        uint8_t pc, at, lost, believes, count;
        struct {
            uint8_t at, has_hint, slot, kind, writer;
        } pending[PENDING];
    } r;
    uint8_t is_excused; /* a death in the one window that only the sweep makes good */
};

/* Rules to leave out, to see the model break. */
enum {
    RIGHT,
    OMIT_TELL_FIRST,
    OMIT_LOOK_AGAIN,
    OMIT_PENDING,
    OMIT_TAGS,
    OMIT_SWEEP,
    MISTAKES,
};

static uint8_t tag_of(uint8_t at)
{
    return (uint8_t)(at / RING + 1);
}

static bool is_there(const struct state *s)
{
    return s->slot[0].state == SEALED || s->slot[1].state == SEALED;
}

/* ---- writers ------------------------------------------------------------------------------- */

static void start(struct explorer *e, const struct state *s, int who)
{
    bool is_taken = false;

    for (int i = 0; i < SLOTS; i++)
        is_taken |= s->slot[i].state == WRITING || s->slot[i].state == SEALED;
    for (uint8_t i = 0; i < SLOTS; i++) {
        struct state n = *s;

        n.w[who].slot = i;
        n.w[who].on = n.w[who].has_changed = 0;
        n.w[who].pc = mistake == OMIT_TELL_FIRST ? CHANGE : LOOK_ON;
        if (s->slot[i].state == NONE && !is_taken && (i == 0 || s->slot[i - 1].state != NONE)) {
            n.slot[i].state = WRITING;
            n.slot[i].owner = (uint8_t)who;
            n.w[who].pc = IDLE;
            n.w[who].slot = 0;
        } else if (s->slot[i].state == WRITING && s->slot[i].owner == who) {
            n.w[who].kind = SEAL;
        } else if (s->slot[i].state == SEALED && s->deletes) {
            n.deletes--;
            n.w[who].kind = DELETE;
        } else {
            continue;
        }
        explore_emit(e, &n);
    }
}

static void change(struct state *s, int who)
{
    uint8_t *state = &s->slot[s->w[who].slot].state;

    s->w[who].pc = IDLE;
    if (s->w[who].kind == DELETE && *state != SEALED)
        return; /* somebody else was faster */
    *state = s->w[who].kind == SEAL ? SEALED : GONE;
    s->slot[s->w[who].slot].owner = 0;
    s->w[who].has_changed = 1;
    s->w[who].pc = LOOK_AGAIN;
}

static void tell(struct state *s, int who)
{
    uint8_t h = s->w[who].h, place = h % RING;
    struct cell *first = &s->first[place];
    struct cell ours = { tag_of(h), TELLING, s->w[who].kind, s->w[who].slot, (uint8_t)who };

    switch (s->w[who].pc) {
    case CLAIM_HEAD:
        s->w[who].h = s->head;
        s->w[who].pc = CLAIM;
        break;
    case CLAIM: /* R1 */
        s->w[who].pc = CLAIM_HEAD;
        if (first->tag == tag_of(h) && s->head == h) {
            s->head++;
        } else if (first->tag == tag_of(h) - 1) {
            *first = ours;
            s->w[who].pc = MOVE_HEAD;
        }
        break;
    case MOVE_HEAD: /* R2 */
        if (s->head == h)
            s->head++;
        s->w[who].pc = FILL;
        break;
    case FILL: /* R3 */
        s->w[who].pc = CLAIM_HEAD;
        if (s->second[place].tag <= tag_of(h) || mistake == OMIT_TAGS) {
            s->second[place].tag = mistake == OMIT_TAGS ? s->second[place].tag : tag_of(h);
            if (mistake == OMIT_TAGS && s->second[place].tag < tag_of(h))
                s->second[place].tag = tag_of(h);
            s->second[place].slot = s->w[who].slot;
            s->w[who].pc = TELL;
        }
        break;
    default: /* TELL: R4 */
        s->w[who].pc = CLAIM_HEAD;
        if (!memcmp(first, &ours, sizeof ours)) {
            first->told = TOLD;
            s->w[who].pc = s->w[who].has_changed ? IDLE : CHANGE;
        }
    }
    if (s->w[who].pc == CLAIM_HEAD)
        s->w[who].h = 0;
}

static void step_writer(struct state *s, int who)
{
    if (s->w[who].pc == LOOK_ON) {
        s->w[who].on = s->on;
        s->w[who].pc = s->on ? CLAIM_HEAD : CHANGE;
    } else if (s->w[who].pc == CHANGE) {
        change(s, who);
    } else if (s->w[who].pc == LOOK_AGAIN) {
        /* H3: somebody began to listen meanwhile */
        bool is_late = s->w[who].on != s->on && mistake != OMIT_LOOK_AGAIN;

        s->w[who].pc = is_late ? CLAIM_HEAD : IDLE;
    } else {
        tell(s, who);
    }
    if (s->w[who].pc == IDLE)
        memset(&s->w[who], 0, sizeof s->w[who]);
}

static void step_dead(struct state *s, int who)
{
    if (s->w[who].pc == DEAD) {
        for (int i = 0; i < SLOTS; i++)
            if (s->slot[i].state == WRITING && s->slot[i].owner == who)
                s->slot[i].state = GONE;
        s->w[who].pc = SWEPT;
    } else {
        if (s->on && mistake != OMIT_SWEEP)
            s->lost++;
        s->w[who].pc = FORGOTTEN;
    }
}

/* ---- the subscriber ------------------------------------------------------------------------ */

static bool is_to_come(const struct state *s, uint8_t slot, uint8_t kind)
{
    return mistake != OMIT_PENDING && s->slot[slot].state == (kind == SEAL ? WRITING : SEALED);
}

/* settle(): true if the pending hint changed anything. */
static bool settle(struct state *s, int i)
{
    struct cell *first = &s->first[s->r.pending[i].at % RING];
    bool is_dead = s->w[s->r.pending[i].writer].pc >= DEAD, is_one = false;

    if (!s->r.pending[i].has_hint && first->tag == tag_of(s->r.pending[i].at)) {
        if (first->told != TOLD && !is_dead)
            return false;
        s->r.pending[i].has_hint = first->told == TOLD;
    } else if (!s->r.pending[i].has_hint) {
        s->r.pc = LOST; /* overwritten: perhaps it was told before that */
        return true;
    }
    if (s->r.pending[i].has_hint) {
        is_one = !is_to_come(s, s->r.pending[i].slot, s->r.pending[i].kind);
        if (!is_one && !is_dead)
            return false;
    }
    s->r.pending[i] = s->r.pending[--s->r.count];
    memset(&s->r.pending[s->r.count], 0, sizeof s->r.pending[0]);
    s->r.pc = is_one ? LOOK : READ;
    return true;
}

static void read_next(struct explorer *e, struct state *s)
{
    struct cell *first = &s->first[s->r.at % RING];
    uint8_t tag = tag_of(s->r.at);

    if (s->head - s->r.at > RING || first->tag != tag ||
        (first->told == TOLD && s->second[s->r.at % RING].tag != tag)) {
        s->r.pc = LOST;
        return;
    }
    if (first->told == TOLD && s->second[s->r.at % RING].slot != first->slot)
        explore_fail(e, "a hint has another's payload");
    if (first->told != TOLD || is_to_come(s, first->slot, first->kind)) {
        if (s->r.count == PENDING) {
            s->r.pc = LOST;
            return;
        }
        s->r.pending[s->r.count].at = s->r.at;
        s->r.pending[s->r.count].has_hint = first->told == TOLD;
        s->r.pending[s->r.count].slot = first->slot;
        s->r.pending[s->r.count].kind = first->kind;
        s->r.pending[s->r.count++].writer = first->writer;
    } else {
        s->r.pc = LOOK;
    }
    s->r.at++;
}

/* False: there is nothing to do. */
static bool step_reader(struct explorer *e, struct state *s)
{
    switch (s->r.pc) {
    case OFF:
    case LOST: /* listen_from_here() */
        memset(s->r.pending, 0, sizeof s->r.pending);
        s->r.count = 0;
        s->r.lost = s->lost;
        s->r.at = s->head;
        s->r.pc = PLACED;
        return true;
    case PLACED:
        s->on++;
        s->r.pc = LIST_0;
        return true;
    case LIST_0:
        s->r.believes = s->slot[0].state == SEALED;
        s->r.pc = LIST_1;
        return true;
    case LIST_1:
        s->r.believes |= s->slot[1].state == SEALED;
        s->r.pc = READ;
        return true;
    case LOOK:
        s->r.believes = is_there(s);
        s->r.pc = READ;
        return true;
    default:
        break;
    }
    if (s->r.lost != s->lost) {
        s->r.pc = LOST;
        return true;
    }
    for (int i = 0; i < s->r.count; i++)
        if (settle(s, i))
            return true;
    if (s->head == s->r.at)
        return false;
    read_next(e, s);
    return true;
}

static void step(struct explorer *e, const void *state)
{
    const struct state *s = state;
    struct state n = *s;
    bool is_rest = true, are_swept = true;

    if (step_reader(e, &n)) {
        explore_emit(e, &n);
        is_rest = false;
    }
    for (int who = 0; who < WRITERS; who++) {
        n = *s;
        if (s->w[who].pc == DEAD || s->w[who].pc == SWEPT) {
            are_swept = false;
            step_dead(&n, who);
            explore_emit(e, &n);
            continue;
        }
        if (s->w[who].pc == FORGOTTEN)
            continue;
        if (s->deaths) {
            n.deaths--;
            /* Changed, and has not told who came meanwhile: H3. */
            n.is_excused |=
                s->w[who].has_changed && s->w[who].on != s->on && mistake != OMIT_TELL_FIRST;
            memset(&n.w[who], 0, sizeof n.w[who]);
            n.w[who].pc = DEAD;
            explore_emit(e, &n);
            n = *s;
        }
        if (s->w[who].pc == IDLE) {
            start(e, s, who);
            continue;
        }
        is_rest = false;
        step_writer(&n, who);
        explore_emit(e, &n);
    }
    if (!is_rest || (s->is_excused && !are_swept))
        return;
    if (s->r.believes != is_there(s))
        explore_fail(e, "the subscriber believes what is not true");
    if (s->r.count)
        explore_fail(e, "a hint is pending for nobody");
}

static const struct budget {
    uint8_t deletes, deaths, writers;
} budgets[] = { { 1, 0, 2 }, { 0, 2, 2 }, { 0, 1, 3 }, { 1, 1, 2 }, { 2, 0, 2 }, { 1, 0, 3 } };
enum { USUAL = 3, BREAKING = 5, LARGE = 6 }; /* in BREAKING each mistake is found */

static void begin(void *state, size_t n)
{
    struct state *s = state;

    s->deletes = budgets[n].deletes;
    s->deaths = budgets[n].deaths;
    for (int i = budgets[n].writers; i < WRITERS; i++)
        s->w[i].pc = FORGOTTEN;
}

static const struct model model = { sizeof(struct state), begin, step, 1000 };

static void holds(void)
{
    explore_holds(&model, explore_is_large() ? LARGE : USUAL);
}

static void breaks(void)
{
    explore_breaks(&model, BREAKING, MISTAKES);
}

TESTS("events model", { "whoever dies, who follows the events knows what is there", holds },
      { "and it breaks if one of its rules is left out", breaks })
