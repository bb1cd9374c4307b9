/* SPDX-License-Identifier: MIT */
/*
 * spill_io.c -- bytes between memory and files.
 *
 * Pieces are cut into chunks of 1 MiB, 8 of them in flight through io_uring; more depth does not
 * help a disk, and costs when the pieces are large. Where the kernel has no io_uring, or
 * somebody forbids it (containers, sysctl), and for a second thread at the same time, plain
 * pread() and pwrite() do the same. A sandbox may also forbid it when the ring is already in use:
 * then what the kernel has not taken yet is done plainly, and the ring is given up.
 */
#include "spill_io.h"

#include <errno.h>
#include <sched.h>
#include <sys/types.h>
#include <unistd.h>

#define CHUNK (1u << 20)
#define DEPTH 8u

struct chunk {
    struct io_piece p;
    bool is_used;
};

/* What is left to hand out. */
struct cutter {
    const struct io_piece *pieces;
    size_t count, piece;
    uint64_t done; /* of pieces[piece] */
};

static bool cut(struct cutter *c, struct io_piece *out)
{
    while (c->piece < c->count && c->done == c->pieces[c->piece].bytes) {
        c->piece++;
        c->done = 0;
    }
    if (c->piece == c->count)
        return false;
    *out = c->pieces[c->piece];
    out->data += c->done;
    out->at += c->done;
    out->bytes -= c->done;
    if (out->bytes > CHUNK)
        out->bytes = CHUNK;
    c->done += out->bytes;
    return true;
}

/* `n` bytes of the piece are done, or n is an error. 0: go on with what is left; 1: all done. */
static int advance(struct io_piece *p, int64_t n)
{
    if (n == -EINTR || n == -EAGAIN)
        return 0;
    if (n <= 0)
        return n < 0 ? (int)n : -ENODATA;
    p->data += n;
    p->at += (uint64_t)n;
    p->bytes -= (uint64_t)n;
    return p->bytes == 0;
}

static int piece_plain(struct io_piece p, bool is_write)
{
    int step = 0;

    while (step == 0) {
        ssize_t n = is_write ? pwrite(p.fd, p.data, p.bytes, (off_t)p.at)
                             : pread(p.fd, p.data, p.bytes, (off_t)p.at);

        step = advance(&p, n < 0 ? -errno : n);
    }
    return step < 0 ? step : 0;
}

static int run_plain(struct cutter *c, bool is_write)
{
    struct io_piece p;
    int err = 0;

    while (!err && cut(c, &p))
        err = piece_plain(p, is_write);
    return err;
}

static void submit(struct io_uring *ring, struct chunk *chunk, bool is_write)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring); /* there are as many as chunks */
    struct io_piece *p = &chunk->p;

    if (is_write)
        io_uring_prep_write(sqe, p->fd, p->data, (unsigned)p->bytes, p->at);
    else
        io_uring_prep_read(sqe, p->fd, p->data, (unsigned)p->bytes, p->at);
    io_uring_sqe_set_data(sqe, chunk);
    chunk->is_used = true;
}

/* Chunks on their way. Those that the kernel has not taken are still ours. */
struct flight {
    struct chunk chunks[DEPTH];
    unsigned count, taken;
    int err; /* the first */
};

static void land(struct io_uring *ring, struct flight *f, bool is_write, bool may_submit)
{
    struct io_uring_cqe *cqe;

    while (io_uring_peek_cqe(ring, &cqe) == 0) {
        struct chunk *chunk = io_uring_cqe_get_data(cqe);
        int step = advance(&chunk->p, cqe->res);

        io_uring_cqe_seen(ring, cqe);
        f->taken--;
        if (step < 0 && !f->err)
            f->err = step;
        if (step == 0 && !f->err) { /* more of it */
            if (may_submit)
                submit(ring, chunk, is_write);
        } else {
            chunk->is_used = false;
            f->count--;
        }
    }
}

/* The kernel takes no more of us: wait for what it has, do the rest. */
static int finish_plain(struct io_uring *ring, struct flight *f, struct cutter *c, bool is_write)
{
    while (f->taken) {
        land(ring, f, is_write, false);
        sched_yield(); /* there is nothing left to wait with; bounded by the disk */
    }
    for (unsigned i = 0; i < DEPTH && !f->err; i++)
        if (f->chunks[i].is_used)
            f->err = piece_plain(f->chunks[i].p, is_write);
    return f->err ? f->err : run_plain(c, is_write);
}

/* *is_refused: the ring is of no more use. */
static int run_ring(struct io_uring *ring, struct cutter *c, bool is_write, bool *is_refused)
{
    struct flight f = { 0 };

    for (;;) {
        for (unsigned i = 0; i < DEPTH && !f.err; i++)
            if (!f.chunks[i].is_used && cut(c, &f.chunks[i].p)) {
                submit(ring, &f.chunks[i], is_write);
                f.count++;
            }
        if (f.count == 0)
            return f.err;
        int n = io_uring_submit_and_wait(ring, 1);
        if (n > 0)
            f.taken += (unsigned)n;
        *is_refused = n < 0 && n != -EINTR && n != -EAGAIN && n != -EBUSY;
        if (*is_refused)
            return finish_plain(ring, &f, c, is_write);
        land(ring, &f, is_write, true);
    }
}

int io_run(struct io_engine *io, const struct io_piece *pieces, size_t count, bool is_write)
{
    struct cutter c = { .pieces = pieces, .count = count };
    bool is_refused = false;
    int err;

    if (au32_load_acquire(&io->kind) == IO_PLAIN || au32_xchg_acq_rel(&io->busy, 1))
        return run_plain(&c, is_write);
    if (au32_load_acquire(&io->kind) == IO_UNTRIED)
        au32_store_release(&io->kind,
                           io_uring_queue_init(DEPTH, &io->ring, 0) ? IO_PLAIN : IO_URING);
    err = au32_load_acquire(&io->kind) == IO_URING ? run_ring(&io->ring, &c, is_write, &is_refused)
                                                   : run_plain(&c, is_write);
    if (is_refused) {
        au32_store_release(&io->kind, IO_PLAIN);
        io_uring_queue_exit(&io->ring);
    }
    au32_store_release(&io->busy, 0);
    return err;
}

void io_end(struct io_engine *io)
{
    if (au32_load_acquire(&io->kind) == IO_URING)
        io_uring_queue_exit(&io->ring);
}
