/* SPDX-License-Identifier: MIT */
/*
 * One ring of levels.c, walked through exhaustively: two who push two hints each, one who pops, and a
 * guest that looks at the oldest hint and drops it later, by its position; every interleaving, and
 * deaths of anybody between any two steps. The ring has two cells, so that it is full, and goes
 * through several laps. One step is one access to shared memory of ring_push(), level_pop(),
 * level_peek() and level_drop().
 *
 * In every state: a hint comes out in the order in which the hints went in, and at most once by
 * popping. In every state without a next step: each hint is out, or was dropped, or is in the ring,
 * or was refused as the ring was full, or was in the hands of one that died (which raises
 * header.lost); and with the last three steps done by somebody else, head and tail are right.
 */
#include "explore.h"
#include "test.h"

#include <string.h>

enum { PUSHERS = 2, EACH = 2, HINTS = PUSHERS * EACH, CELLS = 2 };
enum { IN_HAND = 0, IN_RING, OUT, REFUSED, GONE }; /* a hint; GONE: with a pusher, before L1 */

struct who {
    uint8_t alive, pc, position, cell; /* the last two: what it has read */
    uint8_t done;                      /* hints pushed, or pops and looks tried */
};
struct state {
    uint8_t cell[CELLS]; /* lap << 4 | hint + 1; 0 in the low half: empty */
    uint8_t head, tail;
    uint8_t hint[HINTS], order[HINTS]; /* order: position + 1, by L1 */
    uint8_t last_out;                  /* the position + 1 of the last L2 */
    struct who pusher[PUSHERS], popper, guest;
    uint8_t deaths; /* that may come */
};

enum { P_TAIL, P_CELL, P_CAS, P_AGAIN, P_MOVE, P_MOVE_DONE, P_END };
enum { H_HEAD, H_CELL, H_CAS, H_AGAIN, H_MOVE, H_MOVE_OUT, H_DROP, H_END };

/* Who took a hint out and died is not helped, once the cell is full again: the ring is stuck. */
enum { RIGHT, HELPS_PAST_EMPTY_ONLY, MISTAKES };

static uint8_t lap_of(uint8_t position)
{
    return (uint8_t)(position / CELLS);
}
static uint8_t empty_cell(uint8_t lap)
{
    return (uint8_t)(lap << 4);
}
static bool is_hint_of(uint8_t cell, uint8_t position)
{
    return cell >> 4 == lap_of(position) && (cell & 15);
}

static bool has_passed(uint8_t cell, uint8_t position)
{
    return cell >> 4 == lap_of(position) + 1 && !(mistake == HELPS_PAST_EMPTY_ONLY && (cell & 15));
}

static bool step_pusher(struct explorer *e, struct state *s, int n)
{
    struct who *w = &s->pusher[n];
    uint8_t hint = (uint8_t)(n * EACH + w->done), *cell = &s->cell[w->position % CELLS];

    switch (w->pc) {
    case P_TAIL:
        w->position = s->tail;
        w->pc = P_CELL;
        break;
    case P_CELL:
        w->cell = *cell;
        w->pc = P_AGAIN;
        if (w->cell == empty_cell(lap_of(w->position)))
            w->pc = P_CAS;
        else if (is_hint_of(w->cell, w->position) ||
                 w->cell == empty_cell((uint8_t)(lap_of(w->position) + 1)))
            w->pc = P_MOVE;
        break;
    case P_CAS: /* L1 */
        w->pc = P_MOVE; /* if it fails, the next round looks what is there: is_passed is false */
        if (*cell != w->cell) {
            w->pc = P_TAIL;
            break;
        }
        *cell = (uint8_t)(w->cell | (hint + 1));
        if (s->hint[hint] != IN_HAND)
            explore_fail(e, "pushed twice");
        s->hint[hint] = IN_RING;
        s->order[hint] = (uint8_t)(w->position + 1);
        w->pc = P_MOVE_DONE;
        break;
    case P_AGAIN: /* full, if the tail is still there */
        w->pc = P_TAIL;
        if (s->tail == w->position) {
            s->hint[hint] = REFUSED;
            w->pc = ++w->done == EACH ? P_END : P_TAIL;
        }
        break;
    case P_MOVE:
    case P_MOVE_DONE: /* L3 */
        if (s->tail == w->position)
            s->tail++;
        if (w->pc == P_MOVE_DONE)
            w->done++;
        w->pc = w->done == EACH ? P_END : P_TAIL;
        break;
    default:
        return false;
    }
    return true;
}

/* L2 of `position`. */
static void take_out(struct explorer *e, struct state *s, uint8_t position)
{
    uint8_t hint = (uint8_t)((s->cell[position % CELLS] & 15) - 1);

    if (hint >= HINTS || s->hint[hint] != IN_RING)
        explore_fail(e, "what came out was not in");
    if (s->order[hint] != position + 1 || s->last_out != position)
        explore_fail(e, "out of order");
    s->last_out = (uint8_t)(position + 1);
    s->hint[hint] = OUT;
    s->cell[position % CELLS] = empty_cell((uint8_t)(lap_of(position) + 1));
}

