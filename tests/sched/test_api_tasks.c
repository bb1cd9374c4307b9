/* SPDX-License-Identifier: MIT */
/* What wsched.h promises about tasks, seen from outside: the shared library alone. */
#include "kit.h"

#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

static void runs_a_task(void)
{
    struct wsched *pool = kit_open(2, 0);
    long v[] = { 1, 2, 3 };

    CHECK_EQ(wsched_workers(pool), 2);
    CHECK_EQ(kit_long(pool, kit_submit(pool, "add", v, sizeof v)), 6);
    CHECK_EQ(kit_long(pool, kit_submit(pool, "add_1000", v, sizeof v)), 1006);
    CHECK_EQ(kit_long(pool, kit_submit(pool, "add", NULL, 0)), 0);
    long seen = 77;
    CHECK_EQ(kit_long(pool, kit_submit(pool, "asks", &seen, sizeof seen)), 77);
    wsched_close(pool);
    wsched_close(NULL);
}

static void refuses_bad_options(void)
{
    struct wsched *const untouched = (struct wsched *)(uintptr_t)16;
    struct wsched *pool = untouched;
    struct wsched_options o = WSCHED_OPTIONS_INIT;
    struct wsched_kernel twice[] = { kit_kernels[0], kit_kernels[0] };
    struct wsched_kernel unnamed = { "", kit_kernels[0].fn, NULL };
    struct wsched_kernel empty = { "x", NULL, NULL };
    struct wsched_kernel longest = { "0123456789012345678901234567890", kit_kernels[0].fn, NULL };
    struct wsched_kernel too_long = { "01234567890123456789012345678901", kit_kernels[0].fn, NULL };

    CHECK_EQ(wsched_open(NULL, NULL, 0, &pool), -EINVAL);
    CHECK_EQ(wsched_open(NULL, kit_kernels, 0, &pool), -EINVAL);
    CHECK_EQ(wsched_open(NULL, kit_kernels, 1, NULL), -EINVAL);
    CHECK_EQ(wsched_open(NULL, twice, 2, &pool), -EINVAL);
    CHECK_EQ(wsched_open(NULL, &unnamed, 1, &pool), -EINVAL);
    CHECK_EQ(wsched_open(NULL, &empty, 1, &pool), -EINVAL);
    CHECK_EQ(wsched_open(NULL, &too_long, 1, &pool), -EINVAL);
    o.workers = 1u << 20;
    CHECK_EQ(wsched_open(&o, kit_kernels, 1, &pool), -EINVAL);
    o.workers = 1;
    o.guests = 65;
    CHECK_EQ(wsched_open(&o, kit_kernels, 1, &pool), -EINVAL);
    o.guests = 0;
    o.resource_count = 1; /* and none is named */
    CHECK_EQ(wsched_open(&o, kit_kernels, 1, &pool), -EINVAL);
    o.resource_count = 0;
    o.struct_size = 4;
    CHECK_EQ(wsched_open(&o, kit_kernels, 1, &pool), -EINVAL);
    CHECK(pool == untouched);
    struct {
        struct wsched_options o;
        uint64_t more;
    } newer = { WSCHED_OPTIONS_INIT, 0 };
    newer.o.struct_size = sizeof newer;
    newer.o.workers = 1;
    REQUIRE_OK(wsched_open(&newer.o, &longest, 1, &pool));
    wsched_close(pool);
    newer.more = 1;
    CHECK_EQ(wsched_open(&newer.o, &longest, 1, &pool), -E2BIG);
    const uint32_t older[2] = { sizeof older, 1 }; /* up to `workers`; nothing behind may be read */
    REQUIRE_OK(wsched_open((const void *)older, &longest, 1, &pool));
    CHECK_EQ(wsched_workers(pool), 1);
    wsched_close(pool);
}

