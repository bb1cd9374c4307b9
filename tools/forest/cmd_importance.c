/* SPDX-License-Identifier: MIT */
/*
 * cmd_importance.c -- which features matter: a table, bars in the terminal, and a drawing.
 *
 * Without rows it is the impurity that splits take away; with rows the score that is lost when
 * a feature's values are shuffled.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "bars.h"
#include "commands.h"
#include "emit.h"
#include "model.h"
#include "options.h"
#include "outfile.h"
#include "tool.h"

struct importance {
    const char *model, *data, *target, *drop, *svg;
    uint32_t repeats, seed, top;
    int missing;
    bool permutation, json;
    struct bar *bars;
    uint32_t count;
};

static int parse(int argc, char **argv, struct importance *m)
{
    const struct arg_option options[] = {
        { "model", 'm', ARG_TEXT, &m->model, "FILE.forest", "the forest", 0, 0, NULL, true },
        { "data", 0, ARG_TEXT, &m->data, "FILE.csv",
          "the rows to permute; other names for the features", 0, 0, NULL, false },
        { "target", 0, ARG_TEXT, &m->target, "COL", "the column to predict (the model's)", 0, 0,
          NULL, false },
        FOREST_DROP(&m->drop),
        { "permutation", 0, ARG_FLAG, &m->permutation, NULL,
          "shuffle features, and see what that costs", 0, 0, NULL, false },
        { "repeats", 0, ARG_U32, &m->repeats, "N", "n_repeats of permutation_importance (5)", 1,
          100000, NULL, false },
        { "seed", 0, ARG_U32, &m->seed, "N", "its random_state (0)", 0, 0, NULL, false },
        { "top", 0, ARG_U32, &m->top, "N", "only the N most important (all)", 1, 0, NULL, false },
        { "svg", 0, ARG_TEXT, &m->svg, "FILE.svg", "draw a chart", 0, 0, NULL, false },
        { "missing", 0, ARG_CHOICE, &m->missing, "error|nan",
          "missing features are an error, or go right at every split", 0, 0, option_missing,
          false },
        { "json", 0, ARG_FLAG, &m->json, NULL, "one JSON object", 0, 0, NULL, false },
        { .kind = ARG_END },
    };
    struct arg_command command = {
        "--model FILE.forest [--data FILE.csv [--target COL] [--permutation]] [options]",
        "How much each feature matters. By default scikit-learn's feature_importances_: the share\n"
        "of each in what splits take from the impurity; the forest must have been trained with\n"
        "--keep-stats. With --permutation its permutation_importance on the rows of --data: how "
        "much\n"
        "the score (r2, or accuracy) drops when the feature's values are shuffled, the mean of "
        "all\n"
        "repeats and their standard deviation.\n",
        options,
        NULL,
        0,
        0,
        0,
    };
    int code = args_parse(argc, argv, &command);
    if (code == ARGS_RUN && m->permutation && !m->data)
        code = args_complain("--permutation needs rows: --data");
    return code;
}

static int by_impurity(const struct importance *m, const struct model *model, double *values)
{
    int err = forest_importances(model->forest, values);
    if (err == -EINVAL)
        complain(m->model,
                 "it was trained without --keep-stats; --permutation works with any forest");
    else if (err)
        complain(m->model, "cannot tell (%s)", forest_strerror(err));
    return err;
}

static int by_permutation(const struct importance *m, const struct model *model,
                          const struct dataset *data, double *values, double *deviations)
{
    float *x;
    int err = model_features(model, data, m->data, &x);
    if (err)
        return err;
    struct forest_matrix matrix = forest_matrix_rows(x, data->rows, data->features, FOREST_FLOAT32);
    err =
        forest_permutation_importances(model->forest, &matrix, csv_column(&data->csv, data->target),
                                       m->repeats, m->seed, values, deviations);
    if (err)
        complain(m->data, "cannot permute (%s)", forest_strerror(err));
    free(x);
    return err;
}

static int by_value(const void *a, const void *b)
{
    const struct bar *x = a, *y = b;
    return x->value != y->value ? (x->value < y->value) - (x->value > y->value)
                                : (x->number > y->number) - (x->number < y->number);
}

/* Name them, and sort the greatest first. */
static void make_bars(struct importance *m, const struct model *model, const struct dataset *data,
                      const double *values, const double *deviations)
{
    uint32_t column = 0;
    char text[32];
    for (uint32_t f = 0; f < m->count; f++, column++) {
        struct bar *bar = &m->bars[f];
        if (data && column == data->target)
            column++;
        *bar = (struct bar){ .number = f,
                             .value = values[f],
                             .deviation = m->permutation ? deviations[f] : 0 };
        if (data)
            snprintf(bar->name, sizeof bar->name, "%s", data->csv.names[column]);
        else
            snprintf(bar->name, sizeof bar->name, "%s", model_feature(model, f, text));
    }
    qsort(m->bars, m->count, sizeof *m->bars, by_value);
    if (m->top && m->top < m->count)
        m->count = m->top;
}

