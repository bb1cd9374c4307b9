/* SPDX-License-Identifier: MIT */
/*
 * proc.h -- which process is this, and is it still there?
 *
 * A pid alone is reused; pid and start time (field 22 of /proc/pid/stat, in clock ticks since
 * boot) are not.
 *
 * Who has just been forked reads this first of all, and each new page of the C library's code costs
 * it a fault: so no printf() and no strtoull() here.
 */
#ifndef COMMON_PROC_H
#define COMMON_PROC_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#define PROC_STAT_BYTES 2048

/* Read /proc/PID/stat or /proc/PID/task/TID/stat: its third field, the state. NULL: see errno;
 * ESRCH: there is no such process. */
static inline const char *proc_read(const char *path, char text[PROC_STAT_BYTES])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        errno = errno == ENOENT ? ESRCH : errno;
        return NULL;
    }
    ssize_t n = read(fd, text, PROC_STAT_BYTES - 1);
    int err = n < 0 ? errno : ESRCH;
    close(fd);
    errno = err;
    if (n <= 0)
        return NULL;
    text[n] = 0;
    /* The command in parentheses may hold anything, also ") "; the last ')' ends it. */
    while (n > 0 && text[n] != ')')
        n--;
    return n && text[n + 1] == ' ' && text[n + 2] ? text + n + 2 : NULL;
}

/* Field n > 3, by the numbers of proc(5): 0 if it is negative. -ESRCH: there are not so many. */
static inline int proc_number(const char *third, int n, uint64_t *out)
{
    uint64_t v = 0;

    for (int i = 3; i < n; third++)
        if (!*third)
            return -ESRCH;
        else
            i += *third == ' ';
    for (; *third >= '0' && *third <= '9'; third++)
        v = v * 10 + (uint64_t)(*third - '0');
    *out = v;
    return 0;
}

/* "/proc/PID/NAME" */
static inline void proc_path(char path[40], pid_t pid, const char *name)
{
    char digits[10];
    size_t n = 0;

    memcpy(path, "/proc/", 6);
    path += 6;
    do
        digits[n++] = (char)('0' + pid % 10);
    while (pid /= 10);
    while (n)
        *path++ = digits[--n];
    *path++ = '/';
    strcpy(path, name);
}

/* Start time of a process and its state letter; 0, or -ESRCH if there is none. */
static inline int proc_stat(pid_t pid, uint64_t *start_time, char *state)
{
    char path[40], text[PROC_STAT_BYTES];

    proc_path(path, pid, "stat");
    const char *third = proc_read(path, text);
    if (!third)
        return -errno;
    *state = *third;
    return proc_number(third, 22, start_time);
}

#endif
