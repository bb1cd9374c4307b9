/* SPDX-License-Identifier: MIT */
/*
 * cmd_spill.c -- make room ahead of those who will need it: once, or with --watch again and again.
 * Nobody depends on it: without it whoever needs room makes it himself.
 *
 * A look costs more the larger the store is. So a watcher looks again when something was sealed or
 * deleted, and PAUSE_MS later at the earliest. It subscribes only while it sleeps: of the writers
 * one in PAUSE_MS has to tell it something. What comes back from a file tells nobody: QUIET_MS.
 */
#include "cmd.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>

#include "args.h"
#include "emit.h"
#include "interrupt.h"
#include "store.h"
#include "tool.h"

#define PAUSE_MS 250  /* between two looks, at least */
#define QUIET_MS 5000 /* at most */

struct spill {
    const char *where;
    uint64_t target; /* bytes to be free; 0: an eighth of the capacity */
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

/* Until something happens, or an interrupt, or it has been long enough. */
static void wait_for_change(struct objstore_events *events)
{
    struct objstore_event event;
    if (!interrupt_pending())
        (void)!objstore_events_next(events, &event, 1, QUIET_MS); /* a signal ends it, too */
}

static int look(const struct spill *sp, struct objstore *store, uint64_t target, int64_t *freed)
{
    *freed = objstore_spill(store, target);
    if (*freed == -EOPNOTSUPP) {
        complain(sp->where, "it does not spill (made without --spill and --cache)");
        return EXIT_CANNOT;
    }
    if (*freed < 0 && !sp->watch)
        return store_cannot(sp->where, "cannot spill", (int)*freed);
    if (*freed < 0) /* perhaps the disk has room again later */
        complain(sp->where, "cannot spill (%s)", objstore_strerror((int)*freed));
    else if (*freed || !sp->watch)
        tell(sp, store, *freed);
    return EXIT_OK;
}

static int watch(const struct spill *sp, struct objstore *store, uint64_t target)
{
    interrupt_watch();
    if (!interrupt_break_calls()) {
        complain(sp->where, "there is no thread to be had");
        return EXIT_CANNOT;
    }
    while (!interrupt_pending()) {
        struct objstore_events *events;
        int64_t freed;
        int err = objstore_events_open(store, &events); /* before the look: nothing is missed */
        if (err)
            return store_cannot(sp->where, "cannot subscribe", err);
        int code = look(sp, store, target, &freed);
        if (!code && freed <= 0)
            wait_for_change(events);
        objstore_events_close(events);
        if (code)
            return code;
        if (!interrupt_pending())
            (void)poll(NULL, 0, PAUSE_MS); /* a signal ends it, too */
    }
    return interrupt_exit_code();
}

static int spill(const struct spill *sp, struct objstore *store)
{
    struct objstore_stats s;
    int64_t freed;
    int err = objstore_stats(store, &s);
    if (err)
        return store_cannot(sp->where, "cannot look at it", err);
    uint64_t target = sp->target ? sp->target : s.capacity_bytes / 8;
    return sp->watch ? watch(sp, store, target) : look(sp, store, target, &freed);
}

int cmd_spill(int argc, char **argv)
{
    struct spill sp = { 0 };
    const struct arg_option table[] = {
        { "free", 'f', ARG_SIZE, &sp.target, "SIZE", "until so much is free (default: an eighth)",
          .min = 1 },
        OPT_FLAG("watch", 'w', &sp.watch, "go on until interrupted"),
        OPT_FLAG("json", 'j', &sp.json, "as JSON objects, one a line"),
        { .kind = ARG_END },
    };
    struct arg_command command = {
        .usage = "[options] STORE",
        .text =
            "Make room in a store now, so that nobody has to wait for it later: move its coldest\n"
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
