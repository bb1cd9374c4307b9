/* SPDX-License-Identifier: MIT */
/*
 * sched -- look into a pool: who runs what, what waits, who died of what, and when it all was; and
 *          open one, or work for one, with kernels out of a shared library.
 *
 * Commands that look take part in nothing, disturb nobody, and work on a pool whose processes are
 * all dead.
 */
#include "cmd.h"
#include "tool.h"
#include "wsched.h"

static const struct command commands[] = {
    { "ls", "list your pools", cmd_ls },
    { "stat", "tell about a pool", cmd_stat },
    { "ps", "list who takes part in a pool, its tasks, or its actors", cmd_ps },
    { "top", "watch a pool", cmd_top },
    { "trace", "draw which worker ran what, and when", cmd_trace },
    { "deaths", "list which workers died, and of what", cmd_deaths },
    { "verify", "check a whole pool for damage", cmd_verify },
    { "doctor", "say what is wrong; --repair removes dead pools", cmd_doctor },
    { "serve", "open a pool with the kernels of a plug-in", cmd_serve },
    { "worker", "work for a pool, with the kernels of a plug-in", cmd_worker },
};

static const struct tool sched = {
    .name = "sched",
    .brief = "tasks on worker processes",
    .commands = commands,
    .command_count = sizeof commands / sizeof *commands,
};

int main(int argc, char **argv)
{
    struct tool tool = sched;
    tool.version = wsched_version();
    return tool_main(&tool, argc, argv);
}
