/* SPDX-License-Identifier: MIT */
/*
 * cmd_get.c -- an object becomes a file: get and cat.
 *
 * The store is opened read-only and the object copied out, so that this disturbs nobody and works
 * without write permission. The copy costs memory of the object's size.
 */
#include "cmd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "args.h"
#include "describe.h"
#include "npy.h"
#include "outfile.h"
#include "store.h"
#include "tool.h"

static int write_out(const char *path, const struct npy_info *npy, const void *data, size_t size)
{
    struct outfile out;
    struct diag diag = { "" };
    int err = outfile_open(&out, path, &diag);
    if (!err) {
        char header[NPY_HEADER_MAX];
        if (npy)
            fwrite(header, 1, npy_header(npy, header), out.stream);
        if (size)
            fwrite(data, 1, size, out.stream);
        err = outfile_commit(&out, &diag);
    }
    if (!err)
        return EXIT_OK;
    complain(outfile_name(path), "%s", diag.text);
    return EXIT_CANNOT;
}

static int get(const char *where, const char *word, const char *path, bool as_npy)
{
    struct objstore *store;
    struct objstore_info info;
    struct npy_info npy;
    struct diag diag = { "" };
    void *data = NULL;
    int code = store_open(where, OBJSTORE_READ_ONLY, &store);
    if (code)
        return code;
    code = store_find(store, where, word, &info);
    if (!code && info.state == OBJSTORE_UNSEALED) {
        complain(where, "'%s' is not sealed yet (process %d writes it); 'objstore wait' waits",
                 word, (int)info.owner_pid);
        code = EXIT_ANSWER_NO;
    }
    if (!code && as_npy && describe_to_npy(&info, &npy, &diag)) {
        complain(where, "'%s': %s", word, diag.text);
        code = EXIT_CANNOT;
    }
    if (!code)
        code = store_copy(store, where, &info, &data);
    objstore_close(store);
    if (!code)
        code = write_out(path, as_npy ? &npy : NULL, data, info.size);
    store_copy_free(data, info.size);
    return code;
}

int cmd_get(int argc, char **argv)
{
    const char *words[2], *path = NULL;
    bool npy = false, raw = false;
    const struct arg_option table[] = {
        OPT_TEXT("output", 'o', &path, "FILE", "where to (-: standard output, the default)"),
        OPT_FLAG("npy", 0, &npy, "write a .npy file that numpy loads (by itself for *.npy)"),
        OPT_FLAG("raw", 0, &raw, "write just the bytes, also to *.npy"),
        { .kind = ARG_END },
    };
    struct arg_command command = {
        .usage = "[options] STORE OBJECT",
        .text =
            "Write an object to a file, which appears whole or not at all. OBJECT is an id, the\n"
            "start of one, or a name.\n",
        .options = table,
        .words = words,
        .words_min = 2,
        .words_max = 2,
    };
    int code = args_parse(argc, argv, &command);
    if (code != ARGS_RUN)
        return code;
    if (npy && raw)
        return args_complain("--npy and --raw exclude each other");
    if (!path && isatty(STDOUT_FILENO) == 1)
        return args_complain("standard output is a terminal: -o FILE, or 'objstore cat'");
    return get(words[0], words[1], path ? path : "-", npy || (path && !raw && npy_is_named(path)));
}

int cmd_cat(int argc, char **argv)
{
    const char *words[2];
    const struct arg_option table[] = { { .kind = ARG_END } };
    struct arg_command command = {
        .usage = "STORE OBJECT",
        .text = "Write an object's bytes to standard output.\n",
        .options = table,
        .words = words,
        .words_min = 2,
        .words_max = 2,
    };
    int code = args_parse(argc, argv, &command);
    return code == ARGS_RUN ? get(words[0], words[1], "-", false) : code;
}
