/* SPDX-License-Identifier: MIT */
#include "model.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "outfile.h"
#include "tool.h"

int model_open(struct model *model, const char *path)
{
    struct diag diag;
    struct forest_diag why = { "" };
    memset(model, 0, sizeof *model);
    int err = filemap_open(&model->map, path, &diag);
    if (err) {
        complain(path, "%s", diag.text);
        return err;
    }
    err = forest_open(model->map.data, model->map.size, &model->forest, &why);
    if (err) {
        complain(path, "cannot use it as a model (%s%s%s)", forest_strerror(err),
                 why.text[0] ? ": " : "", why.text);
        filemap_close(&model->map);
        return err;
    }
    err = columns_of_model(&model->columns, model->forest, &diag);
    if (err) {
        complain(path, "its notes on columns: %s", diag.text);
        model_close(model);
    }
    return err;
}

const char *model_feature(const struct model *model, uint64_t feature, char text[32])
{
    if (feature < model->columns.count)
        return model->columns.feature[feature].column;
    snprintf(text, 32, "feature %llu", (unsigned long long)feature);
    return text;
}

const char *model_target(const struct model *model, const char *given)
{
    const char *target = given ? given : model->columns.target.column;
    if (!target)
        args_complain("--target COL is missing: the model does not know it");
    return target;
}

void model_close(struct model *model)
{
    columns_free(&model->columns);
    forest_close(model->forest);
    filemap_close(&model->map);
}

int model_write(const char *path, const void *block, size_t bytes)
{
    struct outfile out;
    struct diag diag;
    int err = outfile_open(&out, path, &diag);
    if (!err) {
        fwrite(block, 1, bytes, out.stream);
        err = outfile_commit(&out, &diag);
    }
    if (err)
        complain(outfile_name(path), "%s", diag.text);
    return err;
}

int model_features(const struct model *model, const struct dataset *data, const char *path,
                   float **out)
{
    struct forest_info info;
    forest_describe(model->forest, &info);
    if (info.features != data->features) {
        complain(path, "it has %u features, where the model has %llu", data->features,
                 (unsigned long long)info.features);
        return -EINVAL;
    }
    float *x = malloc(data->rows * data->features * sizeof *x);
    if (!x) {
        complain(path, "not enough memory");
        return -ENOMEM;
    }
    dataset_features(data, NULL, data->rows, x);
    *out = x;
    return 0;
}

int model_predict(const struct model *model, const struct dataset *data, const char *path,
                  bool proba, double **out)
{
    struct forest_info info;
    float *x;
    int err = model_features(model, data, path, &x);
    if (err)
        return err;
    forest_describe(model->forest, &info);
    double *p = calloc(data->rows, (proba ? info.classes : 1) * sizeof *p);
    struct forest_matrix matrix = forest_matrix_rows(x, data->rows, data->features, FOREST_FLOAT32);
    if (!p)
        err = -ENOMEM;
    else
        err = proba ? forest_predict_proba(model->forest, &matrix, p)
                    : forest_predict(model->forest, &matrix, p);
    free(x);
    if (err) {
        complain(path, "cannot predict (%s)", forest_strerror(err));
        free(p);
        return err;
    }
    *out = p;
    return 0;
}

int model_score(const struct forest *forest, const struct forest_matrix *x, const double *y,
                double *score)
{
    struct forest_info info;
    double *prediction = malloc(x->rows * sizeof *prediction);
    int err = prediction ? forest_predict(forest, x, prediction) : -ENOMEM;
    forest_describe(forest, &info);
    if (!err)
        *score = info.classes ? forest_accuracy(y, prediction, x->rows)
                              : forest_mean_squared_error(y, prediction, x->rows);
    free(prediction);
    return err;
}
