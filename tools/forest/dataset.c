/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
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

#define NUMBERED_CLASSES 100u

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

static bool is_in(const char *name, const char *list)
{
    size_t size = strlen(name);
    for (; list; list = strchr(list, ','), list = list ? list + 1 : NULL)
        if (!strncmp(list, name, size) && (!list[size] || list[size] == ','))
            return true;
    return false;
}

static int npy_convert(struct csv *csv, const struct npy_info *info, const struct csv_options *o,
                       struct diag *diag)
{
    for (uint64_t row = 0; row < csv->rows; row++)
        for (uint32_t j = 0; j < csv->cols; j++) {
            uint64_t at = info->fortran_order ? j * csv->rows + row : row * csv->cols + j;
            double x = npy_value(csv->map.data, info, at);
            if ((o->ignored && !strcmp(o->ignored, csv->names[j])) ||
                is_in(csv->names[j], o->dropped))
                x = 0;
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

/* A word list for each of the named columns. */
static int name_words(struct dataset *data, const char *names, struct diag *diag)
{
    size_t most = 1;
    for (const char *p = names; (p = strchr(p, ',')); p++)
        most++;
    data->owns_words = true;
    data->words = calloc(most, sizeof *data->words);
    char *copy = strdup(names), *rest = copy, *name;
    int err = data->words && copy ? 0 : -ENOMEM;
    while (!err && (name = strsep(&rest, ",")))
        err = words_start(&data->words[data->words_count++], name);
    free(copy);
    return err ? diag_set(diag, err, "not enough memory") : 0;
}

/* Borrow the words that the model knows; of a target that is not used, any will do. */
static int known_words(struct dataset *data, const struct dataset_options *o, struct diag *diag)
{
    const struct columns *known = o->known;
    data->words = calloc(known->count + 1, sizeof *data->words);
    if (!data->words)
        return diag_set(diag, -ENOMEM, "not enough memory");
    for (uint32_t i = 0; i < known->count; i++)
        if (known->feature[i].count)
            data->words[data->words_count++] = known->feature[i];
    if (known->target.count && o->target && !strcmp(o->target, known->target.column))
        data->words[data->words_count++] = known->target;
    return 0;
}

static bool is_number(const char *name)
{
    return name[strspn(name, "0123456789")] == 0;
}

/* Features must be called as in training, where both have names. */
static int check_names(const struct dataset *data, const struct columns *known, struct diag *diag)
{
    uint32_t column = 0;
    if (!data->csv.has_header || known->count != data->features)
        return 0;
    for (uint32_t i = 0; i < known->count; i++, column++) {
        column += column == data->target;
        const char *name = known->feature[i].column;
        if (!is_number(name) && strcmp(name, data->csv.names[column]))
            return diag_set(
                diag, -EINVAL,
                "feature %u is called '%.60s', where the model was trained with '%.60s'", i,
                data->csv.names[column], name);
    }
    return 0;
}

static int check_words(const struct dataset *data, struct diag *diag)
{
    for (uint32_t i = 0; i < data->words_count; i++)
        if (!data->words[i].is_met && !data->words[i].is_fixed)
            return diag_set(diag, -EINVAL, "column '%s' cannot have words: the file is an array",
                            data->words[i].column);
    return 0;
}

static int find_columns(struct dataset *data, const struct dataset_options *o, struct diag *diag)
{
    bool lacks = o->may_lack_target && data->csv.cols != o->known->count + 1;
    int err = o->target && !lacks ? csv_find(&data->csv, o->target, &data->target, diag) : 0;
    data->rows = data->csv.rows;
    data->features = data->csv.cols - (o->target && !lacks ? 1 : 0);
    if (!err && data->features == 0)
        err = diag_set(diag, -EINVAL, "there is no column besides the target");
    if (!err && data->rows > INT32_MAX)
        err = diag_set(diag, -EINVAL, "more than %d rows", INT32_MAX);
    if (!err)
        err = check_words(data, diag);
    if (!err && o->known)
        err = check_names(data, o->known, diag);
    if (!err && o->target && o->missing_is_nan && !o->ignores_target)
        err = check_target(data, diag);
    return err;
}

int dataset_read(struct dataset *data, const char *path, const struct dataset_options *o)
{
    struct diag diag;
    int err = 0;
    *data = (struct dataset){ .target = DATASET_NO_TARGET };
    if (o->categorical)
        err = name_words(data, o->categorical, &diag);
    else if (o->known)
        err = known_words(data, o, &diag);
    struct csv_options options = { .missing_is_nan = o->missing_is_nan,
                                   .largest = (double)FLT_MAX,
                                   .ignored = o->ignores_target ? o->target : NULL,
                                   .ignored_may_lack = o->may_lack_target,
                                   .dropped = o->drop,
                                   .words = data->words,
                                   .words_count = data->words_count };
    if (o->may_train) {
        options.if_word = "--categorical names the columns of words, --drop those to leave out";
        options.if_missing = "with --mode hist --missing nan it may be";
    }
    if (!err)
        err = read_table(&data->csv, path, &options, &diag);
    if (!err && o->drop)
        err = csv_drop(&data->csv, o->drop, &diag);
    if (!err)
        err = find_columns(data, o, &diag);
    if (err) {
        complain(path, "%s", diag.text);
        dataset_free(data);
    }
    return err;
}

void dataset_free(struct dataset *data)
{
    csv_free(&data->csv);
    for (uint32_t i = 0; data->owns_words && i < data->words_count; i++)
        words_free(&data->words[i]);
    free(data->words);
    data->words = NULL;
    data->words_count = 0;
}

/* What is known of a column, borrowed. */
static struct words column_words(const struct dataset *data, uint32_t column)
{
    char *name = data->csv.names[column];
    for (uint32_t i = 0; i < data->words_count; i++)
        if (!strcmp(data->words[i].column, name))
            return data->words[i];
    return (struct words){ .column = name };
}

int dataset_notes(const struct dataset *data, char **text, size_t *size)
{
    struct columns c = { .feature = calloc(data->features, sizeof *c.feature) };
    if (!c.feature)
        return -ENOMEM;
    for (uint32_t column = 0; column < data->csv.cols; column++) {
        if (column == data->target)
            c.target = column_words(data, column);
        else
            c.feature[c.count++] = column_words(data, column);
    }
    int err = columns_text(&c, text, size);
    free(c.feature);
    return err;
}

/* So many numbers, not all of them whole ones, were measured; scikit-learn refuses even two. */
static bool are_measured(const struct dataset *data, const double *labels, uint32_t classes,
                         const char *path)
{
    if (classes <= NUMBERED_CLASSES || column_words(data, data->target).count)
        return false;
    for (uint32_t i = 0; i < classes; i++)
        if (labels[i] != floor(labels[i])) {
            complain(path,
                     "the target has %u different numbers such as %.6g, which are no classes: "
                     "--task regression, or --categorical %s if they are",
                     classes, labels[i], data->csv.names[data->target]);
            return true;
        }
    return false;
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
    else if (are_measured(data, room, *classes, path))
        err = -EINVAL;
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
