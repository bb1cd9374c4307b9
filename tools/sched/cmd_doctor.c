/* SPDX-License-Identifier: MIT */
/*
 * cmd_doctor.c -- what is wrong with a pool, or with all: one that is dead, that is damaged, whose
 * workers cannot start or were stopped, or that nobody looks after. --repair removes dead ones.
 */
#include "cmd.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "emit.h"
#include "pool.h"
#include "pools.h"
#include "tool.h"

struct doctor {
    struct emit emit;
    bool repair, json;
    uint64_t pools;       /* that were looked at */
    uint64_t found, left; /* findings; those that are still there */
    int code;
};

static void tell(struct doctor *d, const char *where, const char *what, const char *advice,
                 bool repaired)
{
    d->found++;
    d->left += !repaired;
    emit_row(&d->emit);
    emit_string(&d->emit, "pool", "pool", where);
    emit_string(&d->emit, "problem", "problem", what);
    emit_string(&d->emit, "advice", "advice", repaired ? "" : advice);
    emit_bool(&d->emit, "repaired", "repaired", repaired);
    emit_row_end(&d->emit);
}

/* Its file is the last that is left of it. */
static bool remove_dead(struct doctor *d, const char *where)
{
    int err = d->repair ? wsched_remove(where) : -EBUSY;

    if (err && d->repair)
        d->code = pool_cannot(where, "cannot remove it", err);
    return !err;
}

/* Of another version; whether it lives is known all the same: a dead one can be removed. */
static int tell_of_layout(struct doctor *d, const char *where)
{
    char text[POOL_TEXT_MAX];
    uint32_t found, known;
    bool is_pool = wsched_layout_version(where, &found, &known) == 0;
    const char *problem = pool_wrong_layout(where, text); /* before its file goes */
    int err = is_pool && d->repair ? wsched_remove(where) : -EBUSY;

    tell(d, where, problem,
         is_pool ? "if it is dead, --repair removes it" : "remove the file if it is no use", !err);
    return 0;
}

struct look {
    struct doctor *doctor;
    const char *where;
};

/* Clients that are stopped hold up nobody. */
static int look_at_one(const struct wsched_worker_info *w, void *ctx)
{
    struct look *l = ctx;
    char what[160];

    if (w->state != WSCHED_WORKER_STOPPED || !w->tid)
        return 0;
    snprintf(what, sizeof what, "%s, pid %d, is stopped%s%s", w->name, w->pid,
             w->kernel[0] ? " in " : "", w->kernel);
    tell(l->doctor, l->where, what,
         w->kind == WSCHED_KIND_WORKER ? "kill -CONT it, or kill it: it is replaced"
                                       : "kill -CONT it, or kill it",
         false);
    return 0;
}

static int examine(const char *where, void *ctx)
{
    struct doctor *d = ctx;
    struct wsched_info i;
    struct wsched *pool;
    char text[256] = "";
    int err = wsched_look(where, &pool);

    d->pools += err != -ENOENT;
    if (err == -EPROTO)
        return tell_of_layout(d, where);
    if (err == -EBADMSG) {
        tell(d, where, wsched_strerror(err), "remove the file if it is no use", false);
        return 0;
    }
    if (err) {
        d->code = err == -ENOENT ? d->code : pool_complain(where, err);
        return 0; /* -ENOENT: gone since it was listed */
    }
    if (wsched_verify(pool, text))
        tell(d, where, text, "close it; its results may be wrong", false);
    err = wsched_info(pool, &i);
    if (!err && i.is_dead) {
        tell(d, where, "all of its processes died",
             "look at it (deaths, trace), then --repair removes it", remove_dead(d, where));
    } else if (!err) {
        if (i.broken)
            tell(d, where, "no worker can start", "see why its worker_start fails", false);
        else if (!i.supervisor && !i.is_stopping)
            tell(d, where, "nobody looks after its workers", "its driver's next call mends it",
                 false);
        (void)!wsched_members(pool, look_at_one, &(struct look){ d, where });
    }
    wsched_close(pool);
    return 0;
}

static void say_all_is_well(struct doctor *d, const char *where)
{
    if (d->json) {
        emit_object(&d->emit, NULL);
        emit_bool(&d->emit, "well", NULL, true);
        emit_uint(&d->emit, "pools", NULL, d->pools);
        emit_object_end(&d->emit);
    } else if (where) {
        printf("%s: all is well\n", where);
    } else {
        printf("%llu pool%s: all is well\n", (unsigned long long)d->pools, d->pools == 1 ? "" : "s");
    }
}

int cmd_doctor(int argc, char **argv)
{
    struct doctor d = { .repair = false };
    const char *where = NULL;
    bool all = false;
    const struct arg_option table[] = {
        OPT_FLAG("repair", 'r', &d.repair, "remove dead pools; needs POOL or --all"),
        OPT_FLAG("all", 'a', &all, "all of your pools (only to look: by itself)"),
        OPT_FLAG("json", 'j', &d.json, "one JSON object a line"),
        { .kind = ARG_END },
    };
    struct arg_command command = {
        .usage = "[options] [POOL]",
        .text =
            "Say what is wrong with a pool, or with all of yours: dead, damaged, workers that are\n"
            "stopped or cannot start. Exit code 1: something was found and is still there.\n"
            "--repair has to be told where.\n",
        .options = table,
        .words = &where,
        .words_min = 0,
        .words_max = 1,
    };
    int code = args_parse(argc, argv, &command);
    if (code != ARGS_RUN)
        return code;
    if (all && where)
        return args_complain("a POOL or --all, not both");
    struct wsched *pool;
    if (where) { /* one that is not there is an error */
        int err = wsched_look(where, &pool);
        if (!err)
            wsched_close(pool);
        else if (err != -EPROTO && err != -EBADMSG)
            return pool_complain(where, err);
    }
    bool is_unclear = d.repair && !where && !all;
    d.repair = d.repair && !is_unclear;
    emit_start(&d.emit, stdout, d.json ? EMIT_JSON : EMIT_TEXT, false);
    emit_list(&d.emit, NULL);
    int err = where ? examine(where, &d) : pools_visit(examine, &d);
    emit_list_end(&d.emit);
    if (err) {
        complain(NULL, "cannot list the pools (%s)", strerror(-err));
        return EXIT_CANNOT;
    }
    if (!d.code && !d.found)
        say_all_is_well(&d, where);
    if (is_unclear)
        return args_complain("nothing was repaired: say which POOL, or --all for all of yours");
    return d.code ? d.code : d.left ? EXIT_ANSWER_NO : EXIT_OK;
}
