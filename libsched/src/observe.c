/* SPDX-License-Identifier: MIT */
/*
 * observe.c -- attaching to a pool to look at it: by name, by path, or by the pid of one of its
 * processes, among whose descriptors it is found.
 *
 * An observer's mapping is read-only: it cannot disturb what it looks at, and needs no seat. Guests
 * (guest.c) attach in the same way, but may write. What the header says of sizes is checked once
 * against the file, then copied; names of kernels are copied too. All else is checked where it is
 * read.
 */
#define _GNU_SOURCE
#include "pool.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* A memfd of ours, or a file in the folder of names. */
static bool is_pool_memory(int folder, const char *name)
{
    static const char memory[] = "/memfd:" MEMORY_NAME " ";
    char target[64], named[64];
    ssize_t n = readlinkat(folder, name, target, sizeof target - 1);

    if (n <= 0)
        return false;
    target[n] = 0;
    snprintf(named, sizeof named, "/dev/shm/wsched-%u/", (unsigned)geteuid());
    return !strncmp(target, memory, strlen(memory)) || !strncmp(target, named, strlen(named));
}

/* The first pool among the descriptors of a process. */
static int open_of_process(const char *pid, int mode)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/%.20s/fd", pid);
    DIR *folder = opendir(path);
    if (!folder)
        return errno == ENOENT ? -ENOENT : -errno;
    int fd = -ENOENT;
    for (const struct dirent *e; fd == -ENOENT && (e = readdir(folder));)
        if (is_pool_memory(dirfd(folder), e->d_name)) {
            fd = openat(dirfd(folder), e->d_name, mode | O_CLOEXEC);
            fd = fd < 0 ? -errno : fd;
        }
    closedir(folder);
    return fd;
}

static bool is_number(const char *where)
{
    size_t n = strspn(where, "0123456789");

    return n > 0 && n <= 10 && !where[n];
}

/* The descriptor, or an error. A pool may have a number for a name: it comes first. */
static int open_where(const char *where, int mode)
{
    char path[NAME_PATH_MAX];
    int err = name_path(where, path);
    int fd = err ? err : open(path, mode | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0 && !err)
        fd = -errno;
    return fd == -ENOENT && is_number(where) ? open_of_process(where, mode) : fd;
}

static int copy_kernels(struct wsched *p)
{
    struct wsched_kernel *kernels = calloc(p->kernel_count, sizeof *kernels);
    char *names = calloc(p->kernel_count, NAME_BYTES);

    if (!kernels || !names) {
        free(kernels);
        free(names);
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < p->kernel_count; i++) {
        kernels[i].name = names + (size_t)i * NAME_BYTES;
        memcpy(names + (size_t)i * NAME_BYTES, p->kernel_names + (size_t)i * NAME_BYTES,
               NAME_BYTES - 1);
    }
    p->kernels = kernels; /* names go with kernels[0].name */
    p->owns_kernels = true;
    return 0;
}

int pool_attach(const char *where, bool writable, struct wsched **out)
{
    struct wsched *p;
    int fd = open_where(where, writable ? O_RDWR : O_RDONLY), err = fd < 0 ? fd : pool_new(&p);

    if (err) {
        if (fd >= 0)
            close(fd);
        return err;
    }
    p->role = ROLE_OBSERVER;
    p->fd = fd;
    err = segment_look(p, writable);
    if (!err)
        err = copy_kernels(p);
    if (err) {
        pool_free(p);
        return err;
    }
    p->seat = driver_seat(p);
    *p->own = 1;
    *out = p;
    return 0;
}

int wsched_look(const char *where, struct wsched **out)
{
    return where && out ? pool_attach(where, false, out) : -EINVAL;
}

int wsched_layout_version(const char *where, uint32_t *found, uint32_t *known)
{
    struct header h;
    const size_t size = offsetof(struct header, workers); /* the same in all versions */
    struct stat st;

    if (!where || !found || !known)
        return -EINVAL;
    int fd = open_where(where, O_RDONLY), err = fd < 0 ? fd : 0;
    if (!err && (fstat(fd, &st) || !S_ISREG(st.st_mode) || pread(fd, &h, size, 0) != (ssize_t)size ||
                 h.magic != LAYOUT_MAGIC))
        err = -EPROTO;
    if (fd >= 0)
        close(fd);
    if (err)
        return err;
    *found = h.layout_version;
    *known = LAYOUT_VERSION;
    return 0;
}

void attached_free(struct wsched *p)
{
    if (!p->owns_kernels)
        return;
    free((void *)(uintptr_t)p->kernels[0].name);
    free((void *)(uintptr_t)p->kernels);
}
