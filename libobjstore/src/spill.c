/* SPDX-License-Identifier: MIT */
/*
 * spill.c -- objects into files, and back.
 *
 * A file is laid out like this: objects that have pages of their own in memory lie on whole pages
 * of the file, and go there and back without a copy; small ones, and what LZ4 made smaller, are
 * packed behind them through a buffer, 64 bytes aligned. What is read back is checked against the
 * hash in the record before anybody sees it.
 *
 * Who moves what, and what a death leaves, is told in replace.c and spill_file.c.
 */
#define _GNU_SOURCE
#include "spill.h"
#include "alloc.h"
#include "evict.h"
#include "hash.h"
#include "lease.h"
#include "pin.h"
#include "reap.h"
#include "replace.h"
#include "slot.h"
#include "spill_owner.h"
#include "wait.h"

#include <lz4.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define FILE_BYTES (16u << 20) /* a file has no more objects once it has so much */
#define HOLD_FEW 64u           /* objects that can be held whatever the room for pins */
#define HOLD_MOST (3 * SPILL_BATCH)
#define LZ4_BLOCK (512u << 10)
#define LZ4_PROBE (64u << 10)

static uint64_t whole_pages(uint64_t bytes)
{
    return (bytes + PAGE_BYTES - 1) & ~(uint64_t)(PAGE_BYTES - 1);
}

/* ---- a handle's part ----------------------------------------------------------------------- */

int spill_attach(struct objstore *s)
{
    struct spill_page *page = (void *)((unsigned char *)s->header + s->geo.spill_at);

    if (page->fixed.mode == SPILL_OFF)
        return 0;
    if (page->fixed.check != spill_fixed_check(&page->fixed) || page->fixed.mode > SPILL_EVICT ||
        !memchr(page->fixed.dir, 0, sizeof page->fixed.dir))
        return -EBADMSG;
    s->spill = calloc(1, sizeof *s->spill);
    if (!s->spill)
        return -ENOMEM;
    s->spill->page = page;
    s->spill->mode = (enum spill_mode)page->fixed.mode;
    s->spill->flags = page->fixed.flags;
    s->spill->owner_fd = -1;
    return page->fixed.mode == SPILL_TO_FILES ? spill_owner_share(&page->fixed, &s->spill->owner_fd)
                                              : 0;
}

void spill_detach(struct objstore *s)
{
    bool is_ours = handle_check(s) == 0;

    if (!s->spill)
        return;
    /* A child has its parent's rings: what is under way in them, and its answers, are the parent's. */
    if (is_ours)
        spill_punch_dead(s);
    io_writer_end(&s->spill->writer);
    io_buffers_end(&s->spill->buffers);
    reader_end(&s->spill->reader);
    if (is_ours)
        io_drop_end(&s->spill->dropper);
    else
        io_drop_leave(&s->spill->dropper);
    if (au32_load_acquire(&s->spill->dir_fd))
        close((int)au32_load_acquire(&s->spill->dir_fd) - 1);
    if (s->spill->owner_fd >= 0)
        close(s->spill->owner_fd);
    free(s->spill);
    s->spill = NULL;
}

/* ---- spilling ------------------------------------------------------------------------------ */

struct item {
    struct victim v;
    struct pinned pin; /* ours */
    uint64_t size, held;
    const unsigned char *bytes;
    unsigned char *packed; /* NULL: as it is */
    struct spill_record record;
    uint32_t heir;
    bool has_pages;
};

/* What goes into one file. */
struct batch {
    struct io_job job; /* to write it */
    struct item items[SPILL_BATCH];
    uint32_t count;
    struct spill_file file;
    uint64_t file_bytes;
    unsigned char *buffer; /* for what is not written in place, from buffer_at on */
    uint64_t buffer_at, buffer_bytes;
    struct io_piece pieces[SPILL_BATCH + 1];
    uint32_t item_of[SPILL_BATCH + 1]; /* a piece's item */
};

/* Blocks of 512 KiB, each behind its length. 0: it does not become smaller. */
static uint64_t pack(const unsigned char *from, uint64_t size, unsigned char *to, uint64_t room)
{
    uint64_t done = 0, used = 0;

    while (done < size) {
        int want = size - done < LZ4_BLOCK ? (int)(size - done) : (int)LZ4_BLOCK;
        if (used + 4 >= room)
            return 0;
        uint64_t left = room - used - 4;
        int n = LZ4_compress_default((const char *)from + done, (char *)to + used + 4, want,
                                     left < INT32_MAX ? (int)left : INT32_MAX);
        if (n <= 0)
            return 0;
        uint32_t length = (uint32_t)n;
        memcpy(to + used, &length, 4);
        used += 4 + length;
        done += (uint64_t)want;
    }
    return used;
}

