/* SPDX-License-Identifier: MIT */
/*
 * An exhaustive model of sleeping and waking: wait.c, with puts that seal and wake in one step (V4)
 * and creators that wake at the entry.
 *
 * Two ids on one word, each with a sleeper and with writers that may die at any step. Whoever
 * sleeps for an object that is sealed must tick, or somebody must be about to wake it. With a rule
 * left out the model must break. (Who sleeps for several ids has a word of his own, which a put wakes
 * before it seals, as a creator does at the entry: test_wait.c.)
 */
#include "explore.h"
#include "test.h"

enum { IDS = 2, SLEEPERS = 2, WRITERS = 2 };
enum { SLEEPING = 1, WAKING = 2, COUNT = 4 }; /* the word */
enum object { ABSENT, WRITTEN, SEALED };
enum sleeper_pc { ANNOUNCE, LOOK, WAIT, ASLEEP, DONE };
enum writer_pc {
    DEAD,
    IDLE,
    ENTER,      /* L1 */
    TELL_ENTRY, /* a creator: V2 after L1 */
    TELL_ENTRY_2,
    TELL_ENTRY_3,
    CLAIM, /* a put: V4 */
    SEAL_AND_WAKE,
    END_CLAIM, /* V3 */
    SEAL,      /* T2 by itself */
    TELL,      /* V2 */
    TELL_2,    /* the wake */
    TELL_3,    /* V3 */
};

struct state {
    uint8_t word;
    struct {
        uint8_t state, writer;
    } object[IDS];
    struct {
        uint8_t pc, announced, ticks;
    } sleeper[SLEEPERS]; /* sleeper i waits for id i */
    struct {
        uint8_t pc, id, ours, is_put;
    } writer[WRITERS];
    uint8_t puts, creates, deaths;
};

/* Rules to leave out, to see the model break. */
enum {
    RIGHT,
    OMIT_ONE_STEP,
    OMIT_WAKING,
    OMIT_COUNT,
    OMIT_TICKING,
    OMIT_TELLING_OF_CREATES,
    MISTAKES,
};

static void wake_all(struct state *s)
{
    for (int i = 0; i < SLEEPERS; i++)
        if (s->sleeper[i].pc == ASLEEP) {
            s->sleeper[i].pc = ANNOUNCE;
            s->sleeper[i].ticks = 0;
        }
}

/* V2, V4: false if nobody sleeps. */
static bool claim(struct state *s, uint8_t *ours)
{
    if (!(s->word & (mistake == OMIT_WAKING ? SLEEPING : SLEEPING | WAKING)))
        return false;
    s->word = (uint8_t)((s->word & ~SLEEPING) | WAKING);
    if (mistake != OMIT_COUNT)
        s->word = (uint8_t)(s->word + COUNT);
    *ours = s->word;
    return true;
}

static void end_claim(struct state *s, uint8_t ours)
{
    if ((s->word & ~SLEEPING) == ours)
        s->word = (uint8_t)(s->word & ~WAKING);
}

static void step_sleeper(struct state *s, int i)
{
    switch (s->sleeper[i].pc) {
    case ANNOUNCE: /* V1 */
        s->word |= SLEEPING;
        s->sleeper[i].announced = s->word;
        s->sleeper[i].pc = LOOK;
        break;
    case LOOK: {
        uint8_t writer = s->object[i].writer;

        if (s->object[i].state == SEALED) {
            s->sleeper[i].pc = DONE;
            break;
        }
        s->sleeper[i].ticks = s->object[i].state == WRITTEN;
        s->sleeper[i].pc = WAIT;
        if (s->object[i].state == WRITTEN && s->writer[writer].pc == DEAD) { /* the sweep */
            s->object[i].state = ABSENT;
            s->sleeper[i].pc = ANNOUNCE;
        }
        break;
    }
    case WAIT: /* the kernel compares and queues in one step */
        s->sleeper[i].pc = s->word == s->sleeper[i].announced ? ASLEEP : ANNOUNCE;
        s->sleeper[i].announced = 0;
        break;
    default: /* ASLEEP, and ticks */
        s->sleeper[i].pc = ANNOUNCE;
        s->sleeper[i].ticks = 0;
    }
}

