/* SPDX-License-Identifier: MIT */
/* Spawn, sync and parallel_for as a user sees them. */
#include "fork_jobs.h"
#include "kit.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>

/* job_fib(), not registered. */
static void secret(struct wsched_fork *w, void *args)
{
    struct job_fib *f = args;

    if (f->n < 2)
        return;
    struct job_fib a = { f->n - 1 }, b = { f->n - 2 };
    w = wsched_spawn(w, secret, &a, sizeof a);
    secret(w, &b);
    w = wsched_sync(w);
    f->n = a.n + b.n;
}

/* Shared by all processes of a test. */
static struct notes {
    _Atomic uint32_t started, open, errors;
    _Atomic uint32_t seen[64];
    _Atomic int pid;
} * notes;

static void notes_make(void)
{
    notes = kit_share(sizeof *notes);
}

static void notes_free(void)
{
    munmap(notes, sizeof *notes);
}

/* Each is over only when both have started: needs two workers. */
static void meet(struct wsched_fork *w, void *args)
{
    (void)args;
    atomic_fetch_add(&notes->started, 1);
    atomic_store(&notes->seen[wsched_fork_worker(w)], 1);
    while (atomic_load(&notes->started) < 2)
        ;
}

static int meeting(struct wsched_task *task, void *ctx)
{
    struct wsched_fork *w = wsched_task_fork(task);

    (void)ctx;
    w = wsched_spawn(w, meet, NULL, 0);
    meet(w, NULL);
    wsched_sync(w);
    return 0;
}

/* Jobs of all sizes; each returns its bytes plus one. */
struct bytes {
    unsigned char v[WSCHED_JOB_MAX + 40];
};

static void add_one(struct wsched_fork *w, void *args)
{
    unsigned char *v = args;

    (void)w;
    for (unsigned i = 1; i < v[0]; i++)
        v[i]++;
}

#define SIZES (WSCHED_JOB_MAX + 30u)
static int sizes(struct wsched_task *task, void *ctx)
{
    static struct bytes jobs[SIZES];
    struct wsched_fork *w = wsched_task_fork(task);

    (void)ctx;
    for (unsigned i = 1; i < SIZES; i++) {
        memset(jobs[i].v, (int)i, sizeof jobs[i].v);
        w = wsched_spawn(w, add_one, jobs[i].v, i);
    }
    for (unsigned i = SIZES; --i > 0;) {
        w = wsched_sync(w);
        for (unsigned k = 1; k < sizeof jobs[i].v; k++)
            if (jobs[i].v[k] != (unsigned char)(k < i ? i + 1 : i))
                return -EDOM;
    }
    return w == wsched_task_fork(task) ? 0 : -EFAULT;
}

/* More than fit on the stack, each of which spawns, too. */
#define MANY 10000u
static int many(struct wsched_task *task, void *ctx)
{
    static struct job_fib jobs[MANY];
    struct wsched_fork *w = wsched_task_fork(task);
    long sum = 0;

    (void)ctx;
    for (unsigned i = 0; i < MANY; i++) {
        jobs[i].n = 5 + i % 3;
        w = wsched_spawn(w, job_fib, &jobs[i], sizeof jobs[i]);
    }
    for (unsigned i = MANY; i-- > 0;) {
        w = wsched_sync(w);
        sum += jobs[i].n;
    }
    return wsched_task_result(task, &sum, sizeof sum);
}

static int forgets(struct wsched_task *task, void *ctx)
{
    static struct job_fib jobs[300];
    struct wsched_fork *w = wsched_task_fork(task);

    (void)ctx;
    for (int i = 0; i < 300; i++) {
        jobs[i].n = 12;
        w = wsched_spawn(w, job_fib, &jobs[i], sizeof jobs[i]);
    }
    wsched_sync(w);
    return 0;
}

static int syncs_too_much(struct wsched_task *task, void *ctx)
{
    struct wsched_fork *w = wsched_task_fork(task);

    (void)ctx;
    return wsched_sync(w) == w ? 0 : -EDOM;
}

