/* SPDX-License-Identifier: MIT */
/*
 * Streams in company, through the public interface: kernels and actors that take and yield, chains
 * and circles of them, guests that work.
 */
#include "stream_kit.h"

#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/wait.h>

/* ---- kernels ------------------------------------------------------------------------------- */

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
    struct wsched_spec s = {
        .kernel = "stage", .payload = &own, .payload_size = sizeof own, .stream = own.stream
    };
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
    struct wsched_spec s = {
        .kernel = "calls_back", .payload = &actor, .payload_size = sizeof actor, .stream = 4
    };
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
    struct wsched_spec s = { .kernel = n ? "deep" : "waits",
                             .payload = n ? (const void *)&n : &plan,
                             .payload_size = n ? sizeof n : sizeof plan,
                             .stream = n ? 0 : 1 };
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

/* From now on the worker has no memory for another stack. */
static int is_full(struct wsched_task *task, void *ctx)
{
    const struct rlimit none = { 0, 0 };

    (void)task;
    (void)ctx;
    return setrlimit(RLIMIT_AS, &none) ? -errno : 0;
}

static struct wsched *open_pool(uint32_t workers, uint32_t streams)
{
    static const struct wsched_kernel own[] = {
        { "stage", stage, NULL },           { "sums", sums, NULL }, { "waits", waits, NULL },
        { "calls_back", calls_back, NULL }, { "asks", asks, NULL }, { "deep", deep, NULL },
        { "is_full", is_full, NULL },
    };

    return stream_open(workers, streams, own, sizeof own / sizeof *own);
}

/* ---- tests --------------------------------------------------------------------------------- */

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
    struct wsched_spec s = {
        .kernel = "counts", .payload = &plan, .payload_size = sizeof plan, .stream = 5
    };
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
        struct wsched_spec s = { .kernel = "asks",
                                 .payload = i % 2 ? &b : &itself,
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
        CHILD_CHECK(!stream_join(&guest));
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

/* It fails when it is full, and holds up nobody. */
static void no_memory_for_a_stack(void)
{
    struct wsched *pool = open_pool(1, 0);
    struct wsched_future f = count_to(pool, 20, 2), full, g;
    long item;

    while (shared->yielded < 2)
        sched_yield();
    full = submit(pool, "is_full", NULL, 0, 0);
    REQUIRE(wsched_wait(pool, &full, 1, 1, -1, NULL) == 1);
    REQUIRE_OK(wsched_result(pool, full, NULL, 0, NULL));
    g = count_to(pool, 10, 2);
    REQUIRE(wsched_wait(pool, &g, 1, 1, -1, NULL) == 1);
    for (long i = 0; i < 2; i++) {
        CHECK_EQ(wsched_next(pool, g, &item, sizeof item, NULL, -1), 1);
        CHECK_EQ(item, i);
    }
    CHECK_EQ(wsched_next(pool, g, &item, sizeof item, NULL, -1), 0);
    CHECK_EQ(wsched_result(pool, g, NULL, 0, NULL), -ENOMEM);
    expect_numbers(pool, f, 0, 20);
    wsched_release(pool, f);
    wsched_release(pool, full);
    wsched_release(pool, g);
    close_pool(pool);
}

/* One that only looks whether there is work does not wait for takers; what it leaves runs elsewhere. */
static void a_guest_closes(void)
{
    struct wsched *pool = open_pool(1, 0), *guest = NULL;
    struct wsched_future h = submit(pool, "holds", NULL, 0, 0);

    while (!shared->held) /* the crew has enough to do */
        sched_yield();
    REQUIRE_OK(stream_join(&guest));
    struct wsched_future f = count_to(pool, 100, 4), g = count_to(pool, 50, 4);
    CHECK_EQ(wsched_work(guest, 0), -ETIMEDOUT);
    CHECK_EQ(shared->yielded, 8);
    for (long i = 0; i < 4; i++) {
        long item = -1;
        CHECK_EQ(wsched_next(pool, f, &item, sizeof item, NULL, -1), 1);
        CHECK_EQ(item, i);
    }
    CHECK_EQ(wsched_work(guest, 0), -ETIMEDOUT); /* goes on */
    CHECK_EQ(shared->yielded, 12);
    wsched_close(guest);
    CHECK_EQ(shared->ended, 2);
    CHECK_EQ(shared->error, -ESHUTDOWN);
    shared->go = 1;
    expect_numbers(pool, f, 4, 100);
    expect_numbers(pool, g, 0, 50);
    CHECK_EQ(wsched_wait(pool, &h, 1, 1, -1, NULL), 1);
    wsched_release(pool, f);
    wsched_release(pool, g);
    wsched_release(pool, h);
    close_pool(pool);
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
    REQUIRE_OK(stream_join(&guest));
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

TESTS("wsched: streams inside kernels", { "chains inside kernels", chains },
      { "kernels that wait", waiting_kernels }, { "deep down on a stack", deep_down },
      { "actors yield and take", actors }, { "circles of waits", circles },
      { "guests work", guests_work }, { "no memory for a stack", no_memory_for_a_stack },
      { "a guest leaves", a_guest_leaves }, { "a guest closes", a_guest_closes })
