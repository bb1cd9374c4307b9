/* SPDX-License-Identifier: MIT */
/*
 * supervisor.c -- the parent of all workers: a small process with one thread.
 *
 *     driver --fork--> supervisor --fork--> worker, worker, ...
 *
 * It sleeps in poll() on these descriptors and wakes up for nothing else:
 *
 *   SIGCHLD (signalfd)  a worker died: waitpid() tells the true cause; sweep its seat, log the
 *                       death, fork another. A worker was stopped: others take over what it held.
 *                       Or somebody calls us about a task: terms.c. The timeout is timer.c's.
 *   pidfd of the driver the driver is gone, by whatever death: tell guests, kill workers, leave.
 *   SIGIO               a worker is dying, and its memory is still being taken apart: lookout.c.
 *   eventfd             wsched_close(): give workers a second, kill those that are left, leave.
 *   SIGURG              a guest joined: guard.c looks through the guests' seats. Or there is
 *                       something to do for an actor: actor.c.
 *   guests (epoll)      one of them died: guard.c sweeps its seat.
 *   output (epoll)      workers printed something: output.c, if it was asked for.
 *   SIGXCPU             a worker has used some CPU time: memory.c, if it was asked for.
 *
 * Deaths
 *   worker      above. Crash loops while starting are slowed down; a pool of which no worker ever
 *               starts, because worker_start fails, is declared broken.
 *   driver      pidfd, and PR_SET_PDEATHSIG where it is safe: that one is bound to the forking
 *               thread, so it is set only when the driver's main thread forked us.
 *   guests      guard.c.
 *   supervisor  workers are killed by PR_SET_PDEATHSIG (it has one thread). The driver's sleeping
 *               threads are woken by the kernel: header.supervisor and the driver's park words,
 *               while threads sleep on them, hold the supervisor's thread id and stand in its
 *               robust list, in private memory. The first call that notices starts another
 *               supervisor: supervisor_check().
 *
 * Identity   seat.identity packs crew:16 | start time:26 | pid:22. A worker enters by CAS of its
 *   crew's empty word, so one that was forked by a supervisor that died cannot enter after the
 *   driver took the seat for the next crew; one that has entered is there by pid and start time,
 *   and the driver waits until it is confirmed dead (pidfd) before anything is taken from it (I1).
 *
 * Signals    Workers and supervisor ignore SIGINT: on Ctrl-C the driver decides. Handlers that the
 *   driver had installed do not act in them, but for those of faults (SIGSEGV, ...).
 */
#define _GNU_SOURCE
#include "actor.h"
#include "output.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "guard.h"
#include "identity.h"
#include "lookout.h"
#include "mapping.h"
#include "memory.h"

#define CLOSE_MS 1000   /* workers that do not end within it are killed */
#define FAILS_BROKEN 8u /* worker_start that fails so often in a row, in every seat */
#define FAILS_SLOW 3u
#define FORK_AGAIN_MS 10
#define LOOKOUT_AFTER_MS 5
#define START_TRIES 10
/* After a ring the dying is still on its way for some microseconds, or, where there is no CPU for it,
 * for longer: looks at LOOK_AGAIN_US, twice that after each LOOKS_ALIKE, for 1.6 s in all. */
#define LOOK_AGAIN_US 50
#define LOOKS_ALIKE 16
#define LOOKS (11 * LOOKS_ALIKE)
#define LOOKS_RARE (6 * LOOKS_ALIKE) /* of the last ones, at least 1.6 ms apart */

/*
 * The kernel walks this list when we die: each node stands for the word at the same distance, here
 * at the same place in a copy of the header as the word has in the header. The words: ours first,
 * then those on which the driver's threads sleep.
 */
struct last_words {
    struct robust_list_head head;
    _Alignas(CACHE_LINE) unsigned char nodes[sizeof(struct header)];
};

/* What the supervisor knows: in memory of its own, for it may descend from another pool's, whose
 * workers are not its to kill. */
