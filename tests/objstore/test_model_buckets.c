/* SPDX-License-Identifier: MIT */
/*
 * An exhaustive model of the index: index.c, a list with one bucket that is opened while others
 * enter, delete and look up.
 *
 * Ids on both sides of the bucket's place, two of them with one hash; slots that are used again;
 * processes that die at any step, and such as see the table smaller and begin at its only
 * bucket. Each step is one access to shared memory. "Not there" must be right at some
 * moment of a lookup. With a rule left out the model must break.
 */
#include "explore.h"
#include "test.h"

enum { PROCESSES = 3, SLOTS = 4, BUCKET0 = 0, BUCKET = 1, FIRST = 2, NODES = FIRST + SLOTS };
enum { END = 15, NOTHING_FOUND = 0xff };
/* Places in the list: 0 of bucket 0, 1 of id 1, 2 of the bucket, 3 of ids 3 and 4: one hash. */
enum { PLACE_BUCKET = 2 };
enum slot_state { FREE, PRESENT, DOOMED };
enum pc {
    DEAD,
    IDLE,
    /* A search, or three: to open the bucket, for an id, to take a slot out. */
    BEGIN,
    READ_BUCKET,
    SEARCH,
    READ_NEXT,
    READ_WORD,
    CHECK_LINK,
    MARK_OTHER,
    TAKE_OUT,
    PREPARE,  /* B1 */
    LINK,     /* B2 */
    OPEN,     /* B3 */
    SET_NEXT, /* before L1 */
    ENTER,    /* L1 */
    DOOM,
    READ_MARK,
    MARK, /* L2 */
};
enum aim { INSERT, DELETE, LOOK, REMOVE };

/* A link: target:4 | flag:1 | tag:11. */
typedef uint16_t hop;

struct process {
    uint8_t pc, aim, id, own, opening, begin, absent_ok, sees_small;
    uint8_t from, head_from, seen_state, seen_id, seen_life, found;
    hop link, next, head_link, bucket;
};
struct state {
    hop next[NODES];
    uint8_t state[NODES], id[NODES], life[NODES], entered[NODES];
    uint8_t inserts, deletes, looks, deaths;
    struct process p[PROCESSES];
};

/* Rules to leave out, to see the model break. */
enum {
    RIGHT,
    OMIT_READING_FIRST,
    OMIT_OPEN,
    OMIT_TAG,
    OMIT_MARK,
    OMIT_CHECK,
    MISTAKES,
};

static uint8_t target(hop l)
{
    return l & 15;
}
static bool flag(hop l)
{
    return l & 16;
}
static hop change(hop now, uint8_t to)
{
    return (hop)(((now & ~15u) + 32) | to);
}
static bool same(hop a, hop b)
{
    return mistake == OMIT_TAG ? (a & 31) == (b & 31) : a == b;
}
static bool cas(hop *at, hop expected, hop to)
{
    bool is_same = same(*at, expected);

    if (is_same)
        *at = to;
    return is_same;
}
static uint8_t place_of_id(uint8_t id)
{
    return id == 4 ? 3 : id;
}
static uint8_t place_of(const struct process *p)
{
    return p->opening ? PLACE_BUCKET : place_of_id(p->id);
}

static void idle(struct process *p)
{
    *p = (struct process){ .pc = IDLE };
}

/* What is not needed any more is forgotten: states that differ in nothing else are one. */
static void begin(struct process *p)
{
    *p = (struct process){ .pc = BEGIN,
                           .aim = p->aim,
                           .id = p->id,
                           .own = p->own,
                           .found = p->found,
                           .absent_ok = p->absent_ok,
                           .sees_small = p->sees_small };
}

/* ---- what a search ends with --------------------------------------------------------------- */

