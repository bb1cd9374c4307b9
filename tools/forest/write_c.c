/* SPDX-License-Identifier: MIT */
/*
 * write_c.c -- a forest as one C source: its nodes as constant tables, and the few lines that walk
 * them. It needs no library, and says what forest_predict() says, to the last bit.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "emit.h"
#include "treeio.h"

struct writing {
    FILE *out;
    const struct forest *forest;
    struct forest_info info;
    const char *name;
    struct diag *diag;
    double *row;      /* room for a number a class */
    uint64_t written; /* items of the table at hand */
};

static const char head[] =
    "/*\n"
    " * A random forest: %llu trees over %llu features, made by `forest export --c` from %s.\n"
    " *\n"
    " * A row is %s_FEATURES floats, in the order of training. NaN goes right at every split.\n"
    " * All functions may be called from any thread.\n"
    " */\n"
    "#include <math.h>\n\n"
    "enum { %s_FEATURES = %llu, %s_TREES = %llu";

static const char regression[] = "\n"
                                 "double %s_predict(const float *row)\n"
                                 "{\n"
                                 "    double sum = 0.0;\n"
                                 "    int i;\n\n"
                                 "    for (i = 0; i < %s_TREES; i++)\n"
                                 "        sum += leaf(%s_roots[i], row);\n"
                                 "    return sum / %s_TREES;\n"
                                 "}\n";

static const char classification[] =
    "\n"
    "/* The probability of each class, %s_CLASSES numbers. */\n"
    "void %s_predict_proba(const float *row, double *proba)\n"
    "{\n"
    "    int i, k, code;\n\n"
    "    for (k = 0; k < %s_CLASSES; k++)\n"
    "        proba[k] = 0.0;\n"
    "    for (i = 0; i < %s_TREES; i++) {\n"
    "        code = (int)leaf(%s_roots[i], row);\n"
    "        if (code < %s_CLASSES)\n"
    "            proba[code] += 1.0;\n"
    "        else\n"
    "            for (k = 0; k < %s_CLASSES; k++)\n"
    "                proba[k] += %s_shares[code - %s_CLASSES][k];\n"
    "    }\n"
    "    for (k = 0; k < %s_CLASSES; k++)\n"
    "        proba[k] /= %s_TREES;\n"
    "}\n\n"
    "/* The label of the most probable class. */\n"
    "double %s_predict(const float *row)\n"
    "{\n"
    "    double proba[%s_CLASSES];\n"
    "    int k, best = 0;\n\n"
    "    %s_predict_proba(row, proba);\n"
    "    for (k = 1; k < %s_CLASSES; k++)\n"
    "        if (proba[k] > proba[best])\n"
    "            best = k;\n"
    "    return %s_labels[best];\n"
    "}\n";

/* `text` with the forest's name for each %s. */
static void write_named(const struct writing *w, const char *text)
{
    for (; *text; text++) {
        if (text[0] == '%' && text[1] == 's') {
            fputs(w->name, w->out);
            text++;
        } else {
            putc(*text, w->out);
        }
    }
}

/* A constant of type double: with a point or an exponent. */
static void write_number(FILE *out, double x)
{
    char text[EMIT_DOUBLE_TEXT];

    if (isinf(x)) {
        fputs(x < 0 ? "-HUGE_VAL" : "HUGE_VAL", out);
        return;
    }
    fputs(emit_shortest(x, text), out);
    if (x == floor(x) && fabs(x) < 1e15)
        fputs(".0", out);
}

static int nan_found(const struct writing *w, uint32_t tree)
{
    return diag_set(w->diag, -EINVAL, "tree %u: a number is NaN", tree);
}

static bool has_one_class(const double *shares, uint64_t classes, uint64_t *class)
{
    uint64_t parts = 0;

    for (uint64_t k = 0; k < classes; k++)
        if (shares[k] != 0) {
            parts++;
            *class = k;
        }
    return parts == 1 && shares[*class] == 1;
}

/* What leaves say that say more than a class: rows of the table of shares. */
static int write_shares(struct writing *w)
{
    fprintf(w->out, "static const double %s_shares[][%s_CLASSES] = {\n", w->name, w->name);
    w->written = 0;
    for (uint32_t t = 0; t < w->info.trees; t++) {
        uint64_t nodes, class;
        if (forest_tree_nodes(w->forest, t, &nodes))
            return -EINVAL;
        for (uint64_t i = 0; i < nodes; i++) {
            if (forest_tree_shares(w->forest, t, i, w->row) ||
                has_one_class(w->row, w->info.classes, &class))
                continue;
            for (uint64_t k = 0; k < w->info.classes; k++) {
                fputs(k ? "," : "{", w->out);
                write_number(w->out, w->row[k]);
            }
            fputs("},\n", w->out);
            w->written++;
        }
    }
    if (!w->written)
        fputs("{0.0},\n", w->out);
    fputs("};\n\n", w->out);
    return 0;
}

