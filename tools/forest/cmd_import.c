/* SPDX-License-Identifier: MIT */
/* cmd_import.c -- a model from JSON. */
#include <stdlib.h>

#include "args.h"
#include "commands.h"
#include "model.h"
#include "tool.h"
#include "treeio.h"
#include "unpack.h"

struct import {
    const char *json, *out;
};

static int parse(int argc, char **argv, struct import *i)
{
    const struct arg_option options[] = {
        { "json", 0, ARG_TEXT, &i->json, "FILE.json", "the forest (- for standard input)", 0, 0,
          NULL, true },
        { "output", 'o', ARG_TEXT, &i->out, "FILE.forest", "where the model goes", 0, 0, NULL,
          true },
        { .kind = ARG_END },
    };
    struct arg_command command = {
        "--json FILE.json -o FILE.forest",
        "Makes a model of a forest as `forest export --json` writes it, and as\n"
        "forest-from-sklearn writes a scikit-learn forest. forest(1) says where the form is\n"
        "described: it is easy to write.\n",
        options,
        NULL,
        0,
        0,
        0,
    };
    return args_parse(argc, argv, &command);
}

int cmd_import(int argc, char **argv)
{
    struct import i = { .json = NULL };
    struct filemap map;
    struct diag diag;
    void *block = NULL;
    size_t bytes = 0;
    int code = parse(argc, argv, &i);
    if (code != ARGS_RUN)
        return code;
    int err = unpack_open(&map, i.json, &diag);
    if (!err) {
        err = treeio_read_json(map.data, map.size, &block, &bytes, &diag);
        filemap_close(&map);
    }
    if (err)
        complain(i.json, "%s", diag.text);
    else
        err = model_write(i.out, block, bytes);
    free(block);
    return err ? EXIT_CANNOT : EXIT_OK;
}