static void refuses_bad_submissions(void)
{
    struct wsched *pool = kit_open(1, 0);
    static char big[65];
    struct wsched_future f = { 42 }, dead;
    struct wsched_spec s = kit_spec("no such kernel", NULL, 0);

    CHECK_EQ(wsched_submit(pool, &s, &f), -ENOENT);
    s = kit_spec(NULL, NULL, 0);
    CHECK_EQ(wsched_submit(pool, &s, &f), -ENOENT);
    s = kit_spec("add", big, sizeof big);
    CHECK_EQ(wsched_submit(pool, &s, &f), -E2BIG);
    s = kit_spec("add", NULL, 8);
    CHECK_EQ(wsched_submit(pool, &s, &f), -EINVAL);
    s = kit_spec("add", NULL, 0);
    s.max_retries = -2;
    CHECK_EQ(wsched_submit(pool, &s, &f), -EINVAL);
    s = kit_spec("add", NULL, 0);
    s.flags = 1u << 30;
    CHECK_EQ(wsched_submit(pool, &s, &f), -EINVAL);
    dead = kit_submit(pool, "add", NULL, 0);
    CHECK_EQ(kit_long(pool, dead), 0); /* releases it */
    s = kit_spec("add", NULL, 0);
    s.after = &dead;
    s.after_count = 1;
    CHECK_EQ(wsched_submit(pool, &s, &f), -EINVAL);
    CHECK_EQ(wsched_submit(NULL, &s, &f), -EINVAL);
    CHECK_EQ(f.v, 42);
    CHECK_EQ(wsched_submit_many(pool, &s, 0, &f), 0);
    wsched_close(pool);
}

static void answers_about_dead_futures(void)
{
    struct wsched *pool = kit_open(1, 0);
    struct wsched_future dead = kit_submit(pool, "add", NULL, 0), none = { 0 },
                         wild = { 0x123456789abcdef };
    struct wsched_failure failure;
    long v;

    CHECK_EQ(kit_long(pool, dead), 0);
    struct wsched_future all[] = { dead, none, wild };
    for (int i = 0; i < 3; i++) {
        bool done = true;
        CHECK_EQ(wsched_wait(pool, &all[i], 1, 1, 0, &done), -EINVAL);
        CHECK(done);
        CHECK_EQ(wsched_result(pool, all[i], &v, sizeof v, NULL), -EINVAL);
        CHECK_EQ(wsched_failure(pool, all[i], &failure), -EINVAL);
        CHECK_EQ(wsched_cancel(pool, all[i]), -EINVAL);
        wsched_release(pool, all[i]);
    }
    wsched_close(pool);
}

static void waits_for_some(void)
{
    gate_make();
    struct wsched *pool = kit_open(2, 0);
    struct wsched_future f[3] = { kit_submit(pool, "wait", NULL, 0),
                                  kit_submit(pool, "add", NULL, 0),
                                  kit_submit(pool, "add", NULL, 0) };
    bool done[3] = { true, false, false };
    long v;

    gate_arrival();
    CHECK_EQ(wsched_wait(pool, f, 3, 2, -1, done), 2);
    CHECK(!done[0] && done[1] && done[2]);
    CHECK_EQ(wsched_wait(pool, f, 3, 3, 0, NULL), -ETIMEDOUT);
    done[1] = false;
    CHECK_EQ(wsched_wait(pool, f, 3, 3, 5, done), -ETIMEDOUT);
    CHECK(!done[0] && done[1] && done[2]);
    CHECK_EQ(wsched_result(pool, f[0], &v, sizeof v, NULL), -EINPROGRESS);
    CHECK_EQ(wsched_wait(pool, f, 3, 4, 0, NULL), -EINVAL);
    CHECK_EQ(wsched_wait(pool, f, 3, 0, 0, NULL), 2);
    CHECK_EQ(wsched_wait(pool, NULL, 0, 0, -1, NULL), 0);
    gate_open();
    CHECK_EQ(wsched_wait(pool, f, 3, 3, -1, done), 3);
    CHECK(done[0]);
    size_t size = 0;
    char part[2];
    CHECK_EQ(wsched_result(pool, f[0], part, sizeof part, &size), 0); /* as much as fits */
    CHECK_EQ(size, sizeof(long));
    wsched_close(pool);
    gate_free();
}

static void reports_a_kernels_error(void)
{
    struct wsched *pool = kit_open(1, 0);
    int err = -ENOSPC, odd = 7;
    struct wsched_future f = kit_submit(pool, "fail", &err, sizeof err);
    struct wsched_failure failure;

    CHECK_EQ(kit_wait(pool, f), -ENOSPC);
    REQUIRE_OK(wsched_failure(pool, f, &failure));
    CHECK_EQ(failure.error, -ENOSPC);
    CHECK_EQ(failure.signal, 0);
    CHECK_EQ(failure.exit_code, -1);
    CHECK_EQ(failure.attempts, 1);
    CHECK(failure.pid > 0);
    CU_ASSERT_STRING_EQUAL(failure.kernel, "fail");
    CU_ASSERT_STRING_EQUAL(failure.text, "fail failed: No space left on device");
    f = kit_submit(pool, "fail", &odd, sizeof odd);
    CHECK_EQ(kit_wait(pool, f), -EPROTO);
    REQUIRE_OK(wsched_failure(pool, f, &failure));
    CU_ASSERT_STRING_EQUAL(
        failure.text, "fail failed: it returned what is no negative errno value, or did not sync");
    err = -EBADMSG; /* of something else than the pool */
    f = kit_submit(pool, "fail", &err, sizeof err);
    CHECK_EQ(kit_wait(pool, f), -EBADMSG);
    REQUIRE_OK(wsched_failure(pool, f, &failure));
    CU_ASSERT_STRING_EQUAL(failure.text, "fail failed: Bad message");
    f = kit_submit(pool, "add", NULL, 0);
    CHECK_EQ(kit_wait(pool, f), 0);
    CHECK_EQ(wsched_failure(pool, f, &failure), -ENOENT);
    CHECK_EQ(wsched_cancel(pool, f), -EALREADY);
    wsched_close(pool);
}

