/* SPDX-License-Identifier: MIT */
/*
 * Two tasks that need the only piece of a resource, walked through exhaustively: two workers that
 * look, claim, run, end and call, and the supervisor that takes back and grants (grant.c). A worker
 * may die between any two steps (it is swept at once, then the supervisor looks again), and the
 * supervisor, with which all workers die.
 *
 * In every state: at most one of the tasks runs. In every state without a next step: both are over,
 * and nothing is held. That nobody sleeps through a call is test_model_stop's.
 */
#include "explore.h"
#include "test.h"

enum { TASKS = 2, WORKERS = 2, DEATHS = 2 };
enum { PENDING, RUNNING, OVER };
enum { IDLE, CLAIM, RUN, CALL };                              /* of a worker */
enum { TAKE, LOOK_A, LOOK_B, TAKE_BACK, GRANT, WRITE, PUSH }; /* of the supervisor */

struct state {
    uint8_t task[TASKS], attempt[TASKS], grant[TASKS]; /* grant: attempt + 1, or 0 */
    uint8_t hint[TASKS], lost;
    uint8_t bit[TASKS], called;
    uint8_t pc[WORKERS], at[WORKERS];
    uint8_t supervisor, all;    /* all: it is new and looks at every task */
    uint8_t held, held_attempt; /* the supervisor's own: task + 1 */
    uint8_t waiting[TASKS];
    uint8_t deaths;
};

enum {
    RIGHT,
    FORGETS,    /* a new supervisor grants before it has counted */
    CLAIMS_ANY, /* with the grant of an attempt before */
    MISTAKES,
};

static bool may_claim(const struct state *s, int t)
{
    return mistake == CLAIMS_ANY ? s->grant[t] != 0 : s->grant[t] == s->attempt[t] + 1;
}

static void call(struct state *s, int t)
{
    s->bit[t] = 1;
    s->called = 1;
}

static void step_worker(struct explorer *e, struct state s, int w)
{
    int t = s.at[w];

    if (s.pc[w] == IDLE) {
        for (t = 0; t < TASKS; t++) {
            struct state n = s;
            if (!s.hint[t])
                continue;
            n.hint[t] = 0;
            n.at[w] = (uint8_t)t;
            if (s.task[t] == PENDING && may_claim(&s, t))
                n.pc[w] = CLAIM;
            else if (s.task[t] == PENDING) /* parked */
                call(&n, t);
            explore_emit(e, &n);
        }
        if (s.lost) {
            s.lost = 0;
            for (t = 0; t < TASKS; t++)
                s.hint[t] |= s.task[t] == PENDING;
            explore_emit(e, &s);
        }
        return;
    }
    if (s.pc[w] == CLAIM) {
        bool is_mine = s.task[t] == PENDING && may_claim(&s, t);
        s.pc[w] = is_mine ? RUN : IDLE;
        if (is_mine)
            s.task[t] = RUNNING;
    } else if (s.pc[w] == RUN) {
        s.task[t] = OVER;
        s.pc[w] = CALL;
    } else {
        call(&s, t);
        s.pc[w] = IDLE;
    }
    explore_emit(e, &s);
}

/* What it ran is pending again; the supervisor, who swept it, goes through its list. */
static void die(struct state *s, int w)
{
    int t = s->at[w];

    if (s->pc[w] == RUN)
        s->task[t] = PENDING, s->attempt[t]++;
    s->pc[w] = IDLE;
    s->lost = 1;
    s->called = 1;
}

static void look(struct state *s, int t)
{
    bool granted = s->grant[t] == s->attempt[t] + 1;

    if (!s->bit[t] && !s->all)
        return;
    s->bit[t] = 0;
    if (granted && s->task[t] != OVER && s->held != t + 1 && !(mistake == FORGETS && s->all)) {
        s->held = (uint8_t)(t + 1);
        s->held_attempt = s->attempt[t];
    } else if (!granted && s->task[t] == PENDING) {
        s->waiting[t] = 1;
    }
}

static void step_supervisor(struct explorer *e, struct state s)
{
    int t = s.held - 1;

    switch (s.supervisor) {
    case TAKE:
        if (!s.called && !s.all)
            return;
        s.called = 0;
        s.supervisor = LOOK_A;
        break;
    case LOOK_A:
        look(&s, 0);
        s.supervisor = LOOK_B;
        break;
    case LOOK_B:
        look(&s, 1);
        s.all = 0;
        s.supervisor = TAKE_BACK;
        break;
    case TAKE_BACK:
        if (s.held && (s.task[t] == OVER || s.attempt[t] != s.held_attempt)) {
            s.waiting[t] |= s.task[t] == PENDING; /* its hint leads to a call; here at once */
            s.held = 0;
        }
        s.supervisor = GRANT;
        break;
    case GRANT:
        s.supervisor = TAKE;
        for (t = 0; t < TASKS && !s.held; t++)
            if (s.waiting[t]) {
                s.waiting[t] = 0;
                if (s.task[t] != PENDING)
                    continue;
                s.held = (uint8_t)(t + 1);
                s.held_attempt = s.attempt[t];
                s.supervisor = WRITE;
            }
        break;
    case WRITE:
        s.grant[t] = (uint8_t)(s.held_attempt + 1);
        s.supervisor = PUSH;
        break;
    default:
        s.hint[t] = 1;
        s.supervisor = TAKE;
    }
    explore_emit(e, &s);
}

static void supervisor_dies(struct state *s)
{
    for (int w = 0; w < WORKERS; w++)
        die(s, w);
    s->supervisor = TAKE;
    s->all = 1;
    s->held = 0;
    memset(s->waiting, 0, sizeof s->waiting);
}

static void step(struct explorer *e, const void *state)
{
    struct state s, n;
    bool idle = true;

    memcpy(&s, state, sizeof s);
    if (s.task[0] == RUNNING && s.task[1] == RUNNING)
        explore_fail(e, "more is used than there is");
    for (int w = 0; w < WORKERS; w++) {
        step_worker(e, s, w);
        idle &= s.pc[w] == IDLE;
        if (s.deaths < DEATHS) {
            n = s;
            n.deaths++;
            die(&n, w);
            explore_emit(e, &n);
        }
    }
    step_supervisor(e, s);
    if (s.deaths < DEATHS) {
        n = s;
        n.deaths++;
        supervisor_dies(&n);
        explore_emit(e, &n);
    }
    idle &= !s.hint[0] && !s.hint[1] && !s.lost && s.supervisor == TAKE && !s.called && !s.all;
    if (idle && (s.task[0] != OVER || s.task[1] != OVER || s.held))
        explore_fail(e, "a task, or what it held, was left");
}

static void begin(void *state, size_t n)
{
    struct state *s = state;

    (void)n;
    s->hint[0] = s->hint[1] = 1;
}

static const struct model model = { sizeof(struct state), begin, step, 1000 };

static void all_interleavings(void)
{
    explore_holds(&model, 1);
}

static void mistakes_are_found(void)
{
    explore_breaks(&model, 1, MISTAKES);
}

TESTS("wsched: model of grants", { "every interleaving, with deaths", all_interleavings },
      { "mistakes in the model are found", mistakes_are_found })
