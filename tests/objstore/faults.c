/* SPDX-License-Identifier: MIT */
/*
 * faults.c -- the system calls of a program, under names of its own that may fail.
 *
 * A program that calls fault_arm() is linked to these in libc's stead, and so is the library in
 * it. They go to the kernel directly; nothing of libc or of a sanitizer is lost that the
 * library's calls would need.
 */
#define _GNU_SOURCE
#include "faults.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct {
    bool is_armed, is_persistent;
    uint64_t countdown;
    int error;
    const char *failed; /* the first call that did */
    const char *only;
} fault;

struct au64 fault_mapped; /* bytes, mapped less unmapped */

void fault_arm(uint64_t n, int error, bool is_persistent)
{
    fault.countdown = n;
    fault.error = error;
    fault.is_persistent = is_persistent;
    fault.failed = NULL;
    fault.is_armed = true;
}

const char *fault_disarm(void)
{
    fault.is_armed = false;
    return fault.failed;
}

void fault_no_tmpfile(bool is_missing)
{
    fault.only = is_missing ? "O_TMPFILE" : NULL;
}

static bool fails(const char *call)
{
    if (!fault.is_armed || (fault.failed && !fault.is_persistent))
        return false;
    if (!fault.failed) {
        if (fault.countdown-- > 1)
            return false;
        fault.failed = call;
    }
    errno = fault.error;
    return true;
}

#define OR_FAIL(call, ...) (fails(call) ? -1 : (__VA_ARGS__))

int open(const char *path, int flags, ...)
{
    va_list args;
    mode_t mode = 0;

    if (flags & (O_CREAT | __O_TMPFILE)) {
        va_start(args, flags);
        mode = va_arg(args, mode_t);
        va_end(args);
    }
    if (fault.only && (flags & O_TMPFILE) == O_TMPFILE) {
        errno = EOPNOTSUPP;
        return -1;
    }
    return OR_FAIL("open", (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode));
}

int memfd_create(const char *name, unsigned flags)
{
    return OR_FAIL("memfd_create", (int)syscall(SYS_memfd_create, name, flags));
}

int ftruncate(int fd, off_t size)
{
    return OR_FAIL("ftruncate", (int)syscall(SYS_ftruncate, fd, size));
}

int fallocate(int fd, int mode, off_t at, off_t size)
{
    return OR_FAIL("fallocate", (int)syscall(SYS_fallocate, fd, mode, at, size));
}

int fchmod(int fd, mode_t mode)
{
    return OR_FAIL("fchmod", (int)syscall(SYS_fchmod, fd, mode));
}

int mkdir(const char *path, mode_t mode)
{
    return OR_FAIL("mkdir", (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode));
}

int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
    return OR_FAIL("linkat", (int)syscall(SYS_linkat, from_dir, from, to_dir, to, flags));
}

int unlink(const char *path)
{
    return OR_FAIL("unlink", (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0));
}

ssize_t readlink(const char *path, char *out, size_t size)
{
    return OR_FAIL("readlink", syscall(SYS_readlinkat, AT_FDCWD, path, out, size));
}

int dup3(int from, int to, int flags)
{
    return OR_FAIL("dup3", (int)syscall(SYS_dup3, from, to, flags));
}

int fcntl(int fd, int command, ...)
{
    va_list args;
    long argument;

    va_start(args, command);
    argument = va_arg(args, long);
    va_end(args);
    return OR_FAIL("fcntl", (int)syscall(SYS_fcntl, fd, command, argument));
}

ssize_t pread(int fd, void *out, size_t size, off_t at)
{
    return OR_FAIL("pread", syscall(SYS_pread64, fd, out, size, at));
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at)
{
    return OR_FAIL("pwrite", syscall(SYS_pwrite64, fd, bytes, size, at));
}

ssize_t getrandom(void *out, size_t size, unsigned flags)
{
    return OR_FAIL("getrandom", syscall(SYS_getrandom, out, size, flags));
}

int fstat(int fd, struct stat *out)
{
    return OR_FAIL("fstat", fstatat(fd, "", out, AT_EMPTY_PATH));
}

int lstat(const char *path, struct stat *out)
{
    return OR_FAIL("lstat", fstatat(AT_FDCWD, path, out, AT_SYMLINK_NOFOLLOW));
}

int stat(const char *path, struct stat *out)
{
    return OR_FAIL("stat", fstatat(AT_FDCWD, path, out, 0));
}

void *mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    if (fails("mmap"))
        return MAP_FAILED;
    long r = syscall(SYS_mmap, at, size, protection, flags, fd, offset);
    if (r == -1)
        return MAP_FAILED;
    if (!(flags & MAP_FIXED))                  /* that is into what is mapped already */
        au64_add_relaxed(&fault_mapped, size); /* relaxed, both: a count */
    return (void *)r;
}

/* Never fails: no caller could do anything about it. */
int munmap(void *at, size_t size)
{
    int r = (int)syscall(SYS_munmap, at, size);

    if (r == 0)
        au64_add_relaxed(&fault_mapped, -(uint64_t)size);
    return r;
}

int madvise(void *at, size_t size, int advice)
{
    return OR_FAIL("madvise", (int)syscall(SYS_madvise, at, size, advice));
}
