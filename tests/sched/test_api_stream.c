/* SPDX-License-Identifier: MIT */
/*
 * Streams through the public interface: order, back-pressure, ends of all kinds, retries, several
 * takers, takers inside kernels, and every documented error.
 */
#include "test.h"
#include "wsched.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

/* What processes of a test tell each other. */
static struct shared {
    _Atomic long yielded, ended, error, go, held;
} * shared;

struct plan {
    long count;
    int error;     /* that the kernel returns */
    int die_after; /* this many items, in attempts up to `deaths`; -1: not */
    int deaths;
    bool resumes;
};

/* Yields the numbers from 0 on. */
static int counts(struct wsched_task *task, void *ctx)
{
    const struct plan plan = *(const struct plan *)wsched_task_payload(task, NULL);
    long i = plan.resumes ? (long)wsched_task_resume(task) : 0;
    int err = 0;

    (void)ctx;
    for (; i < plan.count && !err; i++) {
        if (plan.die_after == i && wsched_task_attempt(task) <= (uint32_t)plan.deaths)
            kill(getpid(), SIGKILL);
        err = wsched_yield(task, &i, sizeof i);
        shared->yielded += !err;
    }
    shared->error = err;
    shared->ended++;
    return err ? err : plan.error ? plan.error : wsched_task_result(task, &i, sizeof i);
}

/* Takes the items of a stream that it makes itself, and yields their squares; a chain of such. */
struct stage {
    long depth, count;
    uint32_t stream;
};

static int stage(struct wsched_task *task, void *ctx)
{
    const struct stage *own = wsched_task_payload(task, NULL);
    struct stage below = { own->depth - 1, own->count, own->stream };
    struct plan source = { .count = own->count, .die_after = -1 };
    struct wsched *pool = wsched_task_pool(task);
    struct wsched_spec s = { .kernel = below.depth ? "stage" : "counts",
                             .payload = below.depth ? (const void *)&below : &source,
                             .payload_size = below.depth ? sizeof below : sizeof source,
                             .stream = own->stream };
    struct wsched_future f;
    long item, n = 0;
    int got, err = wsched_submit(pool, &s, &f);

    (void)ctx;
    while (!err && (got = wsched_next(pool, f, &item, sizeof item, NULL, -1)) != 0) {
        err = got < 0 ? got : 0;
        item++;
        if (!err)
            err = wsched_yield(task, &item, sizeof item);
        n++;
    }
    if (!err)
        err = wsched_result(pool, f, &item, sizeof item, NULL);
    if (err)
        return err;
    wsched_release(pool, f);
    return item == own->count ? wsched_task_result(task, &n, sizeof n) : -EDOM;
}

/* Sums its own stream's items; an ordinary task. */
static int sums(struct wsched_task *task, void *ctx)
{
    const struct stage own = *(const struct stage *)wsched_task_payload(task, NULL);
    struct wsched *pool = wsched_task_pool(task);
    struct wsched_spec s = { .kernel = "stage", .payload = &own, .payload_size = sizeof own,
                             .stream = own.stream };
    struct wsched_future f;
    long item, sum = 0;
    int got, err = wsched_submit(pool, &s, &f);

    (void)ctx;
    while (!err && (got = wsched_next(pool, f, &item, sizeof item, NULL, -1)) != 0) {
        err = got < 0 ? got : 0;
        sum += err ? 0 : item;
    }
    if (!err)
        wsched_release(pool, f);
    return err ? err : wsched_task_result(task, &sum, sizeof sum);
}

static int adds_one(struct wsched_task *task, void *ctx)
{
    long x = *(const long *)wsched_task_payload(task, NULL) + 1;

    (void)ctx;
    return wsched_task_result(task, &x, sizeof x);
}

