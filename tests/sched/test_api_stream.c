/* SPDX-License-Identifier: MIT */
/*
 * Streams through the public interface: order, back-pressure, ends of all kinds, retries, several
 * takers, bounds, and every documented error.
 */
#include "stream_kit.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

/* ---- kernels ------------------------------------------------------------------------------- */

static void job(struct wsched_fork *w, void *args)
{
    (void)w;
    (void)args;
}

/* What the calls answer that are wrong; the number of the first that does not. */
static int errs(struct wsched_task *task, void *ctx)
{
    const struct wsched_future old = *(const struct wsched_future *)wsched_task_payload(task, NULL);
    struct wsched *pool = wsched_task_pool(task);
    static char big[4096];
    long x = 0, number = 0;

    (void)ctx;
    if (wsched_yield(task, big, sizeof big) != -E2BIG)
        number = 1;
    if (wsched_yield(task, NULL, 1) != -EINVAL)
        number = 2;
    struct wsched_fork *w = wsched_spawn(wsched_task_fork(task), job, &x, sizeof x);
    if (wsched_yield(task, &x, sizeof x) != -EPERM)
        number = 3;
    struct wsched_spec s = { .kernel = "adds_one", .payload = &x, .payload_size = sizeof x };
    struct wsched_future f;
    if (wsched_submit(pool, &s, &f))
        number = 4;
    int n = wsched_wait(pool, &f, 1, 1, -1, NULL);
    if (n != -EPERM && n != 1) /* it may be done already */
        number = 5;
    wsched_sync(w);
    if (wsched_wait(pool, &f, 1, 1, -1, NULL) != 1)
        number = 6;
    wsched_release(pool, f);
    while ((n = wsched_next(pool, old, &x, sizeof x, NULL, -1)) == 1)
        ; /* what is there can be had, but it may not be waited for */
    if (n != -EDEADLK)
        number = 7;
    if (wsched_yield(task, NULL, 0))
        number = 8;
    return number ? -(int)(1000 + number) % 500 : 0;
}

static int no_stream(struct wsched_task *task, void *ctx)
{
    (void)ctx;
    return wsched_task_resume(task) ? -EDOM : wsched_yield(task, "x", 1) == -EINVAL ? 0 : -EDOM;
}

static int dies(struct wsched_task *task, void *ctx)
{
    (void)task;
    (void)ctx;
    return kill(getpid(), SIGKILL);
}

/* Waits for a task that kills its worker, every time. */
static int has_poison(struct wsched_task *task, void *ctx)
{
    struct wsched *pool = wsched_task_pool(task);
    struct wsched_spec s = { .kernel = "dies" };
    struct wsched_future f;
    int err = wsched_submit(pool, &s, &f);

    (void)ctx;
    if (!err)
        err = wsched_yield(task, "", 1);
    return err ? err : wsched_wait(pool, &f, 1, 1, -1, NULL) == 1 ? 0 : -EDOM;
}

static struct wsched *open_pool(uint32_t workers, uint32_t streams)
{
    static const struct wsched_kernel own[] = {
        { "dies", dies, NULL }, { "has_poison", has_poison, NULL },
        { "errs", errs, NULL }, { "no_stream", no_stream, NULL },
        WSCHED_JOB("job", job),
    };

    return stream_open(workers, streams, own, sizeof own / sizeof *own);
}

/* ---- tests --------------------------------------------------------------------------------- */

static void in_order(void)
{
    for (uint32_t workers = 1; workers <= 2; workers++)
        for (uint32_t stream = 1; stream <= 1024; stream = stream * 5 + 1) {
            struct wsched *pool = open_pool(workers, 0);
            struct wsched_future f = count_to(pool, 3000, stream);
            long end = 0;
            expect_numbers(pool, f, 0, 3000);
            REQUIRE_OK(wsched_result(pool, f, &end, sizeof end, NULL));
            CHECK_EQ(end, 3000);
            wsched_release(pool, f);
            f = count_to(pool, 0, stream);
            expect_numbers(pool, f, 0, 0);
            wsched_release(pool, f);
            close_pool(pool);
        }
}

