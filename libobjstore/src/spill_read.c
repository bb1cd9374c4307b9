/* SPDX-License-Identifier: MIT */
/*
 * spill_read.c -- bytes from a spill file, read ahead.
 *
 * A process has a window on what it reads: up to eight frames of 1 MiB, one behind the other in a
 * file, or at the beginning of the next, each full or on its way. An object's bytes are taken from
 * the frames as they land, and whoever takes them (to check and to copy them) works while the next
 * are on their way. Who reads objects in the order in which they lie in the files, as they do that
 * are asked for in the order in which they were made, finds the window growing ahead of him,
 * over the end of a file, too. Who comes from near by gets the frame around. Who reads here and
 * there reads nothing but what he asks for.
 *
 * Numbers of files are given once, and a file does not change under an object that is in it; but
 * what was read ahead may be of a file that is only being written, and lack what comes to be there
 * later. So what comes out is checked against the record's hash, and if it is wrong the window is
 * doubted and the object read once more, from the file itself.
 *
 * Why not into the object's place: a request goes on after the death of the process that made it.
 * The dead one's lease is free by then, its memory soon somebody else's, and late bytes would
 * land in another's object. A frame is memory of this process only, and stays nobody else's
 * until the last request into it is done. (A plain pread() cannot outlive its process.)
 *
 * A request holds its file, so that no descriptor stays open and keeps a removed file's room.
 *
 * Where there is no io_uring, and for a second thread at the same time, pread() does the same
 * through a buffer. When a sandbox begins to forbid it the window is given up.
 */
#define _GNU_SOURCE
#include "spill.h"

#include <sched.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define AHEAD_MIN ((uint64_t)256 << 10)
#define AHEAD_MAX (READ_FRAMES * READ_FRAME_BYTES)

static uint64_t page_down(uint64_t at)
{
    return at & ~(uint64_t)(PAGE_BYTES - 1);
}

static uint64_t page_up(uint64_t at)
{
    return page_down(at + PAGE_BYTES - 1);
}

/* ---- plainly -------------------------------------------------------------------------------- */

static int pread_all(int fd, unsigned char *to, uint64_t bytes, uint64_t at)
{
    while (bytes) {
        ssize_t n = pread(fd, to, bytes, (off_t)at);

        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -ENODATA;
        to += n;
        at += (uint64_t)n;
        bytes -= (uint64_t)n;
    }
    return 0;
}

/* The file's bytes [at, end). */
static int read_plain(int fd, uint64_t at, uint64_t end, read_sink *sink, void *ctx)
{
    uint64_t whole = page_up(end) - page_down(at);
    uint64_t room = whole < READ_FRAME_BYTES ? whole : READ_FRAME_BYTES;
    int err = 0;

    if (at == end)
        return 0;
    unsigned char *buffer =
        mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (buffer == MAP_FAILED)
        return -ENOMEM;
    while (at < end) {
        uint64_t from = page_down(at), n = page_up(end) - from;

        if (n > room)
            n = room;
        err = pread_all(fd, buffer, n, from);
        if (err)
            break;
        uint64_t to = from + n < end ? from + n : end;
        sink(ctx, buffer + (at - from), to - at);
        at = to;
    }
    munmap(buffer, room);
    return err;
}

/* ---- the window ---------------------------------------------------------------------------- */

static struct read_frame *frame_at(struct reader *rd, uint32_t i)
{
    return &rd->frames[(rd->head + i) % READ_FRAMES];
}

static unsigned char *bytes_of(const struct reader *rd, const struct read_frame *f)
{
    return rd->buffer + (uint64_t)(f - rd->frames) * READ_FRAME_BYTES;
}

static void land(struct reader *rd)
{
    struct io_uring_cqe *cqe;

    while (io_uring_peek_cqe(&rd->ring, &cqe) == 0) {
        struct read_frame *f = io_uring_cqe_get_data(cqe);

        f->result = cqe->res;
        f->is_flying = false;
        io_uring_cqe_seen(&rd->ring, cqe);
    }
}

/* Hand over what is queued, and wait for one to land if `wait`. False: the ring is refused. */
static bool push(struct reader *rd, unsigned wait)
{
    do {
        int n = io_uring_submit_and_wait(&rd->ring, wait);

        if (n < 0 && n != -EINTR)
            return false;
        rd->queued -= n > 0 ? (uint32_t)n : 0;
    } while (rd->queued);
    land(rd);
    return true;
}

/* Let all land that the kernel has, those that it has not are none any more. */
static void empty(struct reader *rd)
{
    rd->count -= rd->queued;
    rd->queued = 0;
    for (uint32_t i = 0; i < rd->count; i++)
        while (frame_at(rd, i)->is_flying)
            if (io_uring_submit_and_wait(&rd->ring, 1) >= 0)
                land(rd);
            else { /* nothing to wait with, or a signal; bounded by the disk */
                sched_yield();
                land(rd);
            }
    rd->count = 0;
}

static int open_once(const struct objstore *s, uint64_t number, int *fd)
{
    if (*fd < 0)
        *fd = spill_file_open(s, number);
    return *fd < 0 ? *fd : 0;
}

