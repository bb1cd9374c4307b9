/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "step.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
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

/*
 * Tests read the clock by a system call, one instruction to step. The kernel's page of the time
 * begins again whenever a tick came in between: where a step takes as long as a tick, for ever.
 */
#ifndef __SANITIZE_THREAD__
int clock_gettime(clockid_t clock, struct timespec *t)
{
    return (int)syscall(SYS_clock_gettime, clock, t);
}
#endif

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
    uint64_t stride, done;
    int (*look)(uint64_t n, void *ctx);
    bool (*changed)(void *ctx);
    void *ctx;
    struct step_effects *record;  /* or NULL */
    const struct step_effect *to; /* kill it there; or NULL */
    uint64_t limit;               /* or after so many */
    bool is_other;                /* not our child: let it go at the end */
};

/* ---- instructions -------------------------------------------------------------------------- */

enum kind { PRIVATE, MAY_WRITE, CALLS };

#ifdef __x86_64__
static uint64_t address_of(pid_t child)
{
    struct user_regs_struct r;

    return ptrace(PTRACE_GETREGS, child, NULL, &r) ? 0 : r.rip;
}

static bool is_private_of_two_bytes(uint8_t op)
{
    switch (op) {
    case 0x1f: /* nop */
    case 0xaf: /* imul */
    case 0xb6: /* movzx, movsx */
    case 0xb7:
    case 0xbe:
    case 0xbf:
        return true;
    default:
        return (op & 0xf0) == 0x40 || (op & 0xf0) == 0x80; /* cmov, jumps */
    }
}

/*
 * Does it surely write to nothing but registers and the stack? The commonest are known; any other
 * may do anything.
 */
static bool is_private(uint64_t code)
{
    if ((code & 0xf0) == 0x40) /* REX */
        code >>= 8;
    uint8_t op = code & 0xff, modrm = code >> 8 & 0xff, field = modrm >> 3 & 7;

    if (op == 0x0f)
        return is_private_of_two_bytes(modrm);
    if (op < 0x40 && (op & 7) < 6) /* arithmetic: to a register, or a comparison */
        return (op & 7) > 1 || op >= 0x38 || modrm >= 0xc0;
    if ((op & 0xf0) == 0x50 || (op & 0xf0) == 0x70 || (op & 0xf8) == 0xb8)
        return true; /* push, pop, jumps, constants */
    switch (op) {
    case 0x63: /* movsxd, imul */
    case 0x69:
    case 0x6b:
    case 0x84: /* test */
    case 0x85:
    case 0xa8:
    case 0xa9:
    case 0x8a: /* mov to a register, lea */
    case 0x8b:
    case 0x8d:
    case 0x90: /* nop */
    case 0xc3: /* ret, leave, call, jmp */
    case 0xc9:
    case 0xe8:
    case 0xe9:
    case 0xeb:
        return true;
    case 0x80: /* arithmetic with a constant: to a register, or cmp */
    case 0x81:
    case 0x83:
        return modrm >= 0xc0 || field == 7;
    case 0xf6: /* the same; test, mul, div */
    case 0xf7:
        return modrm >= 0xc0 || field == 0 || field > 3;
    case 0x88: /* mov, shifts, inc, dec and jumps */
    case 0x89:
    case 0xc0:
    case 0xc1:
    case 0xc6:
    case 0xc7:
    case 0xd0:
    case 0xd1:
    case 0xd2:
    case 0xd3:
    case 0xfe:
    case 0xff:
        return modrm >= 0xc0;
    default:
        return false;
    }
}

static enum kind kind_at(pid_t child, uint64_t address)
{
    errno = 0;
    uint64_t code = (uint64_t)ptrace(PTRACE_PEEKTEXT, child, (void *)address, NULL);

    if (!address || errno)
        return CALLS;
    if ((code & 0xffff) == 0x050f)
        return CALLS;
    return is_private(code) ? PRIVATE : MAY_WRITE;
}