static void step_writer(struct state *s, int i)
{
    uint8_t id = s->writer[i].id, *pc = &s->writer[i].pc, *ours = &s->writer[i].ours;

    switch (*pc) {
    case ENTER: /* L1 */
        if (s->object[id].state != ABSENT) {
            *pc = IDLE;
            break;
        }
        s->object[id].state = WRITTEN;
        s->object[id].writer = (uint8_t)i;
        *pc = s->writer[i].is_put ? CLAIM : mistake == OMIT_TELLING_OF_CREATES ? SEAL : TELL_ENTRY;
        break;
    case TELL_ENTRY:
        *pc = claim(s, ours) ? TELL_ENTRY_2 : SEAL;
        break;
    case TELL_ENTRY_2:
        wake_all(s);
        *pc = TELL_ENTRY_3;
        break;
    case TELL_ENTRY_3:
        end_claim(s, *ours);
        *pc = SEAL;
        break;
    case CLAIM:
        *pc = mistake != OMIT_ONE_STEP && claim(s, ours) ? SEAL_AND_WAKE : SEAL;
        break;
    case SEAL_AND_WAKE:
        s->object[id].state = SEALED;
        wake_all(s);
        *pc = END_CLAIM;
        break;
    case END_CLAIM:
        end_claim(s, *ours);
        *pc = TELL;
        break;
    case SEAL:
        s->object[id].state = SEALED;
        *pc = TELL;
        break;
    case TELL:
        *pc = claim(s, ours) ? TELL_2 : IDLE;
        break;
    case TELL_2:
        wake_all(s);
        *pc = TELL_3;
        break;
    default: /* TELL_3 */
        end_claim(s, *ours);
        *pc = IDLE;
    }
    if (*pc == IDLE)
        s->writer[i].id = s->writer[i].is_put = *ours = 0;
}

static void check(struct explorer *e, const struct state *s)
{
    for (int i = 0; i < WRITERS; i++)
        if (s->writer[i].pc > ENTER)
            return;
    for (int i = 0; i < SLEEPERS; i++)
        if (s->sleeper[i].pc == ASLEEP && s->object[i].state == SEALED &&
            (!s->sleeper[i].ticks || mistake == OMIT_TICKING))
            explore_fail(e, "a sleeper sleeps on beside a sealed object");
}

static void start(struct explorer *e, const struct state *s, int who)
{
    for (uint8_t id = 0; id < IDS; id++)
        for (uint8_t is_put = 0; is_put < 2; is_put++) {
            struct state n = *s;
            uint8_t *budget = is_put ? &n.puts : &n.creates;

            if (!*budget)
                continue;
            --*budget;
            n.writer[who].pc = ENTER;
            n.writer[who].id = id;
            n.writer[who].is_put = is_put;
            explore_emit(e, &n);
        }
}

static void step(struct explorer *e, const void *state)
{
    const struct state *s = state;

    check(e, s);
    for (int i = 0; i < SLEEPERS; i++) {
        struct state n = *s;

        if (s->sleeper[i].pc == DONE ||
            (s->sleeper[i].pc == ASLEEP && (!s->sleeper[i].ticks || mistake == OMIT_TICKING)))
            continue;
        step_sleeper(&n, i);
        explore_emit(e, &n);
    }
    for (int i = 0; i < WRITERS; i++) {
        struct state n = *s;

        if (s->writer[i].pc == IDLE)
            start(e, s, i);
        if (s->writer[i].pc <= IDLE)
            continue;
        if (s->deaths) {
            n.deaths--;
            n.writer[i].pc = DEAD;
            explore_emit(e, &n);
            n = *s;
        }
        step_writer(&n, i);
        explore_emit(e, &n);
    }
}

static const struct budget {
    uint8_t puts, creates, deaths;
} budgets[] = { { 2, 0, 1 }, { 1, 1, 1 } };
enum { BEGINNINGS = sizeof budgets / sizeof *budgets };

static void begin(void *state, size_t n)
{
    struct state *s = state;

    for (int i = 0; i < WRITERS; i++)
        s->writer[i].pc = IDLE;
    s->puts = budgets[n].puts;
    s->creates = budgets[n].creates;
    s->deaths = budgets[n].deaths;
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

TESTS("wait model", { "nobody sleeps on, in every interleaving with every death", holds },
      { "but somebody does if one of the rules is left out", breaks })
