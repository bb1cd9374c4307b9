/* SPDX-License-Identifier: MIT */
/*
 * jobs.c -- one round of whole jobs on libsched: many tasks and their results, on two workers. Its
 * peers do the same work: cases.h, peers/.
 *
 *     jobs [pattern]      a JSON object a line
 *
 * Each job is done twice, and the second time counts: by then the workers are up and their memory
 * is touched, as those of the peers are, which come from the case before.
 */
#include <errno.h>
#include <string.h>
#include <wsched.h>

#include "cases.h"
#include "line.h"

#define WORKERS 2
#define PIECES 64
#define FAN_BEFORE 7 /* then queue and event rings have come round once */

static void must(int result, const char *what)
{
    if (result >= 0)
        return;
    fprintf(stderr, "jobs: %s: %s\n", what, wsched_strerror(result));
    exit(1);
}

/* Submit n specs, wait for all, add up their results. */
static long run_all(struct wsched *pool, const struct wsched_spec *specs, size_t n)
{
    struct wsched_future *f = calloc(n, sizeof *f);
    long sum = 0, part;

    if (!f)
        must(-ENOMEM, "futures");
    must(wsched_submit_many(pool, specs, n, f), "submit");
    must(wsched_wait(pool, f, n, n, -1, NULL), "wait");
    for (size_t i = 0; i < n; i++) {
        part = 0;
        must(wsched_result(pool, f[i], &part, sizeof part, NULL), "result");
        sum += part;
    }
    wsched_release_many(pool, f, n);
    free(f);
    return sum;
}

/* ---- kernels ------------------------------------------------------------------------------- */

static int nothing(struct wsched_task *task, void *ctx)
{
    (void)task;
    (void)ctx;
    return 0;
}

static int uneven(struct wsched_task *task, void *ctx)
{
    (void)ctx;
    uneven_work(*(const uint32_t *)wsched_task_payload(task, NULL));
    return 0;
}

static int queens(struct wsched_task *task, void *ctx)
{
    const struct queens q = *(const struct queens *)wsched_task_payload(task, NULL);
    struct wsched_spec specs[QUEENS];
    struct queens next[QUEENS];
    size_t n = 0;
    long sum;

    (void)ctx;
    for (uint32_t f = q.row < QUEENS_ROWS ? queens_free(&q) : 0; f; f &= f - 1, n++) {
        next[n] = queens_put(&q, f & -f);
        specs[n] = (struct wsched_spec){ .kernel = "queens",
                                         .payload = &next[n],
                                         .payload_size = sizeof next[n] };
    }
    sum = q.row < QUEENS_ROWS ? run_all(wsched_task_pool(task), specs, n) : queens_count(q);
    return wsched_task_result(task, &sum, sizeof sum);
}

/* The first one is the root. */
static int node(struct wsched_task *task, void *ctx)
{
    static const uint64_t root = 1;
    const uint64_t self = *(const uint64_t *)wsched_task_payload(task, NULL);
    const uint32_t n = self == root ? UTS_ROOT : uts_children(self);
    struct wsched_spec few[UTS_CHILDREN],
        *specs = n > UTS_CHILDREN ? calloc(n, sizeof *specs) : few;
    uint64_t child[UTS_ROOT];
    long sum = 1;

    (void)ctx;
    if (!specs)
        return -ENOMEM;
    for (uint32_t i = 0; i < n; i++) {
        child[i] = uts_child(self, i);
        specs[i] = (struct wsched_spec){ .kernel = "node",
                                         .payload = &child[i],
                                         .payload_size = sizeof child[i] };
    }
    if (n)
        sum += run_all(wsched_task_pool(task), specs, n);
    if (specs != few)
        free(specs);
    return wsched_task_result(task, &sum, sizeof sum);
}

static int range(struct wsched_task *task, void *ctx)
{
    const uint32_t *r = wsched_task_payload(task, NULL);
    uint64_t sum = for_range(r[0], r[1]);

    (void)ctx;
    return wsched_task_result(task, &sum, sizeof sum);
}

