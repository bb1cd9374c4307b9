/* SPDX-License-Identifier: MIT */
/* spill_io.h -- bytes between memory and spill files, several requests in flight. */
#ifndef OBJSTORE_SPILL_IO_H
#define OBJSTORE_SPILL_IO_H

#include <liburing.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "atomics.h"

/* May this process use io_uring? Once refused it is not tried again. */
enum io_kind { IO_UNTRIED, IO_URING, IO_PLAIN };

/* ---- spill_memory.c ------------------------------------------------------------------------ */

/* Memory for requests, of a multiple of a page; munmap() it. NULL: see errno. */
void *io_memory_map(uint64_t bytes);

#define IO_BUFFER_BYTES ((uint64_t)4 << 20) /* what small objects of one file take */
#define IO_BUFFERS 3                        /* so many files of them are under way at a time */

/* Those of a process that are not in use, from its first file on. Zero is a good beginning. */
struct io_buffers {
    struct au64 spare[IO_BUFFERS]; /* addresses, or 0 */
};

/* A buffer of so many bytes, which are of no meaning. NULL: no memory. For any thread. */
void *io_buffer_take(struct io_buffers *b, uint64_t bytes);
void io_buffer_give(struct io_buffers *b, void *buffer, uint64_t bytes); /* as many as taken */
void io_buffers_end(struct io_buffers *b);

/* ---- spill_io.c: writing ------------------------------------------------------------------- */

struct io_piece {
    const unsigned char *data;
    uint64_t bytes, at; /* multiples of a page, as data's address, for files opened with O_DIRECT */
};

/* What goes into one file. */
struct io_job {
    int fd;
    const struct io_piece *pieces;
    size_t count;
    uint64_t bytes; /* of all pieces */
    /* The engine's: */
    unsigned flying;
    int err; /* the first */
};

/* Where jobs come from. All are called by the thread that is in io_write(), while others fly. */
struct io_source {
    /* NULL: there are no more, or none before one that is under way is done. */
    struct io_job *(*next)(void *ctx);
    /* Told of every byte, in order, just before it is written. */
    void (*seen)(void *ctx, struct io_job *job, size_t piece, const unsigned char *data,
                 uint64_t bytes);
    /* It is written, or failed: job->err; nothing of it is in flight. In the order of next(). */
    void (*done)(void *ctx, struct io_job *job);
    void *ctx;
};

/* One process's engine. Zero is a good beginning. */
struct io_writer {
    struct au32 busy; /* a thread of this process uses the ring; others do plain I/O meanwhile */
    bool is_up;
    struct io_uring ring;
};

/*
 * Write all jobs that there are, several at a time. A job's error is -ENODATA for a file that takes
 * no more, or one of pwrite(2)'s; after the first no more jobs are asked for.
 */
void io_write(struct io_writer *io, struct au32 *kind, const struct io_source *source);
void io_writer_end(struct io_writer *io);

/* ---- spill_drop.c: removing ---------------------------------------------------------------- */

#define DROP_FILES 64u /* on their way, or waiting */
#define DROP_BYTES ((uint64_t)256 << 20)

struct dropped {
    uint32_t place; /* in the ring's table of files */
    uint64_t bytes;
};

/* One process's engine. Zero is a good beginning. */
struct io_dropper {
    struct au32 busy, is_held;
    bool is_up, is_refused;
    uint64_t free;                      /* a bit for each place in the ring's table */
    struct dropped waiting[DROP_FILES]; /* a ring, `count` from `first` on */
    uint32_t first, count;
    uint64_t bytes; /* of those */
    struct io_uring ring;
};

/* The file's name goes now, its room soon. */
void io_drop(struct io_dropper *d, int dir, const char *name);
/* Reads are under way, so room waits for a while; or they are over. One thread at a time may say so. */
void io_drop_hold(struct io_dropper *d, bool hold);
/* Wait for the room of all that were dropped. False: there were none. */
bool io_drop_wait(struct io_dropper *d);
void io_drop_end(struct io_dropper *d);
/* A child's copy: its parent goes on with the ring, and waits for its answers. */
void io_drop_leave(struct io_dropper *d);

/* ---- spill_read.c: reading ----------------------------------------------------------------- */

#define READ_FRAMES 8u
#define READ_FRAME_BYTES ((uint64_t)1 << 20)

struct read_frame {
    uint64_t number, at, bytes; /* of that file, from there on */
    int result;
    bool is_flying;
};

/* One process's window on the files it reads. Zero is a good beginning. */
struct reader {
    struct au32 busy;
    struct au32 is_doubted; /* what the window holds was found to be wrong */
    bool is_up;
    struct io_uring ring;
    unsigned char *buffer;
    struct read_frame frames[READ_FRAMES];   /* a ring, `count` from `head` on */
    uint32_t head, count, queued;            /* queued: the kernel has not taken them yet */
    uint64_t number, end;                    /* the file and place where the next frame begins */
    uint64_t file_bytes;                     /* of that file */
    uint64_t missing;                        /* the number of one that was not there */
    uint64_t last_number, last_at, last_end; /* what was asked for */
    uint64_t ahead;                          /* how much is read besides: so much more, */
    bool is_local;                           /* or all around */
};

struct objstore;
struct spill_record;
/* Takes an object's bytes in order, some at a time. */
typedef void read_sink(void *ctx, const unsigned char *data, uint64_t bytes);

/*
 * All stored bytes of a record; `afresh`: from the file itself, whatever was read ahead. 0,
 * -ENODATA: the file is shorter; -EBADMSG: it is gone; -ENOMEM; those of open(2) and pread(2).
 */
int spill_read(const struct objstore *s, const struct spill_record *r, bool afresh, read_sink *sink,
               void *ctx);
/* What came was not what was written: forget what was read ahead. */
void reader_doubt(struct reader *rd);
void reader_end(struct reader *rd);

#endif