static void retries_after_a_death(void)
{
    struct wsched *pool = kit_open(2, 0);
    int once[] = { SIGKILL, 1 }, thrice[] = { SIGSEGV, 3 };
    struct wsched_stats stats;

    CHECK_EQ(kit_long(pool, kit_submit(pool, "die", once, sizeof once)), 2);
    CHECK_EQ(kit_long(pool, kit_submit(pool, "die", thrice, sizeof thrice)), 4);
    REQUIRE_OK(wsched_stats(pool, &stats));
    CHECK_EQ(stats.worker_deaths, 4);
    CHECK_EQ(stats.retried, 4);
    CHECK_EQ(stats.finished, 2);
    REQUIRE_OK(wsched_verify(pool, NULL));
    wsched_close(pool);
}

static void reports_the_cause_of_deaths(void)
{
    struct wsched *pool = kit_open(2, 0);
    int always[] = { SIGKILL, 100 }, code[] = { 3, 100 };
    struct wsched_spec s = kit_spec("die", always, sizeof always);
    struct wsched_future f;
    struct wsched_failure failure;

    s.max_retries = 2;
    s.label = "model 8";
    REQUIRE_OK(wsched_submit(pool, &s, &f));
    CHECK_EQ(kit_wait(pool, f), -EOWNERDEAD);
    REQUIRE_OK(wsched_failure(pool, f, &failure));
    CU_ASSERT_STRING_EQUAL(failure.text,
                           "killed by signal 9 (Killed) while running die, attempt 3 of 3");
    CHECK_EQ(failure.signal, SIGKILL);
    CHECK_EQ(failure.exit_code, -1);
    CHECK_EQ(failure.attempts, 3);
    CHECK_EQ(failure.attempts_max, 3);
    s = kit_spec("exit", code, sizeof code);
    s.max_retries = -1;
    REQUIRE_OK(wsched_submit(pool, &s, &f));
    CHECK_EQ(kit_wait(pool, f), -EOWNERDEAD);
    REQUIRE_OK(wsched_failure(pool, f, &failure));
    CU_ASSERT_STRING_EQUAL(failure.text,
                           "worker exited with code 3 while running exit, attempt 1 of 1");
    CHECK_EQ(failure.exit_code, 3);

    struct wsched_death d;
    uint64_t cursor = 0;
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(wsched_next_death(pool, &cursor, &d), 1);
        CHECK_EQ(d.signal, SIGKILL);
        CU_ASSERT_STRING_EQUAL(d.kernel, "die");
        CU_ASSERT_STRING_EQUAL(d.label, "model 8");
        CHECK(d.worker < 2 && d.pid > 0 && d.time_ns > 0);
    }
    CHECK_EQ(wsched_next_death(pool, &cursor, &d), 1);
    CHECK_EQ(d.signal, 0);
    CHECK_EQ(d.exit_code, 3);
    CHECK_EQ(wsched_next_death(pool, &cursor, &d), 0);
    wsched_close(pool);
}

static void follows_dependencies(void)
{
    gate_make();
    struct wsched *pool = kit_open(2, 0);
    long v = 5;
    struct wsched_future a = kit_submit(pool, "wait", NULL, 0),
                         b = kit_submit(pool, "add", &v, sizeof v);
    struct wsched_future ab[] = { a, b, b };
    struct wsched_future c = kit_submit_after(pool, "add", &v, sizeof v, ab, 3);
    struct wsched_future d = kit_submit_after(pool, "add", &v, sizeof v, &c, 1);

    gate_arrival();
    CHECK_EQ(kit_wait(pool, b), 0);
    CHECK_EQ(wsched_wait(pool, &c, 1, 1, 0, NULL), -ETIMEDOUT);
    gate_open();
    CHECK_EQ(kit_long(pool, d), 5);
    CHECK_EQ(wsched_wait(pool, &c, 1, 1, 0, NULL), 1);
    struct wsched_future e =
        kit_submit_after(pool, "add", &v, sizeof v, ab, 3); /* of what is over */
    CHECK_EQ(kit_long(pool, e), 5);
    wsched_close(pool);
    gate_free();
}