struct crew {
    pid_t pids[SEATS_MAX];        /* of workers and actors; 0: none */
    uint32_t fails[SEATS_MAX];    /* deaths in a row before it was ready */
    bool fails_itself[SEATS_MAX]; /* the last one was worker_start's doing */
    int64_t due[SEATS_MAX];       /* when to fork again; 0: runs, or is not to run */
    pid_t parent;
    int signals, driver, control;
    struct output *output; /* NULL: not asked for */
    struct guard guard;
    pid_t lookout;
    int64_t lookout_due; /* when to fork it; 0: it runs, or there is none */
    uint32_t looks_left; /* at who is dying; the lookout was rung */
    struct last_words last_words;
};

/* ---- a worker ---------------------------------------------------------------------------- */

static void reset_signals(void)
{
    static const int faults[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGSYS };

    for (int s = 1; s < NSIG; s++) {
        struct sigaction a;
        bool is_fault = false;
        for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
            is_fault |= faults[i] == s;
        if (!is_fault && !sigaction(s, NULL, &a) && a.sa_handler != SIG_IGN &&
            a.sa_handler != SIG_DFL)
            signal(s, SIG_DFL);
    }
    signal(SIGCHLD, SIG_DFL); /* SIG_IGN would lose the cause of deaths */
    signal(SIGINT, SIG_IGN);
}

static void worker_child(struct wsched *p, uint32_t seat, pid_t supervisor, struct crew *crew,
                         int output)
{
    uint64_t start = 0, empty = identity_make(au32_load_relaxed(&p->header->crew), 0, 0);
    char state;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != supervisor)
        _exit(0);
    segment_touch(p);
    close(crew->signals);
    close(crew->driver);
    close(crew->control);
    guard_end(&crew->guard);
    output_child(crew->output, output);
    p->role = ROLE_WORKER;
    p->seat = seat;
    *p->own = 1;
    park_find_robust(p);
    proc_stat(getpid(), &start, &state);
    POINT("worker: forked, not in its seat");
    if (!au64_cas_seq_cst(&p->seats[seat].identity, &empty,
                          empty | identity_make(0, start, getpid())))
        _exit(0);
    pthread_sigmask(SIG_SETMASK, &p->mask, NULL);
    int code = seat_is_actor(p, seat) ? actor_main(p) : worker_main(p);
    output_child_end(crew->output);
    _exit(code);
}

static int worker_fork(struct wsched *p, struct crew *crew, uint32_t seat)
{
    pid_t self = getpid();
    int output, err = output_pipe(crew->output, seat, &output);

    if (err)
        return err;
    au32_store_relaxed(&p->seats[seat].ready, 0);  /* relaxed: fork orders them */
    au64_store_relaxed(&p->seats[seat].memory, 0);
    au64_store_release(&p->seats[seat].identity,
                       identity_make(au32_load_relaxed(&p->header->crew), 0, 0));
    pid_t pid = fork();
    if (pid == 0)
        worker_child(p, seat, self, crew, output);
    err = -errno;
    output_forked(crew->output, seat, output, pid);
    if (pid < 0)
        return err;
    err = memory_watch(p, seat, pid);
    if (err) {
        memory_forget(seat);
        kill(pid, SIGKILL);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            ;
        return err;
    }
    crew->pids[seat] = pid;
    if (crew->due[seat]) /* after a fork the first store to a page copies it */
        crew->due[seat] = 0;
    return 0;
}

/* ---- deaths of workers ------------------------------------------------------------------- */

static bool is_broken(const struct wsched *p, const struct crew *crew)
{
    for (uint32_t i = 0; i < p->workers; i++)
        if (crew->fails[i] < FAILS_BROKEN || !crew->fails_itself[i])
            return false;
    return true;
}

