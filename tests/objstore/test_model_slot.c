/* SPDX-License-Identifier: MIT */
/*
 * An exhaustive model of the life of a slot: slot.c, pin.c, lease.c, reap.c.
 *
 * One slot, three processes that create, get, delete, sweep, die at any step, and are replaced by
 * others that take over lease numbers. Every step below is one access to shared memory. A
 * process that stops for ever is one that is not scheduled any more: all that is included.
 * The same model with one rule of the protocol left out must break: so it can. MODEL=large walks
 * tens of millions of states more.
 *
 * All of that is sequentially consistent but for the two stores that are not: the end of a view (N3)
 * and the quick pin of a hot object (N4) wait in their process's store buffer, from where they go to
 * memory one by one at any time, and at the latest before the next locked instruction of that
 * process, or when another's barrier (N5) comes to it.
 */
#include "explore.h"
#include "test.h"

#include <string.h>

enum { PROCESSES = 3, LEASES = 4, BUFFER = 6, HOT = 1 << LEASES };
enum slot_state { FREE, WRITING, SEALED, DOOMED, RECLAIM };
enum lease_state { L_FREE, L_LIVE, L_DEAD };

enum pc {
    OUT, /* not attached, or dead */
    JOIN_PREPARE,
    JOIN_NEAR,
    JOIN_LIVE,
    IDLE,
    CREATE_FILL,
    CREATE_ENTER,
    CREATE_SEAL,
    GET_MASK,
    GET_NEAR, /* N0 */
    GET_ENTRY,
    GET_HEAT,  /* the object is marked as hot */
    GET_QUICK, /* N4 */
    GET_AGAIN,
    GET_WITHDRAWN, /* entry cleared, word to be read */
    HOLDING,
    RELEASED,
    DELETE_REMOVE,
    SCAN_MASK, /* pins_any() of word `w` */
    BARRIER,   /* N5, which comes to process number `i` */
    SCAN,      /* at lease number `i`: is there a set to look into? */
    SCAN_SET,
    LEAVE, /* D1 */
    TAKE,  /* T5 */
    UNDO_LINK,
    UNDO_BYTES,
    UNDO_FREE,
    SWEEP_LOOK,
    SWEEP_CHECK,
    SWEEP_TAKE,
    SWEEP_END,
    NEED_LEFT, /* reap_left(): D2, */
    NEED_LOOK,
    NEED_DONE, /* D3 */
};

struct word {
    uint8_t generation, state, owner;
};

struct process {
    uint8_t pc, lease, i;
    struct word w; /* what it read, or what it made of the slot while it owns it */
    uint8_t is_sweeping, is_needing;
    uint8_t pending; /* stores to its entry in the store buffer, the oldest first */
    uint8_t buffer[BUFFER];
    uint8_t looked, left;  /* what it read of them */
    uint8_t grave[LEASES]; /* generation + 1 of a DEAD lease it sweeps for, 0: none */
};

struct state {
    struct word slot;
    uint8_t mask, is_linked, bytes; /* generation whose bytes are there, 0: none */
    struct {
        uint8_t generation, state, is_locked;
        uint8_t near, pin; /* is the one set announced; generation in its one entry, 0: none */
    } lease[LEASES];
    uint8_t looked, left;
    uint8_t creates, gets, deletes, deaths, joins, needs, heats; /* that may still happen */
    struct process p[PROCESSES];
};

/* Rules to leave out, to see the model break. */
enum {
    RIGHT,
    OMIT_SECOND_LOOK,
    OMIT_NEW_GENERATION,
    OMIT_GRAVE_CHECK,
    OMIT_DOOMED_IN_SWEEP,
    OMIT_LOOK_AT_PINS,
    OMIT_COUNT,
    OMIT_READ_COUNT_FIRST,
    OMIT_ANNOUNCE_FIRST,
    OMIT_BARRIER,
    OMIT_HEAT, /* a quick pin of what is not marked as hot */
    MISTAKES,
};

static bool same(struct word a, struct word b)
{
    return a.generation == b.generation && a.state == b.state && a.owner == b.owner;
}

static bool cas(struct state *s, struct word expected, struct word to)
{
    if (!same(s->slot, expected))
        return false;
    s->slot = to;
    return true;
}

