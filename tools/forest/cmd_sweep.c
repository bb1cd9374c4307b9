/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <malloc.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "commands.h"
#include "crew.h"
#include "interrupt.h"
#include "outfile.h"
#include "progress.h"
#include "sweep.h"
#include "timeline.h"
#include "tool.h"

#define MODELS_MAX 10000
#define ALL_TREES_MAX 10000000

static const char help[] =
    "Trains --models forests of --start, --start + --step, ... trees on "
    "worker processes that read one\n"
    "copy of the data in place, and tells the mean squared error (of classes "
    "the accuracy) of each on\n"
    "the test rows. The split and\n"
    "every tree are scikit-learn's for the same seed, whatever the number "
    "of workers and whichever of\n"
    "them dies on the way.\n"
    "\n"
    "A model's trees are spread over all workers: 'took' is the time from "
    "the start of its first tree to\n"
    "its error, 'compute' the sum over the workers. The data is read, "
    "split, prepared and put into the\n"
    "store before either clock starts; the parallel time begins with the "
    "start of the workers and ends\n"
    "with the last error, the sequential time is that of one process "
    "without workers. No tree is shared\n"
    "between models: each is trained in full.\n"
    "\n"
    "With --reuse-trees it is otherwise: forests of one seed that differ in "
    "size have their first trees in\n"
    "common, so each tree is trained once for all of them, and in a store "
    "that was there before (--store) it\n"
    "stays for the next run, found by what it is a function of: the "
    "training rows, the parameters, its\n"
    "number. The errors are the same. 'compute' then counts a tree in each "
    "model that it is part of.\n";

static int check(struct sweep *s)
{
    uint64_t last = s->start + (uint64_t)(s->models - 1) * s->step;
    if (!(s->test_size > 0 && s->test_size < 1))
        return args_complain("--test-size: %g is not above 0 and below 1", s->test_size);
    if (last > TREES_MAX)
        return args_complain("the largest model would have %llu trees; %u are too many",
                             (unsigned long long)last, TREES_MAX);
    if (s->step == 0 && s->models > 1)
        return args_complain("--step: 0 makes sense for one model only");
    s->trees = s->models * (s->start + last) / 2;
    if (s->trees > ALL_TREES_MAX)
        return args_complain("all models would have %llu trees together; more than %d are too many",
                             (unsigned long long)s->trees, ALL_TREES_MAX);
    if (s->is_sequential && (s->is_compare || s->timeline || s->memory))
        return args_complain(
            "--sequential starts no workers: --compare, --timeline and --memory need some");
    if (s->timeline && !timeline_knows(s->timeline))
        return args_complain("--timeline: '%s' ends in none of .svg, .html, .json", s->timeline);
    return forest_options_finish(&s->forest);
}

static int parse(int argc, char **argv, struct sweep *s)
{
    const struct arg_option options[] = {
        { "data", 0, ARG_TEXT, &s->data, "FILE", "the rows", 0, 0, NULL, true },
        { "target", 0, ARG_TEXT, &s->target, "COL",
          "the column to predict; all others are features", 0, 0, NULL, true },
        { "seed", 0, ARG_U32, &s->seed, "N", "random_state of the split and of every forest (0)", 0,
          0, NULL, false },
        { "test-size", 0, ARG_DOUBLE, &s->test_size, "X", "fraction of the rows to test with (0.2)",
          0, 0, NULL, false },
        { "models", 0, ARG_U32, &s->models, "N", "how many forests (20)", 1, MODELS_MAX, NULL,
          false },
        { "start", 0, ARG_U32, &s->start, "N", "trees of the smallest (8)", 1, TREES_MAX, NULL,
          false },
        { "step", 0, ARG_U32, &s->step, "N", "trees more from one to the next (4)", 0, TREES_MAX,
          NULL, false },
        { "workers", 'w', ARG_U32, &s->workers, "N", "processes (one per CPU)", 1, WORKERS_MAX,
          NULL, false },
        { "sequential", 0, ARG_FLAG, &s->is_sequential, NULL,
          "one after the other, in this process", 0, 0, NULL, false },
        { "compare", 0, ARG_FLAG, &s->is_compare, NULL, "both ways, and the speed-up", 0, 0, NULL,
          false },
        { "reuse-trees", 0, ARG_FLAG, &s->reuse_trees, NULL,
          "train each tree once for all models that have it", 0, 0, NULL, false },
        { "store", 0, ARG_TEXT, &s->store, "NAME",
          "put the data into this store; if there is none, one for this run", 0, 0, NULL, false },
        { "store-size", 0, ARG_SIZE, &s->store_size, "SIZE",
          "room for trees besides the data (enough)", 1, 0, NULL, false },
        { "timeline", 0, ARG_TEXT, &s->timeline, "FILE",
          "who ran what when: .svg, .html, or .json for Perfetto", 0, 0, NULL, false },
        { "memory", 'v', ARG_FLAG, &s->memory, NULL, "tell what memory each process takes", 0, 0,
          NULL, false },
        { "json", 0, ARG_FLAG, &s->json, NULL, "one JSON document instead of text", 0, 0, NULL,
          false },
        { "progress", 0, ARG_CHOICE, &s->progress, "auto|always|never",
          "progress on standard error", 0, 0, progress_modes, false },
        FOREST_OPTION_ROWS(&s->forest),
        { .kind = ARG_END },
    };
    struct arg_command command = {
        "--data FILE.csv --target COL [options]", help, options, NULL, 0, 0, 0
    };
    int code = args_parse(argc, argv, &command);
    return code == ARGS_RUN ? check(s) : code;
}

