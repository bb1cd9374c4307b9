/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "commands.h"
#include "csv.h"
#include "forest.h"
#include "outfile.h"
#include "tool.h"

struct split {
    const char *data, *target, *train_out, *test_out;
    double test_size;
    uint32_t seed;
};

static int parse(int argc, char **argv, struct split *s)
{
    const struct arg_option options[] = {
        { "data", 0, ARG_TEXT, &s->data, "FILE.csv", "the rows to split", 0, 0, NULL, true },
        { "target", 0, ARG_TEXT, &s->target, "COL", "check that there is such a column", 0, 0, NULL,
          false },
        { "test-size", 0, ARG_DOUBLE, &s->test_size, "X",
          "fraction of the rows to test with (0.25)", 0, 0, NULL, false },
        { "seed", 0, ARG_U32, &s->seed, "N", "random_state of the split (0)", 0, 0, NULL, false },
        { "train-out", 0, ARG_TEXT, &s->train_out, "FILE.csv", "where the training rows go", 0, 0,
          NULL, true },
        { "test-out", 0, ARG_TEXT, &s->test_out, "FILE.csv", "where the test rows go", 0, 0, NULL,
          true },
        { .kind = ARG_END },
    };
    struct arg_command command = {
        "--data FILE.csv --target COL --train-out FILE.csv --test-out FILE.csv [options]",
        "The rows, in the order, that scikit-learn's train_test_split gives for the same seed.\n"
        "Every row is copied as it stands in the file.\n",
        options,
        NULL,
        0,
        0,
        0,
    };
    int code = args_parse(argc, argv, &command);
    if (code == ARGS_RUN && !(s->test_size > 0 && s->test_size < 1))
        return args_complain("--test-size: %g is not between 0 and 1", s->test_size);
    if (code == ARGS_RUN && !strcmp(s->train_out, s->test_out))
        return args_complain("--train-out and --test-out are the same file");
    return code;
}

static int open_part(struct outfile *out, const char *path, const struct csv *csv,
                     const uint32_t *order, uint64_t count)
{
    struct diag diag;
    int err = outfile_open(out, path, &diag);
    if (err) {
        complain(path, "%s", diag.text);
        return err;
    }
    if (csv->has_header) {
        fwrite(csv->map.data + csv->header_start, 1, csv->header_end - csv->header_start,
               out->stream);
        putc('\n', out->stream);
    }
    for (uint64_t i = 0; i < count; i++) {
        size_t size;
        const char *text = csv_row_text(csv, order[i], &size);
        fwrite(text, 1, size, out->stream);
        putc('\n', out->stream);
    }
    /* All errors but that of a rename come now, before either file has its name. */
    err = outfile_flush(out, &diag);
    if (err)
        complain(path, "%s", diag.text);
    return err;
}

static int commit(struct outfile *out, const char *path)
{
    struct diag diag;
    int err = outfile_commit(out, &diag);
    if (err)
        complain(path, "%s", diag.text);
    return err;
}

static int write_parts(const struct split *s, const struct csv *csv, const uint32_t *order,
                       uint64_t test_count)
{
    struct outfile train = { .fd = -1 }, test = { .fd = -1 };
    int err = open_part(&train, s->train_out, csv, order + test_count, csv->rows - test_count);
    if (!err)
        err = open_part(&test, s->test_out, csv, order, test_count);
    if (!err)
        err = commit(&train, s->train_out);
    if (!err)
        err = commit(&test, s->test_out);
    outfile_abort(&train);
    outfile_abort(&test);
    return err;
}

int cmd_split(int argc, char **argv)
{
    struct split s = { .test_size = 0.25 };
    struct csv csv;
    struct csv_options options = { .text_only = true };
    struct diag diag;
    uint64_t test_count;
    uint32_t column;
    int code = parse(argc, argv, &s);
    if (code != ARGS_RUN)
        return code;
    int err = csv_read(&csv, s.data, &options, &diag);
    if (!err && s.target)
        err = csv_find(&csv, s.target, &column, &diag);
    uint32_t *order = err ? NULL : malloc(csv.rows * sizeof *order);
    if (!err && !order)
        err = diag_set(&diag, -1, "not enough memory");
    if (!err) {
        err = forest_train_test_split(csv.rows, s.test_size, s.seed, order, &test_count);
        if (err)
            diag_set(&diag, err, "cannot split %llu rows (%s)", (unsigned long long)csv.rows,
                     forest_strerror(err));
    }
    if (err)
        complain(s.data, "%s", diag.text);
    else
        err = write_parts(&s, &csv, order, test_count);
    free(order);
    csv_free(&csv);
    return err ? EXIT_CANNOT : EXIT_OK;
}
