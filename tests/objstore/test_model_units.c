/* SPDX-License-Identifier: MIT */
/*
 * An exhaustive model of who has which bytes: pages.c, blocks.c.
 *
 * One block of two pages that can be divided into two cells or into one, three slots, each of one
 * process that takes pages, takes cells, opens and retires the block, gives back, and may die
 * at any step. Anybody idle takes over a dead one's slot and mends it, and may die, too. Every
 * step is one access to shared memory. With a rule left out the model must break.
 */
#include "explore.h"
#include "test.h"

enum { PROCESSES = 3, UNITS = 2 };
enum { PAGE_FREE = 0, PAGE_BLOCK = 1, CELL_CLOSED = 0, CELL_FREE = 1, OWNER = 2 };
enum block_state { PAGES, CELLS, OPENING, RETIRING, CLOSING };
enum kind { NONE, E_PAGES, E_CELL, E_BLOCK };

enum pc {
    OUT,
    IDLE,
    PAGES_CLAIM, /* page i */
    PAGES_UNDO,  /* give back page i, down to the first */
    PAGES_HELD,
    OPEN_NOTE,
    OPEN_CLAIM,
    OPEN_UNDO,
    OPEN_WORD, /* B1 */
    RETIRE_NOTE,
    RETIRE_WORD,  /* B3 */
    RETIRE_CELL,  /* close cell i */
    RETIRE_CLOSE, /* B4 */
    CELL_CLAIM,
    CELL_AGAIN,
    CELL_UNDO,
    SETTLE_LOOK,
    SETTLE_PAGE,  /* OPENING: page i to BLOCK */
    SETTLE_CELL,  /* open cell i */
    SETTLE_CELLS, /* B2, B5 */
    SETTLE_FREE,  /* CLOSING: page i to FREE */
    SETTLE_PAGES, /* B6 */
    SETTLE_OWN,   /* page i back, if it is ours */
    CLEAR,        /* the extent is cleared, the slot is at rest */
    FREE_PAGE,
    FREE_CELL,
    SHRINK_PAGE,   /* the last page of those that are held goes back */
    SHRINK_EXTENT, /* and the extent covers it no more */
};

struct word {
    uint8_t version, state, class, slot;
};

struct state {
    uint8_t page[UNITS], cell[UNITS];
    struct word block;
    struct {
        uint8_t kind, is_held, class, first, count;
        uint8_t owner; /* process + 1, 0: its owner died */
    } slot[PROCESSES];
    uint8_t operations, deaths; /* left */
    struct {
        uint8_t pc, slot, i;
        struct word seen;
    } p[PROCESSES];
};

/* Rules to leave out, to see the model break. */
enum {
    RIGHT,
    OMIT_SECOND_LOOK,  /* after K1 */
    OMIT_NOTE,         /* the extent names the block only afterwards */
    OMIT_ROLL_FORWARD, /* OPENING is not finished by a successor */
    OMIT_SHRINK_ORDER, /* the extent gives the tail up before its pages do */
    MISTAKES,
};

static uint8_t cells_of(uint8_t class)
{
    return class == 0 ? 2 : 1;
}

static bool same(struct word a, struct word b)
{
    return a.version == b.version && a.state == b.state && a.class == b.class && a.slot == b.slot;
}

static struct word next_word(struct word w, uint8_t state, uint8_t class, uint8_t slot)
{
    return (struct word){ (uint8_t)(w.version + 1), state, class, slot };
}

static bool cas(uint8_t *at, uint8_t from, uint8_t to)
{
    if (*at != from)
        return false;
    *at = to;
    return true;
}

static void set_extent(struct state *s, uint8_t slot, uint8_t kind, uint8_t class, uint8_t first,
                       uint8_t count)
{
    s->slot[slot].kind = kind;
    s->slot[slot].is_held = 0;
    s->slot[slot].class = class;
    s->slot[slot].first = first;
    s->slot[slot].count = count;
}

static void go(struct state *s, int who, uint8_t pc)
{
    s->p[who].pc = pc;
    s->p[who].i = 0;
}

