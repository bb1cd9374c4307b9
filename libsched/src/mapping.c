/* SPDX-License-Identifier: MIT */
/*
 * mapping.c -- who has the pool's memory, by /proc/PID/maps.
 *
 * What is in a seat may be damaged, and then name a process that has nothing to do with the pool. It must
 * not be killed. A process of the pool maps its file; and one that does not (any more) cannot touch it.
 */
#include "mapping.h"

#include <stdio.h>

struct mapped { /* which file, as maps tells; stat() may tell another device */
    unsigned major, minor;
    unsigned long inode;
};

/* The file at the address `at`; or, without one, is *file mapped anywhere? 0: no; -ESRCH: no memory. */
static int look(pid_t pid, uintptr_t at, struct mapped *file)
{
    char path[40], line[512];
    int found = -ESRCH;

    snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    FILE *maps = fopen(path, "re");
    if (!maps)
        return errno == EACCES ? 0 : -errno; /* another user's: not ours */
    while (found != 1 && fgets(line, sizeof line, maps)) {
        unsigned long from, to;
        struct mapped m;
        if (sscanf(line, "%lx-%lx %*s %*x %x:%x %lu", &from, &to, &m.major, &m.minor, &m.inode) !=
            5)
            continue; /* the rest of a long line */
        bool is_it =
            at ? from <= at && at < to
               : m.major == file->major && m.minor == file->minor && m.inode == file->inode;
        found = is_it;
        if (is_it)
            *file = m;
    }
    fclose(maps);
    return found;
}

bool mapping_is_foreign(const struct wsched *p, pid_t pid)
{
    struct mapped ours = { 0, 0, 0 };

    return look(getpid(), (uintptr_t)p->base, &ours) == 1 && look(pid, 0, &ours) == 0;
}