static void full_holds_nobody(void)
{
    struct wsched *pool = open_pool(1, 0);
    struct wsched_future f[16];

    for (int i = 0; i < 16; i++)
        f[i] = count_to(pool, 100, 4);
    for (long i = 0; i < 20; i++) { /* the only worker has 16 of them */
        struct wsched_future g = submit(pool, "adds_one", &i, sizeof i, 0);
        long x = 0;
        REQUIRE(wsched_wait(pool, &g, 1, 1, -1, NULL) == 1);
        REQUIRE_OK(wsched_result(pool, g, &x, sizeof x, NULL));
        CHECK_EQ(x, i + 1);
        wsched_release(pool, g);
    }
    while (shared->yielded < 16 * 4)
        sched_yield();
    CHECK_EQ(shared->yielded, 16 * 4); /* that is the bound */
    CHECK_EQ(shared->ended, 0);
    for (long i = 0; i < 50; i++) /* one item of each in turn */
        for (int k = 0; k < 16; k++) {
            long item = -1;
            REQUIRE(wsched_next(pool, f[k], &item, sizeof item, NULL, -1) == 1);
            CHECK_EQ(item, i);
        }
    for (int k = 16; k--;) { /* and the rest, the last first */
        expect_numbers(pool, f[k], 50, 100);
        wsched_release(pool, f[k]);
    }
    close_pool(pool);
}

static void ends(void)
{
    struct wsched *pool = open_pool(1, 0);
    struct plan plan = { .count = 5, .error = -EDOM, .die_after = -1 };
    struct wsched_future f = submit(pool, "counts", &plan, sizeof plan, 8);
    struct wsched_failure why;

    expect_numbers(pool, f, 0, 5);
    CHECK_EQ(wsched_result(pool, f, NULL, 0, NULL), -EDOM);
    wsched_release(pool, f);

    plan = (struct plan){ .count = 5, .die_after = 3, .deaths = 1000 };
    f = submit(pool, "counts", &plan, sizeof plan, 8);
    expect_numbers(pool, f, 0, 3);
    CHECK_EQ(wsched_result(pool, f, NULL, 0, NULL), -EOWNERDEAD);
    REQUIRE_OK(wsched_failure(pool, f, &why));
    CHECK_EQ(why.attempts, 10);
    wsched_release(pool, f);

    shared->yielded = 0;
    f = count_to(pool, 1000, 4); /* cancelled while it waits */
    while (shared->yielded < 4)
        sched_yield();
    CHECK_EQ(wsched_cancel(pool, f), 0);
    CHECK_EQ(wsched_wait(pool, &f, 1, 1, -1, NULL), 1);
    CHECK_EQ(wsched_result(pool, f, NULL, 0, NULL), -ECANCELED);
    CHECK_EQ(shared->error, -ECANCELED);
    expect_numbers(pool, f, 0, 4);
    wsched_release(pool, f);

    long ended = shared->ended; /* given back while it waits */
    f = count_to(pool, 1000, 4);
    while (shared->yielded < 8)
        sched_yield();
    wsched_release(pool, f);
    while (shared->ended == ended)
        sched_yield();
    CHECK_EQ(shared->error, -EPIPE);

    struct wsched_spec s = { .kernel = "counts",
                             .payload = &plan,
                             .payload_size = sizeof plan,
                             .stream = 4,
                             .deadline_ms = 1 };
    plan = (struct plan){ .count = 1000, .die_after = -1 };
    REQUIRE_OK(wsched_submit(pool, &s, &f)); /* late, before it starts or while it waits */
    CHECK_EQ(wsched_wait(pool, &f, 1, 1, -1, NULL), 1);
    CHECK_EQ(wsched_result(pool, f, NULL, 0, NULL), -ETIMEDOUT);
    wsched_release(pool, f);

    shared->yielded = 0;
    f = count_to(pool, 1000, 4); /* open while it waits */
    while (shared->yielded < 4)
        sched_yield();
    wsched_close(pool);
    CHECK_EQ(shared->error, -ESHUTDOWN);
    munmap(shared, sizeof *shared);
}

