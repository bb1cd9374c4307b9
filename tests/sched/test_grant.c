/* SPDX-License-Identifier: MIT */
/* Named resources and CPU slots: never more than there is, nobody starves, nothing is lost. */
#define _GNU_SOURCE /* MAP_ANONYMOUS */
#include "kit.h"
#include "pool.h"

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>

static struct shared {
    struct au32 now, most, started, may_end, order[256];
} * shared;

/* Payload: what it holds, what to do (0: end, 1: wait until all may end, 2: die once), a name. */
static int use(struct wsched_task *task, void *ctx)
{
    const uint32_t *v = wsched_task_payload(task, NULL);
    uint32_t attempt = wsched_task_attempt(task);

    (void)ctx;
    au32_store_relaxed(&shared->order[au32_add_acq_rel(&shared->started, 1) % 256], v[2]);
    if (v[1] == 2 && attempt == 1)
        kill(getpid(), SIGKILL);
    uint32_t now = au32_add_acq_rel(&shared->now, v[0]) + v[0];
    uint32_t most = au32_load_acquire(&shared->most);
    while (most < now && !au32_cas_acq_rel(&shared->most, &most, now))
        ;
    for (int i = 0; i < 20; i++)
        sched_yield();
    while (v[1] == 1 && !au32_load_acquire(&shared->may_end))
        sched_yield();
    au32_add_acq_rel(&shared->now, 0u - v[0]);
    return 0;
}

static const struct wsched_kernel kernels[] = { { "use", use, NULL } };
static const struct wsched_resource there[] = { { "gpu", 3 }, { "disk", 1 } };

static struct wsched *open_pool(uint32_t workers)
{
    struct wsched_options o = WSCHED_OPTIONS_INIT;
    struct wsched *pool = NULL;

    shared = kit_share(sizeof *shared);
    o.workers = workers;
    o.resources = there;
    o.resource_count = 2;
    REQUIRE_OK(wsched_open(&o, kernels, 1, &pool));
    return pool;
}

/* All comes back: waits for it. */
static void close_pool(struct wsched *pool)
{
    struct wsched_resource_info r;

    for (uint32_t i = 0; wsched_resource_info(pool, i, &r) == 0; i++)
        while (r.held) {
            (void)!supervisor_check(pool);
            sched_yield();
            REQUIRE_OK(wsched_resource_info(pool, i, &r));
        }
    CHECK_EQ(wsched_verify(pool, NULL), 0);
    wsched_close(pool);
    munmap(shared, sizeof *shared);
}

static struct wsched_future submit(struct wsched *pool, const char *resource, uint32_t count,
                                   uint32_t what, uint32_t name)
{
    uint32_t v[] = { count, what, name };
    struct wsched_resource r = { resource, count };
    struct wsched_spec s = kit_spec("use", v, sizeof v);
    struct wsched_future f = { 0 };

    s.resources = &r;
    s.resource_count = resource != NULL;
    s.cpus = resource ? 0 : count;
    s.max_retries = 20;
    REQUIRE_OK(wsched_submit(pool, &s, &f));
    return f;
}

static void await_starts(uint32_t n)
{
    while (au32_load_acquire(&shared->started) < n)
        sched_yield();
}

static void never_more_than_there_is(void)
{
    enum { N = 200 };
    for (int cpus = 0; cpus < 2; cpus++) {
        struct wsched *pool = open_pool(5);
        struct wsched_future f[N];
        for (uint32_t i = 0; i < N; i++)
            f[i] = submit(pool, cpus ? NULL : "gpu", 1 + i % 3, i % 10 == 9 ? 2 : 0, 0);
        CHECK_EQ(wsched_wait(pool, f, N, N, -1, NULL), N);
        for (int i = 0; i < N; i++)
            CHECK_EQ(kit_wait(pool, f[i]), 0);
        CHECK(au32_load_acquire(&shared->most) <= (cpus ? 5 : 3));
        close_pool(pool);
    }
}

/* The big one waits for all three; what is younger waits for it; what needs other things does not.
 */
