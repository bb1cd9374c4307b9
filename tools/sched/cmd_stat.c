/* SPDX-License-Identifier: MIT */
/* cmd_stat.c -- a pool as a whole. */
#include "cmd.h"

#include <string.h>

#include "emit.h"
#include "pool.h"
#include "show.h"
#include "tool.h"

static void emit_stat(struct emit *e, const char *where, const struct wsched_info *i,
                      const struct wsched_stats *s)
{
    uint64_t now = show_now_ns();

    emit_object(e, NULL);
    emit_string(e, "pool", "pool", where);
    emit_string(e, "state", "state",
                i->is_dead       ? "dead: all of its processes died"
                : i->broken      ? "broken: no worker can start"
                : i->is_stopping ? "closing"
                : i->supervisor  ? "open"
                                 : "nobody looks after its workers");
    emit_uint(e, "workers", "workers", i->workers);
    emit_int(e, "supervisor", "supervisor (pid)", i->supervisor);
    emit_duration(e, "age_seconds", "age",
                  now > i->opened_ns ? (double)(now - i->opened_ns) * 1e-9 : 0);
    emit_size(e, "shared_bytes", "shared memory", i->bytes);
    emit_uint(e, "task_capacity", "task slots", i->task_capacity);
    emit_size(e, "payload_max_bytes", "payload limit", i->payload_max);
    emit_size(e, "result_max_bytes", "result limit", i->result_max);
    emit_uint(e, "blocked", "blocked", i->blocked);
    emit_uint(e, "pending", "pending", i->pending);
    emit_uint(e, "running", "running", i->running);
    emit_uint(e, "done", "done, kept", i->done);
    emit_uint(e, "failed_kept", "failed, kept", i->failed);
    emit_uint(e, "cancelled_kept", "cancelled, kept", i->cancelled);
    emit_uint(e, "queued", "queued", i->queued);
    emit_uint(e, "pending_high", "pending, high priority", i->high);
    emit_uint(e, "pending_low", "pending, low priority", i->low);
    emit_uint(e, "parked", "pending, wait for resources", i->parked);
    emit_uint(e, "with_deadline", "with a deadline, not over", i->deadlines);
    show_next_deadline(e, i, now);
    emit_uint(e, "submitted", "submitted", s->submitted);
    emit_uint(e, "finished", "finished", s->finished);
    emit_uint(e, "failed", "failed", s->failed);
    emit_uint(e, "cancelled", "cancelled", s->cancelled);
    emit_uint(e, "retried", "run again", s->retried);
    emit_uint(e, "stolen", "stolen", s->stolen);
    emit_uint(e, "worker_deaths", "deaths of workers", s->worker_deaths);
    emit_uint(e, "wakes", "wakes", s->wakes);
    emit_uint(e, "events_lost", "events overwritten", s->events_lost);
}

static void emit_kernels(struct emit *e, const struct wsched *pool)
{
    const char *name;

    emit_list(e, "kernels");
    for (uint32_t i = 0; (name = wsched_kernel_name(pool, i)); i++) {
        emit_row(e);
        emit_string(e, "name", "kernel", name);
        emit_row_end(e);
    }
    emit_list_end(e);
}

int cmd_stat(int argc, char **argv)
{
    const char *where = NULL;
    bool json = false, bytes = false;
    const struct arg_option table[] = {
        OPT_FLAG("json", 'j', &json, "as a JSON object"),
        OPT_FLAG("bytes", 'b', &bytes, "sizes in bytes"),
        { .kind = ARG_END },
    };
    struct arg_command command = {
        .usage = "[options] POOL",
        .text =
            "Tell about a pool: its size, its tasks by state, what it has done so far, and the\n"
            "kernels that it knows.\n",
        .options = table,
        .words = &where,
        .words_min = 1,
        .words_max = 1,
    };
    int code = args_parse(argc, argv, &command);
    if (code != ARGS_RUN)
        return code;
    struct wsched_info info;
    struct wsched_stats stats;
    struct wsched *pool;
    struct emit e;
    code = pool_open(where, &pool);
    if (code)
        return code;
    int err = wsched_info(pool, &info);
    if (!err)
        err = wsched_stats(pool, &stats);
    if (!err) {
        emit_start(&e, stdout, json ? EMIT_JSON : EMIT_TEXT, bytes);
        emit_stat(&e, where, &info, &stats);
        show_resources(&e, pool);
        emit_kernels(&e, pool);
        emit_object_end(&e);
    }
    wsched_close(pool);
    return err ? pool_cannot(where, "cannot look into it", err) : EXIT_OK;
}
