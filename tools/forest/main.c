/* SPDX-License-Identifier: MIT */
#include "commands.h"
#include "forest.h"
#include "tool.h"

int main(int argc, char **argv)
{
    static const struct command commands[] = {
        { "gen", "make data to try things with", cmd_gen },
        { "split", "split a CSV file into training and test rows", cmd_split },
        { "train", "train a random forest", cmd_train },
        { "predict", "predict with a trained forest", cmd_predict },
        { "eval", "tell how good a forest's predictions are", cmd_eval },
        { "importance", "tell which features matter", cmd_importance },
        { "info", "tell what a model is, or show a tree", cmd_info },
        { "export", "write a model as JSON or as C source", cmd_export },
        { "import", "make a model of JSON, or of a scikit-learn forest", cmd_import },
        { "sweep", "train forests of many sizes in parallel and compare them", cmd_sweep },
    };
    static const struct tool tool = {
        "forest",
        "random forests, equal to scikit-learn's for the same seed",
        FOREST_VERSION_MAJOR * 10000 + FOREST_VERSION_MINOR * 100 + FOREST_VERSION_PATCH,
        commands,
        sizeof commands / sizeof *commands,
    };
    return tool_main(&tool, argc, argv);
}