/* A thousand tasks after one, and one after the thousand; in a pool that is nearly full. */
static void follows_many_dependencies(void)
{
    enum { N = 1000 };
    gate_make();
    struct wsched *pool = kit_open(2, N + 10);
    struct wsched_future first = kit_submit(pool, "wait", NULL, 0), f[N];
    long v = 1;

    for (int i = 0; i < N; i++)
        f[i] = kit_submit_after(pool, "add", &v, sizeof v, &first, 1);
    struct wsched_future last = kit_submit_after(pool, "add", &v, sizeof v, f, N);
    gate_arrival();
    CHECK_EQ(wsched_wait(pool, &last, 1, 1, 0, NULL), -ETIMEDOUT);
    gate_open();
    CHECK_EQ(kit_long(pool, last), 1);
    CHECK_EQ(wsched_wait(pool, f, N, N, 0, NULL), N);
    for (int i = 0; i < N; i++)
        CHECK_EQ(kit_long(pool, f[i]), 1);
    wsched_close(pool);
    gate_free();
}

/* Every task of a layer after every one of the layer before, which outlive their use. */
static void follows_a_dense_graph(void)
{
    enum { WIDE = 100, LAYERS = 4, N = WIDE * LAYERS };
    gate_make();
    struct wsched *pool = kit_open(2, N + 1);
    struct wsched_future f[N], gate_task = kit_submit(pool, "wait", NULL, 0);
    long v = 1;

    for (int i = 0; i < N; i++)
        f[i] = i < WIDE
                   ? kit_submit_after(pool, "add", &v, sizeof v, &gate_task, 1)
                   : kit_submit_after(pool, "add", &v, sizeof v, &f[i / WIDE * WIDE - WIDE], WIDE);
    gate_open();
    CHECK_EQ(wsched_wait(pool, f, N, N, -1, NULL), N);
    for (int i = 0; i < N; i++)
        CHECK_EQ(kit_long(pool, f[i]), 1);
    CHECK_EQ(wsched_verify(pool, NULL), 0);
    wsched_close(pool);
    gate_free();
}

struct releaser {
    struct wsched *pool;
    struct wsched_future *futures;
    int count;
};

static void *give_back(void *arg)
{
    const struct releaser *r = arg;

    gate_open();
    for (int i = 0; i < r->count; i++)
        kit_long(r->pool, r->futures[i]);
    return NULL;
}

/* More dependencies than a pool has room for are refused, or waited for until others are over. */
static void is_full_of_dependencies(void)
{
    enum { WIDE = 360, N = 2 * WIDE };
    gate_make();
    struct wsched *pool = kit_open(1, 2 * N);
    struct wsched_future gate_task = kit_submit(pool, "wait", NULL, 0), f[N], last;
    struct wsched_spec s = kit_spec("add", NULL, 0);
    struct releaser r = { pool, f, 0 };
    pthread_t thread;
    int err = 0;

    for (int i = 0; i < WIDE; i++)
        f[r.count++] = kit_submit_after(pool, "add", NULL, 0, &gate_task, 1);
    s.after = f;
    s.after_count = WIDE;
    s.flags = WSCHED_NO_WAIT;
    while (r.count < N && !(err = wsched_submit(pool, &s, &f[r.count])))
        r.count++;
    CHECK_EQ(err, -EAGAIN);
    CHECK(r.count > WIDE + 100);
    s.flags = 0;
    r.futures += WIDE; /* the first are still needed */
    r.count -= WIDE;
    REQUIRE_OK(pthread_create(&thread, NULL, give_back, &r));
    REQUIRE_OK(wsched_submit(pool, &s, &last)); /* waits until it is over and given back */
    CHECK_EQ(kit_long(pool, last), 0);
    REQUIRE_OK(pthread_join(thread, NULL));
    CHECK_EQ(wsched_verify(pool, NULL), 0);
    wsched_close(pool);
    gate_free();
}

