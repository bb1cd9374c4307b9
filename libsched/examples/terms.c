/* SPDX-License-Identifier: MIT */
/* Tasks with terms: one that needs the only device, one that must be done soon, one that is stopped
 * by force, and one that is run again after errors. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>
#include <wsched.h>

static int use_device(struct wsched_task *task, void *ctx)
{
    (void)task, (void)ctx;
    return 0; /* alone with it: the others are parked, not spinning */
}

static int hang(struct wsched_task *task, void *ctx)
{
    (void)task, (void)ctx;
    for (;;)
        pause();
    return 0;
}

static int flaky(struct wsched_task *task, void *ctx)
{
    (void)ctx;
    return wsched_task_attempt(task) < 3 ? -EAGAIN : 0;
}

static const struct wsched_kernel kernels[] = { { "use_device", use_device, NULL },
                                                { "hang", hang, NULL },
                                                { "flaky", flaky, NULL } };

/* Wait for it, and say how it ended; its result, or an error. */
static int finish(struct wsched *pool, struct wsched_future f, const char *what)
{
    struct wsched_failure failure = { .text = "done" };
    int err = wsched_wait(pool, &f, 1, 1, -1, NULL);

    if (err < 0)
        return err;
    err = wsched_result(pool, f, NULL, 0, NULL);
    if (wsched_failure(pool, f, &failure) && err)
        return err;
    printf("%-12s %s\n", what, failure.text);
    wsched_release(pool, f);
    return err;
}

int main(void)
{
    const struct wsched_resource device = { "device", 1 };
    struct wsched_options opts = WSCHED_OPTIONS_INIT;
    struct wsched_spec specs[] = {
        { .kernel = "use_device", .resources = &device, .resource_count = 1 },
        { .kernel = "use_device",
          .resources = &device,
          .resource_count = 1,
          .priority = WSCHED_PRIORITY_HIGH },
        { .kernel = "hang", .deadline_ms = 20, .flags = WSCHED_KILL_LATE },
        { .kernel = "flaky", .flags = WSCHED_RETRY_ERRORS },
        { .kernel = "hang" },
    };
    struct wsched_future f[5];
    struct wsched *pool;

    opts.workers = 2;
    opts.resources = &device;
    opts.resource_count = 1;
    if (wsched_open(&opts, kernels, 3, &pool))
        return 1;
    if (wsched_submit_many(pool, specs, 5, f) != 5 || wsched_kill(pool, f[4], 10))
        return 1;
    bool as_expected = !finish(pool, f[0], "device") && !finish(pool, f[1], "device, soon") &&
                       finish(pool, f[2], "late") == -ETIMEDOUT && !finish(pool, f[3], "flaky") &&
                       finish(pool, f[4], "killed") == -ECANCELED;
    wsched_close(pool);
    return !as_expected;
}
