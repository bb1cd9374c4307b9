/* SPDX-License-Identifier: MIT */
/*
 * What waits for its takers in a guest that closes runs elsewhere: whatever its kernel makes of
 * that, however often it happens, and though all others sleep.
 */
#include "stream_kit.h"

#include <sched.h>

#include "pool.h"

/* ---- kernels ------------------------------------------------------------------------------- */

/* Looks whether it was asked to stop, rather than at the error. */
static int looks(struct wsched_task *task, void *ctx)
{
    const long count = *(const long *)wsched_task_payload(task, NULL);

    (void)ctx;
    for (long i = 0; i < count; i++)
        if (wsched_yield(task, &i, sizeof i)) {
            shared->ended++;
            return wsched_task_cancelled(task) ? -ECANCELED : -EDOM;
        }
    return 0;
}

static int marks(struct wsched_task *task, void *ctx)
{
    (void)ctx;
    shared->yielded += wsched_task_worker(task) != 0; /* not the crew's */
    return 0;
}

/* Submits once more before it ends, though there may be no room. */
static int submits(struct wsched_task *task, void *ctx)
{
    const long count = *(const long *)wsched_task_payload(task, NULL);
    struct wsched *pool = wsched_task_pool(task);
    struct wsched_future f;
    int err = 0;

    (void)ctx;
    for (long i = 0; i < count && !err; i++)
        err = wsched_yield(task, &i, sizeof i);
    if (!err)
        return 0;
    shared->error = wsched_submit(pool, &(struct wsched_spec){ .kernel = "marks" }, &f);
    if (!shared->error)
        wsched_release(pool, f);
    return err;
}

static struct wsched_actor busy; /* with a full mailbox, until it is let go */

/* Waits for room in a mailbox, then yields. */
static int calls(struct wsched_task *task, void *ctx)
{
    const long count = *(const long *)wsched_task_payload(task, NULL);
    struct wsched *pool = wsched_task_pool(task);
    const struct wsched_spec s = { .kernel = "marks" };
    struct wsched_future f;
    bool was_cancelled = wsched_fork_cancelled(wsched_task_fork(task));
    int err = wsched_actor_find(pool, "busy", &busy);

    (void)ctx;
    if (!err)
        err = wsched_actor_call(pool, busy, &s, &f);
    if (err) {
        shared->error = err;
        shared->ended += !was_cancelled && wsched_fork_cancelled(wsched_task_fork(task));
        return err;
    }
    wsched_release(pool, f);
    for (long i = 0; i < count && !err; i++)
        err = wsched_yield(task, &i, sizeof i);
    return err;
}

/* ---- tests --------------------------------------------------------------------------------- */

static struct wsched_future held;

/* A pool of one worker, which is held. */
static struct wsched *open_held(void)
{
    static const struct wsched_kernel own[] = { { "looks", looks, NULL },
                                                { "marks", marks, NULL },
                                                { "submits", submits, NULL },
                                                { "calls", calls, NULL } };
    struct wsched *pool = stream_open(1, 0, own, sizeof own / sizeof *own);

    held = submit(pool, "holds", NULL, 0, 0);
    while (!shared->held)
        sched_yield();
    return pool;
}

static void let_go(struct wsched *pool)
{
    shared->go = 1;
    CHECK_EQ(wsched_wait(pool, &held, 1, 1, -1, NULL), 1);
    wsched_release(pool, held);
}

static struct wsched *worked(void)
{
    struct wsched *guest = NULL;

    REQUIRE_OK(stream_join(&guest));
    CHECK_EQ(wsched_work(guest, 0), -ETIMEDOUT);
    return guest;
}

static struct wsched_future submit_numbers(struct wsched *pool, const char *kernel, int retries)
{
    static const long count = 20;
    const struct plan plan = { .count = count, .die_after = -1 };
    struct wsched_spec s = { .kernel = kernel,
                             .payload = &plan,
                             .payload_size = sizeof plan,
                             .stream = 4,
                             .max_retries = retries };

    return kit_submit_spec(pool, &s);
}

/* It was not cancelled, whatever it thinks. */
static void says_it_was_cancelled(void)
{
    struct wsched *pool = open_held();
    struct wsched_future f = submit_numbers(pool, "looks", 9);
    struct wsched *guest = worked();

    wsched_close(guest);
    CHECK_EQ(shared->ended, 1);
    let_go(pool);
    expect_numbers(pool, f, 0, 20);
    CHECK_EQ(wsched_result(pool, f, NULL, 0, NULL), 0);
    wsched_release(pool, f);
    close_pool(pool);
}

/* And if it was, it is not run again. */
static void was_cancelled(void)
{
    struct wsched *pool = open_held();
    struct wsched_future f = submit_numbers(pool, "looks", 9);
    struct wsched *guest = worked();

    REQUIRE_OK(wsched_cancel(pool, f));
    wsched_close(guest);
    CHECK_EQ(wsched_result(pool, f, NULL, 0, NULL), -ECANCELED);
    wsched_release(pool, f);
    let_go(pool);
    close_pool(pool);
}

