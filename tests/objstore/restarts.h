/* SPDX-License-Identifier: MIT */
/* restarts.h -- what tests of stores that outlive the machine share: a restart that is played, and
 * objects whose bytes say which version of them they are. */
#ifndef OBJSTORE_RESTARTS_H
#define OBJSTORE_RESTARTS_H

#include <objstore.h>

/* The machine is started: from now on the file is of an earlier boot. */
void restart(const char *path);
/* objstore_open(); says what is wrong on stderr. */
int open_again(const char *path, struct objstore **out);

#define VERSION_BYTES_MAX 15000
/* An object with the id of number n; version > 0. */
int put_version(struct objstore *s, uint64_t n, uint64_t version);
/* The version that is there, and is right; 0: none; UINT64_MAX: wrong. */
uint64_t version_of(struct objstore *s, uint64_t n);
/* How many files there are in a folder, which are removed if asked. */
int files_in(const char *folder, bool is_removing);

#endif