static void start_operations(struct explorer *e, const struct state *s, int who)
{
    uint8_t slot = (uint8_t)who;
    struct state n = *s;

    if (s->slot[slot].is_held) { /* give it back */
        go(&n, who, s->slot[slot].kind == E_PAGES ? FREE_PAGE : FREE_CELL);
        explore_emit(e, &n);
    }
    if (s->slot[slot].is_held && s->slot[slot].kind == E_PAGES && s->slot[slot].count > 1) {
        n = *s;
        n.slot[slot].is_held = 0;
        go(&n, who, mistake == OMIT_SHRINK_ORDER ? SHRINK_EXTENT : SHRINK_PAGE);
        explore_emit(e, &n);
    }
    for (uint8_t other = 0; other < PROCESSES; other++)
        if (s->slot[other].owner == 0 && s->slot[other].kind != NONE) { /* T6 */
            static const uint8_t pcs[] = { CLEAR, FREE_PAGE, FREE_CELL, SETTLE_LOOK };

            n = *s;
            n.slot[other].owner = (uint8_t)(who + 1);
            n.p[who].slot = other;
            go(&n, who, pcs[s->slot[other].kind]);
            explore_emit(e, &n);
        }
    if (s->slot[slot].kind != NONE || !s->operations)
        return;
    for (uint8_t first = 0; first < UNITS; first++)
        for (uint8_t count = 1; first + count <= UNITS; count++) {
            n = *s;
            n.operations--;
            set_extent(&n, slot, E_PAGES, 0, first, count);
            go(&n, who, PAGES_CLAIM);
            explore_emit(e, &n);
        }
    for (uint8_t class = 0; class < 2; class ++) {
        n = *s;
        n.operations--;
        n.p[who].seen = s->block;
        if (s->block.state == PAGES) {
            n.p[who].seen.class = class; /* the class it wants, until B1 */
            go(&n, who, OPEN_NOTE);
            explore_emit(e, &n);
        } else if (s->block.state == CELLS && s->block.class == class) {
            for (uint8_t cell = 0; cell < cells_of(class); cell++) {
                set_extent(&n, slot, E_CELL, class, cell, 1);
                go(&n, who, CELL_CLAIM);
                explore_emit(e, &n);
            }
            n = *s;
            n.operations--;
            n.p[who].seen = s->block;
            go(&n, who, RETIRE_NOTE);
            explore_emit(e, &n);
        }
    }
}

static void step_pages(struct state *s, int who)
{
    uint8_t slot = s->p[who].slot, *i = &s->p[who].i;
    uint8_t first = s->slot[slot].first, count = s->slot[slot].count;

    if (s->p[who].pc == PAGES_CLAIM) {
        if (!cas(&s->page[first + *i], PAGE_FREE, slot + OWNER)) {
            s->p[who].pc = *i ? PAGES_UNDO : CLEAR;
        } else if (++*i == count) {
            go(s, who, PAGES_HELD);
        }
    } else if (s->p[who].pc == PAGES_UNDO) {
        --*i;
        cas(&s->page[first + *i], slot + OWNER, PAGE_FREE);
        if (*i == 0)
            go(s, who, CLEAR);
    } else {
        s->slot[slot].is_held = 1;
        go(s, who, IDLE);
    }
}

static void step_open(struct state *s, int who)
{
    uint8_t slot = s->p[who].slot, *i = &s->p[who].i;
    struct word *seen = &s->p[who].seen, block = *seen;

    switch (s->p[who].pc) {
    case OPEN_NOTE:
        if (mistake != OMIT_NOTE)
            set_extent(s, slot, E_BLOCK, 0, 0, 0);
        go(s, who, OPEN_CLAIM);
        break;
    case OPEN_CLAIM:
        if (!cas(&s->page[*i], PAGE_FREE, slot + OWNER))
            s->p[who].pc = *i ? OPEN_UNDO : SETTLE_LOOK;
        else if (++*i == UNITS)
            go(s, who, OPEN_WORD);
        break;
    case OPEN_UNDO:
        --*i;
        cas(&s->page[*i], slot + OWNER, PAGE_FREE);
        if (*i == 0)
            go(s, who, SETTLE_LOOK);
        break;
    default:                          /* OPEN_WORD: B1 */
        block.class = s->block.class; /* of a word in PAGES: always 0, as it was when read */
        if (s->block.state == PAGES && same(s->block, block))
            s->block = next_word(s->block, OPENING, seen->class, slot);
        set_extent(s, slot, E_BLOCK, 0, 0, 0);
        go(s, who, SETTLE_LOOK);
    }
}

