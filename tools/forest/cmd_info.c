/* SPDX-License-Identifier: MIT */
/* cmd_info.c -- what a model is: its parameters and sizes, or one of its trees, node by node. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "commands.h"
#include "emit.h"
#include "model.h"
#include "options.h"
#include "tool.h"

#define NO_TREE UINT32_MAX
#define DEPTH_SHOWN 4
#define WORDS_SHOWN 4

struct info {
    const char *model, *data, *target, *drop;
    uint32_t tree, depth;
    bool json;
};

static int parse(int argc, char **argv, struct info *i)
{
    const struct arg_option options[] = {
        { "model", 'm', ARG_TEXT, &i->model, "FILE.forest", "the forest", 0, 0, NULL, true },
        { "tree", 0, ARG_U32, &i->tree, "N", "show this tree, from 0", 0, 0, NULL, false },
        { "depth", 0, ARG_U32, &i->depth, "N", "its nodes down to this level (4)", 0, 0, NULL,
          false },
        { "data", 0, ARG_TEXT, &i->data, "FILE", "gives the features other names", 0, 0, NULL,
          false },
        { "target", 0, ARG_TEXT, &i->target, "COL", "the column that is no feature (the model's)",
          0, 0, NULL, false },
        FOREST_DROP(&i->drop),
        { "json", 0, ARG_FLAG, &i->json, NULL, "JSON; of a tree one object a node", 0, 0, NULL,
          false },
        { .kind = ARG_END },
    };
    struct arg_command command = {
        "--model FILE.forest [--tree N [--depth N]] [options]",
        "Tells the parameters and sizes of a model; or shows a tree, a line for each node: the\n"
        "question whose yes goes left (to the next line), or what a leaf predicts, and with the\n"
        "statistics of --keep-stats its rows and impurity.\n",
        options,
        NULL,
        0,
        0,
        0,
    };
    return args_parse(argc, argv, &command);
}

static void show_features(struct emit *e, const struct forest_params *p)
{
    char text[EMIT_DOUBLE_TEXT];
    switch (p->max_features) {
    case FOREST_MAX_FEATURES_SQRT:
        emit_string(e, "max_features", "max_features", "sqrt");
        break;
    case FOREST_MAX_FEATURES_LOG2:
        emit_string(e, "max_features", "max_features", "log2");
        break;
    case FOREST_MAX_FEATURES_COUNT:
    case FOREST_MAX_FEATURES_FRACTION:
        emit_string(e, "max_features", "max_features", emit_shortest(p->max_features_value, text));
        break;
    default:
        emit_string(e, "max_features", "max_features",
                    p->task == FOREST_CLASSIFICATION &&
                            p->max_features == FOREST_MAX_FEATURES_DEFAULT
                        ? "sqrt"
                        : "all");
    }
}

/* 0 stands for none. */
static void show_limit(struct emit *e, const char *key, uint32_t limit)
{
    if (limit || e->format == EMIT_JSON)
        emit_uint(e, key, key, limit);
    else
        emit_string(e, key, key, "none");
}

static void show_params(struct emit *e, const struct forest_params *p)
{
    bool has_bootstrap = p->extra_trees ? p->bootstrap : !p->no_bootstrap;
    emit_string(e, "mode", "mode", option_modes[p->mode]);
    emit_string(e, "task", "task", option_tasks[p->task]);
    emit_string(e, "criterion", "criterion", option_criteria[p->criterion]);
    emit_bool(e, "extra_trees", "extra_trees", p->extra_trees);
    emit_uint(e, "seed", "seed", p->seed);
    show_limit(e, "max_depth", p->max_depth);
    if (p->min_samples_split_fraction > 0)
        emit_double(e, "min_samples_split", "min_samples_split", p->min_samples_split_fraction, 6);
    else
        emit_uint(e, "min_samples_split", "min_samples_split", p->min_samples_split);
    if (p->min_samples_leaf_fraction > 0)
        emit_double(e, "min_samples_leaf", "min_samples_leaf", p->min_samples_leaf_fraction, 6);
    else
        emit_uint(e, "min_samples_leaf", "min_samples_leaf", p->min_samples_leaf);
    emit_double(e, "min_weight_fraction_leaf", "min_weight_fraction_leaf",
                p->min_weight_fraction_leaf, 6);
    show_features(e, p);
    show_limit(e, "max_leaf_nodes", p->max_leaf_nodes);
    emit_double(e, "min_impurity_decrease", "min_impurity_decrease", p->min_impurity_decrease, 6);
    emit_bool(e, "bootstrap", "bootstrap", has_bootstrap);
    if (p->max_samples > 0 || e->format == EMIT_JSON)
        emit_double(e, "max_samples", "max_samples", p->max_samples, 6);
    else
        emit_string(e, "max_samples", "max_samples", "all");
    emit_string(e, "class_weight", "class_weight", option_balances[p->class_weight]);
    emit_double(e, "ccp_alpha", "ccp_alpha", p->ccp_alpha, 6);
}

