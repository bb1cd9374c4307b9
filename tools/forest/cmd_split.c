/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "args.h"
#include "commands.h"
#include "csv.h"
#include "emit.h"
#include "forest.h"
#include "npy.h"
#include "outfile.h"
#include "tool.h"
#include "unpack.h"

struct split {
    const char *data, *target, *train_out, *test_out;
    double test_size;
    uint32_t seed;
    bool json;
};

/* The same regular file, whatever it is called. */
static bool is_data(const char *path, const char *data)
{
    struct stat a, b;
    return !stat(path, &a) && !stat(data, &b) && S_ISREG(a.st_mode) && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

static int parse(int argc, char **argv, struct split *s)
{
    const struct arg_option options[] = {
        { "data", 0, ARG_TEXT, &s->data, "FILE", "the rows to split", 0, 0, NULL, true },
        { "target", 0, ARG_TEXT, &s->target, "COL", "check that there is such a column", 0, 0, NULL,
          false },
        { "test-size", 0, ARG_DOUBLE, &s->test_size, "X",
          "fraction of the rows to test with (0.25)", 0, 0, NULL, false },
        { "seed", 0, ARG_U32, &s->seed, "N", "random_state of the split (0)", 0, 0, NULL, false },
        { "train-out", 0, ARG_TEXT, &s->train_out, "FILE.csv", "where the training rows go", 0, 0,
          NULL, true },
        { "test-out", 0, ARG_TEXT, &s->test_out, "FILE.csv", "where the test rows go", 0, 0, NULL,
          true },
        { "json", 0, ARG_FLAG, &s->json, NULL, "tell the numbers of rows as one JSON object", 0, 0,
          NULL, false },
        { .kind = ARG_END },
    };
    struct arg_command command = {
        "--data FILE.csv --target COL --train-out FILE.csv --test-out FILE.csv [options]",
        "The rows, in the order, that scikit-learn's train_test_split gives for the same seed.\n"
        "Every row is copied as it stands in the file; a .npy file gives .npy files.\n",
        options,
        NULL,
        0,
        0,
        0,
    };
    int code = args_parse(argc, argv, &command);
    if (code == ARGS_RUN && !(s->test_size > 0 && s->test_size < 1))
        return args_complain("--test-size: %g is not above 0 and below 1", s->test_size);
    if (code == ARGS_RUN && !strcmp(s->train_out, s->test_out))
        return args_complain("--train-out and --test-out are the same file");
    if (code == ARGS_RUN && (is_data(s->train_out, s->data) || is_data(s->test_out, s->data)))
        return args_complain("--data is one of the files to write: its other rows would be lost");
    if (code == ARGS_RUN && s->json && (!strcmp(s->train_out, "-") || !strcmp(s->test_out, "-")))
        return args_complain("--json and rows cannot both go to standard output");
    return code;
}

/* What is split: the rows of a CSV file, or of an array. */
struct rows {
    struct csv csv;
    struct filemap map; /* of an array */
    struct npy_info array;
    char *elements; /* its, in C order */
    uint64_t count;
};

static int read_csv(struct rows *r, const char *target, struct diag *diag)
{
    struct csv_options options = { .text_only = true };
    uint32_t column;
    int err = csv_parse(&r->csv, &r->map, &options, diag);
    r->count = r->csv.rows;
    return err || !target ? err : csv_find(&r->csv, target, &column, diag);
}

static int read_array(struct rows *r, const char *target, struct diag *diag)
{
    int err = npy_parse(r->map.data, r->map.size, &r->array, diag);
    if (err)
        return err;
    const struct npy_info *a = &r->array;
    char *end;
    if (a->ndim < 1 || a->ndim > 2 || a->data_size == 0)
        return diag_set(diag, -EINVAL, "an array of rows is needed, of one or two dimensions");
    uint64_t cols = a->ndim == 2 ? a->dims[1] : 1;
    if (target && (strtoull(target, &end, 10) >= cols || *end || end == target))
        return diag_set(diag, -EINVAL, "no column '%s'; there are %llu, from 0 on", target,
                        (unsigned long long)cols);
    r->elements = malloc(a->data_size);
    if (!r->elements)
        return diag_set(diag, -ENOMEM, "not enough memory");
    npy_copy(r->map.data, a, r->elements);
    r->count = a->dims[0];
    return 0;
}

static int rows_read(struct rows *r, const char *path, const char *target, struct diag *diag)
{
    int err = unpack_open(&r->map, path, diag);
    if (err)
        return err;
    return npy_is(r->map.data, r->map.size) ? read_array(r, target, diag)
                                            : read_csv(r, target, diag);
}

static void rows_free(struct rows *r)
{
    csv_free(&r->csv);
    filemap_close(&r->map);
    free(r->elements);
}

static void write_array(FILE *out, const struct rows *r, const uint32_t *order, uint64_t count)
{
    char header[NPY_HEADER_MAX];
    struct npy_info info = r->array;
    size_t row = info.data_size / info.dims[0];
    info.dims[0] = count;
    fwrite(header, 1, npy_header(&info, header), out);
    for (uint64_t i = 0; i < count; i++)
        fwrite(r->elements + order[i] * row, 1, row, out);
}

static void write_csv(FILE *out, const struct csv *csv, const uint32_t *order, uint64_t count)
{
    if (csv->has_header) {
        fwrite(csv->map.data + csv->header_start, 1, csv->header_end - csv->header_start, out);
        putc('\n', out);
    }
    for (uint64_t i = 0; i < count; i++) {
        size_t size;
        const char *text = csv_row_text(csv, order[i], &size);
        fwrite(text, 1, size, out);
        putc('\n', out);
    }
}

static int open_part(struct outfile *out, const char *path, const struct rows *r,
                     const uint32_t *order, uint64_t count)
{
    struct diag diag;
    int err = outfile_open(out, path, &diag);
    if (err) {
        complain(outfile_name(path), "%s", diag.text);
        return err;
    }
    if (r->elements)
        write_array(out->stream, r, order, count);
    else
        write_csv(out->stream, &r->csv, order, count);
    /* All errors but that of a rename come now, before either file has its name. */
    err = outfile_flush(out, &diag);
    if (err)
        complain(outfile_name(path), "%s", diag.text);
    return err;
}

static int commit(struct outfile *out, const char *path)
{
    struct diag diag;
    int err = outfile_commit(out, &diag);
    if (err)
        complain(outfile_name(path), "%s", diag.text);
    return err;
}

static int write_parts(const struct split *s, const struct rows *r, const uint32_t *order,
                       uint64_t test_count)
{
    struct outfile train = { .fd = -1 }, test = { .fd = -1 };
    int err = open_part(&train, s->train_out, r, order + test_count, r->count - test_count);
    if (!err)
        err = open_part(&test, s->test_out, r, order, test_count);
    if (!err)
        err = commit(&train, s->train_out);
    if (!err)
        err = commit(&test, s->test_out);
    outfile_abort(&train);
    outfile_abort(&test);
    return err;
}

static void tell_json(const struct split *s, uint64_t train_rows, uint64_t test_rows)
{
    struct emit e;
    emit_start(&e, stdout, EMIT_JSON, false);
    emit_object(&e, NULL);
    emit_uint(&e, "train_rows", NULL, train_rows);
    emit_uint(&e, "test_rows", NULL, test_rows);
    emit_uint(&e, "seed", NULL, s->seed);
    emit_object_end(&e);
}

int cmd_split(int argc, char **argv)
{
    struct split s = { .test_size = 0.25 };
    struct rows rows = { .count = 0 };
    struct diag diag;
    uint64_t test_count;
    int code = parse(argc, argv, &s);
    if (code != ARGS_RUN)
        return code;
    int err = rows_read(&rows, s.data, s.target, &diag);
    uint32_t *order = err ? NULL : malloc(rows.count * sizeof *order);
    if (!err && !order)
        err = diag_set(&diag, -ENOMEM, "not enough memory");
    if (!err) {
        err = forest_train_test_split(rows.count, s.test_size, s.seed, order, &test_count);
        if (err)
            diag_set(&diag, err, "cannot split %llu rows (%s)", (unsigned long long)rows.count,
                     forest_strerror(err));
    }
    if (err)
        complain(s.data, "%s", diag.text);
    else
        err = write_parts(&s, &rows, order, test_count);
    if (!err && s.json)
        tell_json(&s, rows.count - test_count, test_count);
    free(order);
    rows_free(&rows);
    return err ? EXIT_CANNOT : EXIT_OK;
}
