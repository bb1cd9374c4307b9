/* SPDX-License-Identifier: MIT */
#include "tool.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "progress.h"

/* A program is one tool running one command: known everywhere, set once. */
static const struct tool *the_tool;
static const char *the_command = "";

const char *tool_name(void)
{
    return the_tool ? the_tool->name : "tool";
}

const char *tool_command(void)
{
    return the_command;
}

void complain(const char *path, const char *what, ...)
{
    char text[1024];
    va_list args;
    va_start(args, what);
    vsnprintf(text, sizeof text, what, args);
    va_end(args);
    progress_hide();
    if (path)
        fprintf(stderr, "%s: %s: %s\n", tool_name(), path, text);
    else
        fprintf(stderr, "%s: %s\n", tool_name(), text);
}

static void print_commands(FILE *out)
{
    fprintf(out, "%s -- %s\n\nusage: %s <command> [options]\n\n", the_tool->name, the_tool->brief,
            the_tool->name);
    for (size_t i = 0; i < the_tool->command_count; i++)
        fprintf(out, "  %-10s %s\n", the_tool->commands[i].name, the_tool->commands[i].brief);
    fprintf(out, "\n'%s help <command>' tells more about one; '%s --version' its version.\n",
            the_tool->name, the_tool->name);
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < the_tool->command_count; i++)
        if (!strcmp(the_tool->commands[i].name, name))
            return &the_tool->commands[i];
    fprintf(stderr, "%s: no command '%s'; '%s help' lists them\n", the_tool->name, name,
            the_tool->name);
    return NULL;
}

static int run_command(int argc, char **argv)
{
    const char *first = argc > 1 ? argv[1] : "";
    if (argc < 2) {
        print_commands(stderr);
        return EXIT_USAGE;
    }
    if (!strcmp(first, "--version")) {
        printf("%s %d.%d.%d\n", the_tool->name, the_tool->version / 10000,
               the_tool->version / 100 % 100, the_tool->version % 100);
        return EXIT_OK;
    }
    bool is_help = !strcmp(first, "help") || !strcmp(first, "--help") || !strcmp(first, "-h");
    if (is_help && argc < 3) {
        print_commands(stdout);
        return EXIT_OK;
    }
    const struct command *command = find_command(is_help ? argv[2] : first);
    if (!command)
        return EXIT_USAGE;
    the_command = command->name;
    char help[] = "--help", *help_argv[] = { argv[is_help ? 2 : 1], help, NULL };
    return is_help ? command->run(2, help_argv) : command->run(argc - 1, argv + 1);
}

/* The reader has gone, and an earlier write found out. */
static bool is_unread(void)
{
    struct pollfd out = { STDOUT_FILENO, 0, 0 };
    return poll(&out, 1, 0) > 0 && out.revents & POLLERR;
}

int tool_main(const struct tool *tool, int argc, char **argv)
{
    the_tool = tool;
    /* A reader that has gone is found by EPIPE, after our own cleaning up. */
    signal(SIGPIPE, SIG_IGN);
    int code = run_command(argc, argv);
    errno = 0;
    if (fflush(stdout) || ferror(stdout)) {
        if (errno == EPIPE || is_unread())
            return code;
        complain(NULL, "cannot write to standard output (%s)", strerror(errno ? errno : EIO));
        return EXIT_CANNOT;
    }
    return code;
}
