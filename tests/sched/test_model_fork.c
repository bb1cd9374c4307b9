/* SPDX-License-Identifier: MIT */
/*
 * One slot of a board, walked through exhaustively: an owner that shares a job in it, syncs, and
 * shares a second one there; two thieves; a supervisor that sweeps after deaths. One step is one
 * access to shared memory of fork.c, fork_steal.c and sweep.c. Owner and thieves may die between
 * any two steps; after the sweep of its seat each comes again, a new owner with its task from the
 * start. Memory is sequentially consistent here.
 *
 * In every state: bytes of the slot are written by one at a time, and a result that is taken is the
 * whole result of the job that is synced. In every state without a next step: the owner has both
 * results and nobody else has the slot; nobody sleeps on what has happened.
 */
#include "explore.h"
#include "test.h"

enum word { FREE, OPEN, STOLEN, DONE, LOST, ORPHAN };
enum { OWNER, THIEF_A, THIEF_B, SEATS };

enum owner {
    FIND,      /* is the slot free? */
    WRITE,     /* the job's bytes */
    SHARE,     /* F1 */
    LIST,      /* the bit */
    LOOK,      /* sync: at the word */
    TAKE_BACK, /* F2 */
    UNLIST,
    FETCH, /* the result */
    GIVE,  /* F5, F7 */
    MARK,  /* WAITED */
    PARK,  /* the park word */
    AGAIN, /* looks once more */
    SLEEP, /* until the park word is cleared */
    CUT,   /* F8, when the task forgets to sync */
    CUT_UNLIST,
    SYNCED,
};
enum thief { IDLE, CLAIM, CLEAR, READ, RUN, RESULT, FINISH, WAKE };
enum sweep { WATCH, SWEEP_WORD, SWEEP_OPEN, SWEEP_WAKE, SWEEP_END };

/* What the bytes are: nothing, job 1 or 2 of the owner's n-th life, or the result of one. */
#define JOB(life, n) (uint8_t)(1 + 2 * (life) + (n))
#define RESULT_OF(job) (uint8_t)(0x80 | (job))
#define TORN 0x7f

struct state {
    uint8_t word, thief, waited; /* of the slot */
    uint8_t bytes;
    uint8_t listed;
    uint8_t parked; /* the owner's park word */
    uint8_t pc[SEATS], dead[SEATS];
    uint8_t hand[SEATS]; /* of thieves: what they read; their result has RESULT_OF */
    uint8_t saw_waited[SEATS];
    uint8_t life, job;
    uint8_t sweep, target, wakes;
    uint8_t forgets;
    uint8_t deaths; /* that may come */
};

enum {
    RIGHT,
    NO_ORPHANS, /* a dead owner's stolen slots are given to the next */
    NO_MARK,    /* sleep without saying so */
    NO_WAKE,    /* done, and nobody is woken */
    MISTAKES,
};

static void next(struct explorer *e, struct state s)
{
    explore_emit(e, &s);
}

static uint8_t job_now(const struct state *s)
{
    return JOB(s->life, s->job);
}

/* The owner goes on to its second job, or ends. */
static void is_over(struct state *s)
{
    s->pc[OWNER] = s->job == 0 ? FIND : SYNCED;
    s->job = s->job == 0 ? 1 : s->job;
}

static void step_owner(struct explorer *e, struct state s)
{
    uint8_t *pc = &s.pc[OWNER];

    switch (*pc) {
    case FIND: /* otherwise it runs the job without sharing it */
        if (s.word == FREE)
            *pc = WRITE;
        else
            is_over(&s);
        break;
    case WRITE:
        if (s.word != FREE)
            explore_fail(e, "the owner writes where others do");
        s.bytes = job_now(&s);
        *pc = SHARE;
        break;
    case SHARE:
        s.word = OPEN;
        s.waited = 0;
        *pc = LIST;
        break;
    case LIST:
        s.listed = 1;
        if (!s.forgets && s.life == 0) { /* a task that does not sync its first job */
            struct state t = s;
            t.forgets = 1;
            t.pc[OWNER] = CUT;
            next(e, t);
        }
        *pc = LOOK;
        break;
    case LOOK:
        *pc = s.word == OPEN ? TAKE_BACK : s.word == STOLEN ? MARK : s.word == DONE ? FETCH : GIVE;
        if (s.word == FREE || s.word == ORPHAN)
            explore_fail(e, "the owner's slot is not its own");
        break;
    case TAKE_BACK:
        if (s.word == OPEN) {
            s.word = FREE;
            *pc = UNLIST;
        } else {
            *pc = LOOK;
        }
        break;
    case UNLIST:
        s.listed = 0;
        is_over(&s);
        break;
    case FETCH:
        if (s.bytes != RESULT_OF(job_now(&s)))
            explore_fail(e, "not the result of this job");
        *pc = GIVE;
        break;
    case GIVE:
        s.word = FREE;
        s.waited = 0;
        is_over(&s);
        break;
    case MARK:
        if (s.word == STOLEN) {
            s.waited = mistake != NO_MARK;
            *pc = PARK;
        } else {
            *pc = LOOK;
        }
        break;
    case PARK:
        s.parked = 1;
        *pc = AGAIN;
        break;
    case AGAIN:
        s.parked &= s.word == STOLEN;
        *pc = s.parked ? SLEEP : LOOK;
        break;
    case SLEEP:
        if (s.parked)
            return;
        *pc = LOOK;
        break;
    case CUT:
        s.word = s.word == STOLEN ? (mistake == NO_ORPHANS ? FREE : ORPHAN) : FREE;
        s.waited = 0;
        *pc = CUT_UNLIST;
        break;
    case CUT_UNLIST:
        s.listed = 0;
        is_over(&s);
        break;
    case SYNCED:
        return;
    }
    next(e, s);
}