/* More frames of the file that the window ends in, up to `target` of it. */
static void add_frames(struct reader *rd, int fd, uint64_t target)
{
    while (rd->count < READ_FRAMES && rd->end < target) {
        struct read_frame *f = frame_at(rd, rd->count);
        uint64_t n = target - rd->end < READ_FRAME_BYTES ? target - rd->end : READ_FRAME_BYTES;
        struct io_uring_sqe *sqe = io_uring_get_sqe(&rd->ring); /* as many as frames */

        *f = (struct read_frame){ rd->number, rd->end, n, 0, true };
        io_uring_prep_read(sqe, fd, bytes_of(rd, f), (unsigned)n, f->at);
        io_uring_sqe_set_data(sqe, f);
        rd->count++;
        rd->queued++;
        rd->end += n;
    }
}

/* What is in the window behind this place. */
static uint64_t bytes_behind(struct reader *rd, uint64_t number, uint64_t at)
{
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < rd->count; i++) {
        const struct read_frame *f = frame_at(rd, i);

        if (f->number > number || f->at >= at)
            bytes += f->bytes;
        else if (f->at + f->bytes > at)
            bytes += f->at + f->bytes - at;
    }
    return bytes;
}

/* When so much is left in the window, or less, more is asked for: a frame at a time, if it is large. */
static uint64_t refill_at(const struct reader *rd)
{
    return rd->ahead > 2 * READ_FRAME_BYTES ? rd->ahead - READ_FRAME_BYTES : rd->ahead / 2;
}

/*
 * The window goes on into the files behind that of number `own`, as they are numbered, until there
 * are `bytes` more in it. False: the ring is refused.
 */
static bool grow_beyond(const struct objstore *s, struct reader *rd, uint64_t own, uint64_t bytes)
{
    while (rd->count < READ_FRAMES && bytes) {
        uint64_t number = rd->end < rd->file_bytes ? rd->number : rd->number + 1;
        struct stat st;

        if (number == own || number == rd->missing)
            return true;
        int fd = spill_file_open(s, number);
        if (fd < 0) {
            rd->missing = number; /* there is none yet, or no more */
            return true;
        }
        bool is_ok = !fstat(fd, &st) && st.st_size > 0;
        if (is_ok) {
            uint64_t before = number == rd->number ? rd->end : 0;

            rd->number = number;
            rd->end = before;
            rd->file_bytes = (uint64_t)st.st_size;
            add_frames(rd, fd,
                       rd->file_bytes - before < bytes ? rd->file_bytes : page_up(before + bytes));
            bytes -= rd->end - before < bytes ? rd->end - before : bytes;
            is_ok = rd->end > before && push(rd, 0);
        }
        close(fd); /* a request holds its file */
        if (rd->queued)
            return false;
        if (!is_ok)
            return true;
    }
    return true;
}

/* Twice as much as before, and at least what the object takes. */
static uint64_t more_ahead(uint64_t ahead, uint64_t object)
{
    ahead = 2 * ahead > object ? 2 * ahead : object;
    return ahead < AHEAD_MIN ? AHEAD_MIN : ahead < AHEAD_MAX ? ahead : AHEAD_MAX;
}

/*
 * An object at [at, end) of a file of so many bytes is asked for. From where to read if it is not
 * in the window (a page), and how far: on and on if the last one ended where this one begins; the
 * frame around it if the last one was not far.
 */
static void aim(struct reader *rd, uint64_t number, uint64_t at, uint64_t end, uint64_t file_bytes,
                uint64_t *start, uint64_t *target)
{
    uint64_t far = at > rd->last_at ? at - rd->last_at : rd->last_at - at;
    bool is_same = rd->last_number == number, is_next = rd->last_number + 1 == number;
    bool goes_on = is_same ? at >= rd->last_end && at <= rd->last_end + PAGE_BYTES
                           : is_next && at < PAGE_BYTES;

    rd->is_local = is_same && !goes_on && far < READ_FRAME_BYTES / 2;
    if (goes_on)
        rd->ahead = more_ahead(rd->ahead, end - at);
    else if (is_same || !is_next) /* from one file to the next it stays as it is */
        rd->ahead = 0;
    rd->last_number = number;
    rd->last_at = at;
    rd->last_end = end;
    *start = rd->is_local ? at / READ_FRAME_BYTES * READ_FRAME_BYTES : page_down(at);
    *target = rd->is_local ? *start + READ_FRAME_BYTES : page_up(end) + rd->ahead;
    if (*target > file_bytes)
        *target = file_bytes;
    if (*target < page_up(end))
        *target = page_up(end);
}