static int make_models(struct sweep *s)
{
    s->model = calloc(s->models, sizeof *s->model);
    for (uint32_t i = 0; s->model && i < s->models; i++) {
        s->model[i].params = s->forest.params;
        s->model[i].params.seed = s->seed;
        s->model[i].params.n_estimators = s->start + i * s->step;
    }
    if (s->memory)
        s->processes = calloc(s->workers + 1, sizeof *s->processes);
    return s->model && (s->processes || !s->memory) ? 0 : -ENOMEM;
}

/* Read, split, and put into the store; nothing of it stays in our own memory, which workers
 * inherit. */
static int load(struct sweep *s)
{
    struct dataset data;
    uint64_t test_count;
    struct dataset_options options = { .target = s->target,
                                       .missing_is_nan = s->forest.missing == 1,
                                       .categorical = s->forest.categorical,
                                       .drop = s->forest.drop,
                                       .may_train = true };
    int err = dataset_read(&data, s->data, &options);
    if (!err && s->forest.params.task == FOREST_CLASSIFICATION) {
        double *labels;
        err = dataset_encode(&data, s->data, &labels, &s->classes);
        if (!err)
            free(labels); /* how many are right does not depend on their names */
    }
    if (err)
        return err;
    uint32_t *order = malloc(data.rows * sizeof *order);
    err = order ? forest_train_test_split(data.rows, s->test_size, s->seed, order, &test_count)
                : -ENOMEM;
    if (err) {
        complain(s->data, "cannot split %llu rows (%s)", (unsigned long long)data.rows,
                 forest_strerror(err));
    } else {
        uint64_t room = s->store_size;
        if (!room)
            room = sweep_window(s) *
                   crew_tree_bytes_max(&s->forest.params, data.rows - test_count, s->classes);
        err =
            share_open(&s->share, s->store, room, &data, s->forest.params.mode, order, test_count);
        if (!err && s->reuse_trees)
            share_reuse_trees(&s->share, &s->model[0].params);
    }
    free(order);
    dataset_free(&data);
    malloc_trim(0);
    return err;
}

/* The whole point: two ways to the same numbers. */
static int compare(const struct sweep *s)
{
    for (uint32_t i = 0; i < s->models; i++) {
        const struct sweep_model *m = &s->model[i];
        if (memcmp(&m->score, &m->sequential_score, sizeof m->score) == 0)
            continue;
        complain(NULL, "the forest of %u trees scores %.17g from workers and %.17g without: a bug",
                 m->params.n_estimators, m->score, m->sequential_score);
        return -EBADMSG;
    }
    return 0;
}

static int run(struct sweep *s)
{
    int err = 0;
    sweep_show_data(s);
    if (!s->is_sequential)
        err = sweep_parallel(s);
    if (!err && (s->is_sequential || s->is_compare)) {
        if (!s->json && s->is_compare)
            printf("\nthe same, one after the other in one process:\n");
        err = sweep_sequential(s);
    }
    if (!err)
        sweep_show_result(s);
    if (!err && s->is_compare)
        err = compare(s);
    return err ? err : s->undrawn;
}

int cmd_sweep(int argc, char **argv)
{
    struct sweep s = {
        .test_size = 0.2,
        .models = 20,
        .start = 8,
        .step = 4,
        .workers = wsched_cpus(),
        .forest = FOREST_OPTIONS_INIT,
        .parallel_seconds = (double)NAN,
        .sequential_seconds = (double)NAN,
    };
    int code = parse(argc, argv, &s);
    if (code != ARGS_RUN)
        return code;
    interrupt_watch();
    struct diag diag;
    int err = s.timeline ? outfile_probe(s.timeline, &diag) : 0; /* not after hours */
    if (err)
        complain(s.timeline, "%s", diag.text);
    else if ((err = make_models(&s)))
        complain(NULL, "not enough memory");
    else
        err = load(&s);
    if (!err) {
        err = interrupt_pending() ? -EINTR : run(&s);
        share_close(&s.share);
    }
    free(s.processes);
    free(s.model);
    if (interrupt_pending())
        return interrupt_exit_code();
    return err ? EXIT_CANNOT : EXIT_OK;
}
