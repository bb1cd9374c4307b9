/* SPDX-License-Identifier: MIT */
/*
 * file.c -- the file behind a store.
 *
 * A store is made complete in a file that has no name (O_TMPFILE) and then linked to its name: a
 * maker that dies leaves nothing, and who opens a name never meets a half-made store. Where the
 * file system has no O_TMPFILE the file is made under a name nobody asks for.
 */
#define _GNU_SOURCE /* O_TMPFILE, fallocate, memfd_create, strerrordesc_np */
#include "file.h"
#include "durable.h"
#include "futex.h"
#include "point.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

void diag_set(struct objstore_diag *diag, const char *format, ...)
{
    va_list args;

    if (!diag)
        return;
    va_start(args, format);
    vsnprintf(diag->text, sizeof diag->text, format, args);
    va_end(args);
}

static int user_dir(char *dir, size_t size)
{
    return snprintf(dir, size, "/dev/shm/objstore-%u", (unsigned)geteuid());
}

int file_resolve(const char *where, struct file_name *name)
{
    size_t length = strlen(where);

    if (length == 0)
        return -EINVAL;
    if (length >= sizeof name->path)
        return -ENAMETOOLONG;
    name->is_ours = !strchr(where, '/');
    if (name->is_ours) {
        if (where[0] == '.' || length > FILE_NAME_MAX)
            return where[0] == '.' ? -EINVAL : -ENAMETOOLONG;
        int n = user_dir(name->dir, sizeof name->dir);
        memcpy(name->path, name->dir, (size_t)n);
        name->path[n] = '/';
        memcpy(name->path + n + 1, where, length + 1);
        return 0;
    }
    if (where[length - 1] == '/')
        return -EINVAL;
    memcpy(name->path, where, length + 1);
    memcpy(name->dir, where, length + 1);
    char *slash = strrchr(name->dir, '/');
    slash[slash == name->dir] = 0;
    return 0;
}

int file_absolute(const struct file_name *name, char path[PATH_MAX])
{
    const char *last = strrchr(name->path, '/');

    if (!realpath(name->dir, path))
        return -errno;
    size_t n = strlen(path) == 1 ? 0 : strlen(path); /* the root */
    if (n + strlen(last) >= PATH_MAX)
        return -ENAMETOOLONG;
    memcpy(path + n, last, strlen(last) + 1);
    return 0;
}

int file_make_dir(const struct file_name *name)
{
    struct stat st;

    if (!name->is_ours)
        return 0;
    if (mkdir(name->dir, 0700) && errno != EEXIST)
        return -errno;
    if (lstat(name->dir, &st))
        return -errno;
    /* /dev/shm is everybody's: somebody may have put something else there. */
    return S_ISDIR(st.st_mode) && st.st_uid == geteuid() ? 0 : -EACCES;
}

/* ---- making -------------------------------------------------------------------------------- */

/* A name that only its maker uses, for file systems that need one. */
static int open_hidden(const char *dir)
{
    char path[PATH_MAX];

    for (int i = 0; i < 100; i++) {
        int n = snprintf(path, sizeof path, "%s/.objstore-%d-%llx", dir, (int)getpid(),
                         (unsigned long long)monotonic_ns());
        if (n < 0 || (size_t)n >= sizeof path)
            return -ENAMETOOLONG;
        int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd < 0 && errno == EEXIST)
            continue;
        if (fd < 0)
            return -errno;
        /* The link comes from the descriptor, which a file without names would refuse. */
        return fd;
    }
    return -EEXIST;
}

int file_nameless(const char *dir)
{
    int fd;

    if (!dir)
        fd = memfd_create("objstore", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    else
        fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0 && dir && (errno == EOPNOTSUPP || errno == EISDIR))
        return open_hidden(dir);
    return fd < 0 ? -errno : fd;
}

