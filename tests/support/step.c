/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "step.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* A stop of its own kind: nothing else in a test raises these. */
#define SIGNAL_BEGIN SIGUSR1
#define SIGNAL_END SIGUSR2

static void stop_with(int signal)
{
    syscall(SYS_tgkill, getpid(), (pid_t)syscall(SYS_gettid), signal);
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
};

/* Step until the limit or the end is reached. */
static enum step_result walk_here(void (*act)(void *ctx), void *ctx, struct walk *w)
{
    pid_t child = start(act, ctx);
    int status = 0, signal = 0;

    if (child < 0)
        return STEP_FAILED;
    if (run_to_begin(child, &status)) {
        bury(child);
        return STEP_FAILED;
    }
    for (w->done = 0; w->done < w->limit; w->done++) {
        if (w->look && w->done % w->stride == 0 && w->look(w->done, ctx)) {
            bury(child);
            return STEP_FAILED;
        }
        int stopped = resume(child, PTRACE_SINGLESTEP, signal, &status);
        if (stopped < 0)
            return STEP_FAILED;
        if (stopped == SIGNAL_END)
            return finish(child, &status);
        signal = stopped == SIGTRAP ? 0 : stopped;
    }
    return bury(child);
}

/* On one processor: to wake another for each step takes some ten times as long. */
static enum step_result walk(void (*act)(void *ctx), void *ctx, struct walk *w)
{
    cpu_set_t before, one;
    int cpu = sched_getcpu();
    bool is_pinned = cpu >= 0 && !sched_getaffinity(0, sizeof before, &before);

    if (is_pinned) {
        CPU_ZERO(&one);
        CPU_SET((size_t)cpu, &one);
        is_pinned = !sched_setaffinity(0, sizeof one, &one);
    }
    enum step_result result = walk_here(act, ctx, w);
    if (is_pinned)
        sched_setaffinity(0, sizeof before, &before);
    return result;
}

enum step_result step_kill(void (*act)(void *ctx), void *ctx, uint64_t n)
{
    struct walk w = { .limit = n };

    return walk(act, ctx, &w);
}

uint64_t step_each(void (*act)(void *ctx), int (*look)(uint64_t n, void *ctx), void *ctx,
                   uint64_t stride)
{
    struct walk w = { .limit = UINT64_MAX, .stride = stride, .look = look };

    return walk(act, ctx, &w) == STEP_ENDED ? w.done : 0;
}

uint64_t step_count(void (*act)(void *ctx), void *ctx)
{
    return step_each(act, NULL, ctx, 1);
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
