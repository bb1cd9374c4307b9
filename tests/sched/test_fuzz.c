/* SPDX-License-Identifier: MIT */
/*
 * Hostile bytes: the memory of a pool at work is damaged, while its driver, a guest, workers and an
 * actor use it. Every call may fail; none may crash or run for ever, in none of these processes. What
 * the tasks come to is nobody's business.
 *
 * Each round is a process of its own. A round is repeated by SEED=<its seed> FUZZ=1. FUZZ=n makes it n
 * rounds; FUZZ_SECONDS=n goes on for n seconds of CPU time.
 */
#define _GNU_SOURCE
#include "kit.h"
#include "pool.h"

#include <execinfo.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

enum { FUTURES = 24, CALLS = 60, CPU_SECONDS = 20, SLEEPS_MAX = 20000 };

static struct shared {
    struct au32 faults; /* signals of them, in whichever process */
} * shared;
static char name[64];
static struct wsched *pool, *guest;
static struct wsched_future futures[FUTURES];
static struct wsched_actor actor;
static uint64_t rng;

static uint64_t below(uint64_t n)
{
    return test_random(&rng) % n;
}

/* Also in workers, which have the handlers of the driver for faults. */
static void tell_fault(int sig)
{
    void *frames[24];

    au32_store_release(&shared->faults, (uint32_t)sig);
    dprintf(2, "signal %d in process %d:\n", sig, (int)getpid());
    backtrace_symbols_fd(frames, backtrace(frames, 24), 2);
    signal(sig, SIG_DFL);
    raise(sig);
}

/* ---- kernels: none waits for ever, as what they wait for may be lost ------------------------- */

static int waits(struct wsched_task *task, void *ctx)
{
    struct wsched *p = wsched_task_pool(task);
    struct wsched_spec s = kit_spec("nothing", NULL, 0);
    struct wsched_future f;
    int err;

    (void)ctx;
    s.flags = WSCHED_NO_WAIT;
    err = wsched_submit(p, &s, &f);
    if (err)
        return err;
    err = wsched_wait(p, &f, 1, 1, 1, NULL);
    wsched_release(p, f);
    return err < 0 ? err : 0;
}

static int yields(struct wsched_task *task, void *ctx)
{
    int err = 0;

    (void)ctx;
    for (long i = (long)wsched_task_resume(task); i < 3 && !err; i++)
        err = wsched_yield(task, &i, sizeof i);
    return err;
}

static int sets_state(struct wsched_task *task, void *ctx)
{
    static long state;

    (void)ctx;
    return wsched_task_set_actor_state(task, &state);
}

struct tree {
    long n;
};

static void tree(struct wsched_fork *w, void *args)
{
    struct tree *t = args, a = { t->n - 1 }, b = { t->n - 2 };

    if (t->n < 2 || t->n > 8) /* it comes from the payload */
        return;
    w = wsched_spawn(w, tree, &a, sizeof a);
    tree(w, &b);
    wsched_sync(w);
}

static int echoes(struct wsched_task *task, void *ctx)
{
    size_t size;
    const void *payload = wsched_task_payload(task, &size);

    (void)ctx;
    return wsched_task_result(task, payload, size < 64 ? size : 64);
}

static int nothing(struct wsched_task *task, void *ctx)
{
    (void)task;
    (void)ctx;
    return 0;
}

static const struct wsched_kernel kernels[] = {
    { "nothing", nothing, NULL },  { "waits", waits, NULL },   { "yields", yields, NULL },
    { "state", sets_state, NULL }, { "echoes", echoes, NULL }, WSCHED_JOB("tree", tree),
};
#define KERNELS (sizeof kernels / sizeof *kernels)

/* ---- damage ---------------------------------------------------------------------------------- */

struct part {
    void *at;
    uint64_t bytes;
};

static void damage(void)
{
    const struct wsched *p = pool;
    const struct part parts[] = {
        { p->base, p->bytes },
        { p->header, sizeof *p->header },
        { p->free_map, p->task_count / 8 + 8 },
        { p->call_map, p->task_count / 8 + 8 },
        { p->seats, p->seat_count * sizeof *p->seats },
        { p->tasks, 64 * sizeof *p->tasks },
        { p->details, 64 * sizeof *p->details },
        { p->terms, 64 * sizeof *p->terms },
        { p->bytes_of_tasks, 64ull * p->bytes_stride },
        { p->blocks, 64 * sizeof *p->blocks },
        { p->deques, 128 * 8 },
        { p->queues, 128 * 8 },
        { p->level_cells, 128 * 8 },
        { p->boards, sizeof *p->boards },
        { p->events, 64 * sizeof *p->events },
        { p->actors, p->actors_max * sizeof *p->actors },
        { p->mailboxes, 64 * 8 },
        { p->stream_records, p->streams * sizeof *p->stream_records },
    };

    for (uint64_t n = 1 + below(6); n > 0; n--) {
        const struct part *part = &parts[below(sizeof parts / sizeof *parts)];
        unsigned char *end = p->base + p->bytes, *at = (unsigned char *)part->at;
        at += below(part->bytes) & ~7ull;
        if (at < p->base || at + 8 > end)
            continue;
        uint64_t word, other;
        memcpy(&word, at, 8);
        memcpy(&other, p->base + (below(p->bytes - 8) & ~7ull), 8);
        switch (below(8)) {
        case 0:
            word = test_random(&rng);
            break;
        case 1:
            word = 0;
            break;
        case 2:
            word = UINT64_MAX;
            break;
        case 3:
            word ^= 1ull << below(64);
            break;
        case 4:
            word += below(5) - 2;
            break;
        case 5:
            word = other;
            break;
        case 6:
            word = below(300);
            break;
        default:
            at[below(8)] = (unsigned char)test_random(&rng);
            continue;
        }
        memcpy(at, &word, 8);
    }
}