static void run_again(void)
{
    struct wsched *pool = open_pool(2, 0);

    for (int resumes = 0; resumes < 2; resumes++)
        for (int after = 0; after < 30; after++) {
            struct plan plan = { .count = 30, .die_after = after, .deaths = 3, .resumes = resumes };
            shared->yielded = 0;
            struct wsched_future f = submit(pool, "counts", &plan, sizeof plan, 7);
            expect_numbers(pool, f, 0, 30);
            CHECK_EQ(shared->yielded, resumes ? 30 : 30 + 3 * after);
            wsched_release(pool, f);
        }
    struct wsched_spec s = {
        .kernel = "counts", .stream = 3, .max_retries = 2, .flags = WSCHED_RETRY_ERRORS
    };
    struct plan plan = { .count = 9, .error = -EDOM, .die_after = -1 };
    struct wsched_future f;
    s.payload = &plan;
    s.payload_size = sizeof plan;
    REQUIRE_OK(wsched_submit(pool, &s, &f));
    expect_numbers(pool, f, 0, 9);
    CHECK_EQ(wsched_result(pool, f, NULL, 0, NULL), -EDOM);
    wsched_release(pool, f);
    close_pool(pool);
}

/* What waits beside the stack is not to blame for a death, unless it has to do with it. */
static void only_the_guilty_pay(void)
{
    struct wsched *pool = open_pool(1, 0);
    struct plan plan = { .count = 100, .die_after = -1 };
    struct wsched_spec s = { .kernel = "counts",
                             .payload = &plan,
                             .payload_size = sizeof plan,
                             .stream = 4,
                             .max_retries = 1 };
    struct wsched_future f;
    struct wsched_failure why;

    REQUIRE_OK(wsched_submit(pool, &s, &f));
    long item;
    for (long i = 0; i < 10; i++) {
        REQUIRE(wsched_next(pool, f, &item, sizeof item, NULL, -1) == 1);
        CHECK_EQ(item, i);
        s = (struct wsched_spec){ .kernel = "dies", .max_retries = 2 };
        struct wsched_future g;
        REQUIRE_OK(wsched_submit(pool, &s, &g));
        CHECK_EQ(wsched_wait(pool, &g, 1, 1, -1, NULL), 1);
        wsched_release(pool, g);
    }
    expect_numbers(pool, f, 10, 100);
    CHECK_EQ(wsched_result(pool, f, NULL, 0, NULL), 0);
    wsched_release(pool, f);

    s = (struct wsched_spec){ .kernel = "has_poison", .stream = 4, .max_retries = 2 };
    REQUIRE_OK(wsched_submit(pool, &s, &f));
    CHECK_EQ(wsched_next(pool, f, &item, sizeof item, NULL, -1), 1);
    CHECK_EQ(wsched_next(pool, f, &item, sizeof item, NULL, -1), 0);
    CHECK_EQ(wsched_result(pool, f, NULL, 0, NULL), -EOWNERDEAD);
    REQUIRE_OK(wsched_failure(pool, f, &why));
    CHECK_EQ(why.attempts, 3);
    wsched_release(pool, f);
    close_pool(pool);
}

struct taker {
    struct wsched *pool;
    struct wsched_future f;
    long count, sum, last;
    int end;
};

static void *take_all(void *arg)
{
    struct taker *t = arg;
    long item;

    while ((t->end = wsched_next(t->pool, t->f, &item, sizeof item, NULL, -1)) == 1) {
        if (item <= t->last)
            t->end = -EDOM;
        if (t->end < 0)
            break;
        t->last = item;
        t->sum += item;
        t->count++;
    }
    return NULL;
}

#define TAKERS 3
#define ITEMS 20000L