/* Again, soon or, if it only ever fails, later. */
static void fork_again(struct wsched *p, struct crew *crew, uint32_t seat)
{
    uint32_t fails = crew->fails[seat] > 10 ? 10 : crew->fails[seat];

    crew->due[seat] = monotonic_ns() + (fails > FAILS_SLOW ? NS_PER_MS << fails : 0);
    if (fails <= FAILS_SLOW && worker_fork(p, crew, seat))
        crew->due[seat] = monotonic_ns() + FORK_AGAIN_MS * NS_PER_MS;
}

/* The process of an actor ended; `culprit` as in sweep_seat(). */
static void actor_died(struct wsched *p, struct crew *crew, uint32_t seat, pid_t pid, int status,
                       uint64_t culprit)
{
    uint32_t index = actor_of_seat(p, seat);

    actor_has_died(p, index, pid, status);
    POINT("supervisor: an actor died, nothing swept");
    sweep_seat(p, seat, pid, status, culprit);
    POINT("supervisor: actor swept, not restarted");
    au64_store_release(&p->seats[seat].identity,
                       identity_make(au32_load_relaxed(&p->header->crew), 0, 0));
    if (actor_restart(p, index)) {
        fork_again(p, crew, seat);
    } else {
        crew->fails[seat] = 0;
        crew->due[seat] = 0;
        actor_end(p, index);
    }
}

static void worker_died(struct wsched *p, struct crew *crew, uint32_t seat, int status,
                        bool stopping)
{
    bool was_ready = au32_load_acquire(&p->seats[seat].ready); /* W2 */
    uint64_t culprit = timer_worker_died(seat);
    pid_t pid = crew->pids[seat];

    crew->pids[seat] = 0;
    memory_forget(seat);
    output_ended(crew->output, seat, !WIFEXITED(status));
    if (stopping)
        return;
    POINT("supervisor: a worker died, nothing swept");
    culprit = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL ? culprit : 0;
    crew->fails[seat] = was_ready ? 0 : crew->fails[seat] + 1;
    crew->fails_itself[seat] = !was_ready && WIFEXITED(status);
    if (seat_is_actor(p, seat))
        return actor_died(p, crew, seat, pid, status, culprit);
    sweep_seat(p, seat, pid, status, culprit);
    if (is_broken(p, crew)) {
        au32_store_release(&p->header->broken, ESHUTDOWN);
        park_wake_all(p);
        return;
    }
    fork_again(p, crew, seat);
    POINT("supervisor: a worker was replaced");
}

/* Fork for actors that have no process, kill those that are to be killed. */
static void serve_actors(struct wsched *p, struct crew *crew)
{
    for (uint32_t i = 0; i < actors_used(p); i++) {
        uint32_t seat = actor_seat(p, i);
        uint64_t word = au64_load_acquire(&actor_at(p, i)->word); /* E4 of actor.c */
        if (actor_state(word) != ACTOR_ALIVE)
            continue;
        if (crew->pids[seat] && (word & ACTOR_KILL)) {
            kill(crew->pids[seat], SIGKILL);
        } else if (!crew->pids[seat] && (word & ACTOR_STOPPING)) {
            crew->due[seat] = 0;
            actor_end(p, i);
        } else if (!crew->pids[seat] && !crew->due[seat] && worker_fork(p, crew, seat)) {
            crew->due[seat] = monotonic_ns() + FORK_AGAIN_MS * NS_PER_MS;
        }
    }
}

static void reap(struct wsched *p, struct crew *crew, bool stopping)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED | WCONTINUED)) > 0) {
        if (pid == crew->lookout && (WIFEXITED(status) || WIFSIGNALED(status))) {
            crew->lookout = 0;
            crew->lookout_due = stopping ? 0 : monotonic_ns();
        }
        for (uint32_t i = 0; i < p->seat_count; i++) {
            if (crew->pids[i] != pid)
                continue;
            if (WIFEXITED(status) || WIFSIGNALED(status)) {
                if (crew->looks_left > LOOKS_RARE) /* the ring was this one's, most probably */
                    crew->looks_left = LOOKS_RARE;
                worker_died(p, crew, i, status, stopping);
            } else if (WIFSTOPPED(status))
                sweep_stopped(p, i);
            else if (WIFCONTINUED(status))
                park_wake_seat(p, i); /* it lost its bits: let it look around */
            break;
        }
    }
}

