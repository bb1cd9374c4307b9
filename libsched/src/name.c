/* SPDX-License-Identifier: MIT */
/*
 * name.c -- pools that have a name: a file in /dev/shm/wsched-<uid>, or wherever a path says.
 *
 *   no file        -> ours              name_publish(): link(2) of a file without a name
 *   a dead pool's  -> ours              name_publish(): rename(2) over it
 *   ours           -> no file           name_remove(), in wsched_close()
 *   ours           -> a dead pool's     all processes of the pool died: kept to be looked at
 *
 * Invariants
 *   N1  A file has the name only when it is a whole pool: it is filled before it gets the name.
 *   N2  Whose file is locked lives: the driver takes a write lock of the open file description,
 *       which supervisor and workers inherit, so the kernel drops it with the last of them.
 *   N3  Only who holds the lock of the file that has the name takes the name away: the owner, or
 *       one who locked a dead pool's file. That the file still has the name is looked at under the
 *       lock, so two who found the same dead pool do not replace each other.
 *
 * Deaths     Before link(2): nothing is left. While replacing: the dead pool's file, or ours, and
 *            perhaps a second name of ours, .name.new, which the next to replace or remove it
 *            removes. After link(2) or rename(2): our file, a dead pool's as any other.
 * Progress   Nobody waits for a lock: one that is taken means -EEXIST, also when its holder is
 *            stopped.
 */
#define _GNU_SOURCE /* O_TMPFILE, F_OFD_SETLK */
#include "pool.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define REPLACE_TRIES 100

/* The folder of names, made if there is none, removed by who leaves it empty. It must be ours:
 * others could swap files in it. */
static int make_folder(char path[NAME_PATH_MAX])
{
    struct stat st;

    snprintf(path, NAME_PATH_MAX, "/dev/shm/wsched-%u", (unsigned)geteuid());
    for (int i = 0; i < REPLACE_TRIES; i++) {
        if (mkdir(path, 0700) && errno != EEXIST)
            return -errno;
        if (!lstat(path, &st))
            return S_ISDIR(st.st_mode) && st.st_uid == geteuid() ? 0 : -EPERM;
        if (errno != ENOENT) /* else somebody has tidied up */
            return -errno;
    }
    return -ENOENT;
}

/* Nothing shall be left of us. Who is just about to use the folder makes it again. */
static void tidy_folder(const char *where)
{
    char path[NAME_PATH_MAX];

    snprintf(path, NAME_PATH_MAX, "/dev/shm/wsched-%u", (unsigned)geteuid());
    if (!strchr(where, '/'))
        (void)rmdir(path); /* fails if there is something in it */
}

int name_path(const char *where, char path[NAME_PATH_MAX])
{
    size_t length = strnlen(where, NAME_PATH_MAX);
    int n;

    if (length == 0 || length == NAME_PATH_MAX)
        return -EINVAL;
    if (strchr(where, '/'))
        n = snprintf(path, NAME_PATH_MAX, "%s", where);
    else if (where[0] == '.')
        return -EINVAL;
    else
        n = snprintf(path, NAME_PATH_MAX, "/dev/shm/wsched-%u/%s", (unsigned)geteuid(), where);
    return n < NAME_PATH_MAX ? 0 : -EINVAL;
}

static struct flock whole_file(void)
{
    return (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET };
}

int name_lock(int fd)
{
    struct flock lock = whole_file();

    return fcntl(fd, F_OFD_SETLK, &lock) ? -errno : 0;
}

bool name_is_used(int fd)
{
    struct flock lock = whole_file();

    return fcntl(fd, F_OFD_GETLK, &lock) || lock.l_type != F_UNLCK; /* cannot tell: say it is */
}

int name_create(const char *where, int *fd)
{
    char path[NAME_PATH_MAX], folder[NAME_PATH_MAX];
    int err = name_path(where, path), file = -1;

    if (err)
        return err;
    char *slash = strrchr(path, '/');
    slash[slash == path] = 0; /* the folder; "/" itself stays */
    for (int i = 0; i < REPLACE_TRIES && file < 0 && !err; i++) {
        bool is_ours = !strchr(where, '/');
        err = is_ours ? make_folder(folder) : 0;
        if (!err && (file = open(path, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)) < 0 &&
            !(is_ours && errno == ENOENT)) /* somebody has tidied up */
            err = -errno;
    }
    if (file < 0)
        return err ? err : -ENOENT;
    err = name_lock(file);
    if (err)
        close(file);
    else
        *fd = file;
    return err;
}