/* Bytes up to `end` from the window while all goes well; *at: how far. False: no more of it. */
static bool take(const struct objstore *s, struct reader *rd, const struct spill_record *r,
                 uint64_t *at, uint64_t target, int *fd, read_sink *sink, void *ctx)
{
    const uint64_t end = r->at + r->stored;

    for (;;) {
        const struct read_frame *f = &rd->frames[rd->head];
        while (rd->count && !f->is_flying &&
               (f->number < r->number || (f->number == r->number && f->at + f->bytes <= *at))) {
            rd->head = (rd->head + 1) % READ_FRAMES;
            rd->count--;
            f = &rd->frames[rd->head];
        }
        if (rd->number == r->number && rd->end < target && rd->count < READ_FRAMES) {
            if (open_once(s, r->number, fd))
                return *at == end;
            add_frames(rd, *fd, target);
        }
        if (rd->queued && !push(rd, 0))
            return false;
        uint64_t behind = rd->ahead ? bytes_behind(rd, r->number, end) : 0;
        if (behind <= refill_at(rd) && !grow_beyond(s, rd, r->number, rd->ahead - behind))
            return false;
        if (*at == end)
            return true;
        while (f->is_flying)
            if (!push(rd, 1))
                return false;
        if (rd->count && f->number < r->number)
            continue;
        if (!rd->count || f->number != r->number || f->at > *at || f->result != (int)f->bytes)
            return false;
        uint64_t to = f->at + f->bytes < end ? f->at + f->bytes : end;
        if (*at < to)
            sink(ctx, bytes_of(rd, f) + (*at - f->at), to - *at);
        *at = to > *at ? to : *at;
    }
}

static bool start(struct reader *rd, struct au32 *kind)
{
    if (rd->is_up)
        return true;
    rd->buffer = io_memory_map(READ_FRAMES * READ_FRAME_BYTES);
    if (!rd->buffer)
        return false;
    if (io_uring_queue_init(READ_FRAMES, &rd->ring, 0)) {
        munmap(rd->buffer, READ_FRAMES * READ_FRAME_BYTES);
        au32_store_release(kind, IO_PLAIN);
        return false;
    }
    au32_store_release(kind, IO_URING);
    rd->is_up = true;
    rd->head = rd->count = rd->queued = 0;
    return true;
}

/* Does it begin in the window, or where that ends? */
static bool is_in_window(struct reader *rd, const struct spill_record *r)
{
    for (uint32_t i = 0; i < rd->count; i++) {
        const struct read_frame *f = frame_at(rd, i);

        if (f->number == r->number && f->at <= r->at && r->at < f->at + f->bytes)
            return true;
    }
    return rd->count && rd->number == r->number && r->at == rd->end;
}

/* Is there something in the window behind this object? */
static bool goes_beyond(const struct reader *rd, const struct spill_record *r)
{
    return rd->count && (rd->number > r->number ||
                         (rd->number == r->number && rd->end > page_up(r->at + r->stored)));
}

static void through_window(const struct objstore *s, struct reader *rd,
                           const struct spill_record *r, uint64_t *at, int *fd, read_sink *sink,
                           void *ctx)
{
    uint64_t end = r->at + r->stored, file_bytes = spill_file_bytes(s, r->file), start_at, target;
    bool is_inside = !au32_xchg_acq_rel(&rd->is_doubted, 0) && is_in_window(rd, r);

    aim(rd, r->number, r->at, end, file_bytes, &start_at, &target);
    if (!is_inside) {
        empty(rd);
        rd->number = r->number;
        rd->end = start_at;
        rd->file_bytes = file_bytes;
        rd->missing = 0;
    } else if (rd->number == r->number && rd->end >= page_up(end) &&
               rd->end - r->at > refill_at(rd)) {
        target = rd->end; /* enough for now: in large steps */
    }
    if (take(s, rd, r, at, target, fd, sink, ctx))
        return;
    bool is_refused = rd->queued > 0;
    empty(rd);
    if (is_refused) {
        reader_end(rd);
        au32_store_release(&s->spill->io_kind, IO_PLAIN);
    }
}

int spill_read(const struct objstore *s, const struct spill_record *r, bool afresh, read_sink *sink,
               void *ctx)
{
    struct reader *rd = &s->spill->reader;
    uint64_t at = r->at;
    int fd = -1, err = 0;

    if (!afresh && au32_load_acquire(&s->spill->io_kind) != IO_PLAIN &&
        !au32_xchg_acq_rel(&rd->busy, 1)) {
        if (start(rd, &s->spill->io_kind))
            through_window(s, rd, r, &at, &fd, sink, ctx);
        io_drop_hold(&s->spill->dropper, goes_beyond(rd, r));
        au32_store_release(&rd->busy, 0);
    }
    if (at < r->at + r->stored) { /* all, or what is left */
        err = open_once(s, r->number, &fd);
        if (!err)
            err = read_plain(fd, at, r->at + r->stored, sink, ctx);
    }
    if (fd >= 0)
        close(fd);
    return err;
}

void reader_doubt(struct reader *rd)
{
    au32_store_release(&rd->is_doubted, 1);
}

void reader_end(struct reader *rd)
{
    if (!rd->is_up)
        return;
    io_uring_queue_exit(&rd->ring);
    munmap(rd->buffer, READ_FRAMES * READ_FRAME_BYTES);
    rd->is_up = false;
    rd->count = 0;
}
