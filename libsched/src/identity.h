/* SPDX-License-Identifier: MIT */
/*
 * identity.h -- which process sits in a seat.
 *
 * seat.identity packs incarnation:16 | start time:26 | pid:22; pid 0: nobody. Pid and start time
 * together are not reused, within a PID namespace: guests of another one are not let in. The
 * incarnation is the crew's number for its workers, and for a guest's seat how often it was taken.
 */
#ifndef WSCHED_IDENTITY_H
#define WSCHED_IDENTITY_H

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "proc.h"

#define IDENTITY_PID_BITS 22
#define IDENTITY_START_MASK 0x3fffffful /* 26 bits of a start time */

static inline uint64_t identity_make(uint32_t incarnation, uint64_t start, pid_t pid)
{
    return (uint64_t)(incarnation & 0xffff) << 48 |
           (start & IDENTITY_START_MASK) << IDENTITY_PID_BITS | (uint64_t)(uint32_t)pid;
}
static inline pid_t identity_pid(uint64_t identity)
{
    return (pid_t)(identity & ((1u << IDENTITY_PID_BITS) - 1));
}
static inline uint64_t identity_start(uint64_t identity)
{
    return identity >> IDENTITY_PID_BITS & IDENTITY_START_MASK;
}
static inline uint32_t identity_incarnation(uint64_t identity)
{
    return (uint32_t)(identity >> 48);
}

static inline int pidfd_of(pid_t pid)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);

    return fd < 0 ? -errno : fd;
}

/* A pidfd of the process of this identity, perhaps one on its way out; -ESRCH: it is gone. */
static inline int identity_open(uint64_t identity)
{
    uint64_t start = 0;
    char state;
    int fd = identity_pid(identity) ? pidfd_of(identity_pid(identity)) : -ESRCH;

    if (fd < 0)
        return fd == -EINVAL ? -ESRCH : fd; /* a thread's by now */
    /* The descriptor is of whoever has the pid now; is it still the same? */
    int err = proc_stat(identity_pid(identity), &start, &state);
    if (!err && (start & IDENTITY_START_MASK) != identity_start(identity))
        err = -ESRCH;
    if (err)
        close(fd);
    return err ? err : fd;
}

/* Has the last thread of this process ended? */
static inline bool pidfd_is_dead(int fd)
{
    struct pollfd f = { fd, POLLIN, 0 };

    return poll(&f, 1, 0) > 0 && f.revents;
}

/* Cannot tell: say it lives. */
static inline bool identity_is_dead(uint64_t identity)
{
    int fd = identity_open(identity);

    if (fd < 0)
        return fd == -ESRCH;
    bool is_dead = pidfd_is_dead(fd);
    close(fd);
    return is_dead;
}

/* The number of our PID namespace; 0: not known. */
static inline uint64_t pid_namespace(void)
{
    struct stat st;

    return stat("/proc/self/ns/pid", &st) ? 0 : (uint64_t)st.st_ino;
}

#endif
