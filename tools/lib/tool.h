/* SPDX-License-Identifier: MIT */
/*
 * tool.h -- what all our command-line programs do alike.
 *
 * `tool <command> [options]`: stdout is the answer, stderr the talk. A tool is a table of
 * commands; each command parses its own options (args.h).
 */
#ifndef TOOL_H
#define TOOL_H

#include <stddef.h>

enum exit_code {
    EXIT_OK = 0,
    EXIT_ANSWER_NO = 1, /* the problem asked about is there, or an item is missing */
    EXIT_USAGE = 2,     /* the command line makes no sense */
    EXIT_CANNOT = 3,    /* could not do it: input, output, permission, format */
};

struct command {
    const char *name;
    const char *brief;                 /* one line for the list of commands */
    int (*run)(int argc, char **argv); /* argv[0] is the command; returns an exit code */
};

struct tool {
    const char *name;
    const char *brief; /* one line */
    int version;       /* MAJOR * 10000 + MINOR * 100 + PATCH */
    const struct command *commands;
    size_t command_count;
};

/* Dispatch, help, version, and the end of stdout (a full disk is an error, a closed pipe is not).
 */
int tool_main(const struct tool *tool, int argc, char **argv);

/*
 * One line on stderr: `forest: <path>: <what>`. `path` may be NULL. A progress line is
 * cleared first.
 */
__attribute__((format(printf, 2, 3))) void complain(const char *path, const char *what, ...);

/* The running tool's name and command, for messages: "forest", "train". */
const char *tool_name(void);
const char *tool_command(void);

#endif
