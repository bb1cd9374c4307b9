/* SPDX-License-Identifier: MIT */
/*
 * actor.c -- what calls of actors cost, the driver and one actor.
 *
 *     actor [--rounds N]      one JSON object a line
 *
 *   call_sync    one call, waited for, its result taken, given back; then the next: M/s, and ns a
 * call call_async   batches of 256, the next being made while the actor serves the one before: M/s
 *   call_many    two callers, a task each on two workers, calls of their own: M/s
 *   make         an actor made, called once, stopped: us until the answer
 *   idle         processor time that 16 actors without calls take in a second: us
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <wsched.h>

#define BATCH 256u
#define WINDOW 4u
#define ROUNDS_MAX 101

static int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int must(int result, const char *what)
{
    if (result < 0) {
        fprintf(stderr, "actor: %s: %s\n", what, wsched_strerror(result));
        exit(1);
    }
    return result;
}

static int make(struct wsched_task *task, void *ctx)
{
    static long counter;

    (void)ctx;
    return wsched_task_set_actor_state(task, &counter);
}

static int count(struct wsched_task *task, void *ctx)
{
    long *counter = wsched_task_actor_state(task);

    (void)ctx;
    ++*counter;
    return wsched_task_result(task, counter, sizeof *counter);
}

/* Calls the actor in its payload so often. */
static int caller(struct wsched_task *task, void *ctx);

static const struct wsched_kernel kernels[] = { { "make", make, NULL },
                                                { "count", count, NULL },
                                                { "caller", caller, NULL } };

/* `n` calls in batches, at most WINDOW of them on their way. */
static void call_in_batches(struct wsched *pool, struct wsched_actor actor, uint32_t n)
{
    struct wsched_future f[WINDOW][BATCH];
    struct wsched_spec s[BATCH];
    uint32_t made = 0, taken = 0, batches = n / BATCH;

    for (uint32_t i = 0; i < BATCH; i++)
        s[i] = (struct wsched_spec){ .kernel = "count", .actor = actor };
    while (taken < batches) {
        if (made < batches && made - taken < WINDOW) {
            must(wsched_submit_many(pool, s, BATCH, f[made++ % WINDOW]), "submit");
            continue;
        }
        struct wsched_future *done = f[taken++ % WINDOW];
        must(wsched_wait(pool, done, BATCH, BATCH, -1, NULL), "wait");
        for (uint32_t i = 0; i < BATCH; i++)
            wsched_release(pool, done[i]);
    }
}

struct order {
    struct wsched_actor actor;
    uint32_t calls;
};

static int caller(struct wsched_task *task, void *ctx)
{
    const struct order *o = wsched_task_payload(task, NULL);

    (void)ctx;
    call_in_batches(wsched_task_pool(task), o->actor, o->calls);
    return 0;
}

static struct wsched *open_pool(struct wsched_actor *actor)
{
    struct wsched_options o = WSCHED_OPTIONS_INIT;
    struct wsched_actor_spec a = { .constructor = "make", .mailbox_capacity = 2048 };
    struct wsched *pool;

    o.workers = 2;
    must(wsched_open(&o, kernels, sizeof kernels / sizeof *kernels, &pool), "open");
    if (actor)
        must(wsched_actor_new(pool, &a, actor), "new");
    return pool;
}

static void call_once(struct wsched *pool, struct wsched_actor actor)
{
    struct wsched_spec s = { .kernel = "count" };
    struct wsched_future f;
    long v;

    must(wsched_actor_call(pool, actor, &s, &f), "call");
    must(wsched_wait(pool, &f, 1, 1, -1, NULL), "wait");
    must(wsched_result(pool, f, &v, sizeof v, NULL), "result");
    wsched_release(pool, f);
}

static double sync_rate(void)
{
    const uint32_t n = 200000;
    struct wsched_actor actor;
    struct wsched *pool = open_pool(&actor);

    for (uint32_t i = 0; i < n / 10; i++)
        call_once(pool, actor);
    int64_t begin = now_ns();
    for (uint32_t i = 0; i < n; i++)
        call_once(pool, actor);
    double rate = n * 1e3 / (double)(now_ns() - begin);
    wsched_close(pool);
    return rate;
}

static double async_rate(void)
{
    const uint32_t n = 4000 * BATCH;
    struct wsched_actor actor;
    struct wsched *pool = open_pool(&actor);

    call_in_batches(pool, actor, n / 10 / BATCH * BATCH);
    int64_t begin = now_ns();
    call_in_batches(pool, actor, n);
    double rate = n * 1e3 / (double)(now_ns() - begin);
    wsched_close(pool);
    return rate;
}

