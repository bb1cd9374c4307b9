/* SPDX-License-Identifier: MIT */
/* Guests that work: threads and processes beside the crew, that come, leave, stop and die. */
#include "guests.h"

#include <pthread.h>

static struct wsched *child_join_to_work(void)
{
    struct wsched *guest = NULL;

    CHILD_CHECK(!wsched_join(name, kit_kernels, kit_kernel_count, NULL, &guest));
    return guest;
}

/* A child that works until the pool ends; returns when it sleeps. */
static pid_t child_works(struct wsched *pool)
{
    int ready[2];
    uint32_t seat = 0;

    REQUIRE(!pipe(ready));
    pid_t pid = fork();
    if (pid == 0) {
        struct wsched *guest = child_join_to_work();
        CHILD_CHECK(write(ready[1], &guest->seat, sizeof guest->seat) == sizeof guest->seat);
        int err = wsched_work(guest, -1);
        CHILD_CHECK(err == -ESHUTDOWN);
        wsched_close(guest);
        _exit(0);
    }
    REQUIRE(read(ready[0], &seat, sizeof seat) == sizeof seat);
    while (!au32_load_acquire(&park_of(pool, seat)->word))
        sched_yield();
    close(ready[0]);
    close(ready[1]);
    return pid;
}

static struct wsched_future block_crew(struct wsched *pool)
{
    struct wsched_future f = kit_submit(pool, "wait", NULL, 0);

    gate_arrival();
    return f;
}

struct working {
    struct wsched *guest;
    int err;
};

static void *work_thread(void *arg)
{
    struct working *w = arg;

    w->err = wsched_work(w->guest, -1);
    return NULL;
}

#define THREADS 3

