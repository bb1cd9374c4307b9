/* SPDX-License-Identifier: MIT */
/*
 * spill_drop.c -- spill files that nobody needs any more.
 *
 * To take a name away is cheap. To give the room back is not: where the file system tells its
 * disk of every freed block (mount option `discard`) that waits for the disk, half a millisecond
 * and more for a file, and so does who reads meanwhile. So the name goes at once, and the room in
 * the background: a ring is given the file and frees its blocks in a thread of the kernel. While
 * somebody of this process reads ahead it keeps files that wait for the end of that, the oldest of
 * which go when they have more than DROP_BYTES, or are too many.
 *
 * Crashes  The file has no name any more and is held by the ring alone, which ends with its
 *   process: then the kernel frees what was not freed yet. A process that is stopped, or leaves what it
 *   has read ahead where it is, keeps the room of those files.
 * Full disks  io_drop_wait() waits until all the room is back: who finds the disk full calls it and
 *   tries once more.
 * Threads  One at a time has the ring. Who leaves it looks once more if reads are under way, after
 *   that is seen by who ends them, and he tries to have the ring after he has noted their end: one
 *   of the two begins what waits.
 *
 * The ring holds a file in a table of its own, and not by a descriptor: a fork() would give the
 * child one too, and with it the room.
 *
 * Where there is no io_uring, and for a second thread at the same time, unlink() does all of it.
 */
#define _GNU_SOURCE /* FALLOC_FL_* */
#include "spill_io.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define ALL UINT64_MAX
_Static_assert(DROP_FILES == 64, "a bit each");

static bool start(struct io_dropper *d)
{
    if (d->is_up || d->is_refused)
        return d->is_up;
    d->free = ALL;
    d->is_up = !io_uring_queue_init(2 * DROP_FILES, &d->ring, 0);
    if (d->is_up && io_uring_register_files_sparse(&d->ring, DROP_FILES)) {
        io_uring_queue_exit(&d->ring);
        d->is_up = false;
    }
    d->is_refused = !d->is_up;
    return d->is_up;
}

/* Two answers come for each file: its blocks are free, or cannot be freed alone; it is closed. */
static void land(struct io_dropper *d)
{
    struct io_uring_cqe *cqe;

    while (io_uring_peek_cqe(&d->ring, &cqe) == 0) {
        uint64_t what = io_uring_cqe_get_data64(cqe);
        int none = -1;

        if (what < DROP_FILES)
            d->free |= 1ull << what;
        if (what < DROP_FILES && cqe->res < 0) /* the thread that asked for it ended */
            (void)io_uring_register_files_update(&d->ring, (unsigned)what, &none, 1);
        io_uring_cqe_seen(&d->ring, cqe);
    }
}

static bool is_refused(int n)
{
    return n < 0 && n != -EINTR && n != -EAGAIN && n != -EBUSY;
}

/* The kernel takes no more of us. What is in the ring goes with it. */
static void give_up(struct io_dropper *d)
{
    if (d->is_up)
        io_uring_queue_exit(&d->ring);
    d->is_up = false;
    d->is_refused = true;
    d->count = 0;
    d->bytes = 0;
}

/* The oldest that waits, to the kernel: free its blocks, then close it, whatever came of that. */
static void begin_one(struct io_dropper *d)
{
    const struct dropped *f = &d->waiting[d->first];
    struct io_uring_sqe *sqe = io_uring_get_sqe(&d->ring); /* there are two for each place */

    io_uring_prep_fallocate(sqe, (int)f->place, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                            (off_t)f->bytes);
    io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE | IOSQE_IO_HARDLINK | IOSQE_ASYNC);
    io_uring_sqe_set_data64(sqe, DROP_FILES);
    sqe = io_uring_get_sqe(&d->ring);
    io_uring_prep_close_direct(sqe, f->place);
    io_uring_sqe_set_data64(sqe, f->place);
    d->first = (d->first + 1) % DROP_FILES;
    d->count--;
    d->bytes -= f->bytes;
    if (is_refused(io_uring_submit(&d->ring)))
        give_up(d);
}

/* What waits, but for so many bytes. */
static void begin(struct io_dropper *d, uint64_t but)
{
    while (d->count && (d->bytes > but || but == 0))
        begin_one(d);
}

/* Wait until a place is free, or all are. */
static bool wait_for(struct io_dropper *d, bool all)
{
    while (d->is_up) {
        land(d);
        if (all ? d->free == ALL : d->free != 0)
            return true;
        if (d->count) /* where it waits nothing lands */
            begin_one(d);
        else if (is_refused(io_uring_submit_and_wait(&d->ring, 1)))
            give_up(d);
    }
    return false;
}

/* A file to the ring. Not if it has another name: then it is not ours alone. */
static void hand_over(struct io_dropper *d, int fd)
{
    unsigned place = (unsigned)__builtin_ctzll(d->free);
    struct stat st;

    if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_nlink > 0 || st.st_size == 0 ||
        io_uring_register_files_update(&d->ring, place, &fd, 1) != 1)
        return;
    d->free &= ~(1ull << place);
    d->waiting[(d->first + d->count++) % DROP_FILES] =
        (struct dropped){ place, (uint64_t)st.st_size };
    d->bytes += (uint64_t)st.st_size;
    begin(d, DROP_BYTES);
}

/* Leave the ring to others; nothing stays that need not wait. */
static void leave(struct io_dropper *d)
{
    bool is_left;

    do {
        is_left = d->count > 0;
        (void)au32_xchg_seq_cst(&d->busy, 0);
        if (!is_left || au32_load_seq_cst(&d->is_held) || au32_xchg_seq_cst(&d->busy, 1))
            return;
        begin(d, 0);
    } while (true);
}

void io_drop(struct io_dropper *d, int dir, const char *name)
{
    int fd = -1;
    bool is_ours = !au32_xchg_seq_cst(&d->busy, 1);

    if (is_ours && start(d) && wait_for(d, false))
        fd = openat(dir, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    (void)unlinkat(dir, name, 0);
    if (fd >= 0) {
        hand_over(d, fd);
        close(fd);
    }
    if (is_ours)
        leave(d);
}

void io_drop_hold(struct io_dropper *d, bool hold)
{
    if (au32_load_relaxed(&d->is_held) == hold) /* relaxed: set by one thread at a time */
        return;
    (void)au32_xchg_seq_cst(&d->is_held, hold);
    if (!hold && !au32_xchg_seq_cst(&d->busy, 1))
        leave(d);
}

bool io_drop_wait(struct io_dropper *d)
{
    bool was_any;

    if (au32_xchg_seq_cst(&d->busy, 1)) /* another thread is at it */
        return false;
    was_any = d->is_up && d->free != ALL;
    if (was_any)
        (void)wait_for(d, true);
    leave(d);
    return was_any;
}

void io_drop_end(struct io_dropper *d)
{
    (void)io_drop_wait(d);
    io_drop_leave(d);
}

void io_drop_leave(struct io_dropper *d)
{
    if (d->is_up)
        io_uring_queue_exit(&d->ring);
    d->is_up = false;
}
