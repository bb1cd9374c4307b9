/* SPDX-License-Identifier: MIT */
/*
 * events.c -- telling subscribers of seals and deletes.
 *
 * A ring of hints. A hint says "look at this id", not what happened to it: the reader looks, and
 * tells what is true then. So a hint may be given twice, or for nothing; what matters is that
 * after the last change of an id somebody looks.
 *
 *   H1  a writer whose store has subscribers tells, wakes, and only then changes the slot (T2, T4).
 *       So a death in between has changed nothing, and one after it was told of.
 *   H2  a reader who comes to a hint whose change has not happened yet (the slot's word still says
 *       WRITING, or SEALED, in the same generation) keeps it pending, and looks again until it
 *       happened or the writer has died.
 *   H3  a subscriber notes where the ring is, makes itself known, and then lists. A writer looks
 *       after its change whether somebody made himself known since it told (or did not), and tells
 *       again. A death just there is made good by the sweep, which makes all subscribers list
 *       again: the one death that somebody else's death or call has to reveal.
 *
 * Position p has the cells of entry p modulo EVENTS. Each cell is one word, tag:16 | payload:48,
 * changed only by compare-and-swap; the tag is that of the position's lap round the ring.
 *
 *   R1  cell 0, of the last lap -> TELLING(slot, lease, kind)  claims head's position
 *   R2  head -> head + 1       by whoever sees the position claimed
 *   R3  cells 1 to 3 -> the id, and the generation
 *   R4  cell 0, TELLING -> TOLD   by who claimed it; if that fails, the ring has gone round, and
 *       it begins anew
 *
 * Invariants
 *   I1  head never passes a position that was not claimed, so there is no hole to wait for.
 *   I2  TOLD: all cells are of this lap. A writer that slept for a lap finds newer tags, and its
 *       compare-and-swaps fail: it cannot mix its payload with another's.
 *   I3  TELLING: its writer has changed nothing yet (H1), or will change nothing more (H3): a
 *       reader loses nothing by going on, with the entry pending. Nobody waits for anybody.
 *
 * A reader that is more than a lap behind, or has more pending than it has room for, is told so,
 * and lists again. header.events_lost, which only grows, tells that to all.
 *
 * header.events_on packs count:63 | on:1. A subscriber notes itself in its lease, then sets `on`
 * and raises the count; who clears `on` does so only if no live lease had a note since it read
 * the word: a subscriber in between raised the count.
 *
 * Ordering  E1: "on, then look at the slots" and "change the slot, then look at on" are
 *   sequentially consistent: one of both sees the other. R4 releases, readers acquire.
 * Crashes  Before R4: nothing was changed, nothing is told. After R4, before the change: the
 *   reader drops it when it sees the death. Of a subscriber: `on` stays until the sweep, which
 *   costs the writers time, and nothing else.
 * Progress  Writers are lock-free; a writer that fails too often (a damaged ring) raises
 *   events_lost instead. Readers only read.
 * Limits  A tag recurs after 2^16 laps, within one writer's sleep or one reader's look.
 */
#include "events.h"
#include "lease.h"
#include "wait.h"

#define TRIES 10000 /* far more than contention takes */
#define TOLD 1u

/* ---- cells --------------------------------------------------------------------------------- */

static struct au64 *entry_at(const struct objstore *s, uint64_t at)
{
    unsigned char *base = (unsigned char *)s->header + s->geo.events_at;

    return (struct au64 *)(void *)(base + at % EVENTS * EVENT_BYTES);
}

static uint64_t tag_of(uint64_t at)
{
    return (at / EVENTS + 1) & 0xffff;
}

static uint64_t cell_make(uint64_t at, uint64_t payload)
{
    return tag_of(at) << 48 | (payload & 0xffffffffffffull);
}
static uint64_t cell_tag(uint64_t cell)
{
    return cell >> 48;
}
static uint64_t cell_payload(uint64_t cell)
{
    return cell & 0xffffffffffffull;
}
static bool is_newer(uint64_t tag, uint64_t than)
{
    return (int16_t)(uint16_t)(tag - than) > 0;
}

/* told:1 | kind:1 | lease:14 | slot:32 */
static uint64_t first_make(enum hint_kind kind, uint32_t lease, uint32_t slot)
{
    return (uint64_t)kind << 46 | (uint64_t)lease << 32 | slot;
}

/* ---- writing ------------------------------------------------------------------------------- */

/* R1, R2. False: too much is wrong with the ring. */
static bool claim(struct objstore *s, uint64_t payload, uint64_t *at)
{
    struct au64 *head = &s->header->events_head;

    for (int tries = 0; tries < TRIES; tries++) {
        uint64_t h = au64_load_acquire(head), from = h; /* R2 */
        struct au64 *first = entry_at(s, h);
        uint64_t seen = au64_load_acquire(first); /* R1 */

        if (cell_tag(seen) == tag_of(h)) {        /* claimed, and its claimer came no further */
            au64_cas_acq_rel(head, &from, h + 1); /* R2 */
            continue;
        }
        if (cell_tag(seen) != ((tag_of(h) - 1) & 0xffff)) /* head has moved on */
            continue;
        if (!au64_cas_acq_rel(first, &seen, cell_make(h, payload))) /* R1 */
            continue;
        POINT("events: claimed, head not moved");
        au64_cas_acq_rel(head, &from, h + 1); /* R2 */
        *at = h;
        return true;
    }
    return false;
}

