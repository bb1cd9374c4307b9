/* SPDX-License-Identifier: MIT */
/* errors_look.c -- the errors of looking at a store and verifying it; what every call says in a child. */
#define _GNU_SOURCE
#include "errors.h"

#include <limits.h>

static struct objstore_view view;
static void *data;

static int visit_info(const struct objstore_info *info, void *ctx)
{
    (void)info, (void)ctx;
    return 0;
}
static int visit_holder(const struct objstore_holder *holder, void *ctx)
{
    (void)holder, (void)ctx;
    return 0;
}

static int stat_absent(void)
{
    struct objstore_info info;

    return objstore_stat(given.read_only, &given.absent, &info);
}
static int stat_nameless(void)
{
    struct objstore_info info;

    CHECK_EQ(objstore_stat(given.store, &given.sealed, NULL), -EINVAL);
    return objstore_stat(given.store, &given.zero, &info);
}
static int list_nobody(void)
{
    return objstore_list(given.store, NULL, NULL);
}
static int list_unknown_state(void)
{
    struct objstore_filter filter = OBJSTORE_FILTER_INIT;

    filter.states = 1u << 31;
    CHECK_EQ(objstore_list_where(given.store, &filter, visit_info, NULL), -EINVAL);
    filter.states = 0;
    filter.dtypes = 1u << 31;
    return objstore_list_where(given.store, &filter, visit_info, NULL);
}
static int list_later_filter(void)
{
    struct {
        struct objstore_filter filter;
        uint64_t later;
    } filter = { OBJSTORE_FILTER_INIT, 1 };

    filter.filter.struct_size = sizeof filter;
    return objstore_list_where(given.store, &filter.filter, visit_info, NULL);
}
static int holders_gone(void)
{
    struct objstore_info info;

    REQUIRE_OK(objstore_stat(given.store, &given.sealed, &info));
    REQUIRE_OK(objstore_delete(given.store, &given.sealed));
    return objstore_holders(given.store, &info, visit_holder, NULL);
}
static int stats_nowhere(void)
{
    return objstore_stats(given.store, NULL);
}
static int leases_nobody(void)
{
    return objstore_leases(given.store, NULL, NULL);
}
static int reap_read_only(void)
{
    return objstore_reap(given.read_only);
}

static int verify_damaged(void)
{
    struct objstore *bad = help_store(CAPACITY);
    struct objstore_diag diag = { "" };
    const uint64_t bits = UINT64_MAX;

    REQUIRE(pwrite(objstore_fd(bad), &bits, 8, 192) == 8);
    int err = objstore_verify(bad, &diag);
    CHECK(strstr(diag.text, "header") != NULL);
    CHECK_EQ(objstore_verify(bad, NULL), err);
    objstore_close(bad);
    return err;
}

/* Every call, in a child that did not open the store. Answers what all of them say. */
static int in_child(void)
{
    pid_t child = fork();

    REQUIRE(child >= 0);
    if (child == 0) {
        struct objstore_stats stats;
        struct objstore_space space;
        struct objstore_info info = { .size = 0 };
        bool ready;
        size_t size;
        const int said[] = {
            objstore_create(given.store, &given.absent, 1, NULL, &data),
            objstore_seal(given.store, &given.unsealed),
            objstore_seal_size(given.store, &given.unsealed, 1, NULL),
            objstore_abort(given.store, &given.unsealed),
            objstore_put(given.store, &given.absent, "x", 1, NULL),
            objstore_delete(given.store, &given.sealed),
            objstore_get(given.store, &given.sealed, 0, &view),
            objstore_get_many(given.store, &given.sealed, 1, 0, &view),
            objstore_read(given.store, &given.sealed, NULL, 0, &size),
            objstore_wait(given.store, &given.sealed, 1, 1, 0, &ready),
            objstore_stat(given.store, &given.sealed, &info),
            objstore_list(given.store, visit_info, NULL),
            objstore_list_where(given.store, NULL, visit_info, NULL),
            objstore_holders(given.store, &info, visit_holder, NULL),
            objstore_stats(given.store, &stats),
            objstore_space(given.store, &space),
            objstore_leases(given.store, NULL, NULL),
            objstore_spill_dir(given.store, data, 1),
            objstore_reap(given.store),
            objstore_verify(given.store, NULL),
        };
        for (size_t i = 0; i < sizeof said / sizeof *said; i++)
            CHILD_CHECK(said[i] == -ECHILD);
        CHILD_CHECK(!objstore_contains(given.store, &given.sealed));
        _exit(0);
    }
    return help_wait(child) == 0 ? -ECHILD : 0;
}

