/* SPDX-License-Identifier: MIT */
/*
 * cmd_doctor.c -- what is wrong with a store, or with all: damage, processes that died attached, and
 * ephemeral stores that nobody uses. Looking changes nothing; --repair opens the store as a
 * participant, and the library then cleans up (or, an ephemeral store without users, removes it). A
 * damaged store is left alone. With --spill-dir also spill files of stores that are gone.
 */
#include "cmd.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "emit.h"
#include "store.h"
#include "tool.h"

struct finding {
    const char *left; /* a dead process, if NULL */
    int32_t pid;
    uint64_t pins, unsealed, files, bytes;
};

struct doctor {
    bool repair, json;
    struct emit emit;
    const char *where;           /* the store that is being looked at */
    struct objstore_lease *dead; /* those attached to it that died */
    size_t dead_count, dead_capacity;
    uint64_t alive;       /* processes attached to it */
    uint64_t stores;      /* that were looked at */
    uint64_t found, left; /* in all of them; what is still there */
};

static void tell(struct doctor *d, const struct finding *f, const char *problem, bool repaired)
{
    d->found++;
    d->left += !repaired;
    emit_row(&d->emit);
    emit_string(&d->emit, "store", "store", d->where);
    emit_string(&d->emit, "left", "left", f->left ? f->left : "dead process");
    emit_int(&d->emit, "pid", "pid", f->pid);
    emit_uint(&d->emit, "pins", "pins", f->pins);
    emit_uint(&d->emit, "unsealed", "unsealed", f->unsealed);
    emit_uint(&d->emit, "files", "files", f->files);
    emit_size(&d->emit, "bytes", "bytes", f->bytes);
    emit_bool(&d->emit, "repaired", "repaired", repaired);
    emit_string(&d->emit, problem[0] ? "problem" : NULL, "", problem);
    emit_row_end(&d->emit);
}

/* Told of only when it is known whether they could be cleaned up after. */
static int look_at_lease(const struct objstore_lease *lease, void *ctx)
{
    struct doctor *d = ctx;
    if (lease->alive) {
        d->alive++;
        return 0;
    }
    if (d->dead_count == d->dead_capacity) {
        size_t capacity = d->dead_capacity ? 2 * d->dead_capacity : 16;
        struct objstore_lease *dead = realloc(d->dead, capacity * sizeof *dead);
        if (!dead)
            return -ENOMEM;
        d->dead = dead;
        d->dead_capacity = capacity;
    }
    d->dead[d->dead_count++] = *lease;
    return 0;
}

/* Become a participant: on the way in the library cleans up after the dead. */
static int repair(const char *where)
{
    struct objstore_options options = OBJSTORE_OPTIONS_INIT;
    struct objstore_diag diag = { "" };
    struct objstore *store;
    int err = objstore_open(where, &options, &store, &diag);
    if (err == -ENOENT)
        return EXIT_OK; /* it was a leftover as a whole */
    if (err)
        return store_complain(where, err, &diag);
    err = objstore_reap(store);
    objstore_close(store);
    return err < 0 ? store_cannot(where, "cannot clean up", err) : EXIT_OK;
}

static int tell_of_damage(struct doctor *d, int err, const struct objstore_diag *diag)
{
    tell(d,
         &(struct finding){ .left = err == -EPROTO ? "not a store of this version" : "damage" },
         store_detail(err, diag), false);
    return EXIT_OK;
}

static int tell_of_dead(struct doctor *d, bool is_unused, int code)
{
    bool repaired = d->repair && !code;
    for (size_t i = 0; i < d->dead_count; i++)
        tell(d,
             &(struct finding){ .pid = d->dead[i].pid,
                                .pins = d->dead[i].pins,
                                .unsealed = d->dead[i].unsealed },
             "", repaired);
    if (is_unused)
        tell(d, &(struct finding){ .left = "store without users" }, "", repaired);
    return code;
}

/* `is_named`: it must be there; else it may have gone since it was listed. */
static int examine(struct doctor *d, const char *where, bool is_named)
{
    struct objstore *store;
    struct objstore_stats stats;
    struct objstore_diag diag = { "" };
    int err = store_try(where, OBJSTORE_READ_ONLY, &store, &diag);
    if (err == -ENOENT && !is_named)
        return EXIT_OK;
    d->where = where;
    d->stores++;
    if (err == -EPROTO || err == -EBADMSG)
        return tell_of_damage(d, err, &diag);
    if (err)
        return store_complain(where, err, &diag);
    d->dead_count = d->alive = 0;
    int unsound = objstore_verify(store, &diag);
    err = objstore_leases(store, look_at_lease, d);
    if (!err)
        err = objstore_stats(store, &stats);
    objstore_close(store);
    if (unsound == -EBADMSG) {
        tell_of_damage(d, unsound, &diag);
        return err ? EXIT_OK : tell_of_dead(d, false, EXIT_ANSWER_NO);
    }
    err = unsound ? unsound : err;
    if (err)
        return store_cannot(where, "cannot look at it", err);
    bool is_unused = stats.is_ephemeral && d->alive == 0;
    bool is_repaired = d->repair && (d->dead_count || is_unused);
    return tell_of_dead(d, is_unused, is_repaired ? repair(where) : EXIT_OK);
}

