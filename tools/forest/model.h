/* SPDX-License-Identifier: MIT */
/* model.h -- a trained model in a file. */
#ifndef MODEL_H
#define MODEL_H

#include <stdbool.h>
#include <stddef.h>

#include "dataset.h"
#include "filemap.h"
#include "forest.h"

struct model {
    struct filemap map;
    struct forest *forest;
    struct columns columns; /* what it knows of its table */
};

/* Map and check a model file. Complains on stderr. */
int model_open(struct model *model, const char *path);
void model_close(struct model *model);

/* What it calls a feature; without a name "feature N", which is put into `text`. */
const char *model_feature(const struct model *model, uint64_t feature, char text[32]);

/* The column it predicts: the one that was given, or that it was trained with. Complains of neither. */
const char *model_target(const struct model *model, const char *given);

/* Write a model, whole or not at all. Complains on stderr. */
int model_write(const char *path, const void *block, size_t bytes);

/* One prediction for each row of `data`, or with `proba` one for each class, malloc()ed into *out.
 * Complains on stderr about `path`, the data. */
int model_predict(const struct model *model, const struct dataset *data, const char *path,
                  bool proba, double **out);
/* The features of all rows of `data`, malloc()ed, if they are as many as the model has. Complains.
 */
int model_features(const struct model *model, const struct dataset *data, const char *path,
                   float **out);

/* How good a forest's predictions for x are: the mean squared error, or the accuracy. */
int model_score(const struct forest *forest, const struct forest_matrix *x, const double *y,
                double *score);

#endif
