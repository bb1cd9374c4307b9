/* SPDX-License-Identifier: MIT */
/* spill.h -- spill files, and what is in them. */
#ifndef OBJSTORE_SPILL_H
#define OBJSTORE_SPILL_H

#include "file.h"
#include "index.h"
#include "spill_io.h"
#include "store.h"

#define SPILL_PART 192u /* objects of a file that one slot answers for */
#define SPILL_PARTS 4u
#define SPILL_BATCH (SPILL_PART * SPILL_PARTS) /* objects in one file */

/* Bytes of a file that no object needs any more, to be given back to the file system. */
struct dead_bytes {
    struct au32 busy;
    uint64_t number, from, to;
};

/* One process's part. */
struct spill {
    struct spill_page *page;
    enum spill_mode mode;
    uint32_t flags;
    struct au32 dir_fd;  /* fd + 1, 0: not opened yet */
    int owner_fd;        /* of the owner file, locked; -1: there is none */
    struct au32 io_kind; /* enum io_kind */
    struct io_writer writer;
    struct io_buffers buffers;
    struct reader reader;
    struct io_dropper dropper;
    struct dead_bytes dead;
};

/* ---- spill.c ------------------------------------------------------------------------------- */

/* For a handle on a store that makes room by itself; else s->spill stays NULL. -EBADMSG, -ENOMEM,
 * -ESTALE. */
int spill_attach(struct objstore *s);
void spill_detach(struct objstore *s);

void spill_stats(const struct objstore *s, struct objstore_stats *out);
/* Of a store that is being made: its owner file is kept locked until the handle has it. */
struct spill_new {
    struct spill_fixed fixed;
    int owner_fd; /* -1: it needs none */
};
/*
 * Make a new store's file (geometry known, no name yet) one that spills or evicts; `name`: which it
 * will get, or NULL. If it succeeds spill_new_end() must follow when the store is made, or not.
 */
int spill_format(int fd, const struct geometry *g, const struct objstore_options *o,
                 const struct file_name *name, struct spill_new *made, struct objstore_diag *diag);
void spill_new_end(struct spill_new *made, bool failed);
/* The last user of a store that can never be opened again removes its files. */
void spill_end_of_store(struct objstore *s);
/* The same for a store that was just destroyed. */
void spill_end_of_file(int fd);

struct victim {
    uint32_t slot;
    uint64_t word;
};
/* Gives up to `most` objects to be moved next; 0: there are no more. */
typedef uint32_t spill_source(void *ctx, struct victim *victims, uint32_t most);
/*
 * Move sealed objects into files, as many at a time as the source gives; *freed: bytes of memory
 * that came free. Those that are gone, or that somebody else moved, are left out. 0, or an error
 * if a file could not be written: its objects stay, and no more are asked for.
 */
int spill_move(struct objstore *s, spill_source *source, void *ctx, uint64_t *freed);
/*
 * Bring an object back, whose slot was read as `word` (SPILLED), and borrow it. -EAGAIN: look it up
 * again. -EBADMSG: its file is damaged. -ENOSPC. Those of open(2) and pread(2).
 */
int spill_restore(struct objstore *s, uint32_t slot, uint64_t word, struct objstore_view *view);
/* Copy a spilled object's first `cap` bytes out. Needs no lease; errors as above. */
int spill_copy_out(const struct objstore *s, uint32_t slot, uint64_t word, void *buf, size_t cap,
                   size_t *size);

/* ---- spill_file.c -------------------------------------------------------------------------- */

struct spill_record {
    uint32_t file, bit; /* the slot of that part of the file, and which of its objects this is */
    uint64_t number;    /* of the file, for its name */
    uint64_t at, stored;
    uint64_t hash; /* XXH3-64 of the object's bytes */
    bool is_packed;
};

/* One that is being made. */
struct spill_file {
    uint32_t parts, slots[SPILL_PARTS]; /* ours in WRITING */
    uint64_t number;
};
/* A new file of `bytes`, all reserved, for so many objects; *fd is open. -ENOSPC, open(2)'s. */
int spill_file_make(struct objstore *s, uint64_t bytes, uint32_t objects, struct spill_file *file,
                    int *fd);
/* The object that is number i of a file. */
void spill_file_place(const struct spill_file *file, uint32_t i, struct spill_record *r);
/* Its objects are 0 to count - 1: let it live as long as one of them does. 0: remove it. */
void spill_file_keep(struct objstore *s, const struct spill_file *file, uint32_t count);
int spill_file_open(const struct objstore *s, uint64_t number);
/* The record of a slot that is ours in STANDBY, which by this becomes one of a spilled object. */
void spill_record_write(struct objstore *s, uint32_t slot, const struct spill_record *r);
/* Read that of a slot that the caller has a pin on, or looks at again. False: damaged. */
bool spill_record_read(const struct objstore *s, uint32_t slot, struct spill_record *r);
/* Does the file that it names know of it? */
bool spill_record_is_kept(const struct objstore *s, const struct spill_record *r);
/* A slot of ours in RECLAIM: give up what it has in files. May be done twice. */
void spill_forget(struct objstore *s, struct cache *c, uint32_t slot);
/* Give back what spill_forget() put aside. */
void spill_punch_dead(const struct objstore *s);
/* The word was read as FILE: remove the file if no object needs it. */
void spill_file_drop_if_empty(struct objstore *s, struct cache *c, uint32_t file, uint64_t word);
/* Bytes that the whole file takes, for a slot that was read as FILE. */
uint64_t spill_file_bytes(const struct objstore *s, uint32_t file);
/* Of the parts of a file exactly one is, as a rule: for who counts files. */
bool spill_file_is_first(const struct objstore *s, uint32_t file);
#define SPILL_NAME_BYTES 80
/* What the names of a store's files begin with; its length. */
int spill_file_prefix(const struct spill_fixed *fixed, char name[SPILL_NAME_BYTES]);
uint64_t spill_fixed_check(const struct spill_fixed *fixed);

#endif
