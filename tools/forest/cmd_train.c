/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "args.h"
#include "commands.h"
#include "crew.h"
#include "emit.h"
#include "human.h"
#include "interrupt.h"
#include "model.h"
#include "options.h"
#include "outfile.h"
#include "progress.h"
#include "tool.h"

struct train {
    const char *data, *target, *out;
    uint32_t workers;
    int progress;
    bool quiet, json, oob, keep_stats;
    struct forest_options forest;
    double *labels; /* of the classes */
    uint32_t classes;
    char *notes;
    size_t notes_bytes;
    double oob_score;
};

static int parse(int argc, char **argv, struct train *t)
{
    const struct arg_option options[] = {
        { "data", 0, ARG_TEXT, &t->data, "FILE", "training rows", 0, 0, NULL, true },
        { "target", 0, ARG_TEXT, &t->target, "COL",
          "the column to predict; all others are features", 0, 0, NULL, true },
        { "output", 'o', ARG_TEXT, &t->out, "FILE.forest", "where the model goes", 0, 0, NULL,
          true },
        { "n-estimators", 'n', ARG_U32, &t->forest.params.n_estimators, "N", "trees (100)", 1,
          TREES_MAX, NULL, false },
        { "seed", 0, ARG_U32, &t->forest.params.seed, "N", "random_state (0)", 0, 0, NULL, false },
        FOREST_OPTION_ROWS(&t->forest),
        { "oob", 0, ARG_FLAG, &t->oob, NULL,
          "tell the score of each row by the trees that have not seen it", 0, 0, NULL, false },
        { "keep-stats", 0, ARG_FLAG, &t->keep_stats, NULL,
          "keep each node's impurity and rows, for importance and info", 0, 0, NULL, false },
        { "workers", 'w', ARG_U32, &t->workers, "N",
          "processes (one per CPU); 1: no others are started", 1, WORKERS_MAX, NULL, false },
        { "progress", 0, ARG_CHOICE, &t->progress, "auto|always|never",
          "progress on standard error", 0, 0, progress_modes, false },
        { "quiet", 'q', ARG_FLAG, &t->quiet, NULL, "no summary on standard error", 0, 0, NULL,
          false },
        { "json", 0, ARG_FLAG, &t->json, NULL, "the summary as one JSON object on standard output",
          0, 0, NULL, false },
        { .kind = ARG_END },
    };
    struct arg_command command = {
        "--data FILE.csv --target COL -o FILE.forest [options]",
        "Trains a random forest; scikit-learn's, tree by tree, for the same parameters and seed. "
        "The\n"
        "model does not depend on the number of workers.\n",
        options,
        NULL,
        0,
        0,
        0,
    };
    int code = args_parse(argc, argv, &command);
    t->forest.params.keep_stats = t->keep_stats;
    if (code == ARGS_RUN)
        code = forest_options_finish(&t->forest);
    const struct forest_params *p = &t->forest.params;
    if (code == ARGS_RUN && t->oob && (p->no_bootstrap || (p->extra_trees && !p->bootstrap)))
        code = args_complain("--oob makes no sense without a bootstrap");
    if (code == ARGS_RUN && t->json && !strcmp(t->out, "-"))
        code = args_complain("--json and the model cannot both go to standard output");
    return code;
}

/* With --oob; x and y are what the model in `block` was trained with. */
static int judge(struct train *t, const struct forest_matrix *x, const double *y, const void *block,
                 size_t bytes)
{
    struct forest *forest;
    if (!t->oob)
        return 0;
    int err = forest_open(block, bytes, &forest, NULL);
    if (!err) {
        err = forest_oob(forest, x, y, NULL, &t->oob_score);
        forest_close(forest);
    }
    return err;
}

/* One after the other, with progress and an ear for Ctrl-C. */
static int for_each(void *ctx, uint32_t n, int (*body)(void *arg, uint32_t i), void *arg)
{
    (void)ctx;
    for (uint32_t i = 0; i < n; i++) {
        int err = interrupt_pending() ? -EINTR : body(arg, i);
        if (err)
            return err;
        progress_update(i + 1);
    }
    return 0;
}

