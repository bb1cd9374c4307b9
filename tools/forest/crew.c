/* SPDX-License-Identifier: MIT */
#include "crew.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "interrupt.h"
#include "kernels.h"
#include "model.h"
#include "progress.h"
#include "tool.h"

#define NODE_BYTES 16    /* of a flat tree, */
#define STATS_BYTES 36   /* with keep_stats, and its number in best-first trees */
#define BLOCK_BYTES 4096 /* its header, and the rounding of both libraries */
#define TASKS_PER_WORKER 256
#define LOOK_EVERY_MS 100 /* at signals, deaths and progress */

int crew_open(struct crew *crew, struct share *share, uint32_t workers, uint32_t tasks)
{
    struct wsched_options options = WSCHED_OPTIONS_INIT;
    memset(crew, 0, sizeof *crew);
    crew->share = share;
    options.workers = workers;
    options.task_capacity = tasks + 16;
    options.payload_max = sizeof(struct task);
    options.result_max = sizeof(struct task_result);
    options.worker_start = kernels_start;
    options.worker_stop = kernels_stop;
    options.worker_ctx = share;
    int err = wsched_open(&options, kernels, KERNELS, &crew->pool);
    if (err)
        complain(NULL, "cannot start %u workers (%s)", workers, wsched_strerror(err));
    return err;
}

void crew_close(struct crew *crew)
{
    wsched_close(crew->pool);
    crew->pool = NULL;
}

uint32_t crew_trees_per_task(uint64_t total, uint32_t workers)
{
    return (uint32_t)(total / ((uint64_t)workers * TASKS_PER_WORKER)) + 1;
}

uint32_t crew_task_count(uint32_t n_estimators, uint32_t trees_per_task, bool with_score)
{
    return (n_estimators - 1) / trees_per_task + 1 + with_score;
}

static int submit(struct crew *crew, struct crew_model *m, const char *kernel,
                  const struct task *task, const char *label)
{
    bool is_score = !strcmp(kernel, KERNEL_SCORE);
    struct wsched_spec spec = {
        .kernel = kernel,
        .payload = task,
        .payload_size = sizeof *task,
        .max_retries = CREW_RETRIES,
        .label = label,
        .after = is_score ? m->futures : NULL,
        .after_count = is_score ? m->count : 0,
    };
    int err = wsched_submit(crew->pool, &spec, &m->futures[m->count]);
    if (err)
        complain(NULL, "cannot queue a task (%s)", wsched_strerror(err));
    else
        m->count++;
    return err;
}

static int submit_trees(struct crew *crew, struct crew_model *m, uint32_t trees_per_task)
{
    uint32_t n = m->params.n_estimators;
    char label[32];
    int err = 0;
    for (uint32_t first = 0; first < n && !err; first += trees_per_task) {
        uint32_t count = n - first < trees_per_task ? n - first : trees_per_task;
        struct task task = { m->params, first, count };
        if (count == 1)
            snprintf(label, sizeof label, "n=%u tree %u", n, first);
        else
            snprintf(label, sizeof label, "n=%u trees %u-%u", n, first, first + count - 1);
        err = submit(crew, m, KERNEL_TRAIN, &task, label);
    }
    return err;
}

int crew_submit(struct crew *crew, struct crew_model *m, const struct forest_params *params,
                uint32_t trees_per_task, bool with_score, const struct crew_model *donor)
{
    uint32_t n = params->n_estimators;
    char label[32];
    *m = (struct crew_model){ .params = *params, .is_scored = with_score };
    m->futures = calloc(crew_task_count(n, trees_per_task, with_score), sizeof *m->futures);
    if (!m->futures) {
        complain(NULL, "not enough memory");
        return -ENOMEM;
    }
    int err = 0;
    if (donor) {
        m->count = m->shared = crew_task_count(n, trees_per_task, false);
        memcpy(m->futures, donor->futures, m->count * sizeof *m->futures);
    } else {
        err = submit_trees(crew, m, trees_per_task);
    }
    if (!err && with_score) {
        struct task task = { *params, 0, n };
        snprintf(label, sizeof label, "n=%u score", n);
        err = submit(crew, m, KERNEL_SCORE, &task, label);
    }
    return err;
}

static void report_deaths(struct crew *crew)
{
    struct wsched_death d;
    while (wsched_next_death(crew->pool, &crew->death_cursor, &d) == 1) {
        char how[64];
        crew->deaths++;
        if (d.signal)
            snprintf(how, sizeof how, "was killed by signal %d (%s)", d.signal,
                     strsignal(d.signal));
        else
            snprintf(how, sizeof how, "ended with exit code %d", d.exit_code);
        complain(NULL, "worker %d %s%s%s%s", d.pid, how, d.kernel[0] ? " in " : " between tasks",
                 d.kernel[0] ? d.label : "", d.kernel[0] ? "; that runs again elsewhere" : "");
    }
}

int crew_wait(struct crew *crew, const struct wsched_future *futures, uint32_t n, uint32_t need,
              bool *done)
{
    for (;;) {
        struct wsched_stats stats;
        int count = wsched_wait(crew->pool, futures, n, need, LOOK_EVERY_MS, done);
        report_deaths(crew);
        if (interrupt_pending())
            return -EINTR;
        if (!wsched_stats(crew->pool, &stats))
            progress_update((double)stats.finished);
        if (count == -ETIMEDOUT || count == -EINTR)
            continue;
        if (count < 0)
            complain(NULL, "cannot wait for the workers (%s)", wsched_strerror(count));
        return count;
    }
}

