/* SPDX-License-Identifier: MIT */
/*
 * spill_file.c -- spill files, each of which holds the bytes of up to 768 objects.
 *
 * A file has up to four slots without id, its parts, and each spilled object a record in its slot's
 * inline bytes that names the part, its place in the file, and one bit of the mask in the part's
 * slot. A part lives as long as a bit is set, and the file as long as a part does: each knows the
 * slots of all. Names are <store's name>-<number>; numbers are never given twice.
 *
 *   F1  FREE -> WRITING(self)         spill_file_make()   number and parts noted, then the file made
 *   F2  WRITING(self) -> FILE         spill_file_keep()   all written, all bits set, all records
 *                                                         in slots of ours in STANDBY
 *   F3  bit -> clear                  spill_forget()      by the owner of the object's slot
 *   F4  FILE -> RECLAIM(self)         spill_file_drop_if_empty()  by anybody who sees no bit set
 *   F5  the name goes, then T7        spill_forget()      by the owner of the part's slot, unless
 *                                                         another part is in WRITING or FILE
 *
 * Invariants
 *   I1  A bit is set only before F2, by one owner. So a FILE without bits stays without.
 *   I2  A slot whose extent says SPILLED owns its bit, alone, until it clears it (F3).
 *   I3  A file has its name only while a part's extent says FILE: written, as number and parts,
 *       before the file is made, cleared after the name is gone or is another part's to remove.
 *   I4  A part looks at the others after it went into RECLAIM, which is for good; so of those that
 *       leave the last one finds no other, and the name goes. Two may: that does no harm. All
 *       of these steps are sequentially consistent.
 *
 * F3 may be done twice, by the successor of one who died; the part's slot may be another's by
 * then. So the successor looks whether the slot is still a FILE of that number, and its bit set:
 * then it is, and stays, until he himself clears it. F5 is harmless, as numbers do not recur.
 *
 * Crashes  Before F2 the sweep reclaims each part with its slot, and the records' slots clear bits
 *   in vain; the last part takes the file along. Between F3 and F4 the sweep finds a FILE without
 *   bits. A store that is gone as a whole leaves files: spill_owner.c.
 *
 * Why parts: files of 1 MiB, which 256 objects of a page make, cost the file system more than the disk.
 *
 * Room is reserved before anything is written: a full disk is an error at F1, and nothing has
 * changed. While some objects of a file are gone their pages are punched out of it. When all are,
 * the name goes at F5, and the room soon after: spill_drop.c.
 */
#define _GNU_SOURCE /* O_DIRECT, fallocate */
#include "alloc.h"
#include "futex.h"
#include "lease.h"
#include "reap.h"
#include "slot.h"
#include "spill.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define MASK_BITS 32u
#define DEAD_BYTES ((uint64_t)32 << 20)
#define MASK_WORDS (SPILL_PART / MASK_BITS)
_Static_assert(MASK_WORDS + SPILL_PARTS / 2 == INLINE_MAX / 8, "masks, and the slots of all parts");

static struct au64 *words_of(const struct objstore *s, uint32_t slot)
{
    return (struct au64 *)(void *)slot_at(s, slot)->bytes;
}

/* ---- names --------------------------------------------------------------------------------- */

int spill_file_prefix(const struct spill_fixed *fixed, char name[SPILL_NAME_BYTES])
{
    return snprintf(name, SPILL_NAME_BYTES, "objstore-%016llx%016llx-",
                    (unsigned long long)fixed->name[0], (unsigned long long)fixed->name[1]);
}

static void name_of(const struct objstore *s, uint64_t number, char name[SPILL_NAME_BYTES])
{
    int n = spill_file_prefix(&s->spill->page->fixed, name);

    snprintf(name + n, SPILL_NAME_BYTES - (size_t)n, "%llx", (unsigned long long)number);
}

uint64_t spill_fixed_check(const struct spill_fixed *fixed)
{
    return XXH3_64bits((const unsigned char *)fixed + sizeof fixed->check,
                       sizeof *fixed - sizeof fixed->check);
}