static void fails_with_a_dependency(void)
{
    gate_make();
    struct wsched *pool = kit_open(2, 0);
    int err = -EDOM, always[] = { SIGKILL, 100 };
    struct wsched_future bad = kit_submit(pool, "fail", &err, sizeof err);
    struct wsched_future slow = kit_submit(pool, "wait", NULL, 0);
    struct wsched_future both[] = { slow, bad };
    struct wsched_future c = kit_submit_after(pool, "add", NULL, 0, both, 2);
    struct wsched_future d = kit_submit_after(pool, "add", NULL, 0, &c, 1);
    struct wsched_failure failure;

    CHECK_EQ(kit_wait(pool, d), -EDOM); /* at once: the slow one still waits at the gate */
    CHECK_EQ(wsched_wait(pool, &slow, 1, 1, 0, NULL), -ETIMEDOUT);
    REQUIRE_OK(wsched_failure(pool, d, &failure));
    CU_ASSERT_STRING_EQUAL(failure.text,
                           "a task it depends on: fail failed: Numerical argument out of domain");
    CHECK_EQ(kit_wait(pool, c), -EDOM);
    gate_arrival();
    gate_open();
    CHECK_EQ(kit_wait(pool, slow), 0);

    struct wsched_future dead = kit_submit(pool, "die", always, sizeof always);
    struct wsched_future after = kit_submit_after(pool, "add", NULL, 0, &dead, 1);
    CHECK_EQ(kit_wait(pool, after), -EOWNERDEAD);
    REQUIRE_OK(wsched_failure(pool, after, &failure));
    CU_ASSERT_STRING_EQUAL(failure.text,
                           "a task it depends on: killed by signal 9 (Killed) while running "
                           "die, attempt 4 of 4");
    wsched_close(pool);
    gate_free();
}

static void cancels(void)
{
    gate_make();
    struct wsched *pool = kit_open(1, 0);
    struct wsched_future running = kit_submit(pool, "cancelled", NULL, 0);
    struct wsched_future queued = kit_submit(pool, "add", NULL, 0);
    struct wsched_future after = kit_submit_after(pool, "add", NULL, 0, &queued, 1);
    struct wsched_future blocked = kit_submit_after(pool, "add", NULL, 0, &running, 1);
    struct wsched_failure failure;
    struct wsched_stats stats;

    gate_arrival();
    REQUIRE_OK(wsched_cancel(pool, queued));
    CHECK_EQ(kit_wait(pool, queued), -ECANCELED);
    CHECK_EQ(kit_wait(pool, after), -ECANCELED);
    REQUIRE_OK(wsched_failure(pool, queued, &failure));
    CU_ASSERT_STRING_EQUAL(failure.text, "add was cancelled");
    REQUIRE_OK(wsched_failure(pool, after, &failure));
    CU_ASSERT_STRING_EQUAL(failure.text, "a task it depends on: add was cancelled");
    CHECK_EQ(wsched_cancel(pool, queued), -EALREADY);
    REQUIRE_OK(wsched_cancel(pool, blocked));
    CHECK_EQ(kit_wait(pool, blocked), -ECANCELED);
    REQUIRE_OK(wsched_cancel(pool, running));
    CHECK_EQ(kit_wait(pool, running), -ECANCELED);
    REQUIRE_OK(wsched_stats(pool, &stats));
    CHECK_EQ(stats.cancelled, 3);
    wsched_close(pool);
    gate_free();
}

static void says_when_it_is_full(void)
{
    gate_make();
    struct wsched *pool = kit_open(1, 4);
    struct wsched_future f[5];
    struct wsched_spec s = kit_spec("wait", NULL, 0);

    s.flags = WSCHED_NO_WAIT;
    for (int i = 0; i < 4; i++)
        REQUIRE_OK(wsched_submit(pool, &s, &f[i]));
    f[4].v = 99;
    CHECK_EQ(wsched_submit(pool, &s, &f[4]), -EAGAIN);
    CHECK_EQ(f[4].v, 99);
    wsched_release(pool, f[3]); /* queued: it still runs, and makes room when it is done */
    gate_open();
    s.flags = 0;
    REQUIRE_OK(wsched_submit(pool, &s, &f[4])); /* waits for the room */
    CHECK_EQ(kit_long(pool, f[4]), 1);
    struct wsched_spec many[4] = { kit_spec("add", NULL, 0), kit_spec("add", NULL, 0),
                                   kit_spec("add", NULL, 0), kit_spec("add", NULL, 0) };
    struct wsched_future more[4];
    for (int i = 1; i < 4; i++)
        many[i].flags = WSCHED_NO_WAIT; /* the first waits until the slot of f[4] is free again */
    CHECK_EQ(wsched_submit_many(pool, many, 4, more), 1);
    CHECK_EQ(kit_long(pool, more[0]), 0);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(kit_long(pool, f[i]), 1);
    wsched_close(pool);
    gate_free();
}