/* The names of the columns, if the model knows them. */
static void show_columns(struct emit *e, const struct columns *c, bool as_json)
{
    if (c->target.column)
        emit_string(e, "target", "target", c->target.column);
    for (uint32_t f = 0; f < c->count && !as_json; f++) {
        char title[32];
        snprintf(title, sizeof title, "feature %u", f);
        emit_string(e, NULL, title, c->feature[f].column);
    }
    if (!as_json || !c->count)
        return;
    emit_list(e, "feature_names");
    for (uint32_t f = 0; f < c->count; f++) {
        emit_row(e);
        emit_string(e, "name", NULL, c->feature[f].column);
        emit_row_end(e);
    }
    emit_list_end(e);
}

static void show_model(const struct info *i, const struct forest_info *info,
                       const struct columns *columns)
{
    struct emit e;
    emit_start(&e, stdout, i->json ? EMIT_JSON : EMIT_TEXT, false);
    emit_object(&e, NULL);
    emit_uint(&e, "n_estimators", "n_estimators", info->trees);
    show_params(&e, &info->params);
    emit_bool(&e, "keep_stats", "keep_stats", info->params.keep_stats);
    emit_uint(&e, "features", "features", info->features);
    emit_uint(&e, "classes", "classes", info->classes);
    emit_uint(&e, "nodes", "nodes", info->nodes);
    emit_uint(&e, "leaves", "leaves", info->leaves);
    emit_uint(&e, "depth", "depth", info->depth);
    emit_size(&e, "size", "size", info->bytes);
    show_columns(&e, columns, i->json);
    emit_object_end(&e);
}

/* What a feature is called: by --data, where every column but the target is one, or by the model.
 */
static const char *feature_name(const struct model *model, const struct dataset *data,
                                int64_t feature, char text[32])
{
    if (data)
        return data->csv.names[feature + (feature >= (int64_t)data->target)];
    return model_feature(model, (uint64_t)feature, text);
}

/* Words are told, if they are few: those whose numbers are not above the threshold. */
static void show_question(const char *name, const struct words *words, double threshold)
{
    uint32_t below = 0;
    while (words && below < words->count && below <= threshold)
        below++;
    if (!below || below > WORDS_SHOWN) {
        printf("%s <= %.6g", name, threshold);
        return;
    }
    printf("%s is", name);
    for (uint32_t i = 0; i < below; i++)
        printf("%s %s", i == 0 ? "" : i + 1 < below ? "," : " or", words->word[i]);
}

static void show_node(const struct forest_node *n, uint32_t depth, bool has_stats,
                      const struct model *model, const struct dataset *data)
{
    char name[32], number[EMIT_DOUBLE_TEXT];
    const struct columns *c = &model->columns;
    printf("%6llu  %*s", (unsigned long long)n->id, (int)(2 * depth), "");
    if (n->left >= 0)
        show_question(feature_name(model, data, n->feature, name),
                      n->feature < (int64_t)c->count ? &c->feature[n->feature] : NULL,
                      n->threshold);
    else if (n->value >= 0 && n->value < c->target.count)
        printf("predicts %s", c->target.word[(uint32_t)n->value]);
    else
        printf("predicts %s", emit_shortest(n->value, number));
    if (has_stats)
        printf("    (%llu rows, impurity %.4g)", (unsigned long long)n->rows, n->impurity);
    putchar('\n');
}