/* Opened when first needed; the first thread's stays. */
static int dir_of(const struct objstore *s)
{
    uint32_t seen = au32_load_acquire(&s->spill->dir_fd);

    if (seen)
        return (int)seen - 1;
    int fd = open(s->spill->page->fixed.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (au32_cas_acq_rel(&s->spill->dir_fd, &seen, (uint32_t)fd + 1))
        return fd;
    close(fd);
    return (int)seen - 1;
}

static int open_file(const struct objstore *s, uint64_t number, int flags)
{
    char name[SPILL_NAME_BYTES];
    struct stat st;
    int dir = dir_of(s);

    if (dir < 0)
        return dir;
    if (fstat(s->fd, &st))
        return -errno;
    name_of(s, number, name);
    flags |= O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK; /* opening a FIFO would wait for its other end */
    int direct = O_DIRECT;
    int fd = openat(dir, name, flags | direct, st.st_mode & 0666);
    if (fd < 0 && errno == EINVAL) { /* a file system without; it may have made the file, though */
        direct = 0;
        fd = openat(dir, name, flags & ~O_EXCL, st.st_mode & 0666);
    }
    if (fd < 0)
        return -errno;
    /* From now on it may wait: io_uring would answer -EAGAIN where it can wait for the disk. */
    if (fstat(fd, &st) || !S_ISREG(st.st_mode) || fcntl(fd, F_SETFL, direct)) {
        close(fd);
        return -EBADMSG;
    }
    return fd;
}

int spill_file_open(const struct objstore *s, uint64_t number)
{
    int fd = open_file(s, number, O_RDONLY);

    /* Somebody took it away, or put a link or a socket in its place. */
    return fd == -ENOENT || fd == -ELOOP || fd == -ENXIO ? -EBADMSG : fd;
}

static void unlink_file(const struct objstore *s, uint64_t number)
{
    char name[SPILL_NAME_BYTES];
    int dir = dir_of(s);

    name_of(s, number, name);
    if (dir >= 0)
        io_drop(&s->spill->dropper, dir, name);
}

/* ---- a file's slot ------------------------------------------------------------------------- */

/*
 * The number stands above the flags of `created`: somebody who was slow to look for a victim may
 * set or clear those of an object that was in this slot before.
 */
static uint64_t file_number(const struct objstore *s, uint32_t file)
{
    return au64_load_acquire(&slot_at(s, file)->created) / (CREATED_FLAGS + 1); /* F2 */
}

/* The file, and its room. A full disk may be full of what we dropped ourselves. */
static int make_on_disk(const struct objstore *s, uint64_t number, uint64_t bytes, int *fd)
{
    int err;

    *fd = -ENOENT;
    do {
        if (*fd < 0)
            *fd = open_file(s, number, O_RDWR | O_CREAT | O_EXCL);
        err = *fd < 0 ? *fd : 0;
        POINT("spill: file made, no room reserved");
        if (!err && fallocate(*fd, 0, 0, (off_t)bytes) && errno != EOPNOTSUPP)
            err = -errno; /* where it is not supported the disk is full when it is full */
    } while (err == -ENOSPC && io_drop_wait(&s->spill->dropper));
    if (err && *fd >= 0)
        close(*fd);
    return err;
}

/* The slot of part i of the file that this is a part of, or NONE. */
static uint32_t part_at(const struct objstore *s, uint32_t part, uint32_t i)
{
    uint64_t two = au64_load_acquire(&words_of(s, part)[MASK_WORDS + i / 2]); /* I3 */
    uint32_t slot = (uint32_t)(two >> 32 * (i % 2)) - 1;

    return slot < slots_in_use(s) ? slot : NONE;
}

/* Is `other` a part of the same file, and needs its name? */
static bool needs_name(const struct objstore *s, uint32_t other, uint32_t part)
{
    uint64_t word = au64_load_seq_cst(&slot_at(s, other)->word); /* I4: after F4 or T6 of `part` */

    return (word_state(word) == SLOT_FILE || word_state(word) == SLOT_WRITING) &&
           extent_is_file(au64_load_acquire(&slot_at(s, other)->extent)) && /* I3 */
           file_number(s, other) == file_number(s, part);
}

static bool has_siblings(const struct objstore *s, uint32_t part)
{
    for (uint32_t i = 0; i < SPILL_PARTS; i++) {
        uint32_t other = part_at(s, part, i);

        if (other != NONE && other != part && needs_name(s, other, part))
            return true;
    }
    return false;
}

bool spill_file_is_first(const struct objstore *s, uint32_t file)
{
    uint32_t other;

    for (uint32_t i = 0; i < SPILL_PARTS && (other = part_at(s, file, i)) != file; i++)
        if (other != NONE && needs_name(s, other, file))
            return false;
    return true;
}

static void give_up_part(struct objstore *s, uint32_t slot)
{
    uint64_t word = au64_load_relaxed(&slot_at(s, slot)->word); /* relaxed: ours */

    if (slot_change(s, slot, &word, SLOT_RECLAIM)) /* T3 */
        reclaim(s, NULL, slot, RECLAIM_UNLINKED);
}

static void describe_parts(struct objstore *s, const struct spill_file *f, uint64_t bytes)
{
    uint64_t parts[SPILL_PARTS / 2] = { 0 };

    for (uint32_t i = 0; i < f->parts; i++)
        parts[i / 2] |= (uint64_t)(f->slots[i] + 1) << 32 * (i % 2);
    for (uint32_t i = 0; i < f->parts; i++) {
        struct slot *slot = slot_at(s, f->slots[i]);

        au64_store_relaxed(&slot->id[0], 0); /* relaxed, all: F2 publishes, or a successor's T6 */
        au64_store_relaxed(&slot->id[1], 0);
        au64_store_relaxed(&slot->size, bytes);
        au64_store_relaxed(&slot->created, f->number * (CREATED_FLAGS + 1));
        au64_store_relaxed(&slot->pinners, 0);
        for (uint32_t j = 0; j < SPILL_PARTS / 2; j++)
            au64_store_relaxed(&words_of(s, f->slots[i])[MASK_WORDS + j], parts[j]);
        au64_store_release(&slot->extent, extent_elsewhere(EXTENT_CLASS_FILE)); /* I3 */
    }
}

int spill_file_make(struct objstore *s, uint64_t bytes, uint32_t objects, struct spill_file *file,
                    int *fd)
{
    struct cache *c = cache_take(s);
    uint32_t parts = (objects + SPILL_PART - 1) / SPILL_PART;
    int err = 0;

    for (file->parts = 0; !err && file->parts < parts; file->parts += !err)
        err = slot_take(s, c, &file->slots[file->parts]);
    cache_give(c);
    if (!err) {
        file->number = au64_add_acq_rel(&s->spill->page->files, 1) + 1;
        describe_parts(s, file, bytes);
        POINT("spill: number noted, no file");
        err = make_on_disk(s, file->number, bytes, fd);
    }
    if (err)
        spill_file_keep(s, file, 0);
    POINT("spill: file has its room, nothing written");
    return err;
}

void spill_file_place(const struct spill_file *file, uint32_t i, struct spill_record *r)
{
    r->file = file->slots[i / SPILL_PART];
    r->bit = i % SPILL_PART;
    r->number = file->number;
}

void spill_file_keep(struct objstore *s, const struct spill_file *file, uint32_t count)
{
    for (uint32_t part = 0; part * SPILL_PART < count; part++)
        for (uint32_t i = 0; i < MASK_WORDS; i++) {
            uint32_t before = part * SPILL_PART + i * MASK_BITS;
            uint32_t left = count > before ? count - before : 0;

            au64_store_relaxed(&words_of(s, file->slots[part])[i], /* relaxed: F2 */
                               file->number << 32 |
                                   (left >= MASK_BITS ? UINT32_MAX : (1u << left) - 1));
        }
    POINT("spill: bits set, not a file yet");
    for (uint32_t part = 0; part < file->parts; part++) {
        uint64_t word = au64_load_relaxed(&slot_at(s, file->slots[part])->word); /* relaxed: ours */

        if (part * SPILL_PART < count)
            (void)slot_change(s, file->slots[part], &word, SLOT_FILE); /* F2 */
        else
            give_up_part(s, file->slots[part]);
        POINT("spill: a part of a file");
    }
}

static bool is_empty(const struct objstore *s, uint32_t file)
{
    for (uint32_t i = 0; i < MASK_WORDS; i++)
        if ((uint32_t)au64_load_acquire(&words_of(s, file)[i])) /* F3 */
            return false;
    return true;
}

void spill_file_drop_if_empty(struct objstore *s, struct cache *c, uint32_t file, uint64_t word)
{
    if (word_state(word) != SLOT_FILE || !is_empty(s, file))
        return;
    POINT("spill: no object left, file not taken");
    if (slot_change(s, file, &word, SLOT_RECLAIM)) /* F4 */
        reclaim(s, c, file, RECLAIM_UNLINKED);
}

uint64_t spill_file_bytes(const struct objstore *s, uint32_t file)
{
    return au64_load_relaxed(&slot_at(s, file)->size); /* relaxed: stands since F1 */
}

/* ---- records ------------------------------------------------------------------------------- */

static uint64_t record_check(const struct objstore *s, uint32_t slot, const uint64_t w[5])
{
    const struct slot *at = slot_at(s, slot);
    uint64_t all[8] = { w[0], w[1], w[2], w[3], w[4] };

    all[5] = au64_load_relaxed(&at->id[0]); /* relaxed: pinned, ours, or looked at again */
    all[6] = au64_load_relaxed(&at->id[1]);
    all[7] = au64_load_relaxed(&at->size);
    return XXH3_64bits(all, sizeof all);
}

void spill_record_write(struct objstore *s, uint32_t slot, const struct spill_record *r)
{
    uint64_t w[5] = { r->file | (uint64_t)r->bit << 32 | (uint64_t)r->is_packed << 40, r->number,
                      r->at, r->stored, r->hash };
    struct au64 *words = words_of(s, slot);

    for (int i = 0; i < 5; i++)
        au64_store_relaxed(&words[i], w[i]); /* relaxed: M5 publishes */
    au64_store_relaxed(&words[5], record_check(s, slot, w));
    POINT("spill: record written, not owned");
    au64_store_release(&slot_at(s, slot)->extent, extent_elsewhere(EXTENT_CLASS_SPILLED)); /* I2 */
}

bool spill_record_read(const struct objstore *s, uint32_t slot, struct spill_record *r)
{
    struct au64 *words = words_of(s, slot);
    uint64_t w[5];

    for (int i = 0; i < 5; i++)
        w[i] = au64_load_relaxed(&words[i]); /* relaxed: pinned, ours, or looked at again */
    r->file = (uint32_t)w[0];
    r->bit = (uint32_t)(w[0] >> 32 & 0xff);
    r->is_packed = w[0] >> 40 & 1;
    r->number = w[1];
    r->at = w[2];
    r->stored = w[3];
    r->hash = w[4];
    return au64_load_relaxed(&words[5]) == record_check(s, slot, w) && r->file < slots_in_use(s) &&
           r->bit < SPILL_PART && r->stored <= CAPACITY_MAX && r->at <= SPILL_BATCH * CAPACITY_MAX;
}

bool spill_record_is_kept(const struct objstore *s, const struct spill_record *r)
{
    const struct slot *file = slot_at(s, r->file);
    uint64_t mask = au64_load_acquire(&words_of(s, r->file)[r->bit / MASK_BITS]); /* F3 */

    return word_state(au64_load_acquire(&file->word)) == SLOT_FILE && /* F2 */
           file_number(s, r->file) == r->number && mask >> r->bit % MASK_BITS & 1;
}

static void punch(const struct objstore *s, uint64_t number, uint64_t from, uint64_t to)
{
    from = (from + PAGE_BYTES - 1) & ~(uint64_t)(PAGE_BYTES - 1);
    to &= ~(uint64_t)(PAGE_BYTES - 1);
    if (to <= from || to - from < 16 * PAGE_BYTES) /* not worth opening the file */
        return;
    int fd = open_file(s, number, O_WRONLY);
    if (fd < 0)
        return; /* gone: as it goes as a rule, when its objects come back one after the other */
    (void)fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)from,
                    (off_t)(to - from));
    close(fd);
}