static struct word make(uint8_t generation, uint8_t state, uint8_t owner)
{
    return (struct word){ generation, state, owner };
}

/* The end of an operation. */
static void end(struct process *p)
{
    p->pc = p->is_sweeping ? SWEEP_END : IDLE;
    p->w = make(0, 0, 0);
    p->i = 0;
}

/* The end of a look at the slot. */
static void end_look(struct process *p)
{
    bool is_needing = p->is_needing;

    end(p);
    if (is_needing)
        p->pc = NEED_DONE;
}

/* A store to the process's entry that waits in its buffer. */
static void store_later(struct explorer *e, struct process *p, uint8_t generation)
{
    if (p->pending == BUFFER)
        explore_fail(e, "the model's store buffer is too small");
    else
        p->buffer[p->pending++] = generation;
}

/* The oldest of them goes to memory. */
static void drain_one(struct state *s, struct process *p)
{
    s->lease[p->lease].pin = p->buffer[0];
    memmove(p->buffer, p->buffer + 1, BUFFER - 1);
    p->buffer[--p->pending] = 0;
}

/* What a locked instruction does first. */
static void drain(struct state *s, struct process *p)
{
    while (p->pending)
        drain_one(s, p);
}

/* Its own stores a process sees. */
static uint8_t pin_seen_by(const struct state *s, const struct process *p, uint8_t lease)
{
    return lease == p->lease && p->pending ? p->buffer[p->pending - 1] : s->lease[lease].pin;
}

/* reclaim_if_unpinned() with the word as it is now. */
static void begin_scan(struct process *p, struct word w)
{
    if (w.state != DOOMED) {
        end_look(p);
        return;
    }
    p->w = w;
    p->pc = SCAN_MASK;
}

static void emit(struct explorer *e, const struct state *s, int who, const struct process *p)
{
    struct state next = *s;

    next.p[who] = *p;
    explore_emit(e, &next);
}

static void start_operations(struct explorer *e, const struct state *s, int who)
{
    struct state next = *s;
    struct process *p = &next.p[who];

    if (s->creates && s->slot.state == FREE) { /* T1 */
        next.creates--;
        drain(&next, p);
        next.slot = p->w = make(s->slot.generation + 1, WRITING, p->lease);
        p->pc = CREATE_FILL;
        explore_emit(e, &next);
    }
    next = *s;
    if (s->gets && s->slot.state == SEALED && s->is_linked) {
        next.gets--;
        p->w = s->slot;
        p->pc = GET_MASK;
        explore_emit(e, &next);
    }
    next = *s;
    if (s->deletes && s->slot.state == SEALED && s->is_linked) { /* T4 */
        next.deletes--;
        drain(&next, p);
        next.slot = p->w = make(s->slot.generation, DOOMED, 0);
        p->pc = DELETE_REMOVE;
        explore_emit(e, &next);
    }
    next = *s;
    if (s->needs) {
        next.needs--;
        p->looked = s->looked;
        p->is_needing = 1;
        p->pc = NEED_LEFT;
        explore_emit(e, &next);
    }
    next = *s;
    bool is_any = false;
    for (int l = 0; l < LEASES; l++) {
        p->grave[l] = 0;
        if (next.lease[l].state == L_LIVE && !next.lease[l].is_locked)
            next.lease[l].state = L_DEAD; /* A3; one by one makes no difference to anybody */
        if (next.lease[l].state == L_DEAD) {
            p->grave[l] = (uint8_t)(next.lease[l].generation + 1);
            is_any = true;
        }
    }
    if (is_any) {
        drain(&next, p);
        p->is_sweeping = 1;
        p->pc = SWEEP_LOOK;
        explore_emit(e, &next);
    }
}

static void step_create(struct explorer *e, struct state *s, struct process *p)
{
    if (!same(s->slot, p->w))
        explore_fail(e, "a writer lost its slot");
    switch (p->pc) {
    case CREATE_FILL:
        s->mask = 0;
        s->bytes = p->w.generation;
        p->pc = CREATE_ENTER;
        break;
    case CREATE_ENTER:
        s->is_linked = 1;
        p->pc = CREATE_SEAL;
        break;
    default:
        cas(s, p->w, make(p->w.generation, SEALED, 0)); /* T2 */
        end(p);
    }
}

