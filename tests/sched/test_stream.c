/* SPDX-License-Identifier: MIT */
/* Streams from inside: a taker whose future is given back under its hands. */
#include "kit.h"
#include "point.h"
#include "pool.h"

#include <string.h>

/* Yields two numbers from its payload on. */
static int two(struct wsched_task *task, void *ctx)
{
    long n = *(const long *)wsched_task_payload(task, NULL), next = n + 1;
    int err = wsched_yield(task, &n, sizeof n);

    (void)ctx;
    return err ? err : wsched_yield(task, &next, sizeof next);
}

static const struct wsched_kernel kernels[] = { { "two", two, NULL } };
static struct wsched *pool;
static struct wsched_future first, second;
static const char *at; /* where the first future is given back */

static struct wsched_future yield_two(long from)
{
    struct wsched_spec spec = kit_spec("two", &from, sizeof from);
    struct wsched_future f;

    spec.stream = 4;
    REQUIRE_OK(wsched_submit(pool, &spec, &f));
    REQUIRE(wsched_wait(pool, &f, 1, 1, -1, NULL) == 1);
    return f;
}

/* Another thread's doing, at the worst moment: its record has the next stream's items in it. */
static void give_back(const char *name)
{
    if (strcmp(name, at))
        return;
    test_point = NULL;
    wsched_release(pool, first);
    second = yield_two(70);
}

static void take_from_another(const char *point)
{
    struct wsched_options o = WSCHED_OPTIONS_INIT;
    long item = -1;

    o.workers = 1;
    o.streams = 1; /* so it is the same record */
    REQUIRE_OK(wsched_open(&o, kernels, 1, &pool));
    first = yield_two(10);
    at = point;
    test_point = give_back;
    CHECK_EQ(wsched_next(pool, first, &item, sizeof item, NULL, -1), -EINVAL);
    REQUIRE(test_point == NULL);
    for (long want = 70; want < 72; want++) {
        CHECK_EQ(wsched_next(pool, second, &item, sizeof item, NULL, -1), 1);
        CHECK_EQ(item, want);
    }
    CHECK_EQ(wsched_next(pool, second, &item, sizeof item, NULL, -1), 0);
    wsched_release(pool, second);
    wsched_close(pool);
}

static void before_it_looks(void)
{
    take_from_another("stream: record found, not looked at");
}

static void after_it_copied(void)
{
    take_from_another("stream: item copied, not taken");
}

TESTS("wsched: streams from inside",
      { "a future given back before its taker looks at the record", before_it_looks },
      { "and after it has copied an item", after_it_copied })
