/* SPDX-License-Identifier: MIT */
/*
 * The life of two tasks, B after A, walked through exhaustively: every interleaving of a driver
 * that submits, waits and releases, two workers and a supervisor, with deaths as transitions
 * between any two steps (workers, and the supervisor, with which all workers die). One step is one
 * access to shared memory of task.c, deps.c, worker.c and sweep.c; memory is sequentially
 * consistent here, the ordering edges named in those files are the argument for the rest.
 *
 * In every state: a task is sealed at most once per life, B does not run before A is done, only the
 * seat in the word takes a task further. In every state without a next step: the driver has both
 * results, both slots are free, nobody sleeps on something that has happened.
 */
#include "explore.h"
#include "test.h"

enum { FREE, MAKING, BLOCKED, PENDING, RUNNING, DONE };
enum { WAITED = 1, RELEASED = 2, TOLD = 4 };
enum { A, B, TASKS };
enum { W0, W1, DRIVER, SUPERVISOR, SEATS };

struct word {
    uint8_t state, seat, flags, attempt, generation;
};
struct actor {
    uint8_t pc, task, back, scan, alive, note; /* note: task + 1 */
};
struct state {
    struct word word[TASKS];
    struct actor actor[SEATS];
    uint8_t bit;    /* of B: A is not over */
    uint8_t entry;  /* in A's bag: generation of B + 1 */
    uint8_t waiter; /* the driver's bit in B */
    uint8_t parked; /* the driver sleeps */
    uint8_t hints;  /* a bit per task; a hint may be there twice or be stale */
    uint8_t lost;
    uint8_t swept; /* a bit per worker: dead and not yet swept */
    uint8_t sealed[TASKS], deaths;
    uint8_t target; /* a bit per worker: being swept */
};

/* Steps of workers and supervisor. TELL .. TOLD_ALL is a subroutine. */
enum {
    IDLE,
    LOOK,
    NOTE,
    CLAIM,
    RUN,
    SEAL,
    TELL,
    UNBLOCK,
    PUSH,
    WAKE,
    SET_TOLD,
    RECYCLE,
    CLEAR_NOTE,
    SWEEP_NOTE,
    SWEEP_PUSH,
    SWEEP_LOST,
    SWEEP_TABLE,
    SWEEP_UNBLOCK,
    SWEEP_END,
};
/* Steps of the driver. */
enum {
    MAKE_A,
    PUSH_A,
    MAKE_B,
    REGISTER,
    MARK,
    SELF_CLEAR,
    SELF_UNBLOCK,
    SELF_PUSH,
    RELEASE_A,
    FREE_A,
    WAIT,
    WAIT_MARK,
    PARK,
    SLEEP,
    RELEASE_B,
    FREE_B,
    FINISHED,
};

#define DEATHS_MAX 2  /* 3: 9,077,976 states, all well too */
static uint64_t ends; /* states without a next step */

static void must(struct explorer *e, bool holds, const char *what)
{
    if (!holds)
        explore_fail(e, what);
}

/* Over, told and released: the slot is ours. */
static bool recycle_if_due(struct word *w, uint8_t seat)
{
    if (!(w->flags & TOLD) || !(w->flags & RELEASED))
        return false;
    *w = (struct word){ .state = MAKING, .seat = seat, .generation = (uint8_t)(w->generation + 1) };
    return true;
}

static bool unblock(struct state *s)
{
    if (s->bit || s->word[B].state != BLOCKED)
        return false;
    s->word[B].state = PENDING;
    return true;
}

