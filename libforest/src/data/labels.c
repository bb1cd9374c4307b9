/* SPDX-License-Identifier: MIT */
/* labels.c -- see labels.h and forest_encode() in forest.h. */
#include "labels.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "forest.h"

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static uint32_t rank_of(double label, const double *classes, uint32_t count)
{
    uint32_t low = 0;

    for (uint32_t n = count; n > 1;) {
        uint32_t half = n / 2;
        low = classes[low + half] <= label ? low + half : low;
        n -= half;
    }
    return low;
}

int forest_encode(const double *labels, uint64_t count, double *codes, double *classes,
                  uint32_t *classes_count)
{
    uint32_t n = 0;

    if (!labels || !codes || !classes || !classes_count || !count || count > SIZE_MAX / 16)
        return -EINVAL;
    double *sorted = malloc(count * sizeof *sorted);
    if (!sorted)
        return -ENOMEM;
    for (uint64_t i = 0; i < count; i++) {
        if (!isfinite(labels[i])) {
            free(sorted);
            return -EINVAL;
        }
        sorted[i] = labels[i] + 0.0; /* no -0.0 */
    }
    qsort(sorted, count, sizeof *sorted, compare);
    uint64_t distinct = 1;
    for (uint64_t i = 1; i < count; i++)
        distinct += sorted[i] > sorted[i - 1];
    if (distinct <= FOREST_CLASSES_MAX) {
        for (uint64_t i = 0; i < count; i++)
            if (i == 0 || sorted[i] > sorted[i - 1])
                classes[n++] = sorted[i];
        for (uint64_t i = 0; i < count; i++)
            codes[i] = (double)rank_of(labels[i], classes, n);
        *classes_count = n;
    }
    free(sorted);
    return n ? 0 : -EINVAL;
}

int labels_read(const double *y, uint32_t rows, uint16_t *codes, uint32_t *classes)
{
    uint32_t most = 0;

    for (uint32_t i = 0; i < rows; i++) {
        if (!(y[i] >= 0.0 && y[i] < FOREST_CLASSES_MAX) || y[i] != (double)(uint32_t)y[i])
            return -EINVAL;
        codes[i] = (uint16_t)y[i];
        most = codes[i] > most ? codes[i] : most;
    }
    *classes = most + 1;
    return 0;
}

/* rows / (classes that have rows * rows of the class), by class; a row counts as often as drawn. */
static void weigh_classes(const uint16_t *codes, uint32_t rows, uint32_t classes,
                          const double *drawn, double *weight)
{
    double all = 0.0, present = 0.0;

    memset(weight, 0, classes * sizeof *weight);
    for (uint32_t i = 0; i < rows; i++) {
        double times = drawn ? drawn[i] : 1.0;
        weight[codes[i]] += times;
        all += times;
    }
    for (uint32_t k = 0; k < classes; k++)
        present += weight[k] > 0.0;
    for (uint32_t k = 0; k < classes; k++)
        weight[k] = weight[k] > 0.0 ? all / (present * weight[k]) : 0.0;
}

void labels_weigh(const uint16_t *codes, uint32_t rows, uint32_t classes, uint32_t balance,
                  const double *sample_weight, double *by_class, double *weights)
{
    bool is_sub = balance == FOREST_CLASS_WEIGHT_BALANCED_SUBSAMPLE;

    if (balance)
        weigh_classes(codes, rows, classes, is_sub ? weights : NULL, by_class);
    /* the order of the products is scikit-learn's */
    for (uint32_t i = 0; is_sub && i < rows; i++)
        weights[i] =
            (sample_weight ? sample_weight[i] * weights[i] : weights[i]) * by_class[codes[i]];
    for (uint32_t i = 0; !is_sub && (sample_weight || balance) && i < rows; i++) {
        double given = sample_weight ? sample_weight[i] : 1.0;
        weights[i] *= balance ? given * by_class[codes[i]] : given;
    }
}
