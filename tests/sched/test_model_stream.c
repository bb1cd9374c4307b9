/* SPDX-License-Identifier: MIT */
/*
 * A stream, walked through exhaustively: a task that yields ITEMS items into a ring of one or two
 * cells, two takers, and one who may ask the task to stop. One step is one access to shared memory
 * of stream.c, of park.c and of the task's word. The task's process, a taker and the one who asks
 * may die between any two steps; the task is then run again from its beginning, and all who sleep
 * are woken (sweep.c). A taker may stop taking for good.
 *
 * In every state: an item is taken once at most, and as it was yielded. Who sees the end has seen all
 * items taken. In every state without a next step: if there is a taker left, or the task was asked to
 * stop, it is over, and every taker that is left has seen the end.
 */
#include "explore.h"
#include "test.h"

#define ITEMS 3
#define TAKERS 2
#define TORN 0xff

enum producer {
    START,
    CHECK_STOP,
    ROOM,
    SET_FULL,
    LOOK,
    PARK,
    LOOK_PARKED,
    SLEEP,
    CLEAR_FULL,
    WRITE,
    WRITTEN,
    PUBLISH,
    TAKE_WAITERS,
    WAKE,
    END,
    TELL,
    WAKE_LAST,
    OVER
};
enum taker {
    READ_WORD,
    READ_TAKEN,
    READ_PUBLISHED,
    COPY,
    TAKE,
    READ_FULL,
    WAKE_TASK,
    REGISTER,
    REGISTER_TASK,
    PARK_TAKER,
    LOOK_TAKER,
    SLEEP_TAKER,
    SAW_END,
    QUIT,
    DEAD
};
enum stopper { SET_CANCEL, WAKE_CANCELLED, STOPPER_DONE };

struct state {
    uint8_t capacity;
    uint8_t published, taken, full, waiters, task_waiters, over, cancel;
    uint8_t cell[2];
    uint8_t park, parks[TAKERS];
    uint8_t producer, yielded, bits, stopper;
    uint8_t taker[TAKERS], seen_over[TAKERS], seen_taken[TAKERS], copied[TAKERS];
    uint8_t delivered[ITEMS];
    uint8_t deaths_left, items;
};

enum {
    RIGHT,
    LOOKS_TOO_EARLY,
    DOES_NOT_SKIP,
    TAKES_FIRST,
    TRUSTS_ITS_BIT,
    SEES_END_LATE,
    MISTAKES,
};

/* What nobody will look at again is forgotten: fewer states. */
static void next(struct explorer *e, struct state s)
{
    for (int i = 0; i < TAKERS; i++) {
        if (s.taker[i] == READ_WORD || s.taker[i] > READ_PUBLISHED + (mistake == RIGHT ? 2 : 9))
            s.seen_over[i] = s.seen_taken[i] = s.copied[i] = 0;
        else if (s.taker[i] <= COPY && mistake == RIGHT)
            s.copied[i] = 0;
    }
    explore_emit(e, &s);
}

static bool may_go_on(const struct state *s)
{
    return s->cancel || s->published - s->taken <= s->capacity / 2;
}

static void wake_all(struct state *s)
{
    s->park = 0;
    memset(s->parks, 0, sizeof s->parks);
}

/* ---- the task ------------------------------------------------------------------------------ */

static void producer_dies(struct explorer *e, struct state s)
{
    if (s.producer == OVER || !s.deaths_left)
        return;
    s.deaths_left--;
    s.over |= s.cancel; /* the sweep ends it, or it runs again */
    s.producer = s.over ? OVER : START;
    s.bits = s.yielded = 0;
    wake_all(&s);
    next(e, s);
}

