/* SPDX-License-Identifier: MIT */
/*
 * store.h -- one process's attachment: its mappings, its lease, its private hints.
 *
 * The file is mapped twice: `rw` may be written, and creators fill their objects through it; `view`
 * is the same file PROT_READ, and every view points into it. A read-only handle has the second only,
 * and `header` and its like point there.
 */
#ifndef OBJSTORE_STORE_H
#define OBJSTORE_STORE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "copy.h"
#include "layout.h"
#include "objstore.h"
#include "point.h"

/* Whoever reads a number from shared memory uses it as an index only after such a check. */
#define NONE UINT32_MAX

/* ---- private hints: lost without harm ------------------------------------------------------ */

#define CACHES 8u
#define CACHE_SLOTS 256u
#define CACHE_CELLS 64u
#define CACHE_RUNS 32u

struct run {
    uint32_t first, pages;
};

/*
 * Where this process lately freed something, newest last, so that warm memory is used again
 * first. `busy` is a lock between threads of this process only: taken by trying, never waited
 * for while another cache is idle, and no other process can see it.
 */
struct cache {
    _Alignas(CACHE_LINE) struct au32 busy;
    uint32_t slots_count;
    uint32_t run_count;
    uint32_t run_cursor;    /* pages: where the last search ended */
    uint32_t run_back;      /* the first of the runs that were forgotten since it went back */
    uint64_t run_forgotten; /* how many pages they have */
    uint32_t block_cursor;  /* blocks: likewise */
    uint32_t group_cursor;  /* slot hint words: likewise */
    uint64_t last_created;  /* slot.created of what was made last */
    uint32_t cells_count[CELL_CLASSES];
    uint32_t slots[CACHE_SLOTS];
    struct run runs[CACHE_RUNS];
    uint64_t cells[CELL_CLASSES][CACHE_CELLS]; /* block * BLOCK_CELLS + cell */
};

/* What reap_left() found held when it last looked at all slots; advice. */
#define LEFT_MAX 128u
struct left {
    struct au32 busy; /* a thread has it */
    uint32_t count;   /* 0: nothing is known */
    uint64_t seen;    /* header.doomed_left then */
    struct {
        uint64_t word;
        uint32_t slot;
    } held[LEFT_MAX];
};

/* A near set of our lease: pin.c. */
struct near {
    _Alignas(CACHE_LINE) struct au64 thread; /* whose it is; 0: nobody's yet */
    struct au32 pins;                        /* in it, but for quick ones */
};

/* ---- the handle ------------------------------------------------------------------------------ */

/* What this process may do with a handle; a child of the one who opened it, nothing. */
enum may { MAY_NOTHING = 0, MAY_READ = 1, MAY_WRITE = 2 };

struct objstore {
    struct { /* a page of its own, which the kernel empties in every child: fork.c */
        uint32_t may;
        unsigned char rest[PAGE_BYTES - sizeof(uint32_t)];
    } guard;

    /* What every get and release reads. */
    struct { /* of the index, when last looked at; both only grow: see index.h */
        struct au32 slots, buckets_mask;
    } known;
    struct au64 *buckets;
    struct slot *slots;
    uint64_t pin_bit;    /* ours in slot.pinners */
    uint64_t pin_hot;    /* bits of slot.pinners with which a pin is quick (N4); all: none ever is */
    struct spill *spill; /* NULL: a store that makes no room by itself */
    ptrdiff_t view_from_rw; /* from a byte that may be written to the one that may be read */
    struct au64 *pin_tables[PIN_LEVELS]; /* ours; written by au64_* through pin_levels only */
    struct near pin_near[PIN_NEAR];

    unsigned char *rw; /* NULL: a read-only handle */
    const unsigned char *view;
    struct geometry geo;
    int fd;      /* the store; what objstore_fd() gives */
    int lock_fd; /* an open file description of our own, which holds our locks; -1: none */
    uint32_t lease;
    uint32_t lease_generation;
    struct objstore *next, **link; /* all handles of the process: see fork.c */
    struct lost *lost;    /* by the recovery that opening this handle took; NULL: nothing */
    struct au64 unsealed; /* slots that we may have left in WRITING: created, or pin tables */