static void step_thief(struct explorer *e, struct state s, uint8_t me)
{
    uint8_t *pc = &s.pc[me];

    switch (*pc) {
    case IDLE:
        if (!s.listed)
            return;
        *pc = CLAIM;
        break;
    case CLAIM:
        if (s.word == OPEN) {
            s.word = STOLEN;
            s.thief = me;
            s.waited = 0;
            s.hand[me] = 1; /* ours */
        } else {
            s.hand[me] = 0;
        }
        *pc = CLEAR;
        break;
    case CLEAR:
        s.listed = 0;
        *pc = s.hand[me] ? READ : IDLE;
        break;
    case READ:
        s.hand[me] = s.bytes;
        *pc = RUN;
        break;
    case RUN: /* half of the result is written */
        if (!((s.word == STOLEN || s.word == ORPHAN) && s.thief == me))
            explore_fail(e, "a thief writes where others do");
        s.bytes = TORN;
        *pc = RESULT;
        break;
    case RESULT:
        if (!((s.word == STOLEN || s.word == ORPHAN) && s.thief == me))
            explore_fail(e, "a thief writes where others do");
        s.bytes = RESULT_OF(s.hand[me]);
        *pc = FINISH;
        break;
    case FINISH:
        s.saw_waited[me] = s.waited;
        s.word = s.word == ORPHAN ? FREE : DONE;
        s.thief = 0;
        *pc = s.saw_waited[me] && mistake != NO_WAKE ? WAKE : IDLE;
        break;
    case WAKE:
        s.parked = 0;
        *pc = IDLE;
        break;
    }
    if (*pc == IDLE)
        s.hand[me] = s.saw_waited[me] = 0;
    next(e, s);
}

static void step_sweep(struct explorer *e, struct state s)
{
    bool owner_is_dead = s.target == OWNER;
    bool thief_is_dead = (s.word == STOLEN || s.word == ORPHAN) && s.thief == s.target;

    switch (s.sweep) {
    case WATCH:
        for (uint8_t i = 0; i < SEATS; i++)
            if (s.dead[i]) {
                struct state t = s;
                t.target = i;
                t.sweep = SWEEP_WORD;
                next(e, t);
            }
        return;
    case SWEEP_WORD:
        if (s.word == ORPHAN || owner_is_dead) {
            bool stays = (s.word == STOLEN || s.word == ORPHAN) && !thief_is_dead;
            s.word = stays && mistake != NO_ORPHANS ? ORPHAN : FREE;
            if (!stays)
                s.thief = 0;
            s.waited = 0;
        } else if (thief_is_dead) {
            s.word = LOST;
            s.thief = 0;
        }
        s.wakes = s.word == LOST || (s.word == DONE && s.waited);
        s.sweep = owner_is_dead ? SWEEP_OPEN : s.wakes ? SWEEP_WAKE : SWEEP_END;
        break;
    case SWEEP_OPEN:
        s.listed = 0;
        s.sweep = SWEEP_END;
        break;
    case SWEEP_WAKE:
        s.parked = 0;
        s.sweep = SWEEP_END;
        break;
    case SWEEP_END: /* the seat is filled again */
        s.dead[s.target] = 0;
        s.pc[s.target] = 0;
        s.hand[s.target] = s.saw_waited[s.target] = 0;
        if (owner_is_dead) {
            s.life++;
            s.job = 0;
            s.parked = 0;
        }
        s.target = s.wakes = 0;
        s.sweep = WATCH;
        break;
    }
    next(e, s);
}

/* Nobody has a next step but by dying. */
static bool is_at_rest(const struct state *s)
{
    bool thieves = true;

    for (int i = THIEF_A; i < SEATS; i++)
        thieves &= !s->dead[i] && s->pc[i] == IDLE && !s->listed;
    bool sleeps = s->pc[OWNER] == SLEEP && s->parked;
    return thieves && s->sweep == WATCH && !s->dead[OWNER] && (s->pc[OWNER] == SYNCED || sleeps);
}

static void step(struct explorer *e, const void *state)
{
    const struct state *s = state;

    if (is_at_rest(s) && s->pc[OWNER] != SYNCED)
        explore_fail(e, "the owner sleeps for ever");
    if (is_at_rest(s) && s->word != FREE)
        explore_fail(e, "the slot leaks");
    if (!s->dead[OWNER])
        step_owner(e, *s);
    for (uint8_t i = THIEF_A; i < SEATS; i++)
        if (!s->dead[i])
            step_thief(e, *s, i);
    step_sweep(e, *s);
    for (uint8_t i = 0; i < SEATS && s->deaths; i++)
        if (!s->dead[i] && !(i == OWNER && s->pc[i] == SYNCED)) {
            struct state t = *s;
            t.dead[i] = 1;
            t.deaths--;
            next(e, t);
        }
}

static void begin(void *state, size_t deaths)
{
    struct state *s = state;

    s->deaths = (uint8_t)deaths;
}

static const struct model model = { sizeof(struct state), begin, step, 1000 };

static void all_is_well(void)
{
    explore_holds(&model, 4);
}

static void mistakes_are_found(void)
{
    explore_breaks(&model, 2, MISTAKES);
}

TESTS("model of a shared job", { "no order of steps and deaths breaks it", all_is_well },
      { "mistakes in it are found", mistakes_are_found })
