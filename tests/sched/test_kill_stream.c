/* SPDX-License-Identifier: MIT */
/*
 * Streams while processes die: a worker, the supervisor, a guest that takes, or one that closes while
 * streams of its own wait, killed at every step between two accesses to shared memory; and a storm of
 * kills. After each every item has come once
 * and in order (but for the one that a dead taker had taken), nothing has leaked, and streams run.
 */
#include "guests.h"
#include "killer.h"

#include <pthread.h>
#include <sys/mman.h>

/* Shared by all processes of a run. */
static struct plan {
    struct au32 taken; /* items that the guest has noted */
    struct au32 yielded;
    struct au32 is_held, may_go; /* the crew's worker */
    struct wsched_future handed;
} * plan;

/* ---- kernels ------------------------------------------------------------------------------- */

static int counts(struct wsched_task *task, void *ctx)
{
    const long n = *(const long *)wsched_task_payload(task, NULL);
    long i = ctx ? (long)wsched_task_resume(task) : 0;
    int err = 0;

    for (; i < n && !err; i++) {
        err = wsched_yield(task, &i, sizeof i);
        au32_add_acq_rel(&plan->yielded, 1);
    }
    return err ? err : wsched_task_result(task, &n, sizeof n);
}

/* It dies in the middle, with what waits beside it. */
static int dies_once(struct wsched_task *task, void *ctx)
{
    const long n = *(const long *)wsched_task_payload(task, NULL);
    int err = 0;

    for (long i = 0; i < n && !err; i++) {
        if (i == n / 2 && wsched_task_attempt(task) == 1)
            kill(getpid(), SIGKILL);
        err = wsched_yield(task, &i, sizeof i);
    }
    return err ? err : counts(task, ctx);
}

/* Takes what a stream of its own yields, waits for a task in between, and yields it. */
static int passes(struct wsched_task *task, void *ctx)
{
    const long n = *(const long *)wsched_task_payload(task, NULL);
    struct wsched *pool = wsched_task_pool(task);
    struct wsched_spec s = kit_spec("counts", &n, sizeof n);
    struct wsched_future f, g;
    long item;
    int got = 0, err;

    (void)ctx;
    s.stream = 2;
    s.max_retries = 200;
    err = wsched_submit(pool, &s, &f);
    while (!err && (got = wsched_next(pool, f, &item, sizeof item, NULL, -1)) == 1) {
        s = kit_spec("same", &item, sizeof item);
        s.max_retries = 200;
        err = wsched_submit(pool, &s, &g);
        if (!err)
            err = wsched_wait(pool, &g, 1, 1, -1, NULL);
        if (err == 1)
            err = wsched_result(pool, g, &item, sizeof item, NULL);
        wsched_release(pool, g);
        if (!err)
            err = wsched_yield(task, &item, sizeof item);
    }
    wsched_release(pool, f);
    err = err ? err : got;
    return err ? err : wsched_task_result(task, &n, sizeof n);
}

static int holds(struct wsched_task *task, void *ctx)
{
    (void)task;
    (void)ctx;
    au32_store_release(&plan->is_held, 1);
    while (!au32_load_acquire(&plan->may_go))
        sched_yield();
    return 0;
}

static int same(struct wsched_task *task, void *ctx)
{
    (void)ctx;
    return wsched_task_result(task, wsched_task_payload(task, NULL), sizeof(long));
}

static int yes;
static const struct wsched_kernel kernels[] = {
    { "counts", counts, NULL },       { "resumes", counts, &yes }, { "passes", passes, NULL },
    { "dies_once", dies_once, &yes }, { "same", same, NULL },      { "holds", holds, NULL },
};

static struct wsched_future submit(struct wsched *pool, const char *kernel, long n, uint32_t stream)
{
    struct wsched_spec s = kit_spec(kernel, &n, sizeof n);

    s.stream = stream;
    s.max_retries = 200;
    return kit_submit_spec(pool, &s);
}

