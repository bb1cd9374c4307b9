/* SPDX-License-Identifier: MIT */
/* Slots of a large pool: a free one is found wherever it is, and used ones are used again. */
#include "kit.h"
#include "point.h"
#include "pool.h"

#include <sched.h>
#include <string.h>

#define CAPACITY 16384u
#define MOST (2 * CAPACITY)

static struct wsched_future futures[MOST];

/* As many of n as the pool takes at once, in futures[first..], all of them over. */
static uint32_t submit(struct wsched *pool, uint32_t first, uint32_t n)
{
    struct wsched_spec s = kit_spec("nothing", NULL, 0);
    uint32_t taken = 0;

    s.flags = WSCHED_NO_WAIT;
    while (taken < n && !wsched_submit(pool, &s, &futures[first + taken]))
        taken++;
    REQUIRE(wsched_wait(pool, futures + first, taken, taken, -1, NULL) == (int)taken);
    for (uint32_t i = first; i < first + taken; i++) /* who gives it back frees its slot */
        while (!(au64_load_acquire(&task_at(pool, future_index(futures[i].v))->word) & WORD_TOLD))
            sched_yield();
    return taken;
}

/* The pool is full but for the driver's stock and one slot, here and there. */
static void the_last_is_found(void)
{
    struct wsched *pool = kit_open(1, CAPACITY);
    uint32_t all = submit(pool, 0, MOST), stock = pool->free_max;

    CHECK(all >= CAPACITY && all < MOST);
    REQUIRE(stock > 0 && all > stock + 64 * 128); /* many words of the map */
    for (uint32_t i = 0; i < 16; i++) {
        uint32_t last = stock + (uint32_t)((uint64_t)i * 5 % 16 * (all - stock - 1) / 15);
        uint32_t index = future_index(futures[last].v);
        wsched_release_many(pool, futures, stock); /* those it keeps */
        wsched_release(pool, futures[last]);       /* so this one goes to the map */
        if (i % 2) /* a process died that gave it, or looked (E5 of task.c) */
            au32_store_relaxed(&pool->header->map_filled, 0); /* relaxed: alone */
        CHECK_EQ(submit(pool, 0, stock), stock);
        CHECK_EQ(submit(pool, last, 1), 1);
        CHECK_EQ(future_index(futures[last].v), index);
    }
    struct wsched_spec s = kit_spec("nothing", NULL, 0);
    s.flags = WSCHED_NO_WAIT;
    CHECK_EQ(wsched_submit(pool, &s, &futures[all]), -EAGAIN);
    wsched_release_many(pool, futures, all);
    wsched_close(pool);
}

/* More than the driver's stock come and go: the pool's memory does not grow with time. */
static void used_ones_are_used_again(void)
{
    struct wsched *pool = kit_open(1, 4 * CAPACITY);
    uint32_t n = pool->free_max + pool->free_max / 4;

    REQUIRE(n <= MOST);
    for (int round = 0; round < 20; round++) {
        CHECK_EQ(submit(pool, 0, n), n);
        wsched_release_many(pool, futures, n);
    }
    uint32_t used = au32_load_relaxed(&pool->header->tasks_used); /* relaxed: nobody else adds */
    CHECK_EQ(used, (n + 63) / 64 * 64);                           /* they are taken by 64 */
    wsched_close(pool);
}

/* Somebody gives a slot while another is about to say that there is none: E5 of task.c. */
static struct wsched *given_pool;
static uint32_t given_index;

static void give(const char *point)
{
    if (strcmp(point, "task: free map empty, not said to be"))
        return;
    test_point = NULL;
    free_map_give(given_pool, given_index);
}

static void given_meanwhile(void)
{
    struct wsched *pool = given_pool = kit_open(1, CAPACITY);
    uint32_t stock = pool->free_max, n = stock + 64; /* they are taken by 64 */

    REQUIRE(stock % 64 == 0);
    CHECK_EQ(submit(pool, 0, n), n);
    wsched_release_many(pool, futures, n); /* the last 64 go to the map: not yet */
    for (uint32_t i = stock; i < n; i++) {
        uint32_t index = given_index = future_index(futures[i].v);
        uint64_t bit = 1ull << index % 64;
        CHECK((au64_and_acq_rel(&pool->free_map[index / 64], ~bit) & bit) != 0);
    }
    CHECK_EQ(submit(pool, 0, stock), stock);
    test_point = give;
    CHECK_EQ(submit(pool, stock, 1), 1);
    REQUIRE(test_point == NULL);
    CHECK_EQ(future_index(futures[stock].v), given_index);
    wsched_release_many(pool, futures, stock + 1);
    wsched_close(pool);
}

TESTS("wsched: slots", { "the last free slot is found, wherever it is", the_last_is_found },
      { "used slots are used again", used_ones_are_used_again },
      { "one that is given at the worst moment is not overlooked", given_meanwhile })