static int train_here(struct train *t, const struct dataset *data, void **block, size_t *bytes)
{
    struct forest_executor executor = { for_each, NULL, 1 };
    float *x = malloc(data->rows * data->features * sizeof *x);
    int err = -ENOMEM;
    if (x) {
        dataset_features(data, NULL, data->rows, x);
        struct forest_matrix m = forest_matrix_rows(x, data->rows, data->features, FOREST_FLOAT32);
        progress_start((enum progress_mode)t->progress, "trees", t->forest.params.n_estimators);
        err = forest_train(&m, csv_column(&data->csv, data->target), NULL, &t->forest.params,
                           &executor, block, bytes);
        progress_end();
        if (!err)
            err = judge(t, &m, csv_column(&data->csv, data->target), *block, *bytes);
    }
    free(x);
    if (err && err != -EINTR)
        complain(t->data, "cannot train (%s)", forest_strerror(err));
    return err;
}

static int train_with_crew(const struct train *t, struct share *share, void **block, size_t *bytes)
{
    struct crew crew;
    struct crew_model model = { .count = 0 };
    const struct forest_params *params = &t->forest.params;
    uint32_t per_task = crew_trees_per_task(params->n_estimators, t->workers);
    uint32_t tasks = crew_task_count(params->n_estimators, per_task, false);
    int err = crew_open(&crew, share, t->workers, tasks);
    if (err)
        return err;
    progress_start((enum progress_mode)t->progress, per_task == 1 ? "trees" : "tasks", tasks);
    err = crew_submit(&crew, &model, params, per_task, false, NULL);
    if (!err)
        err = crew_wait(&crew, model.futures, model.count, model.count, NULL);
    progress_end();
    if (err >= 0)
        err = crew_collect(&crew, &model);
    if (!err) {
        err = crew_assemble(share, params, block, bytes);
        if (err)
            complain(NULL, "cannot assemble the forest (%s)", forest_strerror(err));
    }
    crew_close(&crew);
    crew_release(&crew, &model);
    return err;
}