/* A kernel with jobs under way waits for tasks, which spawn, too. */
static int mixes(struct wsched_task *task, void *ctx)
{
    struct wsched_fork *w = wsched_task_fork(task);
    struct wsched *pool = wsched_task_pool(task);
    struct job_fib a = { 20 }, b = { 21 }, c = { 15 }, r;
    struct wsched_spec s = kit_spec("fib", &c, sizeof c);
    struct wsched_future f[3];

    (void)ctx;
    w = wsched_spawn(w, job_fib, &a, sizeof a);
    w = wsched_spawn(w, job_fib, &b, sizeof b);
    for (int i = 0; i < 3; i++) {
        int err = wsched_submit(pool, &s, &f[i]);
        if (err)
            return err;
    }
    int n = wsched_wait(pool, f, 3, 3, -1, NULL);
    for (int i = 0; n == 3 && i < 3; i++) {
        if (wsched_result(pool, f[i], &r, sizeof r, NULL) || r.n != 610)
            n = -EDOM;
        wsched_release(pool, f[i]);
    }
    w = wsched_sync(w);
    wsched_sync(w);
    return n < 0 ? n : a.n == 6765 && b.n == 10946 ? 0 : -EDOM;
}

/* In a stolen job there is nothing to submit to. */
static void submits(struct wsched_fork *w, void *args)
{
    struct wsched *const *pool = args;
    struct wsched_future f = { 0 };
    struct wsched_spec s = kit_spec("syncs_too_much", NULL, 0);

    (void)w;
    atomic_store(&notes->started, 1);
    if (wsched_submit(*pool, &s, &f) != -EPERM || wsched_wait(*pool, &f, 0, 0, 0, NULL) != -EPERM)
        atomic_fetch_add(&notes->errors, 1);
}

static int has_submitter(struct wsched_task *task, void *ctx)
{
    struct wsched *pool = wsched_task_pool(task); /* of both processes: forked */
    struct wsched_fork *w = wsched_task_fork(task);

    (void)ctx;
    w = wsched_spawn(w, submits, &pool, sizeof pool);
    while (!atomic_load(&notes->started)) /* only a thief can start it */
        ;
    wsched_sync(w);
    return 0;
}

static void until_cancelled(struct wsched_fork *w, void *args)
{
    (void)args;
    atomic_fetch_add(&notes->started, 1);
    while (!wsched_fork_cancelled(w))
        ;
    atomic_fetch_add(&notes->open, 1);
}

static int cancellable(struct wsched_task *task, void *ctx)
{
    struct wsched_fork *w = wsched_task_fork(task);
    char a[1] = { 0 }, b[1] = { 0 };

    (void)ctx;
    w = wsched_spawn(w, until_cancelled, a, 1);
    until_cancelled(w, b);
    wsched_sync(w);
    return -ECANCELED;
}

/* ---- loops ------------------------------------------------------------------------------- */

struct sum {
    struct wsched_range range;
    uint64_t sum, parts;
    uint32_t tag;
};

static void add(struct wsched_fork *w, void *args)
{
    struct sum *s = args;

    (void)w;
    s->parts++;
    for (uint64_t i = s->range.begin; i < s->range.end; i++)
        s->sum += i;
    if (s->tag != 77)
        s->sum = 1;
}

static void add_slowly(struct wsched_fork *w, void *args)
{
    struct sum *s = args;
    static volatile unsigned sink;

    for (uint64_t n = s->range.end - s->range.begin; n > 0; n--)
        for (unsigned i = 0; i < 2000; i++)
            sink += i;
    atomic_store(&notes->seen[wsched_fork_worker(w)], 1);
    add(w, args);
}

static void join(void *into, const void *from)
{
    struct sum *a = into;
    const struct sum *b = from;

    a->sum += b->sum;
    a->parts += b->parts;
}

/* Payload: a struct sum; ctx: its body. */
static int loop(struct wsched_task *task, void *ctx)
{
    struct sum s = *(const struct sum *)wsched_task_payload(task, NULL);
    wsched_job_fn body = ctx ? add_slowly : add;
    int err = wsched_parallel_for(wsched_task_fork(task), body, &s, sizeof s, join);

    return err ? err : wsched_task_result(task, &s, sizeof s);
}