static void expect_next(struct wsched *pool, struct wsched_future f, long item)
{
    long got = -1;

    REQUIRE(wsched_next(pool, f, &got, sizeof got, NULL, -1) == 1);
    CHECK_EQ(got, item);
}

static void expect_end(struct wsched *pool, struct wsched_future f, long n)
{
    long result = -1;

    CHECK_EQ(wsched_next(pool, f, NULL, 0, NULL, -1), 0);
    CHECK_EQ(wsched_result(pool, f, &result, sizeof result, NULL), 0);
    CHECK_EQ(result, n);
    wsched_release(pool, f);
}

/* ---- what must hold afterwards --------------------------------------------------------------- */

static uint32_t streams_in_use(const struct wsched *p)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < p->streams; i++)
        n += au64_load_acquire(&p->stream_records[i].owner) != 0;
    return n;
}

/* Waits for it, so a leak runs into the runner's time limit. */
static void expect_no_leak(struct wsched *p)
{
    while (slots_in_use(p) || streams_in_use(p)) {
        REQUIRE_OK(supervisor_check(p));
        sched_yield();
    }
    kit_expect_sound(p);
}

static void full_load(struct wsched *p)
{
    struct wsched_future f[8];

    REQUIRE(p->streams == 8);
    for (int i = 0; i < 8; i++)
        f[i] = submit(p, "counts", 20, 3);
    for (long n = 0; n < 20; n++)
        for (int i = 0; i < 8; i++)
            expect_next(p, f[i], n);
    for (int i = 0; i < 8; i++)
        expect_end(p, f[i], 20);
}

static struct wsched *open_pool(uint32_t workers)
{
    struct wsched_options o = WSCHED_OPTIONS_INIT;
    static uint32_t number;

    memset(plan, 0, sizeof *plan);
    snprintf(name, sizeof name, "test-kill-stream-%d-%u", (int)getpid(), number++);
    o.workers = workers;
    o.streams = 8;
    o.guests = 2;
    o.task_capacity = 60;
    o.event_capacity = 64;
    o.name = name;
    return kit_open_with(&o, kernels, sizeof kernels / sizeof *kernels);
}

static void expect_whole(struct wsched *pool)
{
    expect_no_leak(pool);
    full_load(pool);
    expect_no_leak(pool);
    wsched_close(pool);
}

/* ---- a worker, the supervisor ---------------------------------------------------------------- */

static void await_yields(struct wsched *pool, uint32_t n)
{
    while (au32_load_acquire(&plan->yielded) < n) {
        REQUIRE_OK(supervisor_check(pool));
        sched_yield();
    }
}

struct run {
    enum killer_victim victim;
    uint32_t workers;
};

static bool job(uint32_t k, const void *ctx)
{
    const struct run *run = ctx;

    killer_begin(run->victim, k);
    struct wsched *pool = open_pool(run->workers);
    struct wsched_future cancelled = submit(pool, "counts", 100, 2);

    await_yields(pool, 2);
    struct wsched_future left = submit(pool, "counts", 100, 2);
    struct wsched_future a = submit(pool, "counts", 8, 3);
    struct wsched_future b =
        submit(pool, run->victim == KILLER_SUPERVISOR ? "dies_once" : "resumes", 8, 1);
    struct wsched_future c = submit(pool, "passes", 4, 2);
    CHECK_EQ(wsched_cancel(pool, cancelled), 0);
    wsched_release(pool, left);
    for (long n = 0; n < 8; n++) {
        expect_next(pool, a, n);
        expect_next(pool, b, n);
    }
    for (long n = 0; n < 4; n++)
        expect_next(pool, c, n);
    CHECK_EQ(kit_wait(pool, cancelled), -ECANCELED);
    wsched_release(pool, cancelled);
    expect_end(pool, c, 4);
    expect_end(pool, b, 8);
    expect_end(pool, a, 8);
    bool killed = killer_end();
    expect_whole(pool);
    return killed;
}

static void kill_everywhere(bool (*run)(uint32_t k, const void *ctx), enum killer_victim victim,
                            uint32_t workers)
{
    const struct run how = { victim, workers };

    plan = kit_share(sizeof *plan);
    killer_everywhere(run, &how, 8);
    munmap(plan, sizeof *plan);
}

