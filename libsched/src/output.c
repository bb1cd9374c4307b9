/* SPDX-License-Identifier: MIT */
/*
 * output.c -- what workers print reaches a descriptor of the driver's, line by line.
 *
 *     worker --pipe--> supervisor --> options.output_fd      "(kernel pid=123) the line"
 *
 * Each worker has a pipe for its standard output and error, made anew with each worker, so that
 * what a dead one left unfinished is never joined with its successor's. The supervisor reads them,
 * all in one epoll descriptor that it polls with its others; it wakes up for nothing else.
 *
 *   Lines    end with \n or \r. One longer than LINE_BYTES comes in pieces, all but the last with
 *            a backslash at the end. What a worker had not finished when it ended is told then.
 *            Bytes that would disturb a terminal are told as \xNN; colours (ESC [) pass.
 *   Kernel   the one that printed the end of the line. A worker that leaves a kernel (it ended, or
 *            waits and runs another task) while something is unread in its pipe, or just being read
 *            (O1: seat.reading), adds a mark that names it: what stands before a mark is of that
 *            kernel. What no mark follows was printed by the kernel that still runs: drain().
 *   Folding  a line that was told less than FOLD_NS ago is counted instead, whichever worker it
 *            comes from, and told once when the time is over: "... [repeated 7x]".
 *
 * Who waits for whom: a worker waits for the supervisor alone (its pipe is full), which reads
 * whatever happens. The supervisor waits for nobody: it writes without blocking; what the
 * descriptor does not take (its reader is stopped, or slow) is kept up to PENDING_BYTES; lines
 * beyond are dropped, counted, and their number is told as soon as there is room. To write without
 * blocking it needs a file description of its own, for O_NONBLOCK is a property of that and the
 * driver's must stay as it is: pipes and terminals are opened again through /proc/self/fd, sockets
 * know MSG_DONTWAIT, files never block. Where that open fails, poll() is asked before each write.
 *
 * Deaths: of a worker, see above. Of the supervisor: its workers die with it; what was pending is
 * lost, the next supervisor makes new pipes. Of the driver: the rest is written if it can be.
 */
#define _GNU_SOURCE
#include "output.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define LINE_BYTES 4096u
#define PENDING_BYTES (1u << 18)
#define FOLDS 32u
#define FOLD_BYTES 480u /* longer lines are not folded */
#define FOLD_NS (1000 * NS_PER_MS)
#define FINISH_MS 200     /* patience with the descriptor at the very end */
#define PIPE_BYTES 65536u /* one read empties a pipe, so that a mark is never cut */
#define READ_ROUNDS 16    /* of a pipe, before the others have their turn */
#define MARK_BYTES 6u     /* 0, 1, 'k', the kernel's number in two bytes, 0 */
#define FOR_OUT UINT32_MAX

enum out_kind { OUT_WRITE, OUT_SEND, OUT_ASK };

struct stream { /* of one seat */
    int fd;     /* -1: none */
    pid_t pid;
    uint32_t size;
    bool after_cr;
    char line[LINE_BYTES];
};

struct fold {
    int64_t since; /* 0: empty */
    uint32_t count, size;
    pid_t pid;
    char kernel[NAME_BYTES];
    char text[FOLD_BYTES];
};

struct output {
    struct wsched *p;
    int epoll, out;
    enum out_kind kind;
    bool is_gone;    /* nobody reads it any more */
    bool is_waiting; /* for room in `out`, in epoll */
    uint64_t dropped;
    uint32_t pending_size;
    struct fold folds[FOLDS];
    struct stream streams[SEATS_MAX];
    char pending[PENDING_BYTES];
    char bytes[2 * PIPE_BYTES]; /* what was read and is nobody's yet */
};

/* ---- to the descriptor --------------------------------------------------------------------- */

static ssize_t write_some(const struct output *o)
{
    if (o->kind == OUT_SEND)
        return send(o->out, o->pending, o->pending_size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (o->kind == OUT_WRITE)
        return write(o->out, o->pending, o->pending_size);
    struct pollfd f = { o->out, POLLOUT, 0 };
    if (poll(&f, 1, 0) <= 0 || !(f.revents & (POLLOUT | POLLERR))) {
        errno = EAGAIN;
        return -1;
    }
    return write(o->out, o->pending, o->pending_size < 512 ? o->pending_size : 512);
}

/* Be called again when there is room; a file that epoll does not take is never full. */
static void wait_for_room(struct output *o, bool wanted)
{
    struct epoll_event e = { .events = EPOLLOUT, .data = { .u32 = FOR_OUT } };

    if (o->is_waiting != wanted &&
        !epoll_ctl(o->epoll, wanted ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, o->out, &e))
        o->is_waiting = wanted;
}

static void flush_pending(struct output *o)
{
    while (o->pending_size && !o->is_gone) {
        ssize_t n = write_some(o);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN && errno != ENOBUFS)
            o->is_gone = true;
        if (n <= 0)
            break;
        o->pending_size -= (uint32_t)n;
        memmove(o->pending, o->pending + n, o->pending_size);
    }
    if (o->is_gone)
        o->pending_size = 0;
    wait_for_room(o, o->pending_size > 0);
}

