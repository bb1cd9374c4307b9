/* SPDX-License-Identifier: MIT */
/* cmd_gen.c -- made data to try things with: scikit-learn's generators. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "commands.h"
#include "forest.h"
#include "npy.h"
#include "outfile.h"
#include "tool.h"

enum { FRIEDMAN1, BLOBS };
static const char *const kinds[] = { "friedman1", "blobs", NULL };

struct gen {
    int kind;
    uint64_t rows;
    uint32_t features, centers, seed;
    double noise, deviation;
    const char *out;
};

static int parse(int argc, char **argv, struct gen *g)
{
    const struct arg_option options[] = {
        { "kind", 0, ARG_CHOICE, &g->kind, "friedman1|blobs",
          "numbers to predict, or classes (friedman1)", 0, 0, kinds, false },
        { "rows", 'n', ARG_U64, &g->rows, "N", "how many (1000)", 1, UINT32_MAX, NULL, false },
        { "features", 0, ARG_U32, &g->features, "N", "how many (10)", 1, INT32_MAX, NULL, false },
        { "noise", 0, ARG_DOUBLE, &g->noise, "X", "friedman1: deviation of y (1)", 0, 0, NULL,
          false },
        { "centers", 0, ARG_U32, &g->centers, "N", "blobs: how many classes (3)", 1, 0, NULL,
          false },
        { "deviation", 0, ARG_DOUBLE, &g->deviation, "X", "blobs: cluster_std (1)", 0, 0, NULL,
          false },
        { "seed", 0, ARG_U32, &g->seed, "N", "random_state (0)", 0, 0, NULL, false },
        { "output", 'o', ARG_TEXT, &g->out, "FILE", ".csv or .npy (- for standard output)", 0, 0,
          NULL, true },
        { .kind = ARG_END },
    };
    struct arg_command command = {
        "-o FILE [--kind friedman1|blobs] [--rows N] [--seed N] [options]",
        "Makes data as sklearn.datasets does, the same numbers for the same seed: make_friedman1,\n"
        "five features that matter and others that do not, or make_blobs, clouds around centres.\n"
        "Columns x0, x1, ... and the target y; .npy holds them as one float64 array, y last.\n",
        options,
        NULL,
        0,
        0,
        0,
    };
    int code = args_parse(argc, argv, &command);
    if (code == ARGS_RUN && g->kind == FRIEDMAN1 && g->features < 5)
        code = args_complain("--features: friedman1 has 5 at least");
    if (code == ARGS_RUN && g->kind == BLOBS && g->centers > g->rows)
        code = args_complain("--centers: %u are more than the rows", g->centers);
    if (code == ARGS_RUN && g->deviation < 0)
        code = args_complain("--deviation: %g is below 0", g->deviation);
    return code;
}

static void write_csv(FILE *out, const struct gen *g, const double *x, const double *y)
{
    for (uint32_t j = 0; j < g->features; j++)
        fprintf(out, "x%u,", j);
    fputs("y\n", out);
    for (uint64_t i = 0; i < g->rows && !ferror(out); i++) {
        for (uint32_t j = 0; j < g->features; j++)
            fprintf(out, "%.17g,", x[i * g->features + j]);
        fprintf(out, "%.17g\n", y[i]);
    }
}

static void write_npy(FILE *out, const struct gen *g, const double *x, const double *y)
{
    char header[NPY_HEADER_MAX];
    struct npy_info info = {
        .kind = 'f', .itemsize = 8, .ndim = 2, .dims = { g->rows, g->features + UINT64_C(1) }
    };
    fwrite(header, 1, npy_header(&info, header), out);
    for (uint64_t i = 0; i < g->rows && !ferror(out); i++) {
        fwrite(x + i * g->features, sizeof *x, g->features, out);
        fwrite(y + i, sizeof *y, 1, out);
    }
}

static int write_out(const struct gen *g, const double *x, const double *y)
{
    struct outfile out;
    struct diag diag;
    int err = outfile_open(&out, g->out, &diag);
    if (!err) {
        if (npy_is_named(g->out))
            write_npy(out.stream, g, x, y);
        else
            write_csv(out.stream, g, x, y);
        err = outfile_commit(&out, &diag);
    }
    if (err)
        complain(outfile_name(g->out), "%s", diag.text);
    return err;
}

int cmd_gen(int argc, char **argv)
{
    struct gen g = { .rows = 1000, .features = 10, .noise = 1, .centers = 3, .deviation = 1 };
    size_t bytes;
    int code = parse(argc, argv, &g);
    if (code != ARGS_RUN)
        return code;
    double *x = NULL, *y = malloc(g.rows * sizeof *y);
    if (!__builtin_mul_overflow(g.rows * sizeof *x, g.features, &bytes))
        x = malloc(bytes);
    struct forest_blobs blobs = { g.rows, g.features, g.deviation, g.centers, g.seed };
    int err = x && y ? 0 : -ENOMEM;
    if (!err)
        err = g.kind == BLOBS ? forest_make_blobs(&blobs, x, y)
                              : forest_make_friedman1(g.rows, g.features, g.noise, g.seed, x, y);
    if (err)
        complain(NULL, "cannot make so many (%s)", forest_strerror(err));
    else
        err = write_out(&g, x, y);
    free(x);
    free(y);
    return err ? EXIT_CANNOT : EXIT_OK;
}
