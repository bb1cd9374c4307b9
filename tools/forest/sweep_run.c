/* SPDX-License-Identifier: MIT */
/*
 * sweep_run.c -- train the models: with worker processes, or one after the other.
 *
 * Both ways start from the same arrays and the same prepared block, which lie in the store already,
 * and both are timed from their first step (for the workers, from their start) to the last result.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "crew.h"
#include "interrupt.h"
#include "model.h"
#include "progress.h"
#include "sweep.h"
#include "timeline.h"
#include "tool.h"

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ---- with workers -------------------------------------------------------------------- */

/* Models that are queued or running; the big ones go first, so that the end is shared fairly. */
struct flight {
    struct crew crew;
    struct crew_model *models; /* as in sweep->model */
    uint32_t *place;           /* which of them are in the air */
    uint32_t count;
    uint64_t trees; /* of those */
    uint32_t next;  /* models [0, next) are still on the ground */
    uint32_t per_task;
};

/*
 * Two of the largest models, so that the workers are busy with one while the trees of the other are
 * assembled, and enough for many workers. Trees that are reused stay.
 */
uint64_t sweep_window(const struct sweep *s)
{
    if (s->reuse_trees)
        return s->model[s->models - 1].params.n_estimators;
    uint64_t pair = 2 * (uint64_t)s->model[s->models - 1].params.n_estimators;
    uint64_t window = pair > 16 * (uint64_t)s->workers ? pair : 16 * (uint64_t)s->workers;
    return window < s->trees ? window : s->trees;
}

/* The model that trains the trees of all others as well, or NULL. */
static struct crew_model *donor_of(const struct sweep *s, const struct flight *f)
{
    return s->reuse_trees ? &f->models[s->models - 1] : NULL;
}

static int launch(struct sweep *s, struct flight *f)
{
    int err = 0;
    while (f->next > 0 && !err) {
        uint32_t i = f->next - 1, n = s->model[i].params.n_estimators;
        struct crew_model *m = &f->models[i], *donor = donor_of(s, f);
        if (f->count > 0 && !donor && f->trees + n > sweep_window(s))
            break;
        f->next = i;
        f->place[f->count++] = i;
        f->trees += n;
        err = crew_submit(&f->crew, m, &s->model[i].params, f->per_task, true,
                          m == donor ? NULL : donor);
    }
    return err;
}

static int land(struct sweep *s, struct flight *f, uint32_t at)
{
    uint32_t i = f->place[at];
    struct crew_model *from = &f->models[i];
    struct sweep_model *to = &s->model[i];
    int err = crew_collect(&f->crew, from);
    if (err)
        return err;
    to->score = from->score;
    to->seconds = from->seconds;
    to->compute_seconds = from->compute_seconds;
    to->pid = from->pid;
    s->trained += from->trained;
    sweep_show_model(s, to->params.n_estimators, to->score, to->seconds, to->pid);
    if (from != donor_of(s, f)) /* others may not be done with its trees */
        crew_release(&f->crew, from);
    f->trees -= to->params.n_estimators;
    f->place[at] = f->place[--f->count];
    return 0;
}

static int fly(struct sweep *s, struct flight *f)
{
    struct wsched_future *last = calloc(s->models, sizeof *last);
    bool *done = calloc(s->models, sizeof *done);
    int err = last && done ? launch(s, f) : -ENOMEM;
    while (!err && f->count > 0) {
        for (uint32_t i = 0; i < f->count; i++) {
            const struct crew_model *m = &f->models[f->place[i]];
            last[i] = m->futures[m->count - 1];
        }
        err = crew_wait(&f->crew, last, f->count, 1, done);
        /* From the end, because land() fills the gap with the last one. */
        for (uint32_t i = f->count; err > 0 && i-- > 0;)
            if (done[i] && (err = land(s, f, i)) == 0)
                err = 1;
        err = err > 0 ? launch(s, f) : err;
    }
    free(done);
    free(last);
    return err;
}

/* The number after "n=" in the label: what has one colour. */
static void model_of(const struct wsched_event *e, char name[TIMELINE_TEXT])
{
    unsigned long n = strncmp(e->label, "n=", 2) ? 0 : strtoul(e->label + 2, NULL, 10);
    snprintf(name, TIMELINE_TEXT, "%lu", n);
}

static int draw(const struct sweep *s, struct crew *crew)
{
    struct timeline timeline = { .legend = "n_estimators", .group_of = model_of, .is_scale = true };
    struct wsched_death death;
    uint64_t cursor = 0;
    char title[120];
    snprintf(title, sizeof title, "forest sweep: %u models, %llu trees", s->models,
             (unsigned long long)s->trees);
    timeline_begin(&timeline);
    int err = wsched_events(crew->pool, timeline_event, &timeline);
    while (!err && wsched_next_death(crew->pool, &cursor, &death) == 1)
        err = timeline_death(&timeline, &death);
    if (!err)
        err = timeline_finish(&timeline);
    if (err)
        complain(s->timeline, "cannot gather the events (%s)", wsched_strerror(err));
    else
        err = timeline_write(&timeline, s->timeline, title);
    timeline_free(&timeline);
    return err;
}

