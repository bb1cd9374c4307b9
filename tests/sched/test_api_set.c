/* SPDX-License-Identifier: MIT */
/* Sets of futures: each comes out once, when it is done, whatever the order. */
#include "kit.h"

#define TASKS 1000

static struct wsched_future f[TASKS];
static long values[TASKS];

static struct wsched_set *filled(struct wsched *pool, uint32_t n)
{
    struct wsched_set *set;

    REQUIRE_OK(wsched_set_new(pool, &set));
    for (uint32_t i = 0; i < n; i++) {
        values[i] = i;
        f[i] = kit_submit(pool, "add", &values[i], sizeof values[i]);
        REQUIRE_OK(wsched_set_add(set, &f[i], 1));
    }
    return set;
}

/* Takes what comes, `cap` at most at a time; the sum of the results. */
static long take_all(struct wsched *pool, struct wsched_set *set, size_t cap)
{
    struct wsched_future out[7];
    long sum = 0, part;
    int n;

    while ((n = wsched_set_wait(set, -1, out, cap)) > 0)
        for (int i = 0; i < n; i++) {
            REQUIRE_OK(wsched_result(pool, out[i], &part, sizeof part, NULL));
            wsched_release(pool, out[i]);
            sum += part;
        }
    CHECK_EQ(n, 0);
    CHECK_EQ(wsched_set_size(set), 0);
    return sum;
}

static void each_comes_out_once(void)
{
    struct wsched *pool = kit_open(2, 0);

    for (size_t cap = 1; cap <= 7; cap += 3) {
        struct wsched_set *set = filled(pool, TASKS);
        CHECK_EQ(wsched_set_size(set), TASKS);
        CHECK_EQ(take_all(pool, set, cap), (long)TASKS * (TASKS - 1) / 2);
        wsched_set_free(set);
    }
    wsched_close(pool);
}

/* Two that wait at a gate stand before and after those that are done, and are added to. */
static void out_of_order(void)
{
    struct wsched_future held[2], out[TASKS];
    struct wsched_set *set;
    long sum = 0;
    int n = 0;

    gate_make();
    struct wsched *pool = kit_open(3, 0);
    for (int i = 0; i < 2; i++)
        held[i] = kit_submit(pool, "wait", NULL, 0);
    (void)gate_arrival();
    (void)gate_arrival();
    REQUIRE_OK(wsched_set_new(pool, &set));
    for (int i = 0; i < 100; i++) {
        values[i] = i;
        f[i] = kit_submit(pool, "add", &values[i], sizeof values[i]);
    }
    REQUIRE_OK(wsched_set_add(set, &held[0], 1));
    REQUIRE_OK(wsched_set_add(set, f, 50));
    REQUIRE_OK(wsched_set_add(set, &held[1], 1));
    REQUIRE_OK(wsched_set_add(set, f + 50, 50));
    while (n < 100) {
        int more = wsched_set_wait(set, -1, out, 7);
        REQUIRE(more > 0);
        for (int i = 0; i < more; i++) {
            CHECK(out[i].v != held[0].v && out[i].v != held[1].v);
            sum += kit_long(pool, out[i]);
        }
        n += more;
    }
    CHECK_EQ(sum, 99 * 100 / 2);
    CHECK_EQ(wsched_set_wait(set, 0, out, 1), -ETIMEDOUT);
    CHECK_EQ(wsched_set_wait(set, 1, out, 1), -ETIMEDOUT);
    CHECK_EQ(wsched_set_size(set), 2);
    gate_open();
    CHECK_EQ(take_all(pool, set, 2), 2); /* both in their first attempt */
    wsched_set_free(set);
    wsched_close(pool);
    gate_free();
}

/* It is added to for ever, as by who keeps so many in flight; no future is lost or told twice. */
static void in_flight(void)
{
    enum { FLIGHT = 20, ROUNDS = 200 };
    struct wsched *pool = kit_open(2, 0);
    struct wsched_set *set = filled(pool, FLIGHT);
    struct wsched_future out[FLIGHT];
    long next = FLIGHT, sum = 0;

    for (int round = 0; round < ROUNDS; round++) {
        int n = wsched_set_wait(set, -1, out, 1 + (size_t)round % FLIGHT);
        REQUIRE(n > 0);
        for (int i = 0; i < n; i++) {
            sum += kit_long(pool, out[i]);
            out[i] = kit_submit(pool, "add", &next, sizeof next);
            next++;
        }
        REQUIRE_OK(wsched_set_add(set, out, (size_t)n));
        CHECK_EQ(wsched_set_size(set), FLIGHT);
    }
    sum += take_all(pool, set, 7);
    CHECK_EQ(sum, next * (next - 1) / 2);
    wsched_set_free(set);
    wsched_close(pool);
}

static void errors(void)
{
    struct wsched *pool = kit_open(1, 0);
    struct wsched_future none = { 0 }, out;
    struct wsched_set *set;

    CHECK_EQ(wsched_set_new(pool, NULL), -EINVAL);
    CHECK_EQ(wsched_set_new(NULL, &set), -EINVAL);
    REQUIRE_OK(wsched_set_new(pool, &set));
    CHECK_EQ(wsched_set_add(set, &none, 1), -EINVAL);
    CHECK_EQ(wsched_set_add(set, NULL, 1), -EINVAL);
    CHECK_EQ(wsched_set_add(NULL, &none, 1), -EINVAL);
    REQUIRE_OK(wsched_set_add(set, NULL, 0));
    CHECK_EQ(wsched_set_wait(set, -1, &out, 1), 0);
    CHECK_EQ(wsched_set_wait(set, -1, NULL, 1), -EINVAL);
    CHECK_EQ(wsched_set_wait(set, -1, &out, 0), -EINVAL);
    CHECK_EQ(wsched_set_wait(NULL, -1, &out, 1), -EINVAL);
    CHECK_EQ(wsched_set_size(NULL), 0);
    wsched_set_free(NULL);
    wsched_set_free(set);
    wsched_close(pool);
}

TESTS("wsched: sets", { "each comes out once", each_comes_out_once },
      { "out of order", out_of_order }, { "so many in flight, for ever", in_flight }, { "errors", errors })
