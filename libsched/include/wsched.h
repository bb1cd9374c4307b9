/* SPDX-License-Identifier: MIT */
/*
 * wsched.h -- tasks for worker processes: submit, wait, take the result.
 *
 *     driver:   open (starts workers) -> submit -> wait -> result -> release -> close
 *     worker:   runs kernels: C functions that were registered by name
 *
 * A pool is a piece of shared memory. Workers are processes that steal work from each
 * other; a task is a kernel and a few payload bytes, no pointers. There is no server
 * and no socket.
 *
 * Errors    0, or a negative errno value; a call that fails changes nothing and leaves
 *           its output arguments as they were. wsched_strerror() says each in words.
 * Timeouts  In milliseconds. 0: do not wait; -1: for ever; what is below that is -EINVAL.
 * Threads   One struct wsched serves all threads of the driver. In a worker only the
 *           thread that runs the kernel may call.
 * Fork      A handle belongs to the process that opened it: in a child every call on
 *           it answers -ECHILD. Workers are forked by a small process of the library,
 *           which is forked in wsched_open(), and again, from the thread that notices,
 *           should it ever be killed. A kernel finds the driver's memory as it was
 *           then: locks that other threads held at that moment stay locked.
 * Crashes   A worker may die at any instruction: what it was running is run again
 *           elsewhere up to max_retries times, then fails with the true cause; what
 *           was queued is not lost; each task completes exactly once. A worker that
 *           died is replaced. What the dead attempt had submitted is cancelled. When
 *           the driver dies its workers leave by themselves.
 * Signals   Workers ignore SIGINT, so that on Ctrl-C the driver decides. Handlers of
 *           the driver do not act in them, but for those of faults. A wait goes on when a
 *           handler has run: who wants to be able to leave one waits in pieces, with a
 *           timeout. A worker ends by
 *           _exit(): kernels flush what they write to stdio streams (with output_fd,
 *           standard output is line-buffered).
 * Policy    A worker that sleeps amid a flow of short tasks does so as SCHED_BATCH, not to
 *           drive away who wakes it, and else as SCHED_OTHER; as which it slept it goes on,
 *           until it sleeps again. One that has any other policy keeps it.
 */
#ifndef WSCHED_H
#define WSCHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WSCHED_VERSION_MAJOR 0
#define WSCHED_VERSION_MINOR 1
#define WSCHED_VERSION_PATCH 0

#define WSCHED_API __attribute__((visibility("default")))
#define WSCHED_CHECKED __attribute__((visibility("default"), warn_unused_result))

/* ---- types ---------------------------------------------------------------------- */

struct wsched;      /* opaque: one process's attachment to a pool */
struct wsched_task; /* opaque: the task that a kernel is running */

/* One submitted task; plain bytes that may be passed to other processes of the pool. */
struct wsched_future {
    uint64_t v;
};

/* An actor, see below; plain bytes like a future. All zero: none. */
struct wsched_actor {
    uint64_t v;
};

/*
 * A kernel runs in a worker. It returns 0, or a negative errno value that fails the
 * task with it (-ECANCELED after a wsched_cancel(): the task counts as cancelled).
 * `ctx` is the registration's, as it was in the process that opened the pool when its
 * workers were forked.
 */
typedef int (*wsched_fn)(struct wsched_task *task, void *ctx);

#define WSCHED_KERNEL_NAME_MAX 31
struct wsched_kernel {
    const char *name; /* 1 .. WSCHED_KERNEL_NAME_MAX bytes, unique in the pool */
    wsched_fn fn;
    void *ctx;
};

/*
 * Something of which there is a number in the pool, and of which tasks may need some. A task that
 * needs any starts when it holds all of it, for as long as it runs; it is parked until then, in the
 * order of submission, so that those that need much do not starve. It keeps them while it waits
 * inside its kernel, so it must not wait for others that need the same.
 */
struct wsched_resource {
    const char *name; /* 1 .. 31 bytes */
    uint32_t count;   /* 1 .. 65,535 */
};

/* Zero is the default of every field. */
struct wsched_options {
    uint32_t struct_size; /* sizeof(struct wsched_options): old callers meet new libraries */
    uint32_t workers;       /* 0: as many as affinity and cgroup allow: wsched_cpus(); to 256 */
    uint32_t task_capacity; /* tasks that may exist at once, at least; 0: 65,536; to 1,000,000 */
    uint32_t payload_max;   /* bytes; 0: 64; to 1 MiB */
    uint32_t result_max;    /* bytes; 0: 64; to 1 MiB */
    uint32_t event_capacity; /* events kept per worker for the timeline; 0: 65,536 */
    uint32_t guests;         /* handles that may join at once; 0: 16; to 64 */
    uint32_t actors;         /* that may live at once; 0: 16; to 128 */
    /* Called in each worker before its first task (non-zero: it does not start) and in its
     * orderly end; may be NULL. */
    int (*worker_start)(void *ctx);
    void (*worker_stop)(void *ctx);
    void *worker_ctx;
    /*
     * 0: workers share the standard output and error of the process that opened the pool. Else a
     * descriptor (2, a file, the end of a pipe), to be kept open as long as the pool, that gets
     * what workers print, line by line: "(kernel pid=123) text". A line that comes again within
     * a second is counted, and told once: "(kernel pid=123) text [repeated 7x]". Workers never
     * wait for whoever reads it: beyond 256 KiB that are not read, lines are dropped, and their
     * number is told. A line of over 4,096 bytes comes in pieces, which end in a backslash. The
     * process between driver and workers reads and writes all this: there is no thread for it.
     */
    int32_t output_fd;
    uint32_t resource_count; /* to 7 */
    const struct wsched_resource *resources; /* besides "cpu", of which there are `workers`; copied */
    /*
     * NULL: the pool's memory has no name, and nothing is left of it whatever dies. Else (kept by
     * pointer) it is the file /dev/shm/wsched-<uid>/<name>, or the path if there is a '/' in it, by
     * which others look at the pool: wsched_look(). wsched_close() removes it. When all processes
     * of the pool die it stays, to be looked at, until the next pool of that name replaces it.
     */
    const char *name;
    /* 0: no limit; else bytes, from 1 MiB. A worker or an actor is killed that holds more private
     * memory, beyond what it was forked with: resident anonymous pages (RssAnon of proc(5)), not shared
     * mappings or files. Looked at after each 10 ms of its CPU time, in which it may touch some 100 MiB
     * more; idle costs nothing. What it ran runs again, as after any death, and at last fails with
     * -ENOMEM. A task may pay for what those before it left. */
    uint64_t worker_memory_max;
    uint32_t streams; /* tasks with spec.stream that may exist at once; 0: 16; to 256 */
    uint32_t reserved;
};
#define WSCHED_OPTIONS_INIT { sizeof(struct wsched_options), 0, 0, 0, 0, 0, 0, 0, NULL, NULL, NULL, 0, 0, NULL, NULL, 0, 0, 0 }

