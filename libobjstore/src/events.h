/* SPDX-License-Identifier: MIT */
/* events.h -- telling subscribers of seals and deletes. */
#ifndef OBJSTORE_EVENTS_H
#define OBJSTORE_EVENTS_H

#include "index.h"
#include "store.h"

enum hint_kind {
    HINT_SEAL = 0,   /* the slot goes from WRITING to SEALED */
    HINT_DELETE = 1, /* from SEALED to DOOMED */
};

/* One load each, and nothing more, while nobody listens. */
static inline uint64_t events_on(const struct objstore *s)
{
    return au64_load_seq_cst(&s->header->events_on); /* E1 */
}
static inline bool events_has_listeners(uint64_t on)
{
    return on & 1;
}
/* After the change: has somebody begun to listen since `before`, who has to be told, too? */
static inline bool events_has_new_listeners(const struct objstore *s, uint64_t before)
{
    uint64_t now = events_on(s);

    return now != before && events_has_listeners(now);
}

/* The slot's word is, or was before the change, `word`. */
void events_tell(struct objstore *s, enum hint_kind kind, uint32_t slot, uint64_t word,
                 struct key key);
/* A sweep: nobody tells the dead any more. */
void events_forget_dead(struct objstore *s);

/* ---- for a reader ---------------------------------------------------------------------------- */

#define EVENTS_PENDING 64u

struct hint {
    enum hint_kind kind;
    uint32_t slot, lease, generation; /* the generation's low 16 bits */
    struct key key;
};

/* What one subscriber knows; private to it. */
struct events_reader {
    uint64_t at;   /* the next position */
    uint64_t lost; /* header.events_lost when we last listed */
    uint32_t pending_count;
    struct {
        uint64_t at, lease_word;
        bool has_hint; /* else its writer has not finished telling */
        struct hint hint;
    } pending[EVENTS_PENDING];
};

enum hint_step {
    HINTS_NONE, /* for now */
    HINTS_ONE,  /* *out is one: look at its id */
    HINTS_LOST, /* list again; the reader goes on from now */
};

/* From now on (and until events_close) writers tell. */
void events_open(struct objstore *s, struct events_reader *reader);
void events_close(struct objstore *s);
enum hint_step events_read(struct objstore *s, struct events_reader *reader, struct hint *out);
/* Is there anything to read? May be wrong in saying yes. */
bool events_any(const struct objstore *s, const struct events_reader *reader);

#endif