void *file_map(int fd, uint64_t from, uint64_t bytes, int protection)
{
    unsigned char *room = mmap(NULL, bytes + HUGE_BYTES, PROT_NONE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (room == MAP_FAILED)
        return NULL;
    uint64_t before = -(uintptr_t)room % HUGE_BYTES;
    void *at = mmap(room + before, bytes, protection, MAP_SHARED | MAP_FIXED, fd, (off_t)from);
    int err = errno;

    if (at == MAP_FAILED) {
        munmap(room, bytes + HUGE_BYTES);
        errno = err;
        return NULL;
    }
    if (before)
        munmap(room, before);
    if (before < HUGE_BYTES)
        munmap(room + before + bytes, HUGE_BYTES - before);
    return at;
}

static int reserve(int fd, uint64_t at, uint64_t bytes)
{
    while (fallocate(fd, 0, (off_t)at, (off_t)bytes))
        if (errno != EINTR)
            return -errno;
    return 0;
}

/*
 * MADV_COLLAPSE makes huge pages of pieces that have a first page, whatever is set for those who do
 * not ask; no page of the data exists yet, so there is nothing to copy. What the kernel
 * refuses (it has no such page, is older than 6.1, the file is on a disk) is reserved as usual.
 *
 * A huge page is cleared now. Small ones take less to reserve, but 512 faults, and as many cleared,
 * on first use: together more than PIECE_NS. So who did not ask for huge ones gets them, too, as
 * long as they take no longer than that. They do when the kernel has to make room for each. What it
 * does once a call, to wait for all processors, may take some milliseconds: hence several pieces a
 * call, more and more, and some START_PIECES' time to begin with, if there are so many.
 */
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#define PIECE_NS 500000
#define START_PIECES 32u
#define CALL_PIECES 32u

/* Then nothing is to be taken before reserve() has said so. */
static bool is_too_large(int fd, const struct geometry *g)
{
    struct statvfs st;

    return fstatvfs(fd, &st) ||
           (st.f_blocks && st.f_bavail < g->capacity_bytes / st.f_frsize); /* 0: without limit */
}

/* Pieces from `first` on, `data` is where the mapping of all begins. False: not all could be had. */
static bool collapse(int fd, const struct geometry *g, unsigned char *data, uint64_t first,
                     uint64_t pieces)
{
    for (uint64_t i = first; i < first + pieces; i++)
        if (fallocate(fd, 0, (off_t)(g->data_at + i * HUGE_BYTES), PAGE_BYTES))
            return false;
    return !madvise(data + first * HUGE_BYTES, pieces * HUGE_BYTES, MADV_COLLAPSE);
}

static void reserve_huge(int fd, const struct geometry *g, bool at_any_cost)
{
    const uint64_t pieces = g->capacity_bytes / HUGE_BYTES;
    const uint64_t ahead = pieces < START_PIECES ? pieces : START_PIECES;
    int64_t begin = monotonic_ns();

    if (!pieces || is_too_large(fd, g))
        return;
    unsigned char *data = file_map(fd, g->data_at, pieces * HUGE_BYTES, PROT_READ);
    if (!data)
        return;
    for (uint64_t done = 0, n; done < pieces; done += n) {
        n = done + 4 < CALL_PIECES ? done + 4 : CALL_PIECES;
        n = n < pieces - done ? n : pieces - done;
        if (!at_any_cost && monotonic_ns() - begin > (int64_t)(done + ahead) * PIECE_NS)
            break;
        if (!collapse(fd, g, data, done, n))
            break;
    }
    munmap(data, pieces * HUGE_BYTES);
}

static void diag_no_room(struct objstore_diag *diag, int fd, const struct geometry *g)
{
    uint64_t need = g->control_bytes + g->slots_first * sizeof(struct slot) + g->capacity_bytes;
    struct statvfs st;

    if (fstatvfs(fd, &st))
        return;
    diag_set(diag,
             "the store needs %llu MiB, its file system has %llu of %llu MiB free (in a "
             "container /dev/shm is often small: see --shm-size)",
             (unsigned long long)(need >> 20) + 1,
             (unsigned long long)(st.f_bavail * st.f_frsize >> 20),
             (unsigned long long)(st.f_blocks * st.f_frsize >> 20));
}

static int fill(int fd, const struct geometry *g, uint32_t mode, uint32_t flags,
                struct objstore_diag *diag)
{
    struct header_fixed fixed = {
        .magic = LAYOUT_MAGIC,
        .layout_version = LAYOUT_VERSION,
        .fingerprint = layout_fingerprint(),
        .capacity_bytes = g->capacity_bytes,
        .file_bytes = g->file_bytes,
        .created_ns = (uint64_t)clock_ns(CLOCK_REALTIME),
        .flags = flags,
    };
    uint64_t slots_ready = g->slots_first, boot = durable_boot();
    struct rlimit limit;
    int err;

    /* Beyond the limit ftruncate() would also send SIGXFSZ. */
    if (!getrlimit(RLIMIT_FSIZE, &limit) && limit.rlim_cur < g->file_bytes)
        return -EFBIG;
    fixed.check = header_check(&fixed);
    if (fchmod(fd, mode & 0777) || ftruncate(fd, (off_t)g->file_bytes))
        return -errno;
    err = reserve(fd, 0, g->control_bytes);
    if (!err)
        err = reserve(fd, g->slots_at, g->slots_first * sizeof(struct slot));
    if (!err)
        reserve_huge(fd, g, flags & HEADER_HUGE_PAGES);
    if (!err)
        err = reserve(fd, g->data_at, g->capacity_bytes);
    if (err == -ENOSPC)
        diag_no_room(diag, fd, g);
    if (err)
        return err;
    if (pwrite(fd, &fixed, sizeof fixed, 0) != (ssize_t)sizeof fixed ||
        pwrite(fd, &slots_ready, 8, offsetof(struct header, slots_ready)) != 8 ||
        pwrite(fd, &boot, 8, offsetof(struct header, boot)) != 8)
        return -EIO;
    return 0;
}

int file_path(int fd, char path[PATH_MAX])
{
    char link[40];

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, PATH_MAX - 1);
    if (n < 0)
        return -errno;
    path[n] = 0;
    return 0;
}

