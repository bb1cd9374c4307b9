/* SPDX-License-Identifier: MIT */
/*
 * A worker, or the supervisor, is killed at each named step of fork-join; a stopped one; and a
 * storm of random kills. The results must be right, and every slot of every board come back.
 */
#include "fork_jobs.h"
#include "jobs.h"
#include "kit.h"

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>

/* Shared by all processes of a test. */
static struct plan {
    char name[128]; /* of the step at which the first to come is killed */
    struct au32 armed, killed, stops;
    struct au32 started, waiting, let_go; /* of stolen jobs */
    struct au32 suicides;                 /* wanted */
    struct au32 thief;
    pid_t driver;
} * plan;

static void plan_make(void)
{
    plan = kit_share(sizeof *plan);
    plan->driver = getpid();
}

static void kill_if_due(const char *name)
{
    uint32_t one = 1;

    if (getpid() == plan->driver)
        return;
    if (!strcmp(name, "fork: job waited for, about to sleep"))
        au32_store_release(&plan->waiting, 1);
    if (!au32_load_acquire(&plan->armed) || strcmp(name, plan->name))
        return;
    if (!au32_cas_acq_rel(&plan->armed, &one, 0))
        return;
    au32_store_release(&plan->killed, 1);
    kill(getpid(), au32_load_relaxed(&plan->stops) ? SIGSTOP : SIGKILL);
}

/* ---- jobs -------------------------------------------------------------------------------- */

/* Until its owner sleeps for it, or somebody has been killed; asked to, its first thief dies. */
static void until_awaited(struct wsched_fork *w, void *args)
{
    struct job_fib *f = args;
    uint32_t one = 1;

    (void)w;
    au32_store_release(&plan->thief, (uint32_t)getpid());
    au32_store_release(&plan->started, 1);
    while (!au32_load_acquire(&plan->waiting) && !au32_load_acquire(&plan->killed) &&
           !au32_load_acquire(&plan->let_go))
        sched_yield();
    if (au32_cas_acq_rel(&plan->suicides, &one, 0)) {
        au32_store_release(&plan->let_go, 1); /* its owner runs it now */
        kill(getpid(), SIGKILL);
    }
    f->n++;
}

/* A job that is stolen and waited for, then a tree. */
static int everything(struct wsched_task *task, void *ctx)
{
    struct wsched_fork *w = wsched_task_fork(task);
    struct job_fib a = { 40 }, b = { 18 };

    (void)ctx;
    au32_store_release(&plan->started, 0);
    au32_store_release(&plan->waiting, 0);
    w = wsched_spawn(w, until_awaited, &a, sizeof a);
    while (!au32_load_acquire(&plan->started) && !au32_load_acquire(&plan->killed))
        sched_yield();
    w = wsched_sync(w);
    job_fib(w, &b);
    b.n = b.n * 100 + a.n;
    return wsched_task_result(task, &b, sizeof b);
}

static void poison(struct wsched_fork *w, void *args)
{
    struct job_fib *f = args;

    if (f->n == 0)
        kill(getpid(), SIGKILL);
    struct job_fib a = { f->n - 1 };
    w = wsched_spawn(w, poison, &a, sizeof a);
    wsched_sync(w);
}

static const struct wsched_kernel kernels[] = {
    { "everything", everything, NULL },
    FORK_JOBS,
    WSCHED_JOB("until_awaited", until_awaited),
    WSCHED_JOB("poison", poison),
};

static struct wsched *open_pool(uint32_t workers)
{
    struct wsched_options o = WSCHED_OPTIONS_INIT;

    o.workers = workers;
    o.task_capacity = 512;
    o.event_capacity = 256;
    return kit_open_with(&o, kernels, sizeof kernels / sizeof *kernels);
}

static struct wsched_future submit(struct wsched *pool, const char *kernel, long value)
{
    return kit_submit_retried(pool, kernel, &value, sizeof value,
                              !strcmp(kernel, "poison") ? 2 : 249);
}

static struct wsched_future submit_loop(struct wsched *pool, uint64_t n)
{
    const struct wsched_range range = { 0, n, 16 };

    return kit_submit_retried(pool, "loop", &range, sizeof range, 249);
}

/* Every slot of every board comes back: waits for it, so a leak runs into the time limit. */
static void expect_empty_boards(struct wsched *p)
{
    for (uint32_t i = 0; i < p->workers; i++)
        for (uint32_t k = 0; k < BOARD_JOBS;) {
            if (job_state(au32_load_acquire(&board_of(p, i)->jobs[k].word)) == JOB_FREE) {
                k++;
                continue;
            }
            REQUIRE_OK(wsched_wait(p, NULL, 0, 0, 0, NULL));
            supervisor_check(p);
            sched_yield();
        }
    kit_expect_sound(p);
}

/* ---- tests ------------------------------------------------------------------------------- */

static void kill_at(const char *name, bool is_supervisor)
{
    struct wsched *pool;
    bool killed = false;

    memset(plan, 0, sizeof *plan);
    plan->driver = getpid();
    snprintf(plan->name, sizeof plan->name, "%s", name);
    test_point = kill_if_due;
    pool = open_pool(2);
    au32_store_release(&plan->suicides, is_supervisor);
    au32_store_release(&plan->armed, 1);
    do { /* a step that depends on who is faster is reached in one of the rounds */
        CHECK_EQ(kit_long(pool, submit(pool, "everything", 0)), 258441);
        killed = au32_load_acquire(&plan->killed);
    } while (!killed);
    CHECK_EQ(kit_long(pool, submit(pool, "job_fib", 20)), kit_fib(20));
    expect_empty_boards(pool);
    wsched_close(pool);
    test_point = NULL;
}

