/* SPDX-License-Identifier: MIT */
/* errors_events.c -- the errors of events and of syncing; those of too little memory, too. */
#define _GNU_SOURCE
#include "errors.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/time.h>

static struct objstore_events *events;
static struct objstore_event event[16];

static int sync_nameless(void)
{
    return objstore_sync(given.store, NULL);
}
static int sync_read_only(void)
{
    return objstore_sync(given.read_only, NULL);
}
/* What a call says in a child that has used up its memory; of what it makes before that, `clean_up`. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
static int without_memory(void (*prepare)(void), int (*call)(void), void (*clean_up)(void))
{
    (void)prepare;
    (void)call;
    (void)clean_up;
    return ERRORS_NOT_HERE; /* a sanitizer ends a program in which malloc() fails */
}
#else
static int without_memory(void (*prepare)(void), int (*call)(void), void (*clean_up)(void))
{
    pid_t child = fork();

    REQUIRE(child >= 0);
    if (child == 0) {
        struct rlimit all, none;

        prepare();
        CHILD_CHECK(getrlimit(RLIMIT_AS, &all) == 0);
        none = (struct rlimit){ 0, all.rlim_max };
        CHILD_CHECK(setrlimit(RLIMIT_AS, &none) == 0);
        errors_use_up_memory();
        int err = call();
        setrlimit(RLIMIT_AS, &all);
        clean_up();
        _exit(-err);
    }
    return -help_wait(child);
}
#endif

static void make_durable(void)
{
    CHILD_CHECK(given_open(OBJSTORE_CREATE, 1 << 20) == 0);
    CHILD_CHECK(objstore_put(given.out, &given.sealed, "x", 1, NULL) == 0);
}
static int sync_it(void)
{
    return objstore_sync(given.out, NULL);
}
static void destroy_it(void)
{
    CHILD_CHECK(objstore_destroy(given.path) == 0);
}
static int sync_no_memory(void)
{
    return without_memory(make_durable, sync_it, destroy_it);
}

static int events_read_only(void)
{
    return objstore_events_open(given.read_only, &events);
}

static void attach_anew(void)
{
    given.out = help_attach(given.store);
}
static int open_events(void)
{
    return objstore_events_open(given.out, &events);
}
static void leave_it(void)
{
    CHILD_CHECK(objstore_stats(given.out, &(struct objstore_stats){ 0 }) == 0); /* it is unharmed */
}
static int events_no_memory(void)
{
    int err = without_memory(attach_anew, open_events, leave_it);

    CHECK_EQ(objstore_reap(given.store), err == ERRORS_NOT_HERE ? 0 : 1); /* its lease */
    return err;
}

static int events_too_slow(void)
{
    int n, err;

    REQUIRE_OK(objstore_events_open(given.store, &events));
    for (int i = 0; i < 9000; i++) {
        REQUIRE_OK(objstore_put(given.store, &given.absent, "x", 1, NULL));
        REQUIRE_OK(objstore_delete(given.store, &given.absent));
    }
    err = objstore_events_next(events, event, 16, 0);
    CHECK_EQ(objstore_events_next(events, event, 16, 0), -ETIMEDOUT); /* from here on */
    REQUIRE_OK(objstore_put(given.store, &given.absent, "x", 1, NULL));
    n = objstore_events_next(events, event, 16, 0);
    CHECK_EQ(n, 1);
    CHECK(event[0].kind == OBJSTORE_EVENT_SEALED &&
          !memcmp(&event[0].id, &given.absent, sizeof given.absent));
    REQUIRE_OK(objstore_delete(given.store, &given.absent));
    objstore_events_close(events);
    return err;
}

static int events_late(void)
{
    REQUIRE_OK(objstore_events_open(given.store, &events));
    int err = objstore_events_next(events, event, 16, 1);
    objstore_events_close(events);
    return err;
}

static void do_nothing(int signal_number)
{
    (void)signal_number;
}

static int events_disturbed(void)
{
    const struct itimerval often = { { 0, 10000 }, { 0, 10000 } }, never = { { 0, 0 }, { 0, 0 } };
    struct sigaction handler = { .sa_handler = do_nothing }, old;

    REQUIRE_OK(objstore_events_open(given.store, &events));
    REQUIRE_OK(sigaction(SIGALRM, &handler, &old));
    REQUIRE_OK(setitimer(ITIMER_REAL, &often, NULL));
    int err = objstore_events_next(events, event, 16, -1);
    REQUIRE_OK(setitimer(ITIMER_REAL, &never, NULL));
    REQUIRE_OK(sigaction(SIGALRM, &old, NULL));
    objstore_events_close(events);
    return err;
}

static int events_nowhere(void)
{
    CHECK_EQ(objstore_events_open(given.store, NULL), -EINVAL);
    REQUIRE_OK(objstore_events_open(given.store, &events));
    CHECK_EQ(objstore_events_next(events, event, 16, -2), -EINVAL);
    int err = objstore_events_next(events, NULL, 16, 0);
    objstore_events_close(events);
    return err;
}

const struct error_row errors_events[] = {
    { "objstore_sync", EOPNOTSUPP, sync_nameless },
    { "objstore_sync", EROFS, sync_read_only },
    { "objstore_sync", ENOMEM, sync_no_memory },
    { "objstore_events_open", EROFS, events_read_only },
    { "objstore_events_open", ENOMEM, events_no_memory },
    { "objstore_events_next", EOVERFLOW, events_too_slow },
    { "objstore_events_next", ETIMEDOUT, events_late },
    { "objstore_events_next", EINTR, events_disturbed },
    { "objstore_events_next", EINVAL, events_nowhere },
    { NULL, 0, NULL },
};
