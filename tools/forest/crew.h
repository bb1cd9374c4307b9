/* SPDX-License-Identifier: MIT */
/*
 * crew.h -- worker processes that train the trees of forests over shared data.
 *
 * A model is a number of tree tasks, each of which trains a few trees and puts each into the store
 * as an object of its own, and one score task that depends on them: it assembles the model,
 * predicts the test rows and answers with the error. Every task is a function of what is in the
 * store, so it may be run again after a death: a tree that is there already is not trained again.
 *
 *     crew_open -> crew_submit for each model -> crew_wait until all are done -> crew_close
 */
#ifndef CREW_H
#define CREW_H

#include <stdbool.h>
#include <stdint.h>

#include "forest.h"
#include "share.h"
#include "wsched.h"

/* A poison task must not go on for ever; that a healthy one is hit this often is out of the
 * question. */
#define CREW_RETRIES 100
#define MODEL_ALIGNMENT 64 /* of blocks; see forest.h */

struct crew {
    struct wsched *pool;
    struct share *share;
    uint64_t death_cursor;
    uint64_t deaths;
};

/* What a task answers: when it ran (CLOCK_MONOTONIC), where, and of a score task the score. */
struct task_result {
    double score;
    int64_t start_ns, end_ns;
    int32_t pid;
    uint32_t trained; /* trees; one that was in the store already is not */
};

/* A model in the making: its tasks, and in the end its result. */
struct crew_model {
    struct forest_params params;
    struct wsched_future *futures; /* the tree tasks, then the score task if there is one */
    uint32_t count;
    uint32_t shared; /* the first of them are another model's */
    bool is_scored;
    double score;
    double seconds;         /* from the start of its first task to the end of its last */
    double compute_seconds; /* the sum of its tasks */
    uint32_t trained;       /* its trees that were not in the store yet */
    int32_t pid;            /* of the process that finished it */
};

/* Start `workers` processes. Call it before the process grows: they inherit its memory. Complains.
 */
int crew_open(struct crew *crew, struct share *share, uint32_t workers, uint32_t tasks);
void crew_close(struct crew *crew);

/* How many trees a task trains, when `total` are to be trained: little enough to share work fairly.
 */
uint32_t crew_trees_per_task(uint64_t total, uint32_t workers);
/* How many tasks a model of n trees is then cut into. */
uint32_t crew_task_count(uint32_t n_estimators, uint32_t trees_per_task, bool score);

/*
 * Queue a model; with `score` its score on the test rows is computed as well. Its trees are those
 * of `donor`, a queued model with no fewer trees, cut into tasks alike, which must be released
 * after it; NULL: its own. Complains.
 */
int crew_submit(struct crew *crew, struct crew_model *model, const struct forest_params *params,
                uint32_t trees_per_task, bool score, const struct crew_model *donor);
/*
 * Wait until `need` of the n futures are done and set done[i] for each. Shows progress in tasks
 * done and reports deaths meanwhile. Returns how many are done; -EINTR: a signal asks us to end;
 * another error after complaining.
 */
int crew_wait(struct crew *crew, const struct wsched_future *futures, uint32_t n, uint32_t need,
              bool *done);
/* Take the result of a model all of whose tasks are done. A failure is complained about, with its
 * cause. */
int crew_collect(struct crew *crew, struct crew_model *model);
/* Give a model's futures back and delete its trees, unless they are reused; one that is not done
 * only after crew_close(). */
void crew_release(struct crew *crew, struct crew_model *model);
/* A model from its trees in the store, malloc()ed and aligned as forest_open() wants it. */
int crew_assemble(struct share *share, const struct forest_params *params, void **block,
                  size_t *bytes);
/* See model_score(), of the test rows; the trees are read where they are. */
int crew_score(struct share *share, const struct forest_params *params, double *score);

/* An upper bound on the bytes a tree takes in the store; classes 0: regression. */
uint64_t crew_tree_bytes_max(const struct forest_params *params, uint64_t rows, uint32_t classes);

#endif
