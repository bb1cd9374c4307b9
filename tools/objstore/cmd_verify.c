/* SPDX-License-Identifier: MIT */
#include "cmd.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "args.h"
#include "emit.h"
#include "human.h"
#include "store.h"
#include "tool.h"

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* 0: sound. -EBADMSG, -EPROTO: it is not, and diag says why. Else: it could not be checked. */
static int verify(const char *where, bool contents, struct objstore_stats *stats,
                  struct objstore_diag *diag)
{
    struct objstore_options options = OBJSTORE_OPTIONS_INIT;
    struct objstore *store;
    options.flags = OBJSTORE_READ_ONLY;
    int err = objstore_open(where, &options, &store, diag);
    if (err)
        return err;
    err = objstore_verify(store, diag);
    if (!err && contents)
        err = objstore_verify_spilled(store, diag);
    if (!err)
        err = objstore_stats(store, stats);
    objstore_close(store);
    return err;
}

int cmd_verify(int argc, char **argv)
{
    const char *where = NULL;
    bool json = false, contents = false;
    const struct arg_option table[] = {
        OPT_FLAG("contents", 'c', &contents, "also read all spilled bytes, and check them"),
        OPT_FLAG("json", 'j', &json, "as a JSON object"),
        { .kind = ARG_END },
    };
    struct arg_command command = {
        .usage = "[options] STORE",
        .text = "Check a whole store: header, index, slots, extents, pins. Others may go on using\n"
                "it meanwhile. Exit code 1: damaged, or not a store of this layout version.\n",
        .options = table,
        .words = &where,
        .words_min = 1,
        .words_max = 1,
    };
    int code = args_parse(argc, argv, &command);
    if (code != ARGS_RUN)
        return code;
    struct objstore_diag diag = { "" };
    struct objstore_stats s = { 0 };
    double start = now();
    int err = verify(where, contents, &s, &diag);
    double seconds = now() - start;
    bool is_unsound = err == -EBADMSG || err == -EPROTO;
    if (err)
        store_complain(where, err, &diag);
    if (err && !is_unsound)
        return EXIT_CANNOT;
    uint64_t objects =
        s.objects_sealed + s.objects_unsealed + s.objects_deleted + s.objects_spilled;
    char took[HUMAN_TEXT];
    if (json) {
        struct emit e;
        emit_start(&e, stdout, EMIT_JSON, false);
        emit_object(&e, NULL);
        emit_string(&e, "store", NULL, where);
        emit_bool(&e, "sound", NULL, !err);
        if (err)
            emit_string(&e, "problem", NULL, diag.text[0] ? diag.text : objstore_strerror(err));
        else
            emit_uint(&e, "objects", NULL, objects);
        emit_duration(&e, "seconds", NULL, seconds);
        emit_object_end(&e);
    } else if (!err) {
        printf("%s: sound; checked %llu object%s in %s\n", where, (unsigned long long)objects,
               objects == 1 ? "" : "s", human_duration(seconds, took));
    }
    return err ? EXIT_ANSWER_NO : EXIT_OK;
}