/* The failure of a task in words; the library knows the true cause. */
static int explain(struct crew *crew, struct wsched_future future, uint32_t n_estimators, int err)
{
    struct wsched_failure failure;
    const char *text =
        wsched_failure(crew->pool, future, &failure) ? wsched_strerror(err) : failure.text;
    complain(NULL, "the forest of %u trees failed: %s%s", n_estimators, text,
             err == -ENOSPC ? "; --store-size makes the store larger" : "");
    return err;
}

int crew_collect(struct crew *crew, struct crew_model *m)
{
    int64_t start = INT64_MAX, end = INT64_MIN;
    for (uint32_t i = 0; i < m->count; i++) {
        struct task_result r;
        size_t size;
        int err = wsched_result(crew->pool, m->futures[i], &r, sizeof r, &size);
        /* One that failed fails the scoring at once, while others may still run: the cause is
         * further on. */
        if (err == -EINPROGRESS)
            continue;
        if (err)
            return explain(crew, m->futures[i], m->params.n_estimators, err);
        start = r.start_ns < start ? r.start_ns : start;
        end = r.end_ns > end ? r.end_ns : end;
        m->compute_seconds += (double)(r.end_ns - r.start_ns) * 1e-9;
        m->trained += i < m->shared ? 0 : r.trained;
        m->pid = r.pid;
        m->score = r.score;
    }
    m->seconds = (double)(end - start) * 1e-9;
    return 0;
}

void crew_release(struct crew *crew, struct crew_model *m)
{
    for (uint32_t i = m->shared; i < m->count && crew->pool; i++) {
        (void)!wsched_cancel(crew->pool, m->futures[i]); /* -EALREADY mostly */
        wsched_release(crew->pool, m->futures[i]);
    }
    free(m->futures);
    m->futures = NULL;
    m->count = 0;
    if (crew->share->tree_key[0])
        return;
    for (uint32_t tree = 0; tree < m->params.n_estimators; tree++) {
        struct objstore_id id;
        share_tree_id(crew->share, m->params.n_estimators, tree, &id);
        (void)!objstore_delete(crew->share->store, &id); /* -ENOENT if the model failed */
    }
}

/* The trees of a model, in place. */
struct gathered {
    struct objstore_view *views;
    struct forest_tree *trees;
    uint32_t count;
};

static void gathered_free(struct share *share, struct gathered *g)
{
    while (g->count > 0)
        objstore_release(share->store, &g->views[--g->count]);
    free(g->trees);
    free(g->views);
}

static int gather(struct share *share, uint32_t n, struct gathered *g)
{
    *g = (struct gathered){ calloc(n, sizeof *g->views), calloc(n, sizeof *g->trees), 0 };
    int err = g->views && g->trees ? 0 : -ENOMEM;
    while (g->count < n && !err) {
        struct objstore_id id;
        struct objstore_view *view = &g->views[g->count];
        share_tree_id(share, n, g->count, &id);
        err = objstore_get(share->store, &id, 0, view);
        if (!err)
            g->trees[g->count++] = (struct forest_tree){ view->data, view->size };
    }
    if (err)
        gathered_free(share, g);
    return err;
}

int crew_assemble(struct share *share, const struct forest_params *params, void **block,
                  size_t *bytes)
{
    uint32_t n = params->n_estimators;
    struct gathered g;
    void *memory = NULL;
    size_t size = 0;
    int err = gather(share, n, &g);
    if (err)
        return err;
    err = forest_assemble_size(g.trees, n, &size);
    if (!err && posix_memalign(&memory, MODEL_ALIGNMENT, size))
        err = -ENOMEM;
    if (!err)
        err = forest_assemble(params, share->features, g.trees, n, memory, size);
    gathered_free(share, &g);
    if (err) {
        free(memory);
        return err;
    }
    *block = memory;
    *bytes = size;
    return 0;
}

int crew_score(struct share *share, const struct forest_params *params, double *score)
{
    struct forest_matrix x = share_test_matrix(share);
    struct forest *forest;
    struct gathered g;
    int err = gather(share, params->n_estimators, &g);
    if (err)
        return err;
    err = forest_open_trees(params, share->features, g.trees, g.count, &forest);
    if (!err) {
        err = model_score(forest, &x, share->view[Y_TEST].data, score);
        forest_close(forest);
    }
    gathered_free(share, &g);
    return err;
}

uint64_t crew_tree_bytes_max(const struct forest_params *params, uint64_t rows, uint32_t classes)
{
    bool is_whole = params->no_bootstrap || (params->extra_trees && !params->bootstrap);
    uint64_t weights = classes * sizeof(double), each = NODE_BYTES;
    /* A leaf has a row of its own; a bootstrap draws 63 % of the rows, give or take. */
    uint64_t leaves = is_whole ? rows : rows / 3 * 2 + 1000;
    if (leaves > rows)
        leaves = rows;
    if (params->min_samples_leaf > 1 && leaves > rows / params->min_samples_leaf + 1)
        leaves = rows / params->min_samples_leaf + 1;
    if (params->max_depth > 0 && params->max_depth < 40 &&
        leaves > (uint64_t)1 << params->max_depth)
        leaves = (uint64_t)1 << params->max_depth;
    if (params->max_leaf_nodes && leaves > params->max_leaf_nodes)
        leaves = params->max_leaf_nodes;
    if (params->keep_stats || params->max_leaf_nodes)
        each += STATS_BYTES + weights;
    /* A leaf of one class, as most are, has no distribution; any other has two rows. */
    uint64_t mixed = leaves < rows / 2 + 1 ? leaves : rows / 2 + 1;
    return 2 * leaves * each + mixed * weights + BLOCK_BYTES + 5 * MODEL_ALIGNMENT;
}