enum wsched_submit_flag {
    WSCHED_NO_WAIT = 1u << 0, /* -EAGAIN instead of waiting when the pool is full */
    WSCHED_KILL_LATE = 1u << 1, /* a kernel that still runs grace_ms after the deadline is killed */
    WSCHED_RETRY_ERRORS = 1u << 2, /* max_retries counts also after errors of the kernel */
};

/*
 * Higher ones start first, in order; one time in 61 the others have precedence, so that none starves.
 * A task lends its priority to those that it waits for inside its kernel, or is to follow.
 */
enum wsched_priority {
    WSCHED_PRIORITY_LOW = -1,
    WSCHED_PRIORITY_NORMAL = 0,
    WSCHED_PRIORITY_HIGH = 1,
};

#define WSCHED_RETRIES_DEFAULT 3
#define WSCHED_RETRIES_MAX 249
struct wsched_spec {
    const char *kernel;
    const void *payload; /* copied */
    uint32_t payload_size;
    int32_t max_retries; /* runs again after a worker's death; 0: 3 times; -1: never; to WSCHED_RETRIES_MAX */
    const struct wsched_future *after; /* starts when these are done; fails when one fails */
    uint32_t after_count;
    uint32_t flags;     /* enum wsched_submit_flag */
    const char *label;  /* shown in timelines and failures, up to 31 bytes kept; may be NULL */
    /* From now, up to 24 days; 0: none. If it is not over by then it fails with -ETIMEDOUT: one that has
     * not started never runs, one that runs is asked to stop (and is done if it ends well all the same). */
    uint32_t deadline_ms;
    int32_t priority;  /* enum wsched_priority */
    uint32_t grace_ms; /* with WSCHED_KILL_LATE: as of wsched_kill() */
    /* CPU slots: of tasks that ask for some, so many run at once as the pool has workers; those that
     * ask for none are not counted. Not for calls of actors. */
    uint32_t cpus;
    uint32_t resource_count;
    const struct wsched_resource *resources; /* more than there is: -EINVAL */
    /* Not zero: a call of this actor. Then max_retries 0 means: never run again. */
    struct wsched_actor actor;
    uint32_t stream; /* a stream, below: so many items may wait; to 1,024, or 64 MiB of result_max */
};

/* ---- a pool ------------------------------------------------------------------------ */

/*
 * Make a pool and start its workers, which are forked from here and know `kernels` (kept
 * by pointer: static data). Call it early: a worker inherits the memory of the process
 * as it is now. `opts` may be NULL. The caller owns *out: wsched_close() it.
 * The first worker is there when this returns, the others come while the caller goes on; one that
 * cannot be forked is tried again, as if it had died.
 *   -EINVAL  bad option or kernel table    -ENOMEM, -EAGAIN (fork), -EMFILE
 *   -EBADF   output_fd is not open        -EEXIST  a pool of that name lives; or the file is no pool
 *   and, with a name, those of open(2) and link(2); -EPERM: /dev/shm/wsched-<uid> is not ours
 *   -E2BIG   options of a newer version with something set that this one does not know
 */
WSCHED_CHECKED int wsched_open(const struct wsched_options *opts, const struct wsched_kernel *kernels,
                               size_t kernel_count, struct wsched **out);
/* Of a guest: leave the pool (wsched_join()). Of an observer: unmap it. Of the driver:
 * Stop: no more tasks start, kernels see wsched_task_cancelled(), workers end (those that do not
 * within a second are killed), everything is given back. NULL is allowed. No other thread may
 * be inside a call on it. */
WSCHED_API void wsched_close(struct wsched *pool);
/* CPUs this process may use: affinity and cgroup v1/v2 quota, at least 1. */
WSCHED_API uint32_t wsched_cpus(void);
/* Workers the pool keeps alive. */
WSCHED_API uint32_t wsched_workers(const struct wsched *pool);

/* ---- guests --------------------------------------------------------------------------- */

enum wsched_join_flag {
    WSCHED_DETACHED = 1u << 0, /* what it submitted runs to its end without it */
};

/* Zero is the default of every field. */
struct wsched_join_options {
    uint32_t struct_size; /* sizeof(struct wsched_join_options): as above */
    uint32_t flags;       /* enum wsched_join_flag */
    uint32_t reserved[2];
};
#define WSCHED_JOIN_OPTIONS_INIT { sizeof(struct wsched_join_options), 0, { 0, 0 } }

/*
 * Become a guest of a pool that another process opened: submit, wait, take results, cancel and
 * release as its driver does, also for futures that came from other processes. `where` is a name or
 * a path (wsched_options.name), or the pid of one of its processes, as for wsched_look(). Nothing is
 * shared with the pool but its memory, which may be mapped anywhere. A handle is one guest; its
 * threads may all call. A process may have several.
 *
 * Futures belong to the guest that submitted, or adopted, them. When it leaves (wsched_close()), or
 * dies, they are given back; tasks that are not over are cancelled, with WSCHED_DETACHED they run
 * to their end. The supervisor of the pool learns of a guest's death at once. When the pool ends,
 * calls answer -ESHUTDOWN, also those that sleep; results that are there can still be taken.
 *
 * Without kernels (NULL, 0) it is a client only. With them they must be the pool's, by name, in
 * any order. The caller owns *out: wsched_close() it. `opts` may be NULL.
 *   -EINVAL  no name, bad option or kernel table   -E2BIG   as wsched_open()
 *   -ENOENT  no such pool           -EPROTO  not a pool, one of another layout version, or other kernels
 *   -EUSERS  all its seats for guests are taken    -EBADMSG  its header is damaged
 *   -ESHUTDOWN  it is closing, or its driver is dead
 *   -EXDEV   it lives in another PID namespace: neither would know when the other dies
 *   -ENOMEM, -EMFILE, -EPERM (another user's) and those of open(2) and mmap(2)
 */