static void found(struct explorer *e, struct state *s, struct process *p, uint8_t node)
{
    (void)e;
    if (p->opening) {
        p->bucket = mistake == OMIT_READING_FIRST ? s->next[BUCKET] : p->bucket;
        p->pc = OPEN;
    } else if (p->aim == INSERT) { /* somebody has the id */
        s->state[p->own] = FREE;
        idle(p);
    } else if (p->aim == DELETE) {
        p->found = node;
        p->pc = DOOM;
    } else {
        idle(p);
    }
}

static void not_found(struct explorer *e, struct state *s, struct process *p)
{
    if (p->head_from == NOTHING_FOUND) {
        p->head_from = p->from;
        p->head_link = p->link;
    }
    if (p->opening) {
        p->pc = PREPARE;
        return;
    }
    switch (p->aim) {
    case INSERT:
        p->pc = SET_NEXT;
        break;
    case REMOVE:
        s->state[p->found] = FREE;
        s->entered[p->found] = 0;
        idle(p);
        break;
    default:
        if (p->aim == LOOK && !p->absent_ok)
            explore_fail(e, "a lookup missed an object");
        idle(p);
    }
}

/* ---- a search ------------------------------------------------------------------------------ */

/* Where `link` leads: decide at once what takes no look at memory. */
static void go_on(struct explorer *e, struct state *s, struct process *p)
{
    uint8_t to = target(p->link);

    if (to == END) {
        not_found(e, s, p);
    } else if (to == BUCKET) {
        if (p->opening)
            found(e, s, p, to);
        else if (p->id < PLACE_BUCKET)
            not_found(e, s, p);
        else {
            p->from = BUCKET;
            p->pc = SEARCH;
        }
    } else {
        p->pc = READ_NEXT;
    }
}

static void again(struct process *p)
{
    p->from = p->begin;
    p->head_from = NOTHING_FOUND;
    p->head_link = p->link = p->next = 0;
    p->seen_state = p->seen_id = p->seen_life = 0;
    p->pc = SEARCH;
}

static void step_checked(struct explorer *e, struct state *s, struct process *p)
{
    uint8_t at = target(p->link);

    if (!same(s->next[p->from], p->link) && mistake != OMIT_CHECK) {
        again(p);
        return;
    }
    if (place_of_id(p->seen_id) >= place_of(p)) {
        if (p->head_from == NOTHING_FOUND) {
            p->head_from = p->from;
            p->head_link = p->link;
        }
        if (p->opening || place_of_id(p->seen_id) != place_of(p)) {
            not_found(e, s, p);
            return;
        }
    }
    if (p->seen_state == PRESENT && !flag(p->next)) {
        if (p->seen_id == p->id && !p->opening && p->aim != REMOVE) {
            p->seen_life = s->life[at];
            found(e, s, p, at);
            return;
        }
        p->from = at;
        p->link = p->next;
        p->next = 0;
        p->seen_state = p->seen_id = 0;
        go_on(e, s, p);
    } else {
        p->pc = flag(p->next) || mistake == OMIT_MARK ? TAKE_OUT : MARK_OTHER;
    }
}

static void step_search(struct explorer *e, struct state *s, struct process *p)
{
    uint8_t at = target(p->link);

    switch (p->pc) {
    case BEGIN:
        p->begin = BUCKET0;
        if (p->id > PLACE_BUCKET && !p->sees_small) {
            if (flag(s->next[BUCKET]) || (mistake == OMIT_OPEN && s->next[BUCKET])) {
                p->begin = BUCKET;
            } else {
                p->opening = 1;
                p->pc = READ_BUCKET;
                break;
            }
        }
        again(p);
        break;
    case READ_BUCKET:
        p->bucket = s->next[BUCKET];
        p->head_link = p->link = p->next = 0;
        if (flag(p->bucket))
            begin(p);
        else
            again(p);
        break;
    case SEARCH:
        p->link = s->next[p->from];
        go_on(e, s, p);
        break;
    case READ_NEXT:
        p->next = s->next[at];
        p->pc = READ_WORD;
        break;
    case READ_WORD:
        p->seen_state = s->state[at];
        p->seen_id = s->id[at];
        p->pc = CHECK_LINK;
        break;
    case CHECK_LINK:
        step_checked(e, s, p);
        break;
    case MARK_OTHER:
        cas(&s->next[at], p->next, (hop)(change(p->next, target(p->next)) | 16));
        p->pc = READ_NEXT;
        break;
    default: { /* TAKE_OUT: L3 */
        hop shorter = change(p->link, target(p->next));

        if (!cas(&s->next[p->from], p->link, shorter)) {
            again(p);
            break;
        }
        if (p->head_from == p->from)
            p->head_link = shorter;
        p->link = shorter;
        p->next = 0;
        p->seen_state = p->seen_id = 0;
        go_on(e, s, p);
    }
    }
}

