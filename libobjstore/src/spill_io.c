/* SPDX-License-Identifier: MIT */
/*
 * spill_io.c -- bytes from memory into files.
 *
 * Pieces that lie one behind the other in the file are written together, up to 1 MiB at a time, 8
 * such requests in flight through io_uring; more depth does not help a disk, and costs when the
 * requests are large. While the last of a file is on its way the next file is asked for: small
 * objects make small files, and one of them alone does not keep a disk busy. Where the kernel
 * has no io_uring, or somebody forbids it (containers, sysctl), and for a second thread at the
 * same time, plain pwritev() does the same. A sandbox may also forbid it when the ring is already in
 * use: then what the kernel has not taken yet is done plainly, and the ring is given up.
 *
 * Requests go on for a moment after the death of the process that made them, and read memory that
 * is by then somebody else's. What they write is in a file that nobody knows yet, and never will.
 */
#define _GNU_SOURCE
#include "spill_io.h"
#include "pause.h"

#include <errno.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define CHUNK (1u << 20)
#define DEPTH 8u
#define PARTS 256u
#define JOBS 4u

struct chunk {
    struct iovec parts[PARTS];
    unsigned first, count; /* parts left */
    uint64_t at;
    struct io_job *job; /* NULL: the chunk is free */
};

/* What is under way: jobs in the order in which they came, the last of which is being handed out. */
struct work {
    const struct io_source *source;
    struct io_job *jobs[JOBS];
    unsigned first, count;
    uint64_t bytes; /* of those jobs */
    size_t piece;   /* of the last one, and how much of the piece is handed out */
    uint64_t done;
    bool is_over; /* no more jobs are to come */
};

static struct io_job *last_job(const struct work *w)
{
    return w->count ? w->jobs[(w->first + w->count - 1) % JOBS] : NULL;
}

/* Has it nothing left to hand out? */
static bool is_cut(const struct work *w, const struct io_job *job)
{
    return job != last_job(w) || job->err || w->piece == job->count;
}

/* Those at the front that are over. */
static void finish_jobs(struct work *w)
{
    while (w->count) {
        struct io_job *job = w->jobs[w->first];

        if (job->flying || !is_cut(w, job))
            return;
        w->is_over |= job->err != 0;
        w->first = (w->first + 1) % JOBS;
        w->count--;
        w->bytes -= job->bytes;
        w->source->done(w->source->ctx, job);
    }
}

/* Small ones are many at a time, large ones two. False: not now, or never again. */
static bool next_job(struct work *w)
{
    if (w->is_over || w->count == JOBS || (w->count >= 2 && w->bytes >= DEPTH * CHUNK))
        return false;
    struct io_job *job = w->source->next(w->source->ctx);
    if (!job) {
        w->is_over = w->count == 0;
        return false;
    }
    job->flying = 0;
    job->err = 0;
    w->jobs[(w->first + w->count++) % JOBS] = job;
    w->bytes += job->bytes;
    w->piece = 0;
    w->done = 0;
    return true;
}

/* Add some bytes to the last part, if they are behind it in memory, too. */
static void add_part(struct chunk *chunk, const unsigned char *data, uint64_t bytes)
{
    struct iovec *last = chunk->count ? &chunk->parts[chunk->count - 1] : NULL;

    if (last && (unsigned char *)last->iov_base + last->iov_len == data)
        last->iov_len += bytes;
    else
        chunk->parts[chunk->count++] = (struct iovec){ (unsigned char *)(uintptr_t)data, bytes };
}

/* The next chunk of the last job: what follows each other in the file. False: there is none. */
static bool cut(struct work *w, struct chunk *out)
{
    struct io_job *job = last_job(w);
    uint64_t bytes = 0;

    out->first = out->count = 0;
    while (job && !is_cut(w, job) && out->count < PARTS && bytes < CHUNK) {
        const struct io_piece *p = &job->pieces[w->piece];
        uint64_t n = p->bytes - w->done < CHUNK - bytes ? p->bytes - w->done : CHUNK - bytes;

        if (out->count && p->at + w->done != out->at + bytes)
            break;
        if (n && !out->count)
            out->at = p->at + w->done;
        if (n) {
            add_part(out, p->data + w->done, n);
            w->source->seen(w->source->ctx, job, w->piece, p->data + w->done, n);
        }
        bytes += n;
        w->done += n;
        if (w->done == p->bytes) {
            w->piece++;
            w->done = 0;
        }
    }
    out->job = out->count ? job : NULL;
    return out->count > 0;
}