/* One node; of a leaf `right` is 0. Codes of leaves with shares are given in the order of those. */
static int write_node(struct writing *w, uint32_t tree, uint64_t at, uint64_t root, uint64_t *codes)
{
    struct forest_node n;
    uint64_t class = 0;

    if (forest_tree_node(w->forest, tree, at, &n))
        return -EINVAL;
    double number = n.left < 0 ? n.value : n.threshold;
    if (n.left < 0 && w->info.classes) {
        if (forest_tree_shares(w->forest, tree, at, w->row))
            return -EINVAL;
        if (!has_one_class(w->row, w->info.classes, &class))
            class = w->info.classes + (*codes)++;
        number = (double)class;
    }
    if (isnan(number))
        return nan_found(w, tree);
    putc('{', w->out);
    write_number(w->out, number);
    if (n.left < 0)
        fputs(",0,0},\n", w->out);
    else
        fprintf(w->out, ",%llu,%lld},\n", (unsigned long long)(root + (uint64_t)n.right),
                (long long)n.feature);
    return 0;
}

static int write_nodes(struct writing *w)
{
    uint64_t root = 0, nodes, codes = 0;

    fprintf(
        w->out,
        "/* A row goes to the next node if its feature is <= number, else to `right`; a leaf's\n"
        " * `right` is 0, and its number the answer%s. */\n"
        "static const struct node {\n"
        "    double number;\n"
        "    unsigned right, feature;\n"
        "} %s_nodes[] = {\n",
        w->info.classes ? ": a class, or a place in the shares" : "", w->name);
    for (uint32_t t = 0; t < w->info.trees; t++) {
        if (forest_tree_nodes(w->forest, t, &nodes))
            return -EINVAL;
        for (uint64_t i = 0; i < nodes; i++) {
            int err = write_node(w, t, i, root, &codes);
            if (err)
                return err;
        }
        root += nodes;
    }
    fprintf(w->out, "};\n\nstatic const unsigned %s_roots[%s_TREES] = {", w->name, w->name);
    root = 0;
    for (uint32_t t = 0; t < w->info.trees; t++) {
        fprintf(w->out, "%s%llu",
                t % 8 ? ", "
                : t   ? ",\n    "
                      : "\n    ",
                (unsigned long long)root);
        if (forest_tree_nodes(w->forest, t, &nodes))
            return -EINVAL;
        root += nodes;
    }
    fputs("\n};\n\n", w->out);
    return 0;
}

static int write_labels(struct writing *w)
{
    if (forest_classes(w->forest, w->row))
        return -EINVAL;
    fprintf(w->out, "const double %s_labels[%s_CLASSES] = {", w->name, w->name);
    for (uint64_t k = 0; k < w->info.classes; k++) {
        fputs(k ? ", " : "\n    ", w->out);
        write_number(w->out, w->row[k]);
    }
    fputs("\n};\n\n", w->out);
    return 0;
}

static void write_head(struct writing *w, const char *from)
{
    const struct forest_info *info = &w->info;

    fprintf(w->out, head, (unsigned long long)info->trees, (unsigned long long)info->features, from,
            w->name, w->name, (unsigned long long)info->features, w->name,
            (unsigned long long)info->trees);
    if (info->classes)
        fprintf(w->out, ", %s_CLASSES = %llu", w->name, (unsigned long long)info->classes);
    fprintf(w->out, " };\n\ndouble %s_predict(const float *row);\n", w->name);
    if (info->classes)
        fprintf(w->out,
                "void %s_predict_proba(const float *row, double *proba);\n"
                "extern const double %s_labels[%s_CLASSES];\n",
                w->name, w->name, w->name);
    putc('\n', w->out);
}

static int write_all(struct writing *w, const char *from)
{
    int err = 0;

    write_head(w, from);
    if (w->info.classes)
        err = write_labels(w);
    if (!err && w->info.classes)
        err = write_shares(w);
    if (!err)
        err = write_nodes(w);
    if (err)
        return err;
    fprintf(w->out,
            "static double leaf(unsigned at, const float *row)\n"
            "{\n"
            "    while (%s_nodes[at].right)\n"
            "        at = (double)row[%s_nodes[at].feature] <= %s_nodes[at].number\n"
            "                 ? at + 1\n"
            "                 : %s_nodes[at].right;\n"
            "    return %s_nodes[at].number;\n"
            "}\n",
            w->name, w->name, w->name, w->name, w->name);
    write_named(w, w->info.classes ? classification : regression);
    return 0;
}

int treeio_write_c(FILE *out, const struct forest *forest, const char *name, const char *from,
                   struct diag *diag)
{
    struct writing w = { .out = out, .forest = forest, .name = name, .diag = diag };

    forest_describe(forest, &w.info);
    if (w.info.nodes > INT32_MAX)
        return diag_set(diag, -EINVAL, "it has too many nodes for a C source");
    w.row = calloc(w.info.classes + 1, sizeof *w.row);
    if (!w.row)
        return diag_set(diag, -ENOMEM, "not enough memory");
    diag_set(diag, 0, "the model is damaged");
    int err = write_all(&w, from);
    free(w.row);
    return err;
}
