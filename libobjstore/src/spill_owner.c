/* SPDX-License-Identifier: MIT */
/*
 * spill_owner.c -- whose the files in a spill directory are.
 *
 * The files of a store begin with its random name, which only the store itself tells. When that is
 * gone (a nameless one with its last process, one on tmpfs with the machine, one that was removed
 * by hand) they would stay for ever. So each store has an owner file there, .objstore-<name>: it
 * holds the store's path, or nothing if the store has none, and every process that has the store
 * open has it locked (flock(2), shared), which a death undoes.
 *
 *   gone  nobody has it locked, and it names no path, or one where this store is not
 *
 *   O1  make     the file made, locked, still under its name (a sweep may take what is not locked
 *                yet: then again), then the path written
 *   O2  share    opened, locked shared
 *   O3  sweep    seen as gone, locked exclusively, seen as gone once more; spill files removed,
 *                the owner file last
 *
 * Crashes   A death in O1 leaves an owner file of a store without files; in O3 the owner file is
 *   still there: the next sweep finds either.
 * Progress  Locks are tried, never waited for. Who would share what is being swept is told that the
 *   store is gone, because it was: nobody had it open. A sweep that is stopped holds up nobody
 * else.
 */
#define _GNU_SOURCE
#include "spill_owner.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "point.h"
#include "spill.h"

#define OWNER_PREFIX ".objstore-"
#define OWNER_BYTES 64
#define DIGITS 32 /* of the random name */

static int open_dir(const struct spill_fixed *fixed)
{
    int fd = open(fixed->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return fd < 0 ? -errno : fd;
}

static void owner_name(const struct spill_fixed *fixed, char name[OWNER_BYTES])
{
    snprintf(name, OWNER_BYTES, OWNER_PREFIX "%016llx%016llx", (unsigned long long)fixed->name[0],
             (unsigned long long)fixed->name[1]);
}

static bool has_its_name(int fd)
{
    struct stat st;

    return !fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_nlink > 0;
}

/* ---- users --------------------------------------------------------------------------------- */

int spill_owner_make(const struct spill_fixed *fixed, const char *path, mode_t mode, int *out)
{
    size_t size = strlen(path);
    char name[OWNER_BYTES];
    int dir = open_dir(fixed), fd, err = 0;

    if (dir < 0)
        return dir;
    owner_name(fixed, name);
    for (;;) {
        fd = openat(dir, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, mode & 0666);
        if (fd < 0) {
            err = -errno;
            break;
        }
        POINT("owner: made, not locked");
        if (!flock(fd, LOCK_SH | LOCK_NB) && has_its_name(fd))
            break;
        unlinkat(dir, name, 0); /* a sweep has it: it is not to wait for */
        close(fd);
    }
    close(dir);
    if (!err && write(fd, path, size) != (ssize_t)size) {
        err = -EIO;
        close(fd);
    }
    POINT("owner: written, no store yet");
    if (!err)
        *out = fd;
    return err;
}

int spill_owner_share(const struct spill_fixed *fixed, int *out)
{
    char name[OWNER_BYTES];
    int dir = open_dir(fixed), fd = -1;

    *out = -1;
    if (dir < 0)
        return 0; /* what is there cannot be had, nor can it be swept */
    owner_name(fixed, name);
    fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    close(dir);
    if (fd < 0)
        return 0;
    if (flock(fd, LOCK_SH | LOCK_NB) || !has_its_name(fd)) {
        close(fd);
        return -ESTALE;
    }
    *out = fd;
    return 0;
}

/* ---- what is gone -------------------------------------------------------------------------- */

/* Call `body` for each spill file of the store; returns how many it said yes to. */
static int each_file(int dir, const struct spill_fixed *fixed,
                     bool (*body)(int dir, const char *name, void *ctx), void *ctx)
{
    char prefix[SPILL_NAME_BYTES];
    int n = spill_file_prefix(fixed, prefix), count = 0;
    int own = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = own < 0 ? NULL : fdopendir(own);

    if (!list && own >= 0)
        close(own);
    for (struct dirent *e; list && (e = readdir(list));) {
        unsigned long long number;
        char end;

        if (!strncmp(e->d_name, prefix, (size_t)n) &&
            sscanf(e->d_name + n, "%llx%c", &number, &end) == 1)
            count += body(dir, e->d_name, ctx);
    }
    if (list)
        closedir(list);
    return count;
}

static bool remove_one(int dir, const char *name, void *ctx)
{
    (void)ctx;
    return unlinkat(dir, name, 0) == 0;
}

static bool count_bytes(int dir, const char *name, void *ctx)
{
    uint64_t *bytes = ctx;
    struct stat st;

    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW))
        return false;
    *bytes += (uint64_t)st.st_blocks * 512;
    return true;
}

