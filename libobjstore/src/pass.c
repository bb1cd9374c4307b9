/* SPDX-License-Identifier: MIT */
/*
 * pass.c -- views on their way from one process to another.
 *
 * A pass holds an object as a pin does, and belongs to nobody: it outlives the one who gave it and
 * does not need the one who is to take it. It ends when it is taken, cancelled, or expires.
 *
 * A table of records, each a word, state:2 | generation:30 | lease or slot:32, which changes only
 * by compare-and-swap, and a time:
 *
 *   Q1  FREE -> FILLING(lease)   passes_open()    generation + 1
 *   Q2  FILLING -> OPEN(slot)    passes_open()    by a holder of a view of the slot
 *   Q3  header.pass_moves + 1    passes_taking()  by the taker, after it noted a pin of its own
 *       (N1 of pin.c), before Q4
 *   Q4  OPEN -> FREE             passes_close()   by the taker; by who cancels it; by whoever finds
 *       it expired
 *   Q5  FILLING(dead) -> FREE    passes_expire(), passes_inherited()
 *
 * Invariants
 *   I1  OPEN: the slot is in the life in which it was given, SEALED or DOOMED.
 *   I2  Who looks at the pins, then at the passes, and then finds pass_moves as it was before,
 *       misses no holder. What goes from a pin to a pass is found there, unless it is taken again
 *       before the look, which takes a Q3 in between. What goes from a pass to a pin was noted (N1)
 *       before Q3; if that came before the looks, so did the pin. pins_any() does this.
 *
 * Ordering  All of it is sequentially consistent, as is N1: E2 of slot.c. The end of a pin, N3, is a
 *   release: who sees it sees the pass that its holder opened before.
 * Crashes  Of the giver before Q2: Q5. After it: the pass stays, for who was told of it, or until
 *   it expires. Of the taker before Q4: the pass stays. After it: a pin of the dead. Whoever closes
 *   without taking tries to free the slot, and may die before: the sweep looks at DOOMED slots.
 * Progress  Lock-free. Limits  PASSES at once. A generation recurs after 2^30 uses of a record.
 *   Time is CLOCK_BOOTTIME: processes in different time namespaces disagree on when it is over.
 */
#include "pass.h"
#include "futex.h"

#define STATE_SHIFT 62u
#define GENERATION_ONE (1ull << 32)
#define GENERATION_MASK (0x3fffffffull << 32)

enum pass_state { PASS_FREE = 0, PASS_FILLING = 1, PASS_OPEN = 2 };

struct pass {
    struct au64 word;
    struct au64 expires; /* CLOCK_BOOTTIME, ns */
};
_Static_assert(sizeof(struct pass) == PASS_BYTES, "layout");

static enum pass_state state_of(uint64_t word)
{
    return (enum pass_state)(word >> STATE_SHIFT);
}
static uint64_t word_of(enum pass_state state, uint64_t generation, uint32_t payload)
{
    return (uint64_t)state << STATE_SHIFT | (generation & GENERATION_MASK) | payload;
}

static struct pass *pass_at(const struct objstore *s, uint32_t n)
{
    unsigned char *base = (unsigned char *)s->header + s->geo.passes_at;

    return (struct pass *)(void *)base + n;
}

static uint32_t passes_in_use(const struct objstore *s)
{
    uint64_t used = au64_load_seq_cst(&s->header->passes_used);

    return used < PASSES ? (uint32_t)used : PASSES;
}

uint64_t pass_moves(const struct objstore *s)
{
    return au64_load_seq_cst(&s->header->pass_moves); /* Q3 */
}

uint32_t passes_of(const struct objstore *s, uint32_t slot)
{
    uint32_t used = passes_in_use(s), count = 0;

    for (uint32_t i = 0; i < used; i++) {
        uint64_t word = au64_load_seq_cst(&pass_at(s, i)->word); /* Q2, Q4 */

        count += state_of(word) == PASS_OPEN && (uint32_t)word == slot;
    }
    return count;
}

static bool claim(struct objstore *s, uint32_t *n, uint64_t *filling)
{
    struct au64 *used = &s->header->passes_used;

    for (uint32_t i = 0; i < PASSES; i++) {
        uint64_t word = au64_load_seq_cst(&pass_at(s, i)->word), seen;

        *filling = word_of(PASS_FILLING, word + GENERATION_ONE, s->lease);
        if (state_of(word) != PASS_FREE ||
            !au64_cas_seq_cst(&pass_at(s, i)->word, &word, *filling)) /* Q1 */
            continue;
        POINT("pass: claimed");
        seen = au64_load_seq_cst(used);
        while (seen <= i && !au64_cas_seq_cst(used, &seen, i + 1ull)) /* before Q2 */
            ;
        *n = i;
        return true;
    }
    return false;
}

