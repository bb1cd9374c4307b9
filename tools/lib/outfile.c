/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEMP_TRIES 100

/* ".name.pid-n.tmp" beside `path`; malloc()ed. */
static char *temp_name(const char *path, int n)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash ? slash + 1 : path;
    char *name;
    return asprintf(&name, "%.*s.%s.%d-%d.tmp", (int)(base - path), path, base, (int)getpid(), n) <
                   0
               ? NULL
               : name;
}

static char *directory_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return strdup(".");
    return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

/* A nameless file in the same directory, or one with a temporary name. Returns the descriptor. */
static int open_temp(struct outfile *out)
{
    char *directory = directory_of(out->path);
    if (!directory)
        return -ENOMEM;
    int fd = open(directory, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
    free(directory);
    for (int i = 0; fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR) && i < TEMP_TRIES; i++) {
        free(out->temp);
        out->temp = temp_name(out->path, i);
        if (!out->temp)
            return -ENOMEM;
        fd = open(out->temp, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
        if (fd < 0 && errno == EEXIST)
            errno = EOPNOTSUPP; /* another number */
    }
    return fd < 0 ? -errno : fd;
}

/* Give the nameless file its temporary name, as link(2) cannot replace a file but rename(2) can. */
static int name_temp(struct outfile *out, int fd)
{
    char self[40];
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    for (int i = 0; i < TEMP_TRIES; i++) {
        char *name = temp_name(out->path, i);
        if (!name)
            return -ENOMEM;
        if (linkat(AT_FDCWD, self, AT_FDCWD, name, AT_SYMLINK_FOLLOW) == 0) {
            out->temp = name;
            return 0;
        }
        free(name);
        if (errno != EEXIST)
            return -errno;
    }
    return -EEXIST;
}

/* The mode a new file gets, or that of the file to be replaced. Not for what is no file. */
static int prepare(struct outfile *out, const char *path)
{
    struct stat s;
    size_t length = strlen(path);
    if (length == 0 || path[length - 1] == '/')
        return length ? -EISDIR : -ENOENT;
    if (stat(path, &s) == 0) {
        if (S_ISDIR(s.st_mode))
            return -EISDIR;
        if (!S_ISREG(s.st_mode))
            return 0;
        if (access(path, W_OK))
            return -errno;
        out->mode = (int)(s.st_mode & 0777);
        out->path = realpath(path, NULL);
        return out->path ? 0 : -errno;
    }
    if (errno != ENOENT)
        return -errno;
    mode_t mask = umask(0);
    umask(mask);
    out->mode = (int)(0666 & ~mask);
    out->path = strdup(path);
    return out->path ? 0 : -ENOMEM;
}

static void release(struct outfile *out)
{
    free(out->path);
    free(out->temp);
    *out = (struct outfile){ .fd = -1 };
}

/* Called by stdio. Remembers why the first write failed: at commit, errno has long been lost. */
static ssize_t write_all(void *cookie, const char *data, size_t size)
{
    struct outfile *out = cookie;
    for (size_t done = 0; done < size;) {
        ssize_t n = write(out->fd, data + done, size - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            if (!out->error)
                out->error = n < 0 ? -errno : -EIO;
            return 0;
        }
        done += (size_t)n;
    }
    return (ssize_t)size;
}

static int open_any(struct outfile *out, const char *path)
{
    if (!strcmp(path, "-")) {
        out->is_stdout = true;
        int fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
        return fd < 0 ? -errno : fd;
    }
    int err = prepare(out, path);
    if (err)
        return err;
    if (out->path)
        return open_temp(out);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

const char *outfile_name(const char *path)
{
    return strcmp(path, "-") ? path : "standard output";
}

int outfile_probe(const char *path, struct diag *diag)
{
    struct outfile out = { .fd = -1 };
    int err = strcmp(path, "-") ? prepare(&out, path) : 0;
    if (!err && out.path) {
        int fd = open_temp(&out);
        if (fd >= 0)
            close(fd);
        if (fd >= 0 && out.temp)
            unlink(out.temp);
        err = fd < 0 ? fd : 0;
    }
    release(&out);
    return err ? diag_set(diag, err, "cannot write it (%s)", strerror(-err)) : 0;
}

int outfile_open(struct outfile *out, const char *path, struct diag *diag)
{
    *out = (struct outfile){ .fd = -1 };
    int err = out->fd = open_any(out, path);
    if (err >= 0) {
        out->stream = fopencookie(out, "w", (cookie_io_functions_t){ .write = write_all });
        err = out->stream ? 0 : -ENOMEM;
    }
    if (!err)
        return 0;
    if (out->fd >= 0)
        close(out->fd);
    if (out->temp && out->fd >= 0)
        unlink(out->temp);
    release(out);
    return diag_set(diag, err, "cannot write it (%s)", strerror(-err));
}

/* Whoever read our standard output and has gone has seen enough. */
static int write_error(const struct outfile *out, bool is_written)
{
    if (out->is_stdout && out->error == -EPIPE)
        return 0;
    return out->error ? out->error : is_written ? 0 : -EIO;
}

int outfile_flush(struct outfile *out, struct diag *diag)
{
    int err = write_error(out, fflush(out->stream) == 0);
    return err ? diag_set(diag, err, "cannot write it (%s)", strerror(-err)) : 0;
}

int outfile_commit(struct outfile *out, struct diag *diag)
{
    int err = write_error(out, fclose(out->stream) == 0);
    if (!err && out->path && fchmod(out->fd, (mode_t)out->mode))
        err = -errno;
    if (!err && out->path && !out->temp)
        err = name_temp(out, out->fd);
    /* close(2) is where some file systems tell of a full disk. */
    if (close(out->fd) && !err)
        err = -errno;
    if (!err && out->path && rename(out->temp, out->path))
        err = -errno;
    if (err && out->temp)
        unlink(out->temp);
    release(out);
    return err ? diag_set(diag, err, "cannot write it (%s)", strerror(-err)) : 0;
}

void outfile_abort(struct outfile *out)
{
    if (!out->stream)
        return;
    fclose(out->stream);
    close(out->fd);
    if (out->temp)
        unlink(out->temp);
    release(out);
}
