/* SPDX-License-Identifier: MIT */
/*
 * objstore -- look into a store, put things in, take them out, clean up.
 *
 * Commands that only look open the store read-only and hold no lease, so they disturb nobody and
 * work on a store whose processes are all dead.
 */
#include "cmd.h"
#include "objstore.h"
#include "tool.h"

static const struct command commands[] = {
    { "create", "make a store", cmd_create },
    { "put", "store a file as an object and print its id", cmd_put },
    { "get", "write an object to a file", cmd_get },
    { "cat", "write an object to standard output", cmd_cat },
    { "ls", "list a store's objects, or your stores", cmd_ls },
    { "stat", "tell about a store, or about one object", cmd_stat },
    { "rm", "remove objects", cmd_rm },
    { "wait", "wait until objects are there", cmd_wait },
    { "top", "watch a store", cmd_top },
    { "events", "tell of seals and deletes as they happen", cmd_events },
    { "leases", "list the processes that are attached", cmd_leases },
    { "verify", "check a whole store for damage", cmd_verify },
    { "doctor", "show what the dead left behind; --repair removes it", cmd_doctor },
    { "dump", "write objects as a stream", cmd_dump },
    { "load", "make the objects of such a stream", cmd_load },
    { "spill", "make room ahead of need", cmd_spill },
    { "sync", "make what is sealed outlive the machine", cmd_sync },
    { "destroy", "remove a store", cmd_destroy },
};

static const struct tool objstore = {
    .name = "objstore",
    .brief = "objects in shared memory",
    .commands = commands,
    .command_count = sizeof commands / sizeof *commands,
};

int main(int argc, char **argv)
{
    struct tool tool = objstore;
    tool.version = objstore_version();
    return tool_main(&tool, argc, argv);
}
