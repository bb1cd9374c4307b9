/* SPDX-License-Identifier: MIT */
/*
 * args.h -- options of one command: a table says what there is, where it goes and its help.
 *
 *     --name value  --name=value  -x value  --flag  --  and --help / -h
 *
 * Values are checked against their bounds here, so that a command starts with sane numbers.
 */
#ifndef ARGS_H
#define ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "diag.h"

enum arg_kind {
    ARG_FLAG,   /* bool: true if given */
    ARG_TEXT,   /* const char * */
    ARG_U32,    /* uint32_t in [min, max] */
    ARG_U64,    /* uint64_t in [min, max] */
    ARG_SIZE,   /* uint64_t bytes in [min, max]; K KiB M MiB G GiB T TiB are powers of 1024 */
    ARG_DOUBLE, /* double, finite */
    ARG_CHOICE, /* int: place in `choices` */
    ARG_END = -1,
};

struct arg_option {
    const char *name; /* without the dashes */
    char letter;      /* or 0 */
    enum arg_kind kind;
    void *out;               /* left as it is when the option is not given */
    const char *placeholder; /* "N", "FILE.csv" */
    const char *help;
    uint64_t min, max;          /* max 0: no limit but the type's */
    const char *const *choices; /* NULL-terminated */
    bool required;
};

/* The two plain kinds of entries in a table of options. */
#define OPT_FLAG(name, letter, out, help)                          \
    {                                                              \
        name, letter, ARG_FLAG, out, NULL, help, 0, 0, NULL, false \
    }
#define OPT_TEXT(name, letter, out, placeholder, help)                    \
    {                                                                     \
        name, letter, ARG_TEXT, out, placeholder, help, 0, 0, NULL, false \
    }

struct arg_command {
    const char *usage;                /* "[options] STORE OBJECT" */
    const char *text;                 /* prose for --help, ends with a newline */
    const struct arg_option *options; /* ends with ARG_END */
    /* Words that are no options. */
    const char **words;
    int words_min, words_max;
    int word_count; /* out */
};

enum { ARGS_RUN = -1 }; /* args_parse: go on */

/*
 * ARGS_RUN, or the exit code to end with at once: help was printed (0), or an error was (2).
 */
int args_parse(int argc, char **argv, struct arg_command *command);

/* "64MiB" -> bytes. -EINVAL: not a size; -ERANGE: over 2^64 - 1. */
int args_parse_size(const char *text, uint64_t *bytes);

/* A usage error found after parsing: one line, and where to read more. Returns EXIT_USAGE. */
__attribute__((format(printf, 1, 2))) int args_complain(const char *what, ...);

#endif