WSCHED_CHECKED int wsched_join(const char *where, const struct wsched_kernel *kernels,
                               size_t kernel_count, const struct wsched_join_options *opts,
                               struct wsched **out);
/* Take over a future that came from another process, while that still has it: it belongs to this
 * handle from here on, whatever becomes of the other. -EINVAL: a future of no task, or one that
 * goes with its owner at this moment. */
WSCHED_CHECKED int wsched_adopt(struct wsched *pool, struct wsched_future future);

/*
 * Be a worker: the calling thread runs and steals the pool's tasks, beside those of the crew and
 * other guests, until wsched_leave() is asked for (0), there was nothing to run for `timeout_ms`
 * (-ETIMEDOUT; 0: at once, -1: never), or the pool ends (-ESHUTDOWN). Meanwhile only its kernels
 * use the handle, and wsched_leave(). Several threads, each with a handle of its own, may work. What
 * the process inherits and prints is its own affair: worker_start, output_fd and replacement after a
 * death are the crew's. If it dies, what it ran runs again elsewhere, as with any worker. A task it
 * runs that is to be stopped by force is only asked to. Streams that it began and that wait for their
 * takers are served to their end before it returns; but with a timeout of 0 they go on in the next call,
 * and wsched_close() has them run elsewhere, as if it had died: their waits answer -ESHUTDOWN.
 *   -EINVAL  not a guest, or one without kernels; a bad timeout    -EDEADLK  inside a kernel
 */
WSCHED_CHECKED int wsched_work(struct wsched *pool, int timeout_ms);
/* Ask the thread in wsched_work() on this handle, or that comes there next, to return after its
 * task; from any thread, or a signal handler. -EINVAL: not a guest */
WSCHED_API int wsched_leave(struct wsched *pool);

/*
 * Plug-ins: a shared library whose kernels `sched worker` and `sched serve` run exports them as
 *
 *     const struct wsched_kernel wsched_plugin_kernels[] = { { "name", fn, ctx }, ..., { NULL, NULL, NULL } };
 *
 * It calls the library of the process that loads it: link it without -lwsched.
 */
#define WSCHED_PLUGIN_SYMBOL "wsched_plugin_kernels"

/* ---- tasks ------------------------------------------------------------------------- */

/*
 * Queue a task; *out is its future, to be given back with wsched_release().
 * Inside a kernel, submit to wsched_task_pool(): such tasks go to the worker's own deque.
 *   -ENOENT  no such kernel             -E2BIG   payload over payload_max
 *   -EAGAIN  full, with WSCHED_NO_WAIT  -EINVAL  a dead future in `after`, a bad value
 *   -ESHUTDOWN  the pool cannot run anything any more
 *   -EPERM   in a job that was stolen (fork and join, below)
 * A pool is full of tasks that are not over, or whose futures were not given back, of streams
 * among them, or of dependencies on such tasks (room for 48 a task of the capacity). Inside a kernel a full pool is not waited for but helped along: -EAGAIN if there is nothing to run.
 */
WSCHED_CHECKED int wsched_submit(struct wsched *pool, const struct wsched_spec *spec,
                                 struct wsched_future *out);
/* As n submissions, but with one wake: returns how many were accepted (all, unless
 * WSCHED_NO_WAIT), or an error if the first was not. */
WSCHED_CHECKED int wsched_submit_many(struct wsched *pool, const struct wsched_spec *specs, size_t n,
                                      struct wsched_future *out);
/*
 * Wait until `need` of the n futures are done (finished, failed or cancelled), up to
 * `timeout_ms` (0: only look, -1: for ever). Sets done[i] for each (may be NULL). Inside
 * a kernel the waiting worker runs other tasks meanwhile. Each call looks at all n: who takes
 * thousands one after another as they come uses a set, below. Returns how many are done
 * (>= need), or
 *   -ETIMEDOUT  not in time; done is filled    -EINVAL  a future of no task, need > n, a bad timeout
 *   -EDEADLK    inside a kernel: for a task that was submitted before this kernel started and
 *               is not over. It might wait for us; name it in `after` instead. Or nested over
 *               1,000 deep.
 *   -ESHUTDOWN  the pool cannot run anything any more
 */
WSCHED_CHECKED int wsched_wait(struct wsched *pool, const struct wsched_future *futures, size_t n,
                               size_t need, int timeout_ms, bool *done);
/*
 * A set of futures, for who takes results in the order they come: a wait costs what became ready,
 * not what is in the set. Private memory of the process that made it, for one thread at a time; it
 * holds futures, which stay the caller's, and may live as long as the pool's handle does.
 *   -ENOMEM
 */
struct wsched_set;
WSCHED_CHECKED int wsched_set_new(struct wsched *pool, struct wsched_set **out);
/* Futures that are not to be given back while they are in it. -EINVAL: one is of no task; -ENOMEM */
WSCHED_CHECKED int wsched_set_add(struct wsched_set *set, const struct wsched_future *futures,
                                  size_t n);
/* How many are in it. */
WSCHED_API size_t wsched_set_size(const struct wsched_set *set);
/*
 * Take up to `cap` futures out of the set that are done, into out[], waiting as wsched_wait() for
 * the first of them. Returns how many, 0 if the set is empty; or -EINVAL (cap is 0, nowhere to write
 * to, a bad timeout), and what wsched_wait() answers.
 */
WSCHED_CHECKED int wsched_set_wait(struct wsched_set *set, int timeout_ms,
                                   struct wsched_future *out, size_t cap);
/* The set, not its futures. NULL is allowed. */
WSCHED_API void wsched_set_free(struct wsched_set *set);

