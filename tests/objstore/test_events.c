/* SPDX-License-Identifier: MIT */
/* Subscriptions: whoever lists, then follows the events, knows what is there. */
#define _GNU_SOURCE
#include "events.h"
#include "help.h"
#include "point.h"
#include "proc.h"
#include "test.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

enum { IDS = 64 };

/* What a subscriber believes, kept up by events alone. */
struct mirror {
    struct objstore *s;
    struct objstore_events *events;
    bool is_there[IDS + 1];
    long told, lists;
};

static uint64_t number_of(const struct objstore_id *id)
{
    uint64_t n;

    memcpy(&n, id->bytes, sizeof n);
    return n;
}

static int note(const struct objstore_info *info, void *ctx)
{
    struct mirror *m = ctx;

    if (number_of(&info->id) <= IDS)
        m->is_there[number_of(&info->id)] = true;
    return 0;
}

static void list_again(struct mirror *m)
{
    struct objstore_filter sealed = OBJSTORE_FILTER_INIT;

    sealed.states = 1u << OBJSTORE_SEALED;
    memset(m->is_there, 0, sizeof m->is_there);
    m->lists++;
    (void)!objstore_list_where(m->s, &sealed, note, m);
}

static int open_mirror(struct mirror *m, struct objstore *s)
{
    *m = (struct mirror){ .s = s };
    int err = objstore_events_open(s, &m->events);
    if (!err)
        list_again(m);
    return err;
}

/* One call's worth of events; what it answered. */
static int follow_once(struct mirror *m, int timeout_ms)
{
    struct objstore_event e[16];
    int n = objstore_events_next(m->events, e, 16, timeout_ms);

    if (n == -EOVERFLOW)
        list_again(m);
    for (int i = 0; i < n; i++)
        if (number_of(&e[i].id) <= IDS)
            m->is_there[number_of(&e[i].id)] = e[i].kind == OBJSTORE_EVENT_SEALED;
    m->told += n > 0 ? n : 0;
    return n;
}

/* Follow until nothing comes for timeout_ms; what ended it. */
static int follow(struct mirror *m, int timeout_ms)
{
    int n;

    do
        n = follow_once(m, timeout_ms);
    while (n > 0 || n == -EOVERFLOW);
    return n;
}

static bool is_true(const struct mirror *m)
{
    bool is_right = true;

    for (uint64_t n = 1; n <= IDS; n++) {
        struct objstore_id id = help_id(n);

        if (objstore_contains(m->s, &id) != m->is_there[n]) {
            fprintf(stderr, "%llu is %s, but believed otherwise\n", (unsigned long long)n,
                    m->is_there[n] ? "gone" : "there");
            is_right = false;
        }
    }
    return is_right;
}

/* What a cache lets go is told, like what somebody deletes. */
static void evictions_are_told(void)
{
    struct objstore_options o = OBJSTORE_OPTIONS_INIT;
    struct objstore_stats stats;
    struct objstore *s = NULL;
    struct mirror m;

    o.flags = OBJSTORE_CREATE | OBJSTORE_CACHE;
    o.capacity_bytes = 256 << 10; /* 32 objects of 8 KiB */
    REQUIRE_OK(objstore_open(NULL, &o, &s, NULL));
    REQUIRE_OK(open_mirror(&m, s));
    for (int round = 0; round < 3; round++)
        for (uint64_t n = 1; n <= IDS; n++) {
            static const char bytes[8192];
            struct objstore_id id = help_id(n);

            if (!objstore_contains(s, &id))
                REQUIRE_OK(objstore_put(s, &id, bytes, sizeof bytes, NULL));
            CHECK_EQ(follow(&m, 0), -ETIMEDOUT);
            CHECK(is_true(&m));
        }
    REQUIRE_OK(objstore_stats(s, &stats));
    CHECK(stats.evictions >= IDS);
    CHECK_EQ(m.lists, 1);
    objstore_events_close(m.events);
    objstore_close(s);
}