/* Who dies, and is not yet reaped: all but the waitpid() of it. */
static void look_for_dying(struct wsched *p, struct crew *crew)
{
    if (!crew->looks_left)
        return;
    crew->looks_left--;
    POINT("supervisor: looks for the dying");
    for (uint32_t i = 0; i < p->seat_count; i++) {
        int status;
        if (!crew->pids[i] || !lookout_sees_end(crew->pids[i], &status))
            continue;
        crew->looks_left = 0;
        worker_died(p, crew, i, status, false);
    }
}

static int fork_due(struct wsched *p, struct crew *crew) /* ms until the next is due, or -1 */
{
    int64_t now = monotonic_ns(), next = INT64_MAX;

    for (uint32_t i = 0; i < p->seat_count; i++) {
        if (!crew->due[i])
            continue;
        if (crew->due[i] <= now && worker_fork(p, crew, i))
            crew->due[i] = now + FORK_AGAIN_MS * NS_PER_MS;
        if (crew->due[i] && crew->due[i] < next)
            next = crew->due[i];
    }
    return next == INT64_MAX ? -1 : next <= now ? 0 : (int)((next - now) / NS_PER_MS) + 1;
}

/* The lookout has time: first of all the workers have to come up, and a pool that is closed before
 * needs none. The ms until it is due, or -1. */
static int lookout_due(struct wsched *p, struct crew *crew)
{
    int64_t left = crew->lookout_due - monotonic_ns();

    if (!crew->lookout_due)
        return -1;
    if (left > 0)
        return (int)(left / NS_PER_MS) + 1;
    crew->lookout_due = 0;
    crew->lookout = lookout_start(p);
    return -1;
}

static void kill_workers(struct wsched *p, struct crew *crew)
{
    for (uint32_t i = 0; i < p->seat_count; i++)
        if (crew->pids[i])
            kill(crew->pids[i], SIGKILL); /* our child, not yet reaped: the pid is its */
    for (uint32_t i = 0; i < p->seat_count; i++)
        while (crew->pids[i] && waitpid(crew->pids[i], NULL, 0) < 0 && errno == EINTR)
            ;
    if (crew->lookout)
        kill(crew->lookout, SIGKILL);
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR) /* the lookout, and those that it saw die */
        ;
    output_finish(crew->output);
}

static bool any_alive(const struct wsched *p, const struct crew *crew)
{
    for (uint32_t i = 0; i < p->seat_count; i++)
        if (crew->pids[i])
            return true;
    return false;
}

static void close_workers(struct wsched *p, struct crew *crew)
{
    int64_t deadline = monotonic_ns() + CLOSE_MS * NS_PER_MS;

    timer_end(p, crew->pids);
    park_wake_all(p);
    for (;;) {
        struct signalfd_siginfo info;
        reap(p, crew, true);
        int64_t left = deadline - monotonic_ns();
        if (!any_alive(p, crew) || left <= 0)
            break;
        struct pollfd fds[] = { { crew->signals, POLLIN, 0 },
                                { crew->driver, POLLIN, 0 },
                                { output_descriptor(crew->output), POLLIN, 0 } };
        poll(fds, 3, (int)(left / NS_PER_MS) + 1);
        output_serve(crew->output);
        if (fds[1].revents)
            break;
        if (fds[0].revents && read(crew->signals, &info, sizeof info) < 0)
            break;
    }
    kill_workers(p, crew);
}

static int sooner(int a, int b) /* of two times in ms; -1: never */
{
    return a < 0 ? b : b < 0 || a < b ? a : b;
}

