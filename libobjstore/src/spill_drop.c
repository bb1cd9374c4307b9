/* SPDX-License-Identifier: MIT */
/*
 * spill_drop.c -- spill files that nobody needs any more.
 *
 * To take a name away is cheap. To give the room back is not: where the file system tells its
 * disk of every freed block (mount option `discard`) that waits for the disk, half a millisecond
 * and more for a file. So the name goes at once, and the room in the background: a ring is given
 * the file and frees its blocks in a thread of the kernel.
 *
 * Crashes  The file has no name any more and is held by the ring alone, which ends with its
 *   process: then the kernel frees what was not freed yet. A process that is stopped keeps the room
 *   of up to DROP_FILES files.
 * Full disks  io_drop_wait() waits until all the room is back: who finds the disk full calls it and
 *   tries once more.
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

#define ALL ((1u << DROP_FILES) - 1)

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
            d->free |= 1u << what;
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
}

/* Wait until some of these places are free. */
static bool wait_for(struct io_dropper *d, uint32_t places, bool all)
{
    for (;;) {
        land(d);
        if (all ? (d->free & places) == places : (d->free & places) != 0)
            return true;
        if (is_refused(io_uring_submit_and_wait(&d->ring, 1))) {
            give_up(d);
            return false;
        }
    }
}

/*
 * A file to the kernel: free its blocks, then close it, whatever came of that. Not if it has another
 * name: then it is not ours alone.
 */
static void hand_over(struct io_dropper *d, int fd)
{
    unsigned place = (unsigned)__builtin_ctz(d->free);
    struct stat st;

    if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_nlink > 0 || st.st_size == 0 ||
        io_uring_register_files_update(&d->ring, place, &fd, 1) != 1)
        return;
    struct io_uring_sqe *sqe = io_uring_get_sqe(&d->ring); /* there are two for each place */
    io_uring_prep_fallocate(sqe, (int)place, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                            st.st_size);
    io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE | IOSQE_IO_HARDLINK | IOSQE_ASYNC);
    io_uring_sqe_set_data64(sqe, DROP_FILES);
    sqe = io_uring_get_sqe(&d->ring);
    io_uring_prep_close_direct(sqe, place);
    io_uring_sqe_set_data64(sqe, place);
    d->free &= ~(1u << place);
    if (is_refused(io_uring_submit(&d->ring)))
        give_up(d);
}

void io_drop(struct io_dropper *d, int dir, const char *name)
{
    int fd = -1;
    bool is_ours = !au32_xchg_acq_rel(&d->busy, 1);

    if (is_ours && start(d) && wait_for(d, ALL, false))
        fd = openat(dir, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    (void)unlinkat(dir, name, 0);
    if (fd >= 0) {
        hand_over(d, fd);
        close(fd);
    }
    if (is_ours)
        au32_store_release(&d->busy, 0);
}

bool io_drop_wait(struct io_dropper *d)
{
    bool was_any;

    if (au32_xchg_acq_rel(&d->busy, 1)) /* another thread is at it */
        return false;
    was_any = d->is_up && d->free != ALL;
    if (was_any)
        (void)wait_for(d, ALL, true);
    au32_store_release(&d->busy, 0);
    return was_any;
}

void io_drop_end(struct io_dropper *d)
{
    (void)io_drop_wait(d);
    if (d->is_up)
        io_uring_queue_exit(&d->ring);
    d->is_up = false;
}