/* ---- what is told ---------------------------------------------------------------------------- */

static void told_in_turn(void)
{
    struct objstore *s = help_store(1 << 20), *other = help_attach(s);
    struct objstore_id a = help_id(1), b = help_id(2);
    struct objstore_events *events;
    struct objstore_event e[10];
    void *data;

    REQUIRE_OK(objstore_put(s, &a, "x", 1, NULL)); /* before: not told */
    REQUIRE_OK(objstore_events_open(s, &events));
    CHECK_EQ(objstore_events_next(events, e, 10, 0), -ETIMEDOUT);
    CHECK_EQ(objstore_events_next(events, e, 10, 5), -ETIMEDOUT);
    REQUIRE_OK(objstore_create(other, &b, 10, NULL, &data));
    CHECK_EQ(objstore_events_next(events, e, 10, 0), -ETIMEDOUT);
    REQUIRE_OK(objstore_seal(other, &b));
    CHECK_EQ(objstore_events_next(events, e, 10, -1), 1);
    CHECK(e[0].kind == OBJSTORE_EVENT_SEALED && number_of(&e[0].id) == 2);
    REQUIRE_OK(objstore_delete(other, &a));
    REQUIRE_OK(objstore_delete(s, &b));
    REQUIRE_OK(objstore_put(s, &b, "y", 1, NULL));
    CHECK_EQ(objstore_delete(s, &a), -ENOENT);
    CHECK_EQ(objstore_events_next(events, e, 2, 0), 2);
    CHECK(e[0].kind == OBJSTORE_EVENT_DELETED && number_of(&e[0].id) == 1);
    /* b was deleted and put again: what is true now is told, twice. */
    CHECK(e[1].kind == OBJSTORE_EVENT_SEALED && number_of(&e[1].id) == 2);
    CHECK(e[1].number > e[0].number);
    CHECK_EQ(objstore_events_next(events, e, 10, 0), 1);
    CHECK(e[0].kind == OBJSTORE_EVENT_SEALED && number_of(&e[0].id) == 2);
    REQUIRE_OK(objstore_create(other, &a, 5, NULL, &data));
    REQUIRE_OK(objstore_abort(other, &a)); /* nobody's business */
    REQUIRE_OK(objstore_create(other, &a, 9000, NULL, &data));
    REQUIRE_OK(objstore_seal_size(other, &a, 100, NULL));
    CHECK_EQ(objstore_events_next(events, e, 10, 0), 1);
    objstore_events_close(events);
    CHECK(help_is_sound(s));
    objstore_close(other);
    objstore_close(s);
}

static void errors(void)
{
    struct objstore *s = help_store(1 << 20), *looker;
    struct objstore_options ro = OBJSTORE_OPTIONS_INIT;
    struct objstore_events *events;
    struct objstore_event e;

    ro.flags = OBJSTORE_READ_ONLY;
    REQUIRE_OK(objstore_open_fd(objstore_fd(s), &ro, &looker, NULL));
    CHECK_EQ(objstore_events_open(looker, &events), -EROFS);
    CHECK_EQ(objstore_events_open(NULL, &events), -EINVAL);
    CHECK_EQ(objstore_events_open(s, NULL), -EINVAL);
    REQUIRE_OK(objstore_events_open(s, &events));
    CHECK_EQ(objstore_events_next(NULL, &e, 1, 0), -EINVAL);
    CHECK_EQ(objstore_events_next(events, NULL, 1, 0), -EINVAL);
    CHECK_EQ(objstore_events_next(events, &e, 0, 0), -EINVAL);
    CHECK_EQ(objstore_events_next(events, &e, 1, -2), -EINVAL);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        CHILD_CHECK(objstore_events_next(events, &e, 1, 0) == -ECHILD);
        objstore_events_close(events); /* frees the memory, and leaves the parent's alone */
        _exit(0);
    }
    CHECK_EQ(help_wait(child), 0);
    struct objstore_id id = help_id(1);
    REQUIRE_OK(objstore_put(s, &id, "x", 1, NULL));
    CHECK_EQ(objstore_events_next(events, &e, 1, 0), 1);
    objstore_events_close(events);
    objstore_events_close(NULL);
    objstore_close(looker);
    objstore_close(s);
}

