/* SPDX-License-Identifier: MIT */
/* temp.h -- files of a test, in a directory of its own. */
#ifndef TEMP_H
#define TEMP_H

#include <stddef.h>

/* The path of `name` in a new empty directory, which temp_clean() removes with what is in it. */
const char *temp_path(const char *name);
/* temp_path() of a file with these bytes. */
const char *temp_file(const char *name, const void *data, size_t size);
/* How many files are in the directory. */
int temp_count(void);
void temp_clean(void);

#endif
