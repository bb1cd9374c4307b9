/* SPDX-License-Identifier: MIT */
#include "dataset.h"

#include <errno.h>
#include <float.h>
#include <stdlib.h>
#include <string.h>

#include "forest.h"
#include "tool.h"

int dataset_read(struct dataset *data, const char *path, const char *target, bool missing_is_nan)
{
    struct diag diag;
    struct csv_options options = { .missing_is_nan = missing_is_nan, .largest = (double)FLT_MAX };
    memset(data, 0, sizeof *data);
    data->target = DATASET_NO_TARGET;
    int err = csv_read(&data->csv, path, &options, &diag);
    if (!err && target)
        err = csv_find(&data->csv, target, &data->target, &diag);
    data->rows = data->csv.rows;
    data->features = data->csv.cols - (target ? 1 : 0);
    if (!err && data->features == 0)
        err = diag_set(&diag, -EINVAL, "there is no column besides the target");
    if (!err && data->rows > INT32_MAX)
        err = diag_set(&diag, -EINVAL, "more than %d rows", INT32_MAX);
    if (err) {
        complain(path, "%s", diag.text);
        dataset_free(data);
    }
    return err;
}

void dataset_free(struct dataset *data)
{
    csv_free(&data->csv);
}

int dataset_encode(struct dataset *data, const char *path, double **labels, uint32_t *classes)
{
    double *y = data->csv.values + (size_t)data->target * data->csv.capacity, *room;
    uint64_t most = data->rows < FOREST_CLASSES_MAX ? data->rows : FOREST_CLASSES_MAX;
    room = malloc(most * sizeof *room);
    int err = room ? forest_encode(y, data->rows, y, room, classes) : -ENOMEM;
    if (err == -EINVAL)
        complain(path, "the target has more than %u distinct values, too many for classes",
                 FOREST_CLASSES_MAX);
    else if (err)
        complain(path, "cannot number the classes (%s)", forest_strerror(err));
    if (err)
        free(room);
    else
        *labels = room;
    return err;
}

void dataset_features(const struct dataset *data, const uint32_t *order, uint64_t count, float *out)
{
    uint32_t feature = 0;
    for (uint32_t column = 0; column < data->csv.cols; column++) {
        if (column == data->target)
            continue;
        const double *from = csv_column(&data->csv, column);
        for (uint64_t i = 0; i < count; i++)
            out[i * data->features + feature] = (float)from[order ? order[i] : i];
        feature++;
    }
}

void dataset_targets(const struct dataset *data, const uint32_t *order, uint64_t count, double *out)
{
    const double *from = csv_column(&data->csv, data->target);
    for (uint64_t i = 0; i < count; i++)
        out[i] = from[order ? order[i] : i];
}
