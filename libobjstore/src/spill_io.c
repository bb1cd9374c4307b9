/* SPDX-License-Identifier: MIT */
/*
 * spill_io.c -- bytes from memory into a file.
 *
 * Pieces that lie one behind the other in the file are written together, up to 1 MiB at a time, 8
 * such requests in flight through io_uring; more depth does not help a disk, and costs when the
 * requests are large. Where the kernel has no io_uring, or somebody forbids it (containers,
 * sysctl), and for a second thread at the same time, plain pwritev() does the same. A sandbox
 * may also forbid it when the ring is already in use: then what the kernel has not taken yet is
 * done plainly, and the ring is given up.
 *
 * Requests go on for a moment after the death of the process that made them, and read memory that
 * is by then somebody else's. What they write is in a file that nobody knows yet, and never will.
 */
#define _GNU_SOURCE
#include "spill_io.h"

#include <errno.h>
#include <sched.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define CHUNK (1u << 20)
#define DEPTH 8u
#define PARTS 256u

struct chunk {
    struct iovec parts[PARTS];
    unsigned first, count; /* parts left */
    uint64_t at;
    bool is_used;
};

/* What is left to hand out. */
struct cutter {
    struct io_job job;
    size_t piece;
    uint64_t done; /* of pieces[piece] */
};

/* The next chunk: parts that follow each other in the file. */
static bool cut(struct cutter *c, struct chunk *out)
{
    uint64_t bytes = 0;

    out->first = out->count = 0;
    while (c->piece < c->job.count && out->count < PARTS && bytes < CHUNK) {
        const struct io_piece *p = &c->job.pieces[c->piece];
        uint64_t n = p->bytes - c->done < CHUNK - bytes ? p->bytes - c->done : CHUNK - bytes;

        if (out->count && p->at + c->done != out->at + bytes)
            break;
        if (n && !out->count)
            out->at = p->at + c->done;
        if (n) {
            out->parts[out->count++] =
                (struct iovec){ (unsigned char *)(uintptr_t)p->data + c->done, n };
            if (c->job.seen)
                c->job.seen(c->job.ctx, c->piece, p->data + c->done, n);
        }
        bytes += n;
        c->done += n;
        if (c->done == p->bytes) {
            c->piece++;
            c->done = 0;
        }
    }
    return out->count > 0;
}

/* The caller's other work, once. */
static void do_other_work(struct cutter *c)
{
    if (c->job.meanwhile)
        c->job.meanwhile(c->job.ctx);
    c->job.meanwhile = NULL;
}

/* `n` bytes of the chunk are done, or n is an error. 0: go on with what is left; 1: all done. */
static int advance(struct chunk *chunk, int64_t n)
{
    if (n == -EINTR || n == -EAGAIN)
        return 0;
    if (n <= 0)
        return n < 0 ? (int)n : -ENODATA;
    chunk->at += (uint64_t)n;
    while (chunk->count && (uint64_t)n >= chunk->parts[chunk->first].iov_len) {
        n -= (int64_t)chunk->parts[chunk->first++].iov_len;
        chunk->count--;
    }
    if (chunk->count && n) {
        struct iovec *part = &chunk->parts[chunk->first];

        part->iov_base = (unsigned char *)part->iov_base + n;
        part->iov_len -= (size_t)n;
    }
    return chunk->count == 0;
}

static int chunk_plain(int fd, struct chunk *chunk)
{
    int step = 0;

    while (step == 0) {
        ssize_t n = pwritev(fd, chunk->parts + chunk->first, (int)chunk->count, (off_t)chunk->at);

        step = advance(chunk, n < 0 ? -errno : n);
    }
    return step < 0 ? step : 0;
}

static int run_plain(struct cutter *c)
{
    struct chunk chunk;
    int err = 0;

    while (!err && cut(c, &chunk))
        err = chunk_plain(c->job.fd, &chunk);
    return err;
}

static void submit(struct io_uring *ring, int fd, struct chunk *chunk)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring); /* there are as many as chunks */

    io_uring_prep_writev(sqe, fd, chunk->parts + chunk->first, chunk->count, chunk->at);
    io_uring_sqe_set_data(sqe, chunk);
    chunk->is_used = true;
}

