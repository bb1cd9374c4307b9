/* SPDX-License-Identifier: MIT */
/* cmd_ps.c -- the workers of a pool, its tasks, or its actors. */
#include "cmd.h"

#include <string.h>

#include "emit.h"
#include "pool.h"
#include "show.h"
#include "tool.h"

struct ps {
    struct emit emit;
    const char *kernel; /* NULL: any */
    int state;          /* place in show_task_states, -1: any */
    uint64_t limit, shown, more;
    uint64_t now_ns;
    struct wsched *pool;
};

static int show(const struct wsched_task_info *t, void *ctx)
{
    struct ps *ps = ctx;

    if (ps->state >= 0 && strcmp(show_task_state(t->state), show_task_states[ps->state]) != 0)
        return 0;
    if (ps->kernel && strcmp(t->kernel, ps->kernel) != 0)
        return 0;
    if (ps->limit && ps->shown == ps->limit) {
        ps->more++;
        return 0;
    }
    ps->shown++;
    show_task(&ps->emit, ps->pool, t, ps->now_ns);
    return 0;
}

static int list_tasks(struct ps *ps, struct wsched *pool, const char *where, bool json)
{
    ps->now_ns = show_now_ns();
    ps->pool = pool;
    emit_list(&ps->emit, NULL);
    int err = wsched_tasks(pool, show, ps);
    emit_list_end(&ps->emit);
    if (err)
        return pool_cannot(where, "cannot list the tasks", err);
    if (ps->more)
        complain(where, "%llu more; --limit 0 shows all", (unsigned long long)ps->more);
    else if (!ps->shown && !json)
        complain(where, ps->kernel || ps->state >= 0 ? "no such task" : "no tasks");
    return EXIT_OK;
}

static int show_one_actor(const struct wsched_actor_info *a, void *ctx)
{
    struct ps *ps = ctx;

    ps->shown++;
    show_actor(&ps->emit, a);
    return 0;
}

static int list_actors(struct ps *ps, struct wsched *pool, const char *where, bool json)
{
    emit_list(&ps->emit, NULL);
    int err = wsched_actors(pool, show_one_actor, ps);
    emit_list_end(&ps->emit);
    if (err)
        return pool_cannot(where, "cannot list the actors", err);
    if (!ps->shown && !json)
        complain(where, "no actors");
    return EXIT_OK;
}

int cmd_ps(int argc, char **argv)
{
    struct ps ps = { .state = -1, .limit = 1000 };
    const char *where = NULL;
    bool json = false, tasks = false, actors = false, bytes = false;
    const struct arg_option table[] = {
        OPT_FLAG("tasks", 't', &tasks, "the tasks that exist, not the workers"),
        OPT_FLAG("actors", 'a', &actors, "the actors that live, or ended not long ago"),
        { "state", 's', ARG_CHOICE, &ps.state, "STATE",
          "only blocked, pending, running, done, failed or cancelled tasks",
          .choices = show_task_states },
        OPT_TEXT("kernel", 'k', &ps.kernel, "NAME", "only tasks of this kernel"),
        { "limit", 'n', ARG_U64, &ps.limit, "N", "at most so many tasks (1000); 0: all", .min = 0 },
        OPT_FLAG("json", 'j', &json, "one JSON object a line"),
        OPT_FLAG("bytes", 'b', &bytes, "sizes in bytes"),
        { .kind = ARG_END },
    };
    struct arg_command command = {
        .usage = "[options] POOL",
        .text = "List who takes part in a pool (workers, guests, actors): what each is and runs, "
                "since\n"
                "when, and what it has done so far; or with --tasks the tasks that exist, or with\n"
                "--actors the actors.\n",
        .options = table,
        .words = &where,
        .words_min = 1,
        .words_max = 1,
    };
    int code = args_parse(argc, argv, &command);
    if (code != ARGS_RUN)
        return code;
    if (!tasks && (ps.kernel || ps.state >= 0))
        return args_complain("--state and --kernel are about tasks: add --tasks");
    if (tasks && actors)
        return args_complain("--tasks or --actors, not both");
    struct wsched *pool;
    code = pool_open(where, &pool);
    if (code)
        return code;
    emit_start(&ps.emit, stdout, json ? EMIT_JSON : EMIT_TEXT, bytes);
    if (tasks) {
        code = list_tasks(&ps, pool, where, json);
    } else if (actors) {
        code = list_actors(&ps, pool, where, json);
    } else {
        int err = show_workers(pool, &ps.emit, NULL);
        code = err ? pool_cannot(where, "cannot list the workers", err) : EXIT_OK;
    }
    wsched_close(pool);
    return code;
}