/* A stream whose kernel waits for tasks between its items. */
static int waits(struct wsched_task *task, void *ctx)
{
    const struct plan *plan = wsched_task_payload(task, NULL);
    struct wsched *pool = wsched_task_pool(task);
    int err = 0;

    (void)ctx;
    for (long i = 0; i < plan->count && !err; i++) {
        struct wsched_spec s = { .kernel = "adds_one", .payload = &i, .payload_size = sizeof i };
        struct wsched_future f;
        long x = 0;
        err = wsched_submit(pool, &s, &f);
        if (!err && wsched_wait(pool, &f, 1, 1, 0, NULL) == -EDEADLK)
            err = -EDOM;
        if (!err)
            err = wsched_wait(pool, &f, 1, 1, -1, NULL);
        if (err == 1)
            err = wsched_result(pool, f, &x, sizeof x, NULL);
        wsched_release(pool, f);
        if (!err)
            err = wsched_yield(task, &x, sizeof x);
    }
    return err;
}

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

/* A stream that calls the actor in its payload, between two items. */
static int calls_back(struct wsched_task *task, void *ctx)
{
    const struct wsched_actor actor = *(const struct wsched_actor *)wsched_task_payload(task, NULL);
    struct wsched *pool = wsched_task_pool(task);
    long x = 1;
    struct wsched_spec s = { .kernel = "adds_one", .payload = &x, .payload_size = sizeof x };
    struct wsched_future f;
    int err = wsched_yield(task, &x, sizeof x);

    (void)ctx;
    if (!err)
        err = wsched_actor_call(pool, actor, &s, &f);
    if (!err) {
        err = wsched_wait(pool, &f, 1, 1, -1, NULL);
        wsched_release(pool, f);
    }
    return err < 0 ? err : wsched_yield(task, &x, sizeof x);
}

/* A call of an actor that takes from a stream that calls another actor, or this one. */
static int asks(struct wsched_task *task, void *ctx)
{
    struct wsched_actor actor = *(const struct wsched_actor *)wsched_task_payload(task, NULL);
    struct wsched *pool = wsched_task_pool(task);
    struct wsched_spec s = { .kernel = "calls_back", .payload = &actor,
                             .payload_size = sizeof actor, .stream = 4 };
    struct wsched_future f;
    long item, count = 0;
    int got = 0, err;

    (void)ctx;
    if (!actor.v)
        actor = wsched_task_actor(task);
    err = wsched_submit(pool, &s, &f);
    while (!err && (got = wsched_next(pool, f, &item, sizeof item, NULL, -1)) == 1)
        count++;
    if (!err && !got)
        got = wsched_result(pool, f, NULL, 0, NULL);
    if (!err)
        wsched_release(pool, f);
    err = err ? err : got;
    return err ? err : wsched_task_result(task, &count, sizeof count);
}

/* So many kernels that wait for one another, and on top of them one that takes from a stream. */
static int deep(struct wsched_task *task, void *ctx)
{
    const long n = *(const long *)wsched_task_payload(task, NULL) - 1;
    const struct plan plan = { .count = 10 };
    struct wsched *pool = wsched_task_pool(task);
    struct wsched_spec s = { .kernel = n ? "deep" : "waits", .payload = n ? (const void *)&n : &plan,
                             .payload_size = n ? sizeof n : sizeof plan, .stream = n ? 0 : 1 };
    struct wsched_future f;
    long sum = 0, item;
    int err = wsched_submit(pool, &s, &f);

    (void)ctx;
    if (!err && n)
        err = wsched_wait(pool, &f, 1, 1, -1, NULL);
    while (!err && !n && (err = wsched_next(pool, f, &item, sizeof item, NULL, -1)) == 1)
        sum += item, err = 0;
    if (err >= 0)
        err = wsched_result(pool, f, n ? &sum : NULL, n ? sizeof sum : 0, NULL);
    if (err)
        return err;
    wsched_release(pool, f);
    return wsched_task_result(task, &sum, sizeof sum);
}

