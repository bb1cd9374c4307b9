/* SPDX-License-Identifier: MIT */
/*
 * errors.h -- every error that a public header documents, provoked: tables of calls, errors and what
 * provokes them, and the header that is held against the tables.
 *
 * An "-EXXX" in a comment belongs to
 *   - the declaration on the line where the comment begins, or on the line after it ends;
 *   - within a struct or enum, to "struct name" or "enum name";
 *   - else (the top of the file, a text between) to "every call".
 * Declarations are what begins a line: PREFIX_..., by the name before the parenthesis, and structs
 * and enums.
 */
#ifndef ERRORS_H
#define ERRORS_H

#include <stddef.h>

/* What provokes it needs a user or a system that this is not: it is told, and the row left out. */
#define ERRORS_NOT_HERE 1

struct error_row {
    const char *call; /* NULL ends a table */
    int error;
    int (*provoke)(void); /* what the call says: 0 or a negative errno value; or ERRORS_NOT_HERE */
};

/* CHECK that it says what the row says. */
void errors_provoke(const struct error_row *row);
/* CHECK that each error in the header at `path` has a row in one of the tables, which NULL ends. */
void errors_check_header(const char *path, const char *prefix,
                         const struct error_row *const *tables, int at_least);

/* All memory that the limits allow, and what malloc() has kept of each size. */
void errors_use_up_memory(void);

#endif
