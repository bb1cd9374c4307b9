/* SPDX-License-Identifier: MIT */
/* file.h -- the file behind a store: names, making, publishing, checking. */
#ifndef OBJSTORE_FILE_H
#define OBJSTORE_FILE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "layout.h"
#include "objstore.h"

#define FILE_NAME_MAX 200 /* bytes of a store's name */

struct file_name {
    char path[PATH_MAX];
    char dir[PATH_MAX];
    bool is_ours; /* in the user's own directory, which comes and goes with its stores */
};

__attribute__((format(printf, 2, 3))) void diag_set(struct objstore_diag *diag, const char *format,
                                                    ...);

/* What `where` means. -EINVAL, -ENAMETOOLONG. */
int file_resolve(const char *where, struct file_name *name);
/* Its path from the root on; the directory must be there. realpath(3)'s errors, -ENAMETOOLONG. */
int file_absolute(const struct file_name *name, char path[PATH_MAX]);
/* The user's own directory exists and is the user's. */
int file_make_dir(const struct file_name *name);
/* A new file without a name for a store of this geometry, all reserved; its descriptor, or an
 * error. */
int file_make(const char *dir, const struct geometry *g, uint32_t mode, uint32_t flags,
              struct objstore_diag *diag);
/* A file without a name in `dir`; NULL: in no directory. */
int file_nameless(const char *dir);
/* Give such a file a name. If it could not be made without one, the hidden name stays, too. */
int file_link(int fd, const char *path);
/* Where the file is, as far as its descriptor tells; does that path mean this file? */
int file_path(int fd, char path[PATH_MAX]);
bool file_is(const char *path, int fd);
/* Give it its name. -EEXIST: there is one of that name. */
int file_publish(int fd, const struct file_name *name);
/* Take away the name that it has until then where the file system knows no files without one. */
void file_unlink_hidden(int fd);
/*
 * Map a part of it, so that a huge page of the file can be one of the mapping, too: `from` counts
 * from a multiple of HUGE_BYTES. NULL: see errno.
 */
void *file_map(int fd, uint64_t from, uint64_t bytes, int protection);
/* Is this a store, and of what geometry? -EPROTO, -EBADMSG, pread(2). */
int file_check(int fd, struct header_fixed *fixed, struct geometry *g, struct objstore_diag *diag);
/* Remove the file's name if that still means this file, and the user's directory if it is empty. */
void file_unlink_name(int fd);
/* Remove the user's directory if `path` lies in it and it is empty. */
void file_tidy_dir(const char *path);

#endif
