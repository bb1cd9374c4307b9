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
    if (info.meta.tag[0])
        emit_string(e, NULL, "tag", info.meta.tag);
    describe_holders(e, store, &info);
    emit_object_end(e);
    return EXIT_OK;
}

/* How many free pieces there are of each size. */
static void emit_pieces(const struct objstore_space *space, struct emit *e)
{
    emit_list(e, "free_pieces");
    for (int i = 0; i < OBJSTORE_RUN_CLASSES; i++) {
        if (!space->classes[i])
            continue;
        emit_row(e);
        emit_size(e, "from_bytes", "free pieces from", UINT64_C(4096) << i);
        emit_uint(e, "count", "count", space->classes[i]);
        emit_row_end(e);
    }
    emit_list_end(e);
}

/* A store that makes room by itself. */
static void emit_spill(struct objstore *store, const struct objstore_stats *s, struct emit *e)
{
    char dir[STORE_PATH_MAX];
    emit_bool(e, "is_cache", "cache", s->is_cache);
    if (s->is_cache) {
        emit_uint(e, "evictions", "objects evicted", s->evictions);
        emit_size(e, "evicted_bytes", "bytes evicted", s->evictions_bytes);
        return;
    }
    int err = objstore_spill_dir(store, dir, sizeof dir);
    emit_string(e, "spill_dir", "spills to", err ? objstore_strerror(err) : dir);
    emit_uint(e, "objects_spilled", "objects spilled", s->objects_spilled);
    emit_size(e, "spilled_bytes", "spilled", s->spilled_bytes);
    emit_size(e, "spill_file_bytes", "spill files", s->spill_file_bytes);
    emit_uint(e, "spills", "spills so far", s->spills);
    emit_uint(e, "restores", "restores so far", s->restores);
}

static int stat_store(struct objstore *store, const char *where, bool with_pieces, struct emit *e)
{
    struct objstore_stats s;
    struct objstore_space space;
    char path[STORE_PATH_MAX];
    int err = objstore_stats(store, &s);
    if (!err)
        err = objstore_space(store, &space);
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
    if (s.can_spill || s.is_cache)
        emit_spill(store, &s, e);
    emit_uint(e, "processes", "processes", s.processes);
    emit_uint(e, "deaths", "deaths", s.deaths);
    emit_uint(e, "free_runs", "free pieces", space.runs);
    if (e->format == EMIT_JSON)
        emit_pieces(&space, e);
    emit_object_end(e);
    if (with_pieces && e->format == EMIT_TEXT) {
        putchar('\n');
        emit_pieces(&space, e);
    }
    return EXIT_OK;
}

int cmd_stat(int argc, char **argv)
{
    const char *words[2];
    bool json = false, bytes = false, pieces = false;
    const struct arg_option table[] = {
        OPT_FLAG("json", 'j', &json, "as a JSON object"),
        OPT_FLAG("bytes", 'b', &bytes, "sizes in bytes"),
        OPT_FLAG("pieces", 'p', &pieces, "also how many free pieces there are of each size"),
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
                                   : stat_store(store, words[0], pieces, &e);
    objstore_close(store);
    return code;
}