/* Who does not listen costs nothing: the ring stands still. */
static void nobody_listens(void)
{
    struct objstore *s = help_store(1 << 20);
    struct objstore_events *a, *b;
    struct objstore_id id = help_id(1);
    struct au64 *head = &s->header->events_head;

    for (int i = 0; i < 10; i++) {
        bool is_heard = i >= 3 && i < 7;

        if (i == 3)
            REQUIRE_OK(objstore_events_open(s, &a));
        if (i == 4)
            REQUIRE_OK(objstore_events_open(s, &b));
        if (i == 5)
            objstore_events_close(a);
        if (i == 7)
            objstore_events_close(b);
        uint64_t before = au64_load_relaxed(head); /* relaxed: one thread */
        REQUIRE_OK(objstore_put(s, &id, "x", 1, NULL));
        REQUIRE_OK(objstore_delete(s, &id));
        CHECK_EQ(au64_load_relaxed(head) - before, is_heard ? 2 : 0);
    }
    objstore_close(s);
}

static void too_slow(void)
{
    struct objstore *s = help_store(4 << 20);
    struct mirror m;

    REQUIRE_OK(open_mirror(&m, s));
    for (int round = 0; round < 3; round++) {
        for (uint64_t i = 0; i < 2 * EVENTS; i++) {
            struct objstore_id id = help_id(1 + i * 7 % IDS);

            if (objstore_put(s, &id, "x", 1, NULL))
                REQUIRE_OK(objstore_delete(s, &id));
        }
        CHECK_EQ(follow(&m, 0), -ETIMEDOUT);
        CHECK_EQ(m.lists, round + 2); /* one more for each time it was overrun */
        CHECK(is_true(&m));
    }
    for (uint64_t i = 0; i < EVENTS; i++) { /* exactly as many as the ring holds */
        struct objstore_id id = help_id(1 + i * 5 % IDS);

        if (objstore_put(s, &id, "x", 1, NULL))
            REQUIRE_OK(objstore_delete(s, &id));
    }
    long told = m.told;
    CHECK_EQ(follow(&m, 0), -ETIMEDOUT);
    CHECK_EQ(m.told - told, EVENTS);
    CHECK_EQ(m.lists, 4);
    CHECK(is_true(&m));
    objstore_events_close(m.events);
    objstore_close(s);
}

/* ---- sleeping -------------------------------------------------------------------------------- */

static void until_asleep(pid_t pid)
{
    uint64_t start;
    char state = 0;

    while (proc_stat(pid, &start, &state) == 0 && state != 'S' && state != 'Z')
        nanosleep(&(struct timespec){ 0, 100000 }, NULL);
}

/* A process that believes, until id 64 is sealed. */
static pid_t start_follower(struct objstore *s)
{
    pid_t child = fork();

    REQUIRE(child >= 0);
    if (child == 0) {
        struct objstore *own = help_attach(s);
        struct mirror m;

        test_point = NULL;
        CHILD_CHECK(open_mirror(&m, own) == 0);
        while (!m.is_there[IDS]) {
            int n = follow_once(&m, -1);

            CHILD_CHECK(n > 0 || n == -EOVERFLOW);
        }
        CHILD_CHECK(is_true(&m));
        objstore_events_close(m.events);
        objstore_close(own);
        _exit(0);
    }
    until_asleep(child);
    return child;
}