static void step_producer(struct explorer *e, struct state s)
{
    producer_dies(e, s);
    switch (s.producer++) {
    case START:
        s.yielded = mistake == DOES_NOT_SKIP ? s.published : 0;
        s.yielded = mistake == DOES_NOT_SKIP && s.yielded ? (uint8_t)(s.yielded - 1) : s.yielded;
        break;
    case CHECK_STOP:
        if (s.cancel || s.yielded == s.items)
            s.producer = END;
        else if (s.yielded < s.published && mistake != DOES_NOT_SKIP)
            s.yielded++, s.producer = CHECK_STOP;
        break;
    case ROOM:
        if (s.published - s.taken < s.capacity)
            s.producer = WRITE;
        else if (mistake == LOOKS_TOO_EARLY)
            s.producer = may_go_on(&s) ? WRITE : SET_FULL;
        break;
    case SET_FULL:
        s.full = 1;
        if (mistake == LOOKS_TOO_EARLY)
            s.park = 1, s.producer = SLEEP;
        break;
    case LOOK:
        s.producer = may_go_on(&s) ? CLEAR_FULL : PARK;
        break;
    case PARK:
        s.park = 1;
        break;
    case LOOK_PARKED:
        if (may_go_on(&s))
            s.park = 0, s.producer = CLEAR_FULL;
        break;
    case SLEEP:
        if (s.park)
            return;
        s.producer = LOOK;
        break;
    case CLEAR_FULL:
        s.full = 0;
        if (s.cancel)
            s.producer = END;
        break;
    case WRITE:
        s.cell[s.published % s.capacity] = TORN;
        break;
    case WRITTEN:
        s.cell[s.published % s.capacity] = mistake == DOES_NOT_SKIP ? s.yielded : s.published;
        break;
    case PUBLISH:
        s.published++;
        s.yielded++;
        break;
    case TAKE_WAITERS:
        s.bits = s.waiters;
        s.waiters = 0;
        break;
    case WAKE:
        for (int i = 0; i < TAKERS; i++)
            s.parks[i] = s.bits >> i & 1 ? 0 : s.parks[i];
        s.bits = 0;
        s.producer = CHECK_STOP;
        break;
    case END:
        s.over = 1;
        break;
    case TELL:
        s.bits = s.task_waiters;
        break;
    case WAKE_LAST:
        for (int i = 0; i < TAKERS; i++)
            s.parks[i] = s.bits >> i & 1 ? 0 : s.parks[i];
        s.bits = 0;
        break;
    default:
        return;
    }
    next(e, s);
}

/* ---- a taker ------------------------------------------------------------------------------- */

static void took(struct explorer *e, struct state *s, int i)
{
    uint8_t item = s->seen_taken[i];

    if (s->copied[i] != item)
        explore_fail(e, "an item is not what was yielded");
    if (s->copied[i] < ITEMS && s->delivered[s->copied[i]]++)
        explore_fail(e, "an item was delivered twice");
}

static void sees_end(struct explorer *e, const struct state *s)
{
    if (s->taken != s->published)
        explore_fail(e, "the end was seen before the last item");
    if (!s->cancel && s->published != s->items)
        explore_fail(e, "the stream is short");
}

