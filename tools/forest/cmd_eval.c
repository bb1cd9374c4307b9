/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>

#include "args.h"
#include "commands.h"
#include "emit.h"
#include "model.h"
#include "options.h"
#include "tool.h"

struct eval {
    const char *model, *data, *target, *drop;
    int missing;
    bool json;
};

static int parse(int argc, char **argv, struct eval *e)
{
    const struct arg_option options[] = {
        { "model", 'm', ARG_TEXT, &e->model, "FILE.forest", "the forest", 0, 0, NULL, true },
        { "data", 0, ARG_TEXT, &e->data, "FILE", "rows with known targets", 0, 0, NULL, true },
        { "target", 0, ARG_TEXT, &e->target, "COL", "the column to predict (the model's)", 0, 0,
          NULL, false },
        FOREST_DROP(&e->drop),
        { "missing", 0, ARG_CHOICE, &e->missing, "error|nan",
          "missing features are an error, or go right at every split", 0, 0, option_missing,
          false },
        { "json", 0, ARG_FLAG, &e->json, NULL, "one JSON object", 0, 0, NULL, false },
        { .kind = ARG_END },
    };
    struct arg_command command = {
        "--model FILE.forest --data FILE [--target COL] [--json]",
        "Predicts every row and compares with its target: mean squared error (mse), its root "
        "(rmse),\n"
        "mean absolute error (mae) and the coefficient of determination (r2); of classes the "
        "share\n"
        "that is right (accuracy).\n",
        options,
        NULL,
        0,
        0,
        0,
    };
    return args_parse(argc, argv, &command);
}

static double mean(const double *y, uint64_t n)
{
    double sum = 0;
    for (uint64_t i = 0; i < n; i++)
        sum += y[i];
    return sum / (double)n;
}

static void print(const struct eval *e, const struct model *model, const double *y, double *p,
                  uint64_t n)
{
    struct forest_info info;
    struct emit emit;
    forest_describe(model->forest, &info);
    emit_start(&emit, stdout, e->json ? EMIT_JSON : EMIT_TEXT, false);
    emit_object(&emit, NULL);
    emit_uint(&emit, "rows", "rows", n);
    emit_uint(&emit, "features", "features", info.features);
    emit_uint(&emit, "n_estimators", "n_estimators", info.trees);
    if (info.classes) {
        emit_uint(&emit, "classes", "classes", info.classes);
        emit_double17(&emit, "accuracy", "accuracy", forest_accuracy(y, p, n), 6);
        emit_object_end(&emit);
        return;
    }
    double mse = forest_mean_squared_error(y, p, n), r2 = forest_r2_score(y, p, n);
    for (uint64_t i = 0; i < n; i++)
        p[i] = fabs(y[i] - p[i]);
    emit_double17(&emit, "mse", "mse", mse, 6);
    emit_double17(&emit, "rmse", "rmse", sqrt(mse), 6);
    emit_double17(&emit, "mae", "mae", mean(p, n), 6);
    emit_double17(&emit, "r2", "r2", r2, 6);
    emit_object_end(&emit);
}

int cmd_eval(int argc, char **argv)
{
    struct eval e = { .model = NULL };
    struct model model;
    struct dataset data;
    double *prediction = NULL;
    int code = parse(argc, argv, &e);
    if (code != ARGS_RUN)
        return code;
    if (model_open(&model, e.model))
        return EXIT_CANNOT;
    e.target = model_target(&model, e.target);
    if (!e.target) {
        model_close(&model);
        return EXIT_USAGE;
    }
    struct dataset_options options = { .target = e.target,
                                       .missing_is_nan = e.missing == 1,
                                       .drop = e.drop,
                                       .known = &model.columns };
    int err = dataset_read(&data, e.data, &options);
    if (!err) {
        err = model_predict(&model, &data, e.data, false, &prediction);
        if (!err)
            print(&e, &model, csv_column(&data.csv, data.target), prediction, data.rows);
        free(prediction);
        dataset_free(&data);
    }
    model_close(&model);
    return err ? EXIT_CANNOT : EXIT_OK;
}
