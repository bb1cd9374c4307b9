/* SPDX-License-Identifier: MIT */
/*
 * proc.h -- which process is this, and is it still there?
 *
 * A pid alone is reused; pid and start time (field 22 of /proc/pid/stat, in clock ticks since
 * boot) are not.
 */
#ifndef COMMON_PROC_H
#define COMMON_PROC_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

/* Start time of a process and its state letter; 0, or -ESRCH if there is none. */
static inline int proc_stat(pid_t pid, uint64_t *start_time, char *state)
{
    char path[40], text[512];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? -ESRCH : -errno;
    ssize_t n = read(fd, text, sizeof text - 1);
    int err = n < 0 ? -errno : 0;
    close(fd);
    if (n <= 0)
        return err ? err : -ESRCH;
    text[n] = 0;
    /* The command in parentheses may hold anything, also ") "; the last ')' ends it. */
    const char *p = strrchr(text, ')');
    if (!p || p[1] != ' ' || !p[2])
        return -ESRCH;
    *state = p[2];
    p += 2;
    for (int field = 3; field < 22; field++) {
        p = strchr(p, ' ');
        if (!p)
            return -ESRCH;
        p++;
    }
    *start_time = strtoull(p, NULL, 10);
    return 0;
}

/* Does the process that had this pid and start time still run user code? A zombie does not. */
static inline bool proc_is_alive(pid_t pid, uint64_t start_time)
{
    uint64_t now_start;
    char state;
    int err = proc_stat(pid, &now_start, &state);
    if (err)
        return err != -ESRCH; /* cannot tell: assume it lives */
    return now_start == start_time && state != 'Z' && state != 'X' && state != 'x';
}

#endif
