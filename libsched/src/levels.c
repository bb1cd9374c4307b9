/* SPDX-License-Identifier: MIT */
/*
 * levels.c -- priorities: hints to tasks that are urgent, or not at all.
 *
 * Tasks of the normal level go through deques and queues, as if there were no others. For the high
 * and for the low level the pool has one ring each, into which any process pushes and from which
 * any worker pops, in order. Workers look at the high ring first and at the low one last, but one
 * time in 61 the other way round (worker.c), so that nobody starves. While header.levels is 0,
 * because no task ever had a level, nobody looks at all.
 *
 * A ring   Each cell is a word, lap:14 << 50 | hint:50; a hint of 0: empty. Position n is cell
 *   n % capacity in lap n / capacity. Cells change by CAS, in a circle:
 *
 *     L1  (lap, empty) -> (lap, hint)          push, at tail
 *     L2  (lap, hint)  -> (lap + 1, empty)     pop, at head
 *     L3  tail + 1, head + 1                   by CAS: who did L1 or L2, or anybody who comes by
 *                                              and sees that it was done
 *
 *   L1 and L2 are what counts; head and tail only say where to look. So a death at any step leaves
 *   nothing to be mended: between L1 (L2) and L3 the next one helps. At a head that was not moved
 *   the cell may hold a hint of the next lap by then. A hint that was popped by a process that died
 *   is lost: header.lost. Model: tests/sched/test_model_levels.c.
 *
 * Lending   A task that waits for another, or is submitted to follow it, lends it its level, if it
 *   is higher: the word `lent` of its terms, with the generation, and if it can be started a second
 *   hint in the higher queue; hints may be doubled. This reaches what is waited for, not what that
 *   in turn waits for, unless it waits inside its kernel: then it lends on. Calls of actors come in
 *   the order of their mailbox, whatever their level.
 *
 * Ordering  L1 release -> L2 acquire; the rest is the task's own word.
 * Damage    Until the tail has come to a position its cell holds the hint of its lap, or was passed.
 *   One at the head that does not is passed over, and header.lost raised, so that whoever sees by the
 *   ends that there is something to take gets on: in a ring of nothing but damage, to the tail.
 * Limits    A full ring raises header.lost: the task is found in the table. A process would have
 *   to sleep between its look at a cell and its CAS for exactly 2^14 laps to be mistaken.
 */
#include "pool.h"

#define LAP_SHIFT 50
#define LAP_MASK 0x3fffu
#define HINT_MASK ((1ull << LAP_SHIFT) - 1)
#define INDEX_BITS 21

static struct level *ring_of(const struct wsched *p, enum level_name level)
{
    return &p->header->level[level == LEVEL_HIGH];
}

static struct au64 *cell_of(const struct wsched *p, enum level_name level, uint64_t position)
{
    return &p->level_cells[(level == LEVEL_HIGH ? p->level_capacity : 0) +
                           (position & (p->level_capacity - 1))];
}

static uint64_t lap_of(const struct wsched *p, uint64_t position)
{
    return position / p->level_capacity & LAP_MASK;
}

static uint64_t empty_cell(uint64_t lap)
{
    return (lap & LAP_MASK) << LAP_SHIFT;
}

/* Was the hint of this lap taken out? Perhaps there is one of the next already: who took it out may
 * have died before L3, and nobody have come by since. */
static bool has_passed(uint64_t cell, uint64_t lap)
{
    return cell >> LAP_SHIFT == ((lap + 1) & LAP_MASK);
}

static bool ring_push(struct wsched *p, enum level_name level, uint64_t future)
{
    struct level *r = ring_of(p, level);
    uint64_t hint = (uint64_t)future_generation(future) << INDEX_BITS | (future_index(future) + 1);

    for (;;) {
        uint64_t tail = au64_load_acquire(&r->tail), lap = lap_of(p, tail);
        struct au64 *cell = cell_of(p, level, tail);
        uint64_t c = au64_load_acquire(cell);
        bool is_pushed = false,
             is_passed = (c >> LAP_SHIFT == lap && (c & HINT_MASK)) || c == empty_cell(lap + 1);
        if (c == empty_cell(lap))
            is_pushed = is_passed = au64_cas_acq_rel(cell, &c, c | hint); /* L1 */
        else if (!is_passed && au64_load_acquire(&r->tail) == tail)
            return false; /* full */
        POINT("levels: pushed, tail not moved");
        if (is_passed)
            au64_cas_acq_rel(&r->tail, &tail, tail + 1); /* L3 */
        if (is_pushed)
            return true;
    }
}

/*
 * There was nothing to take at `head`. False: nor is there behind it. Else it is to be looked at again,
 * or is damaged, and passed over.
 */
static bool pass_over(struct wsched *p, enum level_name level, uint64_t head)
{
    struct level *r = ring_of(p, level);
    uint64_t lap = lap_of(p, head), n = au64_load_acquire(&r->tail) - head;

    if (n == 0 || n > p->level_capacity + 1) /* as level_size() */
        return false;
    uint64_t c = au64_load_acquire(cell_of(p, level, head)); /* after the tail */
    if ((c >> LAP_SHIFT == lap && (c & HINT_MASK)) || has_passed(c, lap) ||
        au64_load_acquire(&r->head) != head)
        return true;
    au64_cas_acq_rel(cell_of(p, level, head), &c, empty_cell(lap + 1));
    au64_cas_acq_rel(&r->head, &head, head + 1);
    au32_store_release(&p->header->lost, 1); /* which we look at next; but not guests */
    if (p->is_guest)
        park_wake_one(p);
    return true;
}