/* ---- the supervisor's life --------------------------------------------------------------- */

static void robust_begin(struct wsched *p, struct last_words *words)
{
    struct robust_list *last = &words->head.list;

    words->head.futex_offset = (long)((unsigned char *)p->header - words->nodes);
    for (uint32_t i = 0; i <= CLIENT_PARKS + p->guests; i++) { /* clients' and guests' in a row */
        size_t at = i == 0 ? offsetof(struct header, supervisor)
                           : offsetof(struct header, client_park) + (i - 1) * sizeof(struct park);
        struct robust_list *node = (struct robust_list *)(void *)(words->nodes + at);
        last->next = node;
        last = node;
    }
    last->next = &words->head.list;
    syscall(SYS_set_robust_list, &words->head, sizeof words->head);
    park_set_robust(&words->head);
    au32_store_release(&p->header->supervisor, (uint32_t)syscall(SYS_gettid));
}

static int supervisor_prepare(struct wsched *p, struct crew *crew, pid_t driver)
{
    sigset_t child;

    if (p->from_main)
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    crew->parent = driver;
    crew->driver = pidfd_of(driver);
    if (crew->driver < 0)
        return crew->driver;
    if (getppid() != driver)
        _exit(0);
    reset_signals();
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigaddset(&child, SIGURG); /* of guests: look who is there */
    sigaddset(&child, MEMORY_SIGNAL);
    memory_begin(p);
    sigaddset(&child, LOOKOUT_SIGNAL);
    crew->signals = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK); /* all signals are blocked */
    if (crew->signals < 0)
        return -errno;
    crew->control = p->control;
    int err = output_begin(p, &crew->output);
    if (!err)
        err = guard_begin(&crew->guard);
    if (err)
        return err;
    p->role = ROLE_SUPERVISOR;
    p->queue_tail = 0;
    p->seat = supervisor_seat(p);
    p->pid = getpid();
    p->free_count = p->free_max = 0;
    p->event_mapped = 0;
    p->event_ready = 0;
    p->current = NULL;
    *p->own = 1;
    return 0;
}

/* The driver is gone: so is all it wanted done. */
static void end_pool(struct wsched *p, struct crew *crew)
{
    au32_store_release(&p->header->over, 1);
    park_wake_all(p);
    kill_workers(p, crew);
}

/* For ppoll(): the timeout, or sooner the next look at who is dying. */
static const struct timespec *until_next(const struct crew *crew, int timeout_ms,
                                         struct timespec *pause)
{
    const int64_t look_again_ns = (LOOK_AGAIN_US * 1000l)
                                  << (LOOKS - crew->looks_left) / LOOKS_ALIKE;
    int64_t ns = timeout_ms < 0 ? INT64_MAX : timeout_ms * NS_PER_MS;

    if (crew->looks_left && look_again_ns < ns)
        ns = look_again_ns;
    if (ns == INT64_MAX)
        return NULL;
    *pause = (struct timespec){ ns / NS_PER_S, ns % NS_PER_S };
    return pause;
}

