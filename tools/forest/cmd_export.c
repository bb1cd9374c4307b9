/* SPDX-License-Identifier: MIT */
/* cmd_export.c -- a model in a form that others read: JSON, or C source. */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "args.h"
#include "commands.h"
#include "model.h"
#include "outfile.h"
#include "tool.h"
#include "treeio.h"

struct export
{
    const char *model, *out, *name;
    bool json, c;
};

static bool is_identifier(const char *s)
{
    if (!isalpha((unsigned char)*s) && *s != '_')
        return false;
    while (isalnum((unsigned char)*s) || *s == '_')
        s++;
    return *s == 0;
}

static int parse(int argc, char **argv, struct export *e)
{
    const struct arg_option options[] = {
        { "model", 'm', ARG_TEXT, &e->model, "FILE.forest", "the forest", 0, 0, NULL, true },
        { "output", 'o', ARG_TEXT, &e->out, "FILE", "where it goes (- for standard output)", 0, 0,
          NULL, true },
        { "json", 0, ARG_FLAG, &e->json, NULL, "as JSON, which `forest import` reads", 0, 0, NULL,
          false },
        { "c", 0, ARG_FLAG, &e->c, NULL, "as C source that needs nothing else", 0, 0, NULL, false },
        { "name", 0, ARG_TEXT, &e->name, "NAME",
          "what the names in the C source start with (forest)", 0, 0, NULL, false },
        { .kind = ARG_END },
    };
    struct arg_command command = {
        "--model FILE.forest -o FILE --json|--c [options]",
        "Writes a model for others to read. Both forms hold every bit of it: a forest that was\n"
        "exported and imported again is the same file, and the C source predicts the same "
        "doubles.\n"
        "The C source defines double NAME_predict(const float *row), of classes also NAME_labels\n"
        "and void NAME_predict_proba(const float *row, double *proba).\n",
        options,
        NULL,
        0,
        0,
        0,
    };
    int code = args_parse(argc, argv, &command);
    if (code == ARGS_RUN && e->json == e->c)
        code =
            args_complain(e->c ? "--json and --c exclude each other" : "--json or --c is missing");
    if (code == ARGS_RUN && !is_identifier(e->name))
        code = args_complain("--name: '%s' cannot start a name in C", e->name);
    return code;
}

static int write_text(const struct export *e, const struct model *model, struct diag *diag)
{
    struct outfile out;
    const char *slash = strrchr(e->model, '/');
    /* In a comment, where it must not end it. */
    const char *from = strstr(e->model, "*/") ? "a model" : slash ? slash + 1 : e->model;
    int err = outfile_open(&out, e->out, diag);
    if (err)
        return err;
    err = e->json ? treeio_write_json(out.stream, model->forest, diag)
                  : treeio_write_c(out.stream, model->forest, e->name, from, diag);
    if (!err)
        return outfile_commit(&out, diag);
    outfile_abort(&out);
    return err;
}

int cmd_export(int argc, char **argv)
{
    struct export e = { .name = "forest" };
    struct model model;
    struct diag diag;
    int code = parse(argc, argv, &e);
    if (code != ARGS_RUN)
        return code;
    if (model_open(&model, e.model))
        return EXIT_CANNOT;
    int err = write_text(&e, &model, &diag);
    if (err)
        complain(outfile_name(e.out), "%s", diag.text);
    model_close(&model);
    return err ? EXIT_CANNOT : EXIT_OK;
}