int sweep_parallel(struct sweep *s)
{
    uint32_t last = s->models - 1;
    uint64_t trees = s->reuse_trees ? s->model[last].params.n_estimators : s->trees;
    struct flight f = { .next = s->models, .per_task = crew_trees_per_task(trees, s->workers) };
    f.models = calloc(s->models, sizeof *f.models);
    f.place = calloc(s->models, sizeof *f.place);
    uint32_t tasks = 0;
    for (uint32_t i = 0; i < s->models; i++)
        tasks += s->reuse_trees && i < last
                     ? 1
                     : crew_task_count(s->model[i].params.n_estimators, f.per_task, true);
    int err = f.models && f.place ? 0 : -ENOMEM;
    double start = now();
    if (!err && !(err = crew_open(&f.crew, &s->share, s->workers, tasks))) {
        progress_start(s->json ? PROGRESS_NEVER : (enum progress_mode)s->progress, "tasks",
                       (double)tasks);
        err = fly(s, &f);
        s->parallel_seconds = now() - start;
        progress_end();
        s->deaths = f.crew.deaths;
        if (!err && s->processes)
            s->process_count = memory_of_crew(&f.crew, s->processes, s->workers + 1);
        if (!err && s->timeline)
            s->undrawn = draw(s, &f.crew);
        crew_close(&f.crew);
        for (uint32_t i = 0; i < f.count; i++)
            crew_release(&f.crew, &f.models[f.place[i]]);
        if (donor_of(s, &f))
            crew_release(&f.crew, donor_of(s, &f));
    }
    free(f.place);
    free(f.models);
    return err;
}

/* ---- one after the other --------------------------------------------------------------- */

/* What one model after the other is trained with. */
struct bench {
    const struct share *share;
    struct forest_prepared *prepared;
    struct forest_scratch *scratch;
    struct forest_tree *trees; /* of the model at hand; room for those of the largest */
    uint32_t count;
};

static void drop_trees(struct bench *b)
{
    while (b->count > 0)
        free((void *)(uintptr_t)b->trees[--b->count].data);
}

/* Those that it does not have yet. */
static int train_trees(struct bench *b, const struct forest_params *params)
{
    int err = 0;
    while (b->count < params->n_estimators && !err) {
        void *copy;
        const void *block;
        size_t bytes;
        if (interrupt_pending())
            return -EINTR;
        err = forest_tree_train(b->prepared, b->share->view[Y_TRAIN].data, NULL, params, b->count,
                                b->scratch, &block, &bytes);
        if (!err && posix_memalign(&copy, MODEL_ALIGNMENT, bytes))
            err = -ENOMEM;
        if (!err)
            b->trees[b->count++] = (struct forest_tree){ memcpy(copy, block, bytes), bytes };
    }
    return err;
}

static int run_model(struct bench *b, struct sweep_model *m)
{
    struct forest_matrix x = share_test_matrix(b->share);
    struct forest *forest = NULL;
    double start = now();
    int err = train_trees(b, &m->params);
    if (!err)
        err = forest_open_trees(&m->params, b->share->features, b->trees, b->count, &forest);
    if (!err)
        err = model_score(forest, &x, b->share->view[Y_TEST].data, &m->sequential_score);
    forest_close(forest);
    m->sequential_seconds = now() - start;
    return err;
}

int sweep_sequential(struct sweep *s)
{
    struct bench b = { .share = &s->share };
    uint64_t trees = 0;
    double start = now();
    const struct objstore_view *block = &s->share.view[PREPARED];
    b.trees = calloc(s->model[s->models - 1].params.n_estimators, sizeof *b.trees);
    int err = b.trees ? forest_prepared_open(block->data, block->size, &b.prepared) : -ENOMEM;
    if (!err)
        err = forest_scratch_new(&b.scratch);
    progress_start(s->json ? PROGRESS_NEVER : (enum progress_mode)s->progress, "trees",
                   (double)s->trees);
    for (uint32_t i = 0; i < s->models && !err; i++) {
        struct sweep_model *m = &s->model[i];
        err = run_model(&b, m);
        if (!s->reuse_trees)
            drop_trees(&b);
        trees += m->params.n_estimators;
        if (!err)
            sweep_show_model(s, m->params.n_estimators, m->sequential_score, m->sequential_seconds,
                             getpid());
        progress_update((double)trees);
    }
    progress_end();
    s->sequential_seconds = now() - start;
    drop_trees(&b);
    free(b.trees);
    forest_scratch_free(b.scratch);
    forest_prepared_close(b.prepared);
    if (err && err != -EINTR)
        complain(NULL, "cannot train (%s)", forest_strerror(err));
    return err;
}
