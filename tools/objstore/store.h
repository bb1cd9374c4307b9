/* SPDX-License-Identifier: MIT */
/*
 * store.h -- open a store and find an object in it, or say in one line why not.
 *
 * These return EXIT_OK, or the exit code to end with after having complained.
 */
#ifndef STORE_H
#define STORE_H

#include <stddef.h>
#include <stdint.h>

#include "objstore.h"

/* Attach to a store that is there. `flags`: OBJSTORE_READ_ONLY or 0. */
int store_open(const char *where, uint32_t flags, struct objstore **out);
/* The same, without a complaint: what objstore_open() returns, and says. */
int store_try(const char *where, uint32_t flags, struct objstore **out, struct objstore_diag *diag);

/* What objstore_open() said is wrong, without the library's words for the error before it. */
const char *store_detail(int error, const struct objstore_diag *diag);
/* Why objstore_open() failed, in one line; `diag` is what it said. Returns the exit code. */
int store_complain(const char *where, int error, const struct objstore_diag *diag);

/* Complain of a call on an open store: "<where>: <what> (<why>)". Returns EXIT_CANNOT. */
int store_cannot(const char *where, const char *what, int error);

/*
 * The object that `word` means: 32 hex digits are an id; else the object whose id is made from
 * that name; else the only one whose description has that name; else the only one whose id starts
 * with these hex digits (4 at least). Objects that are deleted are not found.
 * EXIT_ANSWER_NO: none, or several.
 */
int store_find(struct objstore *store, const char *where, const char *word,
               struct objstore_info *out);

/* The same, silently: 0, -ENOENT (none), -ENOTUNIQ (several), or what the library returned. */
int store_lookup(struct objstore *store, const char *word, struct objstore_info *out);

/*
 * The object's bytes in memory of our own; NULL when it has none. EXIT_ANSWER_NO: it was removed
 * meanwhile.
 */
int store_copy(struct objstore *store, const char *where, const struct objstore_info *info,
               void **out);
void store_copy_free(void *data, uint64_t size);

/* The folder of the stores that have names: /dev/shm/objstore-<uid>. */
#define STORE_PATH_MAX 4096
const char *store_folder(char path[STORE_PATH_MAX]);
/* The file behind `where`. */
const char *store_path(const char *where, char path[STORE_PATH_MAX]);

#endif