static void step_get(struct explorer *e, struct state *s, struct process *p)
{
    switch (p->pc) {
    case GET_MASK:
        if (s->mask >> p->lease & 1 && s->lease[p->lease].near &&
            (s->mask & HOT || mistake == OMIT_HEAT)) {
            p->pc = GET_QUICK;
            break;
        }
        s->mask |= (uint8_t)(1 << p->lease);
        p->pc = s->lease[p->lease].near || mistake == OMIT_ANNOUNCE_FIRST ? GET_ENTRY : GET_NEAR;
        break;
    case GET_NEAR:
        drain(s, p);
        s->lease[p->lease].near = 1;
        p->pc = mistake == OMIT_ANNOUNCE_FIRST ? HOLDING : GET_ENTRY;
        break;
    case GET_ENTRY: /* N1 */
        drain(s, p);
        s->lease[p->lease].pin = p->w.generation;
        p->pc = mistake == OMIT_SECOND_LOOK ? HOLDING : GET_AGAIN;
        break;
    case GET_HEAT:
        drain(s, p);
        s->mask |= HOT;
        p->pc = GET_AGAIN;
        break;
    case GET_QUICK: /* N4 */
        store_later(e, p, p->w.generation);
        p->pc = GET_AGAIN;
        break;
    case GET_AGAIN:
        if (mistake == OMIT_ANNOUNCE_FIRST && same(s->slot, p->w) && !s->lease[p->lease].near) {
            p->pc = GET_NEAR;
            break;
        }
        if (same(s->slot, p->w)) {
            p->pc = HOLDING;
            break;
        }
        p->pc = GET_WITHDRAWN;
        store_later(e, p, 0); /* N3 */
        break;
    case HOLDING:
        if (s->slot.generation != p->w.generation ||
            (s->slot.state != SEALED && s->slot.state != DOOMED))
            explore_fail(e, "a slot was freed under a pin");
        if (s->bytes != p->w.generation)
            explore_fail(e, "bytes changed under a pin");
        store_later(e, p, 0); /* N3 */
        p->pc = RELEASED;
        break;
    default: /* GET_WITHDRAWN, RELEASED */
        begin_scan(p, s->slot);
    }
}

static void step_scan(struct state *s, struct process *p)
{
    if (p->pc == SCAN_MASK) {
        bool is_hot = s->mask & HOT && mistake != OMIT_BARRIER;

        p->i = 0;
        p->pc = !s->mask || mistake == OMIT_LOOK_AT_PINS ? TAKE : is_hot ? BARRIER : SCAN;
    } else if (p->pc == BARRIER) {
        drain(s, &s->p[p->i]);
        if (++p->i == PROCESSES) {
            p->i = 0;
            p->pc = SCAN;
        }
    } else if (p->pc == SCAN) {
        if (s->mask >> p->i & 1 && s->lease[p->i].near)
            p->pc = SCAN_SET;
        else if (++p->i == LEASES)
            p->pc = TAKE;
    } else if (p->pc == SCAN_SET) {
        uint8_t l = p->i++;

        if (s->lease[l].state == L_LIVE && pin_seen_by(s, p, l) == p->w.generation)
            p->pc = LEAVE;
        else
            p->pc = p->i == LEASES ? TAKE : SCAN;
    } else if (p->pc == LEAVE) {
        drain(s, p);
        if (mistake != OMIT_COUNT)
            s->left++; /* D1 */
        end_look(p);
    } else {
        struct word ours = make(p->w.generation, RECLAIM, p->lease);

        drain(s, p);
        if (!cas(s, p->w, ours)) { /* T5 */
            end_look(p);
            return;
        }
        p->w = ours;
        p->pc = UNDO_LINK;
    }
}

static void step_need(struct state *s, struct process *p)
{
    switch (p->pc) {
    case NEED_LEFT:
        p->left = s->left; /* D2 */
        p->pc = NEED_LOOK;
        if (p->left != p->looked)
            return;
        break;
    case NEED_LOOK:
        begin_scan(p, s->slot);
        return;
    default:
        drain(s, p);
        if (s->looked == p->looked)
            s->looked = mistake == OMIT_READ_COUNT_FIRST ? s->left : p->left; /* D3 */
    }
    p->is_needing = p->left = p->looked = 0;
    end(p);
}