static void step_taker(struct explorer *e, struct state s, int i)
{
    if (s.taker[i] >= SAW_END)
        return;
    struct state dead = s;
    dead.taker[i] = DEAD;
    dead.deaths_left--;
    wake_all(&dead);
    if (s.deaths_left)
        next(e, dead);
    switch (s.taker[i]++) {
    case READ_WORD: {
        struct state quits = s;
        quits.taker[i] = QUIT;
        next(e, quits);
        s.seen_over[i] = s.over;
        break;
    }
    case READ_TAKEN:
        s.seen_taken[i] = s.taken;
        break;
    case READ_PUBLISHED:
        if (s.published > s.seen_taken[i])
            s.taker[i] = mistake == TAKES_FIRST ? TAKE : COPY;
        else if (s.seen_over[i])
            s.taker[i] = SAW_END, sees_end(e, &s);
        else
            s.taker[i] = REGISTER;
        break;
    case COPY:
        s.copied[i] = s.cell[s.seen_taken[i] % s.capacity];
        if (mistake == TAKES_FIRST)
            took(e, &s, i), s.taker[i] = READ_FULL;
        break;
    case TAKE:
        if (s.taken != s.seen_taken[i]) {
            s.seen_taken[i] = s.taken;
            s.taker[i] = READ_PUBLISHED;
            break;
        }
        s.taken++;
        if (mistake == TAKES_FIRST)
            s.taker[i] = COPY;
        else
            took(e, &s, i);
        break;
    case READ_FULL:
        if (!s.full || !may_go_on(&s))
            s.taker[i] = READ_WORD;
        break;
    case WAKE_TASK:
        s.park = 0;
        s.taker[i] = READ_WORD;
        break;
    case REGISTER:
        s.waiters |= (uint8_t)(1 << i);
        break;
    case REGISTER_TASK:
        s.task_waiters |= (uint8_t)(1 << i);
        break;
    case PARK_TAKER:
        s.parks[i] = 1;
        break;
    case LOOK_TAKER:
        if (s.published > s.taken || s.over || (mistake != TRUSTS_ITS_BIT && !(s.waiters >> i & 1)))
            s.parks[i] = 0, s.taker[i] = READ_WORD;
        break;
    default: /* SLEEP_TAKER */
        if (s.parks[i])
            return;
        s.taker[i] = READ_WORD;
        if (mistake == SEES_END_LATE && s.over)
            s.taker[i] = SAW_END, sees_end(e, &s);
    }
    next(e, s);
}

static void step_stopper(struct explorer *e, struct state s)
{
    switch (s.stopper++) {
    case SET_CANCEL:
        if (s.over)
            return;
        s.cancel = 1;
        break;
    case WAKE_CANCELLED: /* or it dies here, and all are woken */
        s.park = 0;
        break;
    default:
        return;
    }
    next(e, s);
}

/* ---- the walk ------------------------------------------------------------------------------ */

static void expect_end(struct explorer *e, const struct state *s)
{
    bool task_rests = s->producer == OVER || (s->producer == SLEEP && s->park);
    bool takers_rest = true, is_read = false;

    for (int i = 0; i < TAKERS; i++) {
        takers_rest &= s->taker[i] >= SAW_END || (s->taker[i] == SLEEP_TAKER && s->parks[i]);
        is_read |= s->taker[i] < SAW_END;
    }
    if (!task_rests || !takers_rest || s->stopper == WAKE_CANCELLED)
        return;
    if (is_read)
        explore_fail(e, "a taker sleeps for ever");
    if (s->producer != OVER && s->cancel)
        explore_fail(e, "the task was not told to stop");
}

static void step(struct explorer *e, const void *state)
{
    struct state s;

    memcpy(&s, state, sizeof s);
    if (s.taken > s.published || s.published - s.taken > s.capacity)
        explore_fail(e, "more items than cells");
    expect_end(e, &s);
    step_producer(e, s);
    for (int i = 0; i < TAKERS; i++)
        step_taker(e, s, i);
    step_stopper(e, s);
}

static const struct budget {
    uint8_t capacity, items, deaths;
} budgets[] = { { 1, 1, 2 }, { 1, 2, 1 }, { 2, 3, 0 }, { 1, 3, 0 } };
enum { USUAL = 3, BREAKING = 4 }; /* in BREAKING each mistake is found */

static void begin(void *state, size_t n)
{
    struct state *s = state;

    s->capacity = budgets[n].capacity;
    s->items = budgets[n].items;
    s->deaths_left = budgets[n].deaths;
}

static const struct model model = { sizeof(struct state), begin, step, 1000 };

static void all_interleavings(void)
{
    explore_holds(&model, USUAL);
}

static void mistakes_are_found(void)
{
    explore_breaks(&model, BREAKING, MISTAKES);
}

TESTS("wsched: model of streams", { "every interleaving, with deaths", all_interleavings },
      { "mistakes in the model are found", mistakes_are_found })
