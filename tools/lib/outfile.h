/* SPDX-License-Identifier: MIT */
/*
 * outfile.h -- an output file that appears whole or not at all.
 *
 * The bytes go to a temporary file beside it, which takes the name at commit. Until then, and
 * after any failure, an older file of that name is untouched. Where the file system can, the
 * temporary file has no name, so that not even SIGKILL leaves one behind.
 */
#ifndef OUTFILE_H
#define OUTFILE_H

#include <stdbool.h>
#include <stdio.h>

#include "diag.h"

struct outfile {
    FILE *stream; /* write here; NULL when the file is over */
    int fd;
    int error;  /* the first write that failed, as a negative errno */
    char *path; /* the final name, links resolved; NULL: written directly (a pipe, a device) */
    char *temp; /* the temporary name, or NULL while it has none */
    int mode;
    bool is_stdout;
};

/*
 * `path` "-" is standard output, whose reader may go when it has seen enough: that is no error, and
 * what is written from then on (ferror() tells) is lost. `out` must stay where it is until the end.
 */
int outfile_open(struct outfile *out, const char *path, struct diag *diag);
/*
 * Write the rest, without taking the name yet: for several files that appear together or not at
 * all. On an error outfile_abort() is still to be called.
 */
int outfile_flush(struct outfile *out, struct diag *diag);
/* Write the rest and take the name. On an error the temporary file is gone; either way `out` is
 * over. */
int outfile_commit(struct outfile *out, struct diag *diag);
void outfile_abort(struct outfile *out);

/* Could it be opened now? For who would work long before there is something to write. */
int outfile_probe(const char *path, struct diag *diag);
/* What messages call it. */
const char *outfile_name(const char *path);

#endif