static void step_undo(struct explorer *e, struct state *s, struct process *p)
{
    if (!same(s->slot, p->w))
        explore_fail(e, "a reclaimer lost its slot");
    if (p->pc == UNDO_LINK) {
        s->is_linked = 0;
        p->pc = UNDO_BYTES;
    } else if (p->pc == UNDO_BYTES) {
        s->bytes = 0;
        p->pc = UNDO_FREE;
    } else {
        cas(s, p->w, make(p->w.generation, FREE, 0)); /* T7 */
        end_look(p);
    }
}

static void step_sweep(struct state *s, struct process *p)
{
    switch (p->pc) {
    case SWEEP_LOOK:
        p->w = s->slot;
        if ((p->w.state == WRITING || p->w.state == RECLAIM) && p->grave[p->w.owner])
            p->pc = mistake == OMIT_GRAVE_CHECK ? SWEEP_TAKE : SWEEP_CHECK;
        else if (p->w.state == DOOMED && mistake != OMIT_DOOMED_IN_SWEEP)
            p->pc = SCAN_MASK;
        else
            end(p);
        break;
    case SWEEP_CHECK:
        if (s->lease[p->w.owner].state == L_DEAD &&
            s->lease[p->w.owner].generation + 1 == p->grave[p->w.owner])
            p->pc = SWEEP_TAKE;
        else
            end(p);
        break;
    case SWEEP_TAKE: {
        uint8_t bump = mistake == OMIT_NEW_GENERATION ? 0 : 1;
        struct word ours = make((uint8_t)(p->w.generation + bump), RECLAIM, p->lease);

        drain(s, p);
        if (cas(s, p->w, ours)) { /* T6 */
            p->w = ours;
            p->pc = UNDO_LINK;
        } else {
            end(p);
        }
        break;
    }
    default: /* SWEEP_END: A4 */
        for (int l = 0; l < LEASES; l++) {
            if (s->lease[l].state == L_DEAD && s->lease[l].generation + 1 == p->grave[l])
                s->lease[l].state = L_FREE;
            p->grave[l] = 0;
        }
        p->is_sweeping = 0;
        end(p);
    }
}

static void step_join(struct explorer *e, const struct state *s, int who)
{
    for (uint8_t l = 0; s->joins && l < LEASES; l++) {
        struct state next = *s;

        if (s->lease[l].state != L_FREE || s->lease[l].is_locked)
            continue;
        next.joins--;
        next.lease[l].is_locked = 1;
        next.p[who] = (struct process){ .pc = JOIN_PREPARE, .lease = l };
        explore_emit(e, &next);
    }
}

static void check_rest(struct explorer *e, const struct state *s)
{
    bool is_held = false;

    if (s->slot.state == FREE && (s->bytes || s->is_linked))
        explore_fail(e, "a free slot has bytes or a link");
    for (int i = 0; i < PROCESSES; i++) {
        bool is_at_rest = s->p[i].pc == OUT || s->p[i].pc == IDLE || s->p[i].pc == HOLDING;

        if ((!is_at_rest && s->p[i].pc < NEED_LEFT) || s->p[i].pending)
            return;
        is_held |= s->p[i].pc == HOLDING;
    }
    for (int l = 0; l < LEASES; l++)
        if (s->lease[l].state == L_DEAD || (s->lease[l].state == L_LIVE && !s->lease[l].is_locked))
            return;
    /* Nobody acts and every death was swept. */
    if (s->slot.state == WRITING || s->slot.state == RECLAIM)
        explore_fail(e, "a slot is owned by nobody");
    if (s->slot.state == DOOMED && !is_held && s->left == s->looked)
        explore_fail(e, "a deleted object leaks");
    if (s->slot.state == SEALED && (!s->is_linked || s->bytes != s->slot.generation))
        explore_fail(e, "a sealed object is lost");
}