static void step_common(struct explorer *e, struct state *s, int i) /* workers and supervisor */
{
    struct actor *a = &s->actor[i];
    struct word *w = &s->word[a->task];

    switch (a->pc) {
    case NOTE:
        a->note = (uint8_t)(a->task + 1);
        a->pc = CLAIM;
        break;
    case CLAIM:
        a->pc = w->state == PENDING ? RUN : CLEAR_NOTE;
        if (w->state == PENDING)
            w->state = RUNNING, w->seat = (uint8_t)i;
        break;
    case RUN:
        must(e, w->state == RUNNING && w->seat == i, "somebody took a running task");
        must(e, a->task != B || s->sealed[A], "B runs before A is done");
        a->pc = SEAL;
        break;
    case SEAL:
        must(e, w->state == RUNNING && w->seat == i, "somebody took a running task");
        must(e, !s->sealed[a->task]++, "sealed twice");
        w->state = DONE;
        if (!(w->flags & WAITED))
            w->flags |= TOLD;
        a->back = CLEAR_NOTE;
        a->pc = recycle_if_due(w, (uint8_t)i) ? RECYCLE : w->flags & TOLD ? CLEAR_NOTE : TELL;
        break;
    case TELL:
        if (a->task == A && s->entry && s->entry == s->word[B].generation + 1 &&
            s->word[B].state == BLOCKED) {
            s->bit = 0;
            a->pc = UNBLOCK;
        } else {
            a->pc = WAKE;
        }
        break;
    case UNBLOCK:
        a->pc = unblock(s) ? PUSH : WAKE;
        break;
    case PUSH:
        s->hints |= 1 << B;
        a->pc = WAKE;
        break;
    case WAKE:
        if (a->task == B && s->waiter)
            s->parked = 0;
        a->pc = SET_TOLD;
        break;
    case SET_TOLD:
        if (w->state == DONE && !(w->flags & TOLD)) {
            must(e, w->seat == i || i == SUPERVISOR, "told by a stranger");
            w->flags |= TOLD;
            a->pc = recycle_if_due(w, (uint8_t)i) ? RECYCLE : a->back;
        } else {
            a->pc = a->back;
        }
        break;
    case RECYCLE: /* blocks first, then the slot; a death between the two leaves MAKING(dead) */
        must(e, w->state == MAKING && w->seat == i, "a slot with two owners");
        if (a->task == A && s->entry) {
            s->entry = 0;
        } else {
            w->state = FREE;
            a->pc = a->back;
        }
        break;
    case CLEAR_NOTE:
        a->note = 0;
        a->pc = IDLE;
        break;
    default:
        must(e, false, "no such step");
    }
}

/* ---- the supervisor ----------------------------------------------------------------------- */

static bool is_dead_seat(const struct state *s, int seat)
{
    return seat == SUPERVISOR || (seat < DRIVER && s->target >> seat & 1);
}

static void step_sweep(struct explorer *e, struct state *s)
{
    struct actor *a = &s->actor[SUPERVISOR];
    struct word *w = &s->word[a->scan % TASKS];

    switch (a->pc) {
    case SWEEP_NOTE: { /* a->scan counts workers */
        uint8_t note = s->actor[a->scan].note;
        struct word *n = &s->word[note ? note - 1 : 0];
        bool runs = note && (s->target >> a->scan & 1) && n->state == RUNNING && n->seat == a->scan;
        a->task = note ? (uint8_t)(note - 1) : 0;
        if (runs)
            n->state = PENDING, n->attempt++;
        a->pc = runs ? SWEEP_PUSH : SWEEP_NOTE;
        if (!runs && ++a->scan == DRIVER)
            a->pc = SWEEP_LOST;
        break;
    }
    case SWEEP_PUSH:
        s->hints |= (uint8_t)(1 << a->task);
        a->pc = ++a->scan == DRIVER ? SWEEP_LOST : SWEEP_NOTE;
        break;
    case SWEEP_LOST:
        s->lost = 1;
        a->pc = SWEEP_TABLE;
        a->scan = 0;
        break;
    case SWEEP_TABLE: {
        uint8_t t = a->scan;
        if (t == TASKS) {
            a->pc = SWEEP_END;
            break;
        }
        bool dead = is_dead_seat(s, w->seat);
        a->task = t;
        a->scan++;
        a->back = SWEEP_TABLE;
        if (w->state == MAKING && dead)
            w->seat = SUPERVISOR, a->pc = RECYCLE;
        else if (w->state == RUNNING && dead)
            w->state = PENDING, w->attempt++, a->pc = SWEEP_UNBLOCK;
        else if (w->state == DONE && dead && !(w->flags & TOLD))
            a->pc = TELL;
        else if (t == B && unblock(s))
            a->pc = SWEEP_UNBLOCK;
        break;
    }
    case SWEEP_UNBLOCK:
        s->hints |= (uint8_t)(1 << a->task);
        a->pc = SWEEP_TABLE;
        break;
    case SWEEP_END:
        for (int i = W0; i <= W1; i++)
            if (s->target >> i & 1)
                s->actor[i] = (struct actor){ .alive = 1 };
        s->swept &= (uint8_t)~s->target;
        s->target = 0;
        *a = (struct actor){ .alive = 1 };
        break;
    default:
        step_common(e, s, SUPERVISOR);
    }
}