/*
 * The result bytes of a task that is done: copies up to `cap`, *size becomes their number.
 *   -EINPROGRESS  not done     -ECANCELED  cancelled     -EINVAL  a future of no task
 *   -EOWNERDEAD   its workers died more often than max_retries allows
 *   -ENOMEM       the same, at last because of worker_memory_max
 *   -ETIMEDOUT    it was late: deadline_ms
 *   else the kernel's own error. wsched_failure() tells more.
 */
WSCHED_CHECKED int wsched_result(struct wsched *pool, struct wsched_future future, void *buf,
                                 size_t cap, size_t *size);

struct wsched_failure {
    int error;         /* what wsched_result() answers */
    int32_t pid;       /* the worker of the last attempt */
    int32_t signal;    /* it was killed by this signal, or 0 */
    int32_t exit_code; /* it exited with this in mid-task, or -1 */
    uint32_t attempts; /* how often the task was started */
    uint32_t attempts_max;
    char kernel[WSCHED_KERNEL_NAME_MAX + 1];
    char text[192]; /* "killed by signal 9 (Killed) while running train_tree, attempt 3 of 3" */
};
/* Why a task failed or was cancelled; -ENOENT if it was not (yet). The cause is that of the task
 * itself, or of the dependency that failed: then `text` says so, and `kernel` is the one's. */
WSCHED_CHECKED int wsched_failure(struct wsched *pool, struct wsched_future future,
                                  struct wsched_failure *out);
/* Not yet started: never runs. Running: its kernel sees wsched_task_cancelled(), and is not run again
 * should its worker die. -EALREADY: done. -EINVAL: a future of no task. */
WSCHED_CHECKED int wsched_cancel(struct wsched *pool, struct wsched_future future);
/*
 * As wsched_cancel(); and if its kernel still runs `grace_ms` later, its worker is killed (by the
 * supervisor, which stops it first and looks whether it still runs this task), and the task is
 * cancelled. Only tasks on the same worker's stack suffer with it, which it ran while one of them
 * waited: they run again, and that does not count; but one with max_retries -1 fails. Returns at
 * once. -EALREADY, -EINVAL: as wsched_cancel(); grace_ms < 0.
 */
WSCHED_CHECKED int wsched_kill(struct wsched *pool, struct wsched_future future, int grace_ms);
/* Give a future back, done or not (a task that is not done still runs). It is dead from here on. */
WSCHED_API void wsched_release(struct wsched *pool, struct wsched_future future);
/* As n releases, but faster. */
WSCHED_API void wsched_release_many(struct wsched *pool, const struct wsched_future *futures,
                                    size_t n);

/* ---- inside a kernel --------------------------------------------------------------- */

WSCHED_API const void *wsched_task_payload(const struct wsched_task *task, size_t *size);
/* Set the result bytes (the last call counts). -E2BIG: over result_max. */
WSCHED_CHECKED int wsched_task_result(struct wsched_task *task, const void *data, size_t size);
WSCHED_API struct wsched *wsched_task_pool(const struct wsched_task *task);
WSCHED_API struct wsched_future wsched_task_future(const struct wsched_task *task);
/* 1 the first time, 2 after one death, ...: a key to make effects idempotent. */
WSCHED_API uint32_t wsched_task_attempt(const struct wsched_task *task);
WSCHED_API bool wsched_task_cancelled(const struct wsched_task *task);
/* Number of the worker that runs us: 0 .. workers - 1, then guests, then actors. */
WSCHED_API uint32_t wsched_task_worker(const struct wsched_task *task);

/* ---- streams ------------------------------------------------------------------------------- */

/*
 * A task with spec.stream yields many results; its future is the stream:
 *
 *     kernel:  while (...) err = wsched_yield(task, &item, sizeof item);       its result ends it
 *     taker:   while ((n = wsched_next(pool, f, &item, sizeof item, NULL, -1)) == 1) ...
 *
 * Order    As yielded. Several takers, of any process that may wait for the task, get each some.
 * Full     The kernel waits in wsched_yield() until half of its items are taken, or it is cancelled or
 *          late, its future given back, or the pool closed. It has a stack of its own, which its worker
 *          leaves in this and other waits: streams that nobody reads hold up nobody. (But calls of
 *          actors their actor. C++: not inside a handler.)
 * Once     An item is delivered once, though the kernel may run several times: the next attempt's
 *          first yields, as many as were made before, are skipped. So a kernel must yield the same
 *          items again, or begin where wsched_task_resume() says. What a process took that dies is gone.
 * End      Items can be taken also when the task has failed or was cancelled. A stream that nobody
 *          takes from does not end: wait for it with wsched_next(), not wsched_wait().
 *
 * Yield an item, up to result_max bytes, copied.
 *   -ECANCELED  asked to stop     -EPIPE  the future was given back    -E2BIG  over result_max
 *   -EPERM  with spawned jobs that are not synced (so do waits in a stream's kernel; after these ask
 *           anew for wsched_task_fork()), or in a job     -EINVAL  not a stream     -ESHUTDOWN
 *   -ENOMEM it is full, and there was no memory for a stack on which it could wait
 */
WSCHED_CHECKED int wsched_yield(struct wsched_task *task, const void *data, size_t size);
/* Before the first yield: how many items earlier attempts have yielded. The first that this yields
 * follows these; none is skipped. 0: not a stream. */
WSCHED_API uint64_t wsched_task_resume(struct wsched_task *task);
/*
 * Take the next item, waiting as wsched_wait() for it: 1, and *size its bytes (may be NULL); or 0:
 * there is none, and it is over: wsched_result() tells how. (buf may be written to in any case.)
 *   -EMSGSIZE  it has more than `cap` bytes, and stays   -EINVAL  no stream, a bad timeout
 *   -ETIMEDOUT, -ESHUTDOWN
 *   -EDEADLK   inside a kernel: none yet, and submitted before this kernel started; see wsched_wait()
 */
WSCHED_CHECKED int wsched_next(struct wsched *pool, struct wsched_future stream, void *buf,
                               size_t cap, size_t *size, int timeout_ms);