static void show_node_json(struct emit *e, const struct forest_node *n, uint32_t depth,
                           bool has_stats, const struct model *model, const struct dataset *data)
{
    char name[32];
    emit_row(e);
    emit_uint(e, "node", NULL, n->id);
    emit_uint(e, "depth", NULL, depth);
    if (n->left >= 0) {
        emit_string(e, "feature", NULL, feature_name(model, data, n->feature, name));
        emit_double17(e, "threshold", NULL, n->threshold, 6);
    }
    if (n->left < 0 || has_stats)
        emit_double17(e, "value", NULL, n->value, 6);
    if (has_stats) {
        emit_uint(e, "rows", NULL, n->rows);
        emit_double17(e, "weighted_rows", NULL, n->weighted_rows, 6);
        emit_double17(e, "impurity", NULL, n->impurity, 6);
    }
    emit_row_end(e);
}

/* Nodes are in preorder: a stack of the right children to come tells how deep each is. */
static int show_tree(const struct info *i, const struct model *model,
                     const struct forest_info *info, const struct dataset *data)
{
    uint64_t nodes, hidden = 0;
    struct emit e;
    if (forest_tree_nodes(model->forest, i->tree, &nodes)) {
        complain(i->model, "it has %llu trees, from 0 on", (unsigned long long)info->trees);
        return -ERANGE;
    }
    uint32_t *depth = calloc(nodes, sizeof *depth);
    if (!depth) {
        complain(NULL, "not enough memory");
        return -ENOMEM;
    }
    emit_start(&e, stdout, EMIT_JSON, false);
    if (i->json)
        emit_list(&e, NULL);
    for (uint64_t at = 0; at < nodes; at++) {
        struct forest_node n;
        if (forest_tree_node(model->forest, i->tree, at, &n))
            break;
        if (n.left >= 0)
            depth[n.left] = depth[n.right] = depth[at] + 1;
        if (depth[at] > i->depth)
            hidden++;
        else if (i->json)
            show_node_json(&e, &n, depth[at], info->params.keep_stats, model, data);
        else
            show_node(&n, depth[at], info->params.keep_stats, model, data);
    }
    if (i->json)
        emit_list_end(&e);
    else if (hidden)
        printf("%llu nodes below level %u; --depth shows more\n", (unsigned long long)hidden,
               i->depth);
    free(depth);
    return 0;
}

static int run(const struct info *i, const struct model *model)
{
    struct forest_info info;
    struct dataset data;
    forest_describe(model->forest, &info);
    if (i->tree == NO_TREE) {
        show_model(i, &info, &model->columns);
        return 0;
    }
    struct dataset_options options = { .target = i->target,
                                       .ignores_target = true,
                                       .missing_is_nan = true,
                                       .drop = i->drop,
                                       .known = &model->columns };
    int err = i->data ? dataset_read(&data, i->data, &options) : 0;
    if (err)
        return err;
    if (i->data && data.features != info.features) {
        complain(i->data, "it has %u features, where the model has %llu", data.features,
                 (unsigned long long)info.features);
        err = -EINVAL;
    } else {
        err = show_tree(i, model, &info, i->data ? &data : NULL);
    }
    if (i->data)
        dataset_free(&data);
    return err;
}

int cmd_info(int argc, char **argv)
{
    struct info i = { .tree = NO_TREE, .depth = DEPTH_SHOWN };
    struct model model;
    int code = parse(argc, argv, &i);
    if (code != ARGS_RUN)
        return code;
    if (model_open(&model, i.model))
        return EXIT_CANNOT;
    if (i.data && i.tree != NO_TREE && !(i.target = model_target(&model, i.target))) {
        model_close(&model);
        return EXIT_USAGE;
    }
    int err = run(&i, &model);
    model_close(&model);
    return err ? EXIT_CANNOT : EXIT_OK;
}
