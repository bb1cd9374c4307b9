/* SPDX-License-Identifier: MIT */
/*
 * cmd_top.c -- a pool as it lives: how busy its workers are, what runs, what waits, again and
 * again.
 *
 * The pool is opened anew for each picture, so that one that is closed or made again is noticed.
 */
#include "cmd.h"

#include <stdio.h>

#include "emit.h"
#include "human.h"
#include "live.h"
#include "pool.h"
#include "show.h"
#include "tool.h"

struct top {
    const char *where;
    struct live live;
    uint64_t last_ns, last_over, opened_ns; /* of the picture before; 0: there was none */
};

struct load {
    uint32_t workers, busy; /* the crew, and guests that work */
};

static int count_load(const struct wsched_worker_info *w, void *ctx)
{
    struct load *load = ctx;
    bool works = w->kind == WSCHED_KIND_WORKER || w->kind == WSCHED_KIND_PROCESS ||
                 w->kind == WSCHED_KIND_THREAD;

    load->workers += works;
    load->busy += works && w->state == WSCHED_WORKER_RUNNING;
    return 0;
}

static void emit_load(FILE *out, struct wsched *pool, const struct wsched_info *i)
{
    struct load load = { 0, 0 };
    char bar[HUMAN_BAR];

    (void)!wsched_members(pool, count_load, &load); /* it is open: nothing can go wrong */
    double share = load.workers ? (double)load.busy / load.workers : 0;
    fprintf(out, "[%s] %u of %u workers run  pending %llu  blocked %llu  kept %llu of %u slots\n",
            human_bar(share, bar), load.busy, load.workers, (unsigned long long)i->pending,
            (unsigned long long)i->blocked,
            (unsigned long long)(i->done + i->failed + i->cancelled), i->task_capacity);
}

/* Of priorities, deadlines and resources, what there is. */
static void put_terms(FILE *out, struct wsched *pool, const struct wsched_info *i)
{
    struct wsched_resource_info r;
    uint64_t now = show_now_ns();
    char left[HUMAN_TEXT];

    for (uint32_t n = 0; wsched_resource_info(pool, n, &r) == 0; n++)
        fprintf(out, "%s%s %u of %u", n ? "  " : "held: ", r.name, r.held, r.total);
    if (i->parked)
        fprintf(out, "  parked %llu", (unsigned long long)i->parked);
    if (i->high || i->low)
        fprintf(out, "  pending: high %llu, low %llu", (unsigned long long)i->high,
                (unsigned long long)i->low);
    if (i->deadlines)
        fprintf(out, "  deadlines %llu, next in %s", (unsigned long long)i->deadlines,
                human_duration(((double)i->next_deadline_ns - (double)now) * 1e-9, left));
    fputc('\n', out);
}

/* Tasks that were over a second, since the picture before; since the opening in the first. */
static double rate(struct top *t, const struct wsched_info *i, const struct wsched_stats *s)
{
    uint64_t now = show_now_ns(), over = s->finished + s->failed + s->cancelled;
    bool is_same = t->last_ns && t->opened_ns == i->opened_ns && over >= t->last_over;
    uint64_t since = is_same ? t->last_ns : i->opened_ns, before = is_same ? t->last_over : 0;

    t->last_ns = now;
    t->last_over = over;
    t->opened_ns = i->opened_ns;
    return now > since ? (double)(over - before) * 1e9 / (double)(now - since) : 0;
}

static int picture(struct top *t, struct wsched *pool, FILE *out)
{
    struct wsched_stats s;
    struct wsched_info i;
    struct emit e;
    int err = wsched_info(pool, &i);

    if (!err)
        err = wsched_stats(pool, &s);
    if (err)
        return pool_cannot(t->where, "cannot look into it", err);
    double per_second = rate(t, &i, &s);
    emit_start(&e, out, t->live.json ? EMIT_JSON : EMIT_TEXT, false);
    if (t->live.json) {
        emit_object(&e, NULL);
        emit_string(&e, "pool", NULL, t->where);
        emit_uint(&e, "pending", NULL, i.pending);
        emit_uint(&e, "blocked", NULL, i.blocked);
        emit_uint(&e, "running", NULL, i.running);
        emit_uint(&e, "finished", NULL, s.finished);
        emit_uint(&e, "failed", NULL, s.failed);
        emit_uint(&e, "cancelled", NULL, s.cancelled);
        emit_uint(&e, "stolen", NULL, s.stolen);
        emit_uint(&e, "retried", NULL, s.retried);
        emit_uint(&e, "worker_deaths", NULL, s.worker_deaths);
        emit_double(&e, "tasks_per_second", NULL, per_second, 1);
        emit_uint(&e, "pending_high", NULL, i.high);
        emit_uint(&e, "pending_low", NULL, i.low);
        emit_uint(&e, "parked", NULL, i.parked);
        emit_uint(&e, "with_deadline", NULL, i.deadlines);
        show_next_deadline(&e, &i, show_now_ns());
        show_resources(&e, pool);
    } else {
        fprintf(
            out,
            "%s  finished %llu  failed %llu  cancelled %llu  run again %llu  deaths %llu  %.0f/s\n",
            t->where, (unsigned long long)s.finished, (unsigned long long)s.failed,
            (unsigned long long)s.cancelled, (unsigned long long)s.retried,
            (unsigned long long)s.worker_deaths, per_second);
        emit_load(out, pool, &i);
        put_terms(out, pool, &i);
        fputc('\n', out);
    }
    err = show_workers(pool, &e, "workers");
    if (t->live.json)
        emit_object_end(&e);
    return err ? pool_cannot(t->where, "cannot list the workers", err) : EXIT_OK;
}

static int picture_anew(FILE *out, void *ctx)
{
    struct top *t = ctx;
    struct wsched *pool;
    int code = pool_open(t->where, &pool);

    if (code)
        return code;
    code = picture(t, pool, out);
    wsched_close(pool);
    return code;
}

int cmd_top(int argc, char **argv)
{
    struct top t = { .live = LIVE_INIT };
    const struct arg_option table[] = {
        LIVE_OPTION_ROWS(&t.live),
        { .kind = ARG_END },
    };
    struct arg_command command = {
        .usage = "[options] POOL",
        .text =
            "Watch a pool: how many of its workers run, what each is at, what waits, and how many\n"
            "tasks are over each second. Ctrl-C ends it.\n",
        .options = table,
        .words = &t.where,
        .words_min = 1,
        .words_max = 1,
    };
    int code = args_parse(argc, argv, &command);
    return code == ARGS_RUN ? live_run(&t.live, picture_anew, &t) : code;
}