static const struct wsched_kernel kernels[] = {
    { "nothing", nothing, NULL }, { "uneven", uneven, NULL }, { "queens", queens, NULL },
    { "node", node, NULL },       { "range", range, NULL },
};

/* ---- cases --------------------------------------------------------------------------------- */

static void fan(struct wsched *pool)
{
    static struct wsched_spec specs[FAN];

    for (size_t i = 0; i < FAN; i++)
        specs[i].kernel = "nothing";
    for (int i = 0; i < FAN_BEFORE; i++)
        run_all(pool, specs, FAN);
    int64_t begin = now_ns();
    run_all(pool, specs, FAN);
    say("ours", CASE_FAN, "time", "us", "lower", (double)(now_ns() - begin) / 1e3);
}

static void uneven_case(struct wsched *pool)
{
    static struct wsched_spec specs[UNEVEN_TASKS];
    static uint32_t number[UNEVEN_TASKS];

    for (uint32_t i = 0; i < UNEVEN_TASKS; i++) {
        number[i] = i;
        specs[i] = (struct wsched_spec){ .kernel = "uneven",
                                         .payload = &number[i],
                                         .payload_size = sizeof number[i] };
    }
    run_all(pool, specs, UNEVEN_TASKS);
    int64_t begin = now_ns();
    run_all(pool, specs, UNEVEN_TASKS);
    say("ours", CASE_UNEVEN, "efficiency", "%", "higher",
        uneven_sum_ns() / WORKERS / (double)(now_ns() - begin) * 100);
}

static void one_root(struct wsched *pool, const char *name, const char *kernel, const void *payload,
                     uint32_t size, long expected)
{
    struct wsched_spec s = { .kernel = kernel, .payload = payload, .payload_size = size };

    check(name, run_all(pool, &s, 1), expected);
    int64_t begin = now_ns();
    check(name, run_all(pool, &s, 1), expected);
    say("ours", name, "time", "ms", "lower", (double)(now_ns() - begin) / 1e6);
}

static void queens_case(struct wsched *pool)
{
    const struct queens q = { 0 };

    one_root(pool, CASE_QUEENS, "queens", &q, sizeof q, QUEENS_RESULT);
}

static void uts_case(struct wsched *pool)
{
    const uint64_t root = 1;

    one_root(pool, CASE_UTS, "node", &root, sizeof root, UTS_NODES);
}

static void for_case(struct wsched *pool)
{
    struct wsched_spec specs[PIECES];
    uint32_t r[PIECES][2];

    for (uint32_t i = 0; i < PIECES; i++) {
        r[i][0] = FOR_COUNT / PIECES * i;
        r[i][1] = i + 1 < PIECES ? FOR_COUNT / PIECES * (i + 1) : FOR_COUNT;
        specs[i] =
            (struct wsched_spec){ .kernel = "range", .payload = r[i], .payload_size = sizeof r[i] };
    }
    check(CASE_FOR, run_all(pool, specs, PIECES), FOR_RESULT);
    int64_t begin = now_ns();
    check(CASE_FOR, run_all(pool, specs, PIECES), FOR_RESULT);
    say("ours", CASE_FOR, "time", "us", "lower", (double)(now_ns() - begin) / 1e3);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(struct wsched *pool);
    } cases[] = {
        { CASE_FAN, fan },      { CASE_UNEVEN, uneven_case }, { CASE_QUEENS, queens_case },
        { CASE_UTS, uts_case }, { CASE_FOR, for_case },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct wsched_options o = WSCHED_OPTIONS_INIT;
        struct wsched *pool;
        if (argc > 1 && !strstr(cases[i].name, argv[1]))
            continue;
        o.workers = WORKERS;
        must(wsched_open(&o, kernels, sizeof kernels / sizeof *kernels, &pool), "open");
        line_ns = line_latency_ns(); /* both CPUs wake up, too */
        cases[i].run(pool);
        wsched_close(pool);
    }
    return 0;
}
