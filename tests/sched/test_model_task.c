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
#include "test.h"

#include <stdbool.h>

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

#define DEATHS_MAX 2 /* 3: 9,077,976 states, all well too; takes 8 s and 800 MB */
#define TABLE_BITS 22
static struct state *table, *stack;
static uint64_t states, depth_max;
static uint8_t *used;

static uint64_t hash(const struct state *s)
{
    const uint8_t *b = (const uint8_t *)s;
    uint64_t h = 1469598103934665603u;

    for (size_t i = 0; i < sizeof *s; i++)
        h = (h ^ b[i]) * 1099511628211u;
    return h ^ h >> 29;
}

static bool is_new(const struct state *s)
{
    uint64_t at = hash(s) & ((1u << TABLE_BITS) - 1);

    for (; used[at]; at = (at + 1) & ((1u << TABLE_BITS) - 1))
        if (!memcmp(&table[at], s, sizeof *s))
            return false;
    used[at] = 1;
    table[at] = *s;
    if (++states > (1u << TABLE_BITS) / 10 * 9) {
        fprintf(stderr, "the table of states is full\n");
        exit(1);
    }
    return true;
}

static void show(const struct state *s)
{
    for (int t = 0; t < TASKS; t++)
        fprintf(stderr, "task %c: state %d seat %d flags %d attempt %d generation %d sealed %d\n",
                'A' + t, s->word[t].state, s->word[t].seat, s->word[t].flags, s->word[t].attempt,
                s->word[t].generation, s->sealed[t]);
    for (int i = 0; i < SEATS; i++)
        fprintf(stderr, "actor %d: pc %d task %d alive %d note %d\n", i, s->actor[i].pc,
                s->actor[i].task, s->actor[i].alive, s->actor[i].note);
    fprintf(stderr, "bit %d entry %d waiter %d parked %d hints %d lost %d swept %d deaths %d\n",
            s->bit, s->entry, s->waiter, s->parked, s->hints, s->lost, s->swept, s->deaths);
}

static void must(bool holds, const char *what, const struct state *s)
{
    if (holds)
        return;
    fprintf(stderr, "%s\n", what);
    show(s);
    exit(1);
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

static void step_common(struct state *s, int i) /* workers and supervisor */
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
        must(w->state == RUNNING && w->seat == i, "somebody took a running task", s);
        must(a->task != B || s->sealed[A], "B runs before A is done", s);
        a->pc = SEAL;
        break;
    case SEAL:
        must(w->state == RUNNING && w->seat == i, "somebody took a running task", s);
        must(!s->sealed[a->task]++, "sealed twice", s);
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
            must(w->seat == i || i == SUPERVISOR, "told by a stranger", s);
            w->flags |= TOLD;
            a->pc = recycle_if_due(w, (uint8_t)i) ? RECYCLE : a->back;
        } else {
            a->pc = a->back;
        }
        break;
    case RECYCLE: /* blocks first, then the slot; a death between the two leaves MAKING(dead) */
        must(w->state == MAKING && w->seat == i, "a slot with two owners", s);
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
        must(false, "no such step", s);
    }
}

/* ---- the supervisor ----------------------------------------------------------------------- */

static bool is_dead_seat(const struct state *s, int seat)
{
    return seat == SUPERVISOR || (seat < DRIVER && s->target >> seat & 1);
}

static void step_sweep(struct state *s)
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
        step_common(s, SUPERVISOR);
    }
}

/* ---- the driver ------------------------------------------------------------------------------ */

static bool step_driver(struct state *s) /* false: it sleeps, or has finished */
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
        must(s->sealed[B] == 1, "a result of nothing", s);
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

static uint64_t top;

static void visit(const struct state *s)
{
    if (!is_new(s))
        return;
    stack[top++] = *s;
    depth_max = top > depth_max ? top : depth_max;
}

static bool work_left(const struct state *s)
{
    return s->hints || s->lost;
}