/* As with a death beside which it stood: that is not charged. But what may run once only has run. */
static void again_and_again(void)
{
    struct wsched *pool = open_held();
    struct wsched_future f = submit_numbers(pool, "counts", 1);
    struct wsched_future once = submit_numbers(pool, "counts", -1);

    for (int i = 0; i < 5; i++) {
        struct wsched *guest = worked();
        wsched_close(guest);
        CHECK_EQ(wsched_result(pool, f, NULL, 0, NULL), -EINPROGRESS);
        CHECK_EQ(wsched_result(pool, once, NULL, 0, NULL), -ESHUTDOWN);
    }
    let_go(pool);
    expect_numbers(pool, f, 0, 20);
    expect_numbers(pool, once, 0, 4);
    wsched_release(pool, f);
    wsched_release(pool, once);
    close_pool(pool);
}

static void await_sleep(const struct wsched *pool)
{
    const struct header *h = pool->header;

    while (!(au64_load_acquire(&h->sleepers[0]) & 1) ||
           !au32_load_acquire(&pool->seats[0].park.word))
        sched_yield();
}

/* Urgent or not, somebody is woken for it. */
static void all_sleep(void)
{
    for (int priority = WSCHED_PRIORITY_LOW; priority <= WSCHED_PRIORITY_HIGH; priority++) {
        struct wsched *pool = open_held();
        const struct plan plan = { .count = 20, .die_after = -1 };
        struct wsched_spec s = { .kernel = "counts",
                                 .payload = &plan,
                                 .payload_size = sizeof plan,
                                 .stream = 4,
                                 .priority = priority };
        struct wsched_future f = kit_submit_spec(pool, &s);
        struct wsched *guest = worked();
        let_go(pool);
        await_sleep(pool);
        wsched_close(guest);
        expect_numbers(pool, f, 0, 20);
        wsched_release(pool, f);
        close_pool(pool);
    }
}

/* A guest that closes begins nothing new, though a kernel waits in it for room. */
static void nothing_new(void)
{
    struct wsched *pool = open_held();
    struct wsched_future f = submit_numbers(pool, "submits", 9), more[200];
    struct wsched *guest = worked();
    struct wsched_spec s = { .kernel = "marks", .flags = WSCHED_NO_WAIT };
    int n = 0;

    while (wsched_submit(pool, &s, &more[n]) == 0)
        n++;
    CHECK(n > 100);
    wsched_close(guest);
    CHECK_EQ(shared->error, -EAGAIN);
    let_go(pool);
    CHECK_EQ(wsched_wait(pool, more, (size_t)n, (size_t)n, -1, NULL), n);
    CHECK_EQ(shared->yielded, 0);
    wsched_release_many(pool, more, (size_t)n);
    expect_numbers(pool, f, 0, 20);
    wsched_release(pool, f);
    close_pool(pool);
}

/* It waits beside the stack for room in a mailbox: others go on meanwhile, and it can leave. */
static void waits_for_room(void)
{
    struct wsched *pool = open_held();
    const struct wsched_actor_spec spec = { .name = "busy", .mailbox_capacity = 1 };
    const struct wsched_spec call = { .kernel = "holds" };
    struct wsched_future first;

    REQUIRE_OK(wsched_actor_new(pool, &spec, &busy));
    REQUIRE_OK(wsched_actor_call(pool, busy, &call, &first));
    struct wsched_future f = submit_numbers(pool, "calls", 9);
    struct wsched_future g = submit_numbers(pool, "looks", 9);
    struct wsched *guest = worked();
    long item = -1;
    CHECK_EQ(wsched_next(pool, f, &item, sizeof item, NULL, 0), -ETIMEDOUT);
    CHECK_EQ(wsched_next(pool, g, &item, sizeof item, NULL, 0), 1);
    wsched_close(guest);
    CHECK_EQ(shared->error, -ESHUTDOWN);
    CHECK_EQ(shared->ended, 2); /* one said that it saw it in its jobs */
    let_go(pool);
    expect_numbers(pool, f, 0, 20);
    expect_numbers(pool, g, 1, 20);
    CHECK_EQ(kit_wait(pool, first), 0);
    wsched_release(pool, first);
    wsched_release(pool, f);
    wsched_release(pool, g);
    close_pool(pool);
}

TESTS("wsched: streams in a guest that closes",
      { "the kernel says it was cancelled", says_it_was_cancelled },
      { "it was cancelled", was_cancelled }, { "again and again", again_and_again },
      { "all others sleep", all_sleep }, { "nothing new is begun", nothing_new },
      { "it waits for room in a mailbox", waits_for_room })