    struct header *header;
    struct lease *leases;
    struct au64 *slot_hints, *class_hints, *meta_bits, *block_words;
    struct au32 *page_owners, *cell_owners;
    struct au64 pin_sets;    /* what our lease's `sets` says */
    struct au32 pin_levels;  /* levels that we have */
    struct au32 pin_growing; /* a thread of ours is adding one */
    struct au32 replacing;   /* a thread of ours uses our lease's `heir` */
    struct copies copies;    /* where puts went last */
    struct left left;
    struct cache caches[CACHES];
};

static inline int handle_check(const struct objstore *s)
{
    return s && s->guard.may != MAY_NOTHING ? 0 : s ? -ECHILD : -EINVAL;
}

static inline struct slot *slot_at(const struct objstore *s, uint32_t index)
{
    return &s->slots[index];
}

/* Slots that may be touched: reserved, and inside the file whatever the header says. */
static inline uint32_t slots_in_use(const struct objstore *s)
{
    uint64_t fresh = au64_load_acquire(&s->header->slots_fresh); /* S1: pairs with slot_take */
    uint64_t ready = au64_load_acquire(&s->header->slots_ready);

    fresh = fresh < ready ? fresh : ready;
    return (uint32_t)(fresh < s->geo.slots ? fresh : s->geo.slots);
}

static inline struct meta *meta_at(const struct objstore *s, uint32_t index)
{
    unsigned char *base = s->rw ? s->rw : (unsigned char *)(uintptr_t)s->view;

    return (struct meta *)(void *)(base + s->geo.metas_at) + index;
}

/* ---- slot words ---------------------------------------------------------------------------- */

enum slot_state {
    SLOT_FREE = 0,
    SLOT_WRITING = 1, /* owned: the lease in the word alone writes the slot and its bytes */
    SLOT_SEALED = 2,
    SLOT_DOOMED = 3,  /* deleted; bytes stay while someone has a pin */
    SLOT_RECLAIM = 4, /* owned: the lease in the word alone frees */
    /* When bytes run out: see replace.c */
    SLOT_SPILLED = 5,  /* sealed, its bytes in a spill file */
    SLOT_STANDBY = 6,  /* owned: the lease in the word makes another form of an object */
    SLOT_REPLACED = 7, /* the lease in the word named the slot that has the object now */
    SLOT_FILE = 8,     /* no object: a spill file that has bytes of some */
};

#define WORD_STATE_SHIFT 16u
#define WORD_GENERATION_SHIFT 20u

static inline uint64_t word_make(uint64_t generation, enum slot_state state, uint32_t lease)
{
    return generation << WORD_GENERATION_SHIFT | (uint64_t)state << WORD_STATE_SHIFT | lease;
}
static inline uint64_t word_generation(uint64_t word)
{
    return word >> WORD_GENERATION_SHIFT;
}
static inline enum slot_state word_state(uint64_t word)
{
    return (enum slot_state)(word >> WORD_STATE_SHIFT & 15);
}
static inline uint32_t word_lease(uint64_t word)
{
    return (uint32_t)(word & 0xffff);
}
static inline uint64_t word_with(uint64_t word, enum slot_state state, uint32_t lease)
{
    return word_make(word_generation(word), state, lease);
}
static inline bool word_is_in(uint64_t word, enum slot_state state)
{
    return (word & 15ull << WORD_STATE_SHIFT) == (uint64_t)state << WORD_STATE_SHIFT;
}
/* Sealed, wherever the bytes are. */
static inline bool word_is_sealed(uint64_t word)
{
    return word_state(word) == SLOT_SEALED || word_state(word) == SLOT_SPILLED;
}
/* The same for who may not help a move on: to him an object that changes slots is in its old one. */
static inline bool word_is_readable(uint64_t word)
{
    return word_is_sealed(word) || word_state(word) == SLOT_REPLACED;
}
/* Present under its id: being written, or sealed. */
static inline bool word_is_present(uint64_t word)
{
    return word_state(word) == SLOT_WRITING || word_is_sealed(word);
}

/* ---- private caches ------------------------------------------------------------------------ */

struct cache *cache_take(struct objstore *s);
static inline void cache_give(struct cache *c)
{
    au32_store_release(&c->busy, 0); /* C1: pairs with cache_take */
}
void cache_init(struct objstore *s);
/* Hand every private hint to the others. */
void cache_flush(struct objstore *s);

#endif