static void the_worker(void)
{
    kill_everywhere(job, KILLER_CHILD, 1);
}

static void one_of_two(void)
{
    kill_everywhere(job, KILLER_CHILD, 2);
}

static void the_supervisor(void)
{
    kill_everywhere(job, KILLER_SUPERVISOR, 1);
}

/* ---- a guest that takes ------------------------------------------------------------------------ */

#define ITEMS 12

static void taker(void)
{
    struct wsched *p = child_join(0);
    long item = -1, last = -1, n = 5;
    int got;

    struct wsched_spec s = kit_spec("counts", &n, sizeof n);
    struct wsched_future own[2];
    s.stream = 2;
    CHILD_CHECK(!wsched_submit(p, &s, &own[0]));
    s.after = own;
    s.after_count = 1;
    CHILD_CHECK(!wsched_submit(p, &s, &own[1])); /* it goes with us, not started */
    while ((got = wsched_next(p, plan->handed, &item, sizeof item, NULL, -1)) == 1) {
        CHILD_CHECK(item > last);
        last = item;
        au32_add_acq_rel(&plan->taken, 1);
    }
    CHILD_CHECK(!got);
    for (long i = 0; i < 3; i++)
        CHILD_CHECK(wsched_next(p, own[0], &item, sizeof item, NULL, -1) == 1 && item == i);
    wsched_close(p);
}

static bool kill_taker(uint32_t k, const void *ctx)
{
    const struct run *run = ctx;
    long item, last = -1;
    uint32_t taken = 0;

    killer_begin(run->victim, k);
    struct wsched *pool = open_pool(run->workers);

    plan->handed = submit(pool, "counts", ITEMS, 3);
    pid_t pid = fork();
    if (pid == 0) {
        killer_be_guest();
        taker();
        _exit(0);
    }
    if (k % 2) { /* alone, and then both at once */
        int how = ended(pid);
        CHECK(how == 0 || how == -SIGKILL);
        pid = 0;
    }
    while (wsched_next(pool, plan->handed, &item, sizeof item, NULL, -1) == 1) {
        CHECK(item > last);
        last = item;
        taken++;
    }
    if (pid)
        (void)ended(pid);
    taken += au32_load_acquire(&plan->taken);
    bool killed = killer_end();
    CHECK(taken == ITEMS || (taken == ITEMS - 1 && killed));
    wsched_release(pool, plan->handed);
    while (seats_taken(pool) > 1) /* one that nobody was told of */
        sched_yield();
    struct wsched *next = join(name); /* the supervisor looks */
    wsched_close(next);
    expect_whole(pool);
    return killed;
}

static void a_taker(void)
{
    kill_everywhere(kill_taker, KILLER_GUEST, 1);
}

/* ---- a guest that closes ----------------------------------------------------------------------- */

/* What it began waits for its takers, or for an item of another; the crew ends it. */
static bool kill_closing(uint32_t k, const void *ctx)
{
    const struct run *run = ctx;

    killer_begin(run->victim, k);
    struct wsched *pool = open_pool(run->workers);
    struct wsched_future held = submit(pool, "holds", 0, 0);

    while (!au32_load_acquire(&plan->is_held))
        sched_yield();
    struct wsched_future a = submit(pool, "counts", 8, 3);
    struct wsched_future b = submit(pool, "resumes", 8, 1);
    struct wsched_future c = submit(pool, "passes", 4, 2);
    pid_t pid = fork();
    if (pid == 0) {
        struct wsched *guest = NULL;
        killer_be_guest();
        CHILD_CHECK(!wsched_join(name, kernels, sizeof kernels / sizeof *kernels, NULL, &guest));
        CHILD_CHECK(wsched_work(guest, 0) == -ETIMEDOUT);
        wsched_close(guest);
        _exit(0);
    }
    int how = ended(pid);
    CHECK(how == 0 || how == -SIGKILL);
    au32_store_release(&plan->may_go, 1);
    for (long n = 0; n < 8; n++) {
        expect_next(pool, a, n);
        expect_next(pool, b, n);
    }
    for (long n = 0; n < 4; n++)
        expect_next(pool, c, n);
    expect_end(pool, c, 4);
    expect_end(pool, b, 8);
    expect_end(pool, a, 8);
    CHECK_EQ(kit_wait(pool, held), 0);
    wsched_release(pool, held);
    bool killed = killer_end();
    struct wsched *next = join(name); /* the supervisor looks */
    wsched_close(next);
    while (seats_taken(pool))
        sched_yield();
    expect_whole(pool);
    return killed;
}

