/* SPDX-License-Identifier: MIT */
#include "dataset.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "forest.h"
#include "npy.h"
#include "tool.h"
#include "unpack.h"

/* Element `at` of an array. */
static double npy_element(const char *elements, const struct npy_info *info, uint64_t at)
{
    union {
        float f4;
        double f8;
        int64_t i;
        uint64_t u;
    } v = { .i = 0 };
    const char *p = elements + at * info->itemsize;
    memcpy(&v, p, info->itemsize);
    if (info->kind == 'f')
        return info->itemsize == 4 ? (double)v.f4 : v.f8;
    if (info->kind == 'u')
        return (double)v.u;
    unsigned unused = 64 - 8 * info->itemsize; /* bits above the sign */
    return (double)((int64_t)(v.u << unused) >> unused);
}

static int npy_names(struct csv *csv, uint32_t cols, struct diag *diag)
{
    csv->names = calloc(cols, sizeof *csv->names);
    while (csv->names && csv->cols < cols) {
        char *name = malloc(12);
        if (!name)
            break;
        snprintf(name, 12, "%u", csv->cols);
        csv->names[csv->cols++] = name;
    }
    return csv->cols == cols ? 0 : diag_set(diag, -ENOMEM, "not enough memory");
}

static int npy_convert(struct csv *csv, const struct npy_info *info, const struct csv_options *o,
                       struct diag *diag)
{
    const char *elements = csv->map.data + info->data_offset;
    for (uint64_t row = 0; row < csv->rows; row++)
        for (uint32_t j = 0; j < csv->cols; j++) {
            uint64_t at = info->fortran_order ? j * csv->rows + row : row * csv->cols + j;
            double x = npy_element(elements, info, at);
            if (isnan(x) ? !o->missing_is_nan : fabs(x) > o->largest)
                return diag_set(diag, -EINVAL, "row %llu, column '%s': the value is %s",
                                (unsigned long long)row, csv->names[j],
                                isnan(x) ? "missing" : "too large");
            csv->values[j * csv->capacity + row] = x;
        }
    return 0;
}

/* As csv_parse(). */
static int npy_table(struct csv *csv, struct filemap *map, const struct csv_options *options,
                     struct diag *diag)
{
    struct npy_info info;
    size_t bytes;
    memset(csv, 0, sizeof *csv);
    csv->map = *map;
    int err = npy_parse(map->data, map->size, &info, diag);
    if (!err && (info.ndim < 1 || info.ndim > 2))
        err = diag_set(diag, -EINVAL, "an array of %u dimensions is no table", info.ndim);
    uint64_t cols = !err && info.ndim == 2 ? info.dims[1] : 1;
    if (!err && (info.dims[0] == 0 || cols == 0))
        err = diag_set(diag, -EINVAL, "the array is empty");
    if (!err && cols > CSV_COLUMNS_MAX)
        err = diag_set(diag, -EINVAL, "more than %d columns", CSV_COLUMNS_MAX);
    if (!err)
        err = npy_names(csv, (uint32_t)cols, diag);
    if (!err) {
        csv->rows = csv->capacity = info.dims[0];
        if (!__builtin_mul_overflow(csv->rows * sizeof(double), cols, &bytes))
            csv->values = malloc(bytes);
        err = csv->values ? npy_convert(csv, &info, options, diag)
                          : diag_set(diag, -ENOMEM, "not enough memory");
    }
    if (err)
        csv_free(csv);
    else
        filemap_close(&csv->map);
    return err;
}

static int read_table(struct csv *csv, const char *path, const struct csv_options *options,
                      struct diag *diag)
{
    struct filemap map;
    int err = unpack_open(&map, path, diag);
    if (err)
        return err;
    return npy_is(map.data, map.size) ? npy_table(csv, &map, options, diag)
                                      : csv_parse(csv, &map, options, diag);
}

/* Whatever is done about missing features, what is to be learnt must be there. */
static int check_target(const struct dataset *data, struct diag *diag)
{
    const double *y = csv_column(&data->csv, data->target);
    for (uint64_t i = 0; i < data->rows; i++)
        if (isnan(y[i]))
            return diag_set(diag, -EINVAL, "row %llu: the target is missing",
                            (unsigned long long)i + 1);
    return 0;
}

int dataset_read(struct dataset *data, const char *path, const char *target, bool missing_is_nan)
{
    struct diag diag;
    struct csv_options options = { .missing_is_nan = missing_is_nan, .largest = (double)FLT_MAX };
    memset(data, 0, sizeof *data);
    data->target = DATASET_NO_TARGET;
    int err = read_table(&data->csv, path, &options, &diag);
    if (!err && target)
        err = csv_find(&data->csv, target, &data->target, &diag);
    data->rows = data->csv.rows;
    data->features = data->csv.cols - (target ? 1 : 0);
    if (!err && data->features == 0)
        err = diag_set(&diag, -EINVAL, "there is no column besides the target");
    if (!err && data->rows > INT32_MAX)
        err = diag_set(&diag, -EINVAL, "more than %d rows", INT32_MAX);
    if (!err && target && missing_is_nan)
        err = check_target(data, &diag);
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