static void nests(void)
{
    for (uint32_t workers = 1; workers <= 3; workers++) {
        struct wsched *pool = kit_open(workers, 0);
        int n = 14, depth = 1000, too_deep = 1100;
        CHECK_EQ(kit_long(pool, kit_submit(pool, "fib", &n, sizeof n)), kit_fib(n));
        CHECK_EQ(kit_long(pool, kit_submit(pool, "chain", &depth, sizeof depth)), depth);
        if (workers == 1) /* else they may share the depth */
            CHECK_EQ(kit_wait(pool, kit_submit(pool, "chain", &too_deep, sizeof too_deep)),
                     -EDEADLK);
        REQUIRE_OK(wsched_verify(pool, NULL));
        wsched_close(pool);
    }
}

static void refuses_to_wait_for_older_tasks_inside(void)
{
    gate_make();
    struct wsched *pool = kit_open(2, 0);
    struct wsched_future slow = kit_submit(pool, "wait", NULL, 0);

    gate_arrival();
    CHECK_EQ(kit_wait(pool, kit_submit(pool, "wait_for", &slow, sizeof slow)), -EDEADLK);
    gate_open();
    CHECK_EQ(kit_wait(pool, slow), 0);
    CHECK_EQ(kit_wait(pool, kit_submit(pool, "wait_for", &slow, sizeof slow)), 0); /* it is over */
    wsched_close(pool);
    gate_free();
}

static int count_events(const struct wsched_event *e, void *ctx)
{
    unsigned *n = ctx;

    n[e->kind]++;
    if (e->kind == WSCHED_EVENT_STARTED && !strcmp(e->kernel, "die"))
        CU_ASSERT_STRING_EQUAL(e->label, "marked");
    CHECK((e->kind == WSCHED_EVENT_SUBMITTED) == (e->worker == UINT32_MAX));
    CHECK(e->time_ns > 0 && e->pid > 0 && e->task.v && e->attempt);
    return 0;
}

static int stop_at_once(const struct wsched_event *e, void *ctx)
{
    (void)e;
    ++*(int *)ctx;
    return 17;
}

static void keeps_events(void)
{
    struct wsched *pool = kit_open(1, 0);
    int once[] = { SIGKILL, 1 }, err = -EIO, visits = 0;
    unsigned n[8] = { 0 };
    struct wsched_spec s = kit_spec("die", once, sizeof once);
    struct wsched_future f;

    s.label = "marked";
    REQUIRE_OK(wsched_submit(pool, &s, &f));
    CHECK_EQ(kit_long(pool, f), 2);
    CHECK_EQ(kit_wait(pool, kit_submit(pool, "fail", &err, sizeof err)), -EIO);
    CHECK_EQ(kit_long(pool, kit_submit(pool, "add", NULL, 0)), 0);
    REQUIRE_OK(wsched_events(pool, count_events, n));
    CHECK_EQ(n[WSCHED_EVENT_SUBMITTED], 3);
    CHECK_EQ(n[WSCHED_EVENT_STARTED], 4);
    CHECK_EQ(n[WSCHED_EVENT_FINISHED], 2);
    CHECK_EQ(n[WSCHED_EVENT_FAILED], 1);
    CHECK_EQ(n[WSCHED_EVENT_DIED], 1);
    CHECK_EQ(wsched_events(pool, stop_at_once, &visits), 17);
    CHECK_EQ(visits, 1);
    CHECK_EQ(wsched_events(pool, NULL, NULL), -EINVAL);
    wsched_close(pool);
}

struct terms_seen {
    struct wsched_event last;
    unsigned count;
};

static int see_terms(const struct wsched_event *e, void *ctx)
{
    struct terms_seen *seen = ctx;

    if (e->kind != WSCHED_EVENT_TERMS) {
        CHECK(e->priority == 0 && e->deadline_ns == 0 && e->needs[0] == 0);
        return 0;
    }
    seen->last = *e;
    seen->count++;
    return 0;
}