/* A breakpoint of the processor: not in the program, so who is forked meanwhile does not have it. */
static bool set_breakpoint(pid_t child, uint64_t address)
{
    return !ptrace(PTRACE_POKEUSER, child, offsetof(struct user, u_debugreg[7]), 0) &&
           !ptrace(PTRACE_POKEUSER, child, offsetof(struct user, u_debugreg[0]), address) &&
           (!address || !ptrace(PTRACE_POKEUSER, child, offsetof(struct user, u_debugreg[7]), 1));
}
#else
static uint64_t address_of(pid_t child)
{
    (void)child;
    return 0;
}
static enum kind kind_at(pid_t child, uint64_t address)
{
    (void)child, (void)address;
    return CALLS;
}
static bool set_breakpoint(pid_t child, uint64_t address)
{
    (void)child, (void)address;
    return false;
}
#endif

/* ---- effects ------------------------------------------------------------------------------- */

/* How often each address was come to. */
#define ADDRESSES 65536
static struct arrivals {
    uint64_t address, count;
} arrivals[ADDRESSES];

static struct arrivals *arrivals_at(uint64_t address)
{
    uint64_t at = address % ADDRESSES;

    while (arrivals[at].address && arrivals[at].address != address)
        at = (at + 1) % ADDRESSES;
    arrivals[at].address = address;
    return &arrivals[at];
}

static bool is_same(const struct step_effect *a, const struct step_effect *b)
{
    return a->address == b->address && a->arrival == b->arrival && a->repeat == b->repeat &&
           (a->address || a->n == b->n);
}

static bool add_effect(struct step_effects *effects, const struct step_effect *effect)
{
    for (uint32_t i = 0; i < effects->count; i++)
        if (is_same(&effects->of[i], effect))
            return true;
    if (effects->count == STEP_EFFECTS)
        return false;
    effects->of[effects->count++] = *effect;
    return true;
}

static __attribute__((noinline)) void land(void)
{
    __asm__ __volatile__("");
}

static void act_landing(void *ctx)
{
    (void)ctx;
    step_begin();
    land();
    step_end();
}

/* Some hypervisors take a breakpoint, and never report it. */
static bool has_breakpoints(void)
{
    static enum { UNKNOWN, YES, NO } known;
    int status;

    if (known == UNKNOWN) {
        pid_t child = start(act_landing, NULL);
        bool is_reported = child > 0 && !run_to_begin(child, &status) &&
                           set_breakpoint(child, (uint64_t)(uintptr_t)land) &&
                           resume(child, PTRACE_CONT, 0, &status) == SIGTRAP;
        known = is_reported ? YES : NO;
        if (child > 0)
            bury(child);
    }
    return known == YES;
}

/* Run, or without breakpoints step, to what had an effect once. 0: it stands there; -1: *status. */
static int ride(pid_t child, const struct step_effect *to, int *status)
{
    const bool rides = has_breakpoints();
    uint64_t before = 0, now = rides ? 0 : address_of(child);
    int signal = 0;

    for (uint64_t n = now == to->address; n < to->arrival;) {
        signal = resume(child, rides ? PTRACE_CONT : PTRACE_SINGLESTEP,
                        signal == SIGTRAP ? 0 : signal, status);
        if (signal < 0)
            return -1;
        if (signal == SIGNAL_END)
            break; /* this time it went another way */
        before = now;
        now = rides ? 0 : address_of(child);
        n += rides ? signal == SIGTRAP : now == to->address && now != before;
    }
    return set_breakpoint(child, 0) && signal != SIGNAL_END ? 0 : -1;
}

/* ---- walking ------------------------------------------------------------------------------- */

static enum step_result let_go(pid_t child, const struct walk *w, int *status)
{
    if (!w->is_other)
        return finish(child, status);
    return ptrace(PTRACE_DETACH, child, NULL, NULL) ? STEP_FAILED : STEP_ENDED;
}

