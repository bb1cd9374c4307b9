/* SPDX-License-Identifier: MIT */
/*
 * cmd_spill.c -- make room ahead of those who will need it: once, or with --watch again and again.
 * Nobody depends on it: without it whoever needs room makes it himself.
 */
#include "cmd.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "args.h"
#include "emit.h"
#include "interrupt.h"
#include "store.h"
#include "tool.h"

struct spill {
    const char *where;
    uint64_t target; /* bytes to be free; 0: an eighth of the capacity */
    double interval;
    bool watch, json;
};

static void tell(const struct spill *sp, struct objstore *store, int64_t freed)
{
    struct objstore_stats s = { 0 };
    struct emit e;
    if (objstore_stats(store, &s))
        return;
    emit_start(&e, stdout, sp->json ? EMIT_JSON : EMIT_TEXT, false);
    emit_object(&e, NULL);
    emit_size(&e, "freed_bytes", "freed", (uint64_t)freed);
    emit_size(&e, "free_bytes", "free", s.capacity_bytes - s.used_bytes);
    if (s.is_cache) {
        emit_uint(&e, "evictions", "objects evicted", s.evictions);
    } else {
        emit_uint(&e, "objects_spilled", "objects spilled", s.objects_spilled);
        emit_size(&e, "spill_file_bytes", "spill files", s.spill_file_bytes);
    }
    if (freed && !s.is_cache)
        emit_bool(&e, "io_uring", "io_uring", s.uses_io_uring);
    emit_object_end(&e);
    fflush(stdout);
}

static int spill(const struct spill *sp, struct objstore *store)
{
    struct timespec pause = { (time_t)sp->interval,
                              (long)((sp->interval - (double)(time_t)sp->interval) * 1e9) };
    struct objstore_stats s;
    int err = objstore_stats(store, &s);
    if (err)
        return store_cannot(sp->where, "cannot look at it", err);
    uint64_t target = sp->target ? sp->target : s.capacity_bytes / 8;
    if (sp->watch)
        interrupt_watch();
    do {
        int64_t freed = objstore_spill(store, target);
        if (freed == -EOPNOTSUPP) {
            complain(sp->where, "it does not spill (made without --spill and --cache)");
            return EXIT_CANNOT;
        }
        if (freed < 0 && !sp->watch)
            return store_cannot(sp->where, "cannot spill", (int)freed);
        if (freed < 0) /* perhaps the disk has room again later */
            complain(sp->where, "cannot spill (%s)", objstore_strerror((int)freed));
        else if (freed || !sp->watch)
            tell(sp, store, freed);
        if (sp->watch)
            nanosleep(&pause, NULL);
    } while (sp->watch && !interrupt_pending());
    return sp->watch ? interrupt_exit_code() : EXIT_OK;
}

int cmd_spill(int argc, char **argv)
{
    struct spill sp = { .interval = 0.25 };
    const struct arg_option table[] = {
        { "free", 'f', ARG_SIZE, &sp.target, "SIZE", "until so much is free (default: an eighth)",
          .min = 1 },
        OPT_FLAG("watch", 'w', &sp.watch, "go on until interrupted"),
        OPT_FLAG("json", 'j', &sp.json, "as JSON objects, one a line"),
        { .kind = ARG_END },
    };
    struct arg_command command = {
        .usage = "[options] STORE",
        .text = "Make room in a store now, so that nobody has to wait for it later: move its coldest\n"
                "objects to its spill files, or, in a cache, remove them.\n",
        .options = table,
        .words = &sp.where,
        .words_min = 1,
        .words_max = 1,
    };
    struct objstore *store;
    int code = args_parse(argc, argv, &command);
    if (code != ARGS_RUN)
        return code;
    code = store_open(sp.where, 0, &store);
    if (code)
        return code;
    code = spill(&sp, store);
    objstore_close(store);
    return code;
}