/* ---- the driver ------------------------------------------------------------------------------ */

static bool step_driver(struct explorer *e, struct state *s) /* false: it sleeps, or has finished */
{
    struct actor *a = &s->actor[DRIVER];
    struct word *wa = &s->word[A], *wb = &s->word[B];
    bool is_over;

    switch (a->pc) {
    case MAKE_A:
        wa->state = PENDING, wa->attempt = 1;
        break;
    case PUSH_A:
        s->hints |= 1 << A;
        break;
    case MAKE_B:
        wb->state = BLOCKED, wb->attempt = 1, s->bit = 1;
        break;
    case REGISTER:
        a->pc = wa->state == DONE ? SELF_CLEAR : MARK;
        if (a->pc == MARK)
            s->entry = (uint8_t)(wb->generation + 1);
        return true;
    case MARK:
        a->pc = wa->state == DONE ? SELF_CLEAR : RELEASE_A;
        if (wa->state != DONE)
            wa->flags |= WAITED;
        return true;
    case SELF_CLEAR:
        s->bit = 0;
        break;
    case SELF_UNBLOCK:
        a->pc = unblock(s) ? SELF_PUSH : RELEASE_A;
        return true;
    case SELF_PUSH:
        s->hints |= 1 << B;
        break;
    case RELEASE_A:
        wa->flags |= RELEASED;
        a->pc = recycle_if_due(wa, DRIVER) ? FREE_A : WAIT;
        return true;
    case FREE_A:
        if (s->entry) {
            s->entry = 0;
            return true;
        }
        wa->state = FREE;
        break;
    case WAIT:
        a->pc = wb->state == DONE ? RELEASE_B : WAIT_MARK;
        if (a->pc == WAIT_MARK)
            s->waiter = 1;
        return true;
    case WAIT_MARK:
        if (wb->state != DONE)
            wb->flags |= WAITED;
        break;
    case PARK:
        s->parked = 1;
        break;
    case SLEEP:
        is_over = wb->state == DONE;
        if (!is_over && s->parked)
            return false;
        a->pc = is_over ? RELEASE_B : WAIT;
        return true;
    case RELEASE_B:
        must(e, s->sealed[B] == 1, "a result of nothing");
        wb->flags |= RELEASED;
        a->pc = recycle_if_due(wb, DRIVER) ? FREE_B : FINISHED;
        return true;
    case FREE_B:
        wb->state = FREE;
        break;
    default:
        return false;
    }
    a->pc++;
    return true;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static bool work_left(const struct state *s)
{
    return s->hints || s->lost;
}

static int worker_steps(struct explorer *e, const struct state *s, int i)
{
    const struct actor *a = &s->actor[i];
    int n = 0;

    if (a->pc != IDLE && a->pc != LOOK) {
        struct state next = *s;
        step_common(e, &next, i);
        explore_emit(e, &next);
        return 1;
    }
    for (int t = 0; a->pc == IDLE && t < TASKS; t++)
        if (s->hints >> t & 1) { /* the hint goes, or stays a second time */
            for (int twice = 0; twice < 2; twice++, n++) {
                struct state next = *s;
                next.hints &= (uint8_t) ~(twice ? 0 : 1 << t);
                next.actor[i].task = (uint8_t)t;
                next.actor[i].pc = next.word[t].state == PENDING ? NOTE : IDLE;
                explore_emit(e, &next);
            }
        }
    if (a->pc == IDLE && s->lost) {
        struct state next = *s;
        next.lost = 0;
        next.actor[i].pc = LOOK;
        next.actor[i].scan = 0;
        explore_emit(e, &next);
        n++;
    }
    if (a->pc == LOOK) {
        struct state next = *s;
        struct actor *b = &next.actor[i];
        if (next.word[b->scan].state == PENDING)
            next.hints |= (uint8_t)(1 << b->scan);
        if (++b->scan == TASKS)
            b->scan = 0, b->pc = IDLE;
        explore_emit(e, &next);
        n++;
    }
    return n;
}

static void kill_worker(struct state *s, int i)
{
    s->actor[i] = (struct actor){ .note = s->actor[i].note };
    s->swept |= (uint8_t)(1 << i);
}

static int steps(struct explorer *e, const struct state *s)
{
    int n = 0;

    for (int i = W0; i <= W1; i++) {
        if (!s->actor[i].alive)
            continue;
        n += worker_steps(e, s, i);
        if (s->deaths < DEATHS_MAX) {
            struct state next = *s;
            kill_worker(&next, i);
            next.deaths++;
            explore_emit(e, &next);
        }
    }
    struct state next = *s;
    if (step_driver(e, &next)) {
        explore_emit(e, &next);
        n++;
    }
    next = *s;
    if (s->actor[SUPERVISOR].pc == IDLE && s->swept) { /* one seat at a time */
        next.actor[SUPERVISOR] = (struct actor){ .alive = 1, .pc = SWEEP_NOTE };
        next.target = s->swept & 1 ? 1 : 2;
    }
    if (next.actor[SUPERVISOR].pc != IDLE) {
        step_sweep(e, &next);
        explore_emit(e, &next);
        n++;
    }
    if (s->deaths < DEATHS_MAX) { /* the supervisor, and all workers with it */
        next = *s;
        kill_worker(&next, W0);
        kill_worker(&next, W1);
        next.actor[SUPERVISOR] = (struct actor){ .alive = 1, .pc = SWEEP_NOTE };
        next.target = 1 << W0 | 1 << W1;
        next.deaths++;
        explore_emit(e, &next);
    }
    return n;
}

static void step(struct explorer *e, const void *state)
{
    const struct state *s = state;

    if (steps(e, s))
        return;
    ends++;
    must(e, s->actor[DRIVER].pc == FINISHED, "the driver waits for ever");
    must(e, s->word[A].state == FREE && s->word[B].state == FREE, "a slot leaked");
    must(e, !s->entry, "a block leaked");
    must(e, s->sealed[A] == 1 && s->sealed[B] == 1, "not sealed exactly once");
    must(e, !work_left(s), "work left");
}

static void begin(void *state, size_t n)
{
    struct state *s = state;

    (void)n;
    s->word[A] = s->word[B] = (struct word){ .state = MAKING, .seat = DRIVER };
    for (int i = 0; i < SEATS; i++)
        s->actor[i].alive = 1;
}

static const struct model model = { sizeof(struct state), begin, step, 1000 };

static void all_interleavings(void)
{
    if (!explore_holds(&model, 1))
        return;
    printf("    %llu ends\n", (unsigned long long)ends);
    CHECK(ends > 0);
}

TESTS("wsched: model",
      { "two tasks, two workers, two deaths: every interleaving", all_interleavings })
