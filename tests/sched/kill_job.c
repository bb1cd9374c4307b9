/* SPDX-License-Identifier: MIT */
#include "kill_job.h"
#include "killer.h"
#include "pool.h"

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>

/* Shared by all processes of a run. */
static struct plan {
    struct au32 starts[256], ends[256];
} * plan;

/* ---- the job ----------------------------------------------------------------------------- */

/* Payload: number of the task, then what to sum. */
static int noted(struct wsched_task *task, void *ctx)
{
    const long *v = wsched_task_payload(task, NULL);
    long result[2] = { v[1], wsched_task_attempt(task) };

    (void)ctx;
    au32_add_acq_rel(&plan->starts[v[0]], 1);
    int err = wsched_task_result(task, result, sizeof result);
    au32_add_acq_rel(&plan->ends[v[0]], 1);
    return err;
}

static int dies_once(struct wsched_task *task, void *ctx)
{
    if (wsched_task_attempt(task) == 1)
        kill(getpid(), SIGKILL);
    return noted(task, ctx);
}

/* Submits two tasks, one after them, one nobody waits for, one that is cancelled; sums. */
static int family(struct wsched_task *task, void *ctx)
{
    const long *v = wsched_task_payload(task, NULL);
    struct wsched *pool = wsched_task_pool(task);
    struct wsched_future f[5];
    long sum = 0, part[2];
    int err = 0;

    au32_add_acq_rel(&plan->starts[v[0]], 1);
    for (int i = 0; i < 5 && !err; i++) {
        long payload[2] = { 200 + i, v[1] + i };
        struct wsched_spec s = kit_spec("noted", payload, sizeof payload);
        s.max_retries = 100;
        s.priority = i % 3 - 1;
        s.after = f;
        s.after_count = i == 2 ? 2 : 0;
        err = wsched_submit(pool, &s, &f[i]);
    }
    if (err)
        return err;
    if (ctx && wsched_task_attempt(task) == 1)
        kill(getpid(), SIGKILL); /* all five become orphans */
    wsched_release(pool, f[3]);
    (void)!wsched_kill(pool, f[4], 0);
    err = wsched_wait(pool, f, 3, 3, -1, NULL);
    for (int i = 0; i < 3 && err >= 0; i++) {
        err = wsched_result(pool, f[i], part, sizeof part, NULL);
        sum += part[0];
    }
    for (int i = 0; i < 5; i++)
        if (i != 3)
            wsched_release(pool, f[i]);
    if (err < 0)
        return err;
    long result[2] = { sum, wsched_task_attempt(task) };
    au32_add_acq_rel(&plan->ends[v[0]], 1);
    return wsched_task_result(task, result, sizeof result);
}

/* Does not stop unless it is killed. */
static int stubborn(struct wsched_task *task, void *ctx)
{
    const long *v = wsched_task_payload(task, NULL);

    (void)ctx;
    au32_add_acq_rel(&plan->starts[v[0]], 1);
    while (pause())
        ;
    return 0;
}

static int fails(struct wsched_task *task, void *ctx)
{
    (void)task;
    (void)ctx;
    return -EDOM;
}

static int dies(struct wsched_task *task, void *ctx)
{
    (void)task;
    (void)ctx;
    kill(getpid(), SIGKILL);
    return 0;
}

static int yes;
static const struct wsched_kernel kernels[] = {
    { "noted", noted, NULL },       { "dies_once", dies_once, NULL }, { "family", family, NULL },
    { "orphans", family, &yes },    { "fails", fails, NULL },         { "dies", dies, NULL },
    { "stubborn", stubborn, NULL },
};

#define CAPACITY 120u
#define WIDE 40u

static struct wsched_future submit(struct wsched *pool, const char *kernel, long id, long value,
                                   const struct wsched_future *after, uint32_t count)
{
    long payload[2] = { id, value };
    struct wsched_spec s = kit_spec(kernel, payload, sizeof payload);

    s.max_retries = !strcmp(kernel, "dies") ? 1 : 100;
    s.priority = (int32_t)(id % 3) - 1;
    s.cpus = (uint32_t)(id % 2); /* of those that wait inside, or for what needs none */
    s.after = after;
    s.after_count = count;
    return kit_submit_spec(pool, &s);
}

/* One that is late, and killed if it runs; one that fails three times. */
static void submit_terms(struct wsched *pool, struct wsched_future f[2])
{
    long payload[2] = { 221, 0 };
    struct wsched_spec s = kit_spec("stubborn", payload, sizeof payload);

    s.deadline_ms = 1;
    s.flags = WSCHED_KILL_LATE;
    REQUIRE_OK(wsched_submit(pool, &s, &f[0]));
    s = kit_spec("fails", payload, sizeof payload);
    s.max_retries = 2;
    s.flags = WSCHED_RETRY_ERRORS;
    REQUIRE_OK(wsched_submit(pool, &s, &f[1]));
}

static void expect_terms(struct wsched *pool, const struct wsched_future f[2])
{
    CHECK_EQ(kit_wait(pool, f[0]), -ETIMEDOUT);
    int err = kit_wait(pool, f[1]);
    CHECK(err == -EDOM ||
          err == -EOWNERDEAD); /* of the last attempt, which may be the killed one */
    wsched_release(pool, f[0]);
    wsched_release(pool, f[1]);
}

