/* SPDX-License-Identifier: MIT */
/* cmd_events.c -- tell of seals and deletes as they happen. */
#include "cmd.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <time.h>

#include "args.h"
#include "describe.h"
#include "emit.h"
#include "human.h"
#include "interrupt.h"
#include "store.h"
#include "tool.h"

struct follow {
    const char *where;
    struct objstore *store;
    struct objstore_events *events;
    bool json, bytes;
    uint64_t count, told; /* how many to tell; 0: no limit */
};

static const char *const words[] = { "", "sealed", "deleted" };

/* One event: of what is there, what it is. */
static void tell(struct follow *f, const struct objstore_id *id, uint32_t kind)
{
    char text[OBJSTORE_ID_TEXT], type[DESCRIBE_TEXT], size[HUMAN_TEXT];
    struct objstore_info info = { .size = 0 };
    bool is_known = kind == OBJSTORE_EVENT_SEALED && objstore_stat(f->store, id, &info) == 0;
    objstore_id_format(id, text);
    f->told++;
    if (!f->json) {
        printf("%-7s  %s", words[kind], text);
        if (is_known && f->bytes)
            printf("  %llu  %s  %s", (unsigned long long)info.size, describe_type(&info.meta, type),
                   info.meta.name);
        else if (is_known)
            printf("  %10s  %s  %s", human_size(info.size, size), describe_type(&info.meta, type),
                   info.meta.name);
        putchar('\n');
        return;
    }
    struct emit e;
    emit_start(&e, stdout, EMIT_JSON, true);
    emit_object(&e, NULL);
    emit_string(&e, "event", NULL, words[kind]);
    emit_string(&e, "id", NULL, text);
    if (is_known)
        describe_emit(&e, &info);
    emit_object_end(&e);
}

static int tell_listed(const struct objstore_info *info, void *ctx)
{
    struct follow *f = ctx;
    tell(f, &info->id, OBJSTORE_EVENT_SEALED);
    return f->count && f->told >= f->count;
}

static int list(struct follow *f)
{
    struct objstore_filter sealed = OBJSTORE_FILTER_INIT;
    sealed.states = 1u << OBJSTORE_SEALED;
    int err = objstore_list_where(f->store, &sealed, tell_listed, f);
    return err < 0 ? store_cannot(f->where, "cannot list the objects", err) : EXIT_OK;
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int timeout_until(int64_t deadline_ms)
{
    int64_t left = deadline_ms == INT64_MAX ? -1 : deadline_ms - now_ms();
    if (deadline_ms != INT64_MAX && left < 0)
        left = 0;
    return left < INT_MAX ? (int)left : INT_MAX;
}

static int follow(struct follow *f, int64_t deadline_ms, bool is_listing)
{
    int code = is_listing ? list(f) : EXIT_OK;
    interrupt_watch();
    if (!interrupt_break_calls()) {
        complain(f->where, "there is no thread to be had");
        return EXIT_CANNOT;
    }
    while (!code && (!f->count || f->told < f->count)) {
        struct objstore_event event;
        fflush(stdout);
        if (interrupt_pending() || interrupt_is_unread() || ferror(stdout))
            break;
        int n = objstore_events_next(f->events, &event, 1, timeout_until(deadline_ms));
        if (n == 1) {
            tell(f, &event.id, event.kind);
        } else if (n == -EOVERFLOW) {
            complain(f->where, "some events were lost%s", is_listing ? "; listing again" : "");
            code = is_listing ? list(f) : EXIT_OK;
        } else if (n == -ETIMEDOUT) {
            if (timeout_until(deadline_ms) == 0)
                break;
        } else if (n < 0 && n != -EINTR) {
            code = store_cannot(f->where, "cannot follow the events", n);
        }
    }
    return code;
}

int cmd_events(int argc, char **argv)
{
    struct follow f = { .json = false };
    double timeout = INFINITY;
    bool is_listing = false;
    const struct arg_option table[] = {
        OPT_FLAG("list", 'l', &is_listing, "first tell of what is there, as if it were sealed now"),
        { "count", 'c', ARG_U64, &f.count, "N", "end after so many", .min = 1 },
        { "timeout", 't', ARG_DOUBLE, &timeout, "SECONDS", "end after this time", .min = 0 },
        OPT_FLAG("json", 'j', &f.json, "one JSON object an event"),
        OPT_FLAG("bytes", 'b', &f.bytes, "sizes in bytes"),
        { .kind = ARG_END },
    };
    struct arg_command command = {
        .usage = "[options] STORE",
        .text =
            "Tell of objects as they are sealed and deleted, until interrupted. This attaches to\n"
            "the store, as writers only tell when somebody listens.\n",
        .options = table,
        .words = &f.where,
        .words_min = 1,
        .words_max = 1,
    };
    int code = args_parse(argc, argv, &command);
    if (code != ARGS_RUN)
        return code;
    if (!(timeout >= 0))
        return args_complain("--timeout: a time is not negative");
    code = store_open(f.where, 0, &f.store);
    if (code)
        return code;
    int err = objstore_events_open(f.store, &f.events);
    if (err)
        code = store_cannot(f.where, "cannot subscribe", err);
    else
        code = follow(&f, timeout < 1e12 ? now_ms() + (int64_t)(timeout * 1000) : INT64_MAX,
                      is_listing);
    objstore_events_close(f.events);
    objstore_close(f.store);
    return code;
}