/* R3. False: the ring has gone round. */
static bool fill_cell(struct au64 *cell, uint64_t to)
{
    uint64_t seen = au64_load_acquire(cell); /* R3 */

    do {
        if (is_newer(cell_tag(seen), cell_tag(to)))
            return false;
    } while (!au64_cas_acq_rel(cell, &seen, to)); /* R3 */
    POINT("events: a cell filled");
    return true;
}

static bool tell_once(struct objstore *s, uint64_t first, uint64_t generation, struct key key,
                      bool *is_damaged)
{
    uint64_t at, told, seen;

    if (!claim(s, first, &at)) {
        *is_damaged = true;
        return false;
    }
    struct au64 *cells = entry_at(s, at);
    seen = cell_make(at, first);
    told = seen | (uint64_t)TOLD << 47;
    return fill_cell(&cells[1], cell_make(at, key.id[0])) &&
           fill_cell(&cells[2], cell_make(at, key.id[0] >> 48 | key.id[1] << 16)) &&
           fill_cell(&cells[3], cell_make(at, key.id[1] >> 32 | generation << 32)) &&
           au64_cas_acq_rel(&cells[0], &seen, told); /* R4 */
}

/* What was told may be less than what happened: subscribers must list again. */
static void lose(struct objstore *s)
{
    au64_add_acq_rel(&s->header->events_lost, 1);
    wait_wake_any(s);
}

void events_tell(struct objstore *s, enum hint_kind kind, uint32_t slot, uint64_t word,
                 struct key key)
{
    uint64_t first = first_make(kind, s->lease, slot);
    bool is_damaged = false, is_told = false;

    for (int tries = 0; tries < 100 && !is_told && !is_damaged; tries++)
        is_told = tell_once(s, first, word_generation(word) & 0xffff, key, &is_damaged);
    if (!is_told)
        lose(s);
    POINT("events: told, nobody woken");
    wait_wake_any(s);
}

/* ---- who listens --------------------------------------------------------------------------- */

static bool is_anybody_listening(const struct objstore *s)
{
    uint32_t used = leases_in_use(s);

    for (uint32_t i = 0; i < used; i++)
        if (lease_word_is_live(au64_load_seq_cst(&s->leases[i].word)) && /* A1 */
            au64_load_seq_cst(&s->leases[i].subscribed))                 /* E1 */
            return true;
    return false;
}

static void turn_off_if_unheard(struct objstore *s)
{
    uint64_t seen = au64_load_seq_cst(&s->header->events_on); /* E1 */

    if (!(seen & 1) || is_anybody_listening(s))
        return;
    POINT("events: nobody listens, still on");
    au64_cas_seq_cst(&s->header->events_on, &seen, seen & ~1ull); /* E1 */
}

/* The order is H3's: the place in the ring, then the count; the caller lists after both. */
static void listen_from_here(struct objstore *s, struct events_reader *r)
{
    struct au64 *on = &s->header->events_on;

    r->pending_count = 0;
    r->lost = au64_load_seq_cst(&s->header->events_lost);
    r->at = au64_load_seq_cst(&s->header->events_head); /* R2 */
    POINT("events: placed, not on");
    uint64_t seen = au64_load_seq_cst(on);               /* E1 */
    while (!au64_cas_seq_cst(on, &seen, (seen + 2) | 1)) /* E1 */
        ;
}

void events_open(struct objstore *s, struct events_reader *r)
{
    au64_add_acq_rel(&s->leases[s->lease].subscribed, 1);
    POINT("events: subscribed, not on");
    listen_from_here(s, r);
}

void events_close(struct objstore *s)
{
    au64_add_acq_rel(&s->leases[s->lease].subscribed, (uint64_t)-1);
    POINT("events: unsubscribed, still on");
    turn_off_if_unheard(s);
}

void events_forget_dead(struct objstore *s)
{
    if (!events_has_listeners(events_on(s)))
        return;
    turn_off_if_unheard(s);
    if (events_has_listeners(events_on(s)))
        lose(s); /* H3 */
}

/* ---- reading ------------------------------------------------------------------------------- */

enum entry_state { ENTRY_TELLING, ENTRY_TOLD, ENTRY_OVERWRITTEN };

static enum entry_state read_entry(const struct objstore *s, uint64_t at, struct hint *out)
{
    const struct au64 *cells = entry_at(s, at);
    uint64_t first = au64_load_acquire(&cells[0]), cell[4]; /* R4 */

