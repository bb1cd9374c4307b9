/* SPDX-License-Identifier: MIT */
/* Stopping tasks by force: the right one, and nobody else. */
#define _GNU_SOURCE /* MAP_ANONYMOUS */
#include "kit.h"
#include "point.h"
#include "pool.h"

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>

/* Shared with the workers and the supervisor. */
static struct shared {
    struct au32 starts[8], may_end, reached, stopped;
} * shared;

static void share(void)
{
    shared = kit_share(sizeof *shared);
}

/* Payload: its number. Does not look whether it was asked to stop. */
static int stubborn(struct wsched_task *task, void *ctx)
{
    const uint32_t *i = wsched_task_payload(task, NULL);

    (void)ctx;
    au32_add_acq_rel(&shared->starts[*i], 1);
    while (!au32_load_acquire(&shared->may_end))
        sched_yield();
    return 0;
}

static int obedient(struct wsched_task *task, void *ctx)
{
    const uint32_t *i = wsched_task_payload(task, NULL);

    (void)ctx;
    au32_add_acq_rel(&shared->starts[*i], 1);
    while (!wsched_task_cancelled(task))
        sched_yield();
    return -ECANCELED;
}

/* Submits a stubborn one, number 3, and waits for it: both stand on one stack. */
static int parent(struct wsched_task *task, void *ctx)
{
    struct wsched *pool = wsched_task_pool(task);
    struct wsched_future child;
    uint32_t three = 3, i = *(const uint32_t *)wsched_task_payload(task, NULL);
    struct wsched_spec s = kit_spec("stubborn", &three, sizeof three);

    (void)ctx;
    au32_add_acq_rel(&shared->starts[i], 1);
    if (wsched_task_attempt(task) > 1)
        return 0;
    int err = wsched_submit(pool, &s, &child);
    if (!err)
        err = wsched_wait(pool, &child, 1, 1, -1, NULL);
    return err < 0 ? err : 0;
}

static const struct wsched_kernel kernels[] = {
    { "stubborn", stubborn, NULL },
    { "obedient", obedient, NULL },
    { "parent", parent, NULL },
};

static struct wsched *open_pool(uint32_t workers)
{
    struct wsched_options o = WSCHED_OPTIONS_INIT;

    share();
    o.workers = workers;
    return kit_open_with(&o, kernels, sizeof kernels / sizeof *kernels);
}

static void close_pool(struct wsched *pool)
{
    kit_close(pool);
    munmap(shared, sizeof *shared);
}

static struct wsched_future start(struct wsched *pool, const char *kernel, uint32_t number,
                                  int32_t retries)
{
    return kit_submit_retried(pool, kernel, &number, sizeof number, retries);
}

static void await_start(uint32_t number)
{
    while (!au32_load_acquire(&shared->starts[number]))
        sched_yield();
}

static void kills(void)
{
    struct wsched *pool = open_pool(1);
    struct wsched_future f = start(pool, "stubborn", 0, 0), next = start(pool, "stubborn", 1, 0);
    struct wsched_failure failure;
    struct wsched_death death;
    struct wsched_stats stats;
    uint64_t cursor = 0;

    await_start(0);
    REQUIRE_OK(wsched_kill(pool, f, 0));
    CHECK_EQ(kit_wait(pool, f), -ECANCELED);
    REQUIRE_OK(wsched_failure(pool, f, &failure));
    CU_ASSERT_STRING_EQUAL(failure.text, "stubborn was cancelled");
    await_start(1); /* its worker was replaced */
    REQUIRE_OK(wsched_kill(pool, next, 10000000));
    REQUIRE_OK(wsched_kill(pool, next, 5)); /* the sooner time counts */
    REQUIRE_OK(wsched_kill(pool, next, 20000000));
    CHECK_EQ(kit_wait(pool, next), -ECANCELED);
    CHECK_EQ(wsched_next_death(pool, &cursor, &death), 1);
    CHECK_EQ(death.signal, SIGKILL);
    CU_ASSERT_STRING_EQUAL(death.kernel, "stubborn");
    REQUIRE_OK(wsched_stats(pool, &stats));
    CHECK_EQ(stats.worker_deaths, 2);
    CHECK_EQ(stats.cancelled, 2);
    CHECK_EQ(stats.retried, 0);
    close_pool(pool);
}

static void spares_who_obeys(void)
{
    struct wsched *pool = open_pool(1);
    struct wsched_future f = start(pool, "obedient", 0, 0), queued = start(pool, "obedient", 1, 0);
    struct wsched_stats stats;

    await_start(0);
    REQUIRE_OK(wsched_kill(pool, queued, 0)); /* never runs */
    CHECK_EQ(kit_wait(pool, queued), -ECANCELED);
    CHECK_EQ(wsched_kill(pool, queued, 0), -EALREADY);
    CHECK_EQ(wsched_kill(pool, f, -1), -EINVAL);
    REQUIRE_OK(wsched_kill(pool, f, 10000000));
    CHECK_EQ(kit_wait(pool, f), -ECANCELED);
    CHECK_EQ(au32_load_acquire(&shared->starts[1]), 0);
    wsched_release(pool, f);
    CHECK_EQ(wsched_kill(pool, f, 0), -EINVAL);
    REQUIRE_OK(wsched_stats(pool, &stats));
    CHECK_EQ(stats.worker_deaths, 0);
    close_pool(pool);
}