static int train_apart(struct train *t, struct dataset *data, void **block, size_t *bytes)
{
    struct share share;
    const struct forest_params *params = &t->forest.params;
    uint64_t extra = params->n_estimators * crew_tree_bytes_max(params, data->rows, t->classes);
    int err = share_open(&share, NULL, extra, data, params->mode, NULL, 0);
    if (err)
        return err;
    dataset_free(data); /* the workers need not inherit it */
    err = train_with_crew(t, &share, block, bytes);
    struct forest_matrix x = share_train_matrix(&share);
    if (!err && (err = judge(t, &x, share.view[Y_TRAIN].data, *block, *bytes)))
        complain(t->data, "cannot judge the forest (%s)", forest_strerror(err));
    share_close(&share);
    return err;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Read, and note what the model will have to know of the table. */
static int read_data(struct train *t, struct dataset *data)
{
    struct dataset_options options = { .target = t->target,
                                       .missing_is_nan = t->forest.missing == 1,
                                       .categorical = t->forest.categorical,
                                       .drop = t->forest.drop,
                                       .may_train = true };
    bool is_class = t->forest.params.task == FOREST_CLASSIFICATION;
    int err = dataset_read(data, t->data, &options);
    for (uint32_t i = 0; !err && !is_class && i < data->words_count; i++)
        if (!strcmp(data->words[i].column, t->target)) {
            complain(t->data, "words of the target are classes: --task classification");
            err = -EINVAL;
        }
    if (!err && is_class)
        err = dataset_encode(data, t->data, &t->labels, &t->classes);
    if (!err && (err = dataset_notes(data, &t->notes, &t->notes_bytes)))
        complain(t->data, "not enough memory");
    return err;
}

/* Labels and notes. The block is another one afterwards. */
static int complete(const struct train *t, void **block, size_t *bytes)
{
    void *noted;
    int err = t->labels ? forest_set_classes(*block, *bytes, t->labels, t->classes) : 0;
    if (!err)
        err = forest_add_notes(*block, *bytes, t->notes, t->notes_bytes, &noted, bytes);
    if (err) {
        complain(t->out, "cannot complete the model (%s)", forest_strerror(err));
        return err;
    }
    free(*block);
    *block = noted;
    return 0;
}

struct summary {
    uint64_t rows;
    uint32_t features;
    size_t bytes;
    double seconds;
};

static void tell_json(const struct train *t, const struct summary *s)
{
    struct emit e;
    emit_start(&e, stdout, EMIT_JSON, false);
    emit_object(&e, NULL);
    emit_string(&e, "model", NULL, t->out);
    emit_uint(&e, "rows", NULL, s->rows);
    emit_uint(&e, "features", NULL, s->features);
    emit_uint(&e, "n_estimators", NULL, t->forest.params.n_estimators);
    emit_size(&e, "bytes", NULL, s->bytes);
    emit_duration(&e, "seconds", NULL, s->seconds);
    if (t->oob)
        emit_double17(&e, "oob_score", NULL, t->oob_score, 6);
    emit_object_end(&e);
}

/*
 * Rows that every tree drew have no prediction and count as 0 in the score, as in scikit-learn, which
 * warns then, too. How many there are, about: a tree leaves a row out with (1 - 1/rows)^draws.
 */
static void warn_of_few_trees(const struct train *t, uint64_t rows)
{
    const struct forest_params *p = &t->forest.params;
    double draws = p->max_samples == 0   ? (double)rows
                   : p->max_samples <= 1 ? p->max_samples * (double)rows
                                         : p->max_samples;
    double drawn = 1 - pow(1 - 1 / (double)rows, draws);
    double without = (double)rows * pow(drawn, p->n_estimators);
    if (t->oob && without >= 1)
        complain(NULL,
                 "of %llu rows about %.0f were drawn by every tree, and count as 0 in the "
                 "oob_score: it needs more trees",
                 (unsigned long long)rows, without);
}

static void tell(const struct train *t, const struct summary *s)
{
    char took[HUMAN_TEXT], size[HUMAN_TEXT];
    if (!t->quiet)
        fprintf(stderr, "%s: %u trees on %llu rows of %u features, %s, in %s\n", t->out,
                t->forest.params.n_estimators, (unsigned long long)s->rows, s->features,
                human_size(s->bytes, size), human_duration(s->seconds, took));
    if (t->oob)
        fprintf(strcmp(t->out, "-") ? stdout : stderr, "oob_score %.17g\n", t->oob_score);
}

static int train(struct train *t, struct dataset *data)
{
    void *block = NULL;
    size_t bytes = 0;
    double start = now();
    struct diag diag;
    int err = outfile_probe(t->out, &diag); /* not after hours */
    if (err) {
        complain(t->out, "%s", diag.text);
        return err;
    }
    err = read_data(t, data);
    if (err)
        return err;
    struct summary summary = { .rows = data->rows, .features = data->features };
    err = t->workers == 1 ? train_here(t, data, &block, &bytes)
                          : train_apart(t, data, &block, &bytes);
    if (!err && !interrupt_pending())
        err = complete(t, &block, &bytes);
    if (!err && !interrupt_pending())
        err = model_write(t->out, block, bytes);
    free(block);
    if (err || interrupt_pending())
        return err;
    summary.bytes = bytes;
    summary.seconds = now() - start;
    if (!t->quiet)
        warn_of_few_trees(t, summary.rows);
    if (t->json)
        tell_json(t, &summary);
    else
        tell(t, &summary);
    return 0;
}

int cmd_train(int argc, char **argv)
{
    struct train t = { .workers = wsched_cpus(), .forest = FOREST_OPTIONS_INIT };
    struct dataset data = { .rows = 0 };
    t.forest.params.n_estimators = 100;
    int code = parse(argc, argv, &t);
    if (code != ARGS_RUN)
        return code;
    interrupt_watch();
    int err = train(&t, &data);
    dataset_free(&data);
    free(t.labels);
    free(t.notes);
    if (interrupt_pending())
        return interrupt_exit_code();
    return err ? EXIT_CANNOT : EXIT_OK;
}