bool level_pop(struct wsched *p, enum level_name level, uint64_t *future)
{
    struct level *r = ring_of(p, level);

    for (;;) {
        uint64_t head = au64_load_acquire(&r->head), lap = lap_of(p, head);
        struct au64 *cell = cell_of(p, level, head);
        uint64_t c = au64_load_acquire(cell);
        bool is_popped = false, is_passed = has_passed(c, lap);
        if (c >> LAP_SHIFT == lap && (c & HINT_MASK))
            is_popped = is_passed = au64_cas_acq_rel(cell, &c, empty_cell(lap + 1)); /* L2 */
        else if (!is_passed && au64_load_acquire(&r->head) == head && !pass_over(p, level, head))
            return false; /* empty */
        POINT("levels: popped, head not moved");
        if (is_passed)
            au64_cas_acq_rel(&r->head, &head, head + 1); /* L3 */
        if (!is_popped)
            continue;
        *future = (c & HINT_MASK) >> INDEX_BITS << 32 | (c & ((1u << INDEX_BITS) - 1));
        return true;
    }
}

/* The oldest hint, and its position, by which level_drop() takes just that: for guests, which take
 * a task before its hint (work.c). */
bool level_peek(struct wsched *p, enum level_name level, uint64_t *future, uint64_t *position)
{
    struct level *r = ring_of(p, level);

    for (;;) {
        uint64_t head = au64_load_acquire(&r->head), lap = lap_of(p, head);
        uint64_t c = au64_load_acquire(cell_of(p, level, head));
        if (c >> LAP_SHIFT == lap && (c & HINT_MASK)) {
            *future = (c & HINT_MASK) >> INDEX_BITS << 32 | (c & ((1u << INDEX_BITS) - 1));
            *position = head;
            return true;
        }
        if (has_passed(c, lap))
            au64_cas_acq_rel(&r->head, &head, head + 1); /* L3 */
        else if (au64_load_acquire(&r->head) == head && !pass_over(p, level, head))
            return false; /* empty */
    }
}

void level_drop(struct wsched *p, enum level_name level, uint64_t position)
{
    struct au64 *cell = cell_of(p, level, position);
    uint64_t lap = lap_of(p, position), c = au64_load_acquire(cell);

    if (c >> LAP_SHIFT == lap && (c & HINT_MASK) && /* the only hint there ever was in this lap */
        au64_cas_acq_rel(cell, &c, empty_cell(lap + 1)))                     /* L2 */
        au64_cas_acq_rel(&ring_of(p, level)->head, &position, position + 1); /* L3 */
}

uint64_t level_size(const struct wsched *p, enum level_name level)
{
    const struct level *r = ring_of(p, level);
    uint64_t head = au64_load_acquire(&r->head), tail = au64_load_acquire(&r->tail);
    uint64_t c = au64_load_acquire(cell_of(p, level, head)), lap = lap_of(p, head);
    bool has_hint = c >> LAP_SHIFT == lap && (c & HINT_MASK);

    if (tail == head || tail - head > p->level_capacity + 1) /* L3 of one or the other is due */
        return has_hint;
    return tail - head - has_passed(c, lap);
}

/* ---- levels of tasks --------------------------------------------------------------------- */

enum level_name level_of(const struct wsched *p, uint32_t index, uint32_t generation)
{
    const struct terms *t = terms_at(p, index);
    uint32_t own = task_at(p, index)->kernel & KERNEL_TERMS ? t->level : LEVEL_NORMAL;
    uint64_t lent = au64_load_acquire(&t->lent);

    if (lent >> 32 == generation && (uint32_t)lent > own)
        own = (uint32_t)lent;
    return own > LEVEL_HIGH ? LEVEL_NORMAL : (enum level_name)own;
}

/* False: the task is of the normal level. */
bool level_push(struct wsched *p, uint64_t future)
{
    uint32_t index = future_index(future);

    if (!levels_used(p) || index >= p->task_count || task_at(p, index)->place)
        return false; /* an actor's call has its place in a mailbox */
    enum level_name level = level_of(p, index, future_generation(future));
    if (level == LEVEL_NORMAL)
        return false;
    if (!ring_push(p, level, future))
        au32_store_release(&p->header->lost, 1); /* the table still knows it */
    return true;
}

void levels_begin(struct wsched *p)
{
    if (!levels_used(p))
        au32_store_release(&p->header->levels, 1);
}

void level_lend(struct wsched *p, uint64_t future, enum level_name level)
{
    uint32_t index, generation = future_generation(future);
    uint64_t word;

    if (!future_look(p, future, &index, &word) || task_at(p, index)->place)
        return;
    struct au64 *lent = &terms_at(p, index)->lent;
    uint64_t seen = au64_load_acquire(lent);
    do {
        word = au64_load_acquire(&task_at(p, index)->word);
        if (word_generation(word) != generation || word_state(word) < TASK_BLOCKED ||
            word_state(word) > TASK_RUNNING || level_of(p, index, generation) >= level)
            return;
    } while (!au64_cas_acq_rel(lent, &seen, (uint64_t)generation << 32 | level));
    POINT("levels: lent, no second hint");
    word = au64_load_acquire(&task_at(p, index)->word);
    if (word_state(word) == TASK_PENDING && word_generation(word) == generation) {
        hint_push(p, future);
        park_wake_one(p);
    }
}
