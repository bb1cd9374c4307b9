/* SPDX-License-Identifier: MIT */
/*
 * micro.c -- what the basic operations of libsched cost, on two workers.
 *
 *     micro [--rounds N] [pattern]      one JSON object a line; the line latency between the CPUs
 * goes with each
 *
 * Each case runs in N rounds (5); median, least and most of the rounds. The host may move virtual
 * CPUs apart: "line_ns", the median one-way latency of a cache line between two threads, measured
 * around each case, tells whether results may be compared. Some 50 is near, 200 is far; thousands
 * say that the two threads shared one CPU, because somebody else had the other: then only the
 * cases of one worker mean something.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <wsched.h>

#include "cases.h"
#include "line.h"

#define ROUNDS_MAX 101
#define WINDOW 16384
#define BATCH 256
#define SETTLE_US 20000 /* of a pool that was opened */

static void must(int result, const char *what)
{
    if (result >= 0)
        return;
    fprintf(stderr, "micro: %s: %s\n", what, wsched_strerror(result));
    exit(1);
}

static int rounds = 5;

/* ---- kernels ------------------------------------------------------------------------------- */

static _Atomic int64_t *shared; /* of all processes: moments that kernels note */

static int nothing(struct wsched_task *task, void *ctx)
{
    (void)task;
    (void)ctx;
    return 0;
}

static int echo(struct wsched_task *task, void *ctx)
{
    size_t size;
    const void *payload = wsched_task_payload(task, &size);

    (void)ctx;
    return wsched_task_result(task, payload, size);
}

static int fib(struct wsched_task *task, void *ctx)
{
    const int n = *(const int *)wsched_task_payload(task, NULL);
    struct wsched *pool = wsched_task_pool(task);
    struct wsched_future f[2];
    long a = n, b = 0;

    (void)ctx;
    if (n < 2)
        return wsched_task_result(task, &a, sizeof a);
    for (int i = 0; i < 2; i++) {
        int m = n - 1 - i;
        struct wsched_spec s = { .kernel = "fib", .payload = &m, .payload_size = sizeof m };
        must(wsched_submit(pool, &s, &f[i]), "submit");
    }
    must(wsched_wait(pool, f, 2, 2, -1, NULL), "wait");
    must(wsched_result(pool, f[0], &a, sizeof a, NULL), "result");
    must(wsched_result(pool, f[1], &b, sizeof b, NULL), "result");
    wsched_release(pool, f[0]);
    wsched_release(pool, f[1]);
    a += b;
    return wsched_task_result(task, &a, sizeof a);
}

