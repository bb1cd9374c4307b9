/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "commands.h"
#include "emit.h"
#include "model.h"
#include "npy.h"
#include "options.h"
#include "outfile.h"
#include "tool.h"

struct predict {
    const char *model, *data, *target, *drop, *out;
    int missing;
    bool proba, json;
};

static int parse(int argc, char **argv, struct predict *p)
{
    const struct arg_option options[] = {
        { "model", 'm', ARG_TEXT, &p->model, "FILE.forest", "the forest", 0, 0, NULL, true },
        { "data", 0, ARG_TEXT, &p->data, "FILE", "the rows to predict for", 0, 0, NULL, true },
        { "target", 0, ARG_TEXT, &p->target, "COL",
          "a column that is no feature: ignored (the model's)", 0, 0, NULL, false },
        FOREST_DROP(&p->drop),
        { "output", 'o', ARG_TEXT, &p->out, "FILE",
          "predictions, .csv or .npy (- for standard output)", 0, 0, NULL, true },
        { "missing", 0, ARG_CHOICE, &p->missing, "error|nan",
          "missing features are an error, or go right at every split", 0, 0, option_missing,
          false },
        { "proba", 0, ARG_FLAG, &p->proba, NULL, "the probability of each class", 0, 0, NULL,
          false },
        { "json", 0, ARG_FLAG, &p->json, NULL, "one JSON object a row", 0, 0, NULL, false },
        { .kind = ARG_END },
    };
    struct arg_command command = {
        "--model FILE.forest --data FILE.csv -o FILE [options]",
        "One prediction for each row, in order: a number, or the label of a class. A CSV file "
        "gets\n"
        "the header 'prediction' and 17 significant digits, which give the number back to the "
        "last\n"
        "bit; a name that ends in .npy gets a numpy array of float64. With --proba there is a "
        "column\n"
        "'probability of LABEL' for each class. With --json a row is {\"prediction\": ...}, or\n"
        "{\"probability\": {LABEL: ...}}.\n",
        options,
        NULL,
        0,
        0,
        0,
    };
    int code = args_parse(argc, argv, &command);
    if (code == ARGS_RUN && p->json && npy_is_named(p->out))
        return args_complain("--json and a name that ends in .npy exclude each other");
    return code;
}

/* Rows of `width` numbers: one prediction, or the probabilities of the classes with these labels.
 */
struct answers {
    const double *numbers, *labels;
    const struct words *words; /* that labels stand for, if any */
    uint64_t rows, width;
};

/* A CSV field: in quotes if it must be. */
static void write_field(FILE *out, const char *text)
{
    bool is_plain = *text && !strpbrk(text, ",\"\r\n") && *text != ' ';
    if (is_plain) {
        fputs(text, out);
        return;
    }
    putc('"', out);
    for (; *text; text++) {
        if (*text == '"')
            putc('"', out);
        putc(*text, out);
    }
    putc('"', out);
}

/* A label as the training data have it: a word, or a number. */
static const char *label_text(const struct answers *a, double label, char text[EMIT_DOUBLE_TEXT])
{
    if (label >= 0 && label < a->words->count && label == floor(label))
        return a->words->word[(uint32_t)label];
    return emit_shortest(label, text);
}

static void write_heads(FILE *out, const struct answers *a)
{
    char text[EMIT_DOUBLE_TEXT], head[300];
    if (!a->labels)
        fputs("prediction\n", out);
    for (uint64_t k = 0; a->labels && k < a->width; k++) {
        snprintf(head, sizeof head, "probability of %s", label_text(a, a->labels[k], text));
        write_field(out, head);
        putc(k + 1 < a->width ? ',' : '\n', out);
    }
}

static void write_csv(FILE *out, const struct answers *a)
{
    char text[EMIT_DOUBLE_TEXT];
    bool is_words = a->words->count && !a->labels;
    write_heads(out, a);
    for (uint64_t i = 0; i < a->rows * a->width && !ferror(out); i++) {
        if (is_words)
            write_field(out, label_text(a, a->numbers[i], text));
        else
            fprintf(out, "%.17g", a->numbers[i]);
        putc((i + 1) % a->width ? ',' : '\n', out);
    }
}