bool file_is(const char *path, int fd)
{
    struct stat a, b;

    return !stat(path, &a) && !fstat(fd, &b) && a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

/* One made by open_hidden() has its first name still. */
void file_unlink_hidden(int fd)
{
    char path[PATH_MAX];
    const char *base;

    if (!file_path(fd, path) && (base = strrchr(path, '/')) && !strncmp(base, "/.objstore-", 11) &&
        file_is(path, fd))
        unlink(path);
}

int file_make(const char *dir, const struct geometry *g, uint32_t mode, uint32_t flags,
              struct objstore_diag *diag)
{
    int fd = file_nameless(dir);
    int err = fd < 0 ? fd : fill(fd, g, mode, flags, diag);

    if (fd < 0 && dir)
        diag_set(diag, "the directory %.150s: %s", dir, strerrordesc_np(-fd));
    if (!err && !dir) /* nobody can take reserved bytes away any more */
        (void)fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW);
    if (err && fd >= 0) {
        file_unlink_hidden(fd);
        close(fd);
    }
    POINT("file: made, no name");
    return err ? err : fd;
}

/* A file made without a name keeps none to tell; one that was opened by its name does. */
static void reopen(int fd, const char *path)
{
    int named = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    if (named >= 0 && file_is(path, fd))
        (void)dup3(named, fd, O_CLOEXEC);
    if (named >= 0)
        close(named);
}

int file_link(int fd, const char *path)
{
    char link[40];

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    return linkat(AT_FDCWD, link, AT_FDCWD, path, AT_SYMLINK_FOLLOW) ? -errno : 0;
}

int file_publish(int fd, const struct file_name *name)
{
    int err = file_link(fd, name->path);

    POINT("file: linked");
    file_unlink_hidden(fd);
    if (!err)
        reopen(fd, name->path);
    return err;
}

/* ---- checking ------------------------------------------------------------------------------ */

int file_check(int fd, struct header_fixed *fixed, struct geometry *g, struct objstore_diag *diag)
{
    struct stat st;

    if (fstat(fd, &st))
        return -errno;
    bool is_large = S_ISREG(st.st_mode) && st.st_size >= (off_t)PAGE_BYTES;
    ssize_t n = is_large ? pread(fd, fixed, sizeof *fixed, 0) : 0;
    if (n < 0)
        return -errno;
    if (n != (ssize_t)sizeof *fixed || fixed->magic != LAYOUT_MAGIC) {
        diag_set(diag, "not an object store");
        return -EPROTO;
    }
    if (fixed->layout_version != LAYOUT_VERSION || fixed->fingerprint != layout_fingerprint()) {
        diag_set(diag, "a store of layout version %u (%08x); this library has %u (%08x)",
                 fixed->layout_version, fixed->fingerprint, LAYOUT_VERSION, layout_fingerprint());
        return -EPROTO;
    }
    if (fixed->check != header_check(fixed)) {
        diag_set(diag, "the header is damaged (its checksum is wrong)");
        return -EBADMSG;
    }
    if (!geometry_of(fixed->capacity_bytes, g) || g->file_bytes != fixed->file_bytes ||
        (uint64_t)st.st_size != g->file_bytes) {
        diag_set(diag, "the file has %llu bytes, its header says %llu: truncated?",
                 (unsigned long long)st.st_size, (unsigned long long)fixed->file_bytes);
        return -EBADMSG;
    }
    return 0;
}

void file_tidy_dir(const char *path)
{
    char dir[PATH_MAX];
    int n = user_dir(dir, sizeof dir);

    if (!strncmp(path, dir, (size_t)n) && path[n] == '/' && !strchr(path + n + 1, '/'))
        (void)rmdir(dir); /* fails if there is something in it */
}

/*
 * Between the comparison and unlink() somebody may destroy our name and make another store of it:
 * we would take that one's name. It takes two other calls in one microsecond of ours, at
 * the end of an ephemeral store's life; a lock on the directory would cost more: a stopped
 * holder would stop everybody.
 */
void file_unlink_name(int fd)
{
    char path[PATH_MAX];

    if (file_path(fd, path) || !file_is(path, fd) || unlink(path))
        return;
    durable_forget(path);
    file_tidy_dir(path);
}