/* Notes when it starts; the first attempt is killed from outside. */
static int victim(struct wsched_task *task, void *ctx)
{
    (void)ctx;
    shared[wsched_task_attempt(task)] = now_ns();
    if (wsched_task_attempt(task) > 1)
        return 0;
    size_t size;
    const size_t *bytes = wsched_task_payload(task, &size);
    if (size == sizeof *bytes) { /* a worker with much memory takes the kernel long to bury */
        void *memory = mmap(NULL, *bytes, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
        if (memory == MAP_FAILED)
            return -ENOMEM;
    }
    shared[0] = getpid();
    for (;;)
        pause();
}

#define STREAM_ITEMS 300000L

static int yields(struct wsched_task *task, void *ctx)
{
    int err = 0;

    (void)ctx;
    for (long i = 0; i < STREAM_ITEMS && !err; i++)
        err = wsched_yield(task, &i, sizeof i);
    return err;
}

static const struct wsched_kernel kernels[] = { { "nothing", nothing, NULL },
                                                { "echo", echo, NULL },
                                                { "fib", fib, NULL },
                                                { "victim", victim, NULL },
                                                { "yields", yields, NULL } };

static struct wsched *open_pool(uint32_t workers)
{
    struct wsched_options o = WSCHED_OPTIONS_INIT;
    struct wsched *pool;

    o.workers = workers;
    must(wsched_open(&o, kernels, sizeof kernels / sizeof *kernels, &pool), "open");
    return pool;
}

/* ---- reports --------------------------------------------------------------------------------- */

static void report(const char *name, const char *metric, const char *unit, const char *better,
                   double *v, double line)
{
    qsort(v, (size_t)rounds, sizeof *v, by_value);
    printf("{\"suite\":\"sched\",\"case\":\"%s\",\"params\":{\"line_ns\":%.0f},\"impl\":\"ours\","
           "\"metric\":\"%s\",\"unit\":\"%s\",\"better\":\"%s\",\"median\":%.4g,\"min\":%.4g,"
           "\"max\":%.4g,"
           "\"rounds\":%d}\n",
           name, line, metric, unit, better, v[rounds / 2], v[0], v[rounds - 1], rounds);
    fflush(stdout);
}

/* ---- cases ----------------------------------------------------------------------------------- */

/* Empty tasks from one client, each result looked at; `batch` at a time. */
static double empty_tasks(struct wsched *pool, size_t batch)
{
    static struct wsched_future f[WINDOW];
    static struct wsched_spec specs[BATCH];
    const size_t total = 4000000;
    int64_t begin = 0;

    for (size_t i = 0; i < BATCH; i++)
        specs[i].kernel = "nothing";
    for (size_t i = 0; i < total + WINDOW; i += batch) {
        struct wsched_future *oldest = &f[i % WINDOW];
        if (i == WINDOW)
            begin = now_ns();
        if (i >= WINDOW) {
            must(wsched_wait(pool, oldest, batch, batch, -1, NULL), "wait");
            for (size_t k = 0; k < batch; k++)
                must(wsched_result(pool, oldest[k], NULL, 0, NULL), "result");
            wsched_release_many(pool, oldest, batch);
        }
        if (i < total)
            must(wsched_submit_many(pool, specs, batch, oldest), "submit");
    }
    return (double)(total - WINDOW) / (double)(now_ns() - begin) * 1e3;
}

/* Takes the results of 1,000 tasks one by one in the order they come. */
static double waits_us(struct wsched *pool)
{
    enum { N = 1000 };
    static struct wsched_future f[N];
    static struct wsched_spec specs[N];
    struct wsched_future next;
    struct wsched_set *set;

    for (size_t i = 0; i < N; i++)
        specs[i].kernel = "nothing";
    must(wsched_set_new(pool, &set), "set");
    must(wsched_submit_many(pool, specs, N, f), "submit");
    int64_t begin = now_ns();
    must(wsched_set_add(set, f, N), "add");
    while (wsched_set_size(set)) {
        must(wsched_set_wait(set, -1, &next, 1), "wait");
        wsched_release(pool, next);
    }
    wsched_set_free(set);
    return (double)(now_ns() - begin) / 1e3;
}

/* `bytes`: of the payload, up to 8, which come back as the result. */
static double round_trip(struct wsched *pool, uint32_t bytes, int count, long gap_us,
                         double percent)
{
    double *us = calloc((size_t)count, sizeof *us), v;
    uint64_t payload = 1, result;
    struct wsched_spec s = { .kernel = bytes ? "echo" : "nothing",
                             .payload = &payload,
                             .payload_size = bytes };
    struct wsched_future f;

    for (int i = 0; i < count; i++) {
        if (gap_us)
            nanosleep(&(struct timespec){ 0, gap_us * 1000 }, NULL);
        int64_t begin = now_ns();
        must(wsched_submit(pool, &s, &f), "submit");
        must(wsched_wait(pool, &f, 1, 1, -1, NULL), "wait");
        if (bytes)
            must(wsched_result(pool, f, &result, sizeof result, NULL), "result");
        us[i] = (double)(now_ns() - begin) / 1e3;
        wsched_release(pool, f);
    }
    qsort(us, (size_t)count, sizeof *us, by_value);
    v = us[(size_t)((double)(count - 1) * percent)];
    free(us);
    return v;
}

static double fib_ns(struct wsched *pool)
{
    int n = 27;
    struct wsched_spec s = { .kernel = "fib", .payload = &n, .payload_size = sizeof n };
    struct wsched_future f;
    int64_t begin = now_ns();

    must(wsched_submit(pool, &s, &f), "submit");
    must(wsched_wait(pool, &f, 1, 1, -1, NULL), "wait");
    double ns = (double)(now_ns() - begin) / FIB_CALLS;
    wsched_release(pool, f);
    return ns;
}

/* A million tasks that wait their turn, all of them waited for at once: from the first submission
 * to the last result. What is timed last has touched all its memory before. */
static double million_s(bool is_warm)
{
    const size_t n = 1000000;
    struct wsched_options o = WSCHED_OPTIONS_INIT;
    struct wsched_future *f = calloc(n, sizeof *f);
    struct wsched_spec *specs = calloc(n, sizeof *specs);
    struct wsched *pool;
    double s = 0;

    if (!f || !specs)
        must(-ENOMEM, "a million");
    for (size_t i = 0; i < n; i++)
        specs[i].kernel = "nothing";
    o.workers = 2;
    o.task_capacity = 1000000;
    must(wsched_open(&o, kernels, sizeof kernels / sizeof *kernels, &pool), "open");
    for (int pass = 0; pass <= is_warm; pass++) {
        int64_t begin = now_ns();
        must(wsched_submit_many(pool, specs, n, f), "submit");
        must(wsched_wait(pool, f, n, n, -1, NULL), "wait");
        s = (double)(now_ns() - begin) / 1e9;
        for (size_t i = 0; i < n; i++)
            wsched_release(pool, f[i]);
    }
    wsched_close(pool);
    free(f);
    free(specs);
    return s;
}

static double open_us(void)
{
    int64_t begin = now_ns();
    struct wsched *pool = open_pool(2);
    struct wsched_spec s = { .kernel = "nothing" };
    struct wsched_future f;

    must(wsched_submit(pool, &s, &f), "submit");
    must(wsched_wait(pool, &f, 1, 1, -1, NULL), "wait");
    double us = (double)(now_ns() - begin) / 1e3;
    wsched_close(pool);
    return us;
}

static double rerun_us(struct wsched *pool, size_t resident)
{
    struct wsched_spec s = { .kernel = "victim",
                             .payload = &resident,
                             .payload_size = resident ? sizeof resident : 0 };
    struct wsched_future f;

    for (int i = 0; i < 8; i++)
        shared[i] = 0;
    must(wsched_submit(pool, &s, &f), "submit");
    while (!shared[0])
        usleep(100);
    usleep(2000);
    int64_t begin = now_ns();
    kill((pid_t)shared[0], SIGKILL);
    must(wsched_wait(pool, &f, 1, 1, -1, NULL), "wait");
    wsched_release(pool, f);
    return (double)(shared[2] - begin) / 1e3;
}

/* The CPU time that all descendants of a process have taken so far. */
static double descendants_ns(pid_t pid)
{
    char path[64];
    double sum = 0;
    int child;

    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)pid, (int)pid);
    FILE *f = fopen(path, "r");
    while (f && fscanf(f, "%d", &child) == 1) {
        struct timespec t = { 0, 0 };
        clockid_t clock;
        if (!clock_getcpuclockid(child, &clock) && !clock_gettime(clock, &t))
            sum += (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
        sum += descendants_ns(child);
    }
    if (f)
        fclose(f);
    return sum;
}