static int holds(struct wsched_task *task, void *ctx)
{
    (void)task;
    (void)ctx;
    shared->held = 1;
    while (!shared->go)
        sched_yield();
    return 0;
}

static const struct wsched_kernel kernels[] = {
    { "dies", dies, NULL },         { "has_poison", has_poison, NULL },
    { "holds", holds, NULL },       { "calls_back", calls_back, NULL },
    { "asks", asks, NULL },         { "deep", deep, NULL },
    { "counts", counts, NULL },     { "stage", stage, NULL },       { "sums", sums, NULL },
    { "adds_one", adds_one, NULL }, { "waits", waits, NULL },       { "errs", errs, NULL },
    { "no_stream", no_stream, NULL }, WSCHED_JOB("job", job),
};
static char name[64];

static struct wsched *open_pool(uint32_t workers, uint32_t streams)
{
    struct wsched_options o = WSCHED_OPTIONS_INIT;
    struct wsched *pool = NULL;

    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(shared != MAP_FAILED);
    static int number;
    snprintf(name, sizeof name, "test-stream-%d-%d", (int)getpid(), number++);
    o.workers = workers;
    o.streams = streams;
    o.task_capacity = 200;
    o.name = name;
    REQUIRE_OK(wsched_open(&o, kernels, sizeof kernels / sizeof *kernels, &pool));
    return pool;
}

static void close_pool(struct wsched *pool)
{
    CHECK_EQ(wsched_verify(pool, NULL), 0);
    wsched_close(pool);
    munmap(shared, 4096);
}

static struct wsched_future submit(struct wsched *pool, const char *kernel, const void *payload,
                                   size_t size, uint32_t stream)
{
    struct wsched_spec s = { .kernel = kernel, .payload = payload,
                             .payload_size = (uint32_t)size, .stream = stream, .max_retries = 9 };
    struct wsched_future f = { 0 };

    REQUIRE_OK(wsched_submit(pool, &s, &f));
    return f;
}

static struct wsched_future count_to(struct wsched *pool, long count, uint32_t stream)
{
    struct plan plan = { .count = count, .die_after = -1 };

    return submit(pool, "counts", &plan, sizeof plan, stream);
}

/* Takes all of it: the numbers from `first` to `end` - 1, and then the end. */
static void expect_numbers(struct wsched *pool, struct wsched_future f, long first, long end)
{
    size_t size;
    long item;

    for (long i = first; i < end; i++) {
        size = 0;
        item = -1;
        REQUIRE(wsched_next(pool, f, &item, sizeof item, &size, -1) == 1);
        CHECK_EQ(item, i);
        CHECK_EQ(size, sizeof item);
    }
    CHECK_EQ(wsched_next(pool, f, &item, sizeof item, &size, -1), 0);
    CHECK_EQ(wsched_next(pool, f, &item, sizeof item, &size, 0), 0);
}

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

    struct wsched_spec s = { .kernel = "counts", .payload = &plan, .payload_size = sizeof plan,
                             .stream = 4, .deadline_ms = 1 };
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
    munmap(shared, 4096);
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
    struct wsched_spec s = { .kernel = "counts", .stream = 3, .max_retries = 2,
                             .flags = WSCHED_RETRY_ERRORS };
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
    struct wsched_spec s = { .kernel = "counts", .payload = &plan, .payload_size = sizeof plan,
                             .stream = 4, .max_retries = 1 };
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

/* ---- several takers ------------------------------------------------------------------------ */

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

/* ---- inside kernels ------------------------------------------------------------------------ */