/* ---- changes ------------------------------------------------------------------------------- */

static void step_open(struct state *s, struct process *p)
{
    hop to;

    switch (p->pc) {
    case PREPARE:
        if (mistake == OMIT_READING_FIRST)
            p->bucket = s->next[BUCKET];
        to = change(p->bucket, target(p->head_link));
        p->pc = LINK;
        if (!flag(p->bucket) && cas(&s->next[BUCKET], p->bucket, to))
            p->bucket = to;
        else
            p->pc = READ_BUCKET;
        break;
    case LINK:
        p->pc = cas(&s->next[p->head_from], p->head_link, change(p->head_link, BUCKET))
                    ? OPEN
                    : READ_BUCKET;
        break;
    default: /* OPEN */
        cas(&s->next[BUCKET], p->bucket, (hop)(change(p->bucket, target(p->bucket)) | 16));
        p->pc = READ_BUCKET;
    }
}

static void step_change(struct state *s, struct process *p)
{
    switch (p->pc) {
    case SET_NEXT:
        s->next[p->own] = change(s->next[p->own] & (hop)~16u, target(p->head_link));
        p->pc = ENTER;
        break;
    case ENTER:
        if (cas(&s->next[p->head_from], p->head_link, change(p->head_link, p->own))) {
            s->entered[p->own] = 1;
            idle(p);
        } else {
            again(p);
        }
        break;
    case DOOM:
        if (s->state[p->found] == PRESENT && s->life[p->found] == p->seen_life) {
            s->state[p->found] = DOOMED;
            p->pc = READ_MARK;
        } else {
            idle(p);
        }
        break;
    case READ_MARK:
        p->next = s->next[p->found];
        p->pc = MARK;
        break;
    default: /* MARK */
        if (mistake != OMIT_MARK && !flag(p->next) &&
            !cas(&s->next[p->found], p->next, (hop)(change(p->next, target(p->next)) | 16))) {
            p->pc = READ_MARK;
            break;
        }
        p->aim = REMOVE;
        begin(p);
    }
}

/* ---- the whole ----------------------------------------------------------------------------- */

static bool is_listed(const struct state *s, uint8_t node)
{
    uint8_t at = BUCKET0;

    for (int i = 0; i <= NODES && at != END; i++, at = target(s->next[at]))
        if (at == node)
            return true;
    return false;
}

static void check(struct explorer *e, const struct state *s)
{
    uint8_t at = BUCKET0, place = 0, present[5] = { 0 };
    int length = 0;

    for (; at != END; at = target(s->next[at])) {
        uint8_t here = at == BUCKET0 ? 0 : at == BUCKET ? PLACE_BUCKET : place_of_id(s->id[at]);

        if (here < place)
            explore_fail(e, "the list is out of order");
        if (length++ > NODES) {
            explore_fail(e, "the list does not end");
            return;
        }
        place = here;
        if (at >= FIRST && s->state[at] == FREE)
            explore_fail(e, "a free slot is in the list");
        if (at >= FIRST && s->state[at] == PRESENT)
            present[s->id[at]]++;
    }
    if (present[1] > 1 || present[3] > 1 || present[4] > 1)
        explore_fail(e, "an id is there twice");
    if (flag(s->next[BUCKET]) && !is_listed(s, BUCKET))
        explore_fail(e, "an open bucket is not in the list");
    for (uint8_t i = FIRST; i < NODES; i++)
        if (s->entered[i] && s->state[i] == PRESENT && !is_listed(s, i))
            explore_fail(e, "an object is lost");
}