static void every_step(void)
{
    static const char *const names[] = {
        "fork: job written, not open",         "fork: job open, not on the list",
        "fork: jobs shared, nobody woken",     "fork: job taken back, still on the list",
        "fork: result fetched, slot not free", "fork: job stolen, still on the list",
        "fork: job stolen, not run",           "fork: result written, job not done",
        "fork: job done, owner not woken",     "fork: job waited for, about to sleep",
    };

    plan_make();
    for (int round = 0; round < 5; round++)
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
            kill_at(names[i], false);
    munmap(plan, sizeof *plan);
}

static void supervisor(void)
{
    plan_make();
    for (int round = 0; round < 5; round++) {
        kill_at("sweep: one job of a board swept", true);
        kill_at("sweep: tasks settled, table not swept", true);
    }
    munmap(plan, sizeof *plan);
}

/* The thief dies in the job: its owner, which sleeps, runs it. */
static void thief_in_job(void)
{
    plan_make();
    test_point = kill_if_due;
    struct wsched *pool = open_pool(2);

    for (int i = 0; i < 30; i++) {
        struct wsched_stats stats;
        au32_store_release(&plan->let_go, 0);
        au32_store_release(&plan->suicides, 1);
        CHECK_EQ(kit_long(pool, submit(pool, "everything", 0)), 258441);
        CHECK_EQ(wsched_stats(pool, &stats), 0);
        CHECK_EQ(stats.worker_deaths, i + 1);
        CHECK_EQ(stats.retried, 0);
    }
    expect_empty_boards(pool);
    wsched_close(pool);
    test_point = NULL;
    munmap(plan, sizeof *plan);
}

/* A thief that is stopped holds up who needs its job, and nobody else. */
static void stopped_thief(void)
{
    plan_make();
    test_point = kill_if_due;
    snprintf(plan->name, sizeof plan->name, "fork: job stolen, not run");
    au32_store_release(&plan->stops, 1);
    struct wsched *pool = open_pool(3);
    au32_store_release(&plan->armed, 1);
    struct wsched_future f = submit(pool, "everything", 0);
    while (!au32_load_acquire(&plan->killed))
        sched_yield();
    for (int i = 0; i < 20; i++)
        CHECK_EQ(kit_long(pool, submit(pool, "job_fib", 15)), kit_fib(15));
    CHECK_EQ(wsched_wait(pool, &f, 1, 1, 0, NULL), -ETIMEDOUT);
    for (uint32_t i = 0; i < 3; i++) {
        struct wsched_worker_info info;
        REQUIRE_OK(wsched_worker_info(pool, i, &info));
        kill(info.pid, SIGCONT);
    }
    CHECK_EQ(kit_long(pool, f), 258441);
    expect_empty_boards(pool);
    wsched_close(pool);
    test_point = NULL;
    munmap(plan, sizeof *plan);
}

/* A job that kills whoever runs it fails its task, after a bounded number of deaths. */
static void poisoned(void)
{
    struct wsched *pool = open_pool(2);
    struct wsched_stats stats;

    struct wsched_future f = submit(pool, "poison", 20);
    CHECK_EQ(kit_wait(pool, f), -EOWNERDEAD);
    wsched_release(pool, f);
    REQUIRE_OK(wsched_stats(pool, &stats));
    CHECK(stats.worker_deaths <= 3 * 10); /* of each attempt: 8 thieves and the owner */
    CHECK_EQ(kit_long(pool, submit(pool, "job_fib", 15)), kit_fib(15));
    expect_empty_boards(pool);
    wsched_close(pool);
}

#define ROOTS 12u
static void storm(void)
{
    const uint64_t deaths_wanted = getenv("KILLS") ? strtoul(getenv("KILLS"), NULL, 10) : 500;
    struct wsched *pool = open_pool(4);
    uint64_t random = test_seed, deaths = 0;
    struct wsched_stats stats;
    uint32_t rounds = 0;

    while (deaths < deaths_wanted) {
        struct wsched_future f[ROOTS];
        for (uint32_t i = 0; i < ROOTS; i++)
            f[i] = i % 3 ? submit(pool, "job_fib", 16 + i) : submit_loop(pool, 1000000 + i);
        bool is_over = false;
        while (!is_over) {
            struct wsched_worker_info info;
            for (uint64_t n = test_random(&random) % 20000; n > 0; n--)
                cpu_pause();
            REQUIRE_OK(wsched_worker_info(pool, (uint32_t)(test_random(&random) % 4), &info));
            if (deaths < deaths_wanted && info.pid)
                kill(info.pid, SIGKILL); /* perhaps dead already */
            REQUIRE_OK(wsched_stats(pool, &stats));
            deaths = stats.worker_deaths;
            is_over = wsched_wait(pool, f, ROOTS, ROOTS, 0, NULL) == ROOTS;
        }
        for (uint32_t i = 0; i < ROOTS; i++) {
            long n = 1000000 + i;
            CHECK_EQ(kit_long(pool, f[i]), i % 3 ? kit_fib(16 + (int)i) : n * (n - 1) / 2);
        }
        rounds++;
    }
    printf("(%u deaths, %u tasks) ", (unsigned)deaths, rounds * ROOTS);
    expect_empty_boards(pool);
    wsched_close(pool);
}

TESTS("wsched: deaths in fork-join", { "a worker, at every step", every_step },
      { "the supervisor, in the sweep of boards", supervisor },
      { "a thief, in the job", thief_in_job }, { "a thief is stopped", stopped_thief },
      { "a job that kills", poisoned }, { "a storm", storm })