/* The crew is busy: three threads with a handle each, and a process, do it all, and leave. */
static void threads_and_processes(void)
{
    gate_make();
    struct wsched *pool = open_named(1, 0, "threads");
    struct wsched_future blocked = block_crew(pool), f[200];
    struct working w[THREADS];
    pthread_t threads[THREADS];
    pid_t pid = child_works(pool);

    for (int i = 0; i < THREADS; i++) {
        REQUIRE_OK(wsched_join(name, kit_kernels, kit_kernel_count, NULL, &w[i].guest));
        REQUIRE(!pthread_create(&threads[i], NULL, work_thread, &w[i]));
    }
    for (long i = 0; i < 200; i++)
        f[i] = kit_submit(pool, "add_1000", &i, sizeof i);
    for (long i = 0; i < 200; i++)
        CHECK_EQ(kit_long(pool, f[i]), 1000 + i);
    int n = 12;
    CHECK_EQ(kit_long(pool, kit_submit(pool, "fib", &n, sizeof n)), kit_fib(n));
    n = 100;
    CHECK_EQ(kit_long(pool, kit_submit(pool, "chain", &n, sizeof n)), n);
    for (int level = -1; level <= 1; level++) {
        struct wsched_spec s = kit_spec("nothing", NULL, 0);
        s.priority = level;
        REQUIRE_OK(wsched_submit(pool, &s, &f[0]));
        CHECK_EQ(kit_wait(pool, f[0]), 0);
        wsched_release(pool, f[0]);
    }
    CHECK_EQ(wsched_verify(pool, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(wsched_leave(w[i].guest), 0);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        CHECK_EQ(w[i].err, 0);
        CHECK_EQ(wsched_work(w[i].guest, 0), -ETIMEDOUT); /* and once more */
        wsched_close(w[i].guest);
    }
    CHECK_EQ(seats_taken(pool), 1);
    gate_open();
    CHECK_EQ(kit_long(pool, blocked), 1);
    CHECK_EQ(slots_in_use(pool), 0);
    wsched_close(pool);
    CHECK_EQ(ended(pid), 0);
    gate_free();
}

/* ---- errors, and what one handle may do ---------------------------------------------------- */

static int works_inside(struct wsched_task *task, void *ctx)
{
    (void)ctx;
    return wsched_work(wsched_task_pool(task), 0);
}

static void errors(void)
{
    const struct wsched_kernel kernels[] = { { "inside", works_inside, NULL } };
    struct wsched_options o = WSCHED_OPTIONS_INIT;
    struct wsched *pool = NULL, *client = NULL, *worker = NULL, *look = NULL;

    snprintf(name, sizeof name, "test-work-errors-%d", (int)getpid());
    o.workers = 1;
    o.name = name;
    REQUIRE_OK(wsched_open(&o, kernels, 1, &pool));
    REQUIRE_OK(wsched_look(name, &look));
    REQUIRE_OK(wsched_join(name, NULL, 0, NULL, &client));
    CHECK_EQ(wsched_work(NULL, 0), -EINVAL);
    CHECK_EQ(wsched_work(look, 0), -EROFS);
    CHECK_EQ(wsched_work(pool, 0), -EINVAL);
    CHECK_EQ(wsched_work(client, 0), -EINVAL);
    CHECK_EQ(wsched_leave(pool), -EINVAL);
    CHECK_EQ(wsched_leave(look), -EROFS);
    REQUIRE_OK(wsched_join(name, kernels, 1, NULL, &worker));
    CHECK_EQ(wsched_work(worker, 0), -ETIMEDOUT);
    CHECK_EQ(wsched_leave(worker), 0); /* before it works: the next call returns */
    CHECK_EQ(wsched_work(worker, -1), 0);
    /* In a kernel: by the crew it is no guest's handle, by a guest it works already. */
    pid_t crew = kit_worker_pid(pool, 0);
    kill(pool->supervisor, SIGSTOP);
    kill(crew, SIGSTOP);
    struct wsched_future f = kit_submit(client, "inside", NULL, 0);
    CHECK_EQ(wsched_work(worker, 0), -ETIMEDOUT);
    CHECK_EQ(kit_wait(client, f), -EDEADLK);
    kill(crew, SIGCONT);
    kill(pool->supervisor, SIGCONT);
    wsched_release(client, f);
    wsched_close(worker);
    wsched_close(client);
    wsched_close(look);
    wsched_close(pool);
}

/* ---- ends ---------------------------------------------------------------------------------- */

/* What a guest was running when it died runs again, or fails with what is known of it. */
static void dying(void)
{
    struct wsched_failure why;
    int how[] = { SIGKILL, 1 };

    gate_make();
    struct wsched *pool = open_named(1, 0, "dying");
    struct wsched_future blocked = block_crew(pool);
    pid_t pids[] = { child_works(pool), child_works(pool) };
    struct wsched_future again = kit_submit(pool, "die", how, sizeof how);
    /* The first dies, the second takes it over. */
    CHECK_EQ(kit_long(pool, again), 2);
    struct wsched_spec s = kit_spec("die", how, sizeof how);
    struct wsched_future once;
    s.max_retries = -1;
    REQUIRE_OK(wsched_submit(pool, &s, &once));
    CHECK_EQ(kit_wait(pool, once), -EOWNERDEAD);
    REQUIRE_OK(wsched_failure(pool, once, &why));
    CU_ASSERT_STRING_EQUAL(why.text, "its worker died while running die, attempt 1 of 1");
    CHECK(why.pid == pids[0] || why.pid == pids[1]);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(ended(pids[i]), -SIGKILL);
    gate_open();
    CHECK_EQ(kit_long(pool, blocked), 1);
    wsched_release(pool, once);
    await_nobody(pool);
    struct wsched_stats stats;
    REQUIRE_OK(wsched_stats(pool, &stats));
    CHECK_EQ(stats.worker_deaths, 2);
    wsched_close(pool);
    gate_free();
}

/* A guest that is stopped while it sleeps is woken in vain: another must be, too. */
static void stopped_while_asleep(void)
{
    gate_make();
    struct wsched *pool = open_named(1, 0, "stopped");
    struct wsched_future blocked = block_crew(pool);
    pid_t pids[] = { child_works(pool), child_works(pool) };
    long v = 5;

    for (int i = 0; i < 2; i++) {
        kill(pids[i], SIGSTOP);
        CHECK_EQ(kit_long(pool, kit_submit(pool, "add", &v, sizeof v)), 5);
        kill(pids[i], SIGCONT);
    }
    gate_open();
    CHECK_EQ(kit_long(pool, blocked), 1);
    wsched_close(pool);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(ended(pids[i]), 0);
    gate_free();
}

static void driver_is_killed(void)
{
    int ready[2];
    char byte;

    REQUIRE(!pipe(ready));
    pid_t driver = fork();
    if (driver == 0) {
        struct wsched *pool = open_named(1, 0, "killed");
        CHILD_CHECK(pool && write(ready[1], "x", 1) == 1);
        for (;;)
            pause();
    }
    snprintf(name, sizeof name, "test-join-killed-%d", (int)driver);
    REQUIRE(read(ready[0], &byte, 1) == 1);
    struct wsched *look = NULL;
    REQUIRE_OK(wsched_look(name, &look));
    pid_t pid = child_works(look);
    kill(driver, SIGKILL);
    CHECK_EQ(ended(driver), -SIGKILL);
    CHECK_EQ(ended(pid), 0);
    wsched_close(look);
    while (wsched_remove(name) == -EBUSY)
        sched_yield();
    close(ready[0]);
    close(ready[1]);
}

TESTS("wsched: guests that work",
      { "threads and processes beside the crew", threads_and_processes }, { "errors", errors },
      { "what a dead guest ran runs again", dying },
      { "a guest stopped in its sleep holds up nobody", stopped_while_asleep },
      { "a working guest of a killed driver is told", driver_is_killed })