static void put(struct output *o, const char *text, uint32_t size)
{
    memcpy(o->pending + o->pending_size, text, size);
    o->pending_size += size;
}

/* A whole line or none of it. */
static void put_line(struct output *o, const char *kernel, pid_t pid, const char *text,
                     uint32_t size, const char *remark)
{
    char prefix[NAME_BYTES + 32], note[64];
    int n =
        snprintf(prefix, sizeof prefix, "(%s pid=%d) ", kernel[0] ? kernel : "worker", (int)pid);
    uint32_t needed = (uint32_t)n + size + (uint32_t)strlen(remark) + 1;

    if (o->pending_size + needed + sizeof note > PENDING_BYTES)
        flush_pending(o);
    if (o->pending_size + needed + sizeof note > PENDING_BYTES) {
        o->dropped++;
        return;
    }
    if (o->dropped) {
        int m = snprintf(note, sizeof note, "(%llu lines of output were dropped)\n",
                         (unsigned long long)o->dropped);
        put(o, note, (uint32_t)m);
        o->dropped = 0;
    }
    put(o, prefix, (uint32_t)n);
    put(o, text, size);
    put(o, remark, (uint32_t)strlen(remark));
    put(o, "\n", 1);
}

/* ---- folding ------------------------------------------------------------------------------- */

static void fold_tell(struct output *o, struct fold *f)
{
    char remark[40];

    snprintf(remark, sizeof remark, " [repeated %ux]", f->count);
    if (f->count)
        put_line(o, f->kernel, f->pid, f->text, f->size, remark);
    f->count = 0;
}

/* Its time is over: if it came again, so it may once more. */
static void fold_expire(struct output *o, int64_t now)
{
    for (uint32_t i = 0; i < FOLDS; i++) {
        struct fold *f = &o->folds[i];
        if (!f->since || now - f->since < FOLD_NS)
            continue;
        f->since = f->count ? now : 0;
        fold_tell(o, f);
    }
}

/* True: it was counted, and is not to be told now. */
static bool fold_take(struct output *o, const char *kernel, pid_t pid, const char *text,
                      uint32_t size)
{
    struct fold *oldest = &o->folds[0];
    int64_t now = monotonic_ns();

    fold_expire(o, now);
    if (size > FOLD_BYTES)
        return false;
    for (uint32_t i = 0; i < FOLDS; i++) {
        struct fold *f = &o->folds[i];
        if (f->since && f->size == size && !memcmp(f->text, text, size) &&
            !strcmp(f->kernel, kernel)) {
            f->count++;
            f->pid = pid;
            return true;
        }
        oldest = f->since < oldest->since ? f : oldest;
    }
    fold_tell(o, oldest);
    oldest->since = now;
    oldest->pid = pid;
    oldest->size = size;
    snprintf(oldest->kernel, sizeof oldest->kernel, "%s", kernel);
    memcpy(oldest->text, text, size);
    return false;
}

/* ---- from a worker ------------------------------------------------------------------------- */

/* The kernel that the seat's worker runs now, else the last one. */
static uint32_t kernel_now(const struct output *o, uint32_t seat)
{
    const struct wsched *p = o->p;
    uint32_t depth = au32_load_acquire(&p->seats[seat].depth); /* W1 */
    uint32_t kernel = UINT32_MAX;

    if (depth && depth <= DEPTH_MAX) {
        uint64_t entry =
            au64_load_relaxed(&p->seats[seat].running[depth - 1]); /* relaxed: a name */
        uint32_t index = (uint32_t)(entry & 0x1fffff) - 1;
        if (index < p->task_count)
            kernel = task_kernel(task_at(p, index));
    } else {
        kernel = event_last_kernel(p, seat);
    }
    return kernel;
}

static bool is_plain(const char *text, uint32_t i, uint32_t size)
{
    unsigned char c = (unsigned char)text[i];

    return (c >= 0x20 && c != 0x7f) || c == '\t' ||
           (c == 0x1b && i + 1 < size && text[i + 1] == '[');
}

