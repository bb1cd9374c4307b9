/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "crowd.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int crowd_forge(const struct objstore *s, uint64_t last)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    char link[40];

    snprintf(link, sizeof link, "/proc/self/fd/%d", objstore_fd(s));
    int fd = open(link, O_RDWR | O_CLOEXEC);
    lock.l_start = (off_t)(s->geo.leases_at + sizeof(struct lease));
    lock.l_len = (off_t)(last * sizeof(struct lease));
    if (fd < 0 || fcntl(fd, F_OFD_SETLK, &lock)) {
        perror("crowd_forge");
        _exit(98);
    }
    for (uint64_t i = 1; i <= last; i++)
        au64_store_relaxed(&s->leases[i].word, 1ull << 32 | 1);
    au64_store_relaxed(&s->header->leases_used, last + 1);
    return fd;
}