/* level_pop(); the guest: level_peek(), then level_drop() of what it saw. */
static bool step_reader(struct explorer *e, struct state *s, struct who *w, bool is_guest)
{
    const uint8_t *cell = &s->cell[w->position % CELLS], tries = is_guest ? 1 : HINTS;

    switch (w->pc) {
    case H_HEAD:
        w->position = s->head;
        w->pc = H_CELL;
        break;
    case H_CELL:
        w->cell = *cell;
        if (is_hint_of(w->cell, w->position))
            w->pc = is_guest ? H_DROP : H_CAS;
        else if (has_passed(w->cell, w->position))
            w->pc = H_MOVE;
        else
            w->pc = H_AGAIN;
        break;
    case H_DROP: /* level_drop() reads the cell anew, by its position */
        w->cell = *cell;
        w->pc = is_hint_of(w->cell, w->position) ? H_CAS : H_HEAD;
        if (w->pc == H_HEAD && ++w->done >= tries)
            w->pc = H_END;
        break;
    case H_CAS: /* L2 */
        w->pc = H_HEAD;
        if (*cell == w->cell) {
            take_out(e, s, w->position);
            w->pc = H_MOVE_OUT;
        } else if (is_guest && ++w->done >= tries) {
            w->pc = H_END;
        }
        break;
    case H_AGAIN: /* empty, if the head is still there */
        w->pc = H_HEAD;
        if (s->head == w->position && ++w->done >= tries)
            w->pc = H_END;
        break;
    case H_MOVE:
    case H_MOVE_OUT: /* L3 */
        if (s->head == w->position)
            s->head++;
        if (w->pc == H_MOVE_OUT)
            w->done++;
        w->pc = w->done >= tries ? H_END : H_HEAD;
        break;
    default:
        return false;
    }
    return true;
}

static void emit(struct explorer *e, struct state *s, struct who *w, bool is_pusher)
{
    if (w->pc == P_END && is_pusher)
        w->position = w->cell = 0;
    if (w->pc == H_END && !is_pusher)
        w->position = w->cell = 0;
    explore_emit(e, s);
}

static struct who *who_of(struct state *s, int n)
{
    return n < PUSHERS ? &s->pusher[n] : n == PUSHERS ? &s->popper : &s->guest;
}

/* Who comes next must find what is there, and the room that there is: pop all, push one. */
static void expect_sound(struct explorer *e, const struct state *before)
{
    struct state s = *before;
    struct who w = { .alive = 1 };

    for (int i = 0; i < 100 && w.done < HINTS && w.pc != H_END; i++)
        step_reader(e, &s, &w, false);
    for (int i = 0; i < HINTS; i++)
        if (s.hint[i] == IN_RING)
            explore_fail(e, "a hint stays in the ring for ever");
    for (int i = 0; i < 10; i++) { /* and that its head and tail were moved up to the end */
        w = (struct who){ .alive = 1, .done = HINTS - 1 };
        while (w.pc != H_END)
            step_reader(e, &s, &w, false);
    }
    s.pusher[0] = (struct who){ .alive = 1, .done = 1 };
    s.hint[1] = IN_HAND;
    for (int i = 0; i < 100 && s.pusher[0].pc != P_END; i++)
        step_pusher(e, &s, 0);
    if (s.hint[1] != IN_RING)
        explore_fail(e, "no room in an empty ring");
}

static void step(struct explorer *e, const void *state)
{
    const struct state *s = state;
    struct state next;
    bool any = false;

    for (int n = 0; n < PUSHERS + 2; n++) {
        next = *s;
        struct who *w = who_of(&next, n);
        if (!w->alive)
            continue;
        bool is_step = n < PUSHERS ? step_pusher(e, &next, n)
                                   : step_reader(e, &next, w, n == PUSHERS + 1);
        if (is_step)
            emit(e, &next, w, n < PUSHERS);
        any |= is_step;
        if (!is_step || !s->deaths)
            continue;
        next = *s; /* it dies: of what it had in hand, header.lost tells */
        next.deaths--;
        for (int i = 0; n < PUSHERS && i < EACH; i++)
            if (next.hint[n * EACH + i] == IN_HAND)
                next.hint[n * EACH + i] = GONE;
        *who_of(&next, n) = (struct who){ 0 };
        explore_emit(e, &next);
    }
    if (any)
        return;
    for (int i = 0; i < HINTS; i++)
        if (s->hint[i] == IN_HAND)
            explore_fail(e, "a hint was not pushed");
    expect_sound(e, s);
}

static void begin(void *state, size_t deaths)
{
    struct state *s = state;

    for (int n = 0; n < PUSHERS + 2; n++)
        who_of(s, n)->alive = 1;
    s->deaths = (uint8_t)deaths;
}

static const struct model model = { sizeof(struct state), begin, step, 1000 };

static void all_interleavings(void)
{
    explore_holds(&model, 3);
}

static void past_empty_only(void)
{
    explore_breaks(&model, 2, MISTAKES);
}

TESTS("wsched: model of a ring of priorities",
      { "pushers, a popper, a guest, two deaths: every interleaving", all_interleavings },
      { "a head that was not moved before the cell was full again", past_empty_only })