static void woken(void)
{
    struct objstore *s = help_store(1 << 20);
    pid_t a = start_follower(s), b = start_follower(s), stopped = start_follower(s);

    kill(stopped, SIGSTOP); /* holds nobody up */
    for (uint64_t i = 1; i <= 30000; i++) {
        struct objstore_id id = help_id(1 + i % (IDS - 1));

        if (i % 1000 == 0) {
            until_asleep(a);
            until_asleep(b);
        }
        if (objstore_put(s, &id, "x", 1, NULL))
            REQUIRE_OK(objstore_delete(s, &id));
    }
    struct objstore_id last = help_id(IDS);
    REQUIRE_OK(objstore_put(s, &last, "x", 1, NULL));
    CHECK_EQ(help_wait(a), 0);
    CHECK_EQ(help_wait(b), 0);
    CHECK(au64_load_relaxed(&s->header->events_on) & 1); /* relaxed: a look */
    kill(stopped, SIGCONT);
    CHECK_EQ(help_wait(stopped), 0);
    CHECK(!(au64_load_relaxed(&s->header->events_on) & 1));
    CHECK(help_is_sound(s));
    objstore_close(s);
}

/* ---- deaths ---------------------------------------------------------------------------------- */

/*
 * A writer is killed at each step of a seal and of a delete. Nobody but the subscriber is
 * there to notice, and it need not clean up: it knows what is there all the same.
 */
static void writer_dies(void)
{
    struct objstore *s = help_store(1 << 20);
    struct mirror m;
    int status = -1;
    long k;

    REQUIRE_OK(open_mirror(&m, s));
    for (k = 1; status != 0; k++) {
        struct objstore_id a = help_id(1), b = help_id(2);

        (void)!objstore_put(s, &b, "x", 1, NULL);
        pid_t child = fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            struct objstore *own = help_attach(s);
            void *data;

            CHILD_CHECK(objstore_create(own, &a, 100, NULL, &data) == 0);
            help_die_at(k);
            CHILD_CHECK(objstore_seal(own, &a) == 0);
            CHILD_CHECK(objstore_delete(own, &b) == 0);
            test_point = NULL;
            _exit(0);
        }
        status = help_wait(child);
        CHECK(status == 0 || status == 128 + SIGKILL);
        CHECK_EQ(follow(&m, 0), -ETIMEDOUT);
        CHECK(is_true(&m));
        CHECK_EQ(m.lists, k); /* by the events alone */
        CHECK_EQ(objstore_reap(s), 1);
        CHECK_EQ(follow(&m, 0), -ETIMEDOUT);
        CHECK(is_true(&m));
        CHECK_EQ(m.lists, k + 1); /* a death is a reason to list again */
        (void)!objstore_delete(s, &a);
        CHECK_EQ(follow(&m, 0), -ETIMEDOUT);
    }
    CHECK(k > 12);
    printf("    %ld kills\n", k - 2);
    objstore_events_close(m.events);
    objstore_close(s);
}

static void subscriber_dies(void)
{
    struct objstore *s = help_store(1 << 20);
    pid_t child = start_follower(s);

    CHECK(au64_load_relaxed(&s->header->events_on) & 1); /* relaxed: a look */
    kill(child, SIGKILL);
    CHECK_EQ(help_wait(child), 128 + SIGKILL);
    CHECK_EQ(objstore_reap(s), 1);
    CHECK(!(au64_load_relaxed(&s->header->events_on) & 1));
    objstore_close(s);
}

/* ---- storms ---------------------------------------------------------------------------------- */

static void write_for_ever(struct objstore *s, uint64_t seed)
{
    for (;;) {
        struct objstore_id id = help_id(1 + test_random(&seed) % IDS);
        static const char bytes[300];

        if (test_random(&seed) % 3)
            (void)!objstore_put(s, &id, bytes, test_random(&seed) % sizeof bytes, NULL);
        else
            (void)!objstore_delete(s, &id);
    }
}