/*
 * A hole costs the file system a transaction, and waits for all requests on the file: those that
 * read ahead. So neighbours that go one after the other are put together first. What is dead in
 * a file stays dead, whatever becomes of the file: a hole never comes too late.
 */
static void bury(const struct objstore *s, const struct spill_record *r)
{
    struct dead_bytes *d = &s->spill->dead;
    bool has_own_pages = !r->is_packed && r->stored >= PAGE_BYTES; /* others lie at lines */
    uint64_t align = has_own_pages ? PAGE_BYTES : CACHE_LINE;
    uint64_t from = r->at, to = (r->at + r->stored + align - 1) / align * align;

    if (au32_xchg_acq_rel(&d->busy, 1)) { /* another thread of this process */
        punch(s, r->number, from, to);
        return;
    }
    if (d->number == r->number && from <= d->to && to >= d->from) {
        d->from = from < d->from ? from : d->from;
        d->to = to > d->to ? to : d->to;
    } else {
        punch(s, d->number, d->from, d->to);
        d->number = r->number;
        d->from = from;
        d->to = to;
    }
    if (d->to - d->from >= DEAD_BYTES) {
        punch(s, d->number, d->from, d->to);
        d->from = d->to;
    }
    au32_store_release(&d->busy, 0);
}

void spill_punch_dead(const struct objstore *s)
{
    struct dead_bytes *d = &s->spill->dead;

    punch(s, d->number, d->from, d->to);
    d->from = d->to = 0;
}

