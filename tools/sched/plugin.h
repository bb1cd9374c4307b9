/* SPDX-License-Identifier: MIT */
/* plugin.h -- kernels out of a shared library. */
#ifndef PLUGIN_H
#define PLUGIN_H

#include <stddef.h>

#include "wsched.h"

/* The table that `path` exports as WSCHED_PLUGIN_SYMBOL; it stays loaded. EXIT_OK, or the exit code
 * to end with after having complained. */
int plugin_load(const char *path, const struct wsched_kernel **kernels, size_t *count);

/* Block the signals that ask us to end, and SIGCHLD, so that signals_next() gets them. */
void signals_begin(void);
int signals_next(void); /* waits for one; its number */

#endif