static int bad_loops(struct wsched_task *task, void *ctx)
{
    struct wsched_fork *w = wsched_task_fork(task);
    struct sum s = { .range = { 5, 4, 0 } };
    unsigned char big[WSCHED_RANGE_MAX + 1] = { 0 };

    (void)ctx;
    bool is_right = wsched_parallel_for(w, add, &s, sizeof s, join) == -EINVAL;
    s.range = (struct wsched_range){ 4, 5, 1ull << 32 };
    is_right &= wsched_parallel_for(w, add, &s, sizeof s, join) == -EINVAL;
    s.range.grain = 0;
    is_right &= wsched_parallel_for(w, add, &s, sizeof s.range - 1, join) == -EINVAL;
    is_right &= wsched_parallel_for(w, NULL, &s, sizeof s, join) == -EINVAL;
    is_right &= wsched_parallel_for(NULL, add, &s, sizeof s, join) == -EINVAL;
    is_right &= wsched_parallel_for(w, add, NULL, sizeof s, join) == -EINVAL;
    is_right &= wsched_parallel_for(w, add, big, sizeof big, join) == -E2BIG;
    is_right &= wsched_parallel_for(w, secret, &s, sizeof s, join) == -ENOENT;
    is_right &= wsched_parallel_for(w, add, &s, sizeof s, (wsched_join_fn)abort) == -ENOENT;
    return is_right && s.sum == 0 && s.range.begin == 4 ? 0 : -EDOM;
}

static int yes;
static const struct wsched_kernel kernels[] = {
    { "meeting", meeting, NULL },
    { "sizes", sizes, NULL },
    { "many", many, NULL },
    { "forgets", forgets, NULL },
    { "syncs_too_much", syncs_too_much, NULL },
    { "mixes", mixes, NULL },
    { "has_submitter", has_submitter, NULL },
    { "cancellable", cancellable, NULL },
    { "loop", loop, NULL },
    { "slow_loop", loop, &yes },
    { "bad_loops", bad_loops, NULL },
    WSCHED_JOB("fib", job_fib),
    WSCHED_JOB("meet", meet),
    WSCHED_JOB("add_one", add_one),
    WSCHED_JOB("submits", submits),
    WSCHED_JOB("until_cancelled", until_cancelled),
    WSCHED_JOB("add", add),
    WSCHED_JOB("add_slowly", add_slowly),
    WSCHED_JOIN("join", join),
    { "no job", wsched_run_job, NULL },
};

static struct wsched *open_pool(uint32_t workers)
{
    struct wsched_options o = WSCHED_OPTIONS_INIT;
    struct wsched *pool;

    o.workers = workers;
    o.payload_max = 256;
    o.result_max = 64;
    REQUIRE_OK(wsched_open(&o, kernels, sizeof kernels / sizeof *kernels, &pool));
    return pool;
}

static int run(struct wsched *pool, const char *kernel, const void *payload, size_t size,
               void *result, size_t cap)
{
    struct wsched_future f = kit_submit(pool, kernel, payload, size);
    int err = wsched_wait(pool, &f, 1, 1, -1, NULL);

    if (err >= 0)
        err = wsched_result(pool, f, result, cap, NULL);
    wsched_release(pool, f);
    return err;
}

static void fib_of_all_pools(void)
{
    for (uint32_t workers = 1; workers <= 8; workers *= 2) {
        struct wsched *pool = open_pool(workers);
        for (long n = 0; n < 28; n++) {
            struct job_fib f = { n };
            CHECK_EQ(run(pool, "fib", &f, sizeof f, &f, sizeof f), 0);
            CHECK_EQ(f.n, kit_fib((int)n));
        }
        CHECK_EQ(wsched_verify(pool, NULL), 0);
        wsched_close(pool);
    }
}

static void several_at_once(void)
{
    struct wsched *pool = open_pool(3);
    struct wsched_future f[40];

    for (int i = 0; i < 40; i++) {
        struct job_fib arg = { 15 + i % 8 };
        f[i] = kit_submit(pool, "fib", &arg, sizeof arg);
    }
    for (int i = 0; i < 40; i++)
        CHECK_EQ(kit_long(pool, f[i]), kit_fib(15 + i % 8));
    wsched_close(pool);
}