/* ---- actors ------------------------------------------------------------------------------ */

/*
 * An actor is a process of its own that keeps a state and serves calls one after the other.
 *
 *     new (the constructor kernel builds the state) -> call, call, ... -> stop
 *
 * A call is a task whose kernel runs in the actor's process: wsched_wait(), wsched_result(),
 * wsched_failure(), wsched_cancel(), labels, deadlines and dependencies are those of tasks.
 *
 * Order     Calls made by one thread are run in the order in which it made them (a call with
 *           dependencies stands in line when these are done); those of several in some order.
 * Once      A call is not run again, unless its max_retries says so: then it is, as the first, when
 *           the actor has its next process. wsched_task_attempt() tells it.
 * Deaths    An actor whose process dies gets another, up to max_restarts times, whose state is built
 *           by the constructor; soon at first, then after longer and longer pauses if it dies
 *           again and again before it is ready. The call that it ran fails with the cause, -EOWNERDEAD,
 *           or runs again; calls that wait stay as they are. When it may not be restarted, all its
 *           calls fail with the cause ("actor counter: killed by signal 9 (Killed) while running
 *           add, restart 2 of 2"), and the name is free. When the supervisor dies, all actors die.
 * Waiting   A call may submit tasks, call other actors, and wait. Meanwhile the actor runs what it
 *           waits for, if nobody else does, and nothing else: never another call. Waiting that could
 *           not end, as an actor waits for a call of itself, directly or by others who wait, is
 *           answered with -EDEADLK. At its base a call may wait for tasks older than itself.
 * Process   Forked from the pool's supervisor like a worker; worker_start and worker_stop are
 *           called in it. It holds no worker's place. Idle, it sleeps. Futures of what it submitted
 *           go with it, also at a restart: cancelled and given back, unless wsched_adopt() by another.
 */
enum wsched_actor_flag {
    WSCHED_ACTOR_WITH_CREATOR = 1u << 0, /* is killed when the process dies that made it */
};
struct wsched_actor_spec {
    const char *name;        /* 1 .. 31 bytes, of at most one actor at a time; NULL: none */
    const char *constructor; /* a kernel that is called with the payload before the first call; it
                              * keeps the state by wsched_task_set_actor_state(). If it returns an
                              * error the actor ends, and its calls fail with that. NULL: none */
    const void *payload;     /* copied */
    uint32_t payload_size;
    uint32_t mailbox_capacity; /* calls that wait for it; 0: 1,024; to 2,048 */
    int32_t max_restarts;      /* -1: any number; to 250 */
    uint32_t flags;            /* enum wsched_actor_flag */
};

/*
 * Make an actor; returns at once, calls may follow at once. In the driver and inside kernels. It
 * lives until it is stopped, or may not be restarted, or the pool is closed.
 *   -EEXIST  an actor of that name lives    -ENOENT  no such kernel    -ENOSPC  wsched_options.actors
 *   -E2BIG   payload over payload_max       -EINVAL  a bad value       -ESHUTDOWN
 */
WSCHED_CHECKED int wsched_actor_new(struct wsched *pool, const struct wsched_actor_spec *spec,
                                    struct wsched_actor *out);
/* The living actor of that name, from any process of the pool. -ENOENT: none. */
WSCHED_CHECKED int wsched_actor_find(struct wsched *pool, const char *name, struct wsched_actor *out);
/*
 * Call an actor: wsched_submit() with spec->actor set. *out is the call's future. Many calls, with
 * one wake for each actor in a row: wsched_submit_many().
 * When its mailbox is full, waits, or with WSCHED_NO_WAIT answers -EAGAIN. (A mailbox may hold as
 * many calls more as there are threads that call at the same moment, and calls that had to wait for
 * dependencies.)
 *   -EOWNERDEAD  it has ended, or was asked to    -EINVAL  no actor
 *   -EDEADLK     inside a kernel: the mailbox is full, and its actor waits for us
 *   and those of wsched_submit()
 */
WSCHED_CHECKED int wsched_actor_call(struct wsched *pool, struct wsched_actor actor,
                                     const struct wsched_spec *spec, struct wsched_future *out);

enum wsched_actor_how {
    WSCHED_ACTOR_FINISH = 1, /* takes no more calls; ends when it has served those it has */
    WSCHED_ACTOR_LEAVE,      /* ends after the call it runs; those that wait fail: -EOWNERDEAD */
    WSCHED_ACTOR_KILL,       /* is killed; all its calls fail: -EOWNERDEAD */
};
/*
 * Let it end; returns at once. From anywhere, also from its own kernels (wsched_task_actor()). One
 * that dies before it has ended is not restarted. Calls that are made in the same moment by others
 * may be accepted, and fail.
 *   -EOWNERDEAD  it has ended    -EINVAL  no actor, no such `how`    -ESHUTDOWN
 */
WSCHED_CHECKED int wsched_actor_stop(struct wsched *pool, struct wsched_actor actor, uint32_t how);

/* In a constructor, or any kernel in an actor: its state. -EINVAL: not in an actor. */
WSCHED_CHECKED int wsched_task_set_actor_state(struct wsched_task *task, void *state);
/* NULL: none was set, or not in an actor. */
WSCHED_API void *wsched_task_actor_state(const struct wsched_task *task);
/* The actor that this runs in; all zero: none. */
WSCHED_API struct wsched_actor wsched_task_actor(const struct wsched_task *task);

enum wsched_actor_state {
    WSCHED_ACTOR_STARTING = 1, /* no process yet, or again; or in its constructor */
    WSCHED_ACTOR_IDLE,
    WSCHED_ACTOR_RUNNING, /* a call */
    WSCHED_ACTOR_ENDED,
    WSCHED_ACTOR_DEAD, /* its process is dead, which was not seen to yet; or the pool is dead */
};
struct wsched_actor_info {
    struct wsched_actor actor;
    uint32_t state;      /* enum wsched_actor_state */
    int32_t pid;         /* 0: none yet; of one that ended, the last */
    uint32_t restarts;   /* so far */
    int32_t max_restarts;
    uint32_t queued;     /* calls in its mailbox, with the one it runs */
    uint32_t mailbox_capacity;
    bool is_stopping;    /* by wsched_actor_stop() */
    uint64_t served;     /* calls that it ran to their end */
    uint64_t created_ns; /* CLOCK_MONOTONIC */
    struct wsched_future task; /* the call that it runs, or 0 */
    const char *kernel;        /* of `task`, or ""; valid until the pool is closed */
    char name[WSCHED_KERNEL_NAME_MAX + 1];
    char cause[192]; /* of its last death or its end, or "" */
};
/* One actor, also one that has ended, until its record is used for another: -EOWNERDEAD. */
WSCHED_CHECKED int wsched_actor_info(struct wsched *pool, struct wsched_actor actor,
                                     struct wsched_actor_info *out);
