/* SPDX-License-Identifier: MIT */
#include "kernels.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "crew.h"
#include "interrupt.h"

/* One worker process runs one task at a time; all that lasts between tasks is here. */
static struct worker {
    struct share *share;
    struct forest_prepared *prepared;
    struct forest_scratch *scratch;
} worker;

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int kernels_start(void *ctx)
{
    worker.share = ctx;
    interrupt_leave_to_parent();
    int err = share_attach(worker.share);
    if (!err)
        err = forest_prepared_open(worker.share->view[PREPARED].data,
                                   worker.share->view[PREPARED].size, &worker.prepared);
    if (!err)
        err = forest_scratch_new(&worker.scratch);
    return err;
}

void kernels_stop(void *ctx)
{
    (void)ctx;
    forest_scratch_free(worker.scratch);
    forest_prepared_close(worker.prepared);
    share_detach(worker.share);
}

static int train_tree(const struct forest_params *params, uint32_t tree, uint32_t *trained)
{
    struct objstore_id id;
    const void *block;
    size_t bytes;
    share_tree_id(worker.share, params->n_estimators, tree, &id);
    if (objstore_contains(worker.share->store, &id))
        return 0; /* an earlier attempt came this far, or, when trees are reused, an earlier run */
    int err = forest_tree_train(worker.prepared, worker.share->view[Y_TRAIN].data, NULL, params,
                                tree, worker.scratch, &block, &bytes);
    if (err)
        return err;
    struct objstore_meta meta = { .dtype = OBJSTORE_BYTES };
    if (worker.share->tree_key[0])
        snprintf(meta.name, sizeof meta.name, "tree %u", tree);
    else
        snprintf(meta.name, sizeof meta.name, "tree %u of %u", tree, params->n_estimators);
    snprintf(meta.tag, sizeof meta.tag, "%s", share_tree_tag(worker.share));
    err = objstore_put(worker.share->store, &id, block, bytes, &meta);
    *trained += !err;
    return err == -EEXIST ? 0 : err;
}

static int run_train(struct wsched_task *task, void *ctx)
{
    size_t size;
    const struct task *t = wsched_task_payload(task, &size);
    struct task_result result = { .start_ns = now_ns(), .pid = getpid() };
    (void)ctx;
    for (uint32_t i = 0; i < t->count; i++) {
        if (wsched_task_cancelled(task))
            return -ECANCELED;
        int err = train_tree(&t->params, t->first + i, &result.trained);
        if (err)
            return err;
    }
    result.end_ns = now_ns();
    return wsched_task_result(task, &result, sizeof result);
}

static int run_score(struct wsched_task *task, void *ctx)
{
    size_t size;
    const struct task *t = wsched_task_payload(task, &size);
    struct task_result result = { .start_ns = now_ns(), .pid = getpid() };
    (void)ctx;
    int err = crew_score(worker.share, &t->params, &result.score);
    result.end_ns = now_ns();
    return err ? err : wsched_task_result(task, &result, sizeof result);
}

const struct wsched_kernel kernels[KERNELS] = {
    { KERNEL_TRAIN, run_train, NULL },
    { KERNEL_SCORE, run_score, NULL },
};