static void step_retire(struct state *s, int who)
{
    uint8_t slot = s->p[who].slot, *i = &s->p[who].i;
    struct word *seen = &s->p[who].seen;

    switch (s->p[who].pc) {
    case RETIRE_NOTE:
        set_extent(s, slot, E_BLOCK, 0, 0, 0);
        go(s, who, RETIRE_WORD);
        break;
    case RETIRE_WORD: /* B3 */
        if (same(s->block, *seen)) {
            s->block = *seen = next_word(*seen, RETIRING, seen->class, slot);
            go(s, who, RETIRE_CELL);
        } else {
            go(s, who, SETTLE_LOOK);
        }
        break;
    case RETIRE_CELL:
        if (!cas(&s->cell[*i], CELL_FREE, CELL_CLOSED))
            go(s, who, SETTLE_LOOK);
        else if (++*i == cells_of(seen->class))
            go(s, who, RETIRE_CLOSE);
        break;
    default: /* B4 */
        if (same(s->block, *seen))
            s->block = next_word(*seen, CLOSING, seen->class, slot);
        go(s, who, SETTLE_LOOK);
    }
}

static void step_cell(struct state *s, int who)
{
    uint8_t slot = s->p[who].slot, cell = s->slot[slot].first;

    if (s->p[who].pc == CELL_CLAIM) { /* K1 */
        go(s, who, cas(&s->cell[cell], CELL_FREE, slot + OWNER) ? CELL_AGAIN : CLEAR);
    } else if (s->p[who].pc == CELL_AGAIN) {
        if (same(s->block, s->p[who].seen) || mistake == OMIT_SECOND_LOOK) {
            s->slot[slot].is_held = 1;
            go(s, who, IDLE);
        } else {
            go(s, who, CELL_UNDO);
        }
    } else { /* K2 */
        cas(&s->cell[cell], slot + OWNER, CELL_FREE);
        go(s, who, CLEAR);
    }
}

static void step_settle(struct state *s, int who)
{
    uint8_t slot = s->p[who].slot, *i = &s->p[who].i;
    struct word *seen = &s->p[who].seen;

    switch (s->p[who].pc) {
    case SETTLE_LOOK:
        *seen = s->block;
        go(s, who, SETTLE_OWN);
        if (seen->slot == slot && seen->state == OPENING && mistake != OMIT_ROLL_FORWARD)
            go(s, who, SETTLE_PAGE);
        else if (seen->slot == slot && seen->state == RETIRING)
            go(s, who, SETTLE_CELL);
        else if (seen->slot == slot && seen->state == CLOSING)
            go(s, who, SETTLE_FREE);
        break;
    case SETTLE_PAGE:
        cas(&s->page[*i], slot + OWNER, PAGE_BLOCK);
        if (++*i == UNITS)
            go(s, who, SETTLE_CELL);
        break;
    case SETTLE_CELL: /* K3 */
        cas(&s->cell[*i], CELL_CLOSED, CELL_FREE);
        if (++*i == cells_of(seen->class))
            go(s, who, SETTLE_CELLS);
        break;
    case SETTLE_CELLS:
        if (same(s->block, *seen))
            s->block = next_word(*seen, CELLS, seen->class, 0);
        go(s, who, SETTLE_OWN);
        break;
    case SETTLE_FREE:
        cas(&s->page[*i], PAGE_BLOCK, PAGE_FREE);
        if (++*i == UNITS)
            go(s, who, SETTLE_PAGES);
        break;
    case SETTLE_PAGES:
        if (same(s->block, *seen))
            s->block = next_word(*seen, PAGES, 0, 0);
        go(s, who, SETTLE_OWN);
        break;
    default: /* SETTLE_OWN */
        cas(&s->page[*i], slot + OWNER, PAGE_FREE);
        if (++*i == UNITS)
            go(s, who, CLEAR);
    }
}

static void step_free(struct state *s, int who)
{
    uint8_t slot = s->p[who].slot, *i = &s->p[who].i;

    if (s->p[who].pc == FREE_CELL) {
        cas(&s->cell[s->slot[slot].first], slot + OWNER, CELL_FREE);
        go(s, who, CLEAR);
    } else {
        cas(&s->page[s->slot[slot].first + *i], slot + OWNER, PAGE_FREE);
        if (++*i == s->slot[slot].count)
            go(s, who, CLEAR);
    }
}

static void step_shrink(struct state *s, int who)
{
    uint8_t slot = s->p[who].slot;
    bool is_last = (s->p[who].pc == SHRINK_EXTENT) != (mistake == OMIT_SHRINK_ORDER);

    if (s->p[who].pc == SHRINK_PAGE)
        s->page[s->slot[slot].first + 1] = PAGE_FREE; /* held: a store will do */
    else
        s->slot[slot].count = 1;
    if (is_last)
        s->slot[slot].is_held = 1;
    go(s, who, is_last ? IDLE : s->p[who].pc == SHRINK_PAGE ? SHRINK_EXTENT : SHRINK_PAGE);
}