static void two_workers(void)
{
    struct wsched *pool = open_pool(2);

    for (int i = 0; i < 20; i++) {
        notes_make();
        CHECK_EQ(run(pool, "syncs_too_much", NULL, 0, NULL, 0), 0);
        notes_free();
    }
    wsched_close(pool);
    notes_make(); /* before the workers are forked */
    pool = open_pool(2);
    for (int i = 0; i < 50; i++) {
        memset(notes, 0, sizeof *notes);
        CHECK_EQ(run(pool, "meeting", NULL, 0, NULL, 0), 0);
        CHECK(notes->seen[0] && notes->seen[1]);
    }
    wsched_close(pool);
    notes_free();
}

/* ---- events --------------------------------------------------------------------------------- */

struct job_events {
    struct wsched_future task;
    uint32_t started, ended, stolen_tasks, wrong;
    uint64_t last_ns;
    uint32_t last_worker, depth;
};

static int see_job(const struct wsched_event *e, void *ctx)
{
    struct job_events *j = ctx;

    j->stolen_tasks += e->kind == WSCHED_EVENT_STOLEN;
    if (e->worker != j->last_worker) {
        j->wrong += j->depth != 0;
        j->last_ns = 0;
    }
    j->last_worker = e->worker;
    if (e->kind != WSCHED_EVENT_JOB_STARTED && e->kind != WSCHED_EVENT_JOB_ENDED)
        return 0;
    j->started += e->kind == WSCHED_EVENT_JOB_STARTED;
    j->ended += e->kind == WSCHED_EVENT_JOB_ENDED;
    j->wrong += (e->kind == WSCHED_EVENT_JOB_ENDED && !j->depth) || e->time_ns < j->last_ns ||
                e->pid <= 0 || e->attempt != 1 || e->label[0] || e->worker > 3 ||
                (strcmp(e->kernel, "meet") && strcmp(e->kernel, "fib") && strcmp(e->kernel, "add_slowly"));
    j->depth += e->kind == WSCHED_EVENT_JOB_STARTED ? 1u : UINT32_MAX;
    j->last_ns = e->time_ns;
    if (j->task.v)
        j->wrong += e->task.v != j->task.v;
    return 0;
}

/* Each job that was stolen is in the ring of its thief, once, with its task. */
static void stolen_jobs_are_events(void)
{
    struct wsched_stats stats;
    struct job_fib f = { 24 };
    struct sum s = { .range = { 0, 20000, 0 } };

    notes_make();
    struct wsched *pool = open_pool(4);
    struct job_events j = { .task = kit_submit(pool, "meeting", NULL, 0) };
    CHECK_EQ(kit_wait(pool, j.task), 0);
    REQUIRE_OK(wsched_events(pool, see_job, &j));
    REQUIRE_OK(wsched_stats(pool, &stats));
    CHECK(j.started == 1 && j.ended == 1 && j.wrong == 0);
    CHECK_EQ(stats.stolen - j.stolen_tasks, 1);
    for (int i = 0; i < 20; i++)
        CHECK_EQ(run(pool, "fib", &f, sizeof f, &f, 0), 0);
    CHECK_EQ(run(pool, "slow_loop", &s, sizeof s, &s, sizeof s), 0);
    j = (struct job_events){ .started = 0 };
    REQUIRE_OK(wsched_events(pool, see_job, &j));
    REQUIRE_OK(wsched_stats(pool, &stats));
    CHECK(j.started == j.ended && j.wrong == 0 && j.depth == 0);
    CHECK_EQ(j.started, stats.stolen - j.stolen_tasks);
    CHECK_EQ(stats.events_lost, 0);
    wsched_close(pool);
    notes_free();
}

static void all_sizes(void)
{
    struct wsched *pool = open_pool(2);
    unsigned char big[WSCHED_JOB_MAX + 1] = { 0 };
    long sum = 0;

    for (int i = 0; i < 20; i++)
        CHECK_EQ(run(pool, "sizes", NULL, 0, NULL, 0), 0);
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(run(pool, "many", NULL, 0, &sum, sizeof sum), 0);
        CHECK_EQ(sum, 3334 * 5 + 3333 * 8 + 3333 * 13);
    }
    CHECK_EQ(run(pool, "fib", big, sizeof big, NULL, 0), -E2BIG);     /* over WSCHED_JOB_MAX */
    CHECK_EQ(run(pool, "fib", big, sizeof big - 1, NULL, 0), -E2BIG); /* over result_max */
    CHECK_EQ(run(pool, "no job", NULL, 0, NULL, 0), -EINVAL);
    CHECK_EQ(run(pool, "join", NULL, 0, NULL, 0), -EINVAL);
    wsched_close(pool);
}

