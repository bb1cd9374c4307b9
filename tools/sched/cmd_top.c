/* SPDX-License-Identifier: MIT */
/*
 * cmd_top.c -- a pool as it lives: how busy its workers are, what runs, what waits, again and
 * again.
 *
 * Each picture is put together in memory and written at once. The pool is opened anew each time, so
 * that one that is closed or made again is noticed.
 */
#include "cmd.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "emit.h"
#include "human.h"
#include "interrupt.h"
#include "pool.h"
#include "show.h"
#include "tool.h"

#define BAR_WIDTH 32

struct top {
    const char *where;
    bool json;
    uint64_t last_ns, last_over, opened_ns; /* of the picture before; 0: there was none */
};

static void emit_load(FILE *out, struct wsched *pool, const struct wsched_info *i)
{
    uint32_t busy = 0;
    char bar[BAR_WIDTH + 1];

    for (uint32_t w = 0; w < i->workers; w++) {
        struct wsched_worker_info info;
        busy += !wsched_worker_info(pool, w, &info) && info.state == WSCHED_WORKER_RUNNING;
    }
    double share = i->workers ? (double)busy / i->workers : 0;
    for (int b = 0; b < BAR_WIDTH; b++)
        bar[b] = b < (int)(share * BAR_WIDTH + 0.5) ? '#' : '.';
    bar[BAR_WIDTH] = 0;
    fprintf(out, "[%s] %u of %u workers run  pending %llu  blocked %llu  kept %llu of %u slots\n",
            bar, busy, i->workers, (unsigned long long)i->pending, (unsigned long long)i->blocked,
            (unsigned long long)(i->done + i->failed + i->cancelled), i->task_capacity);
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
    emit_start(&e, out, t->json ? EMIT_JSON : EMIT_TEXT, false);
    if (t->json) {
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
    } else {
        fprintf(
            out,
            "%s  finished %llu  failed %llu  cancelled %llu  run again %llu  deaths %llu  %.0f/s\n",
            t->where, (unsigned long long)s.finished, (unsigned long long)s.failed,
            (unsigned long long)s.cancelled, (unsigned long long)s.retried,
            (unsigned long long)s.worker_deaths, per_second);
        emit_load(out, pool, &i);
        fputc('\n', out);
    }
    err = show_workers(pool, &e, "workers");
    if (t->json)
        emit_object_end(&e);
    return err ? pool_cannot(t->where, "cannot list the workers", err) : EXIT_OK;
}

static int show(struct top *t, bool is_live)
{
    struct wsched *pool;
    char *text = NULL;
    size_t size = 0;
    int code = pool_open(t->where, &pool);

    if (code)
        return code;
    FILE *out = open_memstream(&text, &size);
    if (out) {
        code = picture(t, pool, out);
        if (fclose(out))
            code = pool_cannot(t->where, "cannot show it", -ENOMEM);
        else if (is_live && !t->json)
            fputs("\033[H\033[J", stdout);
        if (!code)
            fwrite(text, 1, size, stdout);
    } else {
        code = pool_cannot(t->where, "cannot show it", -ENOMEM);
    }
    free(text);
    wsched_close(pool);
    fflush(stdout);
    return code;
}

static int watch(struct top *t, double interval)
{
    interrupt_watch();
    for (;;) {
        int code = show(t, true);
        if (code || ferror(stdout))
            return code;
        (void)poll(NULL, 0, (int)(interval * 1000)); /* a signal ends it, too */
        if (interrupt_pending())
            return EXIT_OK;
    }
}

int cmd_top(int argc, char **argv)
{
    struct top t = { .where = NULL };
    double interval = 1;
    bool once = false;
    const struct arg_option table[] = {
        OPT_FLAG("once", '1', &once, "show it once (by itself when output is no terminal)"),
        { "interval", 'i', ARG_DOUBLE, &interval, "SECONDS", "between two pictures (default: 1)",
          .min = 0 },
        OPT_FLAG("json", 'j', &t.json, "one JSON object a picture"),
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
    if (code != ARGS_RUN)
        return code;
    if (!(interval >= 0.05 && interval <= 86400))
        return args_complain("--interval: from 0.05 seconds to a day");
    if (once || (!t.json && isatty(STDOUT_FILENO) != 1))
        return show(&t, false);
    return watch(&t, interval);
}
