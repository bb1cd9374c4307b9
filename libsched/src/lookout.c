/* SPDX-License-Identifier: MIT */
/*
 * lookout.c -- a worker's death is noticed before the kernel has taken its memory apart.
 *
 * A parent is told of a death (SIGCHLD, pidfd) at the very end of the child's exit, when all its
 * memory has been given back: some 30 ms a gigabyte. Much earlier in the exit, before the memory
 * goes, the kernel walks through the robust list of each thread. This is the only thing it tells
 * anybody by then, and it tells it through a futex:
 *
 *     worker dies -> futex header.bell -> lookout --LOOKOUT_SIGNAL--> supervisor looks at /proc
 *
 *   bell     always 0, and nobody writes it. It is the pending operation of the robust list of every
 *            worker that is not just waking somebody else (park.c). For a pending operation whose
 *            word is 0 the kernel wakes a sleeper in place of the dead ("list_op_pending").
 *   lookout  a child of the supervisor that does nothing but sleep on the bell and pass it on:
 *            poll() cannot wait for a futex. It is a process, for a supervisor with two threads
 *            could not fork safely; it has closed all descriptors. It is forked some milliseconds
 *            after the workers, which must not wait for it: deaths before that are told by SIGCHLD.
 *   look     The bell does not say who, nor that anybody died: the main thread's exit alone rings
 *            it, and so does exec(). And the dying may get no CPU for a while. So the supervisor
 *            asks, for some time and less and less often, /proc/PID/stat, of its own children
 *            that it has not reaped, whose pids are theirs. A process that gave up its memory
 *            (vsize 0) in its only thread runs no user code any more; nor does one whose main
 *            thread was ended by a signal, if all threads have given it up: with a signal that ends
 *            it pending, a process gets no new threads. The exit code stands there already. (An
 *            exit with 0 looks like an answer that we may not have; then SIGCHLD tells.)
 *
 * This is a shortcut and nothing depends on it. A ring is lost while the lookout is on its way to
 * sleep; a robust mutex of a kernel may have taken the pending operation; the lookout may be
 * killed, or stopped; the kernel may be older than 5.5. Then SIGCHLD comes, later.
 */
#define _GNU_SOURCE
#include "lookout.h"

#include <dirent.h>
#include <linux/close_range.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "identity.h"

/* ---- the lookout --------------------------------------------------------------------------- */

static void lookout_child(struct wsched *p, pid_t supervisor)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    syscall(SYS_close_range, 0u, ~0u, 0u); /* before Linux 5.9 they stay open: as in a worker */
    int fd = pidfd_of(supervisor);
    if (fd < 0 || getppid() != supervisor)
        _exit(0);
    for (;;)
        if (!futex_wait(&p->header->bell, 0, INT64_MAX))
            syscall(SYS_pidfd_send_signal, fd, LOOKOUT_SIGNAL, NULL, 0);
}

pid_t lookout_start(struct wsched *p)
{
    pid_t self = getpid(), pid = fork();

    if (pid == 0)
        lookout_child(p, self);
    return pid < 0 ? 0 : pid;
}

/* ---- looking ------------------------------------------------------------------------------- */

struct ending {
    uint64_t threads, vsize, code;
};

static bool read_ending(const char *path, struct ending *e)
{
    char text[PROC_STAT_BYTES];
    const char *third = proc_read(path, text);

    return third && !proc_number(third, 20, &e->threads) &&
           !proc_number(third, 23, &e->vsize) && !proc_number(third, 52, &e->code);
}

/* Have all threads of this process, which gets no new ones, given up its memory? */
static bool all_are_ending(pid_t pid)
{
    char path[300];
    struct ending e;
    bool all = true;

    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *d = opendir(path);
    for (const struct dirent *t; d && all && (t = readdir(d));) {
        if (t->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "/proc/%d/task/%s/stat", (int)pid, t->d_name);
        all = !read_ending(path, &e) || !e.vsize; /* not there any more: it has ended */
    }
    if (d)
        closedir(d);
    return d && all;
}

bool lookout_sees_end(pid_t pid, int *status)
{
    char path[40];
    struct ending e;

    proc_path(path, pid, "stat");
    if (!read_ending(path, &e) || e.vsize || !e.code)
        return false;
    *status = (int)e.code;
    return e.threads == 1 || (WIFSIGNALED(*status) && all_are_ending(pid));
}