/* Parents whose children are killed on top of them: run again, although they had used up their
 * attempts, unless they may run once only. */
static void innocents_run_again(void)
{
    for (int once = 0; once < 2; once++) {
        struct wsched *pool = open_pool(1);
        struct wsched_future f = start(pool, "parent", 0, once ? -1 : 1);
        struct wsched_failure failure;
        uint32_t index;
        uint64_t word;

        await_start(3);
        /* The child is known to its parent alone: it stands in the slot of the worker's note. */
        uint64_t note = au64_load_acquire(&pool->seats[0].running[1]);
        index = (uint32_t)(note & 0x1fffff) - 1;
        word = au64_load_acquire(&task_at(pool, index)->word);
        struct wsched_future child = { future_make(index, word_generation(word)) };
        REQUIRE_OK(wsched_kill(pool, child, 0));
        CHECK_EQ(kit_wait(pool, f), once ? -EOWNERDEAD : 0);
        CHECK_EQ(au32_load_acquire(&shared->starts[0]), once ? 1 : 2);
        CHECK_EQ(au32_load_acquire(&shared->starts[3]), 1);
        if (once) {
            REQUIRE_OK(wsched_failure(pool, f, &failure));
            CU_ASSERT_STRING_EQUAL(
                failure.text, "killed by signal 9 (Killed) while running parent, attempt 1 of 1");
        }
        close_pool(pool);
    }
}

/* The supervisor is about to stop the worker: now the task ends, and another starts. */
static void swap_tasks(const char *name)
{
    if (strcmp(name, "timer: about to stop a worker") != 0)
        return;
    au32_store_release(&shared->may_end, 1);
    while (!au32_load_acquire(&shared->starts[1]))
        sched_yield();
    au32_store_release(&shared->reached, 1);
}

static void the_next_one_is_not_hit(void)
{
    test_point = swap_tasks;
    struct wsched *pool = open_pool(1);
    test_point = NULL;
    struct wsched_future f = start(pool, "stubborn", 0, 0), next = start(pool, "obedient", 1, -1);
    struct wsched_stats stats;

    await_start(0);
    REQUIRE_OK(wsched_kill(pool, f, 0));
    CHECK_EQ(kit_wait(pool, f), 0); /* it ended by itself, in the last moment */
    while (!au32_load_acquire(&shared->reached))
        sched_yield();
    REQUIRE_OK(wsched_cancel(pool, next));
    CHECK_EQ(kit_wait(pool, next), -ECANCELED); /* it was stopped for a moment, and went on */
    CHECK_EQ(au32_load_acquire(&shared->starts[1]), 1);
    REQUIRE_OK(wsched_stats(pool, &stats));
    CHECK_EQ(stats.worker_deaths, 0);
    close_pool(pool);
}

/* Somebody else, a debugger or a shell, sets the worker going whom the supervisor wants to stand still. */
static const char *at;

static void set_going(const char *name)
{
    uint32_t one = 1;

    if (!strcmp(name, at) && au32_cas_acq_rel(&shared->reached, &one, 0))
        kill((pid_t)au32_load_acquire(&shared->stopped), SIGCONT);
}

static void a_meddler_saves_nobody(void)
{
    static const char *const points[] = { "timer: about to stop a worker",
                                          "timer: worker stopped, not killed" };

    for (int i = 0; i < 4; i++) {
        at = points[i / 2];
        test_point = set_going;
        struct wsched *pool = open_pool(1);
        struct wsched_worker_info info = { 0 };
        struct wsched_future f = start(pool, "stubborn", 0, 0);

        await_start(0);
        pid_t pid = kit_worker_pid(pool, 0);
        au32_store_release(&shared->stopped, (uint32_t)pid);
        au32_store_release(&shared->reached, 1);
        if (i % 2) { /* it stands still, by whoever will set it going */
            REQUIRE(!kill(pid, SIGSTOP));
            while (info.state != WSCHED_WORKER_STOPPED)
                REQUIRE_OK(wsched_worker_info(pool, 0, &info));
        }
        REQUIRE_OK(wsched_kill(pool, f, 0));
        CHECK_EQ(kit_wait(pool, f), -ECANCELED);
        CHECK_EQ(au32_load_acquire(&shared->reached), 0);
        test_point = NULL;
        close_pool(pool);
    }
}

TESTS("wsched: stopping tasks", { "a task that does not stop is killed with its worker", kills },
      { "one that stops in time is not, nor one that has not started", spares_who_obeys },
      { "tasks on the same stack run again, or fail if they may not", innocents_run_again },
      { "the worker's next task is not hit", the_next_one_is_not_hit },
      { "whom somebody else sets going is stopped again", a_meddler_saves_nobody })
