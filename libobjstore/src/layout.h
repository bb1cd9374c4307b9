/* SPDX-License-Identifier: MIT */
/*
 * layout.h -- every byte that processes share: one file, mapped by all.
 *
 *   header | spill page | leases | wait words | events | passes | hints | meta bits | buckets |
 * page owners | block words | cell owners | pin tables | slots | metadata | data
 *
 * Everything up to the cell owners, a first part of the slots and all of the data is reserved
 * (fallocate) when the store is made. Pin tables, further slots and metadata are holes until
 * they are first needed, and are reserved before they are first touched: full is an error code,
 * never SIGBUS. Nothing is a pointer; places are offsets from the start of the file or indexes.
 *
 * Control words are type-stable: the bytes of a slot, a bucket or an owner word never become an
 * object's data, so a late compare-and-swap of a slow process can hit a recycled word, which its
 * tag or generation tells, but never somebody's bytes. This is why block headers are not kept in
 * the blocks and why slots are not carved from the data.
 *
 * A zero-filled file with a valid header is an empty store. All sizes follow from the capacity
 * (geometry_of), so the header is the only thing that has to be believed, and it is checked.
 */
#ifndef OBJSTORE_LAYOUT_H
#define OBJSTORE_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

#include "atomics.h"

#define LAYOUT_MAGIC 0x65726f74736a626fu /* "objstore", little-endian */
#define LAYOUT_VERSION 6u

#define PAGE_BYTES 4096u
#define BLOCK_PAGES 4u /* small enough that a block per class costs a small store little */
#define BLOCK_BYTES (PAGE_BYTES * BLOCK_PAGES)
#define BLOCK_CELLS 128u /* owner words per block: BLOCK_BYTES / the smallest cell */
#define CELL_CLASSES 18u /* of 128 .. 3584 bytes: see blocks.c */
#define INLINE_MAX 64u   /* objects up to here live in their slot */
#define LEASES_MAX 4096u
#define WAIT_WORDS 1024u
#define EVENTS 8192u /* hints in the ring: events.c */
#define EVENT_BYTES 32u
#define PASSES 1024u /* views on their way between processes: pass.c */
#define PASS_BYTES 16u
#define SLOT_GROUP 64u        /* slots per bit of the free-slot hints */
#define SLOT_PIECE 8192u      /* slots that are reserved at a time */
#define META_PIECE 4096u      /* metadata entries that are reserved at a time */
#define HUGE_BYTES (2u << 20) /* the data is aligned for huge pages */
#define CAPACITY_MIN 4096u
#define CAPACITY_MAX (1ull << 40)
#define SLOTS_LIMIT 0xffffff00ull

/* ---- header -------------------------------------------------------------------------------- */

/* Written once, before the file has a name. */
struct header_fixed {
    uint64_t magic;
    uint32_t layout_version;
    uint32_t fingerprint; /* of sizes and constants: another build's layout differs */
    uint64_t capacity_bytes;
    uint64_t file_bytes;
    uint64_t created_ns;
    uint32_t flags; /* HEADER_* */
    uint32_t reserved;
    uint64_t check; /* hash of all of the above */
};
#define HEADER_EPHEMERAL 1u
#define HEADER_HUGE_PAGES 2u

struct header {
    struct header_fixed fixed;
    _Alignas(CACHE_LINE) struct au32 retired;     /* 1: an ephemeral store whose users are gone */
    _Alignas(CACHE_LINE) struct au64 slots_ready; /* slots below are reserved; grows only */
    _Alignas(CACHE_LINE) struct au64 slots_fresh; /* slots from here on were never used */
    struct au64 slots_summary;                    /* one bit for each 64th of the free-slot hints */
    _Alignas(CACHE_LINE) struct au32 any_wait;    /* wait word of those who wait for several ids */
    _Alignas(CACHE_LINE) struct au64 leases_used; /* leases from here on were never used */
    struct au64 deaths;
    _Alignas(CACHE_LINE) struct au64 events_on; /* read by every seal and delete */
    _Alignas(CACHE_LINE) struct au64 events_head;
    _Alignas(CACHE_LINE) struct au64 events_lost;
    _Alignas(CACHE_LINE) struct au64 boot; /* of the machine, when it was made: durable.c */
    struct au64 successor;                 /* header_fixed.check of the file that replaces it */
    struct au64 sync_generation;
    _Alignas(CACHE_LINE) struct au64 passes_used; /* passes from here on were never used */
    struct au64 pass_moves;
    _Alignas(CACHE_LINE) struct au64 doomed_left; /* times that a pin kept a DOOMED slot: reap.c */
    struct au64 doomed_looked;                    /* what that was before the last look at all */
};

/* ---- leases and pins ----------------------------------------------------------------------- */

#define PIN_LEVELS 6u /* tables of 64, 512, 4096 ... sets */
#define PIN_WAYS 8u   /* entries per set: one cache line */
#define PIN_ALONE 6u  /* of them in level 0, the first: for one view each; the others count */
#define PIN_SETS0 64u /* sets of level 0, which has its place in the file */
#define PIN_NEAR 32u  /* of them, the first, go by thread: one entry each */
#define PIN_TABLE_BYTES (PIN_SETS0 * PIN_WAYS * 8u)