static void step_clear(struct state *s, int who)
{
    uint8_t slot = s->p[who].slot;

    set_extent(s, slot, NONE, 0, 0, 0);
    if (slot != who) /* mended; its process is gone for good */
        s->slot[slot].owner = 0;
    s->p[who].slot = (uint8_t)who;
    s->p[who].seen = (struct word){ 0, 0, 0, 0 };
    go(s, who, IDLE);
}

static void check_held(struct explorer *e, const struct state *s, int who)
{
    if (s->p[who].pc != IDLE || !s->slot[who].is_held)
        return;
    if (s->slot[who].kind == E_PAGES)
        for (uint8_t i = 0; i < s->slot[who].count; i++)
            if (s->page[s->slot[who].first + i] != who + OWNER)
                explore_fail(e, "a page that is held names another");
    if (s->slot[who].kind == E_CELL &&
        (s->cell[s->slot[who].first] != who + OWNER || s->block.class != s->slot[who].class ||
         (s->block.state != CELLS && s->block.state != RETIRING)))
        explore_fail(e, "a cell that is held is not one of its class");
    if (s->slot[who].kind == E_CELL && (s->page[0] != PAGE_BLOCK || s->page[1] != PAGE_BLOCK))
        explore_fail(e, "a cell that is held lies in pages of others");
}

/* Nobody acts, nobody has anything, every death was mended: nothing may be missing. */
static void check_rest(struct explorer *e, const struct state *s)
{
    for (int i = 0; i < PROCESSES; i++) {
        check_held(e, s, i);
        if ((s->p[i].pc != OUT && s->p[i].pc != IDLE) || s->slot[i].kind != NONE)
            return;
    }
    bool is_cells = s->block.state == CELLS;
    if (!is_cells && s->block.state != PAGES)
        explore_fail(e, "a block is stuck between two states");
    for (uint8_t i = 0; i < UNITS; i++)
        if (s->page[i] != (is_cells ? PAGE_BLOCK : PAGE_FREE) ||
            s->cell[i] != (is_cells && i < cells_of(s->block.class) ? CELL_FREE : CELL_CLOSED))
            explore_fail(e, "a unit leaks");
}

static void step(struct explorer *e, const void *state)
{
    const struct state *s = state;

    check_rest(e, s);
    for (int who = 0; who < PROCESSES; who++) {
        struct state n = *s;
        uint8_t pc = s->p[who].pc;

        if (pc == OUT)
            continue;
        if (s->deaths) {
            n.deaths--;
            n.slot[who].owner = 0;
            n.slot[s->p[who].slot].owner = 0;
            memset(&n.p[who], 0, sizeof n.p[who]);
            explore_emit(e, &n);
            n = *s;
        }
        if (pc == IDLE) {
            start_operations(e, s, who);
            continue;
        }
        if (pc <= PAGES_HELD)
            step_pages(&n, who);
        else if (pc <= OPEN_WORD)
            step_open(&n, who);
        else if (pc <= RETIRE_CLOSE)
            step_retire(&n, who);
        else if (pc <= CELL_UNDO)
            step_cell(&n, who);
        else if (pc <= SETTLE_OWN)
            step_settle(&n, who);
        else if (pc == CLEAR)
            step_clear(&n, who);
        else if (pc >= SHRINK_PAGE)
            step_shrink(&n, who);
        else
            step_free(&n, who);
        explore_emit(e, &n);
    }
}

static const struct budget {
    uint8_t operations, deaths, processes;
} budgets[] = { { 5, 1, 2 }, { 3, 2, 3 }, { 4, 2, 3 } };
enum { USUAL = 2, LARGE = 3 };

static void begin(void *state, size_t n)
{
    const struct budget *b = &budgets[n];
    struct state *s = state;

    s->operations = b->operations;
    s->deaths = b->deaths;
    for (uint8_t i = 0; i < PROCESSES; i++) {
        s->p[i].pc = i < b->processes ? IDLE : OUT;
        s->p[i].slot = i;
        s->slot[i].owner = i < b->processes ? (uint8_t)(i + 1) : 0;
    }
}

static const struct model model = { sizeof(struct state), begin, step, 10000 };

static void holds(void)
{
    explore_holds(&model, explore_is_large() ? LARGE : USUAL);
}

static void breaks(void)
{
    explore_breaks(&model, USUAL, MISTAKES);
}

TESTS("units model",
      { "no unit is lost or had twice, in every interleaving with every death", holds },
      { "and it breaks if one of its rules is left out", breaks })
