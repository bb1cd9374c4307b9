/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "step.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

/* A stop of its own kind: nothing else in a test raises these. */
#define SIGNAL_BEGIN SIGUSR1
#define SIGNAL_END SIGUSR2

static void stop_with(int signal)
{
    sigset_t this, before;

    sigemptyset(&this);
    sigaddset(&this, signal);
    sigprocmask(SIG_UNBLOCK, &this, &before);
    syscall(SYS_tgkill, getpid(), (pid_t)syscall(SYS_gettid), signal);
    sigprocmask(SIG_SETMASK, &before, NULL);
}

void step_begin(void)
{
    stop_with(SIGNAL_BEGIN);
}

void step_end(void)
{
    stop_with(SIGNAL_END);
}

static pid_t start(void (*act)(void *ctx), void *ctx)
{
    pid_t child = fork();

    if (child != 0)
        return child;
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
        _exit(97);
    act(ctx);
    _exit(0);
}

/* Let it run to its next stop; the signal that stopped it, or -1: it ended, *status says how. */
static int resume(pid_t child, int how, int signal, int *status)
{
    if (ptrace(how, child, NULL, (void *)(long)signal) || waitpid(child, status, __WALL) != child)
        return -1;
    return WIFSTOPPED(*status) ? WSTOPSIG(*status) : -1;
}

static int run_to_begin(pid_t child, int *status)
{
    int signal;

    if (waitpid(child, status, __WALL) != child || !WIFSTOPPED(*status))
        return -1;
    while ((signal = WSTOPSIG(*status)) != SIGNAL_BEGIN)
        if (resume(child, PTRACE_CONT, signal, status) < 0)
            return -1;
    return 0;
}

static enum step_result finish(pid_t child, int *status)
{
    int signal = 0;

    while (WIFSTOPPED(*status)) {
        signal = WSTOPSIG(*status);
        if (signal == SIGNAL_END || signal == SIGNAL_BEGIN || signal == SIGTRAP)
            signal = 0;
        if (resume(child, PTRACE_CONT, signal, status) < 0)
            break;
    }
    return WIFEXITED(*status) && WEXITSTATUS(*status) == 0 ? STEP_ENDED : STEP_FAILED;
}

static enum step_result bury(pid_t child)
{
    int status;

    kill(child, SIGKILL);
    while (waitpid(child, &status, __WALL) == child)
        if (WIFSIGNALED(status) || WIFEXITED(status))
            return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL ? STEP_KILLED : STEP_FAILED;
    return STEP_FAILED;
}

struct walk {
    uint64_t limit, stride, done;
    int (*look)(uint64_t n, void *ctx);
    void *ctx;
    struct step_route *record; /* where it comes along; or NULL */
    const struct step_route *route; /* by which it may go; or NULL */
    bool is_other; /* not our child: let it go at the end */
};

/* ---- shortcuts ----------------------------------------------------------------------------- */

#ifdef __x86_64__
#define BREAKPOINT 0xccul

static uint64_t instruction_of(pid_t child)
{
    struct user_regs_struct r;

    return ptrace(PTRACE_GETREGS, child, NULL, &r) ? 0 : r.rip;
}

/* Remember the address that is seen for the first time, if the last one is some way back. */
static void record_step(struct step_route *route, pid_t child, uint64_t n)
{
    uint64_t rip = instruction_of(child), at = rip % STEP_ADDRESSES;

    while (route->seen[at] && route->seen[at] != rip)
        at = (at + 1) % STEP_ADDRESSES;
    if (!rip || route->seen[at] == rip || route->addresses == STEP_ADDRESSES / 2)
        return;
    route->seen[at] = rip;
    route->addresses++;
    uint64_t last = route->count ? route->stations[route->count - 1].n : 0;
    if (n >= last + STEP_APART && route->count < STEP_STATIONS)
        route->stations[route->count++] = (struct step_station){ n, rip };
}

/* Run to the last station before `limit`; how many instructions that were, about. -1: *status. */
static int64_t ride(pid_t child, const struct step_route *route, uint64_t limit, int *status)
{
    const struct step_station *to = NULL;
    struct user_regs_struct r;

    for (uint32_t i = 0; i < route->count && route->stations[i].n <= limit; i++)
        to = &route->stations[i];
    if (!to)
        return 0;
    errno = 0;
    long code = ptrace(PTRACE_PEEKTEXT, child, (void *)to->address, NULL);
    if (errno || ptrace(PTRACE_POKETEXT, child, (void *)to->address,
                        (void *)(((uint64_t)code & ~0xfful) | BREAKPOINT)))
        return 0;
    int signal = resume(child, PTRACE_CONT, 0, status);
    while (signal > 0 && signal != SIGTRAP && signal != SIGNAL_END)
        signal = resume(child, PTRACE_CONT, signal, status);
    if (signal < 0 || ptrace(PTRACE_POKETEXT, child, (void *)to->address, (void *)code))
        return -1;
    if (signal == SIGNAL_END)
        return -1; /* this time it went another way */
    if (ptrace(PTRACE_GETREGS, child, NULL, &r))
        return -1;
    r.rip--;
    return ptrace(PTRACE_SETREGS, child, NULL, &r) ? -1 : (int64_t)to->n;
}
#else
static void record_step(struct step_route *route, pid_t child, uint64_t n)
{
    (void)route, (void)child, (void)n;
}
static int64_t ride(pid_t child, const struct step_route *route, uint64_t limit, int *status)
{
    (void)child, (void)route, (void)limit, (void)status;
    return 0;
}
#endif