/* Call `visit` for every actor that lives, and of those that ended for as many as are remembered.
 * A non-zero return of visit stops and is returned. Works on a pool whose processes are dead. */
WSCHED_CHECKED int wsched_actors(struct wsched *pool,
                                 int (*visit)(const struct wsched_actor_info *actor, void *ctx),
                                 void *ctx);

/* ---- fork and join inside a kernel -------------------------------------------------- */

/*
 * For recursion as fine as a few nanoseconds a call. A worker spawns jobs and runs them
 * itself when it syncs, unless another worker of the pool, which had nothing to do, has
 * stolen one meanwhile:
 *
 *     struct fib { long n; };                       // the argument, and then the result
 *
 *     static void fib(struct wsched_fork *w, void *args)
 *     {
 *         struct fib *f = args, a = { f->n - 1 }, b = { f->n - 2 };
 *         if (f->n < 2)
 *             return;
 *         w = wsched_spawn(w, fib, &a, sizeof a);   // may run elsewhere from here on
 *         fib(w, &b);
 *         w = wsched_sync(w);                       // a holds the result
 *         f->n = a.n + b.n;
 *     }
 *     ...
 *     static const struct wsched_kernel kernels[] = { WSCHED_JOB("fib", fib) };
 *
 * A job is a function and its arguments, bytes without pointers, which become its result. It is
 * registered as a kernel with WSCHED_JOB(), and can be submitted as one, too: the payload is its
 * arguments, and the task's result is what it makes of them (-E2BIG: over WSCHED_JOB_MAX, or
 * over result_max). Other kernels get at the stack of jobs with wsched_task_fork().
 *
 * Jobs spawn and sync; they do not submit tasks, nor wait for tasks: in one that was stolen these
 * calls answer -EPERM. Inside a job wsched_task_* of the task are for its kernel only.
 *
 * Crashes  A thief that dies costs time only: the job is run again by its spawner. (So a job may
 *          run more than once, like a task; its result counts once.) When the spawner dies its
 *          whole task is run again, as any. A thief that is stopped delays who syncs its job.
 *
 * The method is that of Lace (van Dijk and van de Pol, 2014): what a worker spawns is its own until
 * it shares the oldest; only shared jobs cost an atomic operation.
 */
struct wsched_fork; /* opaque: a place on a worker's stack of jobs, where the next one goes */
typedef void (*wsched_job_fn)(struct wsched_fork *w, void *args);

/* A function of that type and no other, as the `ctx` of a kernel. For the macros below alone. */
#ifdef __cplusplus
#define WSCHED_FN_(type, fn) reinterpret_cast<void *>(reinterpret_cast<uintptr_t>(static_cast<type>(fn)))
#else
#define WSCHED_FN_(type, fn) (void *)(uintptr_t)(1 ? (fn) : (type)0)
#endif

#define WSCHED_JOB_MAX 96 /* bytes of arguments of a job that can be stolen */
#define WSCHED_JOB(name, fn) { name, wsched_run_job, WSCHED_FN_(wsched_job_fn, fn) }
/* The kernel of all jobs; `ctx` is the function. For WSCHED_JOB() alone. */
WSCHED_CHECKED int wsched_run_job(struct wsched_task *task, void *ctx);

/* The place where the kernel's first job goes; valid until it returns, in its thread. */
WSCHED_API struct wsched_fork *wsched_task_fork(const struct wsched_task *task);
/*
 * fn(place, args) from now on, here or elsewhere. Nobody touches *args until the sync. Returns the
 * next place, for all that is spawned or called until the sync. A function that is not
 * registered, or arguments over WSCHED_JOB_MAX, are never stolen; what is spawned while 4,096 are
 * not synced is run at once. Nothing fails.
 */
WSCHED_CHECKED struct wsched_fork *wsched_spawn(struct wsched_fork *w, wsched_job_fn fn, void *args,
                                                size_t size);
/* `w` is what the last spawn returned: that job is over now, and its arguments are its result.
 * Returns the place it had. Each spawn needs one sync, in the same function, the last spawned
 * first. A kernel that forgets one fails with -EPROTO. */
WSCHED_API struct wsched_fork *wsched_sync(struct wsched_fork *w);
/* Does nobody want the result any more: is the task cancelled, over, or to be run again? */
WSCHED_API bool wsched_fork_cancelled(struct wsched_fork *w);
/* The number of the worker that runs us, as of wsched_task_worker(). */
WSCHED_API uint32_t wsched_fork_worker(struct wsched_fork *w);

/* What the arguments of a loop's body begin with. */
struct wsched_range {
    uint64_t begin, end;
    uint64_t grain; /* iterations at a time, at least; below 2^32; 0: found by measuring */
};
#define WSCHED_RANGE_MAX 80 /* bytes of arguments, with the range */
/* Add what was made of another part of the range to *into. */
typedef void (*wsched_join_fn)(void *into, const void *from);
#define WSCHED_JOIN(name, fn) { name, wsched_run_join, WSCHED_FN_(wsched_join_fn, fn) }
WSCHED_CHECKED int wsched_run_join(struct wsched_task *task, void *ctx);
/*
 * body(w, args) for parts of the range at the head of args, which together are the range: args
 * is the caller's, by value, but for begin and end. Parts run one after another here; a worker
 * that has nothing to do gets half of what is left (lazy binary splitting; Tzannes et al., 2010). `join`
 * may be NULL. Else it is registered with WSCHED_JOIN(), and the body adds to what it finds in args:
 * each worker's part begins with the caller's bytes, joins merge them, and `args` is the sum,
 * where the caller's own bytes count once a part: zeros, say.
 *   -EINVAL  begin > end, grain too big, size < sizeof(struct wsched_range)
 *   -E2BIG   size > WSCHED_RANGE_MAX     -ENOENT  body or join is not registered
 */