static void several_threads(void)
{
    struct wsched *pool = open_pool(1, 0);
    struct wsched_future f = count_to(pool, ITEMS, 16);
    struct taker t[TAKERS];
    pthread_t thread[TAKERS];
    long count = 0, sum = 0;

    for (int i = 0; i < TAKERS; i++) {
        t[i] = (struct taker){ pool, f, 0, 0, -1, 0 };
        REQUIRE(!pthread_create(&thread[i], NULL, take_all, &t[i]));
    }
    for (int i = 0; i < TAKERS; i++) {
        pthread_join(thread[i], NULL);
        CHECK_EQ(t[i].end, 0);
        count += t[i].count;
        sum += t[i].sum;
    }
    CHECK_EQ(count, ITEMS);
    CHECK_EQ(sum, ITEMS * (ITEMS - 1) / 2);
    wsched_release(pool, f);
    close_pool(pool);
}

/* Guests take from the driver's stream; one that stops, and one that dies, hold up nobody. */
static void other_processes(void)
{
    struct wsched *pool = open_pool(2, 0);
    struct wsched_future f = count_to(pool, ITEMS, 64);
    pid_t pid[3];
    int status;

    for (int i = 0; i < 3; i++) {
        pid[i] = fork();
        if (pid[i])
            continue;
        struct taker t = { NULL, f, 0, 0, -1, 0 };
        long item;
        CHILD_CHECK(!wsched_join(name, NULL, 0, NULL, &t.pool));
        if (i) { /* some, then no more */
            for (int n = 0; n < 10 * i; n++)
                CHILD_CHECK(wsched_next(t.pool, f, &item, sizeof item, NULL, -1) == 1);
            shared->go++;
            raise(i == 1 ? SIGSTOP : SIGKILL);
        }
        while (shared->go < 2)
            sched_yield();
        take_all(&t);
        CHILD_CHECK(!t.end && t.count == ITEMS - 30);
        wsched_close(t.pool);
        _exit(0);
    }
    CHECK_EQ(waitpid(pid[0], &status, 0), pid[0]);
    CHECK_EQ(status, 0);
    CHECK_EQ(wsched_next(pool, f, NULL, 0, NULL, -1), 0);
    kill(pid[1], SIGKILL);
    for (int i = 1; i < 3; i++)
        waitpid(pid[i], &status, 0);
    wsched_release(pool, f);
    close_pool(pool);
}

static void errors(void)
{
    struct wsched_options o = WSCHED_OPTIONS_INIT;
    struct wsched *pool = NULL, *looks;
    char item[8];

    o.streams = 257;
    CHECK_EQ(wsched_open(&o, kit_kernels, kit_kernel_count, &pool), -EINVAL);
    o.streams = 0;
    o.reserved = 1;
    CHECK_EQ(wsched_open(&o, kit_kernels, kit_kernel_count, &pool), -EINVAL);
    pool = open_pool(1, 2);
    struct wsched_future f = count_to(pool, 5, 3), none = { 77 };
    struct wsched_spec s = { .kernel = "no_stream", .stream = 1025 };
    struct wsched_future g = submit(pool, "no_stream", NULL, 0, 0), h;
    CHECK_EQ(wsched_submit(pool, &s, &h), -EINVAL);
    CHECK_EQ(wsched_wait(pool, &g, 1, 1, -1, NULL), 1);
    CHECK_EQ(wsched_result(pool, g, NULL, 0, NULL), 0);
    CHECK_EQ(wsched_next(pool, g, item, 8, NULL, 0), -EINVAL);
    CHECK_EQ(wsched_next(pool, none, item, 8, NULL, 0), -EINVAL);
    CHECK_EQ(wsched_next(pool, f, NULL, 8, NULL, 0), -EINVAL);
    CHECK_EQ(wsched_next(NULL, f, item, 8, NULL, 0), -EINVAL);
    CHECK_EQ(wsched_next(pool, f, item, 7, NULL, -1), -EMSGSIZE);
    expect_numbers(pool, f, 0, 5);
    wsched_release(pool, f);
    CHECK_EQ(wsched_next(pool, f, item, 8, NULL, 0), -EINVAL);
    wsched_release(pool, g);

    struct plan silent = { .count = 1000, .die_after = -1 };
    f = submit(pool, "counts", &silent, sizeof silent, 2);
    struct wsched_future e = submit(pool, "errs", &f, sizeof f, 1);
    s.stream = 1; /* there are two already */
    s.flags = WSCHED_NO_WAIT;
    CHECK_EQ(wsched_submit(pool, &s, &h), -EAGAIN);
    size_t size = 7;
    CHECK_EQ(wsched_next(pool, e, NULL, 0, &size, -1), 1);
    CHECK_EQ(size, 0);
    CHECK_EQ(wsched_next(pool, e, NULL, 0, &size, -1), 0);
    CHECK_EQ(wsched_result(pool, e, NULL, 0, NULL), 0);
    wsched_release(pool, e);
    REQUIRE_OK(wsched_look(name, &looks));
    CHECK_EQ(wsched_next(looks, f, item, 8, NULL, 0), -EROFS);
    wsched_close(looks);
    pid_t pid = fork();
    if (!pid) {
        CHILD_CHECK(wsched_next(pool, f, item, 8, NULL, 0) == -ECHILD);
        _exit(0);
    }
    int status;
    waitpid(pid, &status, 0);
    CHECK_EQ(status, 0);
    wsched_release(pool, f);
    close_pool(pool);
}