static int examine_spill_dir(struct doctor *d, const char *dir)
{
    struct objstore_orphans gone;
    int err = objstore_spill_orphans(dir, d->repair, &gone);
    if (err) {
        complain(dir, "cannot look into it (%s)", strerror(-err));
        return EXIT_CANNOT;
    }
    d->where = dir;
    if (gone.stores)
        tell(d,
             &(struct finding){ .left = "spill files", .files = gone.files, .bytes = gone.bytes },
             "", d->repair);
    return EXIT_OK;
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* Every store of the user; one that cannot be opened is complained of, and the others go on. */
static int examine_all(struct doctor *d)
{
    char folder[STORE_PATH_MAX];
    struct dirent **entries = NULL;
    int worst = EXIT_OK;
    int n = scandir(store_folder(folder), &entries, is_visible, alphasort);
    if (n < 0 && errno != ENOENT) {
        complain(folder, "cannot look into it (%s)", strerror(errno));
        return EXIT_CANNOT;
    }
    for (int i = 0; i < n; i++) {
        int code = examine(d, entries[i]->d_name, false);
        worst = code > worst ? code : worst;
        free(entries[i]);
    }
    free(entries);
    return worst;
}

/* "demo: all is well", "3 stores, /var/spill: all is well" */
static void say_all_is_well(struct doctor *d, const char *where, bool all, const char *spill_dir)
{
    if (d->json) {
        emit_object(&d->emit, NULL);
        emit_bool(&d->emit, "well", NULL, true);
        emit_uint(&d->emit, "stores", NULL, d->stores);
        emit_object_end(&d->emit);
        return;
    }
    if (all)
        printf("%llu store%s", (unsigned long long)d->stores, d->stores == 1 ? "" : "s");
    else if (where)
        fputs(where, stdout);
    if (spill_dir)
        printf("%s%s", all || where ? ", " : "", spill_dir);
    puts(": all is well");
}

int cmd_doctor(int argc, char **argv)
{
    struct doctor d = { 0 };
    const char *where = NULL, *spill_dir = NULL;
    bool all = false;
    const struct arg_option table[] = {
        OPT_FLAG("repair", 'r', &d.repair, "remove what the dead left; needs STORE, DIR or --all"),
        OPT_FLAG("all", 'a', &all, "all of your stores (only to look: by itself)"),
        OPT_TEXT("spill-dir", 's', &spill_dir, "DIR",
                 "look there for spill files of stores that are gone"),
        OPT_FLAG("json", 'j', &d.json, "one JSON object a line"),
        { .kind = ARG_END },
    };
    struct arg_command command = {
        .usage = "[options] [STORE]",
        .text =
            "Say what is wrong with a store, or with all of yours in /dev/shm/objstore-<uid>:\n"
            "damage, processes that died attached, with what they pinned and had not sealed, and\n"
            "ephemeral stores that nobody uses. What the dead left is also cleaned up by whoever\n"
            "opens the store next; damage is not repaired. Exit code 1: something was found and is\n"
            "still there.\n",
        .options = table,
        .words = &where,
        .words_min = 0,
        .words_max = 1,
    };
    int code = args_parse(argc, argv, &command);
    if (code != ARGS_RUN)
        return code;
    if (all && where)
        return args_complain("a STORE or --all, not both");
    bool is_unclear = d.repair && !where && !all && !spill_dir;
    d.repair = d.repair && !is_unclear;
    all = all || (!where && !spill_dir);
    emit_start(&d.emit, stdout, d.json ? EMIT_JSON : EMIT_TEXT, false);
    emit_list(&d.emit, NULL);
    code = all ? examine_all(&d) : where ? examine(&d, where, true) : EXIT_OK;
    if (spill_dir) {
        int spill_code = examine_spill_dir(&d, spill_dir);
        code = spill_code > code ? spill_code : code;
    }
    emit_list_end(&d.emit);
    if (!code && !d.found)
        say_all_is_well(&d, where, all, spill_dir);
    free(d.dead);
    if (is_unclear)
        return args_complain("nothing was repaired: say which STORE, or --all for all of yours");
    return code ? code : d.left ? EXIT_ANSWER_NO : EXIT_OK;
}