/* What a task was submitted with is an event of its own, if there is anything. */
static void keeps_terms(void)
{
    const struct wsched_resource gpus = { "gpu", 3 }, two = { "gpu", 2 };
    struct wsched_options o = WSCHED_OPTIONS_INIT;
    struct wsched_spec s = kit_spec("nothing", NULL, 0);
    struct terms_seen seen = { .count = 0 };
    struct wsched_future plain, f[2];
    struct wsched_task_info info;
    struct wsched *pool;

    o.workers = 2;
    o.resources = &gpus;
    o.resource_count = 1;
    REQUIRE_OK(wsched_open(&o, kit_kernels, kit_kernel_count, &pool));
    REQUIRE_OK(wsched_submit(pool, &s, &plain));
    s.flags = WSCHED_RETRY_ERRORS;
    s.priority = WSCHED_PRIORITY_LOW;
    s.label = "both";
    REQUIRE_OK(wsched_submit(pool, &s, &f[0]));
    REQUIRE_OK(wsched_events(pool, see_terms, &seen));
    CHECK_EQ(seen.count, 1);
    CHECK(seen.last.task.v == f[0].v && seen.last.priority == -1 && seen.last.deadline_ns == 0);
    CHECK(seen.last.needs[0] == 0 && !seen.last.label[0] && !strcmp(seen.last.kernel, "nothing"));
    s.priority = WSCHED_PRIORITY_HIGH;
    s.deadline_ms = 100000;
    s.cpus = 1;
    s.resources = &two;
    s.resource_count = 1;
    s.after = &f[0];
    s.after_count = 1; /* another way through the code */
    REQUIRE_OK(wsched_submit(pool, &s, &f[1]));
    CHECK_EQ(wsched_task_info(pool, f[1], &info), 0);
    CHECK(info.task.v == f[1].v && info.priority == 1 && info.needs[0] == 1 && info.needs[1] == 2);
    CHECK_EQ(kit_wait(pool, f[1]), 0);
    seen.count = 0;
    REQUIRE_OK(wsched_events(pool, see_terms, &seen));
    CHECK_EQ(seen.count, 2);
    CHECK(seen.last.task.v == f[1].v && seen.last.priority == 1);
    CHECK(seen.last.needs[0] == 1 && seen.last.needs[1] == 2 && seen.last.needs[2] == 0);
    CHECK_EQ(seen.last.deadline_ns, info.deadline_ns);
    CHECK_EQ(wsched_task_info(pool, f[1], NULL), -EINVAL);
    CHECK_EQ(wsched_task_info(pool, f[1], &info), 0);
    CHECK_EQ(info.state, WSCHED_TASK_DONE);
    wsched_release(pool, f[1]);
    while (wsched_task_info(pool, f[1], &info) == 0) /* whoever ended it may still tell others */
        CHECK(info.is_released);
    CHECK_EQ(wsched_task_info(pool, f[1], &info), -EINVAL);
    CHECK_EQ(wsched_task_info(NULL, f[0], &info), -EINVAL);
    wsched_close(pool);
}

static void counts_lost_events(void)
{
    struct wsched_options o = WSCHED_OPTIONS_INIT;
    struct wsched *pool;
    struct wsched_stats stats;
    unsigned n[8] = { 0 };

    o.workers = 1;
    o.event_capacity = 10;
    REQUIRE_OK(wsched_open(&o, kit_kernels, kit_kernel_count, &pool));
    for (int i = 0; i < 25; i++)
        CHECK_EQ(kit_long(pool, kit_submit(pool, "add", NULL, 0)), 0);
    REQUIRE_OK(wsched_events(pool, count_events, n));
    CHECK_EQ(n[WSCHED_EVENT_SUBMITTED], 10);
    CHECK_EQ(n[WSCHED_EVENT_STARTED] + n[WSCHED_EVENT_FINISHED], 10);
    REQUIRE_OK(wsched_stats(pool, &stats));
    CHECK_EQ(stats.events_lost, 15 + 40);
    CHECK_EQ(stats.submitted, 25);
    CHECK_EQ(stats.finished, 25);
    wsched_close(pool);
}

static void big_payloads_and_results(void)
{
    struct wsched_options o = WSCHED_OPTIONS_INIT;
    struct wsched *pool;
    long v[1000];

    o.workers = 1;
    o.payload_max = sizeof v;
    o.result_max = sizeof(long);
    for (int i = 0; i < 1000; i++)
        v[i] = i;
    REQUIRE_OK(wsched_open(&o, kit_kernels, kit_kernel_count, &pool));
    for (int i = 0; i < 10; i++)
        CHECK_EQ(kit_long(pool, kit_submit(pool, "add", v, sizeof v)), 499500);
    wsched_close(pool);
}

