/* SPDX-License-Identifier: MIT */
/*
 * treeio.h -- forests as text: written as JSON (docs/format-forest-json.md) or as C source, read
 * from JSON.
 */
#ifndef TREEIO_H
#define TREEIO_H

#include <stdio.h>

#include "diag.h"
#include "forest.h"

/* Errors of both: -ENOMEM, -EINVAL: the model holds what the text cannot; diag says what. */
int treeio_write_json(FILE *out, const struct forest *forest, struct diag *diag);
/* `name` starts the names that the source defines, `from` is told in its head. */
int treeio_write_c(FILE *out, const struct forest *forest, const char *name, const char *from,
                   struct diag *diag);

/*
 * A model from JSON, aligned_alloc()ed into *block.
 *   -EINVAL  it is not JSON, not such a forest, or not a forest; diag says what, and where
 *   -ENOMEM
 */
int treeio_read_json(const char *text, size_t size, void **block, size_t *bytes, struct diag *diag);

#endif