/* What a second costs a pool that is up and has done a task, in percent of one CPU. */
static double idle_percent(long gap_us)
{
    struct wsched *pool = open_pool(2);
    struct wsched_spec s = { .kernel = "nothing" };
    struct wsched_future f;

    must(wsched_submit(pool, &s, &f), "submit");
    must(wsched_wait(pool, &f, 1, 1, -1, NULL), "wait");
    wsched_release(pool, f);
    usleep(SETTLE_US);
    double before = descendants_ns(getpid());
    int64_t begin = now_ns();
    while (now_ns() - begin < 1000000000) {
        if (!gap_us) {
            sleep(1);
            continue;
        }
        nanosleep(&(struct timespec){ 0, gap_us * 1000 }, NULL);
        must(wsched_submit(pool, &s, &f), "submit");
        must(wsched_wait(pool, &f, 1, 1, -1, NULL), "wait");
        wsched_release(pool, f);
    }
    double percent = (descendants_ns(getpid()) - before) / (double)(now_ns() - begin) * 100;
    wsched_close(pool);
    return percent;
}

struct bench {
    const char *name, *metric, *unit, *better;
    double (*run)(struct wsched *pool);
    uint32_t workers; /* 0: the case opens its own pool */
};

static double small_death(struct wsched *p)
{
    return rerun_us(p, 0);
}
static double big_death(struct wsched *p)
{
    return rerun_us(p, (size_t)512 << 20);
}
static double empty_batched(struct wsched *p)
{
    return empty_tasks(p, BATCH);
}
/* Nanoseconds an item. */
static double stream(struct wsched *p, uint32_t ring)
{
    struct wsched_spec spec = { .kernel = "yields", .stream = ring };
    struct wsched_future f;
    long item, count = 0;
    int got;

    int64_t begin = now_ns();
    must(wsched_submit(p, &spec, &f), "submit");
    while ((got = wsched_next(p, f, &item, sizeof item, NULL, -1)) == 1)
        if (item != count++)
            must(-EDOM, "stream");
    must(got, "next");
    int64_t end = now_ns();
    wsched_release(p, f);
    return (double)(end - begin) / STREAM_ITEMS;
}