static double callers_rate(void)
{
    struct order o = { .calls = 1500 * BATCH };
    struct wsched *pool = open_pool(&o.actor);
    struct wsched_spec s[2];
    struct wsched_future f[2];

    call_once(pool, o.actor);
    for (int i = 0; i < 2; i++)
        s[i] = (struct wsched_spec){ .kernel = "caller", .payload = &o, .payload_size = sizeof o };
    int64_t begin = now_ns();
    must(wsched_submit_many(pool, s, 2, f), "submit");
    must(wsched_wait(pool, f, 2, 2, -1, NULL), "wait");
    for (int i = 0; i < 2; i++)
        must(wsched_result(pool, f[i], NULL, 0, NULL), "result");
    double rate = 2 * o.calls * 1e3 / (double)(now_ns() - begin);
    wsched_close(pool);
    return rate;
}

static double make_time(void)
{
    const int n = 50;
    struct wsched *pool = open_pool(NULL);
    int64_t sum = 0;

    for (int i = 0; i < n; i++) {
        struct wsched_actor_spec a = { .constructor = "make" };
        struct wsched_actor_info info;
        struct wsched_actor actor;
        int64_t begin = now_ns();
        must(wsched_actor_new(pool, &a, &actor), "new");
        call_once(pool, actor);
        sum += now_ns() - begin;
        must(wsched_actor_stop(pool, actor, WSCHED_ACTOR_FINISH), "stop");
        while (!wsched_actor_info(pool, actor, &info) && info.state != WSCHED_ACTOR_ENDED)
            usleep(100);
    }
    wsched_close(pool);
    return (double)sum / n / 1e3;
}

static double cpu_us(int32_t pid)
{
    char path[64];
    unsigned long long ns = 0;

    snprintf(path, sizeof path, "/proc/%d/schedstat", (int)pid);
    FILE *f = fopen(path, "r");
    if (f && fscanf(f, "%llu", &ns) != 1)
        ns = 0;
    if (f)
        fclose(f);
    return (double)ns / 1e3;
}

static double idle_time(void)
{
    struct wsched *pool = open_pool(NULL);
    struct wsched_actor actors[16];
    double before = 0, after = 0;

    for (int i = 0; i < 16; i++) {
        struct wsched_actor_spec a = { .constructor = "make" };
        must(wsched_actor_new(pool, &a, &actors[i]), "new");
        call_once(pool, actors[i]);
    }
    usleep(100000);
    for (int i = 0; i < 32; i++) {
        struct wsched_actor_info info;
        must(wsched_actor_info(pool, actors[i % 16], &info), "info");
        *(i < 16 ? &before : &after) += cpu_us(info.pid);
        if (i == 15)
            sleep(1);
    }
    wsched_close(pool);
    return after - before + 0.001; /* 0 is no measurement */
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void report(const char *name, double (*measure)(void), int rounds, const char *unit,
                   const char *better)
{
    double v[ROUNDS_MAX];

    for (int i = 0; i < rounds; i++)
        v[i] = measure();
    qsort(v, (size_t)rounds, sizeof *v, by_value);
    printf("{\"suite\": \"sched\", \"case\": \"%s\", \"params\": {}, \"impl\": \"ours\", "
           "\"metric\": \"%s\", \"unit\": \"%s\", \"better\": \"%s\", \"median\": %.6g, "
           "\"min\": %.6g, \"max\": %.6g, \"rounds\": %d}\n",
           name, better[0] == 'h' ? "rate" : "time", unit, better, v[rounds / 2], v[0],
           v[rounds - 1], rounds);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    int rounds = 5;

    if (argc == 3 && !strcmp(argv[1], "--rounds"))
        rounds = atoi(argv[2]);
    if (rounds < 1 || rounds > ROUNDS_MAX || (argc != 1 && argc != 3)) {
        fprintf(stderr, "usage: actor [--rounds N]\n");
        return 2;
    }
    report("actor call, waited for", sync_rate, rounds, "M/s", "higher");
    report("actor calls, batches of 256", async_rate, rounds, "M/s", "higher");
    report("actor calls, from two workers", callers_rate, rounds, "M/s", "higher");
    report("actor made and called", make_time, rounds, "us", "lower");
    report("16 idle actors, a second", idle_time, rounds, "us", "lower");
    return 0;
}