static bool is_alone(const struct objstore *s, const struct spill_record *r)
{
    uint32_t others = 0;

    for (uint32_t i = 0; i < MASK_WORDS; i++) {
        uint32_t mask = (uint32_t)au64_load_acquire(&words_of(s, r->file)[i]); /* F3 */

        others |= i == r->bit / MASK_BITS ? mask & ~(1u << r->bit % MASK_BITS) : mask;
    }
    return !others && !has_siblings(s, r->file);
}

static void forget_record(struct objstore *s, struct cache *c, uint32_t slot)
{
    struct spill_record r;

    if (!spill_record_read(s, slot, &r))
        return; /* damage: its file stays until the store goes */
    struct slot *file = slot_at(s, r.file);
    struct au64 *mask = &words_of(s, r.file)[r.bit / MASK_BITS];
    uint64_t word = au64_load_acquire(&file->word);                           /* F2 */
    uint64_t seen = au64_load_acquire(mask), bit = 1ull << r.bit % MASK_BITS; /* F3 */
    bool is_ours = word_state(word) == SLOT_FILE &&
                   file_number(s, r.file) == r.number && /* before the word again */
                   seen >> 32 == (r.number & UINT32_MAX) && seen & bit;
    if (!is_ours || au64_load_acquire(&file->word) != word)
        return; /* done before, by one who died; or never kept */
    if (!is_alone(s, &r))
        bury(s, &r);
    while (seen & bit && !au64_cas_acq_rel(mask, &seen, seen & ~bit)) /* F3 */
        ;
    POINT("spill: bit cleared");
    spill_file_drop_if_empty(s, c, r.file, au64_load_seq_cst(&slot_at(s, r.file)->word)); /* F2 */
}

void spill_forget(struct objstore *s, struct cache *c, uint32_t slot)
{
    struct slot *at = slot_at(s, slot);
    uint64_t extent = au64_load_acquire(&at->extent); /* I2, I3 */

    if (!s->spill)
        return;
    if (extent_is_spilled(extent))
        forget_record(s, c, slot);
    else if (!extent_is_file(extent))
        return;
    else if (!has_siblings(s, slot))
        unlink_file(s, file_number(s, slot)); /* F5 */
    POINT("spill: forgotten, still noted");
    au64_store_release(&at->extent, 0);
}