static void big_ones_do_not_starve(void)
{
    struct wsched *pool = open_pool(4);
    struct wsched_future first = submit(pool, "gpu", 1, 1, 1);
    await_starts(1);
    struct wsched_future big = submit(pool, "gpu", 3, 0, 2), small[5];
    for (int i = 0; i < 5; i++)
        small[i] = submit(pool, "gpu", 1, 0, 3);
    struct wsched_future other = submit(pool, "disk", 1, 0, 4);
    struct wsched_future plain = submit(pool, NULL, 0, 0, 5);
    struct wsched_future cancelled = submit(pool, "gpu", 3, 0, 6);
    CHECK_EQ(kit_wait(pool, other), 0);
    CHECK_EQ(kit_wait(pool, plain), 0);
    REQUIRE_OK(wsched_cancel(pool, cancelled));
    CHECK_EQ(wsched_wait(pool, &big, 1, 1, 0, NULL), -ETIMEDOUT);
    CHECK_EQ(wsched_wait(pool, small, 5, 1, 20, NULL), -ETIMEDOUT);
    CHECK_EQ(au32_load_acquire(&shared->started), 3);
    au32_store_release(&shared->may_end, 1);
    CHECK_EQ(kit_wait(pool, first), 0);
    CHECK_EQ(wsched_wait(pool, small, 5, 5, -1, NULL), 5);
    CHECK_EQ(kit_wait(pool, big), 0);
    CHECK_EQ(au32_load_acquire(&shared->order[3]), 2);
    CHECK_EQ(au32_load_acquire(&shared->most), 3);
    close_pool(pool);
}

static void survives_the_supervisor(void)
{
    enum { N = 60 };
    struct wsched *pool = open_pool(3);
    struct wsched_future f[N];

    for (uint32_t i = 0; i < N; i++) {
        f[i] = submit(pool, i % 4 ? "gpu" : "disk", i % 4 ? i % 4 : 1, 0, 0);
        if (i % 20 == 10)
            kill(pool->supervisor, SIGKILL);
    }
    CHECK_EQ(wsched_wait(pool, f, N, N, -1, NULL), N);
    for (int i = 0; i < N; i++)
        CHECK_EQ(kit_wait(pool, f[i]), 0);
    close_pool(pool);
}

static void refuses(void)
{
    struct wsched *pool = open_pool(2);
    struct wsched_resource r[] = { { "gpu", 2 }, { "gpu", 2 }, { "none", 1 } };
    struct wsched_resource_info info;
    struct wsched_future f;
    uint32_t v[3] = { 0 };
    struct wsched_spec s = kit_spec("use", v, sizeof v);

    s.resources = r;
    s.resource_count = 2; /* four in all */
    CHECK_EQ(wsched_submit(pool, &s, &f), -EINVAL);
    s.resources = &r[2];
    s.resource_count = 1;
    CHECK_EQ(wsched_submit(pool, &s, &f), -EINVAL);
    s.resources = NULL;
    CHECK_EQ(wsched_submit(pool, &s, &f), -EINVAL);
    s.resource_count = 0;
    s.cpus = 3;
    CHECK_EQ(wsched_submit(pool, &s, &f), -EINVAL);
    REQUIRE_OK(wsched_resource_info(pool, 0, &info));
    CU_ASSERT_STRING_EQUAL(info.name, "cpu");
    CHECK_EQ(info.total, 2);
    REQUIRE_OK(wsched_resource_info(pool, 1, &info));
    CU_ASSERT_STRING_EQUAL(info.name, "gpu");
    CHECK_EQ(wsched_resource_info(pool, 3, &info), -ENOENT);
    CHECK_EQ(wsched_resource_info(pool, 0, NULL), -EINVAL);
    close_pool(pool);

    struct wsched_options o = WSCHED_OPTIONS_INIT;
    struct wsched_resource bad[][2] = {
        { { "", 1 } },      { { "cpu", 1 } }, { { "x", 0 } },
        { { "x", 65536 } }, { { NULL, 1 } },  { { "01234567890123456789012345678901", 1 } }
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        o.resources = bad[i];
        o.resource_count = 1;
        CHECK_EQ(wsched_open(&o, kernels, 1, &pool), -EINVAL);
    }
    o.resources = r; /* twice the same */
    o.resource_count = 2;
    CHECK_EQ(wsched_open(&o, kernels, 1, &pool), -EINVAL);
    o.resource_count = 8;
    CHECK_EQ(wsched_open(&o, kernels, 1, &pool), -EINVAL);
}

TESTS("wsched: resources",
      { "never more is held than there is, also when workers die", never_more_than_there_is },
      { "big ones do not starve, others go on", big_ones_do_not_starve },
      { "grants survive the supervisor", survives_the_supervisor },
      { "what cannot be is refused", refuses })