static bool unpack(const unsigned char *from, uint64_t stored, unsigned char *to, uint64_t size)
{
    uint64_t done = 0, used = 0;

    while (done < size) {
        int want = size - done < LZ4_BLOCK ? (int)(size - done) : (int)LZ4_BLOCK;
        uint32_t length;

        if (stored - used < 4)
            return false;
        memcpy(&length, from + used, 4);
        if (length > stored - used - 4 || length > (uint32_t)LZ4_compressBound((int)LZ4_BLOCK) ||
            LZ4_decompress_safe((const char *)from + used + 4, (char *)to + done, (int)length,
                                want) != want)
            return false;
        used += 4 + length;
        done += (uint64_t)want;
    }
    return used == stored;
}

/* Would a tenth be saved? A sample of the beginning tells, as a rule. */
static void try_to_pack(struct item *item)
{
    char sample[LZ4_PROBE / 10 * 9];
    int probe = item->size < LZ4_PROBE ? (int)item->size : (int)LZ4_PROBE;
    uint64_t room = item->size / 10 * 9;

    if (item->size < 512 ||
        LZ4_compress_default((const char *)item->bytes, sample, probe, probe / 10 * 9) <= 0)
        return;
    item->packed = malloc(room);
    item->record.stored = item->packed ? pack(item->bytes, item->size, item->packed, room) : 0;
    item->record.is_packed = item->record.stored > 0;
    if (!item->record.is_packed) {
        free(item->packed);
        item->packed = NULL;
    }
}

/* Pin one and look where its bytes are. False: it is not to be had. */
static bool hold(struct objstore *s, const struct victim *v, struct item *item)
{
    struct extent e;
    uint64_t at;

    *item = (struct item){ .v = *v };
    if (pin(s, v->slot, v->word, &item->pin))
        return false;
    e = extent_unpack(au64_load_relaxed(&slot_at(s, v->slot)->extent)); /* relaxed: E1 */
    item->size = au64_load_relaxed(&slot_at(s, v->slot)->size);         /* relaxed: E1 */
    if (!e.held || !extent_place(s, &e, &at, &item->held) || item->size > item->held) {
        unpin(s, item->pin.ref, item->pin.key);
        return false;
    }
    item->bytes = s->view + at;
    item->has_pages = e.kind == EXTENT_PAGES;
    return true;
}

static void let_go(struct objstore *s, const struct item *item)
{
    struct slot *slot = slot_at(s, item->v.slot);

    unpin(s, item->pin.ref, item->pin.key);        /* N2, N3 */
    uint64_t now = au64_load_seq_cst(&slot->word); /* E2 */
    if (now == item->v.word)
        au64_and_acq_rel(&slot->created, ~CREATED_CLAIMED);
    reclaim_if_unpinned(s, item->v.slot, now, RECLAIM_FRESH);
}

static bool goes_through_buffer(const struct item *item)
{
    return !item->has_pages || item->packed;
}