static void expect(struct wsched *pool, struct wsched_future f, long id, long value)
{
    long result[2] = { 0, 0 };

    REQUIRE_OK(wsched_wait(pool, &f, 1, 1, -1, NULL));
    REQUIRE_OK(wsched_result(pool, f, result, sizeof result, NULL));
    CHECK_EQ(result[0], value);
    /* Started at most once per attempt; it may have died before or after it noted that. */
    CHECK(au32_load_acquire(&plan->starts[id]) <= (uint32_t)result[1]);
    CHECK(au32_load_acquire(&plan->ends[id]) >= 1);
    wsched_release(pool, f);
}

static void run_job(struct wsched *pool, bool is_wide)
{
    struct wsched_future wide[WIDE], after_wide = { 0 };
    struct wsched_future a = submit(pool, "family", 1, 10, NULL, 0);
    struct wsched_future b = submit(pool, "dies_once", 2, 20, NULL, 0);
    struct wsched_future ab[] = { a, b };
    struct wsched_future c = submit(pool, "noted", 3, 30, ab, 2);
    struct wsched_future d = submit(pool, "fails", 4, 0, &a, 1);
    struct wsched_future db[] = { d, b };
    struct wsched_future e = submit(pool, "noted", 5, 50, db, 2);
    struct wsched_future g = submit(pool, "noted", 6, 60, &e, 1);

    struct wsched_future h = submit(pool, "orphans", 9, 90, NULL, 0);
    struct wsched_future k = submit(pool, "stubborn", 220, 0, NULL, 0);
    struct wsched_future terms[2];
    submit_terms(pool, terms);
    struct wsched_future i = submit(pool, "dies", 0, 0, NULL, 0);
    struct wsched_future j = submit(pool, "noted", 0, 0, &i, 1);

    wsched_release(pool, submit(pool, "noted", 7, 70, &c, 1)); /* nobody waits for it */
    if (is_wide) {
        for (uint32_t n = 0; n < WIDE; n++)
            wide[n] = submit(pool, "noted", 10 + n, n, &a, n % 2);
        after_wide = submit(pool, "noted", 8, 80, wide, WIDE);
    }
    while (!au32_load_acquire(&plan->starts[220])) {
        supervisor_check(pool); /* it may have been killed, and its workers with it */
        sched_yield();
    }
    REQUIRE_OK(wsched_kill(pool, k, 0));
    CHECK_EQ(kit_wait(pool, k), -ECANCELED);
    wsched_release(pool, k);
    expect_terms(pool, terms);
    CHECK_EQ(kit_wait(pool, e), -EDOM);
    CHECK_EQ(kit_wait(pool, g), -EDOM);
    CHECK_EQ(kit_wait(pool, d), -EDOM);
    CHECK_EQ(au32_load_acquire(&plan->starts[5]), 0);
    if (is_wide) {
        expect(pool, after_wide, 8, 80);
        for (uint32_t n = 0; n < WIDE; n++)
            expect(pool, wide[n], 10 + n, n);
    }
    expect(pool, c, 3, 30);
    expect(pool, a, 1, 33);
    expect(pool, b, 2, 20);
    expect(pool, h, 9, 273);
    CHECK_EQ(kit_wait(pool, i), -EOWNERDEAD);
    CHECK_EQ(kit_wait(pool, j), -EOWNERDEAD);
    wsched_release(pool, i);
    wsched_release(pool, j);
    wsched_release(pool, d);
    wsched_release(pool, e);
    wsched_release(pool, g);
}

/* ---- what must hold afterwards ----------------------------------------------------------- */

/* All slots and blocks come back: waits for it, so a leak runs into the runner's time limit. */
static void expect_no_leak(struct wsched *p)
{
    while (kit_slots_free(p) != p->task_count || deps_blocks_free(p) != p->block_count) {
        REQUIRE_OK(wsched_wait(p, NULL, 0, 0, 0, NULL));
        supervisor_check(p);
        sched_yield();
    }
}

static void full_load(struct wsched *pool)
{
    static struct wsched_future f[CAPACITY];

    for (uint32_t i = 0; i < CAPACITY; i++) {
        long payload[2] = { 100 + i % 90, i };
        struct wsched_spec s = kit_spec("noted", payload, sizeof payload);
        s.flags = WSCHED_NO_WAIT;
        s.max_retries = 100;
        REQUIRE_OK(wsched_submit(pool, &s, &f[i]));
    }
    CHECK_EQ(wsched_wait(pool, f, CAPACITY, CAPACITY, -1, NULL), CAPACITY);
    for (uint32_t i = 0; i < CAPACITY; i++) {
        long result[2];
        CHECK_EQ(wsched_result(pool, f[i], result, sizeof result, NULL), 0);
        CHECK_EQ(result[0], i);
        wsched_release(pool, f[i]);
    }
}

struct run {
    enum killer_victim victim;
    uint32_t workers;
    bool is_wide;
};

static bool kill_at(uint32_t k, const void *ctx)
{
    const struct run *run = ctx;
    struct wsched_options o = WSCHED_OPTIONS_INIT;

    memset(plan, 0, sizeof *plan);
    killer_begin(run->victim, k);
    o.workers = run->workers;
    o.task_capacity = CAPACITY;
    o.event_capacity = 256;
    struct wsched *pool = kit_open_with(&o, kernels, sizeof kernels / sizeof *kernels);
    run_job(pool, run->is_wide);
    bool killed = killer_end();
    expect_no_leak(pool);
    kit_expect_sound(pool);
    full_load(pool);
    expect_no_leak(pool);
    wsched_close(pool);
    return killed;
}

void kill_job_everywhere(enum killer_victim victim, uint32_t workers, bool is_wide)
{
    const struct run run = { victim, workers, is_wide };

    plan = kit_share(sizeof *plan);
    killer_everywhere(kill_at, &run, 30);
    munmap(plan, sizeof *plan);
}