static void supervise(struct wsched *p, struct crew *crew)
{
    fence_seq_cst(); /* J5 of guest.c */
    guard_scan(p, &crew->guard);
    serve_actors(p, crew);
    crew->lookout_due = monotonic_ns() + LOOKOUT_AFTER_MS * NS_PER_MS;
    for (;;) {
        struct pollfd fds[] = { { crew->signals, POLLIN, 0 },
                                { crew->driver, POLLIN, 0 },
                                { crew->control, POLLIN, 0 },
                                { output_descriptor(crew->output), POLLIN, 0 },
                                { crew->guard.epoll, POLLIN, 0 } };
        struct signalfd_siginfo info;
        int timeout = sooner(fork_due(p, crew), output_timeout_ms(crew->output));
        timeout = sooner(timeout, lookout_due(p, crew));
        timeout = sooner(timeout, guard_timeout_ms(&crew->guard));
        timeout = sooner(timeout, timer_serve(p, crew->pids));
        struct timespec pause;
        ppoll(fds, 5, until_next(crew, timeout, &pause), NULL);
        output_serve(crew->output);
        if (fds[1].revents)
            return end_pool(p, crew);
        if (fds[2].revents)
            return close_workers(p, crew);
        while (read(crew->signals, &info, sizeof info) > 0)
            if (info.ssi_signo == SIGURG)
                guard_scan(p, &crew->guard);
            else if (info.ssi_signo == MEMORY_SIGNAL && info.ssi_code == SI_TIMER &&
                     (uint32_t)info.ssi_int < p->seat_count)
                memory_look(p, (uint32_t)info.ssi_int, crew->pids[info.ssi_int]);
            else if (info.ssi_signo == LOOKOUT_SIGNAL)
                crew->looks_left = LOOKS;
        guard_serve(p, &crew->guard);
        bool stopping = au32_load_acquire(&p->header->stopping); /* they may know it before us */
        reap(p, crew, stopping);
        if (stopping)
            continue;
        look_for_dying(p, crew);
        serve_actors(p, crew);
    }
}