static void a_closing_guest(void)
{
    kill_everywhere(kill_closing, KILLER_GUEST, 1);
}

/* ---- a storm ----------------------------------------------------------------------------------- */

#define STREAMS 8

static struct storm {
    struct wsched *pool;
    uint32_t kills;
    struct au32 is_over;
} storm;

static void *kill_often(void *arg)
{
    uint64_t random = test_seed * 2 + 1;
    pid_t last[2] = { 0, 0 }; /* each worker is killed once: then its pid may be another's */

    (void)arg;
    for (uint32_t done = 0; done < storm.kills;) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        nanosleep(&(struct timespec){ 0, (long)(random >> 40) % 3000000 }, NULL);
        uint32_t supervisor = au32_load_acquire(&storm.pool->header->supervisor);
        if (random >> 60 == 0 && supervisor && !(supervisor & ~(uint32_t)FUTEX_TID_MASK)) {
            done += !kill((pid_t)supervisor, SIGKILL);
            continue;
        }
        uint32_t seat = (uint32_t)(random >> 33) % 2;
        pid_t pid = kit_worker_pid(storm.pool, seat);
        done += pid != last[seat] && !kill(pid, SIGKILL);
        last[seat] = pid;
    }
    au32_store_release(&storm.is_over, 1);
    return NULL;
}

static void a_storm(void)
{
    const char *env = getenv("KILLS");
    struct wsched_future f[STREAMS];
    long next[STREAMS] = { 0 }, items = 0, done = 0;
    pthread_t thread;

    plan = kit_share(sizeof *plan);
    struct wsched *pool = open_pool(2);
    storm = (struct storm){ pool, env ? (uint32_t)atol(env) : 200, { 0 } };
    for (int i = 0; i < STREAMS; i++)
        f[i] = submit(pool, i % 3 == 2 ? "resumes" : "counts", 2000, 5);
    REQUIRE(!pthread_create(&thread, NULL, kill_often, NULL));
    for (bool is_over = false; !is_over;) {
        is_over = au32_load_acquire(&storm.is_over);
        for (int i = 0; i < STREAMS; i++) {
            long item = -1;
            int got = wsched_next(pool, f[i], &item, sizeof item, NULL, -1);
            REQUIRE(got == 0 || got == 1);
            items += got;
            if (got) {
                CHECK_EQ(item, next[i]);
                next[i]++;
                continue;
            }
            int err = wsched_result(pool, f[i], NULL, 0, NULL);
            CHECK(err ? err == -EOWNERDEAD : next[i] == 2000); /* 201 deaths are too many */
            wsched_release(pool, f[i]);
            f[i] = submit(pool, i % 3 == 2 ? "resumes" : "counts", 2000, 5);
            next[i] = 0;
            done++;
        }
    }
    pthread_join(thread, NULL);
    printf("(%u kills, %ld items, %ld streams) ", storm.kills, items, done);
    for (int i = 0; i < STREAMS; i++)
        wsched_release(pool, f[i]);
    expect_whole(pool);
    munmap(plan, sizeof *plan);
}

TESTS("wsched: streams while processes die", { "the only worker, at every step", the_worker },
      { "one of two workers, at every step", one_of_two },
      { "the supervisor, at every step", the_supervisor },
      { "a guest that takes, at every step", a_taker },
      { "a guest that closes, at every step", a_closing_guest }, { "a storm", a_storm })
