/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>

#include "args.h"
#include "commands.h"
#include "emit.h"
#include "model.h"
#include "tool.h"

struct eval {
    const char *model, *data, *target;
    bool json;
};

static int parse(int argc, char **argv, struct eval *e)
{
    const struct arg_option options[] = {
        { "model", 'm', ARG_TEXT, &e->model, "FILE.forest", "the forest", 0, 0, NULL, true },
        { "data", 0, ARG_TEXT, &e->data, "FILE.csv", "rows with known targets", 0, 0, NULL, true },
        { "target", 0, ARG_TEXT, &e->target, "COL", "the column to predict", 0, 0, NULL, true },
        { "json", 0, ARG_FLAG, &e->json, NULL, "one JSON object", 0, 0, NULL, false },
        { .kind = ARG_END },
    };
    struct arg_command command = {
        "--model FILE.forest --data FILE.csv --target COL [--json]",
        "Predicts every row and compares with its target: mean squared error (mse), its root "
        "(rmse),\n"
        "mean absolute error (mae) and the coefficient of determination (r2).\n",
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

/* 1 - (squared errors) / (squared deviations from the mean); scikit-learn's values if there are
 * none. */
static double r2_score(const double *y, uint64_t n, double mse)
{
    double center = mean(y, n), deviations = 0;
    for (uint64_t i = 0; i < n; i++)
        deviations += (y[i] - center) * (y[i] - center);
    if (n < 2)
        return (double)NAN;
    if (deviations == 0)
        return mse == 0 ? 1 : 0;
    return 1 - mse * (double)n / deviations;
}

static void print(const struct eval *e, const struct model *model, const double *y, double *p,
                  uint64_t n)
{
    struct forest_info info;
    struct emit emit;
    forest_describe(model->forest, &info);
    double mse = forest_mean_squared_error(y, p, n);
    for (uint64_t i = 0; i < n; i++)
        p[i] = fabs(y[i] - p[i]);
    emit_start(&emit, stdout, e->json ? EMIT_JSON : EMIT_TEXT, false);
    emit_object(&emit, NULL);
    emit_uint(&emit, "rows", "rows", n);
    emit_uint(&emit, "features", "features", info.features);
    emit_uint(&emit, "n_estimators", "n_estimators", info.trees);
    emit_double17(&emit, "mse", "mse", mse, 6);
    emit_double17(&emit, "rmse", "rmse", sqrt(mse), 6);
    emit_double17(&emit, "mae", "mae", mean(p, n), 6);
    emit_double17(&emit, "r2", "r2", r2_score(y, n, mse), 6);
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
    int err = dataset_read(&data, e.data, e.target, false);
    if (!err) {
        err = model_predict(&model, &data, e.data, &prediction);
        if (!err)
            print(&e, &model, csv_column(&data.csv, data.target), prediction, data.rows);
        free(prediction);
        dataset_free(&data);
    }
    model_close(&model);
    return err ? EXIT_CANNOT : EXIT_OK;
}