static void supervisor_child(struct wsched *p, pid_t driver, int report, const pid_t *dead)
{
    struct crew *crew = mmap(NULL, sizeof *crew, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    int err = crew == MAP_FAILED ? -ENOMEM : supervisor_prepare(p, crew, driver);

    if (!err) {
        segment_touch(p);
        robust_begin(p, &crew->last_words);
        if (au32_load_acquire(&p->header->crew) > 1 ||
            guests_used(p)) { /* somebody may have died */
            uint64_t guests[MASK_WORDS] = { 0 };
            guard_find_dead(p, guests);
            sweep_everything(p, dead, guests);
        }
        err = timer_begin(p, crew->pids);
        POINT("supervisor: swept, no worker forked");
        if (!err)
            err = worker_fork(p, crew, 0);
        for (uint32_t i = 1; i < p->workers && !err; i++) /* while the driver goes on */
            crew->due[i] = monotonic_ns();
        if (err)
            kill_workers(p, crew);
    }
    while (write(report, &err, sizeof err) < 0 && errno == EINTR)
        ;
    close(report);
    if (!err)
        supervise(p, crew);
    _exit(0);
}

/* ---- in the driver ----------------------------------------------------------------------- */

static int supervisor_start(struct wsched *p, const pid_t *dead)
{
    int report[2], err = -EAGAIN;
    sigset_t all, old;
    pid_t self = getpid();

    if (pipe2(report, O_CLOEXEC))
        return -errno;
    p->from_main = self == (pid_t)syscall(SYS_gettid);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    pid_t pid = fork();
    if (pid == 0) {
        close(report[0]);
        supervisor_child(p, self, report[1], dead);
    }
    if (pid < 0)
        err = -errno;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    close(report[1]);
    if (pid > 0) {
        ssize_t n;
        while ((n = read(report[0], &err, sizeof err)) < 0 && errno == EINTR)
            ;
        if (n != sizeof err)
            err = -EOWNERDEAD; /* it died at once */
        if (err)
            while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                ;
        p->supervisor = err ? 0 : pid;
    }
    close(report[0]);
    return err;
}

/* Until the process of this identity is dead. One that does not have the pool's memory is none of its
 * workers, but named by a damaged seat. */
static void await_death(const struct wsched *p, uint64_t identity)
{
    int fd = identity_open(identity);

    if (fd < 0)
        return;
    if (identity_pid(identity) == getpid() || mapping_is_foreign(p, identity_pid(identity))) {
        close(fd);
        return;
    }
    syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
    struct pollfd f = { fd, POLLIN, 0 };
    while (poll(&f, 1, -1) < 0 && errno == EINTR)
        ;
    close(fd);
}

/* Was anybody ever forked for this seat? Others are not touched: each has pages of its own. */
static bool seat_was_used(const struct wsched *p, uint32_t seat)
{
    return seat_is_crew(p, seat) ||
           (seat_is_actor(p, seat) && actor_of_seat(p, seat) < actors_used(p));
}

/* Take all seats from a crew whose supervisor is dead; the pids of its workers. */
static void dismiss_crew(struct wsched *p, pid_t *pids)
{
    uint32_t next = au32_add_acq_rel(&p->header->crew, 1) + 1;

    for (uint32_t i = 0; i < p->seat_count; i++) {
        pids[i] = 0;
        if (!seat_was_used(p, i))
            continue;
        uint64_t old = au64_xchg_seq_cst(&p->seats[i].identity, identity_make(next, 0, 0));
        pids[i] = identity_pid(old);
        await_death(p, old);
    }
    au32_store_release(&p->header->supervisor, 0);
}

static bool supervisor_lives(const struct wsched *p)
{
    uint32_t tid = au32_load_acquire(&p->header->supervisor);

    return tid && !(tid & ~(uint32_t)FUTEX_TID_MASK);
}

/* A supervisor that is killed before it has said that all is well gets a successor, too. */
static int crew_start(struct wsched *p)
{
    pid_t dead[SEATS_MAX];
    int err = -EOWNERDEAD;

    for (int i = 0; i < START_TRIES && err == -EOWNERDEAD; i++) {
        dismiss_crew(p, dead);
        err = supervisor_start(p, dead);
    }
    return err == -EOWNERDEAD ? -EAGAIN : err;
}

int supervisor_check(struct wsched *p)
{
    int err = 0;

    if (p->role != ROLE_DRIVER)
        return p->role == ROLE_GUEST ? guest_check(p) : 0;
    if (au32_load_acquire(&p->header->broken))
        return -ESHUTDOWN;
    if (supervisor_lives(p))
        return 0;
    pthread_mutex_lock(&p->crew_lock);
    if (!supervisor_lives(p)) {
        if (p->supervisor) /* our child, not reaped; it lives if the word is damaged */
            kill(p->supervisor, SIGKILL);
        while (p->supervisor && waitpid(p->supervisor, NULL, 0) < 0 && errno == EINTR)
            ;
        err = crew_start(p) ? -ESHUTDOWN : 0;
        park_wake_all(p); /* the kernel woke one thread per park word; the others look too */
    }
    pthread_mutex_unlock(&p->crew_lock);
    return err;
}

int supervisor_open(struct wsched *p)
{
    p->control = eventfd(0, EFD_CLOEXEC);
    if (p->control < 0)
        return -errno;
    return crew_start(p);
}

void supervisor_close(struct wsched *p)
{
    pid_t dead[SEATS_MAX];
    uint64_t one = 1;
    int fd = p->supervisor ? pidfd_of(p->supervisor) : -1;

    au32_store_release(&p->header->stopping, 1);
    park_wake_all(p);
    if (p->control >= 0) {
        while (p->supervisor && write(p->control, &one, sizeof one) < 0 && errno == EINTR)
            ;
        close(p->control);
    }
    if (fd >= 0) { /* twice the time it gives its workers: it may be stopped */
        struct pollfd f = { fd, POLLIN, 0 };
        int64_t deadline = monotonic_ns() + 2 * CLOSE_MS * NS_PER_MS;
        int r;
        do
            r = poll(&f, 1, (int)((deadline - monotonic_ns()) / NS_PER_MS) + 1);
        while (r < 0 && errno == EINTR && monotonic_ns() < deadline);
        if (r <= 0)
            syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
        close(fd);
    }
    if (p->supervisor) {
        while (waitpid(p->supervisor, NULL, 0) < 0 && errno == EINTR)
            ;
        dismiss_crew(p, dead);
    }
}