WSCHED_CHECKED int wsched_parallel_for(struct wsched_fork *w, wsched_job_fn body, void *args,
                                       size_t size, wsched_join_fn join);

/* ---- looking ------------------------------------------------------------------------- */

struct wsched_stats {
    uint64_t submitted, finished, failed, cancelled;
    uint64_t retried;       /* attempts after a worker's death, or an error */
    uint64_t stolen;        /* tasks run by another worker than the one that queued them */
    uint64_t worker_deaths; /* unexpected ends of workers */
    uint64_t wakes;         /* futex wakes of sleeping workers */
    uint64_t events_lost;   /* events that fell out of a ring */
};
WSCHED_CHECKED int wsched_stats(struct wsched *pool, struct wsched_stats *out);

/*
 * Look at another process's pool without taking part in it: read-only, so nothing is disturbed, also
 * when its processes are all dead. `where` is a name or a path (wsched_options.name), or the
 * pid of one of its processes (/proc/PID/fd/N for one of several pools). The calls of
 * this section answer, and wsched_result() and wsched_failure(); those that would change something
 * answer -EROFS. The caller owns *out: wsched_close() it.
 *   -ENOENT  no such pool     -EPROTO   not a pool, or one of another layout version
 *   -EINVAL  no name          -EBADMSG  its header is damaged
 *   and those of open(2) and mmap(2)
 */
WSCHED_CHECKED int wsched_look(const char *where, struct wsched **out);

/* The version of the layout of the pool at `where`, whatever it is, and the one that this library knows.
 * 0, also when they differ, and *found and *known; or -EPROTO: not a pool of any version; and as
 * wsched_look(). */
WSCHED_CHECKED int wsched_layout_version(const char *where, uint32_t *found, uint32_t *known);

/* Remove what is left of a pool that has a name, of any layout version, and whose processes are all dead.
 *   -EBUSY  it lives    -ENOENT  no such pool    -EPROTO  not a pool    -EINVAL  no name */
WSCHED_CHECKED int wsched_remove(const char *where);

/* What a pool is, and what lies in it. */
struct wsched_info {
    uint32_t workers;
    uint32_t task_capacity; /* slots in all, with those that processes keep at hand */
    uint32_t payload_max, result_max, event_capacity;
    uint32_t kernels;
    int32_t supervisor;  /* the pid of the parent of all workers; 0: none lives */
    int32_t broken;      /* 0, or the error for which workers cannot start */
    bool is_stopping;    /* wsched_close() was called */
    bool is_dead;        /* wsched_look(): no process of it lives */
    uint64_t opened_ns;  /* CLOCK_MONOTONIC */
    uint64_t bytes;      /* of shared memory, of which pages that were not used take none */
    uint64_t blocked, pending, running, done, failed, cancelled; /* tasks that exist, by state */
    uint64_t queued;     /* hints to tasks in all queues: about as many as can be started */
    uint64_t high, low;  /* of `pending`, by priority, with what was lent */
    uint64_t parked;     /* of `pending`: do not hold yet what they need */
    uint64_t deadlines;  /* tasks with a deadline that are not over */
    uint64_t next_deadline_ns; /* the first of these, CLOCK_MONOTONIC; or 0 */
};
WSCHED_CHECKED int wsched_info(struct wsched *pool, struct wsched_info *out);
struct wsched_resource_info {
    char name[32];
    uint32_t total, held;
};
/* Resource `index`; 0 are the CPU slots. -ENOENT: there are not so many. */
WSCHED_CHECKED int wsched_resource_info(struct wsched *pool, uint32_t index,
                                        struct wsched_resource_info *out);
/* The name of kernel `index`; NULL: there are not so many. Valid until the pool is closed. */
WSCHED_API const char *wsched_kernel_name(const struct wsched *pool, uint32_t index);

/* Who takes part in a pool. */
enum wsched_worker_kind {
    WSCHED_KIND_WORKER = 1, /* of the crew: forked and replaced by the pool */
    WSCHED_KIND_DRIVER,     /* the process that opened it */
    WSCHED_KIND_CLIENT,     /* a guest that submits; or works, but not now */
    WSCHED_KIND_PROCESS,    /* a guest in wsched_work(), in its process's main thread */
    WSCHED_KIND_THREAD,     /* a guest in wsched_work(), in another thread */
    WSCHED_KIND_ACTOR,
};
enum wsched_worker_state {
    WSCHED_WORKER_STARTING = 1, /* before or inside worker_start; of an actor: or its constructor */
    WSCHED_WORKER_IDLE,
    WSCHED_WORKER_RUNNING,
    WSCHED_WORKER_STOPPED, /* by SIGSTOP or a debugger */
    WSCHED_WORKER_DEAD,    /* and not replaced (yet) */
    WSCHED_WORKER_JOINED,  /* lives, and runs no tasks: the driver, a client */
};
#define WSCHED_WORKER_NAME_MAX 47
struct wsched_worker_info {
    uint32_t worker; /* as wsched_task_worker() counts; UINT32_MAX: the driver */
    uint32_t kind;   /* enum wsched_worker_kind */
    uint32_t state;  /* enum wsched_worker_state */
    int32_t pid;     /* 0: none yet */
    int32_t tid;     /* of the thread that runs tasks; 0: none */
    uint32_t depth;  /* tasks on its stack: the running one, and those that wait for others */
    uint32_t queued; /* in its own deque or queue; of an actor: with the calls in its mailbox */
    uint32_t attempt;
    bool is_job; /* it runs a job of `task` that it has stolen (fork and join) */
    struct wsched_future task; /* what it runs, or died at; 0: nothing */
    uint64_t started_ns;       /* since when, CLOCK_MONOTONIC; 0: fell out of its ring */
    uint64_t submitted, finished, failed, cancelled, stolen; /* of this worker's number, ever */
    const char *kernel; /* of `task`, or ""; valid until the pool is closed */
    char label[32];
    char name[WSCHED_WORKER_NAME_MAX + 1]; /* as of wsched_worker_name() */
};
/* One worker, guest or actor, by the number that wsched_task_worker() tells it. Works on a pool whose
 * processes are dead. -ENOENT: nobody has this number (now). */