    if (cell_tag(first) != tag_of(at))
        return ENTRY_OVERWRITTEN;
    *out = (struct hint){ .kind = first >> 46 & 1 ? HINT_DELETE : HINT_SEAL,
                          .slot = (uint32_t)first,
                          .lease = (uint32_t)(first >> 32 & 0x3fff) };
    if (!(first >> 47 & TOLD))
        return ENTRY_TELLING;
    for (int i = 1; i < 4; i++) {
        cell[i] = au64_load_acquire(&cells[i]); /* R3 */
        if (cell_tag(cell[i]) != tag_of(at))
            return ENTRY_OVERWRITTEN;
        cell[i] = cell_payload(cell[i]);
    }
    out->key.id[0] = cell[1] | cell[2] << 48;
    out->key.id[1] = (cell[2] >> 16 & 0xffffffff) | cell[3] << 32;
    out->generation = (uint32_t)(cell[3] >> 32 & 0xffff);
    return ENTRY_TOLD;
}

/* H2: is the change that the hint tells of still to come? */
static bool is_to_come(const struct objstore *s, const struct hint *h)
{
    if (h->slot >= slots_in_use(s))
        return false;
    uint64_t word = au64_load_seq_cst(&slot_at(s, h->slot)->word); /* E1 of slot.c */
    return (word_generation(word) & 0xffff) == h->generation &&
           (h->kind == HINT_SEAL ? word_state(word) == SLOT_WRITING : word_is_sealed(word));
}

static uint64_t lease_word_of(const struct objstore *s, uint32_t lease)
{
    return lease < LEASES_MAX ? au64_load_acquire(&s->leases[lease].word) : 0; /* A1 */
}

/* Is the process that gave the hint gone, or its lease another's? */
static bool is_writer_gone(const struct objstore *s, uint32_t lease, uint64_t then)
{
    return !lease_word_is_live(then) || lease_word_of(s, lease) != then ||
           lease_has_died(s, lease, then);
}

enum settled { SETTLED_NOT, SETTLED_DROP, SETTLED_TELL, SETTLED_LOST };

/* What has become of pending[i]? If it is to be told, *out is the hint. */
static enum settled settle(struct objstore *s, struct events_reader *r, uint32_t i,
                           struct hint *out)
{
    bool is_gone = is_writer_gone(s, r->pending[i].hint.lease, r->pending[i].lease_word);

    /* In this order: the dead change nothing more, so what is seen now is the end of it. */
    if (!r->pending[i].has_hint) {
        enum entry_state state = read_entry(s, r->pending[i].at, &r->pending[i].hint);

        if (state == ENTRY_OVERWRITTEN) /* perhaps it was told before that */
            return SETTLED_LOST;
        if (state == ENTRY_TELLING)
            return is_gone ? SETTLED_DROP : SETTLED_NOT;
        r->pending[i].has_hint = true;
    }
    *out = r->pending[i].hint;
    if (!is_to_come(s, out))
        return SETTLED_TELL;
    return is_gone ? SETTLED_DROP : SETTLED_NOT;
}

static enum hint_step read_pending(struct objstore *s, struct events_reader *r, struct hint *out)
{
    for (uint32_t i = 0; i < r->pending_count;) {
        enum settled settled = settle(s, r, i, out);

        if (settled == SETTLED_LOST)
            return HINTS_LOST;
        if (settled == SETTLED_NOT)
            i++;
        else
            r->pending[i] = r->pending[--r->pending_count];
        if (settled == SETTLED_TELL)
            return HINTS_ONE;
    }
    return HINTS_NONE;
}

static bool keep_pending(struct objstore *s, struct events_reader *r, const struct hint *h,
                         uint64_t at, bool has_hint)
{
    if (r->pending_count == EVENTS_PENDING)
        return false;
    uint32_t i = r->pending_count++;
    r->pending[i].at = at;
    r->pending[i].has_hint = has_hint;
    r->pending[i].hint = *h;
    r->pending[i].lease_word = lease_word_of(s, h->lease);
    return true;
}

bool events_any(const struct objstore *s, const struct events_reader *r)
{
    return au64_load_acquire(&s->header->events_head) != r->at || /* R2 */
           au64_load_acquire(&s->header->events_lost) != r->lost;
}

enum hint_step events_read(struct objstore *s, struct events_reader *r, struct hint *out)
{
    bool is_lost = au64_load_acquire(&s->header->events_lost) != r->lost;

    if (!is_lost) {
        enum hint_step step = read_pending(s, r, out);

        if (step == HINTS_ONE)
            return step;
        is_lost = step == HINTS_LOST;
    }
    while (!is_lost) {
        uint64_t head = au64_load_acquire(&s->header->events_head); /* R2 */

        if (head == r->at)
            return HINTS_NONE;
        is_lost = head - r->at > EVENTS;
        if (is_lost)
            break;
        enum entry_state state = read_entry(s, r->at, out);
        bool is_early = state == ENTRY_TELLING || (state == ENTRY_TOLD && is_to_come(s, out));
        is_lost = state == ENTRY_OVERWRITTEN ||
                  (is_early && !keep_pending(s, r, out, r->at, state == ENTRY_TOLD));
        r->at++;
        if (!is_lost && !is_early)
            return HINTS_ONE;
    }
    listen_from_here(s, r);
    return HINTS_LOST;
}