static void chains(void)
{
    for (uint32_t workers = 1; workers <= 2; workers++)
        for (uint32_t stream = 1; stream <= 4; stream++) {
            struct wsched *pool = open_pool(workers, 64);
            struct stage own = { 5, 200, stream };
            struct wsched_future f[4];
            for (int i = 0; i < 4; i++)
                f[i] = submit(pool, "sums", &own, sizeof own, 0);
            for (int i = 0; i < 4; i++) {
                long sum = 0;
                REQUIRE(wsched_wait(pool, &f[i], 1, 1, -1, NULL) == 1);
                CHECK_EQ(wsched_result(pool, f[i], &sum, sizeof sum, NULL), 0);
                CHECK_EQ(sum, 200 * 199 / 2 + 5 * 200);
                wsched_release(pool, f[i]);
            }
            close_pool(pool);
        }
}

static void deep_down(void)
{
    struct wsched *pool = open_pool(1, 0);

    for (long depth = 1; depth <= 100; depth += 33) {
        struct wsched_future f = submit(pool, "deep", &depth, sizeof depth, 0);
        long sum = 0;
        REQUIRE(wsched_wait(pool, &f, 1, 1, -1, NULL) == 1);
        CHECK_EQ(wsched_result(pool, f, &sum, sizeof sum, NULL), 0);
        CHECK_EQ(sum, 55);
        wsched_release(pool, f);
    }
    close_pool(pool);
}

static void waiting_kernels(void)
{
    struct wsched *pool = open_pool(1, 0);
    struct plan plan = { .count = 50 };
    struct wsched_future f[8];

    for (int i = 0; i < 8; i++)
        f[i] = submit(pool, "waits", &plan, sizeof plan, 2);
    for (long n = 0; n < 50; n++)
        for (int i = 0; i < 8; i++) {
            long item = 0;
            REQUIRE(wsched_next(pool, f[i], &item, sizeof item, NULL, -1) == 1);
            CHECK_EQ(item, n + 1);
        }
    for (int i = 0; i < 8; i++) {
        CHECK_EQ(wsched_next(pool, f[i], NULL, 0, NULL, -1), 0);
        CHECK_EQ(wsched_result(pool, f[i], NULL, 0, NULL), 0);
        wsched_release(pool, f[i]);
    }
    close_pool(pool);
}

static void actors(void)
{
    struct wsched *pool = open_pool(1, 0);
    const struct wsched_actor_spec spec = { .name = "source" };
    struct plan plan = { .count = 300, .die_after = -1 };
    struct stage own = { 2, 100, 3 };
    struct wsched_spec s = { .kernel = "counts", .payload = &plan, .payload_size = sizeof plan,
                             .stream = 5 };
    struct wsched_actor actor;
    struct wsched_future f, g;
    long sum;

    REQUIRE_OK(wsched_actor_new(pool, &spec, &actor));
    REQUIRE_OK(wsched_actor_call(pool, actor, &s, &f));
    s = (struct wsched_spec){ .kernel = "sums", .payload = &own, .payload_size = sizeof own };
    REQUIRE_OK(wsched_actor_call(pool, actor, &s, &g)); /* takes, when its turn has come */
    expect_numbers(pool, f, 0, 300);
    REQUIRE(wsched_wait(pool, &g, 1, 1, -1, NULL) == 1);
    REQUIRE_OK(wsched_result(pool, g, &sum, sizeof sum, NULL));
    CHECK_EQ(sum, 100 * 99 / 2 + 2 * 100);
    wsched_release(pool, f);
    wsched_release(pool, g);
    close_pool(pool);
}

static void circles(void)
{
    struct wsched *pool = open_pool(2, 0);
    const struct wsched_actor_spec one = { .name = "one" }, two = { .name = "two" };
    struct wsched_actor a, b, itself = { 0 };
    long count = 0;

    REQUIRE_OK(wsched_actor_new(pool, &one, &a));
    REQUIRE_OK(wsched_actor_new(pool, &two, &b));
    for (int i = 0; i < 100; i++) {
        struct wsched_spec s = { .kernel = "asks", .payload = i % 2 ? &b : &itself,
                                 .payload_size = sizeof b };
        struct wsched_future f;
        REQUIRE_OK(wsched_actor_call(pool, a, &s, &f));
        REQUIRE(wsched_wait(pool, &f, 1, 1, -1, NULL) == 1);
        CHECK_EQ(wsched_result(pool, f, &count, sizeof count, NULL), i % 2 ? 0 : -EDEADLK);
        CHECK(i % 2 == 0 || count == 2);
        wsched_release(pool, f);
    }
    close_pool(pool);
}

