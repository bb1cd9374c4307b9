/* SPDX-License-Identifier: MIT */
/* spill_owner.h -- whose the files in a spill directory are, and those of stores that are gone. */
#ifndef OBJSTORE_SPILL_OWNER_H
#define OBJSTORE_SPILL_OWNER_H

#include <stdbool.h>
#include <sys/types.h>

#include "layout.h"
#include "objstore.h"

/*
 * A new store's owner file. `path`: where the store will be; "": it has no name. *fd, to be
 * closed, keeps it ours. open(2)'s errors, -EIO.
 */
int spill_owner_make(const struct spill_fixed *fixed, const char *path, mode_t mode, int *fd);
/* Be one of the store's users as long as *fd is open; *fd < 0: it has no owner file. -ESTALE: its
 * files are being removed, because nobody had it open. */
int spill_owner_share(const struct spill_fixed *fixed, int *fd);
/* The store is gone: remove its files, then the owner file. Returns how many. */
int spill_owner_remove_files(const struct spill_fixed *fixed);
/* As objstore_spill_orphans(), of stores without a name only if `nameless_only`. */
int spill_owner_sweep(const char *dir, bool nameless_only, bool remove,
                      struct objstore_orphans *out);

#endif