static double stream_64(struct wsched *p)
{
    return stream(p, 64);
}
static double stream_1024(struct wsched *p)
{
    return stream(p, 1024);
}
static double empty_single(struct wsched *p)
{
    return empty_tasks(p, 1);
}
static double hot_50(struct wsched *p)
{
    return round_trip(p, 0, 100000, 0, .5);
}
static double hot_99(struct wsched *p)
{
    return round_trip(p, 0, 100000, 0, .99);
}
static double bytes_50(struct wsched *p)
{
    return round_trip(p, 8, 100000, 0, .5);
}
static double cold_50(struct wsched *p)
{
    return round_trip(p, 0, 100, 3000, .5);
}
static double cold_99(struct wsched *p)
{
    return round_trip(p, 0, 100, 3000, .99);
}
static double cold_million(struct wsched *p)
{
    return p ? 0 : million_s(false);
}
static double warm_million(struct wsched *p)
{
    return p ? 0 : million_s(true);
}
static double start(struct wsched *p)
{
    return p ? 0 : open_us();
}
static double idle(struct wsched *p)
{
    return p ? 0 : idle_percent(0);
}
static double tick(struct wsched *p)
{
    return p ? 0 : idle_percent(1000);
}

static const struct bench benches[] = {
    { "empty tasks, one client, batches of 256", "throughput", "M/s", "higher", empty_batched, 2 },
    { CASE_EMPTY, "throughput", "M/s", "higher", empty_single, 2 },
    { CASE_HOT, "p50", "us", "lower", hot_50, 2 },
    { CASE_HOT, "p99", "us", "lower", hot_99, 2 },
    { "round trip, hot, 8 bytes each way", "p50", "us", "lower", bytes_50, 2 },
    { CASE_COLD, "p50", "us", "lower", cold_50, 2 },
    { CASE_COLD, "p99", "us", "lower", cold_99, 2 },
    { "items of a stream, ring of 64", "time", "ns", "lower", stream_64, 1 },
    { "items of a stream, ring of 1,024", "time", "ns", "lower", stream_1024, 1 },
    { CASE_FIB_1, "time per spawn", "ns", "lower", fib_ns, 1 },
    { CASE_FIB_2, "time per spawn", "ns", "lower", fib_ns, 2 },
    { CASE_OPEN, "time", "us", "lower", start, 0 },
    { CASE_DEATH, "time", "us", "lower", small_death, 2 },
    { "death to next attempt, 512 MiB resident", "time", "us", "lower", big_death, 2 },
    { "1,000 waits for one of what is left of 1,000", "time", "us", "lower", waits_us, 2 },
    { "1,000,000 queued tasks, fresh memory", "time", "s", "lower", cold_million, 0 },
    { CASE_MILLION, "time", "s", "lower", warm_million, 0 },
    { CASE_IDLE, "CPU of the pool", "%", "lower", idle, 0 },
    { CASE_TICK, "CPU of the pool", "%", "lower", tick, 0 },
};

int main(int argc, char **argv)
{
    if (argc > 2 && !strcmp(argv[1], "--rounds")) {
        rounds = atoi(argv[2]);
        argc -= 2;
        argv += 2;
    }
    if (rounds < 1 || rounds > ROUNDS_MAX) {
        fprintf(stderr, "micro: 1 to %d rounds\n", ROUNDS_MAX);
        return 2;
    }
    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (size_t i = 0; i < sizeof benches / sizeof *benches; i++) {
        const struct bench *b = &benches[i];
        double v[ROUNDS_MAX];
        if (argc > 1 && !strstr(b->name, argv[1]))
            continue;
        struct wsched *pool = b->workers ? open_pool(b->workers) : NULL;
        double line = line_latency_ns();
        for (int r = 0; r < rounds; r++)
            v[r] = b->run(pool);
        wsched_close(pool);
        report(b->name, b->metric, b->unit, b->better, v, (line + line_latency_ns()) / 2);
    }
    return 0;
}
