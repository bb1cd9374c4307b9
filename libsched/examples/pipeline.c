/* SPDX-License-Identifier: MIT */
/*
 * pipeline.c -- tasks that start when others are done: load, three filters, a report; and what
 * comes of it when the first stage fails.
 *
 *     load --> filter 0, 1, 2 --> report
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <wsched.h>

#define FILTERS 3

struct stage {
    unsigned number;
    struct wsched_future from[FILTERS]; /* whose results it needs */
};

static int load(struct wsched_task *task, void *ctx)
{
    const int *is_broken = wsched_task_payload(task, NULL);
    unsigned value = 1000;

    (void)ctx;
    return *is_broken ? -EIO : wsched_task_result(task, &value, sizeof value);
}

/* A kernel takes the results of tasks it was submitted after: they are done. */
static int filter(struct wsched_task *task, void *ctx)
{
    const struct stage *s = wsched_task_payload(task, NULL);
    unsigned value;

    (void)ctx;
    int err = wsched_result(wsched_task_pool(task), s->from[0], &value, sizeof value, NULL);
    value /= s->number + 1;
    return err ? err : wsched_task_result(task, &value, sizeof value);
}

static int report(struct wsched_task *task, void *ctx)
{
    const struct stage *s = wsched_task_payload(task, NULL);
    unsigned value, sum = 0;
    int err = 0;

    (void)ctx;
    for (int i = 0; i < FILTERS && !err; i++) {
        err = wsched_result(wsched_task_pool(task), s->from[i], &value, sizeof value, NULL);
        sum += value;
    }
    return err ? err : wsched_task_result(task, &sum, sizeof sum);
}

/* Submit all stages at once; futures[0] is the load's, the last one the report's. */
static int submit_all(struct wsched *pool, int is_broken, struct wsched_future futures[FILTERS + 2])
{
    struct wsched_spec spec = { .kernel = "load",
                                .payload = &is_broken,
                                .payload_size = sizeof is_broken };
    struct stage stage = { 0, { { 0 } } };
    int err = wsched_submit(pool, &spec, &futures[0]);

    stage.from[0] = futures[0];
    for (unsigned i = 0; i < FILTERS && !err; i++) {
        stage.number = i;
        spec = (struct wsched_spec){ .kernel = "filter",
                                     .payload = &stage,
                                     .payload_size = sizeof stage,
                                     .after = &futures[0],
                                     .after_count = 1 };
        err = wsched_submit(pool, &spec, &futures[i + 1]);
    }
    memcpy(stage.from, &futures[1], sizeof stage.from);
    spec.kernel = "report";
    spec.after = &futures[1];
    spec.after_count = FILTERS;
    return err ? err : wsched_submit(pool, &spec, &futures[FILTERS + 1]);
}

int main(void)
{
    static const struct wsched_kernel kernels[] = {
        { "load", load, NULL },
        { "filter", filter, NULL },
        { "report", report, NULL },
    };
    struct wsched_future futures[FILTERS + 2];
    struct wsched_failure failure;
    unsigned results[2] = { 0, 0 };
    struct wsched *pool;
    int errors[2] = { 0, 0 };

    int err = wsched_open(NULL, kernels, 3, &pool);
    if (err) {
        fprintf(stderr, "pipeline: %s\n", wsched_strerror(err));
        return 1;
    }
    for (int is_broken = 0; is_broken < 2 && err >= 0; is_broken++) {
        struct wsched_future *last = &futures[FILTERS + 1];
        err = submit_all(pool, is_broken, futures);
        if (!err)
            err = wsched_wait(pool, last, 1, 1, -1, NULL);
        if (err < 0)
            break;
        errors[is_broken] = wsched_result(pool, *last, &results[is_broken], sizeof(unsigned), NULL);
        if (!errors[is_broken])
            printf("report: %u\n", results[is_broken]);
        else if (!wsched_failure(pool, *last, &failure))
            printf("no report: %s\n", failure.text);
        for (int i = 0; i < FILTERS + 2; i++)
            wsched_release(pool, futures[i]);
    }
    if (err < 0)
        fprintf(stderr, "pipeline: %s\n", wsched_strerror(err));
    wsched_close(pool);
    return err < 0 || errors[0] || results[0] != 1000 + 500 + 333 || errors[1] != -EIO;
}
