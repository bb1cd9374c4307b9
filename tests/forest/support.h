/* SPDX-License-Identifier: MIT */
/* support.h -- data sets, golden files and hashes for the tests of libforest. Public names only. */
#ifndef SUPPORT_H
#define SUPPORT_H

#include "forest.h"
#include "test.h"

/* Rows in row-major order, a target and a weight each. */
struct table {
    uint64_t rows, cols;
    double *x, *y, *w;
};

void table_free(struct table *t);

/* What rows_of() in oracle/make_golden.py computes. levels[j] 0: continuous. */
struct table table_made(uint64_t seed, uint64_t rows, uint64_t cols, const unsigned *levels);

/* A table of `cols` columns of mixed kinds, for tests that only need one. */
struct table table_mixed(uint64_t seed, uint64_t rows, uint64_t cols);

/* California housing from $FOREST_DATA or data/california_housing.csv; rows 0: not there. */
struct table table_california(void);
/* The rows that `order` names. */
struct table table_rows(const struct table *t, const uint32_t *order, uint64_t count);

static inline struct forest_matrix table_matrix(const struct table *t)
{
    return forest_matrix_rows(t->x, t->rows, t->cols, FOREST_FLOAT64);
}

/* Make class numbers of the targets: 0..classes-1, all of them there if there are rows enough. */
void table_classes(struct table *t, unsigned classes);

/* tests/forest/golden/<name>; ends the program if it is not there. */
FILE *golden_file(const char *name);

/* FNV-1a of bytes; of one more value. */
uint64_t fnv(const void *bytes, size_t size);
uint64_t fnv_more(uint64_t hash, const void *bytes, size_t size);
#define FNV_START UINT64_C(0xcbf29ce484222325)

/* A model trained in this process: an opened view and its block. */
struct trained {
    void *block;
    size_t bytes;
    struct forest *forest;
};
struct trained train_on(const struct table *t, bool weighted, const struct forest_params *params);
void trained_free(struct trained *m);

#endif