/* The same of any job; other work is done on the way. */
static bool cut_any(struct work *w, struct chunk *out)
{
    do {
        if (cut(w, out))
            return true;
        finish_jobs(w);
    } while (next_job(w));
    return false;
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

static void note_error(struct io_job *job, int step)
{
    if (step < 0 && !job->err)
        job->err = step;
}

static void chunk_plain(struct chunk *chunk)
{
    int step = 0;

    while (step == 0) {
        ssize_t n = pwritev(chunk->job->fd, chunk->parts + chunk->first, (int)chunk->count,
                            (off_t)chunk->at);

        step = advance(chunk, n < 0 ? -errno : n);
    }
    note_error(chunk->job, step);
}

static void run_plain(struct work *w)
{
    struct chunk chunk;

    while (cut_any(w, &chunk))
        chunk_plain(&chunk);
}

/* Chunks on their way; the kernel has taken some of them, the others are still ours. */
struct flight {
    struct chunk chunks[DEPTH];
    unsigned count, taken;
};

static void submit(struct io_uring *ring, struct flight *f)
{
    int n = io_uring_submit(ring);

    f->taken += n > 0 ? (unsigned)n : 0;
}

static void prepare(struct io_uring *ring, struct chunk *chunk)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring); /* there are as many as chunks */

    io_uring_prep_writev(sqe, chunk->job->fd, chunk->parts + chunk->first, chunk->count, chunk->at);
    io_uring_sqe_set_data(sqe, chunk);
}

static void land(struct io_uring *ring, struct flight *f, bool may_submit)
{
    struct io_uring_cqe *cqe;

    while (io_uring_peek_cqe(ring, &cqe) == 0) {
        struct chunk *chunk = io_uring_cqe_get_data(cqe);
        int step = advance(chunk, cqe->res);

        io_uring_cqe_seen(ring, cqe);
        f->taken--;
        note_error(chunk->job, step);
        if (step == 0 && !chunk->job->err) { /* more of it */
            if (may_submit)
                prepare(ring, chunk);
        } else {
            chunk->job->flying--;
            chunk->job = NULL;
            f->count--;
        }
    }
}

/*
 * The kernel takes no more of us: wait for what it has, do the rest. What it has is waited for as long
 * as the disk takes, as a plain write is: it reads the objects' bytes, which may be others' as
 * soon as we let go of them. There is nothing to wait with but time.
 */
static void finish_plain(struct io_uring *ring, struct flight *f, struct work *w)
{
    for (uint32_t n = 0; f->taken; n++) {
        unsigned before = f->taken;

        land(ring, f, false);
        n = f->taken < before ? 0 : n;
        pause_before(n);
    }
    for (unsigned i = 0; i < DEPTH; i++) {
        struct chunk *chunk = &f->chunks[i];

        if (!chunk->job)
            continue;
        if (!chunk->job->err)
            chunk_plain(chunk);
        chunk->job->flying--;
    }
    run_plain(w);
}

/* False: the ring is of no more use. */
static bool run_ring(struct io_uring *ring, struct flight *f, struct work *w)
{
    for (;;) {
        for (unsigned i = 0; i < DEPTH; i++)
            if (!f->chunks[i].job && cut_any(w, &f->chunks[i])) {
                f->chunks[i].job->flying++;
                f->count++;
                prepare(ring, &f->chunks[i]);
                submit(ring, f); /* on its way while the next one is looked at */
            }
        if (f->count == 0)
            return true;
        int n = io_uring_submit_and_wait(ring, 1);
        if (n > 0)
            f->taken += (unsigned)n;
        if (n < 0 && n != -EINTR && n != -EAGAIN && n != -EBUSY) {
            finish_plain(ring, f, w);
            return false;
        }
        land(ring, f, true);
    }
}

void io_write(struct io_writer *io, struct au32 *kind, const struct io_source *source)
{
    struct work w = { .source = source };

    if (au32_load_acquire(kind) == IO_PLAIN || au32_xchg_acq_rel(&io->busy, 1)) {
        run_plain(&w);
        return;
    }
    if (!io->is_up) {
        io->is_up = !io_uring_queue_init(DEPTH, &io->ring, 0);
        au32_store_release(kind, io->is_up ? IO_URING : IO_PLAIN);
    }
    if (io->is_up) {
        struct flight f;

        f.count = f.taken = 0;
        for (unsigned i = 0; i < DEPTH; i++)
            f.chunks[i].job = NULL;
        if (!run_ring(&io->ring, &f, &w)) {
            au32_store_release(kind, IO_PLAIN);
            io_writer_end(io);
        }
    } else {
        run_plain(&w);
    }
    au32_store_release(&io->busy, 0);
}

void io_writer_end(struct io_writer *io)
{
    if (io->is_up)
        io_uring_queue_exit(&io->ring);
    io->is_up = false;
}
