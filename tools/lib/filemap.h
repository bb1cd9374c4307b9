/* SPDX-License-Identifier: MIT */
/* filemap.h -- the bytes of a whole file, mapped when it can be, else read into memory. */
#ifndef FILEMAP_H
#define FILEMAP_H

#include <stddef.h>
#include <stdbool.h>

#include "diag.h"

struct filemap {
    const char *data; /* not NULL even when size is 0; 64-byte aligned */
    size_t size;
    bool is_mapped;
};

/*
 * `path` "-" is standard input. A mapped file must not be shortened meanwhile, as with any
 * mmap(2). Errors are those of open(2), read(2), mmap(2); diag says them in words.
 */
int filemap_open(struct filemap *map, const char *path, struct diag *diag);
void filemap_close(struct filemap *map);

#endif