static bool is_same_file(int fd, const char *path)
{
    struct stat a, b;

    return !fstat(fd, &a) && !stat(path, &b) && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* The second name, while replacing; only who holds the lock of the file at `path` uses it. */
static void temp_path(const char *path, char temp[NAME_PATH_MAX + 8])
{
    const char *name = strrchr(path, '/') + 1;

    snprintf(temp, NAME_PATH_MAX + 8, "%.*s.%s.new", (int)(name - path), path, name);
}

/* Our file gets the name of a dead pool, whose lock we hold (N3). */
static int replace(int fd, const char *path)
{
    char own[40], temp[NAME_PATH_MAX + 8];

    temp_path(path, temp);
    unlink(temp); /* of one that died here */
    snprintf(own, sizeof own, "/proc/self/fd/%d", fd);
    if (linkat(AT_FDCWD, own, AT_FDCWD, temp, AT_SYMLINK_FOLLOW))
        return -errno;
    POINT("name: linked beside the dead pool's");
    int err = rename(temp, path) ? -errno : 0;
    POINT("name: renamed");
    if (err)
        unlink(temp);
    return err;
}

/* Open and lock the file of a dead pool. -EAGAIN: it has lost its name by now; -EBUSY: the pool
 * lives; -EPROTO: no pool's. */
static int lock_dead(const char *path, int *fd)
{
    struct header header;
    struct stat st;
    int old = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

    if (old < 0)
        return errno == ELOOP || errno == EISDIR ? -EPROTO : -errno;
    int err = fstat(old, &st) || !S_ISREG(st.st_mode) ? -EPROTO : 0;
    if (!err &&
        (pread(old, &header, sizeof header, 0) != sizeof header || header.magic != LAYOUT_MAGIC))
        err = -EPROTO; /* somebody's file: not ours to take away */
    if (!err)
        err = name_lock(old);
    if (err == -EAGAIN || err == -EACCES)
        err = -EBUSY;
    POINT("name: locked the dead pool's file");
    if (!err && !is_same_file(old, path))
        err = -EAGAIN;
    if (err)
        close(old);
    else
        *fd = old;
    return err;
}

/* 0; -EAGAIN: try again, it is another file by now, or none. */
static int replace_dead(int fd, const char *path)
{
    int old = -1, err = lock_dead(path, &old);

    if (err)
        return err == -ENOENT ? -EAGAIN : err == -EBUSY || err == -EPROTO ? -EEXIST : err;
    err = replace(fd, path);
    close(old);
    return err;
}

int wsched_remove(const char *where)
{
    char path[NAME_PATH_MAX], temp[NAME_PATH_MAX + 8];
    int old, err = where ? name_path(where, path) : -EINVAL;

    if (!err)
        err = lock_dead(path, &old);
    if (err)
        return err == -EAGAIN ? -EBUSY : err; /* the next pool has just taken the name */
    temp_path(path, temp);
    unlink(temp); /* of one that died while it replaced this one */
    POINT("name: about to remove a dead pool's");
    err = unlink(path) ? -errno : 0;
    close(old);
    tidy_folder(where);
    return err;
}

int name_publish(const char *where, int fd)
{
    char path[NAME_PATH_MAX], folder[NAME_PATH_MAX], own[40];
    int err = name_path(where, path);

    snprintf(own, sizeof own, "/proc/self/fd/%d", fd);
    for (int i = 0; i < REPLACE_TRIES && !err; i++) {
        POINT("name: filled, not linked");
        if (!linkat(AT_FDCWD, own, AT_FDCWD, path, AT_SYMLINK_FOLLOW)) {
            POINT("name: linked");
            return 0;
        }
        if (errno == ENOENT && !strchr(where, '/')) { /* somebody has tidied up */
            err = make_folder(folder);
            continue;
        }
        err = errno == EEXIST ? replace_dead(fd, path) : -errno;
        if (!err)
            return 0;
        err = err == -EAGAIN ? 0 : err;
    }
    return err ? err : -EEXIST;
}

void name_remove(const char *where, int fd)
{
    char path[NAME_PATH_MAX];

    if (name_path(where, path) || !is_same_file(fd, path))
        return;
    POINT("name: about to remove ours");
    unlink(path);
    tidy_folder(where);
}