struct lease {
    struct au64 word; /* generation:32 | state:32; see lease.c */
    struct au64 pid;
    struct au64 start_time;
    struct au64 subscribed;         /* its subscriptions: events.c */
    struct au64 sets;               /* bit i: set i of level 0 is in use */
    struct au64 tables[PIN_LEVELS]; /* file offset of each level's table, 0: none */
    struct au64 heir;               /* new slot + 1:32 | old slot:32; see replace.c */
    uint64_t pad[4];
};

/* ---- slots --------------------------------------------------------------------------------- */

struct slot {
    struct au64 word; /* generation:44 | state:4 | lease:16; see slot.c */
    struct au64 next; /* the hash chain; see index.c */
    struct au64 id[2];
    struct au64 size;
    struct au64 extent;  /* where the bytes are; see extent.h */
    struct au64 created; /* CLOCK_REALTIME_COARSE, ns; the lowest bits: CREATED_* */
    struct au64 pinners; /* bit i: a lease with number i modulo 63 may hold a pin; PINNERS_HOT */
    unsigned char bytes[INLINE_MAX];
};

#define PINNERS_LEASES 63u
#define PINNERS_HOT (1ull << PINNERS_LEASES) /* its pins may be plain stores: pin.c, N4 */

#define CREATED_META 1ull    /* it has metadata */
#define CREATED_USED 2ull    /* somebody got it since the hand came by: evict.c */
#define CREATED_CLAIMED 4ull /* somebody is spilling it; a hint */
#define CREATED_FLAGS 7ull

/* ---- when bytes run out -------------------------------------------------------------------- */

#define SPILL_DIR_MAX 3584u /* with the end */

/* Written once, before the file has a name; all zero in a store that makes no room by itself. */
struct spill_fixed {
    uint64_t check;          /* hash of all below */
    uint64_t name[2];        /* random: of the files in the directory, ours begin with it */
    uint32_t mode;           /* enum spill_mode */
    uint32_t flags;          /* SPILL_* */
    char dir[SPILL_DIR_MAX]; /* an absolute path; ends with a zero byte */
};
enum spill_mode { SPILL_OFF = 0, SPILL_TO_FILES = 1, SPILL_EVICT = 2 };
#define SPILL_COMPRESS 1u

struct spill_page {
    struct spill_fixed fixed;
    _Alignas(CACHE_LINE) struct au64 hand; /* evict.c: the age of the last one that was looked at */
    struct au64 hand_slot;
    struct au64 files; /* numbers given to spill files */
    struct au64 moves; /* slots that were replaced */
    /* statistics */
    struct au64 spilled, spilled_bytes, restored, restored_bytes, evicted, evicted_bytes;
};

#define META_WORDS 12u
struct meta {
    struct au64 words[META_WORDS]; /* a struct objstore_meta */
};

/* ---- where everything is ------------------------------------------------------------------- */

struct geometry {
    uint64_t capacity_bytes; /* of data: whole pages */
    uint64_t pages, blocks, slots, buckets;
    uint64_t slots_first; /* reserved from the beginning */
    uint64_t slot_hint_words, class_hint_words, meta_bit_words;
    /* file offsets */
    uint64_t spill_at, leases_at, waits_at, events_at, passes_at, slot_hints_at, class_hints_at,
        class_summaries_at, meta_bits_at, buckets_at, page_owners_at, block_words_at,
        cell_owners_at;
    uint64_t control_bytes; /* the end of what is reserved first */
    uint64_t pins_at, slots_at, metas_at, data_at;
    uint64_t file_bytes;
};

/* False if no store can have this capacity. */
bool geometry_of(uint64_t capacity_bytes, struct geometry *out);
uint32_t layout_fingerprint(void);
uint64_t header_check(const struct header_fixed *fixed);

_Static_assert(sizeof(struct header_fixed) == 56, "the header's fixed part is 56 bytes");
_Static_assert(sizeof(struct header) <= PAGE_BYTES, "the header fits its page");
_Static_assert(offsetof(struct header, retired) == 64, "layout");
_Static_assert(offsetof(struct header, slots_ready) == 128, "layout");
_Static_assert(offsetof(struct header, slots_fresh) == 192, "layout");
_Static_assert(offsetof(struct header, any_wait) == 256, "layout");
_Static_assert(offsetof(struct header, leases_used) == 320, "layout");
_Static_assert(sizeof(struct spill_page) <= PAGE_BYTES, "the spill page is one");
_Static_assert(sizeof(struct lease) == 128, "two lines");
_Static_assert(sizeof(struct slot) == 128, "two lines: descriptor and inline bytes");
_Static_assert(offsetof(struct slot, bytes) == 64, "inline bytes are aligned as objects are");
_Static_assert(sizeof(struct meta) == 96, "layout");
_Static_assert(PIN_TABLE_BYTES == PAGE_BYTES, "a lease's first pin table is a page");
_Static_assert(LEASES_MAX < 65536, "a slot word has 16 bits for its lease");

#endif