/* Pack, and give everything its place in the file. */
static void lay_out(struct objstore *s, struct batch *b)
{
    uint64_t at = 0;

    for (uint32_t i = 0; i < b->count; i++) {
        struct item *item = &b->items[i];

        item->record.stored = item->size;
        if (s->spill->flags & SPILL_COMPRESS)
            try_to_pack(item);
        if (goes_through_buffer(item))
            continue;
        item->record.at = at;
        at += whole_pages(item->size);
    }
    b->buffer_at = at;
    for (uint32_t i = 0; i < b->count; i++) {
        struct item *item = &b->items[i];

        if (!goes_through_buffer(item))
            continue;
        item->record.at = at;
        at = (at + item->record.stored + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
    }
    b->file_bytes = whole_pages(at);
    b->buffer_bytes = b->file_bytes - b->buffer_at;
}

static int fill_buffer(struct objstore *s, struct batch *b)
{
    uint64_t end = b->buffer_at;

    if (b->buffer_bytes == 0)
        return 0;
    b->buffer = io_buffer_take(&s->spill->buffers, b->buffer_bytes);
    if (!b->buffer)
        return -ENOMEM;
    for (uint32_t i = 0; i < b->count; i++) {
        struct item *item = &b->items[i];

        if (!goes_through_buffer(item))
            continue;
        /* between objects is what the buffer held before, perhaps of an object that is deleted */
        memset(b->buffer + (end - b->buffer_at), 0, item->record.at - end);
        item->record.hash = hash64(item->bytes, item->size);
        memcpy(b->buffer + (item->record.at - b->buffer_at),
               item->packed ? item->packed : item->bytes, item->record.stored);
        end = item->record.at + item->record.stored;
    }
    memset(b->buffer + (end - b->buffer_at), 0, b->file_bytes - end);
    return 0;
}

/*
 * While the disk has some files, the objects of those before go over to their heirs, and those of the
 * next are packed: the disk waits for nobody.
 */
struct mover {
    struct objstore *s;
    spill_source *source;
    void *source_ctx;
    uint32_t held;                  /* objects of files that are under way */
    bool can_hold_many, wants_many; /* pins */
    bool is_through;                /* the source has no more */
    uint64_t freed;
    int err; /* the first */
    /* The hash of what is written in place is taken on the way, while others are written. */
    struct hash_state state;
    uint64_t left; /* to hash, of an object; behind it is the rest of its last page */
};

static void hash_written(void *ctx, struct io_job *job, size_t piece, const unsigned char *data,
                         uint64_t bytes)
{
    struct mover *m = ctx;
    struct batch *b = (struct batch *)job; /* its first member */
    uint32_t which = b->item_of[piece];

    if (which == NONE)
        return;
    struct item *item = &b->items[which];
    bool is_begin = data == item->bytes;
    if (is_begin && bytes >= item->size) { /* all at once, which is quicker */
        item->record.hash = hash64(data, item->size);
        m->left = 0;
        return;
    }
    if (is_begin) {
        hash64_begin(&m->state);
        m->left = item->size;
    }
    if (!m->left)
        return;
    uint64_t n = bytes < m->left ? bytes : m->left;
    hash64_add(&m->state, data, n);
    m->left -= n;
    if (!m->left)
        item->record.hash = hash64_end(&m->state);
}

/* An heir for each, with its record. Those that get none stay in memory. */
static uint32_t make_heirs(struct objstore *s, struct batch *b)
{
    struct cache *c = cache_take(s);
    uint32_t bits = 0;

    for (uint32_t i = 0; i < b->count; i++) {
        struct item *item = &b->items[i];

        if (replace_begin(s, c, item->v.slot, &item->heir)) {
            item->heir = NONE;
            continue;
        }
        spill_file_place(&b->file, bits++, &item->record);
        spill_record_write(s, item->heir, &item->record);
    }
    cache_give(c);
    return bits;
}

static void take_over(struct objstore *s, struct batch *b, uint64_t *freed)
{
    struct spill_page *page = s->spill->page;

    for (uint32_t i = 0; i < b->count; i++) {
        struct item *item = &b->items[i];

        if (item->heir == NONE)
            continue;
        if (replace_finish(s, item->v.slot, item->v.word, item->heir)) {
            replace_abandon(s, item->heir);
            continue;
        }
        *freed += item->held;
        au64_add_relaxed(&page->spilled, 1); /* relaxed: statistics */
        au64_add_relaxed(&page->spilled_bytes, item->size);
    }
}

static void batch_free(struct objstore *s, struct batch *b)
{
    for (uint32_t i = 0; i < b->count; i++) {
        free(b->items[i].packed);
        let_go(s, &b->items[i]);
    }
    if (b->buffer)
        io_buffer_give(&s->spill->buffers, b->buffer, b->buffer_bytes);
    free(b);
}

/* It is not written: all stays as it was. */
static void batch_abandon(struct objstore *s, struct batch *b)
{
    close(b->job.fd);
    spill_file_keep(s, &b->file, 0);
    batch_free(s, b);
}

/* It is written: its objects are in the file from now on. */
static void batch_finish(struct objstore *s, struct batch *b, uint64_t *freed)
{
    close(b->job.fd);
    uint32_t bits = make_heirs(s, b);
    spill_file_keep(s, &b->file, bits);
    take_over(s, b, freed);
    batch_free(s, b);
}

/*
 * Hold the next objects that are to be had, until they fill a file; the first says how large they are,
 * as a rule. Large ones have a file for a few: it is gone as a whole when they are back, while one of
 * many would get holes, which wait for all who read it.
 */
static void hold_some(struct mover *m, struct batch *b)
{
    const uint32_t most = m->can_hold_many ? SPILL_BATCH : HOLD_FEW;
    struct victim victims[SPILL_PART];
    uint64_t bytes = 0, want = 1;

    while (b->count < most && bytes < FILE_BYTES) {
        uint32_t room = most - b->count < SPILL_PART ? most - b->count : SPILL_PART;
        uint32_t count = m->source(m->source_ctx, victims, want < room ? (uint32_t)want : room);

        m->is_through = count == 0;
        if (count == 0)
            break;
        for (uint32_t i = 0; i < count; i++)
            if (hold(m->s, &victims[i], &b->items[b->count]))
                bytes += b->items[b->count++].size;
        want = b->count ? (FILE_BYTES - bytes) / (bytes / b->count + 1) + 1 : 1;
    }
    m->wants_many |= b->count >= HOLD_FEW;
}

/* The next objects that are to be had, packed, and their file made. NULL: no more, or an error. */
static struct batch *batch_prepare(struct mover *m)
{
    struct batch *b = malloc(sizeof *b); /* large: what is used is filled in */

    if (b) {
        b->count = 0;
        b->buffer = NULL;
        hold_some(m, b);
    } else {
        m->err = -ENOMEM;
    }
    if (!b || !b->count) {
        free(b);
        return NULL;
    }
    POINT("spill: all held");
    lay_out(m->s, b);
    m->err = fill_buffer(m->s, b);
    if (!m->err)
        m->err = spill_file_make(m->s, b->file_bytes, b->count, &b->file, &b->job.fd);
    if (!m->err)
        return b;
    batch_free(m->s, b);
    return NULL;
}

/* What of it lies where. */
static void list_pieces(struct batch *b)
{
    size_t count = 0;

    for (uint32_t i = 0; i < b->count; i++) {
        const struct item *item = &b->items[i];

        if (goes_through_buffer(item))
            continue;
        b->item_of[count] = i;
        b->pieces[count++] =
            (struct io_piece){ item->bytes, whole_pages(item->size), item->record.at };
    }
    b->item_of[count] = NONE;
    if (b->buffer_bytes)
        b->pieces[count++] = (struct io_piece){ b->buffer, b->buffer_bytes, b->buffer_at };
    b->job.pieces = b->pieces;
    b->job.count = count;
    b->job.bytes = b->file_bytes;
}

static struct io_job *next_file(void *ctx)
{
    struct mover *m = ctx;

    if (m->err || m->is_through ||
        (m->held && (!m->can_hold_many || m->held > HOLD_MOST - SPILL_BATCH)))
        return NULL;
    m->can_hold_many = m->can_hold_many || pins_can_be_many(m->s, m->wants_many);
    struct batch *b = batch_prepare(m);
    if (!b)
        return NULL;
    m->held += b->count;
    list_pieces(b);
    return &b->job;
}

static void file_done(void *ctx, struct io_job *job)
{
    struct mover *m = ctx;
    struct batch *b = (struct batch *)job; /* its first member */

    POINT("spill: written, no heirs");
    m->held -= b->count;
    if (!job->err) {
        batch_finish(m->s, b, &m->freed);
        return;
    }
    if (!m->err)
        m->err = job->err;
    batch_abandon(m->s, b);
}

int spill_move(struct objstore *s, spill_source *source, void *ctx, uint64_t *freed)
{
    struct mover m = { .s = s, .source = source, .source_ctx = ctx };
    const struct io_source files = { next_file, hash_written, file_done, &m };

    io_write(&s->spill->writer, &s->spill->io_kind, &files);
    *freed = m.freed;
    return m.err;
}

/* ---- bringing back ------------------------------------------------------------------------- */

#define IN_CACHE ((uint64_t)64 << 10)

/* Where an object's bytes go as they come. */
struct arrival {
    unsigned char *to;
    uint64_t left, hash;
    bool has_begun;
    struct hash_state state;
};

static void arrive(void *ctx, const unsigned char *data, uint64_t bytes)
{
    struct arrival *a = ctx;

    if (!a->has_begun && bytes == a->left &&
        bytes <= IN_CACHE) { /* all at once, which is quicker */
        a->hash = hash64(data, bytes);
        memcpy(a->to, data, bytes);
        a->left = 0;
        return;
    }
    if (!a->has_begun)
        hash64_begin(&a->state);
    a->has_begun = true;
    a->left -= bytes;
    while (bytes) {
        uint64_t n = bytes < IN_CACHE ? bytes : IN_CACHE;

        hash64_add(&a->state, data, n);
        memcpy(a->to, data, n);
        a->to += n;
        data += n;
        bytes -= n;
    }
    if (!a->left)
        a->hash = hash64_end(&a->state);
}

static void arrive_packed(void *ctx, const unsigned char *data, uint64_t bytes)
{
    unsigned char **to = ctx;

    memcpy(*to, data, bytes);
    *to += bytes;
}

static int read_packed(const struct objstore *s, const struct spill_record *r, bool afresh,
                       unsigned char *to, uint64_t size)
{
    unsigned char *packed = malloc(r->stored), *end = packed;
    int err = packed ? spill_read(s, r, afresh, arrive_packed, &end) : -ENOMEM;

    if (!err && (!unpack(packed, r->stored, to, size) || hash64(to, size) != r->hash))
        err = -EBADMSG;
    free(packed);
    return err;
}

static int read_unpacked(const struct objstore *s, const struct spill_record *r, bool afresh,
                         unsigned char *to)
{
    struct arrival a;

    a.to = to;
    a.left = r->stored;
    a.hash = hash64(to, 0); /* nothing comes of an object of no bytes */
    a.has_begun = false;
    int err = spill_read(s, r, afresh, arrive, &a);
    return !err && (a.left || a.hash != r->hash) ? -EBADMSG : err;
}

/*
 * All of an object of `size` bytes to `to`, checked. What was read ahead may have been read before it
 * was written, so it is the file itself that says if it is damaged.
 */
static int read_back(const struct objstore *s, const struct spill_record *r, unsigned char *to,
                     uint64_t size)
{
    int err = 0;

    for (int afresh = 0; afresh < 2; afresh++) {
        err = r->is_packed ? read_packed(s, r, afresh, to, size) : read_unpacked(s, r, afresh, to);
        if (err != -EBADMSG && err != -ENODATA)
            return err;
        reader_doubt(&s->spill->reader);
    }
    return -EBADMSG;
}

static bool record_of(const struct objstore *s, uint32_t slot, struct spill_record *r,
                      uint64_t *size)
{
    *size = au64_load_relaxed(&slot_at(s, slot)->size); /* relaxed: pinned, or looked at again */
    return spill_record_read(s, slot, r) && *size <= s->geo.capacity_bytes && r->stored <= *size &&
           (r->is_packed || r->stored == *size);
}

/* Memory for an heir of ours; makes room if there is none. */
static int take_memory(struct objstore *s, uint32_t heir, uint64_t size, int64_t *until)
{
    for (;;) {
        uint64_t deaths = reap_deaths(s);
        struct cache *c = cache_take(s);
        int err = extent_alloc(s, c, heir, size);

        cache_give(c);
        if (err != -ENOSPC)
            return err;
        int64_t freed = reap_for_room(s, deaths) ? 1 : evict_or_wait(s, size, until);
        if (freed <= 0)
            return freed ? (int)freed : -ENOSPC;
    }
}

/* Has somebody else memory for the same object, which he is bringing back? */
static bool is_coming_back(const struct objstore *s, uint32_t heir)
{
    uint32_t slots = slots_in_use(s);
    uint64_t id[2] = { au64_load_relaxed(&slot_at(s, heir)->id[0]), /* relaxed, both: ours */
                       au64_load_relaxed(&slot_at(s, heir)->id[1]) };

    for (uint32_t i = 0; i < slots; i++) {
        const struct slot *slot = slot_at(s, i);
        uint64_t word = au64_load_acquire(&slot->word); /* M1: the id */
        uint64_t extent = au64_load_acquire(&slot->extent);

        if (i != heir && word_state(word) == SLOT_STANDBY && extent &&
            !extent_is_spilled(extent) && au64_load_relaxed(&slot->id[0]) == id[0] &&
            au64_load_relaxed(&slot->id[1]) == id[1]) /* relaxed, both: as the word is the same */
            return au64_load_acquire(&slot->word) == word;
    }
    return false;
}

/*
 * Two want the same object back, and there is room for one: who comes second waits for the first,
 * who needs the memory as well. That may take as long as a disk does; if he died in between, his
 * memory is free, and if he stopped, it is taken: -ENOSPC. -EAGAIN: it is back, or gone.
 */
static int take_memory_or_wait(struct objstore *s, uint32_t old, uint64_t word, uint32_t heir,
                               uint64_t size)
{
    int64_t until = wait_patience(size);
    struct key key = { { au64_load_relaxed(&slot_at(s, heir)->id[0]), /* relaxed, both: ours */
                         au64_load_relaxed(&slot_at(s, heir)->id[1]) } };
    struct au32 *on = NULL;

    for (;;) {
        uint32_t announced = on ? wait_announce(on) : 0; /* V1 */
        int err = take_memory(s, heir, size, &until);

        if (err != -ENOSPC)
            return err;
        bool may_come = is_coming_back(s, heir);
        if (au64_load_seq_cst(&slot_at(s, old)->word) != word) /* M4 */
            return -EAGAIN;
        if (!may_come || monotonic_ns() >= until)
            return -ENOSPC;
        POINT("spill: no room, another brings it back");
        if (on)
            (void)wait_sleep(on, announced, wait_slice(until));
        on = wait_word(s, key);
    }
}

/* An heir with the bytes in memory, pinned: *view is of it, but for the pin's word. */
static int fetch(struct objstore *s, uint32_t slot, uint64_t old, struct objstore_view *view,
                 uint32_t *heir)
{
    struct spill_record r;
    uint64_t size, at = 0, room;
    struct pinned held;
    struct cache *c;
    int err;

    if (!record_of(s, slot, &r, &size))
        return -EBADMSG;
    c = cache_take(s);
    err = replace_begin(s, c, slot, heir);
    cache_give(c);
    if (err)
        return err;
    err = take_memory_or_wait(s, slot, old, *heir, size);
    struct extent e = extent_unpack(au64_load_relaxed(&slot_at(s, *heir)->extent)); /* ours */
    if (!err && !extent_place(s, &e, &at, &room))
        err = -EBADMSG;
    if (!err)
        err = size <= room ? read_back(s, &r, s->rw + at, size) : -EBADMSG;
    POINT("spill: read back, not in its place");
    uint64_t word = au64_load_relaxed(&slot_at(s, *heir)->word); /* relaxed: ours */
    if (!err)
        err = pin(s, *heir, word, &held);
    if (err) {
        replace_abandon(s, *heir);
        return err;
    }
    view->data = s->view + at;
    view->size = size;
    view->pin[0] = held.ref;
    view->pin[1] = held.key;
    return 0;
}

int spill_restore(struct objstore *s, uint32_t slot, uint64_t word, struct objstore_view *view)
{
    struct objstore_view got = { 0 };
    uint32_t heir;
    struct pinned held;

    if (!s->spill)
        return -EBADMSG;
    int err = pin(s, slot, word, &held);
    if (err)
        return err;
    err = fetch(s, slot, word, &got, &heir);
    if (!err) {
        err = replace_finish(s, slot, word, heir);
        if (err) {
            unpin(s, got.pin[0], got.pin[1]);
            replace_abandon(s, heir);
        } else {
            au64_add_relaxed(&s->spill->page->restored, 1); /* relaxed, all: pinned; statistics */
            au64_add_relaxed(&s->spill->page->restored_bytes, got.size);
            *view = got;
            wait_wake(s, (struct key){ { au64_load_relaxed(&slot_at(s, heir)->id[0]),
                                         au64_load_relaxed(&slot_at(s, heir)->id[1]) } });
        }
    }
    unpin(s, held.ref, held.key);                              /* N2, N3 */
    uint64_t now = au64_load_seq_cst(&slot_at(s, slot)->word); /* E2 */
    reclaim_if_unpinned(s, slot, now, RECLAIM_FRESH);
    return err && now != word ? -EAGAIN : err; /* whatever it was, it may be elsewhere now */
}

int spill_copy_out(const struct objstore *s, uint32_t slot, uint64_t word, void *buf, size_t cap,
                   size_t *size)
{
    struct spill_record r;
    uint64_t full;
    bool is_sound = s->spill && record_of(s, slot, &r, &full);
    int err = is_sound ? 0 : -EBADMSG;
    void *all = MAP_FAILED;

    if (is_sound && cap) {
        all = mmap(NULL, whole_pages(full), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                   0);
        err = all == MAP_FAILED ? -ENOMEM : read_back(s, &r, all, full);
        if (!err)
            memcpy(buf, all, full < cap ? full : cap);
    }
    if (all != MAP_FAILED)
        munmap(all, whole_pages(full));
    POINT("spill: copied out, not looked at again");
    if (au64_load_acquire(&slot_at(s, slot)->word) != word) /* M4: it may have been moved */
        return -EAGAIN;
    if (!err)
        *size = full;
    return err;
}
