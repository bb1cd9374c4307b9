/* SPDX-License-Identifier: MIT */
#include "filemap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define ALIGNMENT 64

/* A pipe or a terminal: read to the end. The memory doubles, so copying stays linear. */
static int read_all(struct filemap *map, int fd)
{
    size_t capacity = 1 << 16, size = 0;
    char *data = aligned_alloc(ALIGNMENT, capacity);
    while (data) {
        ssize_t n = read(fd, data + size, capacity - size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            int err = -errno;
            free(data);
            return err;
        }
        size += (size_t)n;
        if (n == 0) {
            *map = (struct filemap){ data, size, false };
            return 0;
        }
        if (size < capacity)
            continue;
        char *bigger = capacity < SIZE_MAX / 2 ? aligned_alloc(ALIGNMENT, 2 * capacity) : NULL;
        if (bigger) {
            memcpy(bigger, data, size);
            capacity *= 2;
        }
        free(data);
        data = bigger;
    }
    return -ENOMEM;
}

static int map_or_read(struct filemap *map, int fd)
{
    struct stat s;
    if (fstat(fd, &s))
        return -errno;
    if (S_ISDIR(s.st_mode))
        return -EISDIR;
    /* A file that says 0 bytes may be one of /proc, which only read(2) gets. */
    if (!S_ISREG(s.st_mode) || s.st_size == 0)
        return read_all(map, fd);
    void *data = mmap(NULL, (size_t)s.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED)
        return -errno;
    *map = (struct filemap){ data, (size_t)s.st_size, true };
    return 0;
}

int filemap_open(struct filemap *map, const char *path, struct diag *diag)
{
    bool is_stdin = !strcmp(path, "-");
    int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return diag_set(diag, -errno, "cannot open it (%s)", strerror(errno));
    int err = map_or_read(map, fd);
    if (!is_stdin)
        close(fd);
    return err ? diag_set(diag, err, "cannot read it (%s)", strerror(-err)) : 0;
}

void filemap_close(struct filemap *map)
{
    union { /* the mapping is ours to give back, though nobody may write it */
        const char *readable;
        void *owned;
    } data = { map->data };
    if (map->is_mapped)
        munmap(data.owned, map->size);
    else
        free(data.owned);
    *map = (struct filemap){ NULL, 0, false };
}