static void a_child_may_not_use_the_handle(void)
{
    struct wsched *pool = kit_open(1, 0);
    struct wsched_future f = kit_submit(pool, "add", NULL, 0);
    pid_t child = fork();

    if (child == 0) {
        struct wsched_spec s = kit_spec("add", NULL, 0);
        struct wsched_stats stats;
        struct wsched_death death;
        struct wsched_failure failure;
        struct wsched_future g;
        uint64_t cursor = 0;
        CHILD_CHECK(wsched_submit(pool, &s, &g) == -ECHILD);
        CHILD_CHECK(wsched_wait(pool, &f, 1, 1, -1, NULL) == -ECHILD);
        CHILD_CHECK(wsched_result(pool, f, NULL, 0, NULL) == -ECHILD);
        CHILD_CHECK(wsched_failure(pool, f, &failure) == -ECHILD);
        CHILD_CHECK(wsched_cancel(pool, f) == -ECHILD);
        CHILD_CHECK(wsched_stats(pool, &stats) == -ECHILD);
        CHILD_CHECK(wsched_next_death(pool, &cursor, &death) == -ECHILD);
        CHILD_CHECK(wsched_verify(pool, NULL) == -ECHILD);
        CHILD_CHECK(wsched_events(pool, stop_at_once, &cursor) == -ECHILD);
        wsched_release(pool, f);
        wsched_close(pool);
        _exit(0);
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK_EQ(status, 0);
    CHECK_EQ(kit_long(pool, f), 0); /* the child disturbed nothing */
    wsched_close(pool);
}

static void two_pools_at_once(void)
{
    struct wsched *a = kit_open(1, 0), *b = kit_open(2, 0);
    long v = 3;

    CHECK_EQ(kit_long(a, kit_submit(a, "add", &v, sizeof v)), 3);
    CHECK_EQ(kit_long(b, kit_submit(b, "add", &v, sizeof v)), 3);
    wsched_close(a);
    CHECK_EQ(kit_long(b, kit_submit(b, "add", &v, sizeof v)), 3);
    wsched_close(b);
}

static void words(void)
{
    CU_ASSERT_STRING_EQUAL(wsched_strerror(-EOWNERDEAD),
                           "a worker died in mid-task, or the actor has ended");
    CU_ASSERT_STRING_EQUAL(wsched_strerror(EXDEV), "the pool lives in another PID namespace");
    CU_ASSERT_STRING_EQUAL(wsched_strerror(-ENOTDIR), "Not a directory");
    CHECK(wsched_strerror(INT_MIN)[0] != 0);
    CU_ASSERT_STRING_EQUAL(wsched_strerror(0), "no error");
    CHECK(wsched_strerror(-12345)[0] != 0);
    /* Two numbers have no meaning on Linux; each other has words of its own. */
    for (int e = 1; e < 134; e++) {
        const char *words = wsched_strerror(-e);

        CHECK(words == wsched_strerror(e) && words[0]);
        for (int other = 0; other < e && strcmp(words, "unknown error"); other++)
            CHECK(strcmp(words, wsched_strerror(-other)));
    }
    CHECK_EQ(wsched_version(),
             WSCHED_VERSION_MAJOR * 10000 + WSCHED_VERSION_MINOR * 100 + WSCHED_VERSION_PATCH);
    CHECK(wsched_cpus() >= 1);
}

TESTS("wsched: tasks", { "a task runs in a worker and its result comes back", runs_a_task },
      { "bad options and kernel tables are refused", refuses_bad_options },
      { "bad submissions are refused and change nothing", refuses_bad_submissions },
      { "futures that were released, or never were, are recognised", answers_about_dead_futures },
      { "wait for some of several, with a timeout", waits_for_some },
      { "a kernel's error is the task's", reports_a_kernels_error },
      { "a task whose worker dies runs again", retries_after_a_death },
      { "a task whose workers always die fails with the cause", reports_the_cause_of_deaths },
      { "a task starts after its dependencies", follows_dependencies },
      { "a thousand dependencies, either way", follows_many_dependencies },
      { "a dense graph of dependencies", follows_a_dense_graph },
      { "a pool full of dependencies", is_full_of_dependencies },
      { "a task fails at once when a dependency fails", fails_with_a_dependency },
      { "queued, blocked and running tasks can be cancelled", cancels },
      { "a full pool says so, or waits", says_when_it_is_full },
      { "tasks submit tasks and wait for them, deeply", nests },
      { "a kernel cannot wait for an older task", refuses_to_wait_for_older_tasks_inside },
      { "the life of each task is kept as events", keeps_events },
      { "what a task was submitted with is kept as an event", keeps_terms },
      { "events that fell out of a ring are counted", counts_lost_events },
      { "big payloads", big_payloads_and_results },
      { "a child of the driver is kept out", a_child_may_not_use_the_handle },
      { "one process may have several pools", two_pools_at_once }, { "errors have words", words })