static int worker_steps(const struct state *s, int i)
{
    const struct actor *a = &s->actor[i];
    int n = 0;

    if (a->pc != IDLE && a->pc != LOOK) {
        struct state next = *s;
        step_common(&next, i);
        visit(&next);
        return 1;
    }
    for (int t = 0; a->pc == IDLE && t < TASKS; t++)
        if (s->hints >> t & 1) { /* the hint goes, or stays a second time */
            for (int twice = 0; twice < 2; twice++, n++) {
                struct state next = *s;
                next.hints &= (uint8_t) ~(twice ? 0 : 1 << t);
                next.actor[i].task = (uint8_t)t;
                next.actor[i].pc = next.word[t].state == PENDING ? NOTE : IDLE;
                visit(&next);
            }
        }
    if (a->pc == IDLE && s->lost) {
        struct state next = *s;
        next.lost = 0;
        next.actor[i].pc = LOOK;
        next.actor[i].scan = 0;
        visit(&next);
        n++;
    }
    if (a->pc == LOOK) {
        struct state next = *s;
        struct actor *b = &next.actor[i];
        if (next.word[b->scan].state == PENDING)
            next.hints |= (uint8_t)(1 << b->scan);
        if (++b->scan == TASKS)
            b->scan = 0, b->pc = IDLE;
        visit(&next);
        n++;
    }
    return n;
}

static void kill_worker(struct state *s, int i)
{
    s->actor[i] = (struct actor){ .note = s->actor[i].note };
    s->swept |= (uint8_t)(1 << i);
}

static int steps(const struct state *s)
{
    int n = 0;

    for (int i = W0; i <= W1; i++) {
        if (!s->actor[i].alive)
            continue;
        n += worker_steps(s, i);
        if (s->deaths < DEATHS_MAX) {
            struct state next = *s;
            kill_worker(&next, i);
            next.deaths++;
            visit(&next);
        }
    }
    struct state next = *s;
    if (step_driver(&next)) {
        visit(&next);
        n++;
    }
    next = *s;
    if (s->actor[SUPERVISOR].pc == IDLE && s->swept) { /* one seat at a time */
        next.actor[SUPERVISOR] = (struct actor){ .alive = 1, .pc = SWEEP_NOTE };
        next.target = s->swept & 1 ? 1 : 2;
    }
    if (next.actor[SUPERVISOR].pc != IDLE) {
        step_sweep(&next);
        visit(&next);
        n++;
    }
    if (s->deaths < DEATHS_MAX) { /* the supervisor, and all workers with it */
        next = *s;
        kill_worker(&next, W0);
        kill_worker(&next, W1);
        next.actor[SUPERVISOR] = (struct actor){ .alive = 1, .pc = SWEEP_NOTE };
        next.target = 1 << W0 | 1 << W1;
        next.deaths++;
        visit(&next);
    }
    return n;
}

static void all_interleavings(void)
{
    struct state first = { 0 };
    uint64_t ends = 0;

    table = calloc(1u << TABLE_BITS, sizeof *table);
    used = calloc(1u << TABLE_BITS, 1);
    stack = calloc(1u << TABLE_BITS, sizeof *stack);
    REQUIRE(table && used && stack);
    first.word[A] = first.word[B] = (struct word){ .state = MAKING, .seat = DRIVER };
    first.actor[W0].alive = first.actor[W1].alive = first.actor[DRIVER].alive =
        first.actor[SUPERVISOR].alive = 1;
    visit(&first);
    while (top) {
        struct state s = stack[--top];
        if (steps(&s))
            continue;
        ends++;
        must(s.actor[DRIVER].pc == FINISHED, "the driver waits for ever", &s);
        must(s.word[A].state == FREE && s.word[B].state == FREE, "a slot leaked", &s);
        must(!s.entry, "a block leaked", &s);
        must(s.sealed[A] == 1 && s.sealed[B] == 1, "not sealed exactly once", &s);
        must(!work_left(&s), "work left", &s);
    }
    printf("(%llu states, %llu ends) ", (unsigned long long)states, (unsigned long long)ends);
    CHECK(ends > 0);
    free(table);
    free(used);
    free(stack);
}

TESTS("wsched: model",
      { "two tasks, two workers, two deaths: every interleaving", all_interleavings })