static void not_synced(void)
{
    struct wsched *pool = open_pool(2);

    for (int i = 0; i < 200; i++) {
        struct job_fib f = { 12 };
        CHECK_EQ(run(pool, "forgets", NULL, 0, NULL, 0), -EPROTO);
        CHECK_EQ(run(pool, "fib", &f, sizeof f, &f, sizeof f), 0);
        CHECK_EQ(f.n, 144);
        CHECK_EQ(run(pool, "syncs_too_much", NULL, 0, NULL, 0), 0);
    }
    wsched_close(pool);
}

static void among_tasks(void)
{
    notes_make();
    struct wsched *pool = open_pool(2);

    for (int i = 0; i < 50; i++)
        CHECK_EQ(run(pool, "mixes", NULL, 0, NULL, 0), 0);
    CHECK_EQ(run(pool, "has_submitter", NULL, 0, NULL, 0), 0);
    CHECK_EQ(notes->errors, 0);
    wsched_close(pool);
    notes_free();
}

static void cancelled(void)
{
    notes_make();
    struct wsched *pool = open_pool(2);
    struct wsched_future f = kit_submit(pool, "cancellable", NULL, 0);

    while (atomic_load(&notes->started) < 2)
        ;
    CHECK_EQ(wsched_cancel(pool, f), 0);
    CHECK_EQ(kit_wait(pool, f), -ECANCELED);
    CHECK_EQ(notes->open, 2);
    wsched_release(pool, f);
    wsched_close(pool);
    notes_free();
}

static void loops(void)
{
    static const uint64_t counts[] = { 0, 1, 2, 3, 100, 4097, 1000000, 30000000 };
    static const uint64_t grains[] = { 0, 1, 7, 1000, UINT32_MAX };
    struct wsched *pool = open_pool(2);

    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        for (size_t k = 0; k < sizeof grains / sizeof *grains; k++) {
            const uint64_t n = counts[i], from = 1000 * k;
            struct sum s = { .range = { from, from + n, grains[k] }, .tag = 77 };
            if (n > 1000000 && grains[k] == 1)
                continue;
            CHECK_EQ(run(pool, "loop", &s, sizeof s, &s, sizeof s), 0);
            CHECK_EQ(s.sum, n * from + (n ? n * (n - 1) / 2 : 0));
            CHECK(s.parts <= n && (n == 0 || s.parts > 0));
            CHECK(s.range.begin == from && s.range.end == from + n && s.tag == 77);
            if (grains[k] && n) /* no part is smaller, but for one of each piece */
                CHECK(s.parts <= 2 * (n / grains[k] + 1));
        }
    CHECK_EQ(run(pool, "bad_loops", NULL, 0, NULL, 0), 0);
    wsched_close(pool);
}

static void loops_are_shared(void)
{
    notes_make();
    struct wsched *pool = open_pool(2);

    for (uint64_t grain = 0; grain <= 10; grain += 10) {
        do { /* for ever, if it is not */
            struct sum s = { .range = { 0, 20000, grain }, .tag = 77 };
            memset(notes, 0, sizeof *notes);
            CHECK_EQ(run(pool, "slow_loop", &s, sizeof s, &s, sizeof s), 0);
            CHECK_EQ(s.sum, 20000ull * 19999 / 2);
        } while (!notes->seen[0] || !notes->seen[1]);
    }
    wsched_close(pool);
    notes_free();
}

TESTS("wsched: fork and join", { "fib in pools of all sizes", fib_of_all_pools },
      { "several trees at once", several_at_once },
      { "what is spawned runs at once where nobody works", two_workers },
      { "arguments of all sizes, more jobs than fit", all_sizes },
      { "stolen jobs are events", stolen_jobs_are_events },
      { "a kernel that does not sync, or too much", not_synced },
      { "jobs among tasks", among_tasks }, { "cancelled", cancelled }, { "loops", loops },
      { "two workers share a loop", loops_are_shared })
