/* SPDX-License-Identifier: MIT */
/*
 * matrix.c -- elements may lie anywhere, at any stride and alignment: hence memcpy. The loop that
 * moves over memory in smaller steps is the inner one.
 */
#include "matrix.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int matrix_check(const struct forest_matrix *x)
{
    if (!x || (x->dtype != FOREST_FLOAT32 && x->dtype != FOREST_FLOAT64) || x->reserved)
        return -EINVAL;
    if (!x->data && x->rows && x->cols)
        return -EINVAL;
    return 0;
}

static inline float element(const char *at, bool is_double)
{
    double d;
    float f;

    if (!is_double) {
        memcpy(&f, at, sizeof f);
        return f;
    }
    memcpy(&d, at, sizeof d);
    return (float)d;
}

void matrix_read(const struct forest_matrix *x, uint64_t first, uint64_t count, float *out)
{
    const char *base = (const char *)x->data + (int64_t)first * x->row_stride;
    bool is_double = x->dtype == FOREST_FLOAT64;
    uint64_t cols = x->cols;

    if (llabs(x->row_stride) < llabs(x->col_stride)) {
        for (uint64_t j = 0; j < cols; j++)
            for (uint64_t i = 0; i < count; i++)
                out[i * cols + j] = element(
                    base + (int64_t)i * x->row_stride + (int64_t)j * x->col_stride, is_double);
        return;
    }
    for (uint64_t i = 0; i < count; i++)
        for (uint64_t j = 0; j < cols; j++)
            out[i * cols + j] =
                element(base + (int64_t)i * x->row_stride + (int64_t)j * x->col_stride, is_double);
}

const float *matrix_rows_in_place(const struct forest_matrix *x, uint64_t first)
{
    uintptr_t address = (uintptr_t)x->data;

    if (x->dtype != FOREST_FLOAT32 || address % sizeof(float) ||
        x->col_stride != (int64_t)sizeof(float) ||
        x->row_stride != (int64_t)(x->cols * sizeof(float)))
        return NULL;
    return (const float *)x->data + first * x->cols;
}
