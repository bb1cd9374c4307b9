/* SPDX-License-Identifier: MIT */
/* cmd_ls.c -- the objects of a store, or the stores of the user. */
#include "cmd.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "describe.h"
#include "emit.h"
#include "objects.h"
#include "store.h"
#include "tool.h"

struct ls {
    const char *where;
    struct objects objects;
    int state, dtype, sort; /* places in their choices */
    bool json, bytes, full_ids;
    struct emit emit;
};

static bool is_filtered(const struct ls *ls)
{
    const struct objstore_filter *f = &ls->objects.filter;
    return ls->objects.name_glob || f->states || f->dtypes || f->tag;
}

static int list_objects(struct ls *ls)
{
    struct objstore *store;
    struct objects *list = &ls->objects;
    int code = store_open(ls->where, OBJSTORE_READ_ONLY, &store);
    if (code)
        return code;
    int err = objects_read(list, store, (enum objects_order)ls->sort);
    if (err) {
        code = store_cannot(ls->where, "cannot list the objects", err);
    } else {
        list->digits = ls->full_ids ? OBJSTORE_ID_TEXT - 1 : list->digits;
        objects_emit(list, list->count, &ls->emit, NULL);
        if (!list->count && !ls->json)
            complain(ls->where, is_filtered(ls) ? "no such object" : "no objects");
    }
    objects_free(list);
    objstore_close(store);
    return code;
}

/* ---- the stores that have names --------------------------------------------------- */

/* One store; of one that cannot be opened, why. */
static void emit_store(struct emit *e, const char *name)
{
    struct objstore_options options = OBJSTORE_OPTIONS_INIT;
    struct objstore_diag diag = { "" };
    struct objstore_stats s = { 0 };
    struct objstore *store;
    options.flags = OBJSTORE_READ_ONLY;
    int err = objstore_open(name, &options, &store, &diag);
    if (err == -ENOENT)
        return; /* removed since we looked */
    if (!err) {
        err = objstore_stats(store, &s);
        objstore_close(store);
    }
    emit_row(e);
    emit_string(e, "store", "store", name);
    if (!err) {
        emit_size(e, "capacity_bytes", "capacity", s.capacity_bytes);
        emit_size(e, "used_bytes", "used", s.used_bytes);
        emit_uint(e, "objects", "objects",
                  s.objects_sealed + s.objects_unsealed + s.objects_spilled);
        emit_uint(e, "processes", "processes", s.processes);
    } else {
        for (const char *const *title =
                 (const char *const[]){ "capacity", "used", "objects", "processes", NULL };
             *title; title++)
            emit_string(e, NULL, *title, "-");
        emit_string(e, "error", "", store_detail(err, &diag));
    }
    emit_row_end(e);
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static int list_stores(struct ls *ls)
{
    char folder[STORE_PATH_MAX];
    struct dirent **entries = NULL;
    int n = scandir(store_folder(folder), &entries, is_visible, alphasort);
    if (n < 0 && errno != ENOENT) {
        complain(folder, "cannot look into it (%s)", strerror(errno));
        return EXIT_CANNOT;
    }
    emit_list(&ls->emit, NULL);
    for (int i = 0; i < n; i++) {
        emit_store(&ls->emit, entries[i]->d_name);
        free(entries[i]);
    }
    emit_list_end(&ls->emit);
    free(entries);
    if (n <= 0 && !ls->json)
        complain(NULL, "no stores in %s; 'objstore create NAME' makes one", folder);
    return EXIT_OK;
}

int cmd_ls(int argc, char **argv)
{
    static const char *const sorts[] = { /* as enum objects_order */ "age", "name", "size", NULL };
    struct ls ls = { .state = -1, .dtype = -1 };
    const struct arg_option table[] = {
        OPT_FLAG("json", 'j', &ls.json, "one JSON object a line"),
        OPT_FLAG("bytes", 'b', &ls.bytes, "sizes in bytes"),
        OPT_FLAG("full", 'f', &ls.full_ids, "all 32 digits of the ids"),
        OPT_TEXT("name", 'n', &ls.objects.name_glob, "GLOB", "only objects with such a name: 'x*'"),
        { "state", 's', ARG_CHOICE, &ls.state, "STATE",
          "only unsealed, sealed, deleted or spilled objects", .choices = describe_states },
        { "dtype", 'd', ARG_CHOICE, &ls.dtype, "TYPE", "only objects of this element type",
          .choices = describe_dtypes },
        OPT_TEXT("tag", 't', &ls.objects.filter.tag, "TEXT", "only objects with this tag"),
        { "sort", 0, ARG_CHOICE, &ls.sort, "KEY", "age (oldest first, the default), name or size",
          .choices = sorts },
        { .kind = ARG_END },
    };
    struct arg_command command = {
        .usage = "[options] [STORE]",
        .text = "List the objects of a store; without STORE, your stores in\n"
                "/dev/shm/objstore-<uid>.\n",
        .options = table,
        .words = &ls.where,
        .words_min = 0,
        .words_max = 1,
    };
    int code = args_parse(argc, argv, &command);
    if (code != ARGS_RUN)
        return code;
    ls.objects.filter.states = ls.state < 0 ? 0 : 1u << (OBJSTORE_UNSEALED + ls.state);
    ls.objects.filter.dtypes = ls.dtype < 0 ? 0 : 1u << ls.dtype;
    if (!ls.where && is_filtered(&ls))
        return args_complain("--name, --state, --dtype and --tag need a STORE");
    emit_start(&ls.emit, stdout, ls.json ? EMIT_JSON : EMIT_TEXT, ls.bytes);
    return ls.where ? list_objects(&ls) : list_stores(&ls);
}
