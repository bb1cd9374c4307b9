/* SPDX-License-Identifier: MIT */
#include "stream_kit.h"

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>

struct shared *shared;
char name[64];

/* Yields the numbers from 0 on. */
static int counts(struct wsched_task *task, void *ctx)
{
    const struct plan plan = *(const struct plan *)wsched_task_payload(task, NULL);
    long i = plan.resumes ? (long)wsched_task_resume(task) : 0;
    int err = 0;

    (void)ctx;
    for (; i < plan.count && !err; i++) {
        if (plan.die_after == i && wsched_task_attempt(task) <= (uint32_t)plan.deaths)
            kill(getpid(), SIGKILL);
        err = wsched_yield(task, &i, sizeof i);
        shared->yielded += !err;
    }
    shared->error = err;
    shared->ended++;
    return err ? err : plan.error ? plan.error : wsched_task_result(task, &i, sizeof i);
}

static int adds_one(struct wsched_task *task, void *ctx)
{
    long x = *(const long *)wsched_task_payload(task, NULL) + 1;

    (void)ctx;
    return wsched_task_result(task, &x, sizeof x);
}

/* The crew's worker has enough to do while this runs. */
static int holds(struct wsched_task *task, void *ctx)
{
    (void)task;
    (void)ctx;
    shared->held = 1;
    while (!shared->go)
        sched_yield();
    return 0;
}

static struct wsched_kernel kernels[20];
static size_t kernel_count;

struct wsched *stream_open(uint32_t workers, uint32_t streams, const struct wsched_kernel *own,
                           size_t count)
{
    struct wsched_options o = WSCHED_OPTIONS_INIT;
    static int number;

    kernels[0] = (struct wsched_kernel){ "counts", counts, NULL };
    kernels[1] = (struct wsched_kernel){ "adds_one", adds_one, NULL };
    kernels[2] = (struct wsched_kernel){ "holds", holds, NULL };
    kernel_count = count + 3;
    REQUIRE(kernel_count <= sizeof kernels / sizeof *kernels);
    memcpy(kernels + 3, own, count * sizeof *own);
    shared = kit_share(sizeof *shared);
    snprintf(name, sizeof name, "test-stream-%d-%d", (int)getpid(), number++);
    o.workers = workers;
    o.streams = streams;
    o.task_capacity = 200;
    o.name = name;
    return kit_open_with(&o, kernels, kernel_count);
}

int stream_join(struct wsched **guest)
{
    return wsched_join(name, kernels, kernel_count, NULL, guest);
}

void close_pool(struct wsched *pool)
{
    kit_close(pool);
    munmap(shared, sizeof *shared);
}

struct wsched_future submit(struct wsched *pool, const char *kernel, const void *payload,
                            size_t size, uint32_t stream)
{
    struct wsched_spec s = { .kernel = kernel,
                             .payload = payload,
                             .payload_size = (uint32_t)size,
                             .stream = stream,
                             .max_retries = 9 };

    return kit_submit_spec(pool, &s);
}

struct wsched_future count_to(struct wsched *pool, long count, uint32_t stream)
{
    struct plan plan = { .count = count, .die_after = -1 };

    return submit(pool, "counts", &plan, sizeof plan, stream);
}

void expect_numbers(struct wsched *pool, struct wsched_future f, long first, long end)
{
    size_t size;
    long item;

    for (long i = first; i < end; i++) {
        size = 0;
        item = -1;
        REQUIRE(wsched_next(pool, f, &item, sizeof item, &size, -1) == 1);
        CHECK_EQ(item, i);
        CHECK_EQ(size, sizeof item);
    }
    CHECK_EQ(wsched_next(pool, f, &item, sizeof item, &size, -1), 0);
    CHECK_EQ(wsched_next(pool, f, &item, sizeof item, &size, 0), 0);
}