static bool is_at_look(const struct walk *w, enum kind before, enum kind after)
{
    return w->look && w->done % w->stride == 0 &&
           (w->stride > 1 || before != PRIVATE || after != PRIVATE);
}

/* Step until the limit or the end is reached. */
static enum step_result walk_on(pid_t child, struct walk *w, int *status)
{
    bool is_careful = w->record || (w->look && w->stride == 1);
    enum kind before = CALLS, after = CALLS;
    struct step_effect at = { 0 };
    int signal = 0;

    for (w->done = 0; w->done < w->limit; w->done++) {
        if (is_careful) {
            uint64_t address = address_of(child);

            at.repeat = address == at.address && w->done ? at.repeat + 1 : 0;
            at.address = address;
            at.n = w->done + 1;
            at.arrival = at.repeat ? at.arrival : ++arrivals_at(address)->count;
            after = kind_at(child, address);
        }
        if (is_at_look(w, before, after) && w->look(w->done, w->ctx))
            break;
        if (w->record && after != PRIVATE)
            (void)w->changed(w->ctx); /* by others */
        int stopped = resume(child, PTRACE_SINGLESTEP, signal, status);
        if (stopped < 0)
            return STEP_FAILED;
        if (w->record && (after == CALLS || (after != PRIVATE && w->changed(w->ctx))) &&
            !add_effect(w->record, &at))
            break;
        if (stopped == SIGNAL_END)
            return let_go(child, w, status);
        signal = stopped == SIGTRAP ? 0 : stopped;
        before = after;
    }
    bury(child);
    return w->look || w->record ? STEP_FAILED : STEP_KILLED;
}

/* Ride to the instruction, let it have its effect, and kill. */
static enum step_result ride_on(pid_t child, struct walk *w, int *status)
{
    if (ride(child, w->to, status))
        return WIFSTOPPED(*status) ? let_go(child, w, status) : STEP_FAILED;
    for (uint64_t i = 0, signal = 0; i <= w->to->repeat; i++) {
        int stopped = resume(child, PTRACE_SINGLESTEP, (int)signal, status);

        if (stopped < 0)
            return STEP_FAILED;
        if (stopped == SIGNAL_END)
            return let_go(child, w, status);
        signal = stopped == SIGTRAP ? 0 : (uint64_t)stopped;
    }
    return bury(child);
}

static enum step_result walk_here(pid_t child, struct walk *w)
{
    int status = 0;

    if (run_to_begin(child, &status)) {
        bury(child);
        return STEP_FAILED;
    }
    memset(arrivals, 0, sizeof arrivals);
    if (w->to && w->to->address && set_breakpoint(child, w->to->address))
        return ride_on(child, w, &status);
    if (w->to)
        w->limit = w->to->n;
    return walk_on(child, w, &status);
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
    struct walk w = { .limit = n };

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

uint64_t step_record(struct step_effects *effects, void (*act)(void *ctx),
                     bool (*changed)(void *ctx), void *ctx)
{
    struct walk w = { .limit = UINT64_MAX, .record = effects, .changed = changed };

    return walk(0, act, ctx, &w) == STEP_ENDED ? w.done : 0;
}

enum step_result step_kill_at(const struct step_effect *effect, void (*act)(void *ctx), void *ctx)
{
    struct walk w = { .to = effect };

    return walk(0, act, ctx, &w);
}

/* ---- another's child ------------------------------------------------------------------------ */

int step_seize(pid_t pid)
{
    return ptrace(PTRACE_SEIZE, pid, NULL, NULL) ? -errno : 0;
}

uint64_t step_record_other(struct step_effects *effects, pid_t pid, bool (*changed)(void *ctx),
                           void *ctx)
{
    struct walk w = { .limit = UINT64_MAX, .record = effects, .changed = changed };

    return walk(pid, NULL, ctx, &w) == STEP_ENDED ? w.done : 0;
}

enum step_result step_kill_other(const struct step_effect *effect, pid_t pid)
{
    struct walk w = { .to = effect };

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
