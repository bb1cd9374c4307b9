/* SPDX-License-Identifier: MIT */
/* unpack.h -- files that were compressed with gzip or lz4, told by how they start. */
#ifndef UNPACK_H
#define UNPACK_H

#include "diag.h"
#include "filemap.h"

/* As filemap_open(), but the bytes are those before compression. -EINVAL: damaged or cut off */
int unpack_open(struct filemap *map, const char *path, struct diag *diag);

#endif
