/* SPDX-License-Identifier: MIT */
#include "cmd.h"

#include <errno.h>

#include "args.h"
#include "store.h"
#include "tool.h"

int cmd_destroy(int argc, char **argv)
{
    const char *where = NULL;
    const struct arg_option table[] = { { .kind = ARG_END } };
    struct arg_command command = {
        .usage = "STORE",
        .text = "Remove a store. Processes that are attached keep it until they detach; nobody\n"
                "finds it any more.\n",
        .options = table,
        .words = &where,
        .words_min = 1,
        .words_max = 1,
    };
    int code = args_parse(argc, argv, &command);
    if (code != ARGS_RUN)
        return code;
    int err = objstore_destroy(where);
    if (err == -ENOENT)
        return store_complain(where, err, NULL);
    if (err == -EPROTO) {
        complain(where, "not a store, so it stays; 'rm' removes any file");
        return EXIT_CANNOT;
    }
    return err ? store_cannot(where, "cannot remove the store", err) : EXIT_OK;
}