static int show(const struct importance *m)
{
    struct emit e;
    int err = m->svg ? bars_write_svg(m->svg, m->bars, m->count,
                                      m->permutation ? "importance by permutation"
                                                     : "importance by impurity")
                     : 0;
    if (err)
        return err;
    if (!m->json) {
        bars_print(stdout, m->bars, m->count, m->permutation);
        return 0;
    }
    emit_start(&e, stdout, EMIT_JSON, false);
    emit_object(&e, NULL);
    emit_string(&e, "by", NULL, m->permutation ? "permutation" : "impurity");
    emit_list(&e, "features");
    for (uint32_t i = 0; i < m->count; i++) {
        emit_row(&e);
        emit_uint(&e, "feature", NULL, m->bars[i].number);
        emit_string(&e, "name", NULL, m->bars[i].name);
        emit_double17(&e, "importance", NULL, m->bars[i].value, 4);
        if (m->permutation)
            emit_double17(&e, "deviation", NULL, m->bars[i].deviation, 4);
        emit_row_end(&e);
    }
    emit_list_end(&e);
    emit_object_end(&e);
    return 0;
}

static int run(struct importance *m, const struct model *model, const struct dataset *data)
{
    struct forest_info info;
    forest_describe(model->forest, &info);
    if (data && info.features != data->features) {
        complain(m->data, "it has %u features, where the model has %llu", data->features,
                 (unsigned long long)info.features);
        return -EINVAL;
    }
    m->count = (uint32_t)info.features;
    double *values = calloc(2 * info.features, sizeof *values);
    m->bars = calloc(info.features, sizeof *m->bars);
    int err = values && m->bars ? 0 : -ENOMEM;
    if (err)
        complain(NULL, "not enough memory");
    else
        err = m->permutation ? by_permutation(m, model, data, values, values + info.features)
                             : by_impurity(m, model, values);
    if (!err) {
        make_bars(m, model, data, values, values + info.features);
        err = show(m);
    }
    free(values);
    free(m->bars);
    return err;
}

int cmd_importance(int argc, char **argv)
{
    struct importance m = { .repeats = 5 };
    struct model model;
    struct dataset data;
    struct diag diag;
    int code = parse(argc, argv, &m);
    if (code != ARGS_RUN)
        return code;
    if (m.svg && outfile_probe(m.svg, &diag)) { /* shuffling takes long */
        complain(m.svg, "%s", diag.text);
        return EXIT_CANNOT;
    }
    if (model_open(&model, m.model))
        return EXIT_CANNOT;
    if (m.data && !(m.target = model_target(&model, m.target))) {
        model_close(&model);
        return EXIT_USAGE;
    }
    struct dataset_options options = { .target = m.target,
                                       .missing_is_nan = m.missing == 1,
                                       .drop = m.drop,
                                       .known = &model.columns };
    int err = m.data ? dataset_read(&data, m.data, &options) : 0;
    if (!err) {
        err = run(&m, &model, m.data ? &data : NULL);
        if (m.data)
            dataset_free(&data);
    }
    model_close(&model);
    return err ? EXIT_CANNOT : EXIT_OK;
}