/* A submission that waits for a record goes on when one is free. */
static void *release_later(void *arg)
{
    struct taker *t = arg;

    while (!shared->go)
        sched_yield();
    wsched_release(t->pool, t->f);
    return NULL;
}

static void full_of_streams(void)
{
    struct wsched *pool = open_pool(1, 1);
    struct taker t = { .pool = pool, .f = count_to(pool, 1000, 1) };
    pthread_t thread;
    long item;

    CHECK_EQ(wsched_next(pool, t.f, &item, sizeof item, NULL, -1), 1);
    CHECK_EQ(wsched_next(pool, t.f, &item, sizeof item, NULL, 100000), 1);
    REQUIRE(!pthread_create(&thread, NULL, release_later, &t));
    shared->go = 1;
    struct wsched_future f = count_to(pool, 10, 1);
    expect_numbers(pool, f, 0, 10);
    wsched_release(pool, f);
    pthread_join(thread, NULL);
    struct wsched_future g = { 0 };
    struct plan plan = { .count = 1, .die_after = -1 };
    g = submit(pool, "counts", &plan, sizeof plan, 1);
    expect_numbers(pool, g, 0, 1);
    close_pool(pool);
}

static void timeouts(void)
{
    struct wsched *pool = open_pool(1, 0);
    long item, x = 0;
    struct wsched_future f = submit(pool, "adds_one", &x, sizeof x, 4); /* yields nothing */

    while (wsched_next(pool, f, &item, sizeof item, NULL, 0) == -ETIMEDOUT)
        ;
    CHECK_EQ(wsched_next(pool, f, &item, sizeof item, NULL, -1), 0);
    wsched_release(pool, f);
    f = count_to(pool, 3, 4);
    struct wsched_spec s = { .kernel = "adds_one",
                             .payload = &x,
                             .payload_size = sizeof x,
                             .stream = 1,
                             .after = &f,
                             .after_count = 1 };
    struct wsched_future g;
    REQUIRE_OK(wsched_submit(pool, &s, &g)); /* a stream that follows another */
    expect_numbers(pool, f, 0, 3);
    CHECK_EQ(wsched_next(pool, g, &item, sizeof item, NULL, -1), 0);
    wsched_release(pool, f);
    wsched_release(pool, g);
    close_pool(pool);
}

TESTS("wsched: streams", { "in order, with back-pressure", in_order },
      { "full streams hold up nobody", full_holds_nobody }, { "ends of all kinds", ends },
      { "run again, each item once", run_again },
      { "only the guilty pay for a death", only_the_guilty_pay },
      { "several threads take", several_threads },
      { "several processes take, some stop or die", other_processes }, { "errors", errors },
      { "the pool is full of streams", full_of_streams }, { "in time or not", timeouts })
