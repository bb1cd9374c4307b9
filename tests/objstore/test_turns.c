/* SPDX-License-Identifier: MIT */
/* Who has to wait for another thread of its process, or works beside one that is busy. */
#define _GNU_SOURCE
#include "spill_kit.h"
#include "store.h"
#include "test.h"

#include <pthread.h>
#include <sched.h>
#include <time.h>

static struct objstore *s;
static struct au32 is_over;

static int64_t time_of(clockid_t clock)
{
    struct timespec t;

    REQUIRE(!clock_gettime(clock, &t));
    return t.tv_sec * 1000000000 + t.tv_nsec;
}

/* The call waits as long as these words say so, and takes next to no time for it. */
static void expect_rest(void *(*call)(void *), struct au32 *const busy[], uint32_t count)
{
    const int64_t span = 200000000;
    pthread_t thread;
    clockid_t clock;

    au32_store_release(&is_over, 0);
    for (uint32_t i = 0; i < count; i++)
        au32_store_release(busy[i], 1);
    REQUIRE(!pthread_create(&thread, NULL, call, NULL));
    REQUIRE(!pthread_getcpuclockid(thread, &clock));
    nanosleep(&(struct timespec){ 0, span / 10 }, NULL);
    int64_t before = time_of(clock);
    nanosleep(&(struct timespec){ 0, span }, NULL);
    CHECK(time_of(clock) - before < span / 4);
    CHECK_EQ(au32_load_acquire(&is_over), 0);
    for (uint32_t i = 0; i < count; i++)
        au32_store_release(busy[i], 0);
    pthread_join(thread, NULL);
    CHECK_EQ(au32_load_acquire(&is_over), 1);
}

static void *puts_one(void *arg)
{
    CHECK_EQ(kit_put(s, 1000, 4096), 0);
    au32_store_release(&is_over, 1);
    return arg;
}

static void *spills(void *arg)
{
    CHECK(objstore_spill(s, 8 << 20) > 0);
    au32_store_release(&is_over, 1);
    return arg;
}

static void waits_asleep(void)
{
    struct au32 *busy[CACHES];

    kit_make_dir();
    s = kit_make(8 << 20, 0);
    for (uint32_t i = 0; i < CACHES; i++)
        busy[i] = &s->caches[i].busy;
    expect_rest(puts_one, busy, CACHES);
    busy[0] = &s->replacing;
    expect_rest(spills, busy, 1);
    kit_end(s);
}

/* ---- a busy writer --------------------------------------------------------------------------- */

enum { SIZE = 64 << 10, BEFORE = 64, MEANWHILE = 2000 };

static void *goes_on(void *arg)
{
    for (uint64_t n = BEFORE; n < BEFORE + MEANWHILE && !au32_load_acquire(&is_over); n++)
        CHECK_EQ(kit_put(s, n, SIZE), 0);
    return arg;
}

/* What was there when it was called is spilled, or evicted; not all that comes. */
static void spill_ends(void)
{
    const uint32_t flags[] = { 0, OBJSTORE_CACHE };

    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        const uint64_t capacity = 32 << 20;
        pthread_t writer;

        kit_make_dir();
        s = kit_make(capacity, flags[i]);
        for (uint64_t n = 0; n < BEFORE; n++)
            CHECK_EQ(kit_put(s, n, SIZE), 0);
        au32_store_release(&is_over, 0);
        REQUIRE(!pthread_create(&writer, NULL, goes_on, NULL));
        while (kit_stats(s).used_bytes < (BEFORE + 32) * SIZE)
            sched_yield();
        int64_t freed = objstore_spill(s, capacity);
        au32_store_release(&is_over, 1);
        pthread_join(writer, NULL);
        CHECK(freed > 0 && (uint64_t)freed <= 2 * capacity);
        kit_end(s);
    }
}

TESTS("threads that wait for each other", { "who waits for its turn sleeps", waits_asleep },
      { "spilling all ends, whoever writes", spill_ends })
