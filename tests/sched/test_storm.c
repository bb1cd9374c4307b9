/* SPDX-License-Identifier: MIT */
/*
 * Workers, and now and then the supervisor, are killed, stopped and set going at random while the
 * pool is under load of all kinds. A ledger outside of the pool knows what must come out. KILLS=n
 * in the environment makes it longer.
 */
#include "kit.h"
#include "pool.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#define WINDOW 200u

static struct au32 stop;
static uint32_t kills_wanted, kills_done, supervisors_done;

static void *torment(void *arg)
{
    struct wsched *p = arg;
    uint64_t random = test_seed;

    while (kills_done < kills_wanted) {
        uint64_t r = test_random(&random);
        struct timespec pause = { 0, (long)(r % 1000) * 1000 };
        nanosleep(&pause, NULL);
        pid_t pid = (pid_t)(au64_load_acquire(&p->seats[r >> 32 & 1].identity) & 0x3fffff);
        if (!pid)
            continue;
        if ((r >> 40) % 8 == 0) {
            kill(pid, SIGSTOP);
            nanosleep(&pause, NULL);
            kill(pid, SIGCONT);
        } else if ((r >> 40) % 101 == 1) {
            pthread_mutex_lock(&p->crew_lock); /* it must not be reaped while we aim */
            if (p->supervisor && !kill(p->supervisor, SIGKILL))
                supervisors_done++;
            pthread_mutex_unlock(&p->crew_lock);
        } else {
            kill(pid, SIGKILL);
            kills_done++;
        }
    }
    au32_store_release(&stop, 1);
    return NULL;
}

enum kind { SUM, NESTED, AFTER_SUM, AFTER_BAD, BAD, KINDS };

struct expected {
    struct wsched_future future;
    enum kind kind;
    long value;
};

static uint32_t submissions;

static struct wsched_future submit(struct wsched *pool, const char *kernel, const void *v,
                                   size_t size, const struct wsched_future *after)
{
    struct wsched_spec s = kit_spec(kernel, v, size);
    struct wsched_future f = { 0 };

    s.max_retries = 249;
    s.priority = (int32_t)(++submissions % 3) - 1;
    s.cpus = submissions % 5 == 0;
    s.after = after;
    s.after_count = after != NULL;
    REQUIRE_OK(wsched_submit(pool, &s, &f));
    return f;
}

static struct expected one(struct wsched *pool, uint64_t *random, const struct expected *before)
{
    struct expected e = { .kind = (enum kind)(test_random(random) % KINDS) };
    long v[2] = { (long)(test_random(random) % 1000), 5 };
    int n = (int)(test_random(random) % 10), err = -EDOM;

    e.value = v[0] + v[1];
    if (e.kind == SUM || !before)
        e.kind = SUM, e.future = submit(pool, "add", v, sizeof v, NULL);
    else if (e.kind == NESTED)
        e.value = kit_fib(n), e.future = submit(pool, "fib", &n, sizeof n, NULL);
    else if (e.kind == BAD)
        e.future = submit(pool, "fail", &err, sizeof err, NULL);
    else {
        e.future = submit(pool, "add", v, sizeof v, &before->future);
        e.kind = before->kind == BAD || before->kind == AFTER_BAD ? AFTER_BAD : AFTER_SUM;
    }
    return e;
}

static void expect(struct wsched *pool, const struct expected *e)
{
    long v = 0;

    REQUIRE_OK(wsched_wait(pool, &e->future, 1, 1, -1, NULL));
    int err = wsched_result(pool, e->future, &v, sizeof v, NULL);
    CHECK_EQ(err, e->kind == BAD || e->kind == AFTER_BAD ? -EDOM : 0);
    if (!err)
        CHECK_EQ(v, e->value);
}

static void storm(void)
{
    static struct expected window[WINDOW];
    struct wsched *pool = kit_open(2, 0);
    const char *kills = getenv("KILLS");
    uint64_t random = test_seed + 1, tasks = 0;
    struct wsched_stats stats;
    char text[256] = "";
    pthread_t t;

    kills_wanted = kills ? (uint32_t)strtoul(kills, NULL, 10) : 2000;
    REQUIRE(!pthread_create(&t, NULL, torment, pool));
    for (; !au32_load_acquire(&stop) || tasks < WINDOW; tasks++) {
        struct expected *e = &window[tasks % WINDOW];
        if (tasks >= WINDOW) {
            expect(pool, e);
            wsched_release(pool, e->future);
        }
        *e = one(pool, &random, tasks ? &window[(tasks - 1) % WINDOW] : NULL);
    }
    pthread_join(t, NULL);
    for (uint32_t i = 0; i < WINDOW; i++) {
        expect(pool, &window[i]);
        wsched_release(pool, window[i].future);
    }
    if (wsched_verify(pool, text))
        fprintf(stderr, "%s\n", text);
    CU_ASSERT_STRING_EQUAL(text, "");
    REQUIRE_OK(wsched_stats(pool, &stats));
    printf("(%llu tasks, %u kills, %u supervisors, %llu deaths, %llu retried) ",
           (unsigned long long)tasks, kills_done, supervisors_done,
           (unsigned long long)stats.worker_deaths, (unsigned long long)stats.retried);
    /* Nothing leaks: all is free, or in the stock of a live process. */
    while (deps_blocks_free(pool) != pool->block_count)
        (void)!supervisor_check(pool);
    for (uint32_t i = 0; i < pool->task_count; i++) {
        uint64_t w;
        do {
            w = au64_load_acquire(&task_at(pool, i)->word);
            (void)!supervisor_check(pool);
        } while (word_state(w) > TASK_MAKING);
    }
    wsched_close(pool);
}

TESTS("wsched: storm", { "killed and stopped at random, under load", storm })
