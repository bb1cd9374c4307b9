/* SPDX-License-Identifier: MIT */
/* matrix.h -- reading a caller's table. */
#ifndef MATRIX_H
#define MATRIX_H

#include "forest.h"

/* -EINVAL: no data although there are cells, an unknown dtype, a reserved field in use */
int matrix_check(const struct forest_matrix *x);

/* `count` rows from `first` on as float32, row after row. */
void matrix_read(const struct forest_matrix *x, uint64_t first, uint64_t count, float *out);

/* The same rows in place, if they are there as float32, row after row; else NULL. */
const float *matrix_rows_in_place(const struct forest_matrix *x, uint64_t first);

#endif