/* ---- walking ------------------------------------------------------------------------------- */

static enum step_result let_go(pid_t child, const struct walk *w, int *status)
{
    if (!w->is_other)
        return finish(child, status);
    return ptrace(PTRACE_DETACH, child, NULL, NULL) ? STEP_FAILED : STEP_ENDED;
}

/* Step until the limit or the end is reached. */
static enum step_result walk_here(pid_t child, struct walk *w)
{
    int status = 0, signal = 0;

    if (run_to_begin(child, &status)) {
        bury(child);
        return STEP_FAILED;
    }
    int64_t ridden = w->route ? ride(child, w->route, w->limit, &status) : 0;
    if (ridden < 0)
        return WIFSTOPPED(status) ? let_go(child, w, &status) : STEP_FAILED;
    for (w->done = (uint64_t)ridden; w->done < w->limit; w->done++) {
        if (w->look && w->done % w->stride == 0 && w->look(w->done, w->ctx)) {
            bury(child);
            return STEP_FAILED;
        }
        if (w->record)
            record_step(w->record, child, w->done);
        int stopped = resume(child, PTRACE_SINGLESTEP, signal, &status);
        if (stopped < 0)
            return STEP_FAILED;
        if (stopped == SIGNAL_END)
            return let_go(child, w, &status);
        signal = stopped == SIGTRAP ? 0 : stopped;
    }
    return bury(child);
}

/* On one processor: to wake another for each step takes some ten times as long. */
static enum step_result walk(pid_t other, void (*act)(void *ctx), void *ctx, struct walk *w)
{
    cpu_set_t before, one;
    int cpu = sched_getcpu();
    bool is_pinned = cpu >= 0 && !sched_getaffinity(0, sizeof before, &before);

    if (is_pinned) {
        CPU_ZERO(&one);
        CPU_SET((size_t)cpu, &one);
        is_pinned = !sched_setaffinity(0, sizeof one, &one) &&
                    (!other || !sched_setaffinity(other, sizeof one, &one));
    }
    w->ctx = ctx;
    w->is_other = other != 0;
    pid_t child = other ? other : start(act, ctx);
    enum step_result result = child < 0 ? STEP_FAILED : walk_here(child, w);
    if (is_pinned)
        sched_setaffinity(0, sizeof before, &before);
    return result;
}

enum step_result step_kill(void (*act)(void *ctx), void *ctx, uint64_t n)
{
    return step_kill_by(NULL, act, ctx, n);
}

enum step_result step_kill_by(const struct step_route *route, void (*act)(void *ctx), void *ctx,
                              uint64_t n)
{
    struct walk w = { .limit = n, .route = route };

    return walk(0, act, ctx, &w);
}

uint64_t step_each(void (*act)(void *ctx), int (*look)(uint64_t n, void *ctx), void *ctx,
                   uint64_t stride)
{
    struct walk w = { .limit = UINT64_MAX, .stride = stride, .look = look };

    return walk(0, act, ctx, &w) == STEP_ENDED ? w.done : 0;
}

uint64_t step_count(void (*act)(void *ctx), void *ctx)
{
    return step_each(act, NULL, ctx, 1);
}

uint64_t step_record(struct step_route *route, void (*act)(void *ctx), void *ctx)
{
    struct walk w = { .limit = UINT64_MAX, .record = route };

    memset(route, 0, sizeof *route);
    return walk(0, act, ctx, &w) == STEP_ENDED ? w.done : 0;
}

/* ---- another's child ------------------------------------------------------------------------ */

int step_seize(pid_t pid)
{
    return ptrace(PTRACE_SEIZE, pid, NULL, NULL) ? -errno : 0;
}

uint64_t step_record_other(struct step_route *route, pid_t pid)
{
    struct walk w = { .limit = UINT64_MAX, .record = route };

    memset(route, 0, sizeof *route);
    return walk(pid, NULL, NULL, &w) == STEP_ENDED ? w.done : 0;
}

enum step_result step_kill_other(const struct step_route *route, pid_t pid, uint64_t n)
{
    struct walk w = { .limit = n, .route = route };

    return walk(pid, NULL, NULL, &w);
}

static void act_nothing(void *ctx)
{
    (void)ctx;
    step_begin();
    step_end();
}

int step_is_possible(void)
{
    return step_count(act_nothing, NULL) > 0;
}