/* ---- calls ------------------------------------------------------------------------------------ */

static struct wsched *handle(void)
{
    return guest && below(3) == 0 ? guest : pool;
}

static struct wsched_future any(void)
{
    return futures[below(FUTURES)];
}

static void submit(void)
{
    static const char *const names[] = { "nothing", "waits", "yields", "echoes", "tree" };
    const uint64_t which = below(5);
    const struct tree t = { 6 };
    struct wsched_future after[3] = { any(), any(), any() };
    struct wsched_spec s = kit_spec(names[which], &t, sizeof t);

    s.flags = WSCHED_NO_WAIT | (below(4) ? 0 : WSCHED_KILL_LATE | WSCHED_RETRY_ERRORS);
    s.stream = which == 2 ? 2 : 0;
    s.max_retries = (int32_t)below(3);
    s.label = below(2) ? "damaged" : NULL;
    s.after = after;
    s.after_count = below(3) ? 0 : (uint32_t)below(4);
    s.deadline_ms = below(4) ? 0 : 1 + (uint32_t)below(20);
    s.priority = (int32_t)below(3) - 1;
    s.cpus = below(4) == 0;
    if (!s.stream && below(4) == 0)
        s.actor = actor;
    (void)!wsched_submit(handle(), &s, &futures[below(FUTURES)]);
}

static int look_at(const void *what, void *ctx)
{
    (void)what;
    return below(1000) == 0 ? -1 : (void)++*(uint64_t *)ctx, 0;
}
static int visit_task(const struct wsched_task_info *i, void *ctx)
{
    return look_at(i, ctx);
}
static int visit_event(const struct wsched_event *e, void *ctx)
{
    CHILD_CHECK(memchr(e->label, 0, sizeof e->label) != NULL && e->kernel != NULL);
    return look_at(e, ctx);
}
static int visit_member(const struct wsched_worker_info *i, void *ctx)
{
    CHILD_CHECK(i->kernel != NULL);
    return look_at(i, ctx);
}
static int visit_actor(const struct wsched_actor_info *i, void *ctx)
{
    return look_at(i, ctx);
}

static void observe(void)
{
    struct wsched *p = handle();
    struct wsched_failure failure;
    struct wsched_stats stats;
    struct wsched_info info;
    struct wsched_death death;
    struct wsched_task_info task;
    char text[256];
    uint64_t count = 0, cursor = 0;

    switch (below(9)) {
    case 0:
        (void)!wsched_stats(p, &stats);
        break;
    case 1:
        (void)!wsched_info(p, &info);
        break;
    case 2:
        (void)!wsched_tasks(p, visit_task, &count);
        break;
    case 3:
        (void)!wsched_events(p, visit_event, &count);
        break;
    case 4:
        (void)!wsched_members(p, visit_member, &count);
        break;
    case 5:
        (void)!wsched_actors(p, visit_actor, &count);
        break;
    case 6:
        while (wsched_next_death(p, &cursor, &death) == 1)
            ;
        break;
    case 7:
        (void)!wsched_task_info(p, any(), &task);
        (void)!wsched_failure(p, any(), &failure);
        break;
    default:
        (void)!wsched_verify(p, text);
    }
}

static void take(void)
{
    struct wsched_set *set;
    struct wsched_future out;
    char item[64];
    size_t size;

    switch (below(4)) {
    case 0:
        (void)!wsched_next(handle(), any(), item, sizeof item, &size, (int)below(2));
        break;
    case 1:
        if (wsched_set_new(handle(), &set))
            break;
        for (int i = 0; i < FUTURES; i++)
            (void)!wsched_set_add(set, &futures[i], 1);
        (void)!wsched_set_wait(set, 1, &out, 1);
        wsched_set_free(set);
        break;
    default:
        (void)!wsched_wait(handle(), futures, FUTURES, 1 + below(FUTURES), (int)below(2), NULL);
        (void)!wsched_result(handle(), any(), item, sizeof item, &size);
    }
}

