/* SPDX-License-Identifier: MIT */
/*
 * memory.c -- worker_memory_max: who takes more is killed, and the cause says so.
 *
 * What counts is what a worker, or an actor, took since it was forked: its resident anonymous pages
 * (resident - shared in /proc/PID/statm) less those that it inherited from the supervisor. Mappings
 * that are shared, such as the pool or an object store, and pages of files do not count.
 *
 * When to look   A timer of the kernel on the CPU time of each worker's process, which signals the
 *   supervisor after every 10 ms of it (clock_getcpuclockid(3), timer_create(2)). Memory is taken by
 *   touching it, which takes CPU time; a process that sleeps rings no timer. So nothing ticks in an
 *   idle pool, no worker has anything to do for it, and no rlimit makes malloc() fail in the middle
 *   of a kernel, which few survive.
 *
 * The cause      Before the kill the supervisor writes into seat.memory how much it was: the sweep
 *   finds it there, also that of the next supervisor, should this one die in between; all workers die
 *   with a supervisor, and that one would have been killed. It is cleared before the next fork.
 */
#include "memory.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_EVERY_NS (10 * NS_PER_MS) /* of CPU time */

static bool is_used; /* watches: by us, or by a supervisor that we descend from */
static struct watch {
    timer_t timer;
    uint64_t inherited; /* bytes */
    bool is_on;
} watches[SEATS_MAX];

/* Bytes of resident anonymous pages; 0: cannot tell. */
static uint64_t private_bytes(pid_t pid)
{
    char path[40], text[128], *end;

    snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n <= 0)
        return 0;
    text[n] = 0;
    strtoull(text, &end, 10); /* its address space */
    uint64_t resident = strtoull(end, &end, 10), shared = strtoull(end, &end, 10);
    return resident > shared ? (resident - shared) * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

void memory_begin(const struct wsched *p)
{
    if (is_used)
        memset(watches, 0, sizeof watches);
    is_used = p->options.worker_memory_max;
}

int memory_watch(struct wsched *p, uint32_t seat, pid_t pid)
{
    struct watch *w = &watches[seat];
    const struct itimerspec every = { { 0, LOOK_EVERY_NS }, { 0, LOOK_EVERY_NS } };
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL,
                              .sigev_signo = MEMORY_SIGNAL,
                              .sigev_value.sival_int = (int)seat };
    clockid_t clock;

    if (!p->options.worker_memory_max)
        return 0;
    int err = clock_getcpuclockid(pid, &clock);
    if (err)
        return -err;
    if (timer_create(clock, &event, &w->timer))
        return -errno;
    w->inherited = private_bytes(getpid());
    w->is_on = true;
    return timer_settime(w->timer, 0, &every, NULL) ? -errno : 0;
}

void memory_forget(uint32_t seat)
{
    if (watches[seat].is_on)
        timer_delete(watches[seat].timer);
    watches[seat].is_on = false;
}

void memory_look(struct wsched *p, uint32_t seat, pid_t pid)
{
    const struct watch *w = seat < SEATS_MAX ? &watches[seat] : NULL;
    uint64_t bytes = w && w->is_on && pid ? private_bytes(pid) : 0;

    if (!bytes || bytes < w->inherited || bytes - w->inherited <= p->options.worker_memory_max)
        return;
    au64_store_release(&p->seats[seat].memory, bytes - w->inherited);
    POINT("memory: over the limit, not killed");
    kill(pid, SIGKILL); /* our child, not yet reaped: the pid is its */
    POINT("memory: killed, not reaped");
}
