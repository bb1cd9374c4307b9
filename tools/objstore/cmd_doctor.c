/* SPDX-License-Identifier: MIT */
/*
 * cmd_doctor.c -- damage, and what the dead left: processes that died attached, and ephemeral
 * stores that nobody uses. Looking changes nothing; --repair opens the store as a participant, and
 * the library then cleans up (or, an ephemeral store without users, removes it). With --spill-dir
 * also spill files of stores that are gone.
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

struct doctor {
    bool repair, json;
    struct emit emit;
    const char *where; /* the store that is being looked at */
    uint64_t looked;   /* at so many stores */
    uint64_t found;    /* in all of them */
    uint64_t damaged;  /* of what was found, what cannot be repaired */
    uint64_t alive;    /* processes attached to this store */
};

static void tell(struct doctor *d, const char *what, int32_t pid, uint64_t pins, uint64_t unsealed,
                 bool can_be_repaired)
{
    d->found++;
    d->damaged += !can_be_repaired;
    emit_row(&d->emit);
    emit_string(&d->emit, "store", "store", d->where);
    emit_string(&d->emit, "left", "left", what);
    emit_int(&d->emit, "pid", "pid", pid);
    emit_uint(&d->emit, "pins", "pins", pins);
    emit_uint(&d->emit, "unsealed", "unsealed", unsealed);
    emit_uint(&d->emit, "files", "files", 0);
    emit_size(&d->emit, "bytes", "bytes", 0);
    emit_bool(&d->emit, "repaired", "repaired", d->repair && can_be_repaired);
    emit_row_end(&d->emit);
}

static int look_at_lease(const struct objstore_lease *lease, void *ctx)
{
    struct doctor *d = ctx;
    if (lease->alive)
        d->alive++;
    else
        tell(d, "dead process", lease->pid, lease->pins, lease->unsealed, true);
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

static int examine(struct doctor *d, const char *where)
{
    struct objstore *store;
    struct objstore_stats stats;
    struct objstore_diag damage = { "" };
    char what[sizeof damage.text + 16];
    uint64_t before = d->found;
    int code = store_open(where, OBJSTORE_READ_ONLY, &store);
    if (code)
        return code;
    d->where = where;
    d->alive = 0;
    d->looked++;
    if (objstore_verify(store, &damage) == -EBADMSG) {
        snprintf(what, sizeof what, "damage: %s", damage.text);
        tell(d, what, 0, 0, 0, false);
        before = d->found;
    }
    int err = objstore_leases(store, look_at_lease, d);
    if (!err)
        err = objstore_stats(store, &stats);
    objstore_close(store);
    if (err)
        return store_cannot(where, "cannot look at it", err);
    if (stats.is_ephemeral && d->alive == 0)
        tell(d, "store without users", 0, 0, 0, true);
    return d->repair && d->found > before ? repair(where) : EXIT_OK;
}

static int examine_spill_dir(struct doctor *d, const char *dir)
{
    struct objstore_orphans gone;
    int err = objstore_spill_orphans(dir, d->repair, &gone);
    if (err) {
        complain(dir, "cannot look into it (%s)", strerror(-err));
        return EXIT_CANNOT;
    }
    if (!gone.stores)
        return EXIT_OK;
    d->found++;
    emit_row(&d->emit);
    emit_string(&d->emit, "store", "store", dir);
    emit_string(&d->emit, "left", "left", "spill files");
    emit_int(&d->emit, "pid", "pid", 0);
    emit_uint(&d->emit, "pins", "pins", 0);
    emit_uint(&d->emit, "unsealed", "unsealed", 0);
    emit_uint(&d->emit, "files", "files", gone.files);
    emit_size(&d->emit, "bytes", "bytes", gone.bytes);
    emit_bool(&d->emit, "repaired", "repaired", d->repair);
    emit_row_end(&d->emit);
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
        int code = examine(d, entries[i]->d_name);
        worst = code > worst ? code : worst;
        free(entries[i]);
    }
    free(entries);
    return worst;
}

int cmd_doctor(int argc, char **argv)
{
    struct doctor d = { 0 };
    const char *where = NULL, *spill_dir = NULL;
    const struct arg_option table[] = {
        OPT_FLAG("repair", 'r', &d.repair, "remove what was found"),
        OPT_TEXT("spill-dir", 's', &spill_dir, "DIR",
                 "look there for spill files of stores that are gone; without STORE only there"),
        OPT_FLAG("json", 'j', &d.json, "one JSON object a line"),
        { .kind = ARG_END },
    };
    struct arg_command command = {
        .usage = "[options] [STORE|all]",
        .text =
            "Show what the dead left in a store, or in all of your stores in\n"
            "/dev/shm/objstore-<uid>: processes that died attached, with what they pinned and had\n"
            "not sealed, and ephemeral stores that nobody uses. All of that is also cleaned up by\n"
            "whoever opens the store next. Damage, as verify finds it, is shown, too; it stays.\n"
            "Exit code 1: something was found and is still there. --repair has to be told where.\n",
        .options = table,
        .words = &where,
        .words_min = 0,
        .words_max = 1,
    };
    int code = args_parse(argc, argv, &command);
    if (code != ARGS_RUN)
        return code;
    if (d.repair && !where && !spill_dir)
        return args_complain("--repair needs a STORE, or all");
    emit_start(&d.emit, stdout, d.json ? EMIT_JSON : EMIT_TEXT, false);
    emit_list(&d.emit, NULL);
    if (where && strcmp(where, "all") != 0)
        code = examine(&d, where);
    else
        code = where || !spill_dir ? examine_all(&d) : EXIT_OK;
    if (spill_dir) {
        int spill_code = examine_spill_dir(&d, spill_dir);
        code = spill_code > code ? spill_code : code;
    }
    emit_list_end(&d.emit);
    if (!code && !d.found && !d.json)
        printf("all is well in %llu store%s%s%s\n", (unsigned long long)d.looked,
               d.looked == 1 ? "" : "s", spill_dir ? " and " : "", spill_dir ? spill_dir : "");
    return code ? code : d.damaged || (d.found && !d.repair) ? EXIT_ANSWER_NO : EXIT_OK;
}
