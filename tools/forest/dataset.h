/* SPDX-License-Identifier: MIT */
/*
 * dataset.h -- a table in a file as features and a target: every column but the target is a
 * feature, in the order of the file. A file is CSV, or numpy's .npy of one or two dimensions, whose
 * columns are called "0", "1", ...; either may be compressed by gzip or lz4. What it is is told by
 * how it starts, not by its name.
 */
#ifndef DATASET_H
#define DATASET_H

#include <stdbool.h>
#include <stdint.h>

#include "columns.h"
#include "csv.h"

struct dataset {
    struct csv csv;
    uint64_t rows;
    uint32_t features;
    uint32_t target;     /* column; DATASET_NO_TARGET if there is none */
    struct words *words; /* of the columns that have some */
    uint32_t words_count;
    bool owns_words;
};
#define DATASET_NO_TARGET UINT32_MAX

struct dataset_options {
    const char *target;      /* a column's name, or NULL: all columns are features */
    bool ignores_target;     /* whatever it says, it is not used */
    bool may_lack_target;    /* it is there if there is a column more than the model's features */
    bool missing_is_nan;     /* missing features become NaN; else they are errors */
    const char *categorical; /* "NAME,NAME": columns whose words are numbered; or NULL */
    const char *drop;        /* "NAME,NAME": columns that are as if they were not there; or NULL */
    bool may_train;          /* options of training can be given that take what this does not */
    const struct columns *known; /* what the model knows of its table, in place of that; or NULL */
};

/*
 * Read `path`. Complains on stderr. Numbers beyond float32 are errors, as are a missing target, and
 * names of features that are not those that the model knows.
 */
int dataset_read(struct dataset *data, const char *path, const struct dataset_options *options);
/* The notes for a model of this table, malloc()ed. -ENOMEM */
int dataset_notes(const struct dataset *data, char **text, size_t *size);
void dataset_free(struct dataset *data);

/*
 * Put class numbers in the place of the target's labels, which go to *labels, malloc()ed, their
 * number to *classes. Complains.
 */
int dataset_encode(struct dataset *data, const char *path, double **labels, uint32_t *classes);

/* The features of `count` rows, row-major, as scikit-learn rounds them. order NULL: as they come.
 */
void dataset_features(const struct dataset *data, const uint32_t *order, uint64_t count,
                      float *out);
void dataset_targets(const struct dataset *data, const uint32_t *order, uint64_t count,
                     double *out);

#endif