int passes_open(struct objstore *s, uint32_t slot, int64_t keep_ms, uint64_t pass[2])
{
    uint64_t filling, open;
    uint32_t n;

    if (!claim(s, &n, &filling))
        return -ENOSPC;
    open = word_of(PASS_OPEN, filling, slot);
    au64_store_release(&pass_at(s, n)->expires,
                       (uint64_t)(clock_ns(CLOCK_BOOTTIME) + keep_ms * NS_PER_MS));
    POINT("pass: filled in");
    if (!au64_cas_seq_cst(&pass_at(s, n)->word, &filling, open)) /* Q2 */
        return -EBADMSG;
    POINT("pass: open");
    pass[0] = n;
    pass[1] = open;
    return 0;
}

void passes_taking(struct objstore *s)
{
    uint64_t seen = pass_moves(s);

    while (!au64_cas_seq_cst(&s->header->pass_moves, &seen, seen + 1)) /* Q3 */
        ;
}

static bool is_ours(const struct objstore *s, const uint64_t pass[2])
{
    return pass[0] < PASSES && state_of(pass[1]) == PASS_OPEN &&
           (uint32_t)pass[1] < slots_in_use(s);
}

bool passes_slot(const struct objstore *s, const uint64_t pass[2], uint32_t *slot)
{
    if (!is_ours(s, pass) ||
        au64_load_seq_cst(&pass_at(s, (uint32_t)pass[0])->word) != pass[1]) /* Q2 */
        return false;
    *slot = (uint32_t)pass[1];
    return true;
}

static bool close_pass(struct objstore *s, uint32_t n, uint64_t word)
{
    return au64_cas_seq_cst(&pass_at(s, n)->word, &word, word_of(PASS_FREE, word, 0)); /* Q4, Q5 */
}

bool passes_close(struct objstore *s, const uint64_t pass[2])
{
    return is_ours(s, pass) && close_pass(s, (uint32_t)pass[0], pass[1]);
}

uint32_t passes_expire(struct objstore *s, const struct graves *graves,
                       void (*closed)(struct objstore *s, uint32_t slot))
{
    uint32_t used = passes_in_use(s), count = 0;
    uint64_t now = used ? (uint64_t)clock_ns(CLOCK_BOOTTIME) : 0;

    for (uint32_t i = 0; i < used; i++) {
        uint64_t word = au64_load_seq_cst(&pass_at(s, i)->word); /* Q1, Q2 */

        if (state_of(word) == PASS_FILLING && grave_owns(s, graves, word))
            close_pass(s, i, word);
        /* Read after the word: if that is still the same when it closes, the time was its. */
        if (state_of(word) != PASS_OPEN || au64_load_acquire(&pass_at(s, i)->expires) > now ||
            !close_pass(s, i, word))
            continue;
        POINT("pass: expired, slot not looked at");
        count++;
        if ((uint32_t)word < slots_in_use(s))
            closed(s, (uint32_t)word);
    }
    return count;
}

void passes_inherited(struct objstore *s)
{
    uint32_t used = passes_in_use(s);

    for (uint32_t i = 0; i < used; i++) {
        uint64_t word = au64_load_seq_cst(&pass_at(s, i)->word); /* Q1 */

        if (state_of(word) == PASS_FILLING && (uint32_t)word == s->lease)
            close_pass(s, i, word); /* Q5 */
    }
}

const char *pass_fault(const struct objstore *s, uint32_t n)
{
    uint64_t word = au64_load_seq_cst(&pass_at(s, n)->word); /* Q2 */

    if (state_of(word) > PASS_OPEN)
        return "its state is none";
    if (state_of(word) != PASS_OPEN)
        return NULL;
    if ((uint32_t)word >= slots_in_use(s))
        return "it is for a slot that does not exist";
    enum slot_state state =
        word_state(au64_load_seq_cst(&slot_at(s, (uint32_t)word)->word)); /* T1 to T7 */
    if (state != SLOT_SEALED && state != SLOT_DOOMED && state != SLOT_REPLACED &&
        au64_load_seq_cst(&pass_at(s, n)->word) == word)
        return "it is for a slot without an object";
    return NULL;
}
