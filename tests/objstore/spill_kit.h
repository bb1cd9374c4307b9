/* SPDX-License-Identifier: MIT */
/* spill_kit.h -- stores that spill, and what the tests of them put into them. */
#ifndef SPILL_KIT_H
#define SPILL_KIT_H

#include "help.h"

extern char kit_dir[64]; /* for spill files */
void kit_make_dir(void);
/* How many files are in it; *path: one of them. */
unsigned kit_files(char path[400]);

/* One that spills into it; with OBJSTORE_CACHE one that does not. */
struct objstore *kit_make(uint64_t capacity, uint32_t flags);
struct objstore_stats kit_stats(struct objstore *s);
/* Objects are called by numbers, which their bytes follow from. */
int kit_put(struct objstore *s, uint64_t number, size_t size);
bool kit_get(struct objstore *s, uint64_t number, size_t size);
/* It is sound, and leaves no file; nor the directory. */
void kit_end(struct objstore *s);

#endif