static void guests_work(void)
{
    struct wsched *pool = open_pool(1, 0);
    struct wsched_future f[8];
    pid_t pid = fork();
    int status;

    if (!pid) {
        struct wsched *guest = NULL;
        CHILD_CHECK(!wsched_join(name, kernels, sizeof kernels / sizeof *kernels, NULL, &guest));
        int err = wsched_work(guest, -1);
        CHILD_CHECK(err == -ESHUTDOWN);
        wsched_close(guest);
        _exit(0);
    }
    for (int round = 0; round < 50; round++) {
        for (int i = 0; i < 8; i++)
            f[i] = count_to(pool, 100, 4);
        for (int i = 8; i--;) {
            expect_numbers(pool, f[i], 0, 100);
            wsched_release(pool, f[i]);
        }
    }
    f[0] = count_to(pool, 100, 4); /* somebody has it when all ends */
    close_pool(pool);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
}

static void *works(void *guest)
{
    shared->error = wsched_work(guest, -1);
    return NULL;
}

/* One that is asked to leave serves what it has to its end. */
static void a_guest_leaves(void)
{
    struct wsched *pool = open_pool(1, 0), *guest = NULL;
    struct wsched_future h = submit(pool, "holds", NULL, 0, 0);
    pthread_t thread;

    while (!shared->held) /* the crew has enough to do */
        sched_yield();
    REQUIRE_OK(wsched_join(name, kernels, sizeof kernels / sizeof *kernels, NULL, &guest));
    struct wsched_future f = count_to(pool, 100, 4);
    REQUIRE(!pthread_create(&thread, NULL, works, guest));
    while (shared->yielded < 4)
        sched_yield();
    CHECK_EQ(wsched_leave(guest), 0);
    struct wsched_future g = count_to(pool, 50, 4);
    expect_numbers(pool, f, 0, 100);
    pthread_join(thread, NULL);
    CHECK_EQ(shared->error, 0);
    shared->go = 1;
    expect_numbers(pool, g, 0, 50);
    CHECK_EQ(wsched_wait(pool, &h, 1, 1, -1, NULL), 1);
    wsched_release(pool, f);
    wsched_release(pool, g);
    wsched_release(pool, h);
    wsched_close(guest);
    close_pool(pool);
}

/* ---- errors -------------------------------------------------------------------------------- */

static void errors(void)
{
    struct wsched_options o = WSCHED_OPTIONS_INIT;
    struct wsched *pool = NULL, *looks;
    char item[8];

    o.streams = 257;
    CHECK_EQ(wsched_open(&o, kernels, 1, &pool), -EINVAL);
    o.streams = 0;
    o.reserved = 1;
    CHECK_EQ(wsched_open(&o, kernels, 1, &pool), -EINVAL);
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
    struct wsched_spec s = { .kernel = "adds_one", .payload = &x, .payload_size = sizeof x,
                             .stream = 1, .after = &f, .after_count = 1 };
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
      { "only the guilty pay for a death", only_the_guilty_pay }, { "several threads take", several_threads },
      { "several processes take, some stop or die", other_processes },
      { "chains inside kernels", chains }, { "kernels that wait", waiting_kernels },
      { "deep down on a stack", deep_down },
      { "actors yield and take", actors }, { "circles of waits", circles }, { "guests work", guests_work }, { "a guest leaves", a_guest_leaves }, { "errors", errors },
      { "the pool is full of streams", full_of_streams }, { "in time or not", timeouts })
