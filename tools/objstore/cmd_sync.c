/* SPDX-License-Identifier: MIT */
/* cmd_sync.c -- make what is sealed outlive the machine. */
#include "cmd.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/vfs.h>

#include "args.h"
#include "emit.h"
#include "store.h"
#include "tool.h"

static int tell_loss(const struct objstore_id *id, uint32_t why, void *ctx)
{
    static const char *const reasons[] = { "", "damaged", "unsynced", "no room" };
    char text[OBJSTORE_ID_TEXT];
    struct emit *e = ctx;
    objstore_id_format(id, text);
    emit_row(e);
    emit_string(e, "lost", "lost", text);
    emit_string(e, "reason", "reason", why < 4 ? reasons[why] : "unknown");
    emit_row_end(e);
    return 0;
}

/* The list is written all the same: the file may be copied to a disk. */
static void warn_of_memory(const struct objstore *store, const char *where)
{
    struct statfs s;
    if (!fstatfs(objstore_fd(store), &s) && (s.f_type == TMPFS_MAGIC || s.f_type == RAMFS_MAGIC))
        complain(where,
                 "it is in memory (tmpfs), which no file in it outlives; only a store on a disk "
                 "outlives the machine: 'objstore create ./NAME'");
}

int cmd_sync(int argc, char **argv)
{
    const char *where = NULL;
    bool json = false;
    const struct arg_option table[] = {
        OPT_FLAG("json", 'j', &json, "as JSON"),
        { .kind = ARG_END },
    };
    struct arg_command command = {
        .usage = "[options] STORE",
        .text = "Write all that is sealed in a store to the disk, so that it is there after the\n"
                "machine was switched off. If it was just that, the store is recovered first, and\n"
                "what was lost is listed.\n",
        .options = table,
        .words = &where,
        .words_min = 1,
        .words_max = 1,
    };
    int code = args_parse(argc, argv, &command);
    if (code != ARGS_RUN)
        return code;
    struct objstore *store;
    struct emit e;
    code = store_open(where, 0, &store);
    if (code)
        return code;
    uint64_t objects;
    int err = objstore_sync(store, &objects);
    if (err == -EOPNOTSUPP) {
        complain(where, "a store that spills, or that is a cache, cannot be synced");
        code = EXIT_CANNOT;
    } else if (err) {
        code = store_cannot(where, "cannot write it to the disk", err);
    } else {
        warn_of_memory(store, where);
        emit_start(&e, stdout, json ? EMIT_JSON : EMIT_TEXT, false);
        emit_object(&e, NULL);
        emit_uint(&e, "objects", "objects synced", objects);
        if (json) {
            emit_list(&e, "losses");
            (void)!objstore_losses(store, tell_loss, &e);
            emit_list_end(&e);
        }
        emit_object_end(&e);
        if (!json) {
            emit_list(&e, NULL);
            (void)!objstore_losses(store, tell_loss, &e);
            emit_list_end(&e);
        }
    }
    objstore_close(store);
    return code;
}
