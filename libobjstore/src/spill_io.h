/* SPDX-License-Identifier: MIT */
/* spill_io.h -- bytes between memory and files, several pieces in flight. */
#ifndef OBJSTORE_SPILL_IO_H
#define OBJSTORE_SPILL_IO_H

#include <liburing.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "atomics.h"

struct io_piece {
    int fd;
    unsigned char *data;
    uint64_t bytes, at; /* multiples of a page, as data's address, for files opened with O_DIRECT */
};

/* One process's engine. Zero is a good beginning. */
struct io_engine {
    struct au32 busy; /* a thread of this process uses the ring; others do plain I/O meanwhile */
    struct au32 kind; /* enum io_kind */
    struct io_uring ring;
};
enum io_kind { IO_UNTRIED, IO_URING, IO_PLAIN };

/*
 * Read or write all pieces. 0, or the error of one of them, when none is in flight any more:
 * -ENODATA for a file that ends too early, and those of pread(2) and pwrite(2).
 */
int io_run(struct io_engine *io, const struct io_piece *pieces, size_t count, bool is_write);
void io_end(struct io_engine *io);

#endif