/* Chunks on their way. Those that the kernel has not taken are still ours. */
struct flight {
    struct chunk chunks[DEPTH];
    unsigned count, taken;
    int err; /* the first */
};

static void land(struct io_uring *ring, struct flight *f, int fd, bool may_submit)
{
    struct io_uring_cqe *cqe;

    while (io_uring_peek_cqe(ring, &cqe) == 0) {
        struct chunk *chunk = io_uring_cqe_get_data(cqe);
        int step = advance(chunk, cqe->res);

        io_uring_cqe_seen(ring, cqe);
        f->taken--;
        if (step < 0 && !f->err)
            f->err = step;
        if (step == 0 && !f->err) { /* more of it */
            if (may_submit)
                submit(ring, fd, chunk);
        } else {
            chunk->is_used = false;
            f->count--;
        }
    }
}

/* The kernel takes no more of us: wait for what it has, do the rest. */
static int finish_plain(struct io_uring *ring, struct flight *f, struct cutter *c)
{
    while (f->taken) {
        land(ring, f, c->job.fd, false);
        sched_yield(); /* there is nothing left to wait with; bounded by the disk */
    }
    for (unsigned i = 0; i < DEPTH && !f->err; i++)
        if (f->chunks[i].is_used)
            f->err = chunk_plain(c->job.fd, &f->chunks[i]);
    return f->err ? f->err : run_plain(c);
}

/* *is_refused: the ring is of no more use. */
static int run_ring(struct io_uring *ring, struct flight *f, struct cutter *c, bool *is_refused)
{
    for (;;) {
        for (unsigned i = 0; i < DEPTH && !f->err; i++)
            if (!f->chunks[i].is_used && cut(c, &f->chunks[i])) {
                submit(ring, c->job.fd, &f->chunks[i]);
                f->count++;
                if (i + 1 < DEPTH) { /* on its way while the next one is looked at */
                    int n = io_uring_submit(ring);
                    f->taken += n > 0 ? (unsigned)n : 0;
                }
            }
        if (f->count == 0)
            return f->err;
        if (c->piece == c->job.count && c->job.meanwhile) {
            int n = io_uring_submit(ring);
            f->taken += n > 0 ? (unsigned)n : 0;
            do_other_work(c);
        }
        int n = io_uring_submit_and_wait(ring, 1);
        if (n > 0)
            f->taken += (unsigned)n;
        *is_refused = n < 0 && n != -EINTR && n != -EAGAIN && n != -EBUSY;
        if (*is_refused)
            return finish_plain(ring, f, c);
        land(ring, f, c->job.fd, true);
    }
}

static int write_all(struct io_writer *io, struct au32 *kind, struct cutter *c)
{
    bool is_refused = false;
    int err;

    if (au32_load_acquire(kind) == IO_PLAIN || au32_xchg_acq_rel(&io->busy, 1))
        return run_plain(c);
    if (!io->is_up) {
        io->is_up = !io_uring_queue_init(DEPTH, &io->ring, 0);
        au32_store_release(kind, io->is_up ? IO_URING : IO_PLAIN);
    }
    if (io->is_up) {
        struct flight f;

        f.count = f.taken = 0;
        f.err = 0;
        for (unsigned i = 0; i < DEPTH; i++)
            f.chunks[i].is_used = false;
        err = run_ring(&io->ring, &f, c, &is_refused);
    } else {
        err = run_plain(c);
    }
    if (is_refused) {
        au32_store_release(kind, IO_PLAIN);
        io_writer_end(io);
    }
    au32_store_release(&io->busy, 0);
    return err;
}

int io_write(struct io_writer *io, struct au32 *kind, const struct io_job *job)
{
    struct cutter c = { *job, 0, 0 };
    int err = write_all(io, kind, &c);

    do_other_work(&c);
    return err;
}

void io_writer_end(struct io_writer *io)
{
    if (io->is_up)
        io_uring_queue_exit(&io->ring);
    io->is_up = false;
}
