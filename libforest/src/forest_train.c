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
#include <string.h>

#include "atomics.h"
#include "forest.h"
#include "base/memory.h"
#include "data/prepared.h"
#include "model/layout.h"
#include "model/model.h"
#include "model/params.h"
#include "train.h"

#define POOL 64
#define SHARED_BYTES ((size_t)8 << 20) /* a smaller model is copied before others have begun */

struct pooled {
    struct au32 taken;
    struct forest_scratch *scratch; /* belongs to who set `taken` */
};

struct job {
    const struct forest_prepared *x;
    const double *y, *sample_weight;
    const struct forest_params *params;
    struct forest_tree *trees;
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

static int train_into(const struct job *job, uint32_t index, struct forest_scratch *scratch)
{
    const void *tree;
    size_t bytes;
    int err = forest_tree_train(job->x, job->y, job->sample_weight, job->params, index, scratch,
                                &tree, &bytes);
    if (err)
        return err;
    void *own = scratch_take(scratch, tree, bytes);
    if (!own) {
        own = memory_make(bytes);
        if (!own)
            return -ENOMEM;
        memcpy(own, tree, bytes);
    }
    free((void *)(uintptr_t)job->trees[index].data); /* should the executor run a body twice */
    job->trees[index] = (struct forest_tree){ own, bytes };
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

/* A model that is being put together. */
struct assembly {
    void *block;
    struct forest_tree *trees;
};

static int assemble_one(void *arg, uint32_t index)
{
    const struct assembly *a = arg;

    model_take(a->block, index, &a->trees[index]);
    return 0;
}

static int assemble_bodies(struct assembly *a, uint32_t n, size_t bytes,
                           const struct forest_executor *executor)
{
    if (!executor || executor->workers < 2 || bytes < SHARED_BYTES) {
        for (uint32_t i = 0; i < n; i++)
            assemble_one(a, i);
        return 0;
    }
    int err = executor->for_each(executor->ctx, n, assemble_one, a);
    for (uint32_t i = 0; i < n && !err; i++)
        err = a->trees[i].data ? -EINVAL : 0;
    return err;
}

static int assemble(const struct job *job, uint64_t features, uint32_t n,
                    const struct forest_executor *executor, void **model, size_t *bytes)
{
    size_t size;
    int err = forest_assemble_size(job->trees, n, &size);

    if (err)
        return err;
    void *block = memory_reserve(size);
    if (!block)
        return -ENOMEM;
    struct assembly a = { block, job->trees };
    err = model_start(job->params, features, job->trees, n, block, size);
    if (!err)
        err = assemble_bodies(&a, n, size, executor);
    if (err) {
        free(block);
        return err;
    }
    model_finish(block, size);
    *model = block;
    *bytes = size;
    return 0;
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

static void free_trees(struct forest_tree *trees, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        free((void *)(uintptr_t)trees[i].data);
    free(trees);
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
    job.trees = calloc(stored.n_estimators, sizeof *job.trees);
    err = job.trees ? train_trees(&job, stored.n_estimators, executor) : -ENOMEM;
    forest_prepared_close(prepared); /* the model needs the room */
    free(block);
    if (!err)
        err = assemble(&job, x->cols, stored.n_estimators, executor, model, bytes);
    free_trees(job.trees, job.trees ? stored.n_estimators : 0);
    return err;
}