static void step(struct explorer *e, const void *state)
{
    const struct state *s = state;

    check_rest(e, s);
    for (int who = 0; who < PROCESSES; who++) {
        struct state next = *s;
        struct process *p = &next.p[who];

        if (p->pc == OUT) {
            step_join(e, s, who);
            continue;
        }
        if (s->deaths) {
            struct process dead = { .pc = OUT };

            next.deaths--;
            drain(&next, p);
            next.lease[p->lease].is_locked = 0;
            emit(e, &next, who, &dead);
            next = *s;
        }
        if (p->pending) {
            drain_one(&next, p);
            explore_emit(e, &next);
            next = *s;
        }
        if (p->pc == IDLE) {
            start_operations(e, s, who);
            continue;
        }
        if (p->pc == JOIN_PREPARE) {
            next.lease[p->lease].pin = 0;
            p->pc = JOIN_NEAR;
        } else if (p->pc == JOIN_NEAR) {
            next.lease[p->lease].near = 0;
            p->pc = JOIN_LIVE;
        } else if (p->pc == JOIN_LIVE) { /* A1 */
            next.lease[p->lease].state = L_LIVE;
            next.lease[p->lease].generation++;
            end(p);
        } else if (p->pc <= CREATE_SEAL) {
            step_create(e, &next, p);
        } else if (p->pc <= RELEASED) {
            if (p->pc == GET_ENTRY && s->heats && mistake != OMIT_SECOND_LOOK) {
                next.heats--; /* it may be the one in so many that marks the object */
                step_get(e, &next, p);
                p->pc = GET_HEAT;
                explore_emit(e, &next);
                next = *s;
            }
            step_get(e, &next, p);
        } else if (p->pc == DELETE_REMOVE) {
            if (next.slot.generation == p->w.generation &&
                (next.slot.state == DOOMED || next.slot.state == RECLAIM))
                next.is_linked = 0;
            begin_scan(p, p->w);
        } else if (p->pc <= TAKE) {
            step_scan(&next, p);
        } else if (p->pc <= UNDO_FREE) {
            step_undo(e, &next, p);
        } else if (p->pc <= SWEEP_END) {
            step_sweep(&next, p);
        } else {
            step_need(&next, p);
        }
        explore_emit(e, &next);
    }
}

/* How much of what may happen; each is a walk of its own, as all at once is too much. */
struct budget {
    uint8_t creates, gets, deletes, deaths, joins, needs, heats;
    bool is_hot; /* at first there is an object that all have read often */
};
static const struct budget budgets[] = {
    { 2, 2, 2, 1, 0, 0, 0, 0 }, /* objects that come and go under readers */
    { 1, 1, 1, 3, 1, 0, 0, 0 }, /* readers, deleters and sweepers die, their numbers are used again */
    { 1, 0, 1, 2, 2, 0, 0, 0 }, /* sweepers sleep while numbers change hands twice */
    { 2, 1, 1, 2, 0, 0, 0, 0 }, { 2, 2, 2, 0, 0, 2, 0, 0 }, /* the last to leave is not seen, and one or two look */
    { 1, 2, 1, 1, 0, 2, 0, 0 }, { 1, 2, 1, 0, 0, 0, 1, 0 }, /* an object becomes hot, */
    { 1, 2, 2, 0, 0, 1, 0, 1 },                             /* or was: quick pins and barriers */
    { 0, 2, 1, 1, 0, 0, 0, 1 }, { 2, 2, 2, 3, 2, 0, 0, 0 }, /* large: 33 million states and more */
    { 2, 2, 2, 2, 2, 1, 0, 0 }, { 1, 3, 2, 1, 1, 1, 1, 0 }, { 1, 3, 2, 1, 1, 1, 0, 1 },
};
enum { USUAL = 9, LARGE = 13 };

static void begin(void *state, size_t n)
{
    const struct budget *b = &budgets[n];
    struct state *s = state;

    s->creates = b->creates;
    s->gets = b->gets;
    s->deletes = b->deletes;
    s->deaths = b->deaths;
    s->joins = b->joins;
    s->needs = b->needs;
    s->heats = b->heats;
    for (uint8_t i = 0; i < PROCESSES; i++) {
        s->p[i].pc = IDLE;
        s->p[i].lease = i;
        s->lease[i].state = L_LIVE;
        s->lease[i].generation = 1;
        s->lease[i].is_locked = 1;
        s->lease[i].near = b->is_hot;
    }
    if (b->is_hot) {
        s->slot = make(1, SEALED, 0);
        s->mask = HOT | ((1 << PROCESSES) - 1);
        s->is_linked = s->bytes = 1;
    }
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

TESTS("slot model", { "the protocol holds in every interleaving with every death", holds },
      { "and breaks if one of its rules is left out", breaks })
