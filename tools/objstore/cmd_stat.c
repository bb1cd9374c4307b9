/* SPDX-License-Identifier: MIT */
#include "cmd.h"

#include <stdio.h>

#include "args.h"
#include "describe.h"
#include "emit.h"
#include "store.h"
#include "tool.h"

static int stat_object(struct objstore *store, const char *where, const char *word, struct emit *e)
{
    struct objstore_info info;
    char id[OBJSTORE_ID_TEXT];
    int code = store_find(store, where, word, &info);
    if (code)
        return code;
    objstore_id_format(&info.id, id);
    emit_object(e, NULL);
    emit_string(e, "id", "id", id);
    describe_emit(e, &info);
    emit_object_end(e);
    return EXIT_OK;
}

static int stat_store(struct objstore *store, const char *where, struct emit *e)
{
    struct objstore_stats s;
    char path[STORE_PATH_MAX];
    int err = objstore_stats(store, &s);
    if (err)
        return store_cannot(where, "cannot read its statistics", err);
    emit_object(e, NULL);
    emit_string(e, "store", "store", where);
    emit_string(e, "path", "path", store_path(where, path));
    emit_size(e, "capacity_bytes", "capacity", s.capacity_bytes);
    emit_size(e, "used_bytes", "used", s.used_bytes);
    emit_size(e, "largest_free_bytes", "largest free piece", s.largest_free_bytes);
    emit_size(e, "reserved_bytes", "size of the file", s.reserved_bytes);
    emit_uint(e, "objects_sealed", "objects sealed", s.objects_sealed);
    emit_uint(e, "objects_unsealed", "objects unsealed", s.objects_unsealed);
    emit_uint(e, "objects_deleted", "objects deleted", s.objects_deleted);
    emit_uint(e, "processes", "processes", s.processes);
    emit_uint(e, "deaths", "deaths", s.deaths);
    emit_object_end(e);
    return EXIT_OK;
}

int cmd_stat(int argc, char **argv)
{
    const char *words[2];
    bool json = false, bytes = false;
    const struct arg_option table[] = {
        OPT_FLAG("json", 'j', &json, "as a JSON object"),
        OPT_FLAG("bytes", 'b', &bytes, "sizes in bytes"),
        { .kind = ARG_END },
    };
    struct arg_command command = {
        .usage = "[options] STORE [OBJECT]",
        .text =
            "Tell about a store: its room, its objects, who is attached, how many processes died\n"
            "attached; or about one object.\n",
        .options = table,
        .words = words,
        .words_min = 1,
        .words_max = 2,
    };
    int code = args_parse(argc, argv, &command);
    if (code != ARGS_RUN)
        return code;
    struct objstore *store;
    struct emit e;
    code = store_open(words[0], OBJSTORE_READ_ONLY, &store);
    if (code)
        return code;
    emit_start(&e, stdout, json ? EMIT_JSON : EMIT_TEXT, bytes);
    code = command.word_count == 2 ? stat_object(store, words[0], words[1], &e)
                                   : stat_store(store, words[0], &e);
    objstore_close(store);
    return code;
}