/* Every call that a handle for reading only may not make. Answers what all of them say. */
static int on_read_only(void)
{
    struct objstore *s = given.read_only;
    struct objstore_events *events = NULL;
    struct objstore_pass pass = { { 0 } };
    const int said[] = {
        objstore_create(s, &given.absent, 1, NULL, &data),
        objstore_seal(s, &given.unsealed),
        objstore_seal_size(s, &given.unsealed, 1, NULL),
        objstore_abort(s, &given.unsealed),
        objstore_put(s, &given.absent, "x", 1, NULL),
        objstore_delete(s, &given.sealed),
        objstore_get(s, &given.sealed, 0, &view),
        objstore_get_many(s, &given.sealed, 1, 0, &view),
        objstore_give(s, &view, 1000, &pass),
        objstore_take(s, &pass, &view),
        objstore_give_cancel(s, &pass),
        objstore_wait(s, &given.absent, 1, 1, 10, NULL),
        objstore_sync(s, NULL),
        objstore_events_open(s, &events),
        (int)objstore_spill(s, 1),
        objstore_reap(s),
    };
    int same = -EROFS;

    for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
        CHECK_EQ(said[i], -EROFS);
        same = said[i] == -EROFS ? same : 0;
    }
    CHECK(objstore_contains(given.store, &given.sealed));
    return same;
}

/* Every call that takes a timeout, of things that are there. Answers what all of them say. */
static int before_now(void)
{
    const int timeouts[] = { -2, -1000, INT_MIN };
    struct objstore_events *events = NULL;
    struct objstore_event event;
    int same = -EINVAL;

    REQUIRE_OK(objstore_events_open(given.store, &events));
    for (size_t i = 0; i < sizeof timeouts / sizeof *timeouts; i++) {
        const int t = timeouts[i];
        bool ready = false;
        const int said[] = {
            objstore_get(given.store, &given.sealed, t, &view),
            objstore_get_many(given.store, &given.sealed, 1, t, &view),
            objstore_wait(given.store, &given.sealed, 1, 1, t, &ready),
            objstore_events_next(events, &event, 1, t),
        };
        for (size_t k = 0; k < sizeof said / sizeof *said; k++) {
            CHECK_EQ(said[k], -EINVAL);
            same = said[k] == -EINVAL ? same : 0;
        }
        CHECK(!ready);
    }
    objstore_events_close(events);
    return same;
}

const struct error_row errors_look[] = {
    { "objstore_stat", ENOENT, stat_absent },
    { "objstore_stat", EINVAL, stat_nameless },
    { "objstore_list", EINVAL, list_nobody },
    { "objstore_list_where", EINVAL, list_unknown_state },
    { "objstore_list_where", E2BIG, list_later_filter },
    { "objstore_holders", ENOENT, holders_gone },
    { "objstore_stats", EINVAL, stats_nowhere },
    { "objstore_leases", EINVAL, leases_nobody },
    { "objstore_reap", EROFS, reap_read_only },
    { "objstore_verify", EBADMSG, verify_damaged },
    { "every call", EBADMSG, verify_damaged },
    { "every call", EINVAL, before_now },
    { "every call", ECHILD, in_child },
    { "every call", EROFS, on_read_only },
    { NULL, 0, NULL },
};