int spill_owner_remove_files(const struct spill_fixed *fixed)
{
    char name[OWNER_BYTES];

    if (fixed->check != spill_fixed_check(fixed) || !memchr(fixed->dir, 0, sizeof fixed->dir))
        return -EBADMSG;
    if (fixed->mode != SPILL_TO_FILES)
        return 0;
    int dir = open_dir(fixed);
    if (dir < 0)
        return dir == -ENOENT ? 0 : dir;
    int removed = each_file(dir, fixed, remove_one, NULL);
    POINT("owner: files removed, owner file not");
    owner_name(fixed, name);
    unlinkat(dir, name, 0);
    close(dir);
    return removed;
}

/* Is the store there? Whatever cannot be looked at may be it. */
static bool is_store_at(const char *path, const struct spill_fixed *fixed)
{
    struct header_fixed header;
    struct geometry g;
    struct spill_fixed own;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0)
        return errno != ENOENT && errno != ENOTDIR;
    int err = file_check(fd, &header, &g, NULL);
    bool is_it = err ? err != -EPROTO
                     : pread(fd, &own, sizeof own, (off_t)g.spill_at) != (ssize_t)sizeof own ||
                           !memcmp(own.name, fixed->name, sizeof own.name);
    close(fd);
    return is_it;
}

/* False: somebody uses it, or it may come back. */
static bool is_gone(int fd, const struct spill_fixed *fixed, bool nameless_only)
{
    char path[PATH_MAX];
    ssize_t n = pread(fd, path, sizeof path - 1, 0);

    if (n < 0 || (n > 0 && nameless_only))
        return false;
    path[n] = 0;
    return n == 0 || (path[0] == '/' && !is_store_at(path, fixed));
}

static void sweep_one(int dir, const char *name, const struct spill_fixed *fixed,
                      bool nameless_only, bool remove, struct objstore_orphans *found)
{
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

    if (fd < 0)
        return;
    /* Looked at before it is locked, too: a store that is there can be opened at any moment. */
    if (is_gone(fd, fixed, nameless_only) && !flock(fd, LOCK_EX | LOCK_NB) && has_its_name(fd) &&
        is_gone(fd, fixed, nameless_only)) {
        found->stores++;
        found->files += (uint64_t)each_file(dir, fixed, count_bytes, &found->bytes);
        POINT("owner: locked, nothing removed");
        if (remove)
            (void)spill_owner_remove_files(fixed);
    }
    close(fd);
}

/* The store's random name from its owner file's name. */
static bool parse_name(const char *name, uint64_t number[2])
{
    size_t skip = sizeof OWNER_PREFIX - 1;

    if (strncmp(name, OWNER_PREFIX, skip) || strlen(name + skip) != DIGITS ||
        strspn(name + skip, "0123456789abcdef") != DIGITS)
        return false;
    number[0] = number[1] = 0;
    for (int i = 0; i < DIGITS; i++) {
        char c = name[skip + (size_t)i];

        number[i / 16] = number[i / 16] << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    return true;
}

int spill_owner_sweep(const char *dir, bool nameless_only, bool remove,
                      struct objstore_orphans *out)
{
    struct spill_fixed fixed = { .mode = SPILL_TO_FILES };
    struct objstore_orphans found = { 0 };
    char full[PATH_MAX];

    if (!realpath(dir, full))
        return -errno;
    if (strlen(full) >= sizeof fixed.dir)
        return -ENAMETOOLONG;
    memcpy(fixed.dir, full, strlen(full) + 1);
    DIR *list = opendir(full);
    if (!list)
        return -errno;
    for (struct dirent *e; (e = readdir(list));)
        if (parse_name(e->d_name, fixed.name)) {
            fixed.check = spill_fixed_check(&fixed);
            sweep_one(dirfd(list), e->d_name, &fixed, nameless_only, remove, &found);
        }
    closedir(list);
    if (out)
        *out = found;
    return 0;
}