/* The line that a seat has gathered; `remark` says why it ends here, if not with a newline. */
static void end_line(struct output *o, uint32_t seat, uint32_t of, const char *remark)
{
    struct stream *s = &o->streams[seat];
    const char *name = wsched_kernel_name(o->p, of), *kernel = name ? name : "";
    char text[4 * LINE_BYTES];
    uint32_t n = 0;

    for (uint32_t i = 0; i < s->size; i++)
        if (is_plain(s->line, i, s->size))
            text[n++] = s->line[i];
        else
            n +=
                (uint32_t)snprintf(text + n, sizeof text - n, "\\x%02x", (unsigned char)s->line[i]);
    s->size = 0;
    if (remark[0] || !fold_take(o, kernel, s->pid, text, n))
        put_line(o, kernel, s->pid, text, n, remark);
}

static void take_bytes(struct output *o, uint32_t seat, uint32_t kernel, const char *bytes,
                       size_t n)
{
    struct stream *s = &o->streams[seat];

    for (size_t i = 0; i < n; i++) {
        bool is_end = bytes[i] == '\n' || bytes[i] == '\r';
        if (bytes[i] == '\n' && s->after_cr) { /* the second half of \r\n */
            s->after_cr = false;
            continue;
        }
        s->after_cr = bytes[i] == '\r';
        if (!is_end && s->size == LINE_BYTES)
            end_line(o, seat, kernel, "\\");
        if (is_end)
            end_line(o, seat, kernel, "");
        else
            s->line[s->size++] = bytes[i];
    }
}

/* The first mark from `at` on; n: none. */
static size_t find_mark(const char *bytes, size_t at, size_t n)
{
    for (; at + MARK_BYTES <= n; at++) {
        const char *zero = memchr(bytes + at, 0, n - MARK_BYTES - at + 1);
        if (!zero)
            break;
        at = (size_t)(zero - bytes);
        if (zero[1] == 1 && zero[2] == 'k' && zero[5] == 0)
            return at;
    }
    return n;
}

/* What stands before a mark belongs to the kernel that it names. Returns how much that was. */
static size_t take_marked(struct output *o, uint32_t seat, const char *bytes, size_t n)
{
    size_t at = 0;

    for (size_t mark = find_mark(bytes, 0, n); mark < n; mark = find_mark(bytes, at, n)) {
        take_bytes(o, seat,
                   (uint32_t)(unsigned char)bytes[mark + 3] << 8 | (unsigned char)bytes[mark + 4],
                   bytes + at, mark - at);
        at = mark + MARK_BYTES;
    }
    return at;
}

/*
 * What is in the pipe. False: all ends of it are closed. What no mark follows is kept until the
 * pipe is empty. It then belongs to the kernel that ran just before that was seen: had another
 * printed it, that one's mark, written as it ended, for we were reading (O1), would have been
 * there.
 */
static bool drain(struct output *o, uint32_t seat)
{
    struct stream *s = &o->streams[seat];
    struct au32 *reading = &o->p->seats[seat].reading;
    uint32_t kernel = UINT32_MAX;
    bool is_open = true;
    size_t size = 0;

    au32_store_relaxed(reading, 1);
    atomic_thread_fence(memory_order_seq_cst); /* O1: pairs with output_mark() */
    for (int i = 0; i < READ_ROUNDS && s->fd >= 0 && size < PIPE_BYTES; i++) {
        kernel = kernel_now(o, seat);
        ssize_t n = read(s->fd, o->bytes + size, PIPE_BYTES);
        if (n < 0 && errno == EINTR)
            continue;
        is_open = n != 0;
        if (n <= 0)
            break;
        size += (size_t)n;
        size_t taken = take_marked(o, seat, o->bytes, size);
        size -= taken;
        memmove(o->bytes, o->bytes + taken, size);
    }
    take_bytes(o, seat, kernel, o->bytes, size);
    au32_store_release(reading, 0);
    return is_open;
}

static void drop_stream(struct output *o, uint32_t seat)
{
    /* A worker that was just forked may hold a copy still: closing alone would not take it out. */
    epoll_ctl(o->epoll, EPOLL_CTL_DEL, o->streams[seat].fd, NULL);
    close(o->streams[seat].fd);
    o->streams[seat].fd = -1;
}

void output_ended(struct output *o, uint32_t seat, bool is_death)
{
    if (!o || o->streams[seat].fd < 0)
        return;
    drain(o, seat);
    if (o->streams[seat].size)
        end_line(o, seat, kernel_now(o, seat), is_death ? " [its worker died]" : "");
    drop_stream(o, seat);
    flush_pending(o);
}

/* ---- the supervisor's ---------------------------------------------------------------------- */

static int open_out(struct output *o, int fd)
{
    struct stat st;
    char path[40];

    if (fstat(fd, &st))
        return -errno;
    o->out = fd;
    o->kind = S_ISSOCK(st.st_mode) ? OUT_SEND : OUT_WRITE;
    if (!S_ISFIFO(st.st_mode) && !S_ISCHR(st.st_mode))
        return 0;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int own = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    o->kind = own < 0 ? OUT_ASK : OUT_WRITE;
    o->out = own < 0 ? fd : own;
    return 0;
}

