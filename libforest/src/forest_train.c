/* SPDX-License-Identifier: MIT */
/*
 * forest_train.c -- the whole forest in one call: prepare, train each tree, assemble.
 *
 * The executor may run bodies at once on any threads, as many as it likes. Each needs a scratch
 * while it runs: it takes one from a small pool by setting its flag, or makes a new one for itself
 * when all are taken.
 */
#include <errno.h>
#include <stdlib.h>

#include "atomics.h"
#include "forest.h"
#include "base/memory.h"
#include "data/prepared.h"
#include "model/gather.h"
#include "model/params.h"
#include "train.h"

#define POOL 64

struct pooled {
    struct au32 taken;
    struct forest_scratch *scratch; /* belongs to who set `taken` */
};

struct job {
    const struct forest_prepared *x;
    const double *y, *sample_weight;
    const struct forest_params *params;
    struct gather trees;
    struct pooled pool[POOL];
};

/* NULL: all are taken. */
static struct pooled *pool_take(struct job *job)
{
    for (unsigned i = 0; i < POOL; i++) {
        uint32_t is_free = 0;
        if (au32_cas_acquire(&job->pool[i].taken, &is_free, 1)) /* pairs with pool_give */
            return &job->pool[i];
    }
    return NULL;
}

static void pool_give(struct pooled *pooled)
{
    au32_store_release(&pooled->taken, 0); /* pairs with pool_take */
}

static int train_into(struct job *job, uint32_t index, struct forest_scratch *scratch)
{
    const void *tree;
    size_t bytes;
    int err = forest_tree_train(job->x, job->y, job->sample_weight, job->params, index, scratch,
                                &tree, &bytes);
    if (err)
        return err;
    void *own = bytes < GATHER_LARGE ? NULL : scratch_take(scratch, tree, bytes);
    if (!own)
        return gather_copy(&job->trees, index, tree, bytes);
    gather_take(&job->trees, index, own, bytes);
    return 0;
}

static int train_one(void *arg, uint32_t index)
{
    struct job *job = arg;
    struct pooled extra = { .scratch = NULL }, *pooled = pool_take(job);
    struct pooled *mine = pooled ? pooled : &extra;
    int err = mine->scratch ? 0 : forest_scratch_new(&mine->scratch);

    if (!err)
        err = train_into(job, index, mine->scratch);
    if (pooled)
        pool_give(pooled);
    else
        forest_scratch_free(extra.scratch);
    return err;
}

static int train_serially(struct job *job, uint32_t n)
{
    int err = 0;

    for (uint32_t i = 0; i < n && !err; i++)
        err = train_one(job, i);
    return err;
}

/* All trees of the forest; 0, or the first error. The scratches are free again. */
static int train_trees(struct job *job, uint32_t n, const struct forest_executor *executor)
{
    int err =
        executor ? executor->for_each(executor->ctx, n, train_one, job) : train_serially(job, n);

    for (unsigned i = 0; i < POOL; i++)
        forest_scratch_free(job->pool[i].scratch);
    return err;
}

static int prepare(const struct forest_matrix *x, uint32_t mode,
                   const struct forest_executor *executor, void **block,
                   struct forest_prepared **prepared)
{
    size_t bytes;
    int err =
        mode == FOREST_HISTOGRAM ? forest_bin_size(x, &bytes) : forest_prepared_size(x, &bytes);

    if (err)
        return err;
    void *memory = memory_reserve(bytes);
    if (!memory)
        return -ENOMEM;
    err = prepared_own(x, mode, executor, memory, bytes, prepared);
    if (err)
        free(memory);
    else
        *block = memory;
    return err;
}

int forest_train(const struct forest_matrix *x, const double *y, const double *sample_weight,
                 const struct forest_params *params, const struct forest_executor *executor,
                 void **model, size_t *bytes)
{
    struct stored_params stored;
    struct forest_prepared *prepared;
    void *block;

    if (!y || !model || !bytes || (executor && !executor->for_each))
        return -EINVAL;
    int err = params_read(params, &stored);
    if (!err)
        err = prepare(x, stored.mode, executor, &block, &prepared);
    if (err)
        return err;
    struct job job = { .x = prepared, .y = y, .sample_weight = sample_weight, .params = params };
    err = gather_start(&job.trees, stored.n_estimators);
    if (!err)
        err = train_trees(&job, stored.n_estimators, executor);
    forest_prepared_close(prepared); /* the model may need the room */
    free(block);
    if (!err)
        err = gather_finish(&job.trees, params, x->cols, executor, model, bytes);
    gather_release(&job.trees);
    return err;
}