/* Writers are killed and stopped at random; whenever all are gone, what is believed is true. */
static void storm(void)
{
#ifdef __SANITIZE_THREAD__
    puts("    forks under ThreadSanitizer: skipped");
    return;
#endif
    enum { WRITERS = 3 };
    struct objstore *s = help_store(1 << 20);
    struct mirror m;
    uint64_t random = test_seed;

    REQUIRE_OK(open_mirror(&m, s));
    for (int round = 0; round < 60 || m.told <= 1000; round++) {
        pid_t writers[WRITERS];

        for (int i = 0; i < WRITERS; i++) {
            writers[i] = fork();
            REQUIRE(writers[i] >= 0);
            if (writers[i] == 0)
                write_for_ever(help_attach(s), test_random(&random) + (uint64_t)i);
        }
        for (int looks = (int)(test_random(&random) % 40); looks > 0; looks--)
            (void)follow_once(&m, 1 - looks % 2);
        for (int i = 0; i < WRITERS; i++)
            if (test_random(&random) % 2)
                kill(writers[i], SIGSTOP);
        for (int i = 0; i < WRITERS; i++) {
            kill(writers[i], SIGKILL);
            CHECK_EQ(help_wait(writers[i]), 128 + SIGKILL);
        }
        CHECK_EQ(follow(&m, 0), -ETIMEDOUT);
        CHECK(is_true(&m));
        CHECK(objstore_reap(s) >= 0);
        CHECK_EQ(follow(&m, 0), -ETIMEDOUT);
        CHECK(is_true(&m));
    }
    printf("    %ld events told, %ld lists\n", m.told, m.lists);
    objstore_events_close(m.events);
    CHECK(help_is_sound(s));
    objstore_close(s);
}

enum { FOLLOWERS = 2 };
static _Atomic int heard; /* followers who were told of something */
static _Atomic bool is_over;

static void *write_some(void *ctx)
{
    struct objstore *s = ctx;
    uint64_t seed = test_seed + (uint64_t)(uintptr_t)&seed;

    for (int i = 0; i < 20000 || heard < FOLLOWERS; i++) {
        struct objstore_id id = help_id(1 + test_random(&seed) % IDS);

        if (test_random(&seed) % 2)
            (void)!objstore_put(s, &id, "12345678", 8, NULL);
        else
            (void)!objstore_delete(s, &id);
    }
    return NULL;
}

static void *follow_some(void *ctx)
{
    struct mirror *m = ctx;
    bool has_heard = false;

    while (!is_over) {
        (void)follow_once(m, 10);
        if (m->told && !has_heard)
            heard++;
        has_heard = m->told > 0;
    }
    return NULL;
}

/* In one mapping, where ThreadSanitizer sees it. */
static void as_threads(void)
{
    struct objstore *s = help_store(1 << 20);
    pthread_t writers[FOLLOWERS], followers[FOLLOWERS];
    struct mirror m[FOLLOWERS];

    for (int i = 0; i < FOLLOWERS; i++) {
        REQUIRE_OK(open_mirror(&m[i], s));
        REQUIRE(pthread_create(&followers[i], NULL, follow_some, &m[i]) == 0);
        REQUIRE(pthread_create(&writers[i], NULL, write_some, s) == 0);
    }
    for (int i = 0; i < FOLLOWERS; i++)
        pthread_join(writers[i], NULL);
    is_over = true;
    for (int i = 0; i < FOLLOWERS; i++) {
        pthread_join(followers[i], NULL);
        CHECK_EQ(follow(&m[i], 0), -ETIMEDOUT);
        CHECK(is_true(&m[i]));
        objstore_events_close(m[i].events);
    }
    CHECK(help_is_sound(s));
    objstore_close(s);
}

TESTS("events", { "seals and deletes are told, as they are when told", told_in_turn },
      { "what a cache lets go is told", evictions_are_told },
      { "every documented error", errors },
      { "while nobody listens, nothing is told", nobody_listens },
      { "who is overrun is told so, and lists again", too_slow },
      { "sleepers are woken; a stopped one holds nobody up", woken },
      { "a writer may die at every step, and the subscriber knows", writer_dies },
      { "nobody tells a dead subscriber for long", subscriber_dies },
      { "what is believed is true after a storm of deaths", storm },
      { "the same as threads", as_threads })