int output_begin(struct wsched *p, struct output **out)
{
    *out = NULL;
    if (!p->options.output_fd)
        return 0;
    struct output *o =
        mmap(NULL, sizeof *o, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (o == MAP_FAILED)
        return -ENOMEM;
    o->p = p;
    for (uint32_t i = 0; i < SEATS_MAX; i++)
        o->streams[i].fd = -1;
    int err = open_out(o, p->options.output_fd);
    o->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!err && o->epoll < 0)
        err = -errno;
    *out = err ? NULL : o;
    return err; /* the process ends then */
}

int output_descriptor(const struct output *o)
{
    return o ? o->epoll : -1;
}

int output_timeout_ms(const struct output *o)
{
    int64_t next = INT64_MAX, now = o ? monotonic_ns() : 0;

    for (uint32_t i = 0; o && i < FOLDS; i++)
        if (o->folds[i].since && o->folds[i].count && o->folds[i].since + FOLD_NS < next)
            next = o->folds[i].since + FOLD_NS;
    return next == INT64_MAX ? -1 : next <= now ? 0 : (int)((next - now) / NS_PER_MS) + 1;
}

void output_serve(struct output *o)
{
    struct epoll_event events[64];

    if (!o)
        return;
    int n = epoll_wait(o->epoll, events, 64, 0);
    for (int i = 0; i < n; i++) {
        uint32_t seat = events[i].data.u32;
        if (seat != FOR_OUT && o->streams[seat].fd >= 0 && !drain(o, seat))
            /* It is dying, or has closed them itself: output_ended() will tell which. */
            epoll_ctl(o->epoll, EPOLL_CTL_DEL, o->streams[seat].fd, NULL);
    }
    fold_expire(o, monotonic_ns());
    flush_pending(o);
}

int output_pipe(struct output *o, uint32_t seat, int *fd)
{
    int ends[2];

    *fd = -1;
    if (!o)
        return 0;
    if (pipe2(ends, O_CLOEXEC))
        return -errno;
    struct epoll_event e = { .events = EPOLLIN, .data = { .u32 = seat } };
    if (fcntl(ends[0], F_SETFL, O_NONBLOCK) || epoll_ctl(o->epoll, EPOLL_CTL_ADD, ends[0], &e)) {
        int err = -errno;
        close(ends[0]);
        close(ends[1]);
        return err;
    }
    o->streams[seat].fd = ends[0];
    o->streams[seat].size = 0;
    o->streams[seat].after_cr = false;
    *fd = ends[1];
    return 0;
}

void output_forked(struct output *o, uint32_t seat, int fd, pid_t pid)
{
    if (!o)
        return;
    close(fd);
    o->streams[seat].pid = pid;
    if (pid < 0)
        drop_stream(o, seat);
}

void output_finish(struct output *o)
{
    if (!o)
        return;
    for (uint32_t i = 0; i < SEATS_MAX; i++)
        output_ended(o, i, false);
    for (uint32_t i = 0; i < FOLDS; i++)
        fold_tell(o, &o->folds[i]);
    int64_t deadline = monotonic_ns() + FINISH_MS * NS_PER_MS;
    flush_pending(o);
    while (o->pending_size && monotonic_ns() < deadline) {
        struct pollfd f = { o->out, POLLOUT, 0 };
        poll(&f, 1, (int)((deadline - monotonic_ns()) / NS_PER_MS) + 1);
        flush_pending(o);
    }
}

/* ---- the worker's -------------------------------------------------------------------------- */

static int mark_fd = -1; /* a process has one worker in it */

void output_child(struct output *o, int fd)
{
    if (!o)
        return;
    for (uint32_t i = 0; i < SEATS_MAX; i++) /* the others' */
        if (o->streams[i].fd >= 0)
            close(o->streams[i].fd);
    close(o->epoll);
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
    mark_fd = fd;     /* kept: a kernel may send its standard output elsewhere */
    __fpurge(stdout); /* what the driver had not flushed when it forked is the driver's */
    setvbuf(stdout, NULL, _IOLBF, 0);
}

void output_mark(const struct wsched *p, uint32_t kernel)
{
    const char mark[MARK_BYTES] = { 0, 1, 'k', (char)(kernel >> 8), (char)kernel, 0 };
    int unread = 0;

    atomic_thread_fence(memory_order_seq_cst); /* O1: pairs with drain() */
    bool is_read = au32_load_acquire(&p->seats[p->seat].reading);
    if (is_read || (!ioctl(mark_fd, FIONREAD, &unread) && unread > 0))
        while (write(mark_fd, mark, sizeof mark) < 0 && errno == EINTR)
            ;
}

void output_child_end(const struct output *o)
{
    if (o)
        fflush(stdout);
}