WSCHED_CHECKED int wsched_worker_info(struct wsched *pool, uint32_t worker,
                                      struct wsched_worker_info *out);
/* Call `visit` for everybody who takes part: the crew, the driver, guests, actors. A non-zero return
 * of visit stops and is returned. */
WSCHED_CHECKED int wsched_members(struct wsched *pool,
                                  int (*visit)(const struct wsched_worker_info *who, void *ctx),
                                  void *ctx);
/* What whoever has, or had, this number is called: "worker 1", "guest 0", "actor bank"; of actors that
 * had it the last. -ENOENT: there are not so many numbers */
WSCHED_CHECKED int wsched_worker_name(struct wsched *pool, uint32_t worker,
                                      char name[WSCHED_WORKER_NAME_MAX + 1]);

enum wsched_task_state {
    WSCHED_TASK_BLOCKED = 2, /* has dependencies that are not over */
    WSCHED_TASK_PENDING,     /* may be started by any worker */
    WSCHED_TASK_RUNNING,
    WSCHED_TASK_DONE = 6, /* over; kept until its future is given back */
    WSCHED_TASK_FAILED,
    WSCHED_TASK_CANCELLED,
};
struct wsched_task_info {
    struct wsched_future task;
    struct wsched_future parent; /* the task that submitted it, or 0 */
    uint32_t state;              /* enum wsched_task_state */
    uint32_t worker;             /* that runs it; UINT32_MAX: none */
    uint32_t attempt, attempts_max; /* attempt: of the running or next one, or the last */
    uint32_t payload_size, result_size;
    int32_t error;         /* of a failed one */
    bool is_asked_to_stop; /* by wsched_cancel() */
    bool is_released;      /* its future was given back */
    uint64_t submitted_ns; /* CLOCK_MONOTONIC */
    uint64_t deadline_ns;  /* or 0 */
    int32_t priority;      /* enum wsched_priority; with what was lent */
    bool is_parked;        /* PENDING, but does not hold yet what it needs */
    uint16_t needs[8];     /* of resource 0 (CPU slots), 1, ... */
    const char *kernel;    /* valid until the pool is closed */
    char label[32];
};
/* One task, also one whose future is another's. -EINVAL: a future of no task */
WSCHED_CHECKED int wsched_task_info(struct wsched *pool, struct wsched_future future,
                                    struct wsched_task_info *out);
/* Call `visit` for every task that exists, by slot, each as it was at one moment. As
 * wsched_events(): a non-zero return of visit stops and is returned. */
WSCHED_CHECKED int wsched_tasks(struct wsched *pool,
                                int (*visit)(const struct wsched_task_info *task, void *ctx),
                                void *ctx);

/* An unexpected end of a worker. */
struct wsched_death {
    uint64_t time_ns; /* CLOCK_MONOTONIC */
    int32_t pid;
    uint32_t worker;
    int32_t signal;    /* or 0 */
    int32_t exit_code; /* or -1 */
    uint64_t memory;   /* bytes, if it was killed for more than worker_memory_max; or 0 */
    char kernel[WSCHED_KERNEL_NAME_MAX + 1]; /* what it was running, or "" */
    char label[32];
};
/* Deaths from number *cursor on (start with 0; it advances): 1 and *out, or 0: no more yet. */
WSCHED_CHECKED int wsched_next_death(struct wsched *pool, uint64_t *cursor, struct wsched_death *out);

enum wsched_event_kind {
    WSCHED_EVENT_SUBMITTED = 1,
    WSCHED_EVENT_STARTED,
    WSCHED_EVENT_FINISHED,
    WSCHED_EVENT_FAILED,
    WSCHED_EVENT_STOLEN,
    WSCHED_EVENT_DIED,        /* the worker that ran this attempt died */
    WSCHED_EVENT_JOB_STARTED, /* a job of `task` (fork and join), by the worker that stole it; */
    WSCHED_EVENT_JOB_ENDED,   /* on one worker they nest. `kernel` is the job's */
    WSCHED_EVENT_TERMS,       /* after SUBMITTED, of a task that has some: see the last fields */
};
struct wsched_event {
    uint64_t time_ns; /* CLOCK_MONOTONIC */
    uint32_t kind;    /* enum wsched_event_kind */
    uint32_t worker;  /* as of wsched_task_worker(); UINT32_MAX: not a worker (the driver) */
    int32_t pid;
    uint32_t attempt;
    struct wsched_future task; /* 0: an actor's constructor */
    const char *kernel; /* of the pool; valid until it is closed */
    char label[32];
    /* WSCHED_EVENT_TERMS; else zero. */
    int32_t priority;     /* enum wsched_priority, as submitted */
    uint64_t deadline_ns; /* CLOCK_MONOTONIC; 0: none */
    uint16_t needs[8];    /* of resource 0 (CPU slots), 1, ... */
};
/* Call `visit` for every event still kept, each ring in its order. As objstore lists: a
 * non-zero return of visit stops and is returned. Works on a pool whose workers are dead. */
WSCHED_CHECKED int wsched_events(struct wsched *pool,
                                 int (*visit)(const struct wsched_event *event, void *ctx), void *ctx);

/* Check the whole pool: tasks, dependencies, queues, jobs, workers, events, actors. It may go on working.
 * -EBADMSG and a text (256 bytes, may be NULL). */
WSCHED_CHECKED int wsched_verify(struct wsched *pool, char *text);

/* What it means if a call answers this; never NULL. What a task failed with, which its kernel may have
 * taken anywhere, wsched_failure() puts in words. */
WSCHED_API const char *wsched_strerror(int error);
WSCHED_API int wsched_version(void);

#ifdef __cplusplus
}
#endif

#endif