static void write_npy(FILE *out, const struct answers *a)
{
    char header[NPY_HEADER_MAX];
    struct npy_info info = { .kind = 'f',
                             .itemsize = 8,
                             .ndim = a->labels ? 2 : 1,
                             .dims = { a->rows, a->labels ? a->width : 0 } };
    fwrite(header, 1, npy_header(&info, header), out);
    fwrite(a->numbers, sizeof *a->numbers, a->rows * a->width, out);
}

static void write_json_number(FILE *out, double number)
{
    char text[EMIT_DOUBLE_TEXT];
    fputs(isfinite(number) ? emit_shortest(number, text) : "null", out);
}

static void write_json_row(FILE *out, const struct answers *a, const double *numbers)
{
    char text[EMIT_DOUBLE_TEXT];
    fputs(a->labels ? "{\"probability\": {" : "{\"prediction\": ", out);
    for (uint64_t k = 0; a->labels && k < a->width; k++) {
        emit_json_string(out, label_text(a, a->labels[k], text));
        fputs(": ", out);
        write_json_number(out, numbers[k]);
        fputs(k + 1 < a->width ? ", " : "}", out);
    }
    if (!a->labels && a->words->count)
        emit_json_string(out, label_text(a, *numbers, text));
    else if (!a->labels)
        write_json_number(out, *numbers);
    fputs("}\n", out);
}

static int write_answers(const char *path, bool is_json, const struct answers *a)
{
    struct outfile out;
    struct diag diag;
    int err = outfile_open(&out, path, &diag);
    if (!err) {
        if (npy_is_named(path))
            write_npy(out.stream, a);
        else if (!is_json)
            write_csv(out.stream, a);
        for (uint64_t i = 0; is_json && i < a->rows && !ferror(out.stream); i++)
            write_json_row(out.stream, a, a->numbers + i * a->width);
        err = outfile_commit(&out, &diag);
    }
    if (err)
        complain(outfile_name(path), "%s", diag.text);
    return err;
}

static int predict(const struct predict *p, const struct model *model, const struct dataset *data)
{
    struct answers a = { .words = &model->columns.target, .rows = data->rows, .width = 1 };
    struct forest_info info;
    double *numbers = NULL, *labels = NULL;
    forest_describe(model->forest, &info);
    if (p->proba && !info.classes) {
        complain(p->model, "it predicts numbers: --proba is for classes");
        return -EINVAL;
    }
    if (p->proba) {
        labels = calloc(info.classes, sizeof *labels);
        a.width = info.classes;
    }
    int err = p->proba && !labels ? -ENOMEM : 0;
    if (!err && labels)
        err = forest_classes(model->forest, labels);
    if (!err)
        err = model_predict(model, data, p->data, p->proba, &numbers);
    a.numbers = numbers;
    a.labels = labels;
    if (!err)
        err = write_answers(p->out, p->json, &a);
    free(numbers);
    free(labels);
    return err;
}

int cmd_predict(int argc, char **argv)
{
    struct predict p = { .model = NULL };
    struct model model;
    struct dataset data;
    int code = parse(argc, argv, &p);
    if (code != ARGS_RUN)
        return code;
    if (model_open(&model, p.model))
        return EXIT_CANNOT;
    struct dataset_options options = { .target = p.target ? p.target : model.columns.target.column,
                                       .ignores_target = true,
                                       .may_lack_target = !p.target,
                                       .missing_is_nan = p.missing == 1,
                                       .drop = p.drop,
                                       .known = &model.columns };
    int err = dataset_read(&data, p.data, &options);
    if (!err) {
        err = predict(&p, &model, &data);
        dataset_free(&data);
    }
    model_close(&model);
    return err ? EXIT_CANNOT : EXIT_OK;
}