static void change(void)
{
    struct wsched_actor_spec a = { .name = "fuzzed", .constructor = "state", .max_restarts = -1 };
    struct wsched_future f = any();

    switch (below(7)) {
    case 0:
        (void)!wsched_cancel(handle(), f);
        break;
    case 1:
        (void)!wsched_kill(handle(), f, 0);
        break;
    case 2:
        wsched_release(handle(), f);
        break;
    case 3:
        wsched_release_many(handle(), futures, FUTURES);
        break;
    case 4:
        if (guest)
            (void)!wsched_adopt(guest, f);
        break;
    case 5:
        (void)!wsched_actor_new(pool, &a, &actor);
        break;
    default:
        (void)!wsched_actor_stop(pool, actor, 1 + (uint32_t)below(3));
    }
}

static void come_or_go(void)
{
    if (!guest) {
        if (wsched_join(name, kernels, KERNELS, NULL, &guest))
            guest = NULL;
    } else if (below(2)) {
        (void)!wsched_work(guest, 0);
    } else {
        wsched_close(guest);
        guest = NULL;
    }
}

static void call(void)
{
    switch (below(10)) {
    case 0:
    case 1:
    case 2:
        submit();
        break;
    case 3:
    case 4:
        take();
        break;
    case 5:
    case 6:
        observe();
        break;
    case 7:
        come_or_go();
        break;
    default:
        change();
    }
}

/* ---- rounds ------------------------------------------------------------------------------------ */

static void be_careful(void)
{
    const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };
    const struct rlimit cpu = { CPU_SECONDS, CPU_SECONDS + 5 };

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    CHILD_CHECK(!setrlimit(RLIMIT_CPU, &cpu));
    static unsigned char stack[1 << 16]; /* ours may be full */
    const stack_t other = { .ss_sp = stack, .ss_size = sizeof stack };
    CHILD_CHECK(!sigaltstack(&other, NULL));
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        const struct sigaction action = { .sa_handler = tell_fault, .sa_flags = SA_ONSTACK };
        CHILD_CHECK(!sigaction(faults[i], &action, NULL));
    }
}

static void round_of(uint64_t seed)
{
    struct wsched_options o = WSCHED_OPTIONS_INIT;

    rng = seed;
    be_careful();
    o.workers = 1 + (uint32_t)below(2);
    o.guests = 2;
    o.actors = 2;
    o.streams = 4;
    o.task_capacity = 60;
    o.event_capacity = 64;
    o.name = name;
    CHILD_CHECK(!wsched_open(&o, kernels, KERNELS, &pool));
    change();
    for (int i = 0; i < CALLS; i++) {
        call();
        if (i > 10 && below(3) == 0)
            damage();
    }
    if (below(2) && guest)
        wsched_close(guest);
    wsched_close(pool);
    _exit(0);
}

/* How it ended, and whether it did: a round that sleeps for ever is ended after so many sleeps of ours,
 * in which a machine that stands still does not count. */
static int ended(pid_t pid)
{
    int status = -1;

    for (int i = 0; i < SLEEPS_MAX && !waitpid(pid, &status, WNOHANG); i++)
        nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
    if (status == -1) {
        fprintf(stderr, "it sleeps for ever\n");
        if (getenv("HOLD"))
            for (;;)
                pause();
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
        status = -1;
    }
    return status;
}

static double cpu_seconds(void)
{
    struct rusage r;

    getrusage(RUSAGE_CHILDREN, &r);
    return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
           (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

static void damaged_at_work(void)
{
    const char *count = getenv("FUZZ"), *seconds = getenv("FUZZ_SECONDS");
    const uint64_t rounds = count ? strtoull(count, NULL, 0) : 60;
    const double until = cpu_seconds() + (seconds ? strtod(seconds, NULL) : 0);
    char path[128];
    uint64_t i;

    shared = kit_share(sizeof *shared);
    snprintf(name, sizeof name, "test-fuzz-%d", (int)getpid());
    snprintf(path, sizeof path, "/dev/shm/wsched-%u/%s", (unsigned)geteuid(), name);
    for (i = 0; seconds ? cpu_seconds() < until : i < rounds; i++) {
        pid_t pid = fork();
        if (pid == 0)
            round_of(test_seed + i);
        REQUIRE(pid > 0);
        int status = ended(pid);
        unlink(path);
        CHECK_EQ(status, 0);
        CHECK_EQ(au32_load_acquire(&shared->faults), 0);
        if (status || au32_load_acquire(&shared->faults)) {
            fprintf(stderr, "SEED=%llu FUZZ=1\n", (unsigned long long)(test_seed + i));
            if (!getenv("GO_ON"))
                break;
        }
        au32_store_release(&shared->faults, 0);
    }
    *strrchr(path, '/') = 0;
    (void)rmdir(
        path); /* the user's, unless pools of others are in it: the last round may have died */
    printf("(%llu rounds) ", (unsigned long long)i);
    munmap(shared, sizeof *shared);
}

TESTS("wsched: hostile bytes", { "damage at work leads nowhere", damaged_at_work })
