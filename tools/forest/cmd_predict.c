/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "commands.h"
#include "model.h"
#include "npy.h"
#include "outfile.h"
#include "tool.h"

struct predict {
    const char *model, *data, *target, *out;
    int missing;
};

static int parse(int argc, char **argv, struct predict *p)
{
    static const char *const missing[] = { "error", "nan", NULL };
    const struct arg_option options[] = {
        { "model", 'm', ARG_TEXT, &p->model, "FILE.forest", "the forest", 0, 0, NULL, true },
        { "data", 0, ARG_TEXT, &p->data, "FILE.csv", "the rows to predict for", 0, 0, NULL, true },
        { "target", 0, ARG_TEXT, &p->target, "COL", "a column that is no feature: ignored", 0, 0,
          NULL, false },
        { "output", 'o', ARG_TEXT, &p->out, "FILE",
          "predictions, .csv or .npy (- for standard output)", 0, 0, NULL, true },
        { "missing", 0, ARG_CHOICE, &p->missing, "error|nan",
          "missing values are an error, or go right at every split", 0, 0, missing, false },
        { .kind = ARG_END },
    };
    struct arg_command command = {
        "--model FILE.forest --data FILE.csv -o FILE [options]",
        "One prediction for each row, in order. A CSV file gets the header 'prediction' and 17\n"
        "significant digits, which give the number back to the last bit; a name that ends in .npy\n"
        "gets a numpy array of float64.\n",
        options,
        NULL,
        0,
        0,
        0,
    };
    return args_parse(argc, argv, &command);
}

static void write_csv(FILE *out, const double *p, uint64_t rows)
{
    fputs("prediction\n", out);
    for (uint64_t i = 0; i < rows; i++)
        fprintf(out, "%.17g\n", p[i]);
}

static void write_npy(FILE *out, const double *p, uint64_t rows)
{
    char header[NPY_HEADER_MAX];
    struct npy_info info = { .kind = 'f', .itemsize = 8, .ndim = 1, .dims = { rows } };
    fwrite(header, 1, npy_header(&info, header), out);
    fwrite(p, sizeof *p, rows, out);
}

static int write_predictions(const char *path, const double *p, uint64_t rows)
{
    struct outfile out;
    struct diag diag;
    size_t length = strlen(path);
    int err = outfile_open(&out, path, &diag);
    if (!err) {
        if (length > 4 && !strcmp(path + length - 4, ".npy"))
            write_npy(out.stream, p, rows);
        else
            write_csv(out.stream, p, rows);
        err = outfile_commit(&out, &diag);
    }
    if (err)
        complain(path, "%s", diag.text);
    return err;
}

int cmd_predict(int argc, char **argv)
{
    struct predict p = { .model = NULL };
    struct model model;
    struct dataset data;
    double *prediction = NULL;
    int code = parse(argc, argv, &p);
    if (code != ARGS_RUN)
        return code;
    if (model_open(&model, p.model))
        return EXIT_CANNOT;
    int err = dataset_read(&data, p.data, p.target, p.missing == 1);
    if (!err) {
        err = model_predict(&model, &data, p.data, &prediction);
        if (!err)
            err = write_predictions(p.out, prediction, data.rows);
        free(prediction);
        dataset_free(&data);
    }
    model_close(&model);
    return err ? EXIT_CANNOT : EXIT_OK;
}
