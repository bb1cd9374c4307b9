/* SPDX-License-Identifier: MIT */
/*
 * cmd_top.c -- a store as it lives: room, objects, processes, again and again.
 *
 * The store is opened anew each time, so that one that is destroyed or made again is noticed.
 */
#include "cmd.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "args.h"
#include "describe.h"
#include "emit.h"
#include "human.h"
#include "live.h"
#include "objects.h"
#include "process.h"
#include "store.h"
#include "tool.h"

#define ROWS_WITHOUT_TERMINAL 20

struct top {
    const char *where;
    uint32_t rows; /* objects shown; 0: what the terminal has room for */
    struct live live;
    bool bytes;
    struct objects list;
};

/* ---- one picture ---------------------------------------------------------------------- */

static void emit_room(FILE *out, const struct objstore_stats *s, const struct objstore_space *space)
{
    char used[HUMAN_TEXT], capacity[HUMAN_TEXT], largest[HUMAN_TEXT], bar[HUMAN_BAR];
    char pieces[32] = "";
    double share = s->capacity_bytes ? (double)s->used_bytes / (double)s->capacity_bytes : 0;
    if (space->runs > 1)
        snprintf(pieces, sizeof pieces, " of %llu pieces", (unsigned long long)space->runs);
    fprintf(out, "[%s] %.0f%%  %s of %s  largest free %s%s\n", human_bar(share, bar), share * 100,
            human_size(s->used_bytes, used), human_size(s->capacity_bytes, capacity),
            human_size(s->largest_free_bytes, largest), pieces);
    if (s->can_spill)
        fprintf(out, "spilled %llu objects, %s, in %s of files\n",
                (unsigned long long)s->objects_spilled, human_size(s->spilled_bytes, used),
                human_size(s->spill_file_bytes, largest));
    if (s->is_cache)
        fprintf(out, "evicted %llu objects, %s\n", (unsigned long long)s->evictions,
                human_size(s->evictions_bytes, used));
}

static int emit_process(const struct objstore_lease *lease, void *ctx)
{
    struct emit *e = ctx;
    process_emit(e, lease);
    emit_row_end(e);
    return 0;
}

static int picture(struct top *t, struct objstore *store, FILE *out, uint32_t rows)
{
    struct objstore_stats s;
    struct objstore_space space;
    struct emit e;
    int err = objstore_stats(store, &s);
    if (!err)
        err = objstore_space(store, &space);
    if (!err)
        err = objects_read(&t->list, store, OBJECTS_LARGEST_FIRST);
    if (err)
        return store_cannot(t->where, "cannot look into it", err);
    emit_start(&e, out, t->live.json ? EMIT_JSON : EMIT_TEXT, t->bytes);
    if (t->live.json)
        emit_object(&e, NULL);
    else
        fprintf(out, "%s  sealed %llu  unsealed %llu  deleted %llu  processes %llu  deaths %llu\n",
                t->where, (unsigned long long)s.objects_sealed,
                (unsigned long long)s.objects_unsealed, (unsigned long long)s.objects_deleted,
                (unsigned long long)s.processes, (unsigned long long)s.deaths);
    if (t->live.json) {
        emit_string(&e, "store", NULL, t->where);
        emit_size(&e, "capacity_bytes", NULL, s.capacity_bytes);
        emit_size(&e, "used_bytes", NULL, s.used_bytes);
        emit_size(&e, "largest_free_bytes", NULL, s.largest_free_bytes);
        emit_uint(&e, "free_runs", NULL, space.runs);
        emit_uint(&e, "objects_sealed", NULL, s.objects_sealed);
        emit_uint(&e, "objects_unsealed", NULL, s.objects_unsealed);
        emit_uint(&e, "objects_deleted", NULL, s.objects_deleted);
        emit_uint(&e, "objects_spilled", NULL, s.objects_spilled);
        emit_uint(&e, "evictions", NULL, s.evictions);
        emit_uint(&e, "deaths", NULL, s.deaths);
    } else {
        emit_room(out, &s, &space);
        fputc('\n', out);
    }
    emit_list(&e, "processes");
    err = objstore_leases(store, emit_process, &e);
    bool has_processes = e.rows > 0;
    emit_list_end(&e);
    if (!t->live.json && has_processes)
        fputc('\n', out);
    objects_emit(&t->list, rows, &e, "objects");
    if (t->live.json)
        emit_object_end(&e);
    else if (t->list.count > rows)
        fprintf(out, "and %zu smaller objects\n", t->list.count - rows);
    objects_free(&t->list);
    return err ? store_cannot(t->where, "cannot list the processes", err) : EXIT_OK;
}

/* ---- again and again ------------------------------------------------------------------- */

static uint32_t rows_of_terminal(void)
{
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || size.ws_row == 0)
        return ROWS_WITHOUT_TERMINAL;
    return size.ws_row > 14 ? size.ws_row - 12u : 2;
}

static int picture_anew(FILE *out, void *ctx)
{
    struct top *t = ctx;
    struct objstore *store;
    int code = store_open(t->where, OBJSTORE_READ_ONLY, &store);
    if (code)
        return code;
    code = picture(t, store, out, t->rows ? t->rows : rows_of_terminal());
    objstore_close(store);
    return code;
}

int cmd_top(int argc, char **argv)
{
    struct top t = { .live = LIVE_INIT };
    const struct arg_option table[] = {
        LIVE_OPTION_ROWS(&t.live),
        { "rows", 'r', ARG_U32, &t.rows, "N", "objects to show, largest first", .min = 1 },
        OPT_FLAG("bytes", 'b', &t.bytes, "sizes in bytes"),
        { .kind = ARG_END },
    };
    struct arg_command command = {
        .usage = "[options] STORE",
        .text =
            "Watch a store: its room, who is attached, the largest objects and who holds them.\n"
            "Ctrl-C ends it.\n",
        .options = table,
        .words = &t.where,
        .words_min = 1,
        .words_max = 1,
    };
    int code = args_parse(argc, argv, &command);
    return code == ARGS_RUN ? live_run(&t.live, picture_anew, &t) : code;
}