static void emit(struct explorer *e, struct state *s)
{
    for (int who = 0; who < PROCESSES; who++) {
        struct process *p = &s->p[who];
        bool is_there = false;

        for (uint8_t i = FIRST; i < NODES && p->aim == LOOK; i++)
            is_there |= s->entered[i] && s->state[i] == PRESENT && s->id[i] == p->id;
        if (p->pc > IDLE && p->aim == LOOK && !is_there)
            p->absent_ok = 1;
    }
    explore_emit(e, s);
}

static void start_one(struct explorer *e, const struct state *s, int who, enum aim aim, uint8_t id)
{
    struct state n = *s;
    uint8_t own = FIRST;

    if (aim == INSERT) {
        while (own < NODES && s->state[own] != FREE)
            own++;
        if (own == NODES)
            return;
        n.state[own] = PRESENT;
        n.id[own] = id;
        n.life[own]++;
    }
    *(aim == INSERT ? &n.inserts : aim == DELETE ? &n.deletes : &n.looks) -= 1;
    for (uint8_t sees_small = 0; sees_small < 2; sees_small++) {
        n.p[who] = (struct process){ .aim = (uint8_t)aim, .id = id, .own = own };
        n.p[who].sees_small = sees_small;
        begin(&n.p[who]);
        emit(e, &n);
    }
}

static void start(struct explorer *e, const struct state *s, int who)
{
    static const uint8_t ids[] = { 1, 3, 4 };

    for (int i = 0; i < 3; i++) {
        if (s->inserts)
            start_one(e, s, who, INSERT, ids[i]);
        if (s->deletes && ids[i] != 4)
            start_one(e, s, who, DELETE, ids[i]);
    }
    if (s->looks)
        start_one(e, s, who, LOOK, 3);
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
        if (p->pc == IDLE) {
            start(e, s, who);
            continue;
        }
        if (s->deaths) {
            n.deaths--;
            *p = (struct process){ .pc = DEAD };
            emit(e, &n);
            n = *s;
        }
        if (p->pc <= TAKE_OUT)
            step_search(e, &n, p);
        else if (p->pc <= OPEN)
            step_open(&n, p);
        else
            step_change(&n, p);
        emit(e, &n);
    }
}

struct budget {
    uint8_t processes, inserts, deletes, looks, deaths;
};
static const struct budget budgets[] = {
    { 3, 2, 0, 0, 1 }, { 3, 1, 1, 0, 0 }, { 2, 1, 1, 1, 1 },
    { 2, 2, 1, 0, 1 }, { 2, 2, 2, 0, 0 }, /* large */
};
enum { USUAL = 4, LARGE = 5 };

static void begin_walk(void *state, size_t n)
{
    const struct budget *b = &budgets[n];
    struct state *s = state;

    for (int i = 0; i < NODES; i++)
        s->next[i] = i == BUCKET ? 0 : END;
    s->next[BUCKET0] = FIRST; /* one object is there, behind the bucket's place */
    s->state[FIRST] = PRESENT;
    s->entered[FIRST] = 1;
    s->id[FIRST] = 3;
    for (int i = 0; i < PROCESSES; i++)
        if (i < b->processes)
            idle(&s->p[i]);
    s->inserts = b->inserts;
    s->deletes = b->deletes;
    s->looks = b->looks;
    s->deaths = b->deaths;
}

static const struct model model = { sizeof(struct state), begin_walk, step, 1000 };

static void holds(void)
{
    explore_holds(&model, explore_is_large() ? LARGE : USUAL);
}

static void breaks(void)
{
    explore_breaks(&model, USUAL, MISTAKES);
}

TESTS("buckets model", { "the protocol holds in every interleaving with every death", holds },
      { "and breaks if one of its rules is left out", breaks })
